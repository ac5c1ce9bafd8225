#!/usr/bin/env bash
# it_first.sh - the tool and the worker as process 1 of a container: abort shows
# as what it is, orphans are waited for, signals arrive.
#
# Usage: it_first.sh MUSTER SCRIPT_SO
set -u
export LC_ALL=C

if [ $# -ne 2 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
muster=$1
script=$2
checks=0
failures=0

if ! unshare --pid --fork --mount-proc true 2>/dev/null; then
    echo "no process namespaces here: skipped"
    exit 77
fi
ulimit -c 0
unset KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT
dir=$(mktemp -d "${TMPDIR:-/tmp}/it_first.XXXXXX") || exit 1
pid=
# the namespace ends with its process 1, and unshare with that
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# as_first COMMAND...: as process 1; leaves $status.
as_first() {
    timeout 60 unshare --pid --fork --kill-child --mount-proc "$@" \
        >"$dir/out" 2>"$dir/err"
    status=$?
}

# expect STATUS WHAT
expect() {
    checks=$((checks + 1))
    [ "$status" -eq "$1" ] && return
    echo "FAILED: $2: exit status $status, not $1"
    sed 's/^/  stderr: /' "$dir/err" | head -n 8
    failures=$((failures + 1))
}

as_first "$muster" run -n 1 "$script" status 3
expect 3 "a script's status"
as_first "$muster" run -n 1 "$script" crash
expect 134 "a script that aborts"
as_first "$muster" run -n 1 "$script" orphan
expect 0 "an orphan of a script is waited for"

# a signal from outside reaches it
unshare --pid --fork --kill-child --mount-proc "$muster" run -n 1 \
    "$script" stuck >"$dir/out" 2>"$dir/err" &
pid=$!
for _ in $(seq 300); do
    grep -q begun "$dir/out" && break
    sleep 0.1
done
first=$(pgrep -P "$pid")
kill -TERM "$first"
wait "$pid"
status=$?
pid=
expect 143 "SIGTERM to process 1"

echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]
