#!/usr/bin/env bash
# Builds the release binary: one file that needs nothing of the host it runs on. Prints its path.
#
# usage: deploy/build.sh
set -euo pipefail
cd "$(dirname "$0")/.."

PATH=$PATH:$HOME/.cargo/bin
needs() { # PROGRAM HOW-TO-GET-IT
  command -v "$1" >/dev/null && return
  echo "deploy/build.sh: there is no $1 here: $2" >&2
  exit 1
}
needs cargo "install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer with rustup (Debian's own cargo is too old)"
needs cc "run 'apt-get install -y gcc libc6-dev'"
needs make "run 'apt-get install -y make'"

target=$(rustc -vV | sed -n 's/^host: //p')
# glibc linked in: the same binary runs on every distribution and in an empty image. Naming the target keeps these flags from
# procedural macros, which cannot be static.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo build --quiet --locked --release --bin seawall --target "$target" >&2
echo "${CARGO_TARGET_DIR:-$PWD/target}/$target/release/seawall"
