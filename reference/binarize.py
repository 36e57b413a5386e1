"""Binary convolutions of ReCU and OvSW, as plain PyTorch modules.

Forward and surrogate gradients are stated at each function.
The vanilla baseline is OvSW's convolution without the gradient hooks of `recipes.py`.

Symbols: `W[o, i, y, x]` latent weights, `n = i*y*x` weights of one filter, `A` activations,
`mean_o`, `var_o` over one filter, `var_b` over channels and positions of one image.
Variances are unbiased.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
"""Added to each variance before its root."""

LAPLACE_STD = 2.0 * math.sqrt(2.0)
"""Deviation of a Laplace distribution of scale 2, to which ReCU standardises a filter."""


class Method(Enum):
    """A training method; `VANILLA` and `OVSW` have the same forward pass."""

    VANILLA = "vanilla"
    RECU = "recu"
    OVSW = "ovsw"


class SignRule(Enum):
    """The sign of zero: `+1`, or `0` as in `torch.sign` and both published programs."""

    PLUS = "plus"
    TORCH = "torch"


def sign(x: Tensor, rule: SignRule) -> Tensor:
    """Returns the signs of `x` as numbers of the same type."""
    if rule is SignRule.TORCH:
        return torch.sign(x)
    return torch.sign(x).add_(0.5).sign_()  # Exact, and faster than a comparison.


class _IdentitySign(torch.autograd.Function):
    """Forward `sign(x)`; backward `dL/dx = dL/dy`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: SignRule) -> Tensor:
        return sign(x, rule)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _TriangleSign(torch.autograd.Function):
    """Forward `sign(x)`; backward `dL/dx = dL/dy * max(0, 2 - 2|x|)`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rule: SignRule) -> Tensor:
        ctx.save_for_backward(x)
        return sign(x, rule)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        slope = x.abs().mul_(-2.0).add_(2.0).clamp_(min=0.0)
        return slope.mul_(grad), None


class _NormalisedSign(torch.autograd.Function):
    """`_TriangleSign(normalised(A))` in one piece, for speed.

    Forward `sign(A)`, as the division by `s = sqrt(var_b(A) + eps)` changes no sign. Backward with
    `g1 = dL/dy * max(0, 2 - 2|A|/s)`, and over the `N` values of an image:
    `dL/dA = g1 / s`, and where attached `- (A - mean_b(A)) sum_b(g1 A) / ((N - 1) s^3)`.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, attached: bool, rule: SignRule) -> Tensor:
        n = x[0].numel()
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        square = torch.linalg.vector_norm(x, dim=(1, 2, 3), keepdim=True).square()
        deviation = torch.sqrt((square - n * mean * mean) / (n - 1) + EPSILON)
        ctx.save_for_backward(x, mean, deviation)
        ctx.attached = attached
        return sign(x, rule)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, mean, deviation = ctx.saved_tensors
        result = x.abs().mul_(-2.0 / deviation).add_(2.0).clamp_(min=0.0).mul_(grad)
        if not ctx.attached:
            return result.div_(deviation), None, None
        inner = (result * x).sum(dim=(1, 2, 3), keepdim=True)
        slope = inner / ((x[0].numel() - 1) * deviation**3)
        return result.div_(deviation).addcmul_(x, -slope).add_(slope * mean), None, None


def centred(weight: Tensor) -> Tensor:
    """Returns `W - mean_o(W)`."""
    return weight - weight.mean(dim=(1, 2, 3), keepdim=True)


def laplace_quantile(scale: Tensor, tau: Tensor) -> Tensor:
    """Returns `Q = -scale * ln(2 - 2 tau)`, the tau-quantile of Laplace(0, scale).

    It is infinite at `tau = 1`, the value before the first epoch.
    """
    return -scale * torch.log(2.0 - 2.0 * tau)


def recu_latent(weight: Tensor, tau: Tensor) -> Tensor:
    """Returns ReCU's standardised and clamped weights, before their sign.

    `W1 = 2 sqrt(2) W0 / sqrt(var_o(W0) + eps)` with `W0 = W - mean_o(W)`;
    `W2 = clamp(W1, -Q, Q)`, where `Q` is the quantile for the mean of `|W1|` over the layer and a
    constant for the gradient.
    Mean and deviation are differentiated.
    """
    zero_mean = centred(weight)
    deviation = torch.sqrt(zero_mean.var(dim=(1, 2, 3), keepdim=True) + EPSILON)
    standardised = zero_mean * (LAPLACE_STD / deviation)
    bound = laplace_quantile(standardised.detach().abs().mean(), tau.reshape(()))
    return torch.clamp(standardised, -bound, bound)


def recu_weight(weight: Tensor, tau: Tensor, rule: SignRule = SignRule.PLUS) -> Tensor:
    """Returns ReCU's binary weights `sign(W2)`, with the identity as the sign's gradient."""
    return _IdentitySign.apply(recu_latent(weight, tau), rule)


def plain_weight(weight: Tensor, rule: SignRule = SignRule.PLUS) -> Tensor:
    """Returns `sign(W)`, with the identity as its gradient: OvSW and vanilla."""
    return _IdentitySign.apply(weight, rule)


def scale_statistic(weight: Tensor) -> Tensor:
    """Returns OvSW's scale `mean_o |W0 / sqrt(var_o(W0) + eps)|`, shape `[o, 1, 1]`, a constant."""
    zero_mean = centred(weight.detach())
    deviation = torch.sqrt(zero_mean.var(dim=(1, 2, 3), keepdim=True) + EPSILON)
    return (zero_mean / deviation).abs().mean(dim=(1, 2, 3)).reshape(-1, 1, 1)


def normalised(activation: Tensor, attached: bool) -> Tensor:
    """Returns `A / sqrt(var_b(A) + eps)`; the deviation is a constant unless `attached`."""
    source = activation if attached else activation.detach()
    variance = source.flatten(1).var(dim=1).reshape(-1, 1, 1, 1)
    return activation * torch.rsqrt(variance + EPSILON)


def binary_activation(
    activation: Tensor, training: bool, attached: bool, rule: SignRule = SignRule.PLUS
) -> Tensor:
    """Returns `sign(A)`; in training of the normalised activations, with the triangle gradient."""
    if training:
        return _NormalisedSign.apply(activation, attached, rule)
    return _TriangleSign.apply(activation, rule)


def composed_activation(activation: Tensor, attached: bool) -> Tensor:
    """Returns `binary_activation` in training as its definition says, for comparison."""
    return _TriangleSign.apply(normalised(activation, attached), SignRule.PLUS)


class BinaryConv2d(nn.Module):
    """A convolution of signs without bias, padded with zeros: `Y = conv(sign A, sign W) * alpha`.

    Padding keeps the size at stride 1: 1 for a 3x3 kernel, 0 for 1x1.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, rule: SignRule):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.stride = stride
        self.padding = kernel // 2
        self.rule = rule

    attached = False
    """Whether the gradient passes through the activations' deviation."""

    def binary_weight(self) -> Tensor:
        """Returns the weights as signs."""
        raise NotImplementedError

    def scale(self) -> Tensor:
        """Returns alpha, shape `[o, 1, 1]`."""
        raise NotImplementedError

    def effective(self) -> Tensor:
        """Returns what the forward pass takes the sign of, without gradient."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Returns the convolution of a batch `[b, i, h, w]`.

        In training the scale is multiplied into the weights, which is the same function and its
        gradients with fewer passes over activations; in evaluation the sums are exact integers.
        """
        signs = binary_activation(x, self.training, self.attached, self.rule)
        weight, scale = self.binary_weight(), self.scale()
        if self.training:
            weight = weight * scale.unsqueeze(-1)
            return functional.conv2d(signs, weight, None, self.stride, self.padding)
        return functional.conv2d(signs, weight, None, self.stride, self.padding) * scale


class RecuConv2d(BinaryConv2d):
    """ReCU's: centred weights, learned alpha from U[0, 1), buffer `tau` from 1."""

    attached = True

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, rule: SignRule):
        super().__init__(inputs, outputs, kernel, stride, rule)
        self.alpha = nn.Parameter(torch.rand(outputs, 1, 1))
        self.register_buffer("tau", torch.tensor(1.0))

    def binary_weight(self) -> Tensor:
        return recu_weight(self.weight, self.tau, self.rule)

    def scale(self) -> Tensor:
        return self.alpha

    def effective(self) -> Tensor:
        return centred(self.weight.detach())


class OvswConv2d(BinaryConv2d):
    """OvSW's and vanilla's: plain signs, alpha from the weights' statistic.

    `learned_scale` makes alpha the parameter `scaling_factor`, from `mean_o |W|`; no published run
    does. `silence` adds SAD's state: `weight_prev` and `tracker`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        rule: SignRule,
        silence: bool,
        learned_scale: bool,
    ):
        super().__init__(inputs, outputs, kernel, stride, rule)
        self.scaling_factor = nn.Parameter(torch.empty(outputs)) if learned_scale else None
        if silence:
            self.register_buffer("weight_prev", torch.zeros_like(self.weight))
            self.register_buffer("tracker", torch.zeros_like(self.weight))

    def binary_weight(self) -> Tensor:
        return plain_weight(self.weight, self.rule)

    def scale(self) -> Tensor:
        if self.scaling_factor is not None:
            return self.scaling_factor.reshape(-1, 1, 1)
        return scale_statistic(self.weight)

    def effective(self) -> Tensor:
        return self.weight.detach()

    def start(self) -> None:
        """Sets what depends on the initial weights; to be called after initialisation."""
        with torch.no_grad():
            if self.scaling_factor is not None:
                self.scaling_factor.copy_(self.weight.abs().mean(dim=(1, 2, 3)))
            if "weight_prev" in self._buffers:
                self.weight_prev.copy_(self.weight)


@dataclass(frozen=True)
class Binarizer:
    """What the binary convolutions of a network are."""

    method: Method
    rule: SignRule = SignRule.PLUS
    silence: bool = False
    learned_scale: bool = False

    def conv(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> BinaryConv2d:
        """Returns one binary convolution."""
        if self.method is Method.RECU:
            return RecuConv2d(inputs, outputs, kernel, stride, self.rule)
        return OvswConv2d(
            inputs, outputs, kernel, stride, self.rule, self.silence, self.learned_scale
        )


def binary_convs(network: nn.Module) -> list[tuple[str, BinaryConv2d]]:
    """Returns the binary convolutions of a network with their keys, in order."""
    return [(name, m) for name, m in network.named_modules() if isinstance(m, BinaryConv2d)]


def set_tau(network: nn.Module, tau: float) -> None:
    """Sets tau of every ReCU convolution."""
    for _, conv in binary_convs(network):
        if isinstance(conv, RecuConv2d):
            conv.tau.fill_(tau)
