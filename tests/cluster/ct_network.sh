#!/usr/bin/env bash
# The cluster itself: Pods on both nodes, their way to each other, to the API
# server with their own account, to this machine and back; a node that is cut
# off and healed; an API server that is killed.
set -euo pipefail

[ -n "$MUSTER_CLUSTER" ] || {
    echo "this is about our own cluster"
    exit 77
}

ns=ct-network-$$
work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    "$MUSTER_CLUSTER" heal n2 || true
    kubectl delete namespace "$ns" --wait=false >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

same() {
    [ "$2" = "$3" ] || {
        echo "$1: expected '$3', got '$2'"
        exit 1
    }
    echo "$1: $2"
}

# within SECONDS WHAT EXPECTED COMMAND...
within() {
    local until=$((SECONDS + $1)) what=$2 expected=$3 got=
    shift 3
    while got=$("$@" 2>&1) || true; [ "$got" != "$expected" ]; do
        [ "$SECONDS" -lt "$until" ] || break
        sleep 0.3
    done
    same "$what" "$got" "$expected"
}

# asked POD ADDRESS PORT: what the server there answers to the Pod.
asked() {
    kubectl -n "$ns" exec "$1" -- sh -c \
        "printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 5 $2 $3" | tail -n 1
}

pod() {
    cat <<EOT
---
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  nodeName: $2
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: localhost/busybox:1
    imagePullPolicy: Never
    command: [sh, -c, "echo $1 >/tmp/index.html; exec httpd -f -p 80 -h /tmp"]
EOT
}

node_status() {
    kubectl get node "$second" -o \
        'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
}

"$MUSTER_CLUSTER" load "$MUSTER_BUSYBOX"
mapfile -t nodes < <(kubectl get nodes -o name)
first=${nodes[0]#node/} second=${nodes[1]#node/}
kubectl create namespace "$ns"
# the account of the namespace is made a moment later
within 30 "service account" default kubectl -n "$ns" get serviceaccount \
    default -o 'jsonpath={.metadata.name}'
{
    pod one "$first"
    pod two "$second"
} | kubectl -n "$ns" create -f -
kubectl -n "$ns" wait --for=condition=Ready pod/one pod/two --timeout=60s
one=$(kubectl -n "$ns" get pod one -o 'jsonpath={.status.podIP}')
two=$(kubectl -n "$ns" get pod two -o 'jsonpath={.status.podIP}')

same "one to itself" "$(asked one "$one" 80)" one
same "one to two" "$(asked one "$two" 80)" two
same "two to one" "$(asked two "$one" 80)" one
same "host to one" "$(curl -sS --noproxy '*' -m 5 "http://$one/")" one
same "host to two" "$(curl -sS --noproxy '*' -m 5 "http://$two/")" two

echo machine >"$work/index.html"
busybox httpd -f -p "$MUSTER_TEST_HOST:18088" -h "$work" &
server=$!
within 10 "host to itself" machine curl -sS --noproxy '*' -m 5 \
    "http://$MUSTER_TEST_HOST:18088/"
same "one to host" "$(asked one "$MUSTER_TEST_HOST" 18088)" machine
same "two to host" "$(asked two "$MUSTER_TEST_HOST" 18088)" machine

# The Service answers with the cluster's certificate, from either node; the
# account may not list Pods, and the server knows who asks.
dir=/var/run/secrets/kubernetes.io/serviceaccount
for name in one two; do
    kubectl -n "$ns" exec "$name" -- cat $dir/token >"$work/token"
    kubectl -n "$ns" exec "$name" -- cat $dir/ca.crt >"$work/ca.crt"
    token=$(cat "$work/token")
    # shellcheck disable=SC2016 # for the shell in there
    address=$(kubectl -n "$ns" exec "$name" -- \
        sh -c 'echo $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT')
    node=$first
    [ "$name" = one ] || node=$second
    code=$(echo "header = \"Authorization: Bearer $token\"" |
        nsenter --net="/run/netns/$node" curl -sS --noproxy '*' -m 10 -K - \
            --cacert "$work/ca.crt" -o "$work/answer" -w '%{http_code}' \
            "https://$address/api/v1/namespaces/$ns/pods")
    same "account of $name lists pods at $address" "$code" 403
    grep -o "system:serviceaccount:$ns:default" "$work/answer" | head -n 1
    # there is no TLS client inside the Pod, but the port answers
    # shellcheck disable=SC2016 # for the shell in there
    kubectl -n "$ns" exec "$name" -- sh -c 'printf "GET / HTTP/1.0\r\n\r\n" |
        nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT' |
        grep -o 'HTTP request to an HTTPS server'
done

requests=$("$MUSTER_CLUSTER" audit "serviceaccount:$ns:default" | wc -l)
same "requests in the audit log" "$requests" 2

"$MUSTER_CLUSTER" cut n2
within 40 "n2 when cut" Unknown node_status
within 20 "two is not Ready" False kubectl -n "$ns" get pod two -o \
    'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
"$MUSTER_CLUSTER" heal n2
within 40 "n2 when healed" True node_status
kubectl -n "$ns" wait --for=condition=Ready pod/two --timeout=60s
same "two was not started again" "$(kubectl -n "$ns" get pod two -o \
    'jsonpath={.status.containerStatuses[0].restartCount}')" 0

"$MUSTER_CLUSTER" apiserver kill
if kubectl get nodes 2>&1; then
    echo "the API server answers after its end"
    exit 1
fi
"$MUSTER_CLUSTER" apiserver start
within 20 "one after the restart" Running kubectl -n "$ns" get pod one -o \
    'jsonpath={.status.phase}'
same "host to one" "$(curl -sS --noproxy '*' -m 5 "http://$one/")" one
