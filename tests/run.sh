#!/usr/bin/env bash
# Installs what the tests need and runs them all: one line per suite, then what failed, then the sum.
#
# usage: tests/run.sh [SUITE...]     all suites, or those named: fmt clippy deny tests shell alerts deploy readme compare
#
# Needs Debian 12 and, to install packages and start an engine, root. Runs against a Docker engine of its own (tests/engine.sh) unless
# SEAWALL_TEST_DOCKER_HOST names one. Ends what it started; can be run again at once. Logs of the last run: $CARGO_TARGET_DIR/test-logs.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} CARGO_TERM_COLOR=never
# How large the hard tree of tests/restore/hard.rs is: some two minutes on two busy cores, and up to four to remove it all. 200000 takes
# four to seven minutes, and four to remove.
export SEAWALL_TEST_FILES=${SEAWALL_TEST_FILES:-60000}
logs=$CARGO_TARGET_DIR/test-logs
tools=$CARGO_TARGET_DIR/tools
export PATH=$tools/bin:$PATH
passed=0 failed=0 engine_is_ours=

# What Debian 12 has; a program that is there already, from wherever, is left as it is.
declare -A package_of=(
  [cc]="gcc libc6-dev" [make]=make [dockerd]=docker.io [docker-compose]=docker-compose [promtool]=prometheus [prometheus]=prometheus [restic]=restic
  [borg]=borgbackup [shellcheck]=shellcheck [sqlite3]=sqlite3 [setfacl]=acl [setfattr]=attr [jq]=jq [curl]=curl [git]=git
  [systemd-analyze]=systemd [python3]=python3 [pgrep]=procps [busybox]=busybox-static [flock]=util-linux [/usr/bin/time]=time
  [pip3]=python3-pip [rclone]=rclone [mkfs.btrfs]=btrfs-progs [mkfs.xfs]=xfsprogs [openssl]=openssl [zstd]=zstd [bzip2]=bzip2 [valgrind]=valgrind
  [/usr/lib/postgresql/15/bin/initdb]="postgresql-15 postgresql-client-15"
)
cargo_deny=0.20.2

install_packages() {
  local program packages=()
  for program in "${!package_of[@]}"; do
    # shellcheck disable=SC2206 # one entry may name two packages
    command -v "$program" >/dev/null || packages+=(${package_of[$program]})
  done
  [ "${#packages[@]}" -gt 0 ] || return 0
  local install="apt-get install -y --no-install-recommends ${packages[*]}"
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "tests/run.sh: missing here; on Debian 12 as root: $install" >&2
    return 1
  fi
  echo "installing ${packages[*]}"
  # The packages' own services are not wanted: the tests start what they need, where they need it.
  local policy=/usr/sbin/policy-rc.d ours='' code=0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=1
  fi
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive $install; } >"$logs/packages.log" 2>&1 || code=$?
  [ -z "$ours" ] || rm -f "$policy"
  [ "$code" -eq 0 ] || tail -n 20 "$logs/packages.log" >&2
  return "$code"
}

# Programs that Debian has not, by version and hash.
install_tools() {
  local have=$tools/python/installed
  ! cmp -s tests/tools.txt "$have" || return 0
  rm -rf "$tools/python"
  python3 -m pip install --quiet --no-deps --require-hashes --target "$tools/python" -r tests/tools.txt >"$logs/tools.log" 2>&1 ||
    { tail -n 20 "$logs/tools.log" >&2; return 1; }
  cp tests/tools.txt "$have"
}

start_engine() {
  if [ -n "${SEAWALL_TEST_DOCKER_HOST:-}" ]; then
    export DOCKER_HOST=$SEAWALL_TEST_DOCKER_HOST
    return 0
  fi
  local line
  while read -r line; do export "${line?}"; done < <(tests/engine.sh env)
  curl -fsS --max-time 2 --unix-socket "${DOCKER_HOST#unix://}" http://engine/_ping >/dev/null 2>&1 || engine_is_ours=1
  tests/engine.sh start >/dev/null
}

# shellcheck disable=SC2317 # called by the trap
end_what_we_started() {
  [ -z "$engine_is_ours" ] || tests/engine.sh stop
}

# Runs one suite with its output in a log; adds one to the sum, or for the Rust tests as many as there were.
suite() { # NAME
  local name=$1 began=$SECONDS code=0 ran=1 broken=0 summary
  "suite_$name" >"$logs/$name.log" 2>&1 </dev/null || code=$?
  [ "$code" -eq 0 ] || broken=1
  if [ "$name" = tests ]; then
    summary=$(grep -aE '^ *Summary \[|^test result: ' "$logs/tests.log")
    [ -z "$summary" ] || echo "$summary"
    ran=$(sum_of passed <<<"$summary") broken=$(sum_of failed <<<"$summary")
    ran=$((ran + broken))
    # Not even built, or no test found: that is a failure of its own.
    if [ "$ran" -eq 0 ] || { [ "$code" -ne 0 ] && [ "$broken" -eq 0 ]; }; then code=1 ran=$((ran + 1)) broken=1; fi
  fi
  passed=$((passed + ran - broken)) failed=$((failed + broken))
  if [ "$code" -eq 0 ]; then
    echo "ok      $name ($((SECONDS - began)) s)"
  else
    echo "FAILED  $name ($((SECONDS - began)) s); the end of $logs/$name.log:"
    tail -n 60 "$logs/$name.log" | sed 's/^/    /'
  fi
}

# Adds up "N passed" or "N failed" (or "N timed out") over the closing lines of a test runner.
sum_of() { # WORD
  local also=$1
  [ "$1" = passed ] || also='failed|timed out|exec failed'
  grep -oE "[0-9]+ ($also)" | awk '{n += $1} END {print n + 0}'
}

suite_fmt() { cargo fmt --check; }

suite_clippy() { cargo clippy --locked --all-targets -- -D warnings; }

suite_tests() {
  if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast && cargo test --locked --doc
  else
    echo "no cargo-nextest here: cargo test instead"
    cargo test --locked --no-fail-fast
  fi
}

suite_deny() {
  if ! command -v cargo-deny >/dev/null; then
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --debug --locked --root "$tools" "cargo-deny@$cargo_deny" && rm -rf "$tools/build" || return 1
  fi
  cargo deny --locked check -D unmatched-skip bans licenses sources
}

suite_shell() { git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck; }

suite_alerts() {
  promtool check rules deploy/prometheus/alerts.yml && promtool test rules deploy/prometheus/alerts_test.yml
}

suite_deploy() { tests/deploy.sh; }

suite_readme() { tests/readme.sh; }

suite_compare() { benches/compare.sh --quick; }

mkdir -p "$logs" && rm -f "$logs"/*.log
command -v cargo >/dev/null || { echo "tests/run.sh: no cargo here; Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer is needed" >&2; exit 1; }
trap end_what_we_started EXIT
trap 'exit 130' INT TERM
if install_packages && install_tools && start_engine; then
  [ "$#" -gt 0 ] || set -- fmt shell alerts clippy tests deny deploy readme compare
  for name in "$@"; do
    if [ "$(type -t "suite_$name")" != function ]; then
      echo "tests/run.sh: there is no suite $name" >&2
      failed=$((failed + 1))
      continue
    fi
    suite "$name"
  done
else
  failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
