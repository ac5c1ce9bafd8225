#!/usr/bin/env bash
# ct_outside.sh - a manager outside the cluster, with its user's kubeconfig: it
# runs, prints what it would create, is interrupted, is killed.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

address=$(own_address) || skip "no address of this machine is known to Pods"
new_namespace

# background ARG...: a manager in the background; leaves $job.
background() {
    outside "$@" >"$work/job.log" 2>&1 &
    job=$!
    children+=("$job")
}

say "two workers"
(outside -n 2 "$own_script" where) >"$work/out.log" 2>&1
status=$?
same "exit status" "$status" 0
said out '^is_k8s: false$'
said out '^size: 2$'
said out "^From worker 2:	hello from "
nothing_left

say "--dry-run"
(outside -n 2 --memory 1Gi --dry-run) >"$work/dry.json" 2>"$work/dry.log"
check "the API server would take it" k create --dry-run=server \
    -f "$work/dry.json"
same "and has nothing of it" "$(left | wc -l)" 0

say "SIGINT"
background -n 2 "$own_script" heed
eventually 60 grep -q begun "$work/job.log"
kill -INT "$job"
wait "$job"
same "exit status" "$?" 130
nothing_left

say "SIGTERM while it launches"
background -n 4 --memory 1Pi "$own_script" where
eventually 30 grep -q unschedulable "$work/job.log"
kill -TERM "$job"
wait "$job"
same "exit status" "$?" 143
nothing_left

say "killed: workers end by themselves, the rest is for muster clean"
background -n 2 --heartbeat-timeout 4 "$own_script" heed
eventually 60 grep -q begun "$work/job.log"
id=$(session)
kill -KILL "$job"
wait "$job" 2>/dev/null
check "no worker runs any more" eventually 60 not worker_runs
check "what is left is labelled" [ "$(left | wc -l)" -ge 2 ]
check "muster clean leaves what is young" not quiet_clean
"$MUSTER" clean --kubeconfig "$KUBECONFIG" --namespace "$ns" --session "$id" \
    >"$work/clean.log" 2>&1
same "muster clean --session: exit status" "$?" 0
said clean "^pod/.* deleted"
nothing_left

say "killed while a worker waits for a node: a Secret is left, too"
background -n 1 --memory 1Pi "$own_script" where
eventually 30 grep -q unschedulable "$work/job.log"
kill -KILL "$job"
wait "$job" 2>/dev/null
same "Pods and Secrets that are left" "$(left | wc -l)" 2
"$MUSTER" clean --kubeconfig "$KUBECONFIG" --namespace "$ns" --all --dry-run \
    >"$work/dry-clean.log" 2>&1
said dry-clean "^secret/muster-.* deleted \(dry run\)"
same "after a dry run are left" "$(left | wc -l)" 2
"$MUSTER" clean --kubeconfig "$KUBECONFIG" --namespace "$ns" --all \
    >"$work/clean-all.log" 2>&1
same "muster clean --all: exit status" "$?" 0
said clean-all "^secret/muster-.* deleted"
said clean-all "^pod/.* deleted"
nothing_left
finish
