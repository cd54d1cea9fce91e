#!/usr/bin/env bash
# Counts the instructions that one turn of each benchmark in benches/pure.rs takes, by callgrind: a number that does not depend on what
# else the machine does, so that a change shows. Needs valgrind. What is counted is a run with the benchmark less one without: what both
# prepare differs by some 200,000 from run to run, so a smaller count says nothing.
#
# usage: benches/instructions.sh [NAME…]   (default: all of them)
set -euo pipefail
case ${1-} in -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "benches/instructions.sh: there is no valgrind here: apt-get install -y valgrind" >&2; exit 1; }
# Counts are compared with counts of the same build, so it need not be the one that takes minutes to link.
export CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_CODEGEN_UNITS=16
bench=$(cargo bench --locked --bench pure --no-run --message-format=json 2>/dev/null | sed -n 's/.*"executable":"\([^"]*pure-[^"]*\)".*/\1/p' | tail -n 1)

# Criterion's test mode takes one turn of what a filter finds. What it forks is counted too, and ends first.
counted() { # FILTER
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" --test --exact "$1" 2>&1 >/dev/null | sed -n 's/.*Collected : //p' | tail -n 1
}
if [ "$#" -eq 0 ]; then
  mapfile -t names < <("$bench" --list 2>/dev/null | sed -n 's/: benchmark$//p')
  set -- "${names[@]}"
fi
nothing=$(counted 'no such benchmark')
for name in "$@"; do
  printf '%-50s %15d\n' "$name" "$(($(counted "$name") - nothing))"
done
