"""The networks of both publications, with the keys that their checkpoints have.

Widths, classes and the image's side are parameters; the defaults are the published ones.
"Per convolution" and "per block" say where the residual is added.
Names are Heartbit's: `resnet20`, `resnet18` and `vgg-small` are ReCU's CIFAR networks, `-ovsw`
marks where OvSW's differs; the others are for ImageNet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import hardtanh

from binarize import Binarizer, BinaryConv2d, Method, OvswConv2d

WIDTHS = (64, 128, 256, 512)
"""Output channels of the four stages of the larger networks."""


class PooledShortcut(nn.Module):
    """Average pool 2x2, then `(outputs - inputs) / 2` zero channels on each side."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.zeros = (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Returns the shortcut of the real values."""
        return functional.pad(functional.avg_pool2d(x, 2), (0, 0, 0, 0, self.zeros, self.zeros))


def stage(block: Any, blocks: int, inputs: int, outputs: int, stride: int, *rest: Any) -> nn.Module:
    """Returns blocks in a row; the first has the stride and the change of width."""
    first = block(inputs, outputs, stride, *rest)
    return nn.Sequential(first, *(block(outputs, outputs, 1, *rest) for _ in range(1, blocks)))


def add_stages(
    network: nn.Module, block: Any, depths: Sequence[int], widths: Sequence[int], *rest: Any
) -> None:
    """Adds `layer1`, `layer2`, ...; each but the first halves the map."""
    inputs = widths[0]
    for index, (depth, outputs) in enumerate(zip(depths, widths, strict=True)):
        stride = 1 if index == 0 else 2
        network.add_module(f"layer{index + 1}", stage(block, depth, inputs, outputs, stride, *rest))
        inputs = outputs


def run_stages(network: nn.Module, x: Tensor) -> Tensor:
    """Returns the output of the last stage."""
    for name, layer in network.named_children():
        if name.startswith("layer"):
            x = layer(x)
    return x


def pooled_normalised(x: Tensor, bn: nn.Module) -> Tensor:
    """Returns `bn(global average)`, shape `[b, c]`."""
    return bn(x.mean(dim=(2, 3)))


class PerConvBlock(nn.Module):
    """`h = hardtanh(bn1(conv1 x) + s(x))`, `y = hardtanh(bn2(conv2 h) + h)`.

    Where the stride is 2, `s` is the pooled shortcut (`pooled`) or a real 1x1 convolution with
    normalisation; otherwise it is the identity.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, make: Binarizer, pooled: bool):
        super().__init__()
        self.conv1 = make.conv(inputs, outputs, stride=stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = make.conv(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 and pooled:
            self.downsample = PooledShortcut(inputs, outputs)
        elif stride != 1:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the block's output, within [-1, 1]."""
        h = hardtanh(self.bn1(self.conv1(x)) + self.downsample(x))
        return hardtanh(self.bn2(self.conv2(h)) + h)


class PerBlockBlock(nn.Module):
    """`h = hardtanh(bn1(conv1 x))`, `y = hardtanh(bn2(conv2 h) + s(x))`.

    Where the stride is 2, `s` is the pooled shortcut (ReCU) or a binary 1x1 convolution with
    normalisation (OvSW); otherwise it is the identity.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, make: Binarizer, pooled: bool):
        super().__init__()
        self.conv1 = make.conv(inputs, outputs, stride=stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = make.conv(outputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 and pooled:
            self.shortcut = PooledShortcut(inputs, outputs)
        elif stride != 1:
            conv = make.conv(inputs, outputs, kernel=1, stride=stride)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the block's output, within [-1, 1]."""
        h = hardtanh(self.bn1(self.conv1(x)))
        return hardtanh(self.bn2(self.conv2(h)) + self.shortcut(x))


def add_cifar_body(
    network: Any,
    block: Any,
    depths: Sequence[int],
    widths: Sequence[int],
    make: Binarizer,
    pooled: bool,
) -> None:
    """Adds CIFAR's 3x3 stem `conv1`, `bn1`, and the stages after it."""
    network.conv1 = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
    network.bn1 = nn.BatchNorm2d(widths[0])
    add_stages(network, block, depths, widths, make, pooled)


class ResNet20(nn.Module):
    """ResNet-20 for CIFAR: three stages of three blocks, residual per convolution."""

    def __init__(
        self,
        make: Binarizer,
        widths: Sequence[int] = (16, 32, 64),
        classes: int = 10,
        side: int = 32,
    ):
        super().__init__()
        add_cifar_body(self, PerConvBlock, (3, 3, 3), widths, make, True)
        self.bn2 = nn.BatchNorm1d(widths[-1])
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits `[b, classes]`."""
        x = run_stages(self, hardtanh(self.bn1(self.conv1(x))))
        return self.linear(pooled_normalised(x, self.bn2))


class ResNet18(nn.Module):
    """ReCU's ResNet-18 for CIFAR: residual per block, pooled shortcuts, no hardtanh in the stem."""

    def __init__(
        self,
        make: Binarizer,
        widths: Sequence[int] = WIDTHS,
        classes: int = 10,
        side: int = 32,
    ):
        super().__init__()
        add_cifar_body(self, PerBlockBlock, (2, 2, 2, 2), widths, make, True)
        self.bn2 = nn.BatchNorm1d(widths[-1])
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits `[b, classes]`."""
        x = run_stages(self, self.bn1(self.conv1(x)))
        return self.linear(pooled_normalised(x, self.bn2))


class ResNet18Ovsw(nn.Module):
    """OvSW's ResNet-18 for CIFAR: as ReCU's with binary shortcuts and a convolution as head."""

    def __init__(
        self,
        make: Binarizer,
        widths: Sequence[int] = WIDTHS,
        classes: int = 10,
        side: int = 32,
    ):
        super().__init__()
        add_cifar_body(self, PerBlockBlock, (2, 2, 2, 2), widths, make, False)
        self.bn2 = nn.BatchNorm2d(widths[-1])
        self.fc = nn.Conv2d(widths[-1], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits `[b, classes]`."""
        x = run_stages(self, self.bn1(self.conv1(x)))
        return self.fc(self.bn2(x.mean(dim=(2, 3), keepdim=True))).flatten(1)


class VggSmall(nn.Module):
    """VGG-small for CIFAR: conv, pool (after 1, 3 and 5), normalisation, activation; no residual.

    The activation is hardtanh, but `PReLU` after the last convolution if `prelu` (OvSW).
    """

    def __init__(
        self,
        make: Binarizer,
        widths: Sequence[int] = (128, 128, 256, 256, 512, 512),
        classes: int = 10,
        side: int = 32,
        prelu: bool = False,
    ):
        super().__init__()
        self.conv0: nn.Module = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn0 = nn.BatchNorm2d(widths[0])
        for index in range(1, 6):
            self.add_module(f"conv{index}", make.conv(widths[index - 1], widths[index]))
            self.add_module(f"bn{index}", nn.BatchNorm2d(widths[index]))
        self.nonlinear5 = nn.PReLU(widths[5]) if prelu else nn.Hardtanh()
        self.fc = nn.Linear(widths[5] * (side // 8) ** 2, classes)

    def layer(self, x: Tensor, index: int) -> Tensor:
        """Returns the normalised output of one convolution."""
        x = self.get_submodule(f"conv{index}")(x)
        if index in (1, 3, 5):
            x = functional.max_pool2d(x, 2)
        return self.get_submodule(f"bn{index}")(x)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits `[b, classes]`; the classifier reads channel by channel, row by row."""
        for index in range(5):
            x = hardtanh(self.layer(x, index))
        return self.fc(self.nonlinear5(self.layer(x, 5)).flatten(1))


class ImageNetResNet(nn.Module):
    """ResNet-18 or -34 for ImageNet: residual per convolution, real 1x1 shortcuts."""

    def __init__(
        self,
        make: Binarizer,
        widths: Sequence[int] = WIDTHS,
        classes: int = 1000,
        side: int = 224,
        depths: Sequence[int] = (2, 2, 2, 2),
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        add_stages(self, PerConvBlock, depths, widths, make, False)
        self.bn2 = nn.BatchNorm1d(widths[-1])
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits `[b, classes]`."""
        x = functional.max_pool2d(hardtanh(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(pooled_normalised(run_stages(self, x), self.bn2))


class ChannelBias(nn.Module):
    """Adds a learned number to each channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Returns `x + bias`."""
        return x + self.bias


class ReActBlock(nn.Module):
    """`y = move2(PReLU(move1(bn(conv(move0 x)) + s(x))))`: one convolution a block."""

    def __init__(self, inputs: int, outputs: int, stride: int, make: Binarizer):
        super().__init__()
        self.move0 = ChannelBias(inputs)
        self.conv = make.conv(inputs, outputs, stride=stride)
        self.bn = nn.BatchNorm2d(outputs)
        self.move1 = ChannelBias(outputs)
        self.nonlinear = nn.PReLU(outputs)
        self.move2 = ChannelBias(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1:
            conv = nn.Conv2d(inputs, outputs, 1, bias=False)
            pool = nn.AvgPool2d(2)
            self.downsample = nn.Sequential(pool, conv, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Returns the block's output, which has no bound."""
        y = self.bn(self.conv(self.move0(x))) + self.downsample(x)
        return self.move2(self.nonlinear(self.move1(y)))


class ReActNet18(nn.Module):
    """ReCU's two-stage ResNet-18 after ReActNet: no activation in the stem, none before `fc`."""

    def __init__(
        self,
        make: Binarizer,
        widths: Sequence[int] = WIDTHS,
        classes: int = 1000,
        side: int = 224,
        depths: Sequence[int] = (4, 4, 4, 4),
    ):
        super().__init__()
        self.conv = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        add_stages(self, ReActBlock, depths, widths, make)
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Returns logits `[b, classes]`."""
        x = functional.max_pool2d(self.bn(self.conv(x)), 3, 2, 1)
        return self.fc(run_stages(self, x).mean(dim=(2, 3)))


ARCHITECTURES: dict[str, tuple[Any, dict[str, Any]]] = {
    "resnet20": (ResNet20, {}),
    "resnet18": (ResNet18, {}),
    "resnet18-ovsw": (ResNet18Ovsw, {}),
    "vgg-small": (VggSmall, {}),
    "vgg-small-ovsw": (VggSmall, {"prelu": True}),
    "resnet18-imagenet": (ImageNetResNet, {}),
    "resnet34-imagenet": (ImageNetResNet, {"depths": (3, 4, 6, 3)}),
    "reactnet18": (ReActNet18, {}),
}
"""Class and fixed arguments of each architecture."""


def build(arch: str, make: Binarizer, **sizes: Any) -> nn.Module:
    """Returns an initialised network; `sizes` are `widths`, `classes` and `side`."""
    kind, fixed = ARCHITECTURES[arch]
    network = kind(make, **fixed, **sizes)
    initialise(network, arch, make.method)
    return network


def initialise(network: nn.Module, arch: str, method: Method) -> None:
    """Draws the initial parameters from torch's global generator, as each publication does.

    | | binary convolutions | real convolutions | normalisation | classifier |
    | --- | --- | --- | --- | --- |
    | VGG-small | N(0, sqrt(2 / 9 outputs)) | same | 1 | N(0, 0.01), bias 0 |
    | ReActNet | U(+-1/sqrt n) | same | 1 | U(+-1/sqrt n) |
    | ReCU | N(0, sqrt(2/n)) | same | 1; ImageNet: 1e-8 (2d) | U(+-1/sqrt n) |
    | OvSW | N(0, sqrt(2/n)) | U(+-1/sqrt n) | as ReCU | U(+-1/sqrt n) |

    What is not drawn here keeps PyTorch's initial values, which are the ones of the table.
    """
    for module in network.modules():
        if isinstance(module, BinaryConv2d | nn.Conv2d):
            _initialise_conv(module, arch, method)
        elif isinstance(module, nn.BatchNorm2d) and arch.endswith("-imagenet"):
            nn.init.constant_(module.weight, 1e-8)
        elif isinstance(module, nn.Linear) and arch.startswith("vgg"):
            nn.init.normal_(module.weight, 0.0, 0.01)
            nn.init.zeros_(module.bias)
        if isinstance(module, OvswConv2d):
            module.start()


def _initialise_conv(conv: BinaryConv2d | nn.Conv2d, arch: str, method: Method) -> None:
    binary = isinstance(conv, BinaryConv2d)
    if arch.startswith("vgg"):
        nn.init.normal_(conv.weight, 0.0, math.sqrt(2.0 / (9 * conv.weight.shape[0])))
    elif arch == "reactnet18":
        nn.init.uniform_(conv.weight, -(bound := 1.0 / math.sqrt(conv.weight[0].numel())), bound)
    elif binary or method is Method.RECU:
        nn.init.kaiming_normal_(conv.weight)
