#!/usr/bin/env bash
# ct_node.sh - a node is cut off while a map runs: its workers are lost, with a
# word about the node, and the rest does their items; after it is healed
# nothing is left.
# limit: 400
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

need_cluster
trap '"$CLUSTER" heal n2 >/dev/null 2>&1; leave' EXIT
new_namespace

# the manager on the first node; two workers on each
export NODES='{"kubernetes.io/hostname": "muster-n1"}'
k create configmap spread --from-literal=pod.yaml='
spec:
  topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: DoNotSchedule
    labelSelector: {matchLabels: {app.kubernetes.io/managed-by: muster}}
' >/dev/null
# shellcheck disable=SC2317 # eventually calls it
all_run() {
    [ "$(worker_count Running)" -eq 4 ]
}

say "4 workers, 2 on each node"
SPREAD=1 manager map run -n 4 --heartbeat-timeout 20 \
    --pod-template /spread/pod.yaml "$script" map 240 500
says map 60 mapping
same "workers on the second node" "$(workers -o wide --no-headers |
    grep -c muster-n2)" 2
# a worker connects before its kubelet has said that it runs
check "the API server knows that they run" eventually 30 all_run
"$CLUSTER" cut n2
say "the second node is cut off"
ends map 180
ended map 0
said map '^mapped 240, 0 failed$'
same "workers that are lost" "$(log map 'WORKER-LOST')" 2
said map 'WORKER-LOST .* its node muster-n2 is not heard of'
"$CLUSTER" heal n2
say "and healed"
nothing_left_within 150
check "no worker process runs there" eventually 60 not worker_process
finish
