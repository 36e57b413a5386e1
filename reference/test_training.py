"""Checks of data and training, on random images; run by hand with `pytest`."""

from __future__ import annotations

import argparse
import lzma
from pathlib import Path

import pytest
import torch

from data import PAD, SIDE, ImageSet, augment, batches, read_cifar10
from train import Training

IMAGES = 48


def random_set(seed: int = 1) -> ImageSet:
    """Returns random images, none of whose bytes is 0."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.randint(1, 256, (IMAGES, 3, SIDE, SIDE), generator=draw, dtype=torch.uint8)
    return ImageSet(images, torch.randint(10, (IMAGES,), generator=draw))


def options(out: Path, method: str) -> argparse.Namespace:
    """Returns the options of a run of two epochs."""
    return argparse.Namespace(
        out=out,
        network="resnet20",
        method=method,
        epochs=2,
        warmup=1,
        seed=3,
        train_images=IMAGES,
        norm="recu",
        resume=False,
    )


@pytest.mark.parametrize("packed", [False, True])
def test_files_are_read_label_first_then_planes(tmp_path: Path, packed: bool) -> None:
    images = random_set()
    rows = torch.cat([images.labels.to(torch.uint8)[:, None], images.images.flatten(1)], dim=1)
    for name in ("data_batch_1.bin", "data_batch_3.bin", "test_batch.bin"):
        data = rows.numpy().tobytes()
        if packed:
            (tmp_path / f"{name}.xz").write_bytes(lzma.compress(data))
        else:
            (tmp_path / name).write_bytes(data)
    train, test = read_cifar10(tmp_path)
    assert torch.equal(train.images, torch.cat([images.images] * 2))
    assert torch.equal(train.labels, torch.cat([images.labels] * 2))
    assert torch.equal(test.images, images.images)


def test_each_augmented_image_is_one_crop_or_its_mirror_image() -> None:
    images = random_set().images
    result = augment(images, torch.Generator().manual_seed(5))
    padded = torch.nn.functional.pad(images, (PAD, PAD, PAD, PAD))
    kinds = set()
    for wide, got in zip(padded, result, strict=True):
        fits = []
        for top in range(2 * PAD + 1):
            for left in range(2 * PAD + 1):
                crop = wide[:, top : top + SIDE, left : left + SIDE]
                fits += [
                    (top, left, m) for m in (0, 1) if torch.equal(crop.flip(2) if m else crop, got)
                ]
        assert len(fits) == 1
        kinds.add(fits[0])
    assert len({k[:2] for k in kinds}) > 20 and {k[2] for k in kinds} == {0, 1}


def test_epoch_has_every_image_once_and_depends_on_seed_and_epoch() -> None:
    images = random_set()

    def order(seed: int, epoch: int) -> list[int]:
        return [int(v) for _, labels in batches(numbered, 20, "recu", seed, epoch) for v in labels]

    numbered = ImageSet(images.images, torch.arange(IMAGES))
    assert sorted(order(1, 0)) == list(range(IMAGES))
    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1) and order(1, 0) != order(2, 0)


@pytest.mark.parametrize("method", ["vanilla", "recu", "ovsw"])
def test_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, method: str) -> None:
    images = random_set()
    whole = Training(options(tmp_path, method))
    whole.epoch(images, images)
    whole.save()
    halves = Training(options(tmp_path, method))
    halves.resume()
    last, resumed = whole.epoch(images, images), halves.epoch(images, images)
    assert {**last, "seconds": 0} == {**resumed, "seconds": 0}
    assert 0.0 < last["flip_rate"] <= 1.0 - last["never_flipped"] < 1.0
    pairs = zip(
        whole.network.state_dict().items(), halves.network.state_dict().items(), strict=True
    )
    for (name, a), (_, b) in pairs:
        assert torch.equal(a, b), name


def test_resume_refuses_other_settings(tmp_path: Path) -> None:
    images = random_set()
    training = Training(options(tmp_path, "recu"))
    training.epoch(images, images)
    training.save()
    other = options(tmp_path, "recu")
    other.epochs = 3
    with pytest.raises(SystemExit, match="was written with"):
        Training(other).resume()
