#!/bin/sh
# Runs a program of this repository on the Node that the lockfile pins, after installing what is missing.
#   sh tools/with-node.sh FILE.ts [ARGUMENT...]
# The machine needs only Node 20 or later with npm; `npm ci` runs again whenever the lockfile has changed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
stamp="$root/node_modules/.relevo-installed"
# Whoever installs holds it: a symbolic link that names its process, for a link is made at once with what it says.
lock="$root/node_modules.lock"

is_installed() {
  cmp -s "$root/package-lock.json" "$stamp"
}

# As another user's process cannot be signalled, `ps` is asked too.
is_running() {
  kill -0 "$1" 2>/dev/null || ps -p "$1" >/dev/null 2>&1
}

# Only one removes a lock at a time, and looks once more: meanwhile another may have taken its place.
remove_if_left_behind() {
  if ln -s "$$" "$lock.removal" 2>/dev/null; then
    [ "$(readlink "$lock" || true)" != "$1" ] || rm -f "$lock"
    rm -f "$lock.removal"
    return
  fi
  remover=$(readlink "$lock.removal" || true)
  [ -z "$remover" ] || is_running "$remover" || rm -f "$lock.removal"
}

# `npm ci` begins by removing node_modules: two of them would take it from each other.
take_turn() {
  told=''
  until ln -s "$$" "$lock" 2>/dev/null; do
    holder=$(readlink "$lock" || true)
    if [ -z "$holder" ]; then
      [ -w "$root" ] || {
        echo "relevo: $root cannot be written to, so nothing can be installed there." >&2
        exit 1
      }
    elif is_running "$holder"; then
      [ -n "$told" ] || echo "relevo: process $holder is installing what the lockfile names; waiting for it. If it is doing something else, remove $lock." >&2
      told=yes
      sleep 1
    else
      remove_if_left_behind "$holder"
    fi
  done
}

end_turn() {
  rm -f "$log" "$lock"
}

install() {
  is_installed && return
  echo "relevo: installing what the lockfile names (once; about 300 MB, a minute or less) ..." >&2
  if ! (cd "$root" && npm ci --no-progress >"$log" 2>&1); then
    cat "$log" >&2
    echo "relevo: the installation failed; the lines above say why. Mend that and run the same command again." >&2
    exit 1
  fi
  cp "$root/package-lock.json" "$stamp"
}

if ! is_installed; then
  command -v npm >/dev/null 2>&1 || {
    echo "relevo: npm was not found. Install Node.js 20 or later (it brings npm), then run this again." >&2
    exit 1
  }
  take_turn
  log=''
  trap end_turn EXIT
  trap 'exit 130' HUP INT TERM
  log=$(mktemp)
  install
  end_turn
  trap - EXIT HUP INT TERM
fi

node="$root/node_modules/node/bin/node"
if [ ! -x "$node" ]; then
  echo "relevo: the pinned Node.js is missing from node_modules. Remove node_modules and run this again." >&2
  exit 1
fi
program=$1
shift
# Memory that was freed goes back to the system at once: many of these processes share a machine.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-1}" MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-131072}"
# Starting is most of what a short command costs: Node keeps here what it has stripped and compiled. A new installation
# begins anew, and where the folder cannot be written Node goes on without. Cells' processes, which start with an empty
# environment, have none (docs/decisions/0029).
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$root/node_modules/.compile-cache}"
# shellcheck disable=SC2086 # several flags
exec "$node" ${RELEVO_NODE_FLAGS:-} "$root/$program" "$@"
