# shellcheck shell=bash
# net.sh - the wires. Sourced by cluster.sh.
#
#     host            muster-c0 (control plane)         muster-n1, muster-n2
#     muster-host --- host ---+
#     NET.200.254             +--- bridge `wire` ---+--- n1 --- wire NET.200.11
#                                 NET.200.1         +--- n2 --- wire NET.200.12
#                                                        Pods: NET.1.x, NET.2.x
#
# Every namespace and the host have a route to the Pods of each node, and a
# Pod reaches the host at NET.200.254. Nothing leaves the machine.

readonly NODES=("$NAME-n1" "$NAME-n2")
readonly CONTROL=$NAME-c0

# NET: the first two bytes of our addresses; the first of a few that no route
# of this machine touches, unless MUSTER_CLUSTER_NET says it.
pick_net() {
    local net
    if [ -s "$DIR/net" ]; then
        NET=$(cat "$DIR/net")
        return
    fi
    for net in ${MUSTER_CLUSTER_NET:-10.213 10.214 10.217 172.29 192.168}; do
        [ -z "$(ip -4 route show table all root "$net.0.0/16")" ] || continue
        ip -4 route show table all match "$net.0.0/16" | grep -qv '^default' &&
            continue
        NET=$net
        return
    done
    die "all my address ranges are taken; say MUSTER_CLUSTER_NET=A.B, a /16"
}

set_addresses() {
    pick_net
    readonly NET
    readonly CONTROL_IP=$NET.200.1 HOST_IP=$NET.200.254
    # shellcheck disable=SC2034 # for control.sh and pki.sh
    readonly SERVICES=$NET.240.0/24 SERVICE_IP=$NET.240.1
}

# node_number NODE: 1 for muster-n1.
node_number() {
    echo "${1##*-n}"
}

node_ip() {
    echo "$NET.200.1$(node_number "$1")"
}

node_pods() {
    echo "$NET.$(node_number "$1").0/24"
}

namespace() {
    [ -e "/run/netns/$1" ] || ip netns add "$1" || return 1
    ip -n "$1" link set lo up
}

# port NAME NAMESPACE LINK ADDRESS: a wire from the bridge to there. An empty
# NAMESPACE is the host.
port() {
    local name=$1 ns=$2 link=$3 address=$4
    local -a at=() there=()
    [ -z "$ns" ] || at=(-n "$ns") there=(netns "$ns")
    if ! ip "${at[@]}" link show "$link" >/dev/null 2>&1; then
        ip -n "$CONTROL" link add "$name" type veth peer name "$name-x" &&
            ip -n "$CONTROL" link set "$name" master wire up || return 1
        [ -n "$ns" ] || there=(netns 1)
        ip -n "$CONTROL" link set "$name-x" "${there[@]}" name "$link" ||
            return 1
    fi
    ip "${at[@]}" addr replace "$address/24" dev "$link" &&
        ip "${at[@]}" link set "$link" up
}

# to_service NODE CHAIN: what kube-proxy would do for the one Service there is.
to_service() {
    local rule
    rule="$2 -d $SERVICE_IP -p tcp --dport 443 -j DNAT --to $CONTROL_IP:6443"
    # shellcheck disable=SC2086 # the words of the rule
    nsenter --net="/run/netns/$1" iptables -w -t nat -C $rule 2>/dev/null ||
        nsenter --net="/run/netns/$1" iptables -w -t nat -A $rule
}

routes() {
    local node
    local -a at=()
    [ -z "$1" ] || at=(-n "$1")
    for node in "${NODES[@]}"; do
        [ "$node" = "$1" ] || ip "${at[@]}" route replace \
            "$(node_pods "$node")" via "$(node_ip "$node")" || return 1
    done
}

make_net() {
    local node
    namespace "$CONTROL" || return 1
    ip -n "$CONTROL" link show wire >/dev/null 2>&1 ||
        ip -n "$CONTROL" link add wire type bridge || return 1
    ip -n "$CONTROL" addr replace "$CONTROL_IP/24" dev wire &&
        ip -n "$CONTROL" link set wire up &&
        port host "" "$NAME-host" "$HOST_IP" &&
        routes "$CONTROL" && routes "" || return 1
    for node in "${NODES[@]}"; do
        namespace "$node" &&
            port "n$(node_number "$node")" "$node" wire "$(node_ip "$node")" &&
            ip -n "$node" route replace default via "$CONTROL_IP" &&
            routes "$node" &&
            nsenter --net="/run/netns/$node" \
                sysctl -q -w net.ipv4.ip_forward=1 &&
            to_service "$node" PREROUTING &&
            to_service "$node" OUTPUT || return 1
    done
}

end_net() {
    local ns
    for ns in "${NODES[@]}" "$CONTROL"; do
        [ ! -e "/run/netns/$ns" ] || ip netns del "$ns" || return 1
    done
    # The host's end goes with the namespace of the other, a moment later.
    until_ready 10 "end of $NAME-host" not ip link show "$NAME-host"
}

# node_named WORD: muster-n1 for it, for n1 and for 1.
node_named() {
    local node
    for node in "${NODES[@]}"; do
        case $1 in
        "$node" | "${node#"$NAME-"}" | "${node##*-n}")
            echo "$node"
            return
            ;;
        esac
    done
    die "no node '$1'; there are ${NODES[*]}"
}

# wire NODE down|up: at the bridge, so that addresses and routes stay.
wire() {
    local node
    node=$(node_named "$1") || exit
    ip -n "$CONTROL" link set "n$(node_number "$node")" "$2" || exit
    echo "$node: wire $2"
}
