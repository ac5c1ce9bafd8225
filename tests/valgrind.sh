#!/usr/bin/env bash
# valgrind.sh BUILD REGEX LOGS - the unit tests, and the loop tests that stand
# it to be slow, under valgrind with the workers that they start.
#
# Each process writes what valgrind finds to LOGS/TEST.PID; a worker's status
# would not reach us. Left out of the loop tests: those of memory use and of
# the heap, of floods, of handlers that crash, and those that measure time.
set -euo pipefail

mkdir -p "$3"
build=$(readlink -f "$1") regex=$2 logs=$(readlink -f "$3")
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readonly LIMIT_S=600
readonly LOOP=(it_calls it_futures it_broadcast it_members it_modules it_map
    it_map_failures
    it_carrier it_closing it_drain it_inner it_blobs it_channels it_interrupt
    it_bulk_port it_kube_http it_kube_stream it_kube_watch)

# one TEST: says how it went; false when something was found.
one() {
    local name=$1 program status=0 found start=$SECONDS
    program=$(find "$build" -name "$name" -type f -perm -u+x -print -quit)
    [ -n "$program" ] || {
        echo "$name: not built"
        return 1
    }
    rm -f "$logs/$name".*
    timeout "$LIMIT_S" valgrind --quiet --leak-check=full \
        --errors-for-leak-kinds=definite --show-leak-kinds=definite \
        --num-callers=30 --child-silent-after-fork=yes --trace-children=yes \
        '--trace-children-skip=*/sh,*/dash,*/bash,*/sleep,*/python3*,*/openssl' \
        --suppressions="$here/valgrind.supp" --log-file="$logs/$name.%p" \
        env LD_PRELOAD="$(find "$build" -name pidfd.so -print -quit)" \
        "$program" >"$logs/$name.out" 2>&1 </dev/null || status=$?
    found=$(cat "$logs/$name".[0-9]* | grep -c '^==[0-9]*== [A-Z0-9]') || true
    echo "$name: status $status, $found lines found, $((SECONDS - start)) s"
    [ "$status" -ne 0 ] || [ "$found" -ne 0 ] || return 0
    grep -E 'ERROR|FAILED' "$logs/$name.out" | head -n 20
    grep -h '^==' "$logs/$name".[0-9]* | head -n 40
    return 1
}

# Without ut_plugin: valgrind makes vfork a fork, and then nobody hears that a
# program could not be started.
names() {
    find "$here/unit" -name 'ut_*.c' -printf '%f\n' | sed 's/\.c$//' |
        grep -vx ut_plugin | sort
    printf '%s\n' "${LOOP[@]}"
}

export -f one
export build logs here LIMIT_S
# one program a processor; xargs is false when one of them is
names | grep -E "$regex" | xargs -P "$(nproc)" -I '{}' bash -euc 'one {}'
