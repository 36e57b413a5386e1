"""How the networks are trained: schedules, gradient hooks, parameter groups, one step.

A step is: forward, backward, then for each binary convolution AGS and SAD (OvSW only), then
`d = G + wd W`, `v <- 0.9 v + d`, `W <- W - lr v`. The learning rate changes once an epoch.
OvSW's program trains in mixed precision; here everything is `float32`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from binarize import Binarizer, BinaryConv2d, Method, OvswConv2d, SignRule, binary_convs, sign

OVSW_FLOOR = 1e-5
"""OvSW's learning rate after the warm-up never falls below this."""


def recu_tau(epoch: int, epochs: int, low: float = 0.85, high: float = 0.99) -> float:
    """Returns ReCU's tau: `A exp(e / E) + low - A` with `A = (high - low) / (exp(1) - 1)`."""
    a = (high - low) / (math.e - 1.0)
    return a * math.exp(epoch / epochs) + (low - a)


def learning_rate(
    method: Method, epoch: int, epochs: int, warmup: int = 5, base: float = 0.1
) -> float:
    """Returns the learning rate of an epoch, from 0.

    `base (e + 1) / L` for `e < L`, then `base / 2 (1 + cos(pi (e - S) / (E - S)))`.
    ReCU: `S = L - 1` (0 without a warm-up). OvSW and vanilla: `S = L`, and 1e-5 is added.
    """
    if epoch < warmup:
        return base * (epoch + 1) / warmup
    recu = method is Method.RECU
    start = max(warmup - 1, 0) if recu else warmup
    cosine = math.cos(math.pi * (epoch - start) / (epochs - start))
    return base / 2.0 * (1.0 + cosine) + (0.0 if recu else OVSW_FLOOR)


@dataclass(frozen=True)
class Hooks:
    """Constants of AGS (`ratio`, lambda) and SAD; the values for CIFAR."""

    ratio: float = 0.04
    decay: float = 9e-4
    momentum: float = 0.999
    threshold: float = 1e-4


def scale_gradient(weight: Tensor, grad: Tensor, ratio: float) -> Tensor:
    """Returns AGS's gradient, filter by filter.

    `G_o lambda wn / gn` where `gn / wn < lambda`, with `gn = max(|G_o|, 1e-6)` and
    `wn = max(|W_o|, 1e-3)`; else `G_o`.
    """
    gn = grad.flatten(1).norm(dim=1).clamp(min=1e-6)
    wn = weight.flatten(1).norm(dim=1).clamp(min=1e-3)
    factor = torch.where(gn / wn < ratio, ratio * wn / gn, torch.ones_like(gn))
    return grad * factor.reshape(-1, *[1] * (grad.dim() - 1))


def decay_silent(conv: OvswConv2d, grad: Tensor, hooks: Hooks) -> Tensor:
    """Returns SAD's gradient `G + sigma 1[S < eps] W` and moves its state on.

    First `S <- m S + (1 - m) 1[sign W != sign W_prev]`, last `W_prev <- W`: a step's flip is seen
    by the next step. The signs follow the convolution's rule for zero.
    """
    weight = conv.weight.detach()
    flipped = sign(weight, conv.rule) != sign(conv.weight_prev, conv.rule)
    conv.tracker.mul_(hooks.momentum).add_(flipped, alpha=1.0 - hooks.momentum)
    conv.weight_prev.copy_(weight)
    silent = (conv.tracker < hooks.threshold).to(weight.dtype)
    return grad + silent.mul_(weight).mul_(hooks.decay)


@torch.no_grad()
def apply_hooks(convs: list[BinaryConv2d], hooks: Hooks) -> None:
    """Applies AGS, then SAD, to the gradients of all binary convolutions."""
    for conv in convs:
        assert isinstance(conv, OvswConv2d) and conv.weight.grad is not None
        grad = scale_gradient(conv.weight, conv.weight.grad, hooks.ratio)
        conv.weight.grad = decay_silent(conv, grad, hooks)


def binarizer(method: Method, rule: SignRule = SignRule.PLUS) -> Binarizer:
    """Returns the convolutions of a method; OvSW's carry SAD's state."""
    return Binarizer(method, rule, silence=method is Method.OVSW)


def parameter_groups(network: nn.Module, arch: str, method: Method) -> list[dict]:
    """Returns the groups with their weight decay.

    CIFAR: 5e-4 on everything. ImageNet 1e-4: ReCU on names with `conv` or `fc` (so alpha too, but
    no shortcut), OvSW on all but one-dimensional parameters. ReActNet: none.
    """
    named = list(network.named_parameters())
    if not arch.endswith("imagenet"):
        decay = 0.0 if arch.startswith("reactnet") else 5e-4
        return [{"params": [p for _, p in named], "weight_decay": decay}]

    def decays(name: str, parameter: Tensor) -> bool:
        if method is Method.RECU:
            return "conv" in name or "fc" in name
        return parameter.dim() > 1

    yes = [p for n, p in named if decays(n, p)]
    no = [p for n, p in named if not decays(n, p)]
    return [{"params": yes, "weight_decay": 1e-4}, {"params": no, "weight_decay": 0.0}]


def optimizer(network: nn.Module, arch: str, method: Method) -> torch.optim.Optimizer:
    """Returns SGD with momentum 0.9 at 0.1; Adam at 1e-3 for ReActNet's second stage."""
    groups = parameter_groups(network, arch, method)
    if arch.startswith("reactnet"):
        return torch.optim.Adam(groups, lr=1e-3)
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


class Stepper:
    """One training step after another on one network."""

    def __init__(self, network: nn.Module, arch: str, method: Method):
        self.network = network
        self.optimizer = optimizer(network, arch, method)
        self.hooks = Hooks() if method is Method.OVSW else None
        self.convs = [conv for _, conv in binary_convs(network)]

    def set_learning_rate(self, rate: float) -> None:
        """Sets the learning rate of all groups."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Trains on one batch; returns its mean cross entropy and its logits."""
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network(images)
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        if self.hooks is not None:
            apply_hooks(self.convs, self.hooks)
        self.optimizer.step()
        return loss.detach(), logits.detach()
