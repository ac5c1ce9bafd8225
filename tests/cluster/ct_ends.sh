#!/usr/bin/env bash
# ct_ends.sh - how workers end, and what is said of it: memory, crash, exit,
# deletion; the run goes on with those that are left.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace

say "out of memory"
manager oom run -n 2 --memory 64Mi "$script" eat 256
ends oom 90
ended oom 0
said oom 'eat: worker lost: worker 1 on [^ ]* was OOMKilled in handler eat.*; limit 64Mi, last seen [0-9]+Mi'
said oom '^size: 1$'
nothing_left

say "a crash"
manager crash run -n 2 "$script" end segv
ends crash 60
ended crash 0
said crash 'worker 1 was killed by SIGSEGV in handler end; its last line: "my last words"'
manager abort run -n 2 "$script" end abort
ends abort 60
said abort 'worker 1 was killed by SIGABRT in handler end'

say "an exit, kept to be looked at"
manager seven run -n 2 --keep failed "$script" end 7
ends seven 60
ended seven 0
said seven 'worker 1 exited with status 7.*; its last line: "my last words"'
check "exactly that Pod stays" eventually 20 stays_only 1
id=$(session)
pod=$(workers -o name)
check "its log can be read" eventually 10 \
    sh -c "kubectl -n $ns logs $pod | grep -q 'my last words'"
"$MUSTER" clean --kubeconfig "$KUBECONFIG" --namespace "$ns" --session "$id" \
    >"$work/clean.log" 2>&1
said clean "^pod/.* deleted"
nothing_left

say "kubectl delete pod, while a map runs"
manager map run -n 3 "$script" map 200 200
says map 60 mapping
k delete pod "$(workers -o name | head -n 1 | cut -d / -f 2)" --wait=false \
    >/dev/null
ends map 90
ended map 0
said map '^mapped 200, 0 failed$'
said map 'WORKER-DRAINS rank=1 .*(SIGTERM|was deleted by someone)'
nothing_left
finish
