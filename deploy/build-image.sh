#!/usr/bin/env bash
# Builds the static binary and an image that holds it and nothing else. Prints the image's name.
#
# usage: deploy/build-image.sh [NAME]      default: seawall:VERSION, also tagged seawall:latest
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=${1:-seawall:$version}
binary=$(deploy/build.sh)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$binary" "$context/seawall"
docker build --quiet --tag "$name" --label "org.opencontainers.image.version=$version" --file deploy/Dockerfile "$context" >&2
[ "$#" -gt 0 ] || docker tag "$name" "${name%:*}:latest"
echo "$name"
