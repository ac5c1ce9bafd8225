#!/usr/bin/env bash
# ct_drill.sh - half a minute of `./dev drill --cluster`: Pods deleted and
# killed, a node cut off, the API server killed, while work with known results
# goes on.
#
#   MUSTER_CT_SEED      of the faults; the one that is set has all of these
#   MUSTER_CT_MINUTES   how long
# limit: 600
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

need_cluster
# Called by name.
# shellcheck disable=SC2317
as_it_was() {
    "$CLUSTER" apiserver start
    "$CLUSTER" heal n2
    kubectl delete namespace "muster-drill-$drill" --wait=false
    rm -f "/dev/shm/muster-drill-$drill"
} >/dev/null 2>&1
trap 'as_it_was; leave' EXIT

"$BUILD/muster_drill" --cluster --every 2000 --quiet \
    --seed "${MUSTER_CT_SEED:-59}" --minutes "${MUSTER_CT_MINUTES:-0.5}" &
drill=$!
children+=("$drill")
wait "$drill"
same "exit status" "$?" 0
finish
