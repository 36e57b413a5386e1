"""Writes small files that an importer must refuse with an error: no crash, no code run, no memory.

Each lies about something else; `EXPECTED` says about what. `os.system` in them would only print.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

KEY = "conv1.weight"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
BIG = 1 << 40

EXPECTED = {
    "reduce-zip.pth": "the pickle calls os.system",
    "reduce-legacy.pth": "the same in the legacy container",
    "huge-storage-zip.pth": "a storage of 2^40 elements that has four bytes",
    "huge-storage-legacy.pth": "a count of 2^40 elements before an empty storage",
    "huge-entry.pth": "the archive's directory says that data.pkl has 3 GiB",
    "out-of-range.pth": "a tensor that begins behind the end of its storage",
    "negative-size.pth": "a tensor of the shape [-2, 2]",
    "stride-overflow.pth": "strides whose product overflows 64 bits",
    "memo-bomb.pth": "lists in lists by reference: 10^30 elements if written out",
    "deep-nesting.pth": "30,000 lists, each in the next",
    "missing-storage.pth": "a storage that is not in the archive",
}
"""What is wrong with each file."""


class Call:
    """Pickles as a call of `os.system`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("echo a hostile pickle ran",))


class Storage:
    """Pickles as a persistent storage with any key and length."""

    def __init__(self, key: str, length: int):
        self.key = key
        self.length = length


class Tensor:
    """Pickles as a tensor over a storage, with any offset, sizes and strides."""

    def __init__(self, storage: Storage, offset: int, size: tuple, stride: tuple):
        self.arguments = (storage, offset, size, stride, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return (torch._utils._rebuild_tensor_v2, self.arguments)


class Pickler(pickle.Pickler):
    """Writes storages as PyTorch does."""

    legacy = False

    def persistent_id(self, obj: Any) -> Any:
        """Returns the identifier of a storage; nothing for all else."""
        if not isinstance(obj, Storage):
            return None
        kept = ("storage", torch.FloatStorage, obj.key, "cpu", obj.length)
        return (*kept, None) if self.legacy else kept


def dumps(obj: Any, legacy: bool = False) -> bytes:
    """Returns a pickle of protocol 2."""
    buffer = io.BytesIO()
    pickler = Pickler(buffer, protocol=2)
    pickler.legacy = legacy
    pickler.dump(obj)
    return buffer.getvalue()


def checkpoint(tensor: Any) -> dict[str, Any]:
    """Returns a checkpoint with one tensor."""
    return {"epoch": 1, "state_dict": OrderedDict([(KEY, tensor)])}


def in_zip(data: bytes, storages: dict[str, bytes]) -> bytes:
    """Returns the archive of a pickle and its storages, without compression or time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entries = {"data.pkl": data, "byteorder": b"little", "version": b"3\n"}
        entries |= {f"data/{key}": content for key, content in storages.items()}
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    return buffer.getvalue()


def in_legacy(data: bytes, keys: list[str], storages: bytes) -> bytes:
    """Returns the legacy stream: five pickles, then the storages."""
    system = {"protocol_version": LEGACY_PROTOCOL, "little_endian": True}
    system["type_sizes"] = {"short": 2, "int": 4, "long": 4}
    head = [pickle.dumps(v, 2) for v in (LEGACY_MAGIC, LEGACY_PROTOCOL, system)]
    return b"".join([*head, data, pickle.dumps(keys, 2), storages])


def one_tensor(length: int, offset: int, size: tuple, stride: tuple, key: str = "0") -> bytes:
    """Returns an archive with one tensor; its storage `0` has the bytes of one number."""
    tensor = Tensor(Storage(key, length), offset, size, stride)
    return in_zip(dumps(checkpoint(tensor)), {"0": struct.pack("<f", 1.0)})


def memo_bomb(levels: int = 30, width: int = 10) -> bytes:
    """Returns a pickle of lists that hold the list before ten times."""
    value: list = [1.0]
    for _ in range(levels):
        value = [value] * width
    return dumps({"state_dict": value})


def deep_nesting(levels: int = 30_000) -> bytes:
    """Returns a pickle of lists in lists, written by hand as Python's pickler would recurse."""
    return b"\x80\x02" + b"]" * levels + b"a" * (levels - 1) + b"."


def huge_entry() -> bytes:
    """Returns an archive whose directory and local header claim 3 GiB for the first entry."""
    data = bytearray(one_tensor(1, 0, (1,), (1,)))
    claim = struct.pack("<I", 3 << 30)
    directory = data.index(b"PK\x01\x02")
    data[22:26] = claim
    data[directory + 24 : directory + 28] = claim
    return bytes(data)


def contents() -> dict[str, bytes]:
    """Returns the bytes of every file."""
    legacy_huge = dumps(checkpoint(Tensor(Storage("0", BIG), 0, (BIG,), (1,))), legacy=True)
    return {
        "reduce-zip.pth": in_zip(dumps(checkpoint(Call())), {}),
        "reduce-legacy.pth": in_legacy(dumps(checkpoint(Call()), legacy=True), [], b""),
        "huge-storage-zip.pth": one_tensor(BIG, 0, (BIG,), (1,)),
        "huge-storage-legacy.pth": in_legacy(legacy_huge, ["0"], struct.pack("<q", BIG)),
        "huge-entry.pth": huge_entry(),
        "out-of-range.pth": one_tensor(1, 5, (1,), (1,)),
        "negative-size.pth": one_tensor(1, 0, (-2, 2), (2, 1)),
        "stride-overflow.pth": one_tensor(1, 0, (4, 4), (1 << 62, 1 << 62)),
        "memo-bomb.pth": in_zip(memo_bomb(), {}),
        "deep-nesting.pth": in_zip(deep_nesting(), {}),
        "missing-storage.pth": one_tensor(1, 0, (1,), (1,), key="7"),
    }


def write_hostile(folder: Path) -> None:
    """Writes the files and `expected.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents().items():
        (folder / name).write_bytes(data)
    (folder / "expected.json").write_text(json.dumps(EXPECTED, indent=1) + "\n")
