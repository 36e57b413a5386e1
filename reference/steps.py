"""The first steps of a training run, for the trainer's tests.

    python steps.py ../trainer/fixtures/first-steps.json

From the stored parameters of a fixture of the importer, a few images of the bundled subset are
trained on as one batch without augmentation, a step an epoch, in `float64`. After each step follow
its loss, the share of binary weights that it flipped, and the accuracy on test images, which
depends on the running statistics.

A binary network amplifies rounding: a sign that turns is seen by all images through the statistics
of the batch (`sensitivity.py`). So the batch is small, and the same steps in `float32` must agree,
or the script fails: then the signs are too close to zero to compare anything.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from binarize import Method, set_tau
from data import ImageSet, normalise, read_cifar10
from networks import build
from recipes import Stepper, binarizer, learning_rate, recu_tau
from train import SignLog

ROOT = Path(__file__).resolve().parent.parent
RUNS = (("recu-resnet20.pth.tar", Method.RECU), ("ovsw-resnet20.pth", Method.OVSW))
IMAGES = 4
TEST_IMAGES = 200
STEPS = 3
ARCH, WIDTHS, CLASSES, SIDE = "resnet20", (4, 8, 16), 10, 32


def parameters(path: Path) -> dict[str, Tensor]:
    """Returns parameters and running statistics of a checkpoint, without SAD's state."""
    # The file is our own; it has a learning rate that is a number of numpy.
    content = torch.load(path, map_location="cpu", weights_only=False)
    state = next(v for v in content.values() if isinstance(v, dict) and "conv1.weight" in v)
    return {k: v for k, v in state.items() if not k.endswith(("weight_prev", "tracker"))}


def network_of(path: Path, method: Method) -> nn.Module:
    """Returns the network with the parameters of a checkpoint."""
    network = build(ARCH, binarizer(method), widths=WIDTHS, classes=CLASSES, side=SIDE)
    own = network.state_dict()
    own.update({key: value.reshape(own[key].shape) for key, value in parameters(path).items()})
    network.load_state_dict(own)
    return network


def steps(name: str, method: Method, train: ImageSet, test: ImageSet, dtype: torch.dtype) -> list:
    """Returns the records of the steps, computed in `dtype`."""
    network = network_of(ROOT / "model" / "fixtures" / name, method).to(dtype)
    norm = "recu" if method is Method.RECU else "ovsw"
    stepper, log = Stepper(network, ARCH, method), SignLog(network)
    pixels = [normalise(part.images.to(dtype), norm) for part in (train, test)]
    records: list[dict[str, Any]] = []
    for step in range(STEPS):
        stepper.set_learning_rate(learning_rate(method, step, STEPS, warmup=0))
        if method is Method.RECU:
            set_tau(network, recu_tau(step, STEPS))
        loss, _ = stepper.step(pixels[0], train.labels)
        log.after_step()
        flip_rate, never_flipped = log.end_epoch()
        with torch.no_grad():
            right = (network.eval()(pixels[1]).argmax(dim=1) == test.labels).float().mean()
        network.train()
        record = {"loss": round(loss.item(), 9), "test_accuracy": round(right.item(), 6)}
        records.append(record | {"flip_rate": flip_rate, "never_flipped": never_flipped})
    return records


def main() -> None:
    """Writes the records of all runs."""
    parser = argparse.ArgumentParser(description="The first steps of a training run.")
    parser.add_argument("out", type=Path, help="the file to write")
    options = parser.parse_args()
    # The order of sums follows from it, and whether `float32` agrees: with one thread it has
    # another class for one of the test images.
    torch.set_num_threads(2)
    train, test = read_cifar10(ROOT / "data" / "cifar10-mini")
    train, test = train.first(IMAGES), test.first(TEST_IMAGES)
    runs = []
    for name, method in RUNS:
        types = (torch.float64, torch.float32)
        exact, single = (steps(name, method, train, test, dtype) for dtype in types)
        for a, b in zip(exact, single, strict=True):
            others = {key: value for key, value in a.items() if key != "loss"}
            if abs(a["loss"] - b["loss"]) > 1e-4 * a["loss"] or others.items() - b.items():
                raise SystemExit(f"{name}: float32 does not agree: {a}, {b}")
        run = {"checkpoint": name, "method": method.value, "widths": WIDTHS, "steps": exact}
        runs.append(run | {"train_images": IMAGES, "test_images": TEST_IMAGES})
    options.out.write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
