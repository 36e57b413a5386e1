"""Writes small checkpoints with expected logits for the importer's tests.

    python fixtures.py ../model/fixtures

Every fixture is a width-reduced network in a state as after training: statistics of real
batches, scales of either sign, no exact zeros.
Beside `NAME.pth` lies `NAME.json` with the architecture and the logits of two images.
No sign of a fixture is closer to zero than `margin`, so that any correct implementation in
`float32` or better takes the same signs; the seed is searched for that.
`hostile.py` writes the files that an importer must refuse.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

import binarize
from binarize import Binarizer, Method, OvswConv2d, RecuConv2d, binary_convs, set_tau
from data import normalise
from hostile import write_hostile
from networks import build
from recipes import learning_rate, recu_tau

IMAGES = 2
BYTE_RULE = "(37 n + 91 c + 7 y^2 + 13 x + 29 ((x y) mod 11)) mod 256"

MIN_MARGIN = 1e-5
"""Smallest distance of a sign's argument from zero that a fixture may have."""


@dataclass(frozen=True)
class Fixture:
    """One checkpoint: its network, and how its file is written."""

    name: str
    arch: str
    method: Method
    widths: tuple[int, ...]
    norm: str
    side: int = 32
    suffix: str = ".pth"
    legacy: bool = False
    features: tuple[str, ...] = field(default_factory=tuple)


RECU, OVSW = Method.RECU, Method.OVSW
FIXTURES = (
    Fixture(
        "recu-resnet20", "resnet20", RECU, (4, 8, 16), "recu", suffix=".pth.tar", legacy=True,
        features=("optimizer", "cuda", "tau_vector"),
    ),
    Fixture(
        "recu-resnet20-safetensors", "resnet20", RECU, (4, 8, 16), "recu",
        suffix=".safetensors", features=("tau_vector",),
    ),
    Fixture(
        "recu-resnet18", "resnet18", RECU, (4, 8, 16, 32), "recu",
        features=("module_prefix", "optimizer"),
    ),
    Fixture(
        "recu-vgg-small", "vgg-small", RECU, (8, 8, 16, 16, 32, 32), "recu", legacy=True,
        features=("no_batch_counts", "double_module_prefix", "tau_vector"),
    ),
    Fixture(
        "recu-resnet18-imagenet", "resnet18-imagenet", RECU, (4, 8, 16, 16), "recu", side=64,
        suffix=".pth.tar", legacy=True, features=("shared_storage", "tau_vector"),
    ),
    Fixture(
        "recu-reactnet18", "reactnet18", RECU, (4, 8, 8, 16), "recu", side=64,
        features=("bare_state_dict", "parameters"),
    ),
    Fixture(
        "ovsw-resnet20", "resnet20", OVSW, (4, 8, 16), "ovsw",
        features=("silence", "optimizer", "not_evaluated"),
    ),
    Fixture(
        "ovsw-resnet18", "resnet18-ovsw", OVSW, (4, 8, 8, 16), "ovsw",
        features=("channels_last", "shared_storage", "cuda"),
    ),
    Fixture(
        "ovsw-vgg-small", "vgg-small-ovsw", OVSW, (8, 8, 16, 16, 32, 32), "ovsw", legacy=True,
        features=("learned_scale",),
    ),
    Fixture(
        "ovsw-resnet34-imagenet", "resnet34-imagenet", OVSW, (4, 4, 8, 8), "recu", side=64,
        features=("module_prefix", "no_batch_counts", "half_and_double"),
    ),
)  # fmt: skip


def image_bytes(side: int, images: int = IMAGES) -> np.ndarray:
    """Returns the bytes `[n, c, y, x]` of the test images by `BYTE_RULE`."""
    n, c, y, x = np.indices((images, 3, side, side))
    return (37 * n + 91 * c + 7 * y * y + 13 * x + 29 * ((x * y) % 11)) % 256


def calibrate(network: nn.Module, images: Tensor) -> None:
    """Sets the running statistics to those of a batch."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    for norm in norms:
        norm.momentum = 0.1
        norm.num_batches_tracked.fill_(1234)


def random_signs(shape: torch.Size, negative: float) -> Tensor:
    """Returns -1 with the probability `negative`, else 1."""
    return 1.0 - 2.0 * (torch.rand(shape) < negative).float()


@torch.no_grad()
def randomise(network: nn.Module, side: int) -> None:
    """Draws a state as after training: off-centre filters, scales of either sign, affine
    normalisations of either sign, statistics of a random batch, then disturbed."""
    for name, parameter in network.named_parameters():
        if name.endswith(("alpha", "scaling_factor")):
            scale = 0.05 + torch.rand_like(parameter)
            parameter.copy_(scale * random_signs(parameter.shape, 0.25))
        elif ".move" in name or name.endswith("bias"):
            parameter.copy_(0.3 * torch.randn_like(parameter))
        elif name.startswith("nonlinear5") or ".nonlinear" in name:
            parameter.copy_(0.1 + 0.3 * torch.rand_like(parameter))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            gamma = 0.5 + torch.rand_like(module.weight)
            module.weight.copy_(gamma * random_signs(gamma.shape, 0.15))
    for _, conv in binary_convs(network):
        deviation = conv.weight.flatten(1).std(dim=1).reshape(-1, 1, 1, 1)
        conv.weight.add_(0.3 * deviation * torch.randn_like(deviation))
    calibrate(network, torch.randn(32, 3, side, side))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            variance = module.running_var
            module.running_mean.add_(0.2 * variance.sqrt() * torch.randn_like(variance))
            variance.mul_(0.7 + 0.7 * torch.rand_like(variance))


@contextmanager
def recorded_margins() -> Iterator[list[float]]:
    """Collects the smallest magnitude at each sign that is taken meanwhile."""
    margins: list[float] = []
    plain = binarize.sign

    def recording(x: Tensor, rule: binarize.SignRule) -> Tensor:
        margins.append(float(x.abs().min()))
        return plain(x, rule)

    binarize.sign = recording
    try:
        yield margins
    finally:
        binarize.sign = plain


def logits(network: nn.Module, fixture: Fixture, dtype: torch.dtype) -> Tensor:
    """Returns the logits of the test images, computed in `dtype` from the stored parameters."""
    pixels = torch.tensor(image_bytes(fixture.side)).to(dtype)
    with torch.no_grad():
        return copy.deepcopy(network).to(dtype).eval()(normalise(pixels, fixture.norm))


def make_network(fixture: Fixture) -> tuple[nn.Module, float, int]:
    """Returns the network of the first seed whose margin suffices, the margin and the seed."""
    method = fixture.method
    make = Binarizer(
        method,
        silence="silence" in fixture.features,
        learned_scale="learned_scale" in fixture.features,
    )
    for seed in range(1, 200):
        torch.manual_seed(seed)
        network = build(fixture.arch, make, widths=fixture.widths, classes=10, side=fixture.side)
        randomise(network, fixture.side)
        if "half_and_double" in fixture.features:
            network.fc.weight.data = network.fc.weight.data.half().float()
        if method is RECU:
            set_tau(network, recu_tau(7, 10))
        with recorded_margins() as margins:
            logits(network, fixture, torch.float64)
        if min(margins) >= MIN_MARGIN:
            return network, min(margins), seed
    raise RuntimeError(f"{fixture.name}: no seed has a margin of {MIN_MARGIN}")


def shape_tau(state: OrderedDict[str, Tensor]) -> None:
    """Gives every tau the shape [1], which trained ReCU files have."""
    for key in state:
        if key.endswith(".tau"):
            state[key] = state[key].reshape(1)


def drop_batch_counts(state: OrderedDict[str, Tensor]) -> None:
    """Removes `num_batches_tracked`, which old files do not have."""
    for key in [k for k in state if k.endswith("num_batches_tracked")]:
        del state[key]


def share_storage(state: OrderedDict[str, Tensor]) -> None:
    """Puts the normalisation of the stem into one storage, each tensor at its offset."""
    keys = [f"bn1.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    together = torch.cat([state[k] for k in keys])
    for key, part in zip(keys, together.chunk(len(keys)), strict=True):
        state[key] = part


def lay_channels_last(state: OrderedDict[str, Tensor]) -> None:
    """Stores two weights with the channel as fastest index: strides that are not contiguous."""
    for key in ("conv1.weight", "layer2.0.conv1.weight"):
        state[key] = state[key].contiguous(memory_format=torch.channels_last)


def mix_types(state: OrderedDict[str, Tensor]) -> None:
    """Stores one tensor as float16 (exactly) and one as float64."""
    state["fc.weight"] = state["fc.weight"].half()
    state["bn2.running_var"] = state["bn2.running_var"].double()


def as_parameters(state: OrderedDict[str, Tensor]) -> None:
    """Stores the learned tensors as `Parameter`, as `state_dict(keep_vars=True)` does."""
    for key in state:
        if state[key].is_floating_point() and "running" not in key and ".tau" not in key:
            state[key] = nn.Parameter(state[key])


CHANGES = {
    "tau_vector": shape_tau,
    "no_batch_counts": drop_batch_counts,
    "shared_storage": share_storage,
    "channels_last": lay_channels_last,
    "half_and_double": mix_types,
    "parameters": as_parameters,
}
"""What a feature changes in a state dictionary."""


def state_dict(network: nn.Module, features: tuple[str, ...]) -> OrderedDict[str, Tensor]:
    """Returns the network's state, changed as the features say."""
    plain = network.state_dict()
    state = OrderedDict((k, v.clone()) for k, v in plain.items())
    for feature in features:
        if feature in CHANGES:
            CHANGES[feature](state)
    prefix = "module." * (
        1 if "module_prefix" in features else 2 if "double_module_prefix" in features else 0
    )
    result = OrderedDict((prefix + k, v) for k, v in state.items())
    result._metadata = plain._metadata  # An attribute beside the items: real files have it.
    return result


def optimizer_state(network: nn.Module, rate: Any) -> dict[str, Any]:
    """Returns what `SGD.state_dict` has, with the momentum of two parameters only."""
    parameters = list(network.parameters())
    state = {i: {"momentum_buffer": 0.01 * torch.randn_like(parameters[i])} for i in (0, 1)}
    group = {
        "lr": rate,
        "momentum": 0.9,
        "dampening": 0,
        "weight_decay": 5e-4,
        "nesterov": False,
        "params": list(range(len(parameters))),
    }
    return {"state": state, "param_groups": [group]}


def recu_checkpoint(fixture: Fixture, network: nn.Module) -> dict[str, Any]:
    """Returns the dictionary that ReCU's program saves."""
    kept = {"epoch": 8, "model": f"{fixture.arch}_1w1a"}
    kept["state_dict"] = state_dict(network, fixture.features)
    kept["best_prec1"] = torch.tensor(61.25) if fixture.legacy else 61.25
    if fixture.arch.endswith("imagenet"):
        kept["best_prec5"] = 84.5
    if "optimizer" in fixture.features:
        kept["optimizer"] = optimizer_state(network, learning_rate(RECU, 7, 10))
        kept["lr_scheduler"] = {"T_max": 6, "base_lrs": [0.1], "last_epoch": 4, "eta_min": 0}
    return kept


def ovsw_checkpoint(fixture: Fixture, network: nn.Module) -> dict[str, Any]:
    """Returns the dictionary that OvSW's program saves."""
    kept = {"epoch": 8, "arch": f"c{fixture.arch}_1w1a"}
    kept["state_dict"] = state_dict(network, fixture.features)
    kept |= {"best_acc1": 61.25, "best_acc5": 95.5}
    kept |= {"best_train_acc1": 62.5, "best_train_acc5": 96.0}
    rate = np.float64(learning_rate(OVSW, 7, 10))
    kept["optimizer"] = (
        optimizer_state(network, rate)
        if "optimizer" in fixture.features
        else {"state": {}, "param_groups": [{"lr": rate, "params": []}]}
    )
    text = "not_evaluated" in fixture.features
    kept |= {"curr_acc1": "Not evaluated" if text else 60.0, "curr_acc5": 95.0}
    return kept


@contextmanager
def tagged(location: str) -> Iterator[None]:
    """Lets `torch.save` note another device than the CPU, as after training on it."""
    plain = torch.serialization.location_tag
    torch.serialization.location_tag = lambda _storage: location
    try:
        yield
    finally:
        torch.serialization.location_tag = plain


def write_checkpoint(fixture: Fixture, network: nn.Module, path: Path) -> None:
    """Writes the file of one fixture."""
    if fixture.suffix == ".safetensors":
        state = state_dict(network, fixture.features)
        path.write_bytes(save(dict(state), metadata={"arch": fixture.arch}))
        return
    if "bare_state_dict" in fixture.features:
        content: Any = state_dict(network, fixture.features)
    elif fixture.method is RECU:
        content = recu_checkpoint(fixture, network)
    else:
        content = ovsw_checkpoint(fixture, network)
    with tagged("cuda:1" if "cuda" in fixture.features else "cpu"):
        torch.save(content, path, _use_new_zipfile_serialization=not fixture.legacy)


def container(fixture: Fixture) -> str:
    """Returns the name of the file's outer format."""
    if fixture.suffix == ".safetensors":
        return "safetensors"
    return "legacy" if fixture.legacy else "zip"


def expectation(fixture: Fixture, network: nn.Module, margin: float, seed: int) -> dict[str, Any]:
    """Returns what the importer's tests compare with."""
    double, single = (logits(network, fixture, t) for t in (torch.float64, torch.float32))
    assert torch.allclose(double, single.double(), atol=1e-4), "float32 took another sign"
    assert float((double[0] - double[1]).abs().max()) > 1e-3, "the images must differ"
    return {
        "file": fixture.name + fixture.suffix,
        "container": container(fixture),
        "arch": fixture.arch,
        "method": fixture.method.value,
        "layout": "ReCU" if fixture.method is RECU else "OvSW",
        "norm": fixture.norm,
        "image": {"channels": 3, "height": fixture.side, "width": fixture.side},
        "classes": 10,
        "widths": list(fixture.widths),
        "features": list(fixture.features),
        "seed": seed,
        "byte_rule": BYTE_RULE,
        "margin": margin,
        "logits_f64": double.tolist(),
        "logits_f32": single.double().tolist(),
    }


def check_kinds(fixture: Fixture, network: nn.Module) -> None:
    """Asserts that the state is what the fixture is for."""
    convs = [conv for _, conv in binary_convs(network)]
    for conv in convs:
        assert int((conv.effective() == 0).sum()) == 0, "an exact zero"
    if fixture.method is RECU:
        alphas = torch.cat([c.alpha.flatten() for c in convs if isinstance(c, RecuConv2d)])
        assert bool((alphas < 0).any()) and bool((alphas > 0).any())
    if "silence" in fixture.features:
        for conv in convs:
            assert isinstance(conv, OvswConv2d)
            conv.tracker.copy_(torch.rand_like(conv.tracker) * 1e-3)


def write_fixture(fixture: Fixture, folder: Path) -> None:
    """Writes one checkpoint and its expectation."""
    network, margin, seed = make_network(fixture)
    check_kinds(fixture, network)
    path = folder / (fixture.name + fixture.suffix)
    write_checkpoint(fixture, network, path)
    expected = expectation(fixture, network, margin, seed)
    (folder / f"{fixture.name}.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, seed {seed}, margin {margin:.1e}")


def main() -> None:
    """Writes all fixtures into the folder of the command line."""
    parser = argparse.ArgumentParser(description="Writes checkpoints for the importer's tests.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for fixture in FIXTURES:
        write_fixture(fixture, folder)
    write_hostile(folder / "hostile")


if __name__ == "__main__":
    main()
