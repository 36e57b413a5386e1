#!/bin/sh
# Makes the pictures of the report for the documentation: docs/figures/report-*.webp.
#
#   scripts/screenshots.sh                  of the bundled network
#   scripts/screenshots.sh REPORT.html DIR  of another report, into DIR
#
# Needs Chromium and ImageMagick. CHROMIUM names the browser.
set -eu

cd "$(dirname "$0")/.."
out=${2:-docs/figures}
browser=${CHROMIUM:-chromium}
for program in "$browser" convert; do
    if ! command -v "$program" >/dev/null 2>&1; then
        echo "screenshots: $program not found: apt-get install chromium imagemagick" >&2
        exit 5
    fi
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

page=${1:-}
if [ -z "$page" ]; then
    heartbit() { cargo run --quiet --release --package heartbit-cli -- --quiet "$@" >&2; }
    build=$scratch/build
    heartbit compile models/resnet20-cifar10.hbn --array 8x8x16 --board ulx3s-85f --out "$build"
    heartbit verify "$build" --data data/cifar10-mini --rtl-images 3
    page=$build/report.html
fi
page=$(cd "$(dirname "$page")" && pwd)/$(basename "$page")

# shoot SCHEME WIDTH HEIGHT: one picture of the top of the page, small enough for a repository.
shoot() {
    case "$1" in dark) scheme=0 ;; *) scheme=1 ;; esac
    "$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars \
        --user-data-dir="$scratch/profile" --blink-settings=preferredColorScheme=$scheme \
        --window-size="$2,$3" --screenshot="$scratch/shot.png" "file://$page" >/dev/null 2>&1
    convert "$scratch/shot.png" -strip -define webp:lossless=false -quality 82 \
        "$out/report-$1-$2.webp"
    echo "wrote $out/report-$1-$2.webp"
}

mkdir -p "$out"
shoot light 1280 1500
shoot dark 1280 1500
shoot light 390 1500
shoot dark 390 1500
