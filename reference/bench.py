"""Measures one training step: forward, loss, backward, hooks, optimizer; no data loading.

    python bench.py --network resnet20 --method recu --threads 2

Prints one JSON line. `images_per_second` is that of the fastest of `--windows` windows of `--steps`
steps, since other work on the machine only ever slows a window down; the others are listed.
`images_per_cpu_second` counts processor time instead; waiting threads of OpenMP spin and count too.
Arithmetic is `float32`. `--compile` needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import torch

from binarize import Method, set_tau
from networks import ARCHITECTURES, build
from recipes import Stepper, binarizer, recu_tau


def arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description="Measures the speed of a training step.")
    names = [name for name in ARCHITECTURES if "imagenet" not in name and "react" not in name]
    parser.add_argument("--network", choices=names, default="resnet20")
    parser.add_argument("--method", choices=[m.value for m in Method], default="recu")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=5, help="steps of a window")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2, help="steps before the first window")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for a GPU")
    parser.add_argument("--channels-last", action="store_true", help="memory layout NHWC")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    return parser.parse_args()


def cpu_name() -> str:
    """Returns the processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def make_step(options: argparse.Namespace) -> Any:
    """Returns a function that trains on one fixed random batch."""
    torch.manual_seed(1)
    method = Method(options.method)
    network = build(options.network, binarizer(method)).to(options.device)
    set_tau(network, recu_tau(0, 10))
    images = torch.randn(options.batch, 3, 32, 32).to(options.device)
    labels = torch.randint(10, (options.batch,)).to(options.device)
    if options.channels_last:
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    stepper = Stepper(network.train(), options.network, method)
    if options.compile:
        stepper.network = torch.compile(network)
    return lambda: stepper.step(images, labels)


def finish() -> None:
    """Waits for what a GPU still computes."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def window(step: Any, steps: int, batch: int) -> tuple[float, float]:
    """Returns images per second, and per second of processor time over all threads."""
    finish()
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    finish()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return steps * batch / seconds, steps * batch / busy


def peak_rss_mib() -> float:
    """Returns the process's largest resident memory; `ru_maxrss` is in KiB, on macOS in bytes."""
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main() -> None:
    """Measures, and prints the result."""
    options = arguments()
    torch.set_num_threads(options.threads)
    step = make_step(options)
    for _ in range(options.warmup):
        step()
    windows = [window(step, options.steps, options.batch) for _ in range(options.windows)]
    speeds, cpu_speeds = zip(*windows, strict=True)
    result = {
        "network": options.network,
        "method": options.method,
        "batch": options.batch,
        "threads": options.threads,
        "device": "cpu" if options.device == "cpu" else "gpu",
        "channels_last": options.channels_last,
        "compile": options.compile,
        "images_per_second": round(max(speeds), 1),
        "images_per_cpu_second": round(max(cpu_speeds), 1),
        "windows": [round(speed, 1) for speed in speeds],
        "load_average": round(os.getloadavg()[0], 1),
        "peak_rss_mib": round(peak_rss_mib()),
        "torch": torch.__version__,
        "cpu": cpu_name(),
        "gpu": None if options.device == "cpu" else torch.cuda.get_device_name(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
