#!/bin/sh
# Measures the training step in PyTorch and in heartbit, side by side.
#
#   scripts/bench-train.sh [ROUNDS]     2 rounds unless given
#
# Each round measures, with 2 threads, ResNet-20 at batch 256 and ResNet-18 at batch 64: first
# `reference/bench.py`, then `heartbit bench train --peer` against what it just printed. Rounds
# alternate, so that other work on the machine shows as a difference between them; run nothing
# else meanwhile. Both programs are warmed up by 2 steps and keep the best of 5 windows of 5 steps.
#
#   PYTHON     a python with torch (reference/README.md), default python3
#   HEARTBIT   the command, default: built here with `--features train`
#   THREADS    threads of both programs, default 2
#   METHOD     training method, default recu
set -eu

python=${PYTHON:-python3}
threads=${THREADS:-2}
method=${METHOD:-recu}
rounds=${1:-2}
root=$(cd "$(dirname "$0")/.." && pwd)

if ! "$python" -c 'import torch' 2>/dev/null; then
    echo "bench-train: $python has no torch: give PYTHON, see reference/README.md" >&2
    exit 5
fi
if [ -z "${HEARTBIT:-}" ]; then
    manifest=$root/Cargo.toml
    target=${CARGO_TARGET_DIR:-$root/target}
    cargo build --release --quiet --manifest-path "$manifest" --package heartbit-cli --features train
    HEARTBIT=$target/release/heartbit
fi

peer=$(mktemp)
trap 'rm -f "$peer"' EXIT

# Arguments: network, batch.
compare() {
    "$python" "$root/reference/bench.py" --network "$1" --batch "$2" --method "$method" \
        --threads "$threads" --steps 5 --windows 5 --warmup 2 >"$peer"
    cat "$peer"
    "$HEARTBIT" bench train --arch "$1" --batch "$2" --method "$method" \
        --threads "$threads" --steps 5 --windows 5 --warmup 2 --peer "$peer"
}

round=1
while [ "$round" -le "$rounds" ]; do
    echo "round $round of $rounds"
    compare resnet20 256
    compare resnet18 64
    round=$((round + 1))
done
