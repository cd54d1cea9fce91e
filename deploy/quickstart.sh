#!/usr/bin/env bash
# From a fresh Debian machine to the first snapshot: builds Seawall, sees to a Docker engine, starts the operator in the background
# and shows what it protects. What runs already is used as it is, so a second call changes nothing.
#
# usage: deploy/quickstart.sh [--policies DIR] [--state DIR] [--listen ADDRESS]
#        deploy/quickstart.sh stop [--state DIR]      end what this script started; volumes and snapshots stay
#
# Root is needed: the engine's volumes are root's. DOCKER_HOST names another engine than the local one.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)

policies=$top/policies
state=${SEAWALL_STATE:-$PWD/.seawall}
listen=${SEAWALL_LISTEN:-127.0.0.1:9187}
command=start

say() { printf '%s\n' "$*"; }
die() { printf 'deploy/quickstart.sh: %s\n' "$*" >&2; exit 1; }

# The process in a pid file, if it lives and still is what was started.
alive() { # PIDFILE PROGRAM
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && echo "$pid"
}

end() { # PIDFILE PROGRAM
  local pid tries
  pid=$(alive "$1" "$2") || { rm -f "$1"; return 1; }
  kill -TERM "$pid"
  for ((tries = 0; tries < 300; tries++)); do
    alive "$1" "$2" >/dev/null || { rm -f "$1"; return 0; }
    sleep 0.1
  done
  die "$2 (process $pid) does not end within 30 s"
}

has_systemd() { [ -d /run/systemd/system ]; }
engine_answers() { timeout 10 docker version >/dev/null 2>&1; }

await_engine() { # SECONDS
  local tries
  for ((tries = 0; tries < $1 * 5; tries++)); do
    engine_answers && return 0
    [ ! -f "$state/dockerd.pid" ] || alive "$state/dockerd.pid" dockerd >/dev/null || return 1
    sleep 0.2
  done
  return 1
}

start_dockerd() { # OPTION...
  setsid dockerd "$@" >>"$state/dockerd.log" 2>&1 </dev/null &
  echo $! >"$state/dockerd.pid"
  await_engine 30
}

install() { # PACKAGE...
  command -v apt-get >/dev/null || die "there is no apt-get here to install it with: install $* and try again"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$state/apt.log" 2>&1 && return
  tail -n 5 "$state/apt.log" >&2
  die "$* could not be installed, see $state/apt.log"
}

service() { # start|stop
  if has_systemd; then systemctl "$1" docker.socket docker.service; else command service docker "$1"; fi
}

ensure_docker() {
  if engine_answers; then
    say "Docker: the engine that runs here is used."
    return
  fi
  [ -z "${DOCKER_HOST:-}" ] || die "the engine at DOCKER_HOST=$DOCKER_HOST does not answer"
  if ! command -v dockerd >/dev/null; then
    say "Docker: not installed; installing Debian's docker.io …"
    install docker.io
    # Where there is an init system, the package has started its service.
    if await_engine 10; then
      touch "$state/docker-service-is-ours"
      return
    fi
  fi
  if has_systemd; then
    say "Docker: starting its service …"
    touch "$state/docker-service-is-ours"
    service start || die "the docker service does not start: journalctl -u docker"
    await_engine 30 || die "the engine does not answer: journalctl -u docker"
    return
  fi
  say "Docker: no systemd here, so starting dockerd in the background; its log is $state/dockerd.log"
  start_dockerd && return
  # In a container or a small virtual machine the kernel may offer neither bridges nor overlays; backups need neither.
  say "Docker: it does not start with its defaults; trying without networks and overlays …"
  start_dockerd --bridge=none --iptables=false --ip6tables=false --storage-driver=vfs || die "dockerd does not start, see $state/dockerd.log"
}

demo_database=H4sIAAAAAAACAwsO9MksSVVIyy/KTSxRMGZgYmBkZHBQUGBgADIhGAYYgZgFjU8IMDHoJTPyghQzrmYAolFAPghmZBOXlWWsLklMykktzy/KTsvJL4fRTM5Bro4hrgohjk4+rgowUY3MFAVPvxBXd9cghYAgT1/HoEgFb9dInbzE3FSFENeIEE1I3HxlAKJRMFIAJyMzg2SiQkpqbj4AbVmt9wAEAAA=

make_demo_volumes() {
  local volumes name path n
  volumes=$(docker volume ls -q) || die "the engine does not list its volumes"
  [ -z "$volumes" ] || return 0
  say "Demo: this host has no volume, so two small ones are made, with the names that policies/ asks for."
  for name in prosaasil_n8n_data prosaasil_whatsapp_auth; do
    docker volume create --label seawall.demo=true "$name" >/dev/null
    path=$(docker volume inspect --format '{{.Mountpoint}}' "$name")
    [ -d "$path" ] || die "the engine is not on this host: $path is not here"
    case $name in
    *n8n*)
      printf '{"encryptionKey": "only-a-demo"}\n' >"$path/config"
      # A real database, as the policy takes it to be: one table with one row.
      base64 -d <<<"$demo_database" | gunzip >"$path/database.sqlite"
      head -c 1048576 /dev/urandom >"$path/binaryData"
      ;;
    *) for n in $(seq 1 200); do printf '{"preKey": %s}\n' "$n" >"$path/pre-key-$n.json"; done ;;
    esac
    chown -R 1000:1000 "$path"
  done
}

start_operator() { # BINARY
  if alive "$state/seawall.pid" seawall >/dev/null; then
    say "Seawall: runs already (process $(cat "$state/seawall.pid"))."
    return
  fi
  say "Seawall: starting on $policies; its log is $state/seawall.log"
  setsid "$1" run --policies "$policies" --state "$state" --listen "$listen" >>"$state/seawall.log" 2>&1 </dev/null &
  echo $! >"$state/seawall.pid"
}

await() { # SECONDS COMMAND...
  local tries limit=$1
  shift
  for ((tries = 0; tries < limit * 5; tries++)); do
    "$@" >/dev/null 2>&1 && return 0
    alive "$state/seawall.pid" seawall >/dev/null || { tail -n 20 "$state/seawall.log" >&2; die "Seawall ended; the end of its log is above"; }
    sleep 0.2
  done
  return 1
}

has_snapshot() { "$1" get snapshots --state "$state" -o json | grep -q '"id"'; }

start() {
  [ "$(id -u)" -eq 0 ] || die "run it as root: the volumes of the Docker engine are root's"
  [ -d "$policies" ] || die "$policies is no directory"
  policies=$(cd "$policies" && pwd)
  mkdir -p "$state"
  chmod 0700 "$state"
  state=$(cd "$state" && pwd)
  local binary show
  if ! command -v cc >/dev/null || ! command -v make >/dev/null; then
    say "Build: no C compiler or no make here; installing Debian's …"
    install gcc libc6-dev make
  fi
  say "Build: the release binary (the first time takes some minutes) …"
  binary=$("$top/deploy/build.sh") || exit 1
  ensure_docker
  make_demo_volumes
  start_operator "$binary"
  await 60 "$binary" health --ready --listen "$listen" || die "Seawall is not ready within 60 s, see $state/seawall.log"
  show=("$binary" get --policies "$policies" --state "$state")
  await 60 has_snapshot "$binary" || say "No snapshot yet: either no policy matches a volume of this host, or the first one takes longer than a minute."
  say ""; say "Policies"; "${show[@]}" policies
  say ""; say "Volumes of this host"; "${show[@]}" volumes
  cat <<END

Status page   http://$listen/          metrics  http://$listen/metrics
Look          $binary --state $state get snapshots
              $binary --state $state describe policy n8n-data
Key           $binary --state $state key export --output FILE     keep it away from this host: no key, no restore
Edit          $policies: a change is in force as soon as it is saved
Stop          deploy/quickstart.sh stop$([ "$state" = "$PWD/.seawall" ] || printf ' --state %s' "$state")
END
}

stop() {
  [ -d "$state" ] || { say "Nothing was started with $state."; return; }
  state=$(cd "$state" && pwd)
  if end "$state/seawall.pid" seawall; then say "Seawall: stopped."; else say "Seawall: did not run."; fi
  if end "$state/dockerd.pid" dockerd; then say "Docker: the dockerd that was started by this script is stopped."; fi
  if [ -f "$state/docker-service-is-ours" ]; then
    service stop
    rm -f "$state/docker-service-is-ours"
    say "Docker: the service that was started by this script is stopped."
  fi
  say "Snapshots and the key stay in $state, volumes in the engine."
}

while [ "$#" -gt 0 ]; do
  case $1 in
  start | stop) command=$1 ;;
  --policies | --state | --listen)
    [ "$#" -ge 2 ] || die "$1 wants a value"
    printf -v "${1#--}" %s "$2"
    shift
    ;;
  -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
  *) die "there is no option $1; see --help" ;;
  esac
  shift
done
"$command"
