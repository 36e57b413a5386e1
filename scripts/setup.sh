#!/bin/sh
# Installs the outside tools that heartbit needs, or says exactly what to install.
#
#   scripts/setup.sh demo    Verilator and a C++ compiler
#   scripts/setup.sh test    these, and yosys, Icarus Verilog, nextpnr for iCE40, a library of cells
#   scripts/setup.sh gpu     a Vulkan device, a renderer in software if there is no GPU
set -eu

programs="verilator g++"
packages="verilator g++ zlib1g-dev"
files=
others="Verilator 5.006 or newer, a C++17 compiler, zlib; for the tests yosys, Icarus Verilog, nextpnr-ice40, IceStorm, qflow's osu018"
case "${1:-demo}" in
demo) ;;
test)
    programs="$programs yosys iverilog nextpnr-ice40 icepack"
    packages="$packages yosys iverilog nextpnr-ice40 fpga-icestorm qflow-tech-osu018"
    files=/usr/share/qflow/tech/osu018/osu018_stdcells.lib
    ;;
gpu)
    programs=vulkaninfo
    packages="mesa-vulkan-drivers vulkan-tools"
    others="a Vulkan driver, and vulkaninfo"
    ;;
*)
    echo "setup: unknown: $1; give demo, test or gpu" >&2
    exit 2
    ;;
esac

lacking() {
    for program in $programs; do
        command -v "$program" >/dev/null 2>&1 || printf '%s ' "$program"
    done
    for file in $files; do
        [ -e "$file" ] || printf '%s ' "$file"
    done
    if [ "$programs" = vulkaninfo ]; then
        vulkaninfo --summary 2>/dev/null | grep -q deviceName || printf 'a Vulkan device '
    else
        # Waveforms are compressed with zlib.
        [ -e /usr/include/zlib.h ] || printf 'zlib.h '
    fi
}

if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: cargo not found: install Rust 1.89 or newer (https://rustup.rs)" >&2
    exit 5
fi
lacking=$(lacking)
if [ -z "$lacking" ]; then
    exit 0
fi
echo "setup: not found: $lacking" >&2

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    as_root=none
fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: cannot install packages here; run this and try again:" >&2
    echo "    sudo apt-get install $packages" >&2
    echo "(other systems: $others)" >&2
    exit 5
fi

echo "setup: installing $packages" >&2
$as_root apt-get update -qq >&2
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $packages >&2

lacking=$(lacking)
if [ -n "$lacking" ]; then
    echo "setup: still not found after installing: $lacking" >&2
    exit 5
fi
