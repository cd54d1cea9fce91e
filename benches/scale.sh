#!/usr/bin/env bash
# Measures the loop with thousands of policies: an edit until it is in force, what idling costs, a scrape, also right after an edit.
#
# usage: benches/scale.sh [--policies N] [--edits N] [--idle SECONDS]
#        --policies  default 2000; each backs up a small directory of its own once, and then nothing is due
#        --edits     default 100
#        --idle      seconds over which idling is measured, default 120
#
# Works in SEAWALL_BENCH_DIR (default /var/tmp/seawall-bench). No Docker engine is needed.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
case ${1-} in -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
export SEAWALL_BENCH_DIR=${SEAWALL_BENCH_DIR:-/var/tmp/seawall-bench}
mkdir -p "$SEAWALL_BENCH_DIR"
SEAWALL_BENCH_BINARY=${SEAWALL_BENCH_BINARY:-$("$top/deploy/build.sh")}
export PYTHONDONTWRITEBYTECODE=1 SEAWALL_BENCH_BINARY
python3 "$top/benches/scale.py" "$@"
