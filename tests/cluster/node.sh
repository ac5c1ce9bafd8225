# shellcheck shell=bash
# node.sh - containerd and kubelet of a node. They share a mount namespace,
# which a process of its own holds open, so that either can be started again;
# folders with fixed names are private ones in there. Everything of a node is
# in its control group. Sourced by cluster.sh.

# What containerd, CNI and kubelet write to whatever they are told.
readonly FIXED=(/var/lib/kubelet /var/lib/cni /var/log/pods
    /var/log/containers /run/containerd /run/netns)

# fixed_folders: the places to mount on; those we make go with `down`.
fixed_folders() {
    local path
    for path in "${FIXED[@]}"; do
        [ -d "$path" ] || { mkdir -p "$path" && echo "$path" >>"$DIR/made"; }
    done
}

# start_mounts NODE: the process that holds the mount namespace.
start_mounts() {
    local node=$1 home=$DIR/$1 path
    ! running "$node-mounts" || return 0
    cgroup_end "$node" && cgroup_make "$node" || return 1
    rm -rf "$home/fixed" "$home/mounted"
    for path in "${FIXED[@]}"; do
        mkdir -p "$home/fixed$path"
    done
    cgroup_prefix "$node"
    # shellcheck disable=SC2016 # for the inner shell
    start "$node-mounts" "${PREFIX[@]}" \
        nsenter --net="/run/netns/$node" \
        unshare --mount --propagation private bash -c '
            for path in "${@:2}"; do
                mount --bind "$1/fixed$path" "$path" || exit
            done
            touch "$1/mounted"
            exec sleep infinity' "$node" "$home" "${FIXED[@]}"
    until_ready 10 "mounts of $node" test -e "$home/mounted"
}

# in_node NODE NAME COMMAND...: start it there unless it runs.
in_node() {
    local node=$1 name=$2
    shift 2
    ! running "$node-$name" || return 0
    cgroup_prefix "$node"
    start "$node-$name" "${PREFIX[@]}" nsenter \
        -t "$(pid_of "$node-mounts")" -m -n -- "$@"
}

# Without CAP_SYS_RESOURCE no Pod starts unless restrict_oom_score_adj is set.
containerd_config() {
    local cri=io.containerd.grpc.v1.cri
    cat <<EOT
version = 2
root = "$1/containerd"
state = "/run/containerd/state"
[grpc]
  address = "$1/containerd.sock"
[plugins."$cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."$cri".containerd]
    snapshotter = "overlayfs"
  [plugins."$cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$1/cni"
EOT
}

cni_config() {
    cat <<EOT
{"cniVersion": "0.4.0", "name": "$1", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false,
   "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$(node_pods "$1")"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}}]}
EOT
}

# A lease each 2 s, for the 15 s that the controller manager gives a node.
# Images are never collected: nobody could pull them again.
kubelet_config() {
    cat <<EOT
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
cgroupRoot: /$1
failSwapOn: false
enforceNodeAllocatable: []
resolvConf: ""
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi}
nodeLeaseDurationSeconds: 8
nodeStatusUpdateFrequency: 3s
tlsCertFile: $PKI/$1.crt
tlsPrivateKeyFile: $PKI/$1.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
EOT
}

start_containerd() {
    local home=$DIR/$1
    mkdir -p "$home/cni"
    containerd_config "$home" >"$home/containerd.toml"
    cni_config "$1" >"$home/cni/10-muster.conflist"
    in_node "$1" containerd containerd --config "$home/containerd.toml" \
        --log-level warn &&
        until_ready 30 "containerd of $1; see $DIR/log/$1-containerd.log" \
            ctr -a "$home/containerd.sock" version
}

start_kubelet() {
    local home=$DIR/$1
    kubelet_config "$1" >"$home/kubelet.yaml"
    in_node "$1" kubelet "$BIN/kubelet" --config="$home/kubelet.yaml" \
        --kubeconfig="$PKI/$1.kubeconfig" --hostname-override="$1" \
        --node-ip="$(node_ip "$1")" --root-dir="$home/kubelet" \
        --volume-plugin-dir="$home/plugins" --container-runtime=remote \
        --container-runtime-endpoint="unix://$home/containerd.sock" &&
        until_ready 60 "kubelet of $1; see $DIR/log/$1-kubelet.log" \
            nsenter --net="/run/netns/$1" curl -sSf --noproxy '*' \
            http://127.0.0.1:10248/healthz
}

start_node() {
    mkdir -p "$DIR/$1"
    start_mounts "$1" && start_containerd "$1" && load_pause "$1" &&
        start_kubelet "$1"
}

# end_node NODE: kill all of it, Pods included; the mounts go with the last.
end_node() {
    local name
    cgroup_end "$1" || return 1
    for name in mounts containerd kubelet; do
        rm -f "$DIR/$1-$name.pid"
    done
}

nodes_ready() {
    [ "$(kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l)" -eq \
        ${#NODES[@]} ] &&
        kubectl -n default get serviceaccount default &&
        kubectl -n default get configmap kube-root-ca.crt
}
