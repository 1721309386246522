#!/bin/sh
# Runs a program of this repository on the Node that the lockfile pins, after installing what is missing.
#   sh tools/with-node.sh FILE.ts [ARGUMENT...]
# The machine needs only Node 20 or later with npm; `npm ci` runs again whenever the lockfile has changed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
stamp="$root/node_modules/.relevo-installed"

if ! cmp -s "$root/package-lock.json" "$stamp"; then
  command -v npm >/dev/null 2>&1 || {
    echo "relevo: npm was not found. Install Node.js 20 or later (it brings npm), then run this again." >&2
    exit 1
  }
  echo "relevo: installing what the lockfile names (once; about 300 MB, a minute or less) ..." >&2
  log=$(mktemp)
  if ! (cd "$root" && npm ci --no-progress >"$log" 2>&1); then
    cat "$log" >&2
    rm -f "$log"
    echo "relevo: the installation failed; the lines above say why. Mend that and run the same command again." >&2
    exit 1
  fi
  rm -f "$log"
  cp "$root/package-lock.json" "$stamp"
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
# shellcheck disable=SC2086 # several flags
exec "$node" ${RELEVO_NODE_FLAGS:-} "$root/$program" "$@"
