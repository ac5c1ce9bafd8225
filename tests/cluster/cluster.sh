#!/usr/bin/env bash
# cluster.sh - a real Kubernetes of two nodes on this machine, for the tests.
# See `cluster.sh help`.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ROOT=$(dirname "$(dirname "$HERE")")
CACHE=${MUSTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/muster}
DIR=${MUSTER_CLUSTER_DIR:-/var/lib/muster-cluster}
LOGS=$ROOT/build/log
KUBECONFIG_FILE=$DIR/kubeconfig
readonly HERE ROOT CACHE DIR LOGS KUBECONFIG_FILE

# What ./dev installs before it calls `up`. kubectl is not among them: see
# binaries.sh.
readonly PACKAGES=(containerd runc containernetworking-plugins etcd-server
    iptables iproute2 openssl golang-go golang-github-modern-go-reflect2-dev
    rsync make gcc libc6-dev dpkg-dev jq procps busybox-static docker.io
    debootstrap)

usage() {
    cat <<'EOT'
usage: cluster.sh COMMAND [...]

  up                  the cluster, whatever of it runs already
  status              what runs; exit status 3 when it is not up
  down                end all of it and remove what it left
  test [REGEX]        the tests ct_*.sh, or those whose name matches

  env                 lines to eval: KUBECONFIG, and PATH with kubectl
  load [ARCHIVE...]   docker archives (or stdin) into both nodes
  cut NODE            take NODE off the network; heal NODE puts it back
  apiserver stop|kill|start
  audit [USER [SINCE]]
                      requests by users that match a regular expression
  packages            the Debian packages that all this wants

NODE is n1 or n2. State lies in MUSTER_CLUSTER_DIR, /var/lib/muster-cluster
unless set; the server binaries, built once, in ~/.cache/muster.
EOT
}

for part in say daemon binaries net pki control image node; do
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
    set_addresses
    step "end the nodes"
    for node in "${NODES[@]}"; do
        end_node "$node" || die "$node does not end"
    done
    step "end the control plane"
    end_control || die "the control plane does not end"
    end_net || die "the network does not go"
    if [ -f "$DIR/made" ]; then
        sort -r "$DIR/made" | while IFS= read -r path; do
            rmdir "$path" 2>/dev/null || warn "not empty: $path"
        done
    fi
    rm -rf --one-file-system "$DIR"
    echo "down"
}

verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
up) up ;;
down) down ;;
help | --help | -h) usage ;;
packages) printf '%s\n' "${PACKAGES[@]}" ;;
load) set_addresses; load "$@" ;;
cut) wire "$1" down ;;
heal) wire "$1" up ;;
apiserver) set_addresses; apiserver "$1" ;;
audit) audit "$@" ;;
*)
    usage >&2
    die "no command '$verb'"
    ;;
esac
