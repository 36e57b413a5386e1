"""CIFAR-10 from its binary files, plain or `.xz`, and batches of it."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SIDE, PAD = 32, 4
RECORD = 1 + 3 * SIDE * SIDE
STATISTICS = {
    "recu": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "ovsw": ((0.491, 0.482, 0.447), (0.247, 0.243, 0.262)),
}
"""Mean and deviation of a pixel in [0, 1]; `recu` is ImageNet's."""


@dataclass(frozen=True)
class ImageSet:
    """Bytes `[n, 3, 32, 32]` and labels `[n]`."""

    images: Tensor
    labels: Tensor

    def first(self, count: int) -> ImageSet:
        """Returns the first images."""
        return ImageSet(self.images[:count], self.labels[:count])


def normalise(pixels: Tensor, norm: str) -> Tensor:
    """Returns `(byte / 255 - mean) / std` in the type of `pixels`."""
    mean, std = (torch.tensor(v, dtype=pixels.dtype).reshape(1, 3, 1, 1) for v in STATISTICS[norm])
    return (pixels / 255.0 - mean) / std


def read_bytes(path: Path) -> bytes:
    """Returns the contents of a file, or of the same with `.xz`."""
    if path.exists():
        return path.read_bytes()
    packed = path.with_name(path.name + ".xz")
    if not packed.exists():
        raise SystemExit(f"neither {path} nor {packed.name} exists")
    return lzma.decompress(packed.read_bytes())


def read_set(folder: Path, names: list[str]) -> ImageSet:
    """Returns the records of files after one another: a label, then three planes."""
    data = b"".join(read_bytes(folder / name) for name in names)
    if len(data) % RECORD != 0:
        raise SystemExit(f"{folder}: {len(data)} bytes are not records of {RECORD}")
    records = torch.from_numpy(np.frombuffer(data, np.uint8).copy()).reshape(-1, RECORD)
    images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).contiguous()
    return ImageSet(images, records[:, 0].long())


def read_cifar10(folder: Path) -> tuple[ImageSet, ImageSet]:
    """Returns the training files that there are, and the test set."""
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    there = [n for n in names if (folder / n).exists() or (folder / f"{n}.xz").exists()]
    if not there:
        raise SystemExit(f"{folder} has no data_batch_*.bin, plain or .xz")
    return read_set(folder, there), read_set(folder, ["test_batch.bin"])


def augment(images: Tensor, draw: torch.Generator) -> Tensor:
    """Returns crops of the images padded by 4 black pixels, half of them mirrored."""
    count = len(images)
    top, left = torch.randint(2 * PAD + 1, (2, count, 1), generator=draw)
    mirrored = torch.rand(count, 1, generator=draw) < 0.5
    steps = torch.arange(SIDE)
    rows = top + steps
    columns = left + torch.where(mirrored, SIDE - 1 - steps, steps)
    padded = torch.nn.functional.pad(images, (PAD, PAD, PAD, PAD))
    index, channel = torch.arange(count).reshape(-1, 1, 1, 1), torch.arange(3).reshape(1, -1, 1, 1)
    return padded[index, channel, rows[:, None, :, None], columns[:, None, None, :]]


def batches(
    images: ImageSet, size: int, norm: str, seed: int, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields an epoch in random order, augmented and normalised; the last batch may be smaller.

    Order and augmentation depend on the seed and the epoch alone.
    """
    draw = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    for part in torch.randperm(len(images.labels), generator=draw).split(size):
        pixels = augment(images.images[part], draw).float()
        yield normalise(pixels, norm), images.labels[part]
