#!/usr/bin/env bash
# ct_template.sh - a Pod template with a node, an environment and a sidecar that
# never ends: workers are judged by their own container, and the sidecar goes
# with them. The same beside the manager.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
k create configmap spread --from-literal=pod.yaml="
metadata:
  annotations: {example.org/team: blue}
spec:
  nodeSelector: {kubernetes.io/os: linux}
  containers:
  - name: sidecar
    image: $IMAGE
    imagePullPolicy: $PULL
    command: [sleep, '100000']
  - name: worker
    env: [{name: COLOUR, value: blue}]
" >/dev/null
SPREAD=1 manager one run -n 2 --pod-template /spread/pod.yaml "$script" nap 6000
says one 60 begun
same "the annotation" "$(workers -o \
    'jsonpath={.items[0].metadata.annotations.example\.org/team}')" blue
same "containers" "$(workers -o \
    'jsonpath={.items[0].spec.containers[*].name}' | tr ' ' '\n' | sort | xargs)" \
    "sidecar worker"
same "the environment" "$(workers -o json | jq -r '[.items[0].spec.containers[]
    | select(.name == "worker").env[] | select(.name == "COLOUR").value][0]')" \
    blue
ends one 60
ended one 0
nothing_left_within 60

say "a worker that ends while its sidecar goes on"
SPREAD=1 manager two run -n 2 --pod-template /spread/pod.yaml "$script" end 7
ends two 60
ended two 0
said two 'worker 1 exited with status 7'
nothing_left_within 60
finish
