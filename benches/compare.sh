#!/usr/bin/env bash
# Measures Seawall against tar, restic, borg and rustic on the same generated data, in turn, in one run, and checks every restore.
#
# usage: benches/compare.sh [--size MB] [--rounds N] [--tools NAME,…] [--sparse] [--million] [--quick]
#        --size     of the data, default 2048 (40,000 small files, one SQLite file, media, logs; grows and shrinks as a whole)
#        --rounds   default 5; medians are printed
#        --sparse   adds a file of 5 GiB that is nearly all hole; --million adds a million small files
#        --quick    100 MB, one round, without rustic unless it is installed: does everything still work?
#
# Works in SEAWALL_BENCH_DIR (default /var/tmp/seawall-bench, needs about ten times the size) with a Docker engine of its own, and restores to
# file systems of its own on loop devices. Touches memory of twice the size before each step, so that all find it warm. Installs what
# is absent: restic, borg and zstd from Debian, rustic by cargo into SEAWALL_BENCH_DIR/tools (minutes, once).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
export SEAWALL_BENCH_DIR=${SEAWALL_BENCH_DIR:-/var/tmp/seawall-bench}
tools=$SEAWALL_BENCH_DIR/tools
rustic=0.11.4
quick=
for argument in "$@"; do
  case $argument in
  --quick) quick=1 ;;
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
  esac
done

[ "$(id -u)" -eq 0 ] || { echo "benches/compare.sh: run it as root: it reads a Docker volume and sets owners" >&2; exit 1; }
mkdir -p "$tools"
missing=()
for package in restic:restic borg:borgbackup zstd:zstd docker:docker.io python3:python3 /usr/bin/time:time; do
  command -v "${package%:*}" >/dev/null || missing+=("${package#*:}")
done
[ "${#missing[@]}" -eq 0 ] || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >&2
export PATH=$PATH:$tools/bin
if ! command -v rustic >/dev/null; then
  if [ -n "$quick" ]; then
    echo "rustic is not installed: left out of this quick run" >&2
  else
    echo "installing rustic $rustic by cargo; this takes minutes, once …" >&2
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --no-default-features --root "$tools" "rustic-rs@$rustic"
    rm -rf "$tools/build"
  fi
fi

SEAWALL_BENCH_BINARY=$("$top/deploy/build.sh")
export PYTHONDONTWRITEBYTECODE=1 SEAWALL_BENCH_BINARY SEAWALL_TEST_ENGINE_DIR=$SEAWALL_BENCH_DIR/engine
trap '"$top/tests/engine.sh" clean' EXIT
"$top/tests/engine.sh" start >/dev/null
while read -r line; do export "${line?}"; done < <("$top/tests/engine.sh" env)
python3 "$top/benches/compare.py" "$@"
