#!/bin/sh
# Runs tests with coverage of the emitted Verilog and of the Rust code, and reports both: a table for
# each on standard output, what is not covered in target/coverage/holes.md.
#
#   scripts/coverage.sh [rtl|rust|all]
#
# rtl    lines and toggles of the Verilog under Verilator, from the tests of co-simulation
# rust   lines of all crates but the trainer, from their tests
#
# Rust's figures need LLVM's tools of the compiler's own version: the component `llvm-tools` of
# rustup, or LLVM_TOOLS with a directory that has llvm-profdata and llvm-cov. COVERAGE_PACKAGES
# restricts them to some packages, as `--package heartbit-ir --package heartbit-sim`.
set -eu
cd "$(dirname "$0")/.."

what="${1:-all}"
case "$what" in
rtl | rust | all) ;;
*)
    echo "coverage: unknown: $what; give rtl, rust or all" >&2
    exit 2
    ;;
esac
out="$PWD/target/coverage"
rm -rf "$out"
mkdir -p "$out"
CARGO="${CARGO:-cargo}"
report="--holes $out/holes.md"

if [ "$what" != rust ]; then
    echo "coverage: the Verilog, under Verilator" >&2
    # Each test builds its models with counters; the cache keeps them apart from others.
    HEARTBIT_RTL_COVERAGE="$out/rtl" $CARGO test --quiet --package heartbit-tests \
        --test cosim --test axi --test negative >&2
    report="$report --rtl $out/rtl"
fi

if [ "$what" != rtl ]; then
    host="$(rustc -vV | sed -n 's/^host: //p')"
    tools="${LLVM_TOOLS:-$(rustc --print sysroot)/lib/rustlib/$host/bin}"
    if [ ! -x "$tools/llvm-profdata" ] && [ -z "${LLVM_TOOLS:-}" ]; then
        rustup component add llvm-tools >&2 || true
    fi
    if [ ! -x "$tools/llvm-profdata" ] || [ ! -x "$tools/llvm-cov" ]; then
        echo "coverage: no llvm-profdata and llvm-cov in $tools: run" >&2
        echo "    rustup component add llvm-tools" >&2
        echo "(or name a directory with those of LLVM $(rustc -vV | sed -n 's/^LLVM version: //p') in LLVM_TOOLS)" >&2
        exit 5
    fi
    echo "coverage: the Rust code" >&2
    # A target directory of its own: the flags would build everything anew otherwise, twice.
    CARGO_TARGET_DIR="$out/target"
    LLVM_PROFILE_FILE="$out/profiles/%p-%m.profraw"
    RUSTFLAGS="-C instrument-coverage"
    CARGO_INCREMENTAL=0
    export CARGO_TARGET_DIR LLVM_PROFILE_FILE RUSTFLAGS CARGO_INCREMENTAL
    packages="${COVERAGE_PACKAGES:---workspace --exclude heartbit-trainer}"
    # shellcheck disable=SC2086
    $CARGO test --quiet $packages >&2
    # shellcheck disable=SC2086
    $CARGO test $packages --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | sort -u > "$out/binaries"
    unset CARGO_TARGET_DIR LLVM_PROFILE_FILE RUSTFLAGS CARGO_INCREMENTAL
    objects=
    first=
    while read -r binary; do
        if [ -z "$first" ]; then first="$binary"; else objects="$objects --object $binary"; fi
    done < "$out/binaries"
    "$tools/llvm-profdata" merge --sparse "$out"/profiles/*.profraw --output "$out/rust.profdata"
    # shellcheck disable=SC2086
    "$tools/llvm-cov" export --format=lcov --instr-profile "$out/rust.profdata" \
        --ignore-filename-regex '/\.cargo/|/rustc/|/tests/|/examples/' \
        "$first" $objects > "$out/rust.lcov"
    rm -rf "$out/profiles" "$out/target"
    report="$report --rust $out/rust.lcov"
fi

# shellcheck disable=SC2086
$CARGO run --quiet --package heartbit-cosim --example coverage -- $report
echo "coverage: what is not covered is listed in target/coverage/holes.md" >&2
