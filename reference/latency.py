"""Measures one image on one thread in `float32`: the networks with real instead of binary convolutions.

    python latency.py --network resnet18-imagenet

Prints one JSON line a variant: as the module is, in memory layout NHWC (`channels_last`), and traced,
frozen and optimised for inference (`frozen`), which folds the normalisations into the convolutions.
`milliseconds` is the processor time of the thread in the fastest repetition, so that other work on
the machine hardly counts; `median` is beside it. Of several threads it is the time of all. Nothing is trained: times do not depend on weights.
`heartbit bench latency --peer FILE` compares with these lines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench import cpu_name
from binarize import Method
from networks import ARCHITECTURES, build


class RealConvolutions:
    """Makes real convolutions where a `Binarizer` makes binary ones."""

    method = Method.VANILLA

    def conv(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
        """Returns one real convolution."""
        return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description="Measures the latency of one image in float32.")
    parser.add_argument("--network", choices=list(ARCHITECTURES), default="resnet20")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=30)
    return parser.parse_args()


def optimised(network: nn.Module, image: Tensor) -> Any:
    """Returns the network, traced, frozen, and optimised for inference."""
    traced = torch.jit.trace(network, image)
    return torch.jit.optimize_for_inference(torch.jit.freeze(traced))


def measure(network: Callable[[Tensor], Tensor], image: Tensor, repetitions: int) -> list[float]:
    """Returns the milliseconds of each repetition; the first ones are not counted."""
    times = []
    for _ in range(repetitions + 5):
        start = time.process_time()
        network(image)
        times.append(1e3 * (time.process_time() - start))
    return times[5:]


def main() -> None:
    """Measures all variants, and prints a line for each."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    large = options.network.endswith("-imagenet") or options.network.startswith("react")
    side = 224 if large else 32
    network = build(options.network, RealConvolutions()).eval()
    image = torch.randn(1, 3, side, side)
    with torch.inference_mode():
        plain = measure(network, image, options.repetitions)
    with torch.no_grad():
        frozen = optimised(network, image)
    with torch.inference_mode():
        fast = measure(frozen, image, options.repetitions)
        network = network.to(memory_format=torch.channels_last)
        image = image.contiguous(memory_format=torch.channels_last)
        last = measure(network, image, options.repetitions)
    for variant, times in (("", plain), ("channels_last", last), ("frozen", fast)):
        result = {
            "network": options.network,
            "threads": options.threads,
            "channels_last": variant == "channels_last",
            "frozen": variant == "frozen",
            "milliseconds": round(min(times), 3),
            "median": round(statistics.median(times), 3),
            "load_average": round(os.getloadavg()[0], 1),
            "torch": torch.__version__,
            "cpu": cpu_name(),
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
