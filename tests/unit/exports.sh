#!/usr/bin/env bash
# exports.sh MUSTER MUSTER_WORKER LIBMUSTER INCLUDE_DIR - the API is where it
# should be, and nothing else shows: a module finds every function on a worker
# too (the manager's half as stubs), so it loads under -z now.
set -euo pipefail

muster=$1 worker=$2 library=$3 include=$4
fail=0

# what a file defines for others; with a version behind @ it is the C library's
# (stdout and the like, copied into a program)
defines() {
    nm -D --defined-only "$1" | awk '{print $3}' | grep -v @ | sort -u
}

# MUSTER_API declarations: the last name before the first parenthesis
declared() {
    grep -hv '^#define' "$include"/muster/*.h | tr '\n' ' ' |
        grep -oE 'MUSTER_API [^;(]*\(' | sed 's/ *($//; s/.*[ *]//' | sort -u
}

# needs FILE WITHOUT...: every declared function but these
needs() {
    local file=$1 missing
    shift
    missing=$(declared | grep -vxF "$(printf '%s\n' "$@")" |
        comm -23 - <(defines "$file"))
    if [ -n "$missing" ]; then
        echo "$file lacks:" "$missing"
        fail=1
    fi
}

# shows FILE: only names of ours; an executable has a few of the linker's
shows() {
    local others
    others=$(defines "$1" | grep -vE '^muster_' |
        grep -vxE '_IO_stdin_used|__data_start|data_start|_edata|_end|__bss_start|_start|main|_fini|_init' |
        grep -vE '^(__asan_|__ubsan_|__tsan_|__sanitizer_|__lsan_|__interceptor_|__start_|__stop_)' || true)
    if [ -n "$others" ]; then
        echo "$1 shows:" "$others"
        fail=1
    fi
}

n=$(declared | wc -l)
[ "$n" -ge 45 ] || { echo "only $n functions found in the headers" && fail=1; }
needs "$worker" muster_main
needs "$muster" muster_main muster_worker_main
needs "$library" muster_main muster_worker_main
shows "$library"
shows "$worker"
shows "$muster"
echo "$n functions declared"
exit "$fail"
