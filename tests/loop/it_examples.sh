#!/usr/bin/env bash
# it_examples.sh - the small example scripts, run by `muster run` on real
# workers; what they print is compared with what is known or awk computes.
#
# Usage: it_examples.sh MUSTER DIRECTORY_OF_SCRIPTS
set -u
export LC_ALL=C

if [ $# -ne 2 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
muster=$1
scripts=$2
checks=0
failures=0

dir=$(mktemp -d "${TMPDIR:-/tmp}/it_examples.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
out=$dir/out
err=$dir/err
want=$dir/want

# ------------------------------------------------------------------ helpers --

fail() {
    echo "FAILED: $*"
    echo "  exit status $status"
    head -n 5 "$err" | sed 's/^/  stderr: /'
    head -n 5 "$out" | sed 's/^/  stdout: /'
    failures=$((failures + 1))
}

# run OPTIONS SCRIPT ARG...: leaves $out, $err and $status.
run() {
    local options=$1 script=$2
    shift 2
    # shellcheck disable=SC2086 # several options
    timeout 60 "$muster" run --launcher local $options "$scripts/$script.so" \
        "$@" >"$out" 2>"$err"
    status=$?
}

# expect STATUS WHAT
expect() {
    checks=$((checks + 1))
    [ "$status" -eq "$1" ] || fail "$2: want exit status $1"
}

# expect_output WHAT: the last run went well and printed what is in $want.
expect_output() {
    expect 0 "$1"
    checks=$((checks + 1))
    cmp -s "$want" "$out" && return
    fail "$1: wrong output; < is wanted, > was printed"
    diff "$want" "$out" | head -n 10 | sed 's/^/  /'
}

# expect_usage SCRIPT ARG...: is told on stderr how it is used.
expect_usage() {
    run "-n 1" "$@"
    expect 2 "$*"
    checks=$((checks + 1))
    if [ -s "$out" ] || ! grep -q '^Usage: ' "$err"; then
        fail "$*: want the usage on stderr and nothing on stdout"
    fi
}

# full_disk SCRIPT ARG...: says so and fails.
full_disk() {
    local script=$1
    shift
    timeout 60 "$muster" run --launcher local -n 1 "$scripts/$script.so" "$@" \
        >/dev/full 2>"$err"
    status=$?
    : >"$out"
    expect 1 "$script, a full disk"
    checks=$((checks + 1))
    grep -q "No space left" "$err" || fail "$script, a full disk: not said"
}

# children PID: its child processes.
children() {
    cat "/proc/$1/task/"*/children 2>/dev/null
}

# busy PID: it has used more than 0.2 s of processor time.
busy() {
    local ticks
    ticks=$(cut -d ' ' -f 14 "/proc/$1/stat" 2>/dev/null)
    [ "${ticks:-0}" -gt 20 ]
}

# -------------------------------------------------------------------- tests --

# The same matrices, multiplied by awk.
product() {
    awk -v n="$1" 'BEGIN {
        for (i = 0; i < n; i++)
            for (j = 0; j < n; j++) {
                a[i, j] = (i * 7 + j * 3) % 11 - 5
                b[i, j] = (i * 2 + j * 5) % 11 - 5
            }
        for (i = 0; i < n; i++)
            for (j = 0; j < n; j++) {
                c = 0
                for (k = 0; k < n; k++)
                    c += a[i, k] * b[k, j]
                sum += c
                trace += i == j ? c : 0
            }
        printf "rows   %d\nsum    %d\ntrace  %d\n", n, sum, trace
    }'
}

matmul() {
    local n rows
    for rows in 1 2 3 17 100; do
        product "$rows" >"$want"
        for n in 1 2 4; do
            run "-n $n" matmul "$rows"
            expect_output "matmul $rows, -n $n"
        done
    done
    run "-n 2 --threads 2" matmul 300
    expect 0 "matmul, several threads"
    for rows in 0 -1 x 5x 20001 ""; do
        expect_usage matmul "$rows"
    done
    expect_usage matmul
    full_disk matmul 2
}

# Where the map settles the exponent is known: log|2 - r| while r <= 3; log 2 is
# that of r = 4, where the mean of a random orbit is near it.
sweep() {
    local n
    for n in 1 3; do
        run "-n $n" sweep 301
        expect 0 "sweep, -n $n"
        checks=$((checks + 1))
        awk 'function off(want) { return $2 > want ? $2 - want : want - $2 }
            NF == 2 {
                if ($1 - last < (NR > 1 ? 0.0049 : 2.5) || $1 - last > 2.6)
                    bad = 1
                last = $1
                if ($1 < 2.99 && $1 != 2 && off(log($1 - 2)) > 0.001)
                    bad = 1
                if ($1 == 4 && off(log(2)) > 0.01)
                    bad = 1
                above += $2 > 0
                rows++
            }
            /^chaotic: / { tail = $2 == above && $4 == rows }
            END { exit !(rows == 301 && last == 4 && tail && !bad) }' "$out" ||
            fail "sweep, -n $n: wrong table"
        cp "$out" "$dir/table.$n"
    done
    cp "$dir/table.1" "$want"
    cp "$dir/table.3" "$out"
    expect_output "sweep: the same on 1 and on 3 workers"
    TERM=dumb timeout 60 script -qec "'$muster' run -n 1 '$scripts/sweep.so' 301 \
        >'$out'" "$dir/terminal" </dev/null >/dev/null
    status=$?
    expect_output "sweep on a terminal"
    checks=$((checks + 1))
    grep -q '#\] 100% 301/301' "$dir/terminal" || fail "sweep: no bar"
    for n in 0 1 -5 x 2x 1000001 ""; do
        expect_usage sweep "$n"
    done
    expect_usage sweep
    full_disk sweep 2
}

# Call i, from 0, goes to worker 1 + i modulo n, with the number i + 1.
counter() {
    local n calls
    for n in 1 2 5; do
        for calls in 1 4 5 1000; do
            awk -v n="$n" -v calls="$calls" 'BEGIN {
                for (i = 0; i < calls; i++) {
                    count[i % n]++
                    sum[i % n] += i + 1
                }
                for (w = 0; w < n; w++)
                    printf "worker %d: %d calls, sum %d\n", w + 1,
                        count[w], sum[w]
                printf "together: %d calls, sum %d\n", calls,
                    calls * (calls + 1) / 2
            }' >"$want"
            run "-n $n" counter "$calls"
            expect_output "counter $calls, -n $n"
        done
    done
    run "-n $n --threads 4" counter 1000
    expect_output "counter, several threads"
    for n in 0 -1 x 1000001 ""; do
        expect_usage counter "$n"
    done
    expect_usage counter
    full_disk counter 2
}

# The longest sequences are well known: see OEIS A006877 and A006878.
pipeline() {
    local n limit known
    for known in 2:1:0 3:2:1 4:3:7 10:9:19 100:97:118 1000:871:178 \
        10000:6171:261 100000:77031:350; do
        IFS=: read -r limit n known <<<"$known"
        echo "$n takes $known steps" >"$want"
        for n in 1 2 4; do
            run "-n $n" pipeline "$limit"
            expect_output "pipeline $limit, -n $n"
        done
    done
    for n in 0 1 -2 x 9x 10000000001 ""; do
        expect_usage pipeline "$n"
    done
    expect_usage pipeline
    full_disk pipeline 10
}

# A worker is killed while all of them are at it: nothing hangs, and the reason
# is said.
pipeline_loses_a_worker() {
    local job manager child worker=""
    timeout 60 "$muster" run --launcher local -n 2 "$scripts/pipeline.so" \
        10000000000 >"$out" 2>"$err" &
    job=$!
    while [ -z "$worker" ] && kill -0 "$job" 2>/dev/null; do
        for manager in $(children "$job"); do
            for child in $(children "$manager"); do
                ! busy "$child" || worker=$child
            done
        done
        [ -n "$worker" ] || sleep 0.05
    done
    [ -z "$worker" ] || kill -KILL "$worker"
    wait "$job"
    status=$?
    expect 1 "pipeline, a worker is killed"
    checks=$((checks + 1))
    grep -q "^pipeline: .*killed by SIGKILL" "$err" ||
        fail "pipeline, a worker is killed: not said"
}

for test in matmul sweep counter pipeline pipeline_loses_a_worker; do
    before=$SECONDS
    "$test"
    echo "$test: $((SECONDS - before)) s"
done
echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ]
