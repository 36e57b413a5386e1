"""Trains a CIFAR-10 network with a publication's recipe.

    python train.py --data CIFAR --out RUN --network resnet20 --method recu --epochs 600

`RUN/metrics.jsonl` gets one line an epoch, `RUN/checkpoint.pth` is replaced each epoch and
`--resume` goes on from it; `RUN/config.json` has the settings. A resumed run sees the same images.
The schedules are those of `--epochs`; warm-up is 5 epochs, batches are 256.

`flip_rate` is the share of binary weights whose sign differs between an epoch's start and end,
`never_flipped` the share whose sign has not changed in any step so far.
The sign is that of `W - mean_o(W)` for ReCU and of `W` otherwise.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from binarize import Method, binary_convs, set_tau
from data import ImageSet, batches, normalise, read_cifar10
from networks import ARCHITECTURES, build
from recipes import Stepper, binarizer, learning_rate, recu_tau

BATCH = 256
TEST_BATCH = 250
SETTINGS = ("network", "method", "epochs", "warmup", "seed", "train_images", "norm")
"""What a resumed run must have in common with its beginning."""


def arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description="Trains on CIFAR-10.")
    names = [name for name in ARCHITECTURES if "imagenet" not in name and "react" not in name]
    parser.add_argument("--data", type=Path, required=True, help="folder of the binary files")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--network", choices=names, default="resnet20")
    parser.add_argument("--method", choices=[m.value for m in Method], default="recu")
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train-images", type=int, default=50_000)
    parser.add_argument("--norm", choices=["recu", "ovsw"], help="default: the method's")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for a GPU")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    options.norm = options.norm or ("recu" if options.method == "recu" else "ovsw")
    return options


class SignLog:
    """Which effective signs have changed, step by step and over an epoch."""

    def __init__(self, network: nn.Module):
        self.convs = [conv for _, conv in binary_convs(network)]
        self.last = self.signs()
        self.begin = [s.clone() for s in self.last]
        self.flipped = [torch.zeros_like(s) for s in self.last]

    def signs(self) -> list[Tensor]:
        """Returns the effective signs as booleans."""
        return [conv.effective() >= 0 for conv in self.convs]

    def after_step(self) -> None:
        """Notes the changes of one step."""
        now = self.signs()
        for flipped, before, after in zip(self.flipped, self.last, now, strict=True):
            flipped |= before ^ after
        self.last = now

    def end_epoch(self) -> tuple[float, float]:
        """Returns the epoch's flip rate and the share that never flipped; starts the next."""
        total = sum(s.numel() for s in self.last)
        changed = sum(int((a ^ b).sum()) for a, b in zip(self.begin, self.last, strict=True))
        ever = sum(int(s.sum()) for s in self.flipped)
        self.begin = [s.clone() for s in self.last]
        return changed / total, 1.0 - ever / total

    def resume(self, flipped: list[Tensor]) -> None:
        """Goes on from what was noted before; the weights are already those of then."""
        self.flipped = flipped
        self.last = self.signs()
        self.begin = [s.clone() for s in self.last]


class Training:
    """A network in training, and the records of its epochs."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.method = Method(options.method)
        torch.manual_seed(options.seed)
        network = build(options.network, binarizer(self.method))
        self.network = network.to(options.device, memory_format=torch.channels_last)
        self.stepper = Stepper(self.network, options.network, self.method)
        self.log = SignLog(self.network)
        self.records: list[dict[str, Any]] = []

    def settings(self) -> dict[str, Any]:
        """Returns what decides the run's results."""
        return {key: getattr(self.options, key) for key in SETTINGS}

    def epoch(self, train: ImageSet, test: ImageSet) -> dict[str, Any]:
        """Trains one epoch, evaluates, and returns the record."""
        number, options = len(self.records), self.options
        start = time.perf_counter()
        rate = learning_rate(self.method, number, options.epochs, options.warmup)
        tau = recu_tau(number, options.epochs) if self.method is Method.RECU else None
        self.stepper.set_learning_rate(rate)
        if tau is not None:
            set_tau(self.network, tau)
        loss, accuracy = self.pass_over(train)
        flip_rate, never_flipped = self.log.end_epoch()
        record = {
            "epoch": number,
            "lr": rate,
            "tau": tau,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "test_accuracy": self.evaluate(test),
            "flip_rate": flip_rate,
            "never_flipped": never_flipped,
            "seconds": round(time.perf_counter() - start, 1),
        }
        self.records.append(record)
        return record

    def pass_over(self, train: ImageSet) -> tuple[float, float]:
        """Trains on every image once; returns mean loss and accuracy on the augmented images."""
        options, number = self.options, len(self.records)
        self.network.train()
        loss, correct, seen, start = 0.0, 0, 0, time.perf_counter()
        for images, labels in batches(train, BATCH, options.norm, options.seed, number):
            images = images.to(options.device, memory_format=torch.channels_last)
            labels = labels.to(options.device)
            mean, logits = self.stepper.step(images, labels)
            if not math.isfinite(mean.item()):
                raise SystemExit(f"epoch {number}, image {seen}: the loss is {mean.item()}")
            self.log.after_step()
            loss += mean.item() * len(labels)
            correct += int((logits.argmax(dim=1) == labels).sum())
            seen += len(labels)
            speed = seen / (time.perf_counter() - start)
            progress = f"\repoch {number}: {seen} images, {speed:.1f}/s, loss {loss / seen:.3f}"
            print(progress, end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return loss / seen, correct / seen

    @torch.no_grad()
    def evaluate(self, test: ImageSet) -> float:
        """Returns the accuracy in evaluation."""
        self.network.eval()
        correct = 0
        parts = zip(test.images.split(TEST_BATCH), test.labels.split(TEST_BATCH), strict=True)
        for images, labels in parts:
            images = normalise(images.float(), self.options.norm).to(self.options.device)
            correct += int((self.network(images).argmax(dim=1).cpu() == labels).sum())
        return correct / len(test.labels)

    def save(self) -> None:
        """Writes checkpoint and metrics, each under another name first."""
        best = 100.0 * max(record["test_accuracy"] for record in self.records)
        content = {
            "epoch": len(self.records),
            "model": f"{self.options.network}_1w1a",
            "state_dict": self.network.state_dict(),
            "best_prec1": best,
            "optimizer": self.stepper.optimizer.state_dict(),
            "flipped": self.log.flipped,
            "records": self.records,
            "settings": self.settings(),
        }
        path = self.options.out / "checkpoint.pth"
        torch.save(content, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
        lines = "".join(json.dumps(record) + "\n" for record in self.records)
        metrics = self.options.out / "metrics.jsonl"
        metrics.with_suffix(".new").write_text(lines)
        metrics.with_suffix(".new").replace(metrics)

    def resume(self) -> None:
        """Goes on from the run's checkpoint."""
        path = self.options.out / "checkpoint.pth"
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["settings"] != self.settings():
            raise SystemExit(f"{path} was written with {content['settings']}")
        self.network.load_state_dict(content["state_dict"])
        self.stepper.optimizer.load_state_dict(content["optimizer"])
        self.log.resume([flipped.to(self.options.device) for flipped in content["flipped"]])
        self.records = content["records"]


def main() -> None:
    """Trains as the command line says."""
    options = arguments()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    training = Training(options)
    if options.resume:
        training.resume()
    elif (options.out / "checkpoint.pth").exists():
        raise SystemExit(f"{options.out} has a run already; add --resume or name another folder")
    settings = training.settings() | {"batch": BATCH, "torch": torch.__version__}
    (options.out / "config.json").write_text(json.dumps(settings, indent=1) + "\n")
    train, test = read_cifar10(options.data)
    while len(training.records) < options.epochs:
        record = training.epoch(train.first(options.train_images), test)
        training.save()
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
