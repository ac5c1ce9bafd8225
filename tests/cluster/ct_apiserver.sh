#!/usr/bin/env bash
# ct_apiserver.sh - the API server is killed while workers compute, and comes
# back: calls go on, and what ended meanwhile is known.
# limit: 400
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

need_cluster
trap '"$CLUSTER" apiserver start >/dev/null 2>&1; leave' EXIT
new_namespace

say "killed during a map"
manager map run -n 3 "$script" map 60 500
says map 60 mapping
"$CLUSTER" apiserver kill
say "it is away"
check "nobody answers" not kubectl get --raw /readyz
# what goes on now goes on without it: as long as it takes to start
"$CLUSTER" apiserver start
say "it is back"
ends map 120
ended map 0
said map '^mapped 60, 0 failed$'
said map KUBE-AWAY
said map KUBE-BACK
same "workers that are lost" "$(log map WORKER-LOST)" 0
nothing_left_within 120
finish
