#!/usr/bin/env bash
# ct_replace.sh - successors of workers whose Pods are deleted, gently
# and by force.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# successor RANK INCARNATION: its Pod is there. Called by name.
# shellcheck disable=SC2317
successor() {
    workers -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' |
        grep -q -- "-$1-r$2\$"
}

new_namespace

say "kubectl delete pod of a worker, while a map runs"
manager map run -n 3 --replace --grace 10 "$script" map 400 200
says map 60 mapping
pod=$(workers -o name | head -n 1 | cut -d / -f 2)
k delete pod "$pod" --wait=false >/dev/null
check "a successor comes" eventually 30 successor 1 2
ends map 120
ended map 0
said map '^mapped 400, 0 failed$'
said map 'WORKER-DRAINS rank=1'
unsaid map 'WORKER-LOST'
nothing_left

say "kubectl delete pod --force"
manager force run -n 3 --replace 2 --heartbeat-timeout 5 "$script" map 400 200
says force 60 mapping
pod=$(workers -o name | head -n 1 | cut -d / -f 2)
k delete pod "$pod" --grace-period=0 --force >/dev/null 2>&1
check "a successor comes" eventually 30 successor 1 2
ends force 120
ended force 0
said force '^mapped 400, 0 failed$'
nothing_left

finish
