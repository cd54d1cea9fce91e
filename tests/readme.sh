#!/usr/bin/env bash
# Runs every `sh` block of the README as written, in order, in one shell, in a scratch clone, against a Docker engine with nothing in
# it. (Blocks marked `console` need systemd or a person's own host; tests/deploy.sh does what they do.)
#
# usage: tests/readme.sh
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -e /tmp/seawall.key ] || [ -e /tmp/restored ]; then
  echo "tests/readme.sh: /tmp/seawall.key or /tmp/restored is in the way" >&2
  exit 1
fi

scratch=$(mktemp -d /var/tmp/seawall-readme.XXXXXX)
export SEAWALL_TEST_ENGINE_DIR=$scratch/engine
clean_up() {
  [ ! -x "$scratch/clone/deploy/quickstart.sh" ] || (cd "$scratch/clone" && unset SEAWALL_STATE && deploy/quickstart.sh stop) || true
  tests/engine.sh clean || true
  rm -rf "$scratch" /tmp/seawall.key /tmp/restored /tmp/runbook.md /tmp/n8n_data_20260123_140530.tar.gz
}
trap clean_up EXIT
# What is here now, committed or not, as a clone of its own.
mkdir "$scratch/clone"
git ls-files -z | while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done | xargs -0 cp --parents -t "$scratch/clone"
git -C "$scratch/clone" init -q
git -C "$scratch/clone" add -A
git -C "$scratch/clone" -c user.name=test -c user.email=test@localhost commit -qm clone
# So that what was built once is not built again; the README's own paths stay true.
[ -z "${CARGO_TARGET_DIR:-}" ] || ln -s "$CARGO_TARGET_DIR" "$scratch/clone/target"
unset CARGO_TARGET_DIR

tests/engine.sh start >/dev/null
while read -r line; do export "${line?}"; done < <(tests/engine.sh env)

{
  echo 'set -euo pipefail'
  # There being something to do is no failure of `plan`.
  # shellcheck disable=SC2016 # for the other shell
  echo 'seawall() { local code=0; command seawall "$@" || code=$?; [ "$1 $code" != "plan 2" ] || code=0; return "$code"; }'
  awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on { print "echo \"+ line " NR "\" >&2"; print }' README.md
} >"$scratch/commands"
grep -q quickstart "$scratch/commands" || { echo "tests/readme.sh: found no commands in README.md" >&2; exit 1; }
(cd "$scratch/clone" && bash "$scratch/commands")
[ "$(find /tmp/restored -name config -size +0 | wc -l)" -ge 1 ] || { echo "tests/readme.sh: nothing was restored" >&2; exit 1; }

# As a user would: again, and once more stopped.
(cd "$scratch/clone" && deploy/quickstart.sh && deploy/quickstart.sh && deploy/quickstart.sh stop)
echo "the README's commands work as written"
