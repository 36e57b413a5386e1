"""Checks of the reference against the publications' numbers; run by hand with `pytest`."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from binarize import (
    Binarizer,
    Method,
    OvswConv2d,
    SignRule,
    binary_activation,
    binary_convs,
    composed_activation,
    normalised,
    recu_latent,
    scale_statistic,
    sign,
)
from fixtures import FIXTURES, OVSW, RECU, Fixture, logits
from hostile import EXPECTED
from networks import build
from recipes import Hooks, Stepper, binarizer, decay_silent, learning_rate, recu_tau, scale_gradient

NUMPY_GLOBALS = [np._core.multiarray.scalar, np.dtype, np.dtypes.Float64DType]
"""What a learning rate of OvSW's checkpoints consists of."""

WRITTEN = Path(__file__).parent.parent / "model" / "fixtures"


@pytest.mark.parametrize(
    ("arch", "method", "binary", "total"),
    [
        ("resnet20", OVSW, 267_264, 269_850),
        ("resnet20", RECU, 267_264, 270_522),
        ("resnet18", OVSW, 10_985_472, 11_001_162),
        ("resnet18", RECU, 10_985_472, 11_005_002),
        ("resnet18-ovsw", OVSW, 11_157_504, 11_174_986),
        ("vgg-small", RECU, 4_571_136, 4_660_106 + 1_664),
        ("vgg-small-ovsw", OVSW, 4_571_136, 4_660_106 + 512),
        ("resnet18-imagenet", OVSW, 10_985_472, 11_690_536),
        ("resnet18-imagenet", RECU, 10_985_472, 11_690_536 + 3_840),
        ("resnet34-imagenet", OVSW, 21_086_208, 21_798_696),
        ("resnet34-imagenet", RECU, 21_086_208, 21_798_696 + 7_552),
        ("reactnet18", RECU, 10_985_472, 11_704_424 + 3_840),
    ],
)
def test_published_widths_have_the_published_parameter_totals(
    arch: str, method: Method, binary: int, total: int
) -> None:
    network = build(arch, Binarizer(method))
    assert sum(conv.weight.numel() for _, conv in binary_convs(network)) == binary
    assert sum(p.numel() for p in network.parameters()) == total


@pytest.mark.parametrize(
    ("epoch", "epochs", "tau"),
    [
        (0, 600, 0.850000),
        (60, 600, 0.858569),
        (300, 600, 0.902856),
        (450, 600, 0.941010),
        (599, 600, 0.989631),
        (1, 120, 0.850682),
        (60, 120, 0.902856),
        (119, 120, 0.988162),
        (199, 200, 0.988895),
    ],
)
def test_tau_grows_as_published(epoch: int, epochs: int, tau: float) -> None:
    assert recu_tau(epoch, epochs) == pytest.approx(tau, abs=5e-7)


@pytest.mark.parametrize(
    ("method", "epoch", "epochs", "rate"),
    [
        (RECU, 0, 600, 0.02),
        (RECU, 4, 600, 0.1),
        (RECU, 5, 600, 0.0999993),
        (RECU, 302, 600, 0.05),
        (RECU, 599, 600, 6.95e-7),
        (OVSW, 0, 600, 0.02),
        (OVSW, 5, 600, 0.10001),
        (OVSW, 302, 600, 0.050142),
        (OVSW, 599, 600, 1.0697e-5),
        (OVSW, 60, 120, 0.053422),
        (OVSW, 119, 120, 2.8656e-5),
    ],
)
def test_learning_rate_follows_the_recipe(
    method: Method, epoch: int, epochs: int, rate: float
) -> None:
    assert learning_rate(method, epoch, epochs) == pytest.approx(rate, rel=1e-3, abs=5e-10)


def central_differences(function: nn.Module, x: Tensor, step: float = 1e-6) -> Tensor:
    """Returns the gradient of a scalar function by central differences."""
    grad = torch.empty_like(x)
    for i in range(x.numel()):
        moved = [x.detach().clone() for _ in range(2)]
        moved[0].view(-1)[i] += step
        moved[1].view(-1)[i] -= step
        grad.view(-1)[i] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return grad


def recu_parts(weight: Tensor, tau: float) -> tuple[Tensor, float]:
    """Returns `W1` and `Q`, written out once more."""
    w0 = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
    n = weight[0].numel()
    s = (w0.square().sum(dim=(1, 2, 3), keepdim=True) / (n - 1) + 1e-5).sqrt()
    w1 = 2 * math.sqrt(2) * w0 / s
    return w1, -float(w1.abs().mean()) * math.log(2 - 2 * tau)


def test_recu_weight_gradient_equals_finite_differences() -> None:
    """With Q held, the latent path is smooth; the sign's gradient is the identity."""
    torch.manual_seed(1)
    weight = (0.1 * torch.randn(3, 4, 3, 3, dtype=torch.float64)).requires_grad_()
    upstream = torch.randn_like(weight)
    tau = torch.tensor(0.85, dtype=torch.float64)
    w1, q = recu_parts(weight.detach(), 0.85)
    assert 0.2 < float((w1.abs() > q).double().mean()) < 0.5, "the clamp must be active"

    (recu_latent(weight, tau) * upstream).sum().backward()

    def held(w: Tensor) -> Tensor:
        return (recu_parts(w, 0.85)[0].clamp(-q, q) * upstream).sum()

    assert torch.allclose(weight.grad, central_differences(held, weight), atol=1e-6)
    assert torch.allclose(weight.grad.sum(dim=(1, 2, 3)), torch.zeros(3).double(), atol=1e-10)


def test_recu_weight_gradient_equals_the_closed_form() -> None:
    torch.manual_seed(2)
    weight = (0.1 * torch.randn(3, 4, 3, 3, dtype=torch.float64)).requires_grad_()
    upstream = torch.randn_like(weight)
    tau = torch.tensor([0.9], dtype=torch.float64)
    conv = Binarizer(RECU).conv(4, 3).double()
    conv.weight, conv.tau = nn.Parameter(weight.detach()), tau
    (conv.binary_weight() * upstream).sum().backward()

    w1, q = recu_parts(weight.detach(), 0.9)
    w0 = weight.detach() - weight.detach().mean(dim=(1, 2, 3), keepdim=True)
    s = (w0.var(dim=(1, 2, 3), keepdim=True) + 1e-5).sqrt()
    c, n = 2 * math.sqrt(2), weight[0].numel()
    masked = upstream * ((w1 >= -q) & (w1 <= q))
    inner = (masked * w0).sum(dim=(1, 2, 3), keepdim=True)
    d = c * masked / s - c * w0 * inner / (s**3 * (n - 1))
    expected = d - d.mean(dim=(1, 2, 3), keepdim=True)
    assert torch.allclose(conv.weight.grad, expected, atol=1e-12)


@pytest.mark.parametrize("attached", [False, True])
def test_activation_gradient_is_the_triangle_through_the_deviation(attached: bool) -> None:
    torch.manual_seed(3)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn_like(x)
    (binary_activation(x, True, attached) * upstream).sum().backward()

    s = (x.detach().flatten(1).var(dim=1).reshape(-1, 1, 1, 1) + 1e-5).sqrt()
    inner = upstream * (2 - 2 * (x.detach() / s).abs()).clamp(min=0)

    def smooth(value: Tensor) -> Tensor:
        return ((normalised(value, True) if attached else value / s) * inner).sum()

    assert torch.allclose(x.grad, central_differences(smooth, x), atol=1e-7)
    assert torch.equal(binary_activation(x, False, attached), binary_activation(x, True, attached))


@pytest.mark.parametrize("attached", [False, True])
def test_fused_activation_equals_its_definition(attached: bool) -> None:
    torch.manual_seed(7)
    x = (0.4 + torch.randn(3, 4, 5, 5, dtype=torch.float64)).requires_grad_()
    upstream = torch.randn_like(x)
    results = []
    for signs in (binary_activation(x, True, attached), composed_activation(x, attached)):
        (grad,) = torch.autograd.grad((signs * upstream).sum(), x)
        results.append((signs, grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.allclose(results[0][1], results[1][1], atol=1e-13)


@pytest.mark.parametrize("method", [RECU, OVSW])
def test_training_pass_equals_sums_times_scale(method: Method) -> None:
    torch.manual_seed(8)
    conv = Binarizer(method).conv(4, 6).double()
    nn.init.normal_(conv.weight)
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    signs = binary_activation(x, True, conv.attached)
    expected = nn.functional.conv2d(signs, conv.binary_weight(), padding=1) * conv.scale()
    assert torch.allclose(conv.train()(x), expected, atol=1e-12)
    parameters = list(conv.parameters())
    upstream = torch.randn_like(expected)
    pair = zip(
        torch.autograd.grad((conv(x) * upstream).sum(), parameters),
        torch.autograd.grad((expected * upstream).sum(), parameters),
        strict=True,
    )
    assert all(torch.allclose(a, b, atol=1e-11) for a, b in pair)


def test_sign_of_zero_follows_the_rule() -> None:
    x = torch.tensor([-2.0, -0.0, 0.0, 3.0])
    assert sign(x, SignRule.PLUS).tolist() == [-1, 1, 1, 1]
    assert sign(x, SignRule.TORCH).tolist() == [-1, 0, 0, 1]


def test_scale_statistic_of_gaussian_filters_is_known() -> None:
    torch.manual_seed(4)
    scale = scale_statistic(0.05 * torch.randn(8, 64, 9, 9))
    assert scale.shape == (8, 1, 1)
    assert torch.allclose(scale, torch.full_like(scale, math.sqrt(2 / math.pi)), atol=0.02)


def test_ags_raises_only_small_gradients() -> None:
    weight = torch.tensor([[0.3, -0.4], [0.3, -0.4]])
    grad = torch.tensor([[0.001, 0.0], [0.03, 0.04]])
    expected = torch.tensor([[0.02, 0.0], [0.03, 0.04]])
    assert torch.allclose(scale_gradient(weight, grad, 0.04), expected)


def ovsw_weight(value: float) -> OvswConv2d:
    """Returns a convolution of one weight with SAD's state."""
    conv = Binarizer(OVSW, silence=True).conv(1, 1, kernel=1)
    assert isinstance(conv, OvswConv2d)
    nn.init.constant_(conv.weight, value)
    conv.start()
    return conv


def test_sad_sees_a_flip_one_step_later_and_for_2302_steps() -> None:
    conv, hooks, zero = ovsw_weight(0.5), Hooks(), torch.zeros(1, 1, 1, 1)
    assert decay_silent(conv, zero, hooks).item() == pytest.approx(9e-4 * 0.5)
    nn.init.constant_(conv.weight, -0.5)
    silent = [decay_silent(conv, zero, hooks).item() != 0 for _ in range(2400)]
    assert silent.index(True) == 2302, "S = 0.001, then falls until below 1e-4"


def test_ovsw_step_is_ags_then_sad_then_decay_then_momentum() -> None:
    torch.manual_seed(5)
    network = build("resnet20", binarizer(OVSW), widths=(4, 8, 16))
    stepper = Stepper(network, "resnet20", OVSW)
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    conv = stepper.convs[3]
    velocity = torch.zeros_like(conv.weight)
    for _ in range(3):
        network.zero_grad()
        before = conv.weight.detach().clone()
        state = {k: v.clone() for k, v in network.state_dict().items()}
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        grad = conv.weight.grad.clone()
        network.load_state_dict(state)
        stepper.step(images, labels)
        silent = (conv.tracker < 1e-4).float()
        grad = scale_gradient(before, grad, 0.04) + 9e-4 * silent * before
        velocity = 0.9 * velocity + grad + 5e-4 * before
        assert torch.allclose(conv.weight.detach(), before - 0.1 * velocity, atol=1e-6)


def test_tau_changes_no_output_in_evaluation() -> None:
    torch.manual_seed(6)
    network = build("resnet20", Binarizer(RECU), widths=(4, 8, 16)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        first = network(images)
        for _, conv in binary_convs(network):
            conv.tau.fill_(0.85)
        assert torch.equal(first, network(images))


def load_state(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a fixture, without `module.`."""
    if path.suffix == ".safetensors":
        return load_file(path)
    with torch.serialization.safe_globals(NUMPY_GLOBALS):
        content = torch.load(path, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content)
    return {key.replace("module.", ""): value for key, value in state.items()}


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda f: f.name)
def test_written_fixture_gives_its_logits(fixture: Fixture) -> None:
    expected = json.loads((WRITTEN / f"{fixture.name}.json").read_text())
    make = Binarizer(
        fixture.method,
        silence="silence" in fixture.features,
        learned_scale="learned_scale" in fixture.features,
    )
    network = build(fixture.arch, make, widths=fixture.widths, side=fixture.side, classes=10)
    state = load_state(WRITTEN / expected["file"])
    state |= {k: v.reshape(()) for k, v in state.items() if k.endswith(".tau")}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    result = logits(network, fixture, torch.float64)
    assert torch.allclose(
        result, torch.tensor(expected["logits_f64"], dtype=torch.float64), atol=1e-12
    )


def test_hostile_files_are_the_listed_ones_and_none_runs_code() -> None:
    folder = WRITTEN / "hostile"
    assert {p.name for p in folder.glob("*.pth")} == set(EXPECTED)
    for name in ("reduce-zip.pth", "reduce-legacy.pth"):
        with pytest.raises(pickle.UnpicklingError, match="system"):
            torch.load(folder / name, weights_only=True)
