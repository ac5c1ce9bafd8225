#!/usr/bin/env bash
# man.sh SOURCE_DIR MUSTER MUSTER_WORKER - the manual pages say what the headers
# and --help say: a page for each function, an entry for each option and exit
# status, and roff that formatters take without a warning.
set -euo pipefail
export LC_ALL=C

source_dir=$1 muster=$2 worker=$3
man=$source_dir/runtime/man
checks=0
failures=0

work=$(mktemp -d "${TMPDIR:-/tmp}/ut_man.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/man3"

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# same WHAT WANT GOT: these files have the same lines.
same() {
    checks=$((checks + 1))
    diff "$2" "$3" >"$work/diff" && return
    fail "$1"
    sed -n "s/^</  missing: /p; s/^>/  too much: /p" "$work/diff"
}

# ------------------------------------------------------------- section 3 --

# generate AWK DIR
generate() {
    "$1" -v out="$2" -v version=0 -f "$man/man3.awk" \
        "$source_dir"/include/muster/*.h 2>"$work/complaints" ||
        fail "$1 ends with $?"
    [ ! -s "$work/complaints" ] && return
    fail "$1: these comments are not in the form of the others:"
    sed 's/^/  /' "$work/complaints"
}

# The last name before the first parenthesis, as in exports.sh; names that end
# with _ are not for users.
declared() {
    grep -hv '^#define' "$source_dir"/include/muster/*.h | tr '\n' ' ' |
        grep -oE 'MUSTER_API [^;(]*\(' | sed 's/ *($//; s/.*[ *]//' |
        grep -v '_$' | sort -u
}

generate awk "$work/man3"
declared >"$work/declared"
[ "$(wc -l <"$work/declared")" -ge 45 ] || fail "hardly a function found"
find "$work/man3" -name '*.3' | sed 's,.*/,,; s/\.3$//' | sort >"$work/there"
same "functions and pages of section 3" "$work/declared" "$work/there"

# titled FILE NAME: it has a title line with that name.
titled() {
    local line
    while IFS= read -r line; do
        [[ ", ${line%% \\- *}," != *", $2,"* || $line != *" \\- "?* ]] ||
            return 0
    done <"$1"
    return 1
}

for page in "$work"/man3/*.3; do
    name=${page##*/}
    name=${name%.3}
    text=$(<"$page")
    checks=$((checks + 1))
    if [[ $text == ".so "* ]]; then
        titled "$work/${text#.so }" "$name" || fail "$name.3: $text: not there"
        continue
    fi
    titled "$page" "$name" || fail "$name.3: no title"
    for section in NAME SYNOPSIS DESCRIPTION; do
        [[ $text == *".SH $section"$'\n'[!.]* ||
            $text == *".SH $section"$'\n.nf\n'[!.]* ]] ||
            fail "$name.3: no $section"
    done
done

# Every awk there is makes the same of it.
for awk in mawk gawk original-awk; do
    command -v "$awk" >/dev/null || continue
    mkdir "$work/$awk"
    generate "$awk" "$work/$awk"
    checks=$((checks + 1))
    diff -r "$work/man3" "$work/$awk" >"$work/diff" ||
        fail "$awk makes other pages than awk: $(head -n 5 "$work/diff")"
done

# ------------------------------------------------------------- section 1 --

# tags PAGE SECTION: what the .TP entries of that section are of, in plain text.
tags() {
    awk -v section="$2" '
        function next_argument(    word) {
            sub(/^ +/, "")
            if (!match($0, /^"[^"]*"/) && !match($0, /^[^ ]+/))
                return ""
            word = substr($0, 1, RLENGTH)
            $0 = substr($0, RLENGTH + 1)
            gsub(/"/, "", word)
            return word
        }
        /^\.SH/ {
            gsub(/^\.SH *|"/, "")
            here = $0 == section
        }
        here && tag {
            line = ""
            space = sub(/^\.[BI] /, "") ? " " : ""
            sub(/^\.[BIR][BIR] /, "")
            while ((word = next_argument()) != "")
                line = line (line == "" ? "" : space) word
            gsub(/\\f./, "", line)
            gsub(/\\-/, "-", line)
            print line
        }
        { tag = /^\.TP/ }
    ' "$man/$1"
}

# synopsis PAGE: the options in it.
synopsis() {
    sed -n '/^\.SH SYNOPSIS/,/^\.SH DESC/p' "$man/$1" | sed 's/\\-/-/g' |
        { grep -oE -- '(^|[ [|])--?[a-z][a-z-]*' || true; } | tr -d ' [|'
}

# entries: the options that begin a line of --help, with their values.
entries() {
    sed -nE 's/^ +((-[a-z], )?--[a-z-]+(\[=[A-Z]+\]|[ =][A-Z]+)?)( .*|$)/\1/p'
}

# names: each option alone, without its value.
names() {
    { grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' || true; } | tr -d ' ,' | sort -u
}

# check_page PAGE HELP [ENTRY]...: --help is in the file HELP; these ENTRIES
# are known besides.
check_page() {
    local page=$1 help=$2 status
    shift 2
    { entries <"$help" && printf '%s' "${@/%/$'\n'}"; } |
        sort -u >"$work/want"
    [ "$(wc -l <"$work/want")" -ge 4 ] || fail "$help: hardly an option found"
    tags "$page" OPTIONS | sort >"$work/got"
    same "$page: OPTIONS and --help" "$work/want" "$work/got"
    names <"$work/want" >"$work/names"
    synopsis "$page" | sort -u | comm -23 - "$work/names" >"$work/unknown"
    same "$page: SYNOPSIS and --help" /dev/null "$work/unknown"
    tags "$page" "EXIT STATUS" | sed 's/[^0-9].*//' >"$work/got"
    while read -r status; do
        checks=$((checks + 1))
        grep -qx "$status" "$work/got" || fail "$page: no exit status $status"
    done < <(sed -n '/^Exit status:/,/^$/p' "$help" | grep -oE '[0-9]+')
}

"$muster" run --help >"$work/run" || fail "muster run --help"
"$muster" --help | grep -q -- '--version' || fail "muster --help: no --version"
"$worker" --help >"$work/worker" || fail "muster-worker --help"
check_page muster.1 "$work/run" --version
"$muster" clean --help >"$work/clean" || fail "muster clean --help"
check_page muster-clean.1 "$work/clean"
check_page muster-worker.1 "$work/worker"

# ------------------------------------------------------------------ roff --

# formatted PAGE...: what the formatter has to say. No page has a date: the
# version tells more.
formatted() {
    if command -v mandoc >/dev/null; then
        mandoc -Tlint -W warning "$@" | grep -v 'WARNING: missing date'
    else
        groff -man -t -Tutf8 -ww -z "$@"
    fi
}

mapfile -t pages < <(grep -L '^\.so ' "$work"/man3/*.3)
if command -v mandoc >/dev/null || command -v groff >/dev/null; then
    checks=$((checks + 1))
    formatted "${pages[@]}" "$man"/*.[1-9] >"$work/said" 2>&1 || true
    [ ! -s "$work/said" ] || fail "roff: $(head -n 20 "$work/said")"
else
    echo "no mandoc and no groff here: the roff itself is not checked"
fi

echo "$(wc -l <"$work/declared") functions, $checks checks, $failures failures"
[ "$failures" -eq 0 ]
