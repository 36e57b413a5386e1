"""How far rounding carries in an untrained binary network.

    python sensitivity.py --data CIFAR

Prints the loss of the first batch of 256 training images, unaugmented, in training mode and before
any step, for one set of initial values that is computed with sums in several orders and in
`float64`. Where these differ, two programs cannot agree step by step: a sign that turns is seen by
all images through the statistics of the batch. `steps.py` has steps that can be compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.nn import functional

from binarize import Method, set_tau
from data import normalise, read_cifar10
from networks import build
from recipes import binarizer, recu_tau

BATCH = 256


def main() -> None:
    """Prints a line for each way to round."""
    parser = argparse.ArgumentParser(description="How far rounding carries.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the binary files")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    train, _ = read_cifar10(options.data)
    batch = train.first(BATCH)
    pixels = normalise(batch.images.float(), "recu")

    @torch.no_grad()
    def loss(threads: int, layout: torch.memory_format, dtype: torch.dtype) -> float:
        torch.manual_seed(options.seed)
        torch.set_num_threads(threads)
        network = build("resnet20", binarizer(Method.RECU)).train()
        network = network.to(dtype=dtype, memory_format=layout)
        set_tau(network, recu_tau(0, 1))
        logits = network(pixels.to(dtype=dtype, memory_format=layout))
        return functional.cross_entropy(logits, batch.labels).item()

    for what, threads, layout, dtype in [
        ("float64", 2, torch.contiguous_format, torch.float64),
        ("float32", 2, torch.contiguous_format, torch.float32),
        ("float32, channels last, two threads", 2, torch.channels_last, torch.float32),
        ("float32, channels last, one thread", 1, torch.channels_last, torch.float32),
    ]:
        print(f"{loss(threads, layout, dtype):.4f}  {what}")


if __name__ == "__main__":
    main()
