#!/usr/bin/env bash
# it_wordcount.sh - the example scripts, run by `muster run` on real workers
# and compared with sort and uniq.
#
# Usage: it_wordcount.sh MUSTER WORDCOUNT_SO PI_SO
set -u
export LC_ALL=C

if [ $# -ne 3 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
muster=$1
wordcount=$2
pi=$3
checks=0
failures=0

dir=$(mktemp -d "${TMPDIR:-/tmp}/it_wordcount.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
out=$dir/out
err=$dir/err
want=$dir/want

# ------------------------------------------------------------------ helpers --

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# run N SCRIPT ARG...: leaves $out, $err and $status.
run() {
    local n=$1

    shift
    timeout 30 "$muster" run -n "$n" "$@" >"$out" 2>"$err"
    status=$?
}

# What the last run said, cut short: a word may have 100 MB.
show() {
    echo "  exit status $status"
    cut -c 1-200 "$err" | head -n 5 | sed 's/^/  stderr: /'
    cut -c 1-200 "$out" | head -n 5 | sed 's/^/  stdout: /'
}

# expect_status WANT WHAT
expect_status() {
    checks=$((checks + 1))
    [ "$status" -eq "$1" ] && return
    fail "$2: want exit status $1"
    show
}

# expect_output WHAT: the last run went well and printed what is in $want.
expect_output() {
    expect_status 0 "$1"
    checks=$((checks + 1))
    cmp -s "$want" "$out" && return
    fail "$1: wrong output; < is wanted, > was printed"
    diff "$want" "$out" | cut -c 1-200 | head -n 10 | sed 's/^/  /'
    cut -c 1-200 "$err" | head -n 5 | sed 's/^/  stderr: /'
}

# expect_complaint STATUS NAME WHAT: one line on stderr, with NAME in it.
expect_complaint() {
    expect_status "$1" "$3"
    checks=$((checks + 1))
    if [ "$(wc -l <"$err")" -ne 1 ] || ! grep -qF -e "$2" "$err"; then
        fail "$3: want one line on stderr with '$2'"
        show
    fi
}

# expect_usage WHAT
expect_usage() {
    expect_status 2 "$1"
    checks=$((checks + 1))
    if [ -s "$out" ] || ! grep -q '^Usage: ' "$err"; then
        fail "$1: want the usage on stderr and nothing on stdout"
        show
    fi
}

words() {
    tr -cs 'A-Za-z' '\n' | tr '[:upper:]' '[:lower:]' | grep .
}

# Words, one a line, to COUNT WORD as wordcount prints them.
table() {
    sort | uniq -c | sort -k1,1nr -k2,2 | awk '{ print $1, $2 }'
}

# reference FILE...: what `wordcount --all FILE...` has to print.
reference() {
    local f

    for f; do
        cat "$f"
        echo
    done | words | table
}

# -------------------------------------------------------------------- files --

# 1 MB of text with words of 1 to 12 letters, some far more frequent than
# others, always the same.
text() {
    awk 'BEGIN {
        srand(1)
        for (i = 0; i < 3000; i++) {
            word[i] = ""
            for (n = 1 + i % 12; n > 0; n--)
                word[i] = word[i] sprintf("%c", 97 + int(26 * rand()))
            if (i % 5 == 0)
                word[i] = toupper(word[i])
        }
        for (bytes = 0; bytes < 1000000; bytes += length(w) + 1) {
            w = word[int(3000 * rand() * rand() * rand())]
            printf "%s%s", w, rand() < 0.1 ? "\n" : " "
        }
        print ""
    }'
}

make_files() {
    : >"$dir/empty"
    printf 'x' >"$dir/one letter"
    printf 'A bee, a BEE; the-last word has no newline' >"$dir/no newline"
    printf 'one\0two\0\0three\377four\200FIVE@[`{six\0' >"$dir/nul"
    printf '12 34\n\n \t56' >"$dir/no words"
    printf 'a file with a dash' >"$dir/-dash"
    printf 'stop THE and\0a word' >"$dir/stop"
    {
        printf 'abcdefghijklmnopqrstuvwxyz %s ' a bc def ghij klmno
        printf ',\n,'
    } >"$dir/borders"
    seq 1 30000 | gzip -9 -n >"$dir/binary"
    {
        printf 'before '
        head -c 300000 /dev/zero | tr '\0' 'Q'
        printf ' after'
    } >"$dir/long word"
    text >"$dir/text"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        cat "$dir/text"
    done >"$dir/ten"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        cat "$dir/ten"
    done >"$dir/big"
    head -c 100000000 /dev/zero | tr '\0' 'w' >"$dir/one word"
    words <"$dir/text" | table >"$dir/text.table"
}

# big_table TIMES: the table of that many copies of $dir/text.
big_table() {
    awk -v times="$1" '{ print $1 * times, $2 }' "$dir/text.table"
}

# -------------------------------------------------------------------- tests --

ranges_of_any_size() {
    local small=("$dir/borders" "$dir/empty" "$dir/one letter"
        "$dir/no newline" "$dir/nul" "$dir/no words" "$dir/no newline")
    local all=("${small[@]}" "$dir/binary" "$dir/long word" "$dir/text")
    local n range

    reference "${small[@]}" >"$want"
    for n in 1 2 4; do
        for range in 1 2 3 7 26 27 28 64 100000; do
            run "$n" "$wordcount" --all --range "$range" "${small[@]}"
            expect_output "small files, -n $n, --range $range"
        done
    done
    reference "${all[@]}" >"$want"
    for n in 1 2 4; do
        for range in 1000 65536; do
            run "$n" "$wordcount" --all --range "$range" "${all[@]}"
            expect_output "all files, -n $n, --range $range"
        done
        run "$n" "$wordcount" --all "${all[@]}"
        expect_output "all files, -n $n"
    done
}

large_files() {
    big_table 100 >"$want"
    run 2 "$wordcount" --all "$dir/big"
    expect_output "a file of 100 MB"
    {
        printf '1 '
        cat "$dir/one word"
        echo
    } >"$want"
    run 2 "$wordcount" --all "$dir/one word"
    expect_output "a word of 100 MB"
    rm -f "$dir/one word" "$want"
}

options() {
    reference "$dir/text" "$dir/binary" | head -n 10 >"$want"
    run 2 "$wordcount" "$dir/text" "$dir/binary"
    expect_output "ten words without --top"
    head -n 3 "$dir/text.table" >"$want"
    run 2 "$wordcount" --top 3 --range 5000 "$dir/text"
    expect_output "--top 3"
    cp "$dir/text.table" "$want"
    run 2 "$wordcount" --top 1000000 "$dir/text"
    expect_output "--top 1000000"
    : >"$want"
    run 1 "$wordcount" --all "$dir/empty" "$dir/no words"
    expect_output "no words at all"
    run 1 "$wordcount" --help
    expect_status 0 "--help"
    grep -q -e '--range' "$out" || fail "--help does not have --range"
    reference "$dir/-dash" >"$want"
    (cd "$dir" && run 1 "$wordcount" --all -- -dash && exit "$status")
    status=$?
    expect_output "a relative name with a dash"
}

stop_words() {
    local f n

    for f in "$dir/nul" "$dir/no newline" "$dir/stop" "$dir/-dash"; do
        cat "$f"
        echo
    done | words | grep -vxF -e "$(words <"$dir/stop")" | table >"$want"
    for n in 1 3; do
        run "$n" "$wordcount" --all --range 5 --stop "$dir/stop" "$dir/nul" \
            "$dir/no newline" "$dir/stop" "$dir/-dash"
        expect_output "stop words, -n $n"
    done
    words <"$dir/text" | sort -u | head -n 1500 >"$dir/many"
    words <"$dir/text" | grep -vxF -f "$dir/many" | table >"$want"
    run 2 "$wordcount" --all --stop "$dir/many" "$dir/text"
    expect_output "1500 stop words"
    cp "$dir/text.table" "$want"
    run 2 "$wordcount" --all --stop "$dir/empty" "$dir/text"
    expect_output "an empty stop file"
}

bad_input() {
    local args

    run 1 "$wordcount" "$dir/text" "$dir/not there"
    expect_complaint 1 "$dir/not there" "a missing file"
    run 1 "$wordcount" --stop "$dir/not there" "$dir/text"
    expect_complaint 1 "$dir/not there" "a missing stop file"
    run 1 "$wordcount" --stop "$dir" "$dir/text"
    expect_complaint 1 "$dir" "a directory as stop file"
    run 1 "$wordcount" "$dir"
    expect_complaint 1 "$dir" "a directory"
    for args in "--top 0" "--top x" "--top -1" "--top 1x" "--range 0" \
        "--range 99999999999999999999" "--what" "--stop"; do
        # shellcheck disable=SC2086 # two words
        run 1 "$wordcount" "$dir/text" $args
        expect_usage "$args"
    done
    run 1 "$wordcount" --all
    expect_usage "no file"

    timeout 30 "$muster" run -n 1 "$wordcount" "$dir/text" \
        >/dev/full 2>"$err"
    status=$?
    : >"$out"
    expect_complaint 1 "No space left" "a full disk"
}

# A worker is killed while it counts; its pieces are counted by the other. Only
# workers open the file, so whoever has it open is one.
lost_worker() {
    local job worker="" files=("$dir/big" "$dir/big" "$dir/big" "$dir/big"
        "$dir/big" "$dir/big" "$dir/big" "$dir/big" "$dir/big" "$dir/big")

    big_table 1000 >"$want"
    timeout 60 "$muster" run -n 2 "$wordcount" --all "${files[@]}" \
        >"$out" 2>"$err" &
    job=$!
    while [ -z "$worker" ] && kill -0 "$job" 2>/dev/null; do
        worker=$(find /proc/[0-9]*/fd -lname "$dir/big" 2>/dev/null |
            head -n 1 | cut -d / -f 3)
    done
    [ -z "$worker" ] || kill -KILL "$worker" ||
        fail "worker $worker ended before it was killed"
    wait "$job"
    status=$?
    [ -n "$worker" ] || fail "no worker opened $dir/big"
    expect_output "a worker is killed"
}

# pi_value LABEL
pi_value() {
    sed -n "s/^$1  *//p" "$out"
}

estimate_pi() {
    local n

    for n in 1 2 4; do
        run "$n" "$pi" 20000000
        expect_status 0 "pi, -n $n"
        checks=$((checks + 2))
        awk -v pi="$(pi_value pi)" -v dev="$(pi_value deviation)" \
            -v se="$(pi_value 'standard error')" 'BEGIN {
                off = pi - 3.14159265358979
                same = dev - off < 1e-9 && off - dev < 1e-9
                exit !(same && se > 0.0003 && se < 0.0004 &&
                       off < 5 * se && -off < 5 * se)
            }' || {
            fail "pi, -n $n: not within 5 standard errors"
            show
        }
        cp "$out" "$want"
        run "$n" "$pi" 20000000
        expect_output "pi again, -n $n"
    done
    run 4 "$pi" 3
    expect_status 0 "pi, fewer samples than workers"
    for n in 0 x 1x -5 99999999999999999999 ""; do
        run 1 "$pi" "$n"
        expect_usage "pi '$n'"
    done
    run 1 "$pi"
    expect_usage "pi without samples"
}

make_files
for test in ranges_of_any_size large_files options stop_words bad_input \
    lost_worker estimate_pi; do
    before=$SECONDS
    "$test"
    echo "$test: $((SECONDS - before)) s"
done
echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
