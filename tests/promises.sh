#!/usr/bin/env bash
# promises.sh SOURCE_DIR - what runtime/man/muster.7 promises is tested.
#
# In front of a promise stands which test keeps it, one line for each test:
#
#     .\" TEST: it_calls one_thread_in_order
#
# That is a function that tests/**/it_calls.c registers with rig_test(...) or
# cmocka_unit_test(...); or one that tests/**/it_calls.sh defines and calls, or
# the place in it that is marked by a comment "# TEST: one_thread_in_order".
# Wrong are: a test that is not there or not part of the build, a paragraph of
# the section PROMISES, or of its subsections, without a test, a page without
# tests.
set -euo pipefail
export LC_ALL=C

tests=$1/tests page=$1/runtime/man/muster.7
marks=0
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# sources NAME: the files NAME.c and NAME.sh.
sources() {
    find -H "$tests" -type f \( -name "$1.c" -o -name "$1.sh" \)
}

# registered FILE TEST
registered() {
    local begin='^[[:space:]]*'
    case $1 in
    *.c)
        grep -qE "$begin([a-z]+_test|cmocka_unit_test(_setup|_teardown)*)\($2[,)]" \
            "$1"
        ;;
    *)
        grep -qE "$begin# TEST: $2( |$)" "$1" ||
            { grep -qE "^$2\(\) \{" "$1" && grep -qE "$begin$2( |$)" "$1"; }
        ;;
    esac
}

# check LINE FILE_NAME TEST [MORE]
check() {
    local file found=
    marks=$((marks + 1))
    if [ $# -ne 3 ] || [[ ! "$2$3" =~ ^[A-Za-z0-9_]+$ ]]; then
        fail "line $1: not a test program and the name of a test: ${*:2}"
        return
    fi
    while IFS= read -r file; do
        found=$file
        registered "$file" "$3" || continue
        grep -rqw --include=CMakeLists.txt --include='*.cmake' "$2" "$tests" ||
            fail "line $1: no CMakeLists.txt of tests/ has $2"
        return 0
    done < <(sources "$2")
    if [ -n "$found" ]; then
        fail "line $1: ${found#"$tests/"} runs no $3"
    else
        fail "line $1: there is no $2.c and no $2.sh in tests/"
    fi
}

# paragraphs: what is wrong with the page itself, a line each. A mark counts
# for the paragraph with the next line of text; what begins a paragraph may
# stand between them. Works for man(7) and mdoc(7).
paragraphs() {
    awk '
        function end_paragraph() {
            if (inside && words && !kept)
                print "line " first ": no TEST in front of: " words
            words = ""
            kept = 0
        }
        function end_section() {
            end_paragraph()
            if (pending)
                print "line " pending ": this TEST stands in front of nothing"
            pending = 0
        }
        /^[.'\''][ \t]*\\" *TEST:/ { pending = NR; next }
        /^[.'\''][ \t]*(\\"|$)/ { next }
        /^\.S[Hh]/ {
            end_section()
            inside = /^\.S[Hh] +"?PROMISES"? *$/
            sections += inside
            next
        }
        /^\.S[Ss]/ { end_section(); next }
        /^\.(PP|P|LP|Pp|IP|HP|TP|TQ|It|sp|Bl|El)( |$)/ || /^[ \t]*$/ {
            end_paragraph()
            if (!sub(/^\.(IP|It) +/, ""))
                next
        }
        /^\.(RS|RE|nf|fi|EX|EE|Bd|Ed|br|na|ad|nh|hy|in|ne|TS|TE|Os|Dd|Dt|TH)( |$)/ {
            next
        }
        {
            if (words == "") {
                words = $0
                first = NR
            }
            kept = kept || pending
            pending = 0
        }
        END {
            end_section()
            if (!sections)
                print "no section PROMISES"
        }
    ' "$page"
}

[ -r "$page" ] || {
    echo "FAILED: there is no $page"
    exit 1
}
while IFS= read -r line; do
    fail "$line"
done < <(paragraphs)
while IFS=: read -r number _ what; do
    read -ra words <<<"$what"
    check "$number" "${words[@]}"
done < <(grep -nE "^[.'][[:space:]]*\\\\\" *TEST:" "$page")
[ "$marks" -gt 0 ] || fail "no promise has a test"

echo "$marks promises with tests, $failures failures"
[ "$failures" -eq 0 ]
