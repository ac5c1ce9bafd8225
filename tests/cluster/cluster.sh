#!/usr/bin/env bash
# cluster.sh - a real Kubernetes of two nodes on this machine, for the tests.
# See `cluster.sh help`.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ROOT=$(dirname "$(dirname "$HERE")")
CACHE=${MUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muster}
NAME=${MUSTER_CLUSTER_NAME:-muster}
DIR=${MUSTER_CLUSTER_DIR:-/var/lib/$NAME-cluster}
LOGS=$ROOT/build/log
KUBECONFIG_FILE=$DIR/kubeconfig
# shellcheck disable=SC2034 # LOGS is for the parts
readonly HERE ROOT CACHE NAME DIR LOGS KUBECONFIG_FILE

# What ./dev installs before it calls `up`. kubectl is not among them: see
# binaries.sh.
readonly PACKAGES=(containerd runc containernetworking-plugins etcd-server
    iptables iproute2 openssl golang-go golang-github-modern-go-reflect2-dev
    rsync make gcc libc6-dev dpkg-dev jq curl procps busybox-static docker.io
    debootstrap)

usage() {
    cat <<'EOT'
usage: cluster.sh COMMAND [...]

  up                  the cluster, whatever of it runs already
  status              what runs; exit status 3 when it is not up
  down                end all of it and remove what it left
  test [REGEX]        the tests ct_*.sh, or those whose name matches

  env                 lines to eval: KUBECONFIG, PATH with kubectl, DOCKER_HOST
  load [ARCHIVE...]   docker archives (or stdin) into both nodes
  cut NODE            take NODE off the network; heal NODE puts it back
  apiserver stop|kill|start
  dockerd up|down     a Docker for building images
  audit [USER [SINCE]]
                      requests by users that match a regular expression
  packages            the Debian packages that all this wants

NODE is n1 or n2. State lies in MUSTER_CLUSTER_DIR, /var/lib/muster-cluster
unless set; the server binaries, built once, in ~/.cache/muster. Another
MUSTER_CLUSTER_NAME than muster gives a second cluster beside the first.
EOT
}

for part in say daemon binaries net pki control image node docker suite; do
    # shellcheck source=/dev/null
    . "$HERE/$part.sh"
done

# timed WHAT COMMAND...
timed() {
    local what=$1 from=${EPOCHREALTIME/./}
    shift
    step "$what"
    "$@" || die "$what: failed"
    TOOK+=("$what $(((${EPOCHREALTIME/./} - from) / 100000))")
}

start_nodes() {
    local node pid failed=0
    local -a pids=()
    fixed_folders
    for node in "${NODES[@]}"; do
        start_node "$node" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
    [ "$failed" -eq 0 ] || return 1
    until_ready 120 "node that is Ready; see $DIR/log" nodes_ready
}

up() {
    local entry
    TOOK=()
    lock
    mkdir -p "$DIR/log" "$CACHE"
    set_addresses
    echo "$NET" >"$DIR/net"
    timed binaries binaries
    timed images make_small_images
    timed keys logged keys make_pki
    timed network make_net
    timed "control plane" start_control
    timed nodes start_nodes
    for entry in "${TOOK[@]}"; do
        printf '   %-16s %s.%s s\n' "${entry% *}" \
            "$((${entry##* } / 10))" "$((${entry##* } % 10))"
    done
    echo "export KUBECONFIG=$KUBECONFIG_FILE"
}

make_small_images() {
    make_pause && make_busybox
}

down() {
    local node path
    lock
    step "end the nodes"
    for node in "${NODES[@]}"; do
        end_node "$node" || die "$node does not end"
    done
    end_docker || die "dockerd does not end"
    step "end the control plane"
    end_control || die "the control plane does not end"
    end_net || die "the network does not go"
    if [ -f "$DIR/made" ]; then
        sort -r "$DIR/made" | while IFS= read -r path; do
            [ ! -d "$path" ] || rmdir "$path" || warn "left: $path"
        done
    fi
    rm -rf --one-file-system "$DIR"
    echo "down"
}

# environment: what a shell wants to know, to be eval'ed.
environment() {
    cat <<EOT
export KUBECONFIG=$KUBECONFIG_FILE
export PATH=$BIN:\$PATH
export DOCKER_HOST=unix://$DOCKER/docker.sock DOCKER_BUILDKIT=0
export MUSTER_TEST_HOST=$HOST_IP MUSTER_BUSYBOX=$CACHE/busybox.tar
EOT
}

daemons() {
    local node
    printf '%s\n' etcd apiserver controllers scheduler
    for node in "${NODES[@]}"; do
        printf '%s\n' "$node-mounts" "$node-containerd" "$node-kubelet"
    done
}

# status: 3 when something is missing.
status() {
    local name pid missing=0
    for name in $(daemons) dockerd; do
        if pid=$(pid_of "$name"); then
            printf '%-22s pid %-8s since %s\n' "$name" "$pid" \
                "$(ps -o lstart= -p "$pid")"
        elif [ "$name" != dockerd ]; then
            printf '%-22s down\n' "$name"
            missing=$((missing + 1))
        fi
    done
    [ "$missing" -eq 0 ] || return 3
    kubectl get nodes -o wide && kubectl get pods -A -o wide || return 3
    nodes_ready >/dev/null || return 3
    environment
}

# test_verb [REGEX]
test_verb() {
    if ! foreign; then
        ("$HERE/cluster.sh" up) || die "no cluster, no tests"
        lock
        set_addresses
        step "dockerd"
        start_docker || die "no dockerd, no images"
        exec 9>&-
    fi
    run_suite "$@"
}

# wants N COUNT: as many arguments as that.
wants() {
    [ "$1" -eq "$2" ] || {
        usage >&2
        exit 64
    }
}

verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
up | down | status)
    if foreign; then
        echo "$verb: nothing to do, for the cluster is that of $KUBECONFIG"
        exit 0
    fi
    ;;
help | --help | -h)
    usage
    exit 0
    ;;
packages)
    printf '%s\n' "${PACKAGES[@]}"
    exit 0
    ;;
esac
[ "$(id -u)" -eq 0 ] || foreign || exec sudo \
    --preserve-env=KUBECONFIG,MUSTER_CLUSTER_DIR,MUSTER_CLUSTER_NAME \
    --preserve-env=MUSTER_CLUSTER_NET,CI \
    MUSTER_CACHE="$CACHE" "$HERE/cluster.sh" "$verb" "$@"
case $verb in
up) up ;;
down) down ;;
status)
    set_addresses
    status
    ;;
test) test_verb "$@" ;;
*)
    [ "$verb" = dockerd ] || [ -s "$DIR/net" ] || die "the cluster is not up"
    set_addresses
    case $verb in
    env) environment ;;
    dockerd)
        wants $# 1
        lock
        case $1 in
        up) start_docker && environment ;;
        down) end_docker ;;
        *) die "dockerd up or down" ;;
        esac
        ;;
    load) load "$@" ;;
    cut) wants $# 1 && wire "$1" down ;;
    heal) wants $# 1 && wire "$1" up ;;
    apiserver) wants $# 1 && apiserver "$1" ;;
    audit) audit "$@" ;;
    *)
        usage >&2
        die "no command '$verb'"
        ;;
    esac
    ;;
esac
