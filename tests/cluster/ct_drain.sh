#!/usr/bin/env bash
# ct_drain.sh - workers whose Pods are deleted, or whose node is drained: what
# they run is finished, what they have not begun runs elsewhere.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace

say "kubectl delete pod of a worker, while a map runs"
manager map run -n 3 --grace 10 "$script" map 200 200
says map 60 mapping
pod=$(workers -o name | head -n 1 | cut -d / -f 2)
k delete pod "$pod" --wait=false >/dev/null
ends map 90
ended map 0
said map '^mapped 200, 0 failed$'
said map 'WORKER-DRAINS rank=1 .*(SIGTERM|was deleted by someone)'
unsaid map 'WORKER-LOST'
nothing_left

say "kubectl drain of a node, while a map runs"
need_cluster
manager node run -n 4 --grace 10 "$script" map 400 200
says node 60 mapping
own=$(k get pod node -o 'jsonpath={.spec.nodeName}')
other=$(workers -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' |
    grep -vx "$own" | head -n 1)
if [ -n "$other" ]; then
    kubectl drain "$other" --force --ignore-daemonsets --delete-emptydir-data \
        --pod-selector "$OURS" --timeout 60s >"$work/drain" 2>&1
    cat "$work/drain"
    kubectl uncordon "$other" >/dev/null
fi
ends node 120
ended node 0
said node '^mapped 400, 0 failed$'
[ -z "$other" ] || said node 'WORKER-DRAINS'
unsaid node 'WORKER-LOST'
nothing_left
finish
