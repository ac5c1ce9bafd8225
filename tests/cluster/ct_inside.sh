#!/usr/bin/env bash
# ct_inside.sh - a manager in a Pod: who its workers are, what they print, a
# second launch, and the same as a Job.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
say "a manager in a Pod, 2 workers"
manager one run -n 2 "$script" where
ends one 60
ended one 0
said one '^is_k8s: true$'
said one '^size: 2$'
for rank in 1 2; do
    pod=$(sed -n "s/^where $rank: //p" "$work/one.log")
    same "worker $rank is the Pod" "${pod%-*-*}" one-worker
    same "its line, with its rank" \
        "$(log one "^From worker $rank:	hello from $pod\$")" 1
done
unsaid one '[Ee]rror'
nothing_left

say "two launches on one runtime"
manager two run -n 1 "$script" twice
ends two 60
ended two 0
said two '^size: 2$'
said two '^where 2: two-worker-'
nothing_left

say "two managers in one namespace: the end of one is nothing to the other"
manager stays run -n 2 "$script" map 300 150
says stays 60 mapping
manager goes run -n 2 "$script" where
ends goes 60
ended goes 0
said goes '^size: 2$'
same "the other's workers" "$(workers -l "$OURS,muster/prefix=stays-worker" \
    --field-selector status.phase=Running -o name | wc -l)" 2
ends stays 60
ended stays 0
said stays '^mapped 300, 0 failed$'
same "workers that it lost" "$(log stays WORKER-LOST)" 0
nothing_left

say "a Job"
job jobbed run -n 2 "$script" where
check "the Job is complete" eventually 60 \
    k wait --for=condition=complete --timeout=1s job/jobbed
pod=$(k get pods -l job-name=jobbed -o 'jsonpath={.items[0].metadata.name}')
k logs "$pod" >"$work/jobbed.log"
said jobbed '^size: 2$'
nothing_left

say "the workers run the manager's image, unless it is said otherwise"
manager napping run -n 1 "$script" nap 4000
says napping 40 begun
same "the worker's image" "$(workers -o \
    'jsonpath={.items[0].spec.containers[0].image}')" "$IMAGE"
ends napping 60
ended napping 0
finish
