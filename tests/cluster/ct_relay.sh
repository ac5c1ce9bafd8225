#!/usr/bin/env bash
# ct_relay.sh - a large payload for Pods on two nodes: they pass it on to each
# other, node by node; and one of them is deleted while it does.
# limit: 240
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
k create configmap spread --from-literal=pod.yaml='
spec:
  topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {app.kubernetes.io/managed-by: muster}}
' >/dev/null

# broadcasts NAME N: a manager of four workers with N of them, 12 MiB each.
broadcasts() {
    SPREAD=1 manager "$1" run -n 4 --log-level debug \
        --pod-template /spread/pod.yaml "$script" spread 12 "$2"
}

# relays NAME: a line for each pair in its log: transfer, rank, node, rank, node.
relays() {
    sed -nE 's/.* RELAY transfer=([0-9]+) rank=([0-9]+) node=(\S*) from=([0-9]+) node=(\S*).*/\1 \2 \3 \4 \5/p' \
        "$work/$1.log"
}

say "12 MiB to 4 Pods, 10 times"
broadcasts all 10
says all 60 '^spreading$'
nodes=$(workers -o 'jsonpath={range .items[*]}{.spec.nodeName}{"\n"}{end}' |
    sort -u | wc -l)
[ -z "$CLUSTER" ] || same "nodes with workers" "$nodes" 2
ends all 60
ended all 0
said all '^spread 12 MiB 10 times: 40 verified, 0 lost, 0 wrong$'
relays all >"$work/relays"
used=$(wc -l <"$work/relays")
check "most of the others have it from a worker: $used of 30" [ "$used" -ge 25 ]
crossed=$(awk '$3 != $5 { n[$1]++ } END { for (t in n) if (n[t] > most)
    most = n[t]; print most + 0 }' "$work/relays")
check "each crosses from node to node at most $((nodes - 1)) times: $crossed" \
    [ "$crossed" -le "$((nodes - 1))" ]
unsaid all 'RELAY-(UNREACHED|FAILED)'
nothing_left

say "and one of them is deleted"
broadcasts some 60
says some 60 '^spreading$'
# the first of the chains, or the last: whoever it is
pod=$(workers -o name | sed -n 2p)
k delete "$pod" --grace-period=0 --force --wait=false >/dev/null 2>&1
ends some 90
ended some 0
said some '^spread 12 MiB 60 times: [0-9]+ verified, [01] lost, 0 wrong$'
verified=$(sed -n 's/^spread .*: \([0-9]*\) verified.*/\1/p' "$work/some.log")
check "the others have every byte each time: ${verified:-0}" \
    [ "${verified:-0}" -ge 180 ]
ends=$(($(log some WORKER-LOST) + $(log some WORKER-DRAINS)))
check "that one is lost, or drains: $ends" [ "$ends" -ge 1 ]
check "others pass it on" [ "$(relays some | wc -l)" -ge 100 ]
nothing_left
finish
