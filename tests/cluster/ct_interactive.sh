#!/usr/bin/env bash
# ct_interactive.sh - the Job of docker/interactive: a shell by kubectl attach,
# with muster in it.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
sed "s/imagePullPolicy: .*/imagePullPolicy: $PULL/" \
    "$ROOT"/docker/interactive/*.yaml | IMAGE=$SCRIPT_IMAGE envsubst | k create -f - >"$work/created"
job=$(sed -n 's,^job.batch/\([^ ]*\) created,\1,p' "$work/created")
check "the Job is created" [ -n "$job" ]
eventually 30 k wait --for=condition=ready --timeout=1s pod -l "job-name=$job"
pod=$(k get pods -l "job-name=$job" -o 'jsonpath={.items[0].metadata.name}')
# a terminal for kubectl, which wants one
{
    sleep 3
    printf 'muster run -n 2 --cpu 50m --memory 64Mi /script.so 2000000\r'
    sleep 20
    printf 'exit\r'
    sleep 5
} | timeout 90 script -qec "kubectl -n $ns attach -it $pod" /dev/null \
    >"$work/shell.log" 2>&1
said shell '^pi  *3\.14'
check "the Job is complete" eventually 40 \
    k wait --for=condition=complete --timeout=1s "job/$job"
nothing_left
finish
