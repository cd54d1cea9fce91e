#!/usr/bin/env bash
# The ways to deploy, for real: the unit's hardening by systemd's own measure, the image built and run by the test engine, the Compose
# file brought up until it is healthy, a volume backed up from inside the container and read back with restic.
#
# usage: tests/deploy.sh     (tests/run.sh sets DOCKER_HOST to the test engine)
set -euo pipefail
cd "$(dirname "$0")/.."
[ -n "${DOCKER_HOST:-}" ] || { echo "tests/deploy.sh: DOCKER_HOST has to name a test engine: eval \"export \$(tests/engine.sh env)\"" >&2; exit 1; }

id=seawall-deploy-$$
scratch=$(mktemp -d /var/tmp/seawall-deploy.XXXXXX)
export SEAWALL_IMAGE=$id:test COMPOSE_PROJECT_NAME=$id
compose() { docker-compose -f deploy/compose.yaml "$@"; }

clean_up() {
  compose down --timeout 20 >/dev/null 2>&1 || true
  docker volume rm -f "$id" >/dev/null 2>&1 || true
  docker image rm -f "$SEAWALL_IMAGE" >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap clean_up EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
check() { echo "- $*"; }

check "the unit's exposure is under 4"
systemd-analyze security --offline=true --threshold=40 --no-pager deploy/seawall.service >"$scratch/exposure" || { tail -n 1 "$scratch/exposure"; fail "exposure"; }
tail -n 1 "$scratch/exposure"

check "the image builds with no registry and runs"
deploy/build-image.sh "$SEAWALL_IMAGE"
binary=$(deploy/build.sh)
docker run --rm --network none "$SEAWALL_IMAGE" --version | grep -F "seawall $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
ldd "$binary" 2>&1 | grep -E 'not a dynamic executable|statically linked' || fail "$binary is not static"

check "systemd finds nothing to say about the unit"
sed "s|/usr/local/bin/seawall|$binary|" deploy/seawall.service >"$scratch/seawall.service"
systemd-analyze verify "$scratch/seawall.service" 2>"$scratch/verify" || { cat "$scratch/verify"; fail "verify"; }
! grep -F seawall.service "$scratch/verify" || fail "systemd complains about the unit"

check "the Compose file comes up and is healthy"
docker volume create "$id" >/dev/null
data=$(docker volume inspect --format '{{.Mountpoint}}' "$id")
echo precious >"$data/private" && chmod 0600 "$data/private" && chown -R 4242:4242 "$data" && chmod 0700 "$data"
mkdir "$scratch/policies" "$scratch/state"
cat >"$scratch/policies/one.yaml" <<YAML
apiVersion: seawall.dev/v1
kind: BackupPolicy
metadata: {name: one}
spec:
  source: {volume: {name: $id}}
  schedule: {every: 1h}
  objectives: {rpo: 2h}
YAML
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
engine_root=$(docker info --format '{{.DockerRootDir}}')
export SEAWALL_POLICIES_DIR=$scratch/policies SEAWALL_STATE_DIR=$scratch/state SEAWALL_LISTEN=127.0.0.1:$port SEAWALL_HOST=$id \
  SEAWALL_DOCKER_SOCKET=${DOCKER_HOST#unix://} SEAWALL_DOCKER_VOLUMES=$engine_root/volumes
compose up -d
container=$(compose ps -q seawall)
for _ in $(seq 120); do
  health=$(docker inspect --format '{{.State.Health.Status}}' "$container")
  [ "$health" != healthy ] || break
  sleep 0.5
done
[ "$health" = healthy ] || { docker logs "$container" 2>&1 | tail -n 30; docker inspect --format '{{json .State}}' "$container"; fail "the container is $health"; }

check "it holds no more rights than it needs"
docker inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}} {{.HostConfig.RestartPolicy.Name}}' "$container" |
  grep -xF 'true [ALL] [DAC_READ_SEARCH FOWNER CHOWN DAC_OVERRIDE FSETID MKNOD SETFCAP] [no-new-privileges:true] always'

check "it backs up a volume that belongs to somebody else, and restic reads the file back"
compose exec -T seawall /seawall backup one
compose exec -T seawall /seawall get volumes
compose exec -T seawall /seawall key export --yes >"$scratch/key"
repository=$(dirname "$(find "$scratch/state" -name config -type f | head -n 1)")
restic --no-cache -q -r "$repository" -p "$scratch/key" check
restic --no-cache -q -r "$repository" -p "$scratch/key" restore latest --target "$scratch/back"
found=$(find "$scratch/back" -name private)
[ -n "$found" ] || fail "the file is not in the snapshot"
cmp "$found" "$data/private"
[ "$(stat -c '%a %u' "$found")" = "600 4242" ] || fail "its mode and owner are not the original's"

check "it restores the file in place"
echo spoilt >"$data/private" && chmod 0644 "$data/private" && chown 0:0 "$data/private"
compose exec -T seawall /seawall restore one --yes
[ "$(cat "$data/private") $(stat -c '%a %u' "$data/private") $(stat -c '%a %u' "$data")" = "precious 600 4242 700 4242" ] || fail "it is not as it was"

check "SIGTERM ends it by itself, and it comes back with what it knew"
compose stop
[ "$(docker inspect --format '{{.State.ExitCode}}' "$container")" = 0 ] || fail "it had to be killed: $(docker inspect --format '{{json .State}}' "$container")"
compose start
for _ in $(seq 100); do
  listed=$(compose exec -T seawall /seawall get snapshots -o json 2>/dev/null) || listed=
  [[ $listed != *'"id"'* ]] || break
  sleep 0.2
done
[[ $listed == *'"id"'* ]] || fail "after a restart it lists no snapshot"
echo "all ways to deploy work"
