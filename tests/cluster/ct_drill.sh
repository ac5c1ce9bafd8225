#!/usr/bin/env bash
# ct_drill.sh - a minute of `./dev drill --cluster`: Pods deleted and killed, a
# node cut off, the API server killed, while work with known results goes on.
# Not executable, so not one of `./dev cluster test`: it is run by hand, with
# bash, until it has passed often enough on the state of the day.
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

"$BUILD/muster_drill" --cluster --seed 1 --minutes 1 --quiet &
drill=$!
children+=("$drill")
wait "$drill"
same "exit status" "$?" 0
finish
