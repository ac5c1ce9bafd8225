#!/usr/bin/env bash
# ct_bench.sh - muster bench, from a Pod and from outside, by the lines that
# stand in README.md; only that fewer workers are measured for less long.
# limit: 200
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace

# In the namespace of this test.
kubectl() {
    command kubectl -n "$ns" "$@"
}

# shellcheck disable=SC2317 # step calls it
muster() {
    MUSTER_NAMESPACE=$ns MUSTER_PULL_POLICY=$PULL "$MUSTER" "$@"
}

# step WORDS NAME: the line of README.md that begins with them, done. What it
# prints is NAME.log and NAME.err; leaves its exit status.
step() {
    local line
    line=$(grep -m 1 "^$1" "$ROOT/README.md") || {
        fail "README.md has no line $1"
        return 1
    }
    say "$line"
    line=${line//demo-/$PROJECT-}
    status=0
    (cd "$work" && eval "${line/-n 8/-n 2 --quick --json}") \
        >"$work/$2.log" 2>"$work/$2.err" || status=$?
}

# measured FILE: JSON with all there is to measure, and that by 2 workers.
measured() {
    check "$1: every section, every number" jq -e '
        .schema == 1 and .launcher == "k8s" and .workers == 2 and .quick and
        (.machine.cores > 0) and
        ([.launch.first_ready_ms, .launch.all_ready_ms, .call.p50_us,
          .call.p99_us, .call.pipelined_per_s, .map.per_s,
          .map.batched_per_s] | all(. > 0)) and
        (.broadcast, .gather | length >= 5) and
        ([.broadcast[], .gather[] | .median_us, .bytes_per_s, .runs]
         | all(. > 0))' "$work/$1.log" >"$work/jq.log"
    jq -r '"        ready \(.launch.all_ready_ms) ms, call \(.call.p50_us) us" +
        ", p99 \(.call.p99_us) us, map \(.map.per_s) /s"' "$work/$1.log"
}

step "kubectl run bench " made
same "it is made" "$status" 0
check "it ends" eventually 60 is_over bench
same "the Pod bench is" "$(phase bench)" Succeeded
# without the words on how far the launch is
k logs bench | sed '/^muster: /d' >"$work/bench.log"
measured bench
nothing_left

# shellcheck disable=SC2034 # step expands it
MY_ADDRESS=$(own_address) || {
    say "no address of this machine is known to Pods: not from outside"
    finish
}
step "muster bench --launcher k8s " outside
same "exit status" "$status" 0
check "it complains of nothing" not grep -Ei "error|warn" "$work/outside.err"
measured outside
check "there is a plot" grep -q '</svg>' "$work/bench.svg"
nothing_left
finish
