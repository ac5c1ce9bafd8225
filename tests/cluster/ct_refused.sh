#!/usr/bin/env bash
# ct_refused.sh - workers that do not come up: no room, a quota, bad images;
# at once where that is known, with the reason, and nothing is left.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace

say "no node has so much memory"
manager huge run -n 2 --memory 1Pi --pending-timeout 6 "$script" where
ends huge 40
ended huge 69
said huge 'unschedulable: 0/[0-9]+ nodes are available: .*Insufficient memory'
said huge '0 of 2 workers came up in 6.0 s, 2 are needed'
nothing_left

say "a node too few, but --min says that the rest will do"
nodes=$(kubectl get nodes -o name | wc -l)
k create configmap spread --from-literal=pod.yaml='
spec:
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector: {matchLabels: {app.kubernetes.io/managed-by: muster}}
' >/dev/null
SPREAD=1 manager few run -n "$((nodes + 1))" --min "$nodes" \
    --pending-timeout 10 --pod-template /spread/pod.yaml "$script" nap 3000
says few 60 begun
same "worker Pods that are left" "$(workers -o name | wc -l)" "$nodes"
ends few 60
ended few 0
said few "going on with $nodes of $((nodes + 1)) workers"
said few 'WORKER-LOST .* unschedulable: 0/'
nothing_left

say "images"
manager never run -n 2 --image localhost/none:1 --pull-policy Never "$script" \
    where
ends never 45
ended never 69
said never 'cannot start: ErrImageNeverPull'
manager name run -n 2 --image 'UPPER/case:1' "$script" where
ends name 45
ended name 69
said name 'cannot start: InvalidImageName'
manager pull run -n 1 --image localhost/none:1 --pull-policy IfNotPresent \
    "$script" where
ends pull 120
ended pull 69
said pull 'cannot start: ErrImagePull|cannot start: ImagePullBackOff'
nothing_left

say "an image that is none for a worker: it has no muster-worker, and runs as root"
manager empty run -n 1 --image "${MUSTER_TEST_EMPTY:-localhost/pause:1}" \
    --pull-policy "$PULL" "$script" where
ends empty 45
ended empty 69
said empty 'cannot start: CreateContainerConfigError|muster-worker'
nothing_left

say "a quota"
# the manager itself counts as well
k create quota few --hard=pods=3 >/dev/null
k delete pods --all --wait=true >/dev/null
manager some run -n 4 --min 2 "$script" where
ends some 60
ended some 0
said some '^size: 2$'
said some 'exceeded quota: few'
nothing_left
k delete pod some >/dev/null
manager none run -n 4 "$script" where
ends none 60
ended none 69
said none 'exceeded quota: few'
nothing_left
finish
