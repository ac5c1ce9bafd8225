#!/usr/bin/env bash
# ct_signals.sh - the end of a manager in a Pod: interrupted, told to end by
# kubectl, killed; each time all of its workers and Secrets go.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace

say "SIGINT cancels the work"
manager one run -n 2 "$script" heed
says one 60 begun
# shellcheck disable=SC2016 # it is the Pod's shell that expands it
k exec one -- sh -c 'kill -INT $(pidof muster | tr " " "\n" | sort -n | tail -n 1)'
ends one 40
ended one 130
said one "everything was cancelled|cancel"
nothing_left

say "kubectl delete pod: SIGTERM"
manager two run -n 2 "$script" heed
says two 60 begun
k delete pod two --wait=false >/dev/null
check "the manager's Pod is gone" eventually 60 not k get pod two
nothing_left_within 60

say "SIGKILL: workers notice, and go with the Pod"
manager three run -n 2 --heartbeat-timeout 4 "$script" die
ends three 60
same "exit status" "$status" 137
check "no worker runs any more" eventually 60 not worker_runs
k delete pod three --wait=false >/dev/null
nothing_left_within 120

say "kubectl delete pod --force: workers that compute go with it"
manager four run -n 2 "$script" heed
says four 60 begun
k delete pod four --grace-period=0 --force >/dev/null 2>&1
nothing_left_within 120
finish
