#!/usr/bin/env bash
# promises.sh - each promise of muster(7) names the tests that show it, and they
# exist.
#
# Usage: promises.sh MUSTER_7 TESTS
set -u

if [ $# -ne 2 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
page=$1
tests=$2
failures=0
marks=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# exists PROGRAM FUNCTION: a test of a C program, or a function of a script.
exists() {
    local file
    file=$(find "$tests" -name "$1.c" -o -name "$1.sh" | head -n 1)
    [ -n "$file" ] || return 1
    case $file in
    *.c) grep -qE "^static void $2\(void \*\*state\)" "$file" &&
        grep -qE "test(_teardown)?\($2\b" "$file" ;;
    *) grep -qE "^$2\(\)" "$file" && grep -qE "^ *$2$" "$file" ;;
    esac
}

while read -r program function; do
    marks=$((marks + 1))
    exists "$program" "$function" || fail "no test $program $function"
done < <(sed -n 's/^\.\\" TEST: //p' "$page")
[ "$marks" -gt 0 ] || fail "$page names no tests"

# A paragraph begins after .SH, .SS or .PP; its marks stand before its text.
while read -r line; do
    fail "no test for: $line"
done < <(awk '
    /^\.SH/ { inside = /PROMISES/; fresh = 1; marked = 0; next }
    !inside { next }
    /^\.SS/ || /^\.PP/ { fresh = 1; marked = 0; next }
    /^\.\\" TEST: / { marked = 1; next }
    /^\.\\"/ { next }
    fresh { fresh = 0; if (!marked) print }' "$page")

echo "$marks tests named, $failures failed"
[ "$failures" -eq 0 ]
