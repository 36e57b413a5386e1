#!/bin/sh
# Fuzzes a parser with libFuzzer, on stable Rust, and counts what was run.
#
#   scripts/fuzz.sh TARGET SECONDS    goes on from where the last run of the target ended
#   scripts/fuzz.sh all SECONDS       so long each, all targets but `settings`, which needs the trainer
#   scripts/fuzz.sh --build           builds these
#   scripts/fuzz.sh --count           executions of all runs so far
#
# Inputs that are found go to fuzz/work/TARGET, crashes to fuzz/artifacts/TARGET; git ignores both.
# The seeds in fuzz/corpus/TARGET are only read. Exit codes: 0 ok, 1 a crash, 2 usage, 5 cannot build.
set -eu
cd "$(dirname "$0")/.."

record=fuzz/work/executions.tsv
targets=$(cd fuzz/fuzz_targets && ls ./*.rs | sed 's|\./\(.*\)\.rs|\1|' | tr '\n' ' ')

usage() {
    sed -n '2,/^set -eu/s/^# \{0,1\}//p' "$0" >&2
    echo "targets: $targets" >&2
    exit 2
}

# What cargo-fuzz passes, but for the address sanitizer, which needs a nightly compiler. The flags are
# for the target only, not for what runs while building: hence --target.
build() {
    host=$(rustc -vV | sed -n 's/^host: //p')
    flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
    flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
    flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table"
    flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
    CARGO_INCREMENTAL=0 RUSTFLAGS="$flags" cargo build --quiet --release --locked \
        --manifest-path fuzz/Cargo.toml --target "$host" "$@" || exit 5
    programs=fuzz/target/$host/release
}

count() {
    [ -e "$record" ] || { echo "fuzz: nothing was run yet" >&2; exit 2; }
    sort "$record" | awk -F '\t' '
        { runs[$1] += $2; seconds[$1] += $3; crashed[$1] += $4; total += $2 }
        END {
            for (target in runs)
                printf "%-12s %13d executions %7d s, %d crashes\n", \
                    target, runs[target], seconds[target], crashed[target] | "sort"
            close("sort")
            printf "%-12s %13d executions\n", "all", total
        }'
}

case "${1:-}" in
--count) count && exit 0 ;;
--build) build --bins && exit 0 ;;
esac
[ $# = 2 ] || usage
case " all $targets" in *" $1 "*) ;; *) usage ;; esac
case "$2" in '' | *[!0-9]*) usage ;; esac
target=$1 seconds=$2
if [ "$target" = all ]; then
    failed=0
    for each in $targets; do
        [ "$each" = settings ] || scripts/fuzz.sh "$each" "$seconds" || failed=$?
    done
    exit "$failed"
fi

features=
[ "$target" = settings ] && features="--features train"
# shellcheck disable=SC2086
build --bin "$target" $features
mkdir -p "fuzz/work/$target" "fuzz/artifacts/$target"
dictionary=
[ -e "fuzz/dictionaries/$target" ] && dictionary="-dict=fuzz/dictionaries/$target"
# Parsers that read files get them in memory where that is possible.
[ -d /dev/shm ] && [ -w /dev/shm ] && export TMPDIR=/dev/shm
log=fuzz/work/$target.log
status=0
# shellcheck disable=SC2086
"$programs/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=16384 \
    -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target/" $dictionary \
    "fuzz/work/$target" "fuzz/corpus/$target" >"$log" 2>&1 || status=$?
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
printf '%s\t%s\t%s\t%s\n' "$target" "${runs:-0}" "$seconds" "$((status != 0))" >>"$record"
tail -4 "$log" | cut -c 1-160
echo "fuzz: $target: ${runs:-0} executions"
if [ "$status" != 0 ]; then
    echo "fuzz: $target crashes: $log; the input is in fuzz/artifacts/$target" >&2
    exit 1
fi
