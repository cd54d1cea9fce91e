#!/usr/bin/env bash
# A Docker engine for the tests alone: its own data, socket and pid file, no network, no iptables. It never touches
# an engine that a person runs on the same host, and ends only what it started itself.
#
# usage: tests/engine.sh start     start it unless it runs; prints its address
#        tests/engine.sh stop      end it; its volumes, images and containers stay
#        tests/engine.sh restart   stop, then start
#        tests/engine.sh crash     what a power cut leaves of it: every process of it killed, its runtime state gone
#        tests/engine.sh clean     stop it and remove everything it kept
#        tests/engine.sh env       print the variables that point the tests and the docker command at it
#
# SEAWALL_TEST_ENGINE_DIR says where it lives (default /var/tmp/seawall-test-engine): one engine per directory.
set -euo pipefail

dir=${SEAWALL_TEST_ENGINE_DIR:-/var/tmp/seawall-test-engine}
address=unix://$dir/docker.sock
pidfile=$dir/docker.pid
log=$dir/dockerd.log

fail() {
  echo "tests/engine.sh: $*" >&2
  exit 1
}

# The process of a pid file, if it lives and is really the one started for this directory (pids are used again).
alive() { # PIDFILE
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$dir/" && echo "$pid"
}

answers() {
  curl -fsS --max-time 2 --unix-socket "$dir/docker.sock" http://engine/_ping >/dev/null 2>&1
}

end() { # PIDFILE
  local pid tries=0
  pid=$(alive "$1") || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  while alive "$1" >/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -eq 150 ]; then kill -KILL "$pid" 2>/dev/null || true; fi
    [ "$tries" -lt 200 ] || fail "process $pid does not end; see $log"
    sleep 0.1
  done
}

start() {
  if alive "$pidfile" >/dev/null && answers; then return 0; fi
  [ "$(id -u)" -eq 0 ] || fail "starting an engine needs root; or set SEAWALL_TEST_DOCKER_HOST to one that runs"
  command -v dockerd >/dev/null || fail "no dockerd here: install Debian's docker.io"
  stop # one that lives and does not answer
  rm -f "$pidfile" "$dir/docker.sock"
  echo '{}' >"$dir/daemon.json" # so that the host's /etc/docker/daemon.json is not read
  # A namespace of its own keeps it apart from other engines where the host's containerd is shared.
  local namespace
  namespace=seawall-test-$(printf %s "$dir" | sha256sum | cut -c1-12)
  setsid dockerd --config-file "$dir/daemon.json" --host "$address" --group root --pidfile "$pidfile" \
    --data-root "$dir/data" --exec-root "$dir/exec" --storage-driver vfs \
    --containerd-namespace "$namespace" --containerd-plugins-namespace "$namespace-plugins" \
    --bridge none --iptables=false --ip6tables=false --ip-forward=false --userland-proxy=false \
    --log-level warn >"$log" 2>&1 </dev/null 9>&- &
  local child=$! tries=0
  until answers; do
    kill -0 "$child" 2>/dev/null || fail "dockerd ended at once; the end of $log:"$'\n'"$(tail -n 15 "$log")"
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "dockerd does not answer within 30 s; the end of $log:"$'\n'"$(tail -n 15 "$log")"
    sleep 0.1
  done
}

stop() {
  end "$pidfile"
  end "$dir/exec/containerd/containerd.pid" # outlives a dockerd that was killed
}

# Processes of this engine's own programs, whose names are given.
programs() { # NAME…
  local comm pid name
  for comm in /proc/[0-9]*/comm; do
    pid=${comm#/proc/} pid=${pid%/comm}
    for name in "$@"; do
      if [[ $(cat "$comm" 2>/dev/null) == "$name"* ]] && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$dir/"; then
        echo "$pid"
      fi
    done
  done
}

crash() {
  local pid child group children=()
  for pid in $(programs containerd-shim); do
    read -ra child <<<"$(cat "/proc/$pid"/task/*/children 2>/dev/null | tr '\n' ' ')"
    children+=("${child[@]}")
  done
  for pid in $(programs dockerd) $(programs containerd) "${children[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  for child in "${children[@]}"; do # who is frozen dies once thawed
    group=$(sed -n 's/^[0-9]*:freezer://p' "/proc/$child/cgroup" 2>/dev/null) || continue
    if [ -n "$group" ]; then echo THAWED 2>/dev/null >"/sys/fs/cgroup/freezer$group/freezer.state" || true; fi
  done
  unmount
  rm -rf --one-file-system -- "$dir/exec" "$pidfile" "$dir/docker.sock"
}

unmount() {
  local mount
  awk -v root="$dir/" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
    umount -l "$(printf '%b' "$mount")" 2>/dev/null || true
  done
}

clean() {
  stop
  unmount
  rm -rf --one-file-system -- "$dir"
}

case $dir in /*) ;; *) fail "SEAWALL_TEST_ENGINE_DIR has to be an absolute path" ;; esac
[ "${#address}" -lt 100 ] || fail "SEAWALL_TEST_ENGINE_DIR is too long for the path of a socket"
command=${1:-}
case $command in
start | stop | restart | crash | clean)
  mkdir -p "$dir"
  exec 9>"$dir.lock"
  flock 9
  ;;
esac
case $command in
start) start && echo "$address" ;;
stop) stop ;;
restart) stop && start && echo "$address" ;;
crash) crash ;;
clean) clean && rm -f "$dir.lock" ;;
env) printf 'SEAWALL_TEST_DOCKER_HOST=%s\nDOCKER_HOST=%s\n' "$address" "$address" ;;
*) fail "usage: tests/engine.sh start|stop|restart|crash|clean|env" ;;
esac
