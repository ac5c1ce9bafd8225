# shellcheck shell=bash
# lib.sh - what the tests on a cluster share. A test sources it and is told by
# the environment:
#
#   KUBECONFIG           the cluster
#   MUSTER_TEST_IMAGE    an image `manager` that all nodes have
#   MUSTER_SCRIPT_IMAGE  that of docker/script-example
#   MUSTER_BUILD         where the release was built: build/release
#   MUSTER_CLUSTER       cluster.sh of the project's own cluster. On any other
#                        it is empty, and tests that need it are skipped
#   MUSTER_TEST_HOST     this machine's address, as Pods reach it; found out
#                        on the project's own cluster
#   MUSTER_TEST_PULL     imagePullPolicy; Never for images of localhost/
#
# Exit status: 0, 1 when a check failed, 77 skipped.
# shellcheck disable=SC2034 # most of it is for those who source it
set -u -o pipefail
export LC_ALL=C

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ROOT=$(dirname "$(dirname "$HERE")")
BUILD=$(readlink -f "${MUSTER_BUILD:-$ROOT/build/release}")
MUSTER=$BUILD/muster
IMAGE=${MUSTER_TEST_IMAGE:-localhost/muster:test}
SCRIPT_IMAGE=${MUSTER_SCRIPT_IMAGE:-localhost/script-example:test}
CLUSTER=${MUSTER_CLUSTER:-}
case $IMAGE in
localhost/*) PULL=${MUSTER_TEST_PULL:-Never} ;;
*) PULL=${MUSTER_TEST_PULL:-IfNotPresent} ;;
esac
export IMAGE PULL # of manager.template.yaml
readonly HERE ROOT BUILD MUSTER CLUSTER PULL
readonly OURS=app.kubernetes.io/managed-by=muster
export PROJECT=e2e # of docker/rbac.yaml

# What a manager's Pod gets besides its arguments; a test may change them.
NODES='{}'
# shellcheck disable=SC2089,SC2090 # JSON: its quotes are its own
export ENV='[{"name": "MUSTER_CPU", "value": "50m"},
      {"name": "MUSTER_MEMORY", "value": "64Mi"}]'

checks=0
failures=0
shown=0
began=$SECONDS
work=$(mktemp -d "${TMPDIR:-/tmp}/muster-ct.XXXXXX") || exit 1
ns=            # the namespace that k, manager and the checks mean
namespaces=()  # all that were made
children=()    # processes of ours that are to be gone at the end

# ------------------------------------------------------------ begin and end --

skip() {
    echo "skipped: $*"
    exit 77
}

need_cluster() {
    [ -n "$CLUSTER" ] || skip "this is not the project's own cluster"
}

say() {
    printf -- '-- %3d s  %s\n' "$((SECONDS - began))" "$*"
}

leave() {
    local name
    for name in "${children[@]+"${children[@]}"}"; do
        kill -KILL "$name" 2>/dev/null
    done
    for name in "${namespaces[@]+"${namespaces[@]}"}"; do
        kubectl delete pods --all -n "$name" --grace-period=0 --force \
            --wait=false >/dev/null 2>&1
        kubectl delete namespace "$name" --wait=false >/dev/null 2>&1
    done
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' INT TERM HUP

# finish: the end of every test.
finish() {
    say "$checks checks, $failures failed"
    [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
    exit
}

# k ARG...: kubectl in the namespace.
k() {
    kubectl --request-timeout=30s -n "$ns" "$@"
}

# apply FILE: with the environment's variables in it.
apply() {
    envsubst <"$1" | k apply -f - >"$work/apply" 2>&1 || {
        cat "$work/apply"
        return 1
    }
}

# new_namespace: with the account and the Role of docker/rbac.yaml, and the
# tests' script in a ConfigMap.
new_namespace() {
    ns=muster-e2e-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
    namespaces+=("$ns")
    kubectl create namespace "$ns" >/dev/null || exit 1
    k create configmap test --from-file="$BUILD/tests/cluster/scripts/chores.so" \
        >/dev/null || exit 1
    apply "$ROOT/docker/rbac.yaml" || exit 1
    eventually 30 k get serviceaccount "$PROJECT-service-account" || exit 1
}

# ------------------------------------------------------------------- checks --

# show: what the cluster says, when something failed.
show() {
    shown=$((shown + 1))
    [ "$shown" -le 3 ] || return 0
    [ -n "$ns" ] || return 0
    echo "----- pods, secrets and events in $ns"
    k get pods,secrets -o wide 2>&1 | grep -v service-account-token
    k get events --sort-by=.lastTimestamp 2>&1 | tail -n 25 | cut -c 1-220
    k get pods -l muster/role=manager -o name 2>/dev/null | while read -r pod; do
        echo "----- log of $pod"
        k logs --tail 60 "$pod" 2>&1 | cut -c 1-600
    done
    echo "-----"
}

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
    show
}

# check WHAT COMMAND...
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    if "$@"; then
        echo "   ok  $what"
    else
        fail "$what"
    fi
}

not() {
    ! "$@"
}

# eventually SECONDS COMMAND...: true as soon as it is.
eventually() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.3
    done
}

# same WHAT HAVE WANT
same() {
    check "$1: $3" [ "$2" = "$3" ]
    [ "$2" = "$3" ] || echo "        it is: $2"
}

# workers [ARG]...: the worker Pods, as k get prints them.
workers() {
    k get pods -l "$OURS" "$@"
}

# worker_count [PHASE]
worker_count() {
    workers -o 'jsonpath={range .items[*]}{.status.phase}{"\n"}{end}' |
        grep -c "${1:-.}"
}

# left: names of the worker Pods and cookie Secrets there are.
left() {
    k get pods,secrets -l "$OURS" -o name
}

# worker_runs: some worker's Pod does.
worker_runs() {
    worker_count Running >/dev/null
}

# stays_only RANK: of all workers this one has a Pod.
stays_only() {
    [ "$(workers -o 'jsonpath={.items[*].metadata.labels.muster/rank}')" = "$1" ]
}

# quiet_clean: muster clean deletes something.
quiet_clean() {
    "$MUSTER" clean --kubeconfig "$KUBECONFIG" --namespace "$ns" 2>/dev/null |
        grep -q deleted
}

# worker_process: of this test, on any node of the project's own cluster.
worker_process() {
    pgrep -f 'muster-worker --cookie /run/muster' >/dev/null
}

none_left() {
    local names
    names=$(left 2>&1) && [ -z "$names" ]
}

nothing_left_within() {
    check "no worker Pod and no Secret is left" eventually "$1" none_left
}

nothing_left() {
    nothing_left_within 30
}

# ----------------------------------------------------------------- managers --

# manager_manifest NAME ARG...: a Pod that runs `muster ARG...`, as YAML. With
# SPREAD in the environment the ConfigMap spread is mounted at /spread.
manager_manifest() {
    local ARGS MOUNT=test
    [ -z "${SPREAD:-}" ] || MOUNT=spread
    export NAME=$1 NODES
    shift
    ARGS=$(jq -nc '$ARGS.positional' --args -- "$@") || exit 1
    export ARGS MOUNT
    envsubst <"$HERE/manager.template.yaml"
}

# manager NAME ARG...
manager() {
    rm -f "$work/$1.log"
    manager_manifest "$@" >"$work/pod.yaml" || exit 1
    k apply -f "$work/pod.yaml" >"$work/apply" 2>&1 || {
        cat "$work/apply"
        exit 1
    }
}

# job NAME ARG...: the same as a Job.
job() {
    local SPEC
    manager_manifest "$@" >"$work/pod.yaml"
    SPEC=$(kubectl create --dry-run=client -o json -f "$work/pod.yaml" |
        jq -c .spec) || exit 1
    export SPEC
    apply "$HERE/job.template.yaml" || exit 1
}

# phase NAME: of a Pod.
phase() {
    k get pod "$1" -o 'jsonpath={.status.phase}'
}

is_over() {
    case $(phase "$1") in
    Succeeded | Failed) ;;
    *) return 1 ;;
    esac
}

log_has() {
    k logs "$1" -c manager 2>/dev/null | grep -Eq -- "$2"
}

# says NAME SECONDS REGEX: wait until its log has such a line.
says() {
    eventually "$2" log_has "$1" "$3" || {
        fail "$1 does not say \"$3\" within $2 s"
        return 1
    }
}

# ends NAME SECONDS: wait for its end. Leaves its log and `status`.
ends() {
    status=none
    checks=$((checks + 1))
    eventually "$2" is_over "$1" || {
        fail "$1 does not end within $2 s"
        k logs "$1" -c manager >"$work/$1.log" 2>&1
        return 1
    }
    k logs "$1" -c manager >"$work/$1.log" 2>&1
    status=$(k get pod "$1" -o 'jsonpath={.status.containerStatuses[?(@.name=="manager")].state.terminated.exitCode}')
}

# log NAME REGEX: how many lines of its log, once it has ended, match.
log() {
    grep -Ec -- "$2" "$work/$1.log"
}

# said NAME REGEX: a check of its log. unsaid NAME REGEX: of the contrary.
said() {
    check "$1 says: $2" grep -Eq -- "$2" "$work/$1.log"
}

unsaid() {
    check "$1 does not say: $2" not grep -Eq -- "$2" "$work/$1.log"
}

# ended NAME STATUS: how, as the cluster sees it.
ended() {
    local want=Failed
    [ "$2" -ne 0 ] || want=Succeeded
    same "$1 ended with status" "$status" "$2"
    same "the Pod $1 is" "$(phase "$1")" "$want"
}

# session NAME: of a manager that has Pods now.
session() {
    workers -o 'jsonpath={.items[0].metadata.labels.muster/session}'
}

# ------------------------------------------------------------------ outside --

# own_address: of this machine, as Pods reach it.
own_address() {
    local node
    if [ -n "${MUSTER_TEST_HOST:-}" ]; then
        echo "$MUSTER_TEST_HOST"
        return
    fi
    [ -n "$CLUSTER" ] || return 1
    node=$(kubectl get nodes -o jsonpath='{.items[0].status.addresses[?(
        @.type=="InternalIP")].address}') &&
        ip -4 -o route get "$node" | sed -n 's/.* src \([0-9.]*\).*/\1/p'
}

# outside ARG...: `muster run` on this machine, for exec or &. $address is what
# own_address says.
# shellcheck disable=SC2154
outside() {
    exec env MUSTER_CPU=50m MUSTER_MEMORY=64Mi "$MUSTER" run --launcher k8s \
        --kubeconfig "$KUBECONFIG" --namespace "$ns" --image "$IMAGE" \
        --pull-policy "$PULL" --advertise "$address" "$@"
}

script=/test/chores.so                          # in a manager's Pod
own_script=$BUILD/tests/cluster/scripts/chores.so # on this machine
