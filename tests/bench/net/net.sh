#!/usr/bin/env bash
# net.sh PROGRAM WORKER [--workers N] [--rate RATE] [...]: bench_net in network
# namespaces of its own, each behind a link of RATE in both directions.
#
#     manager --- RATE ---+
#                         +--- bridge ---+--- RATE --- worker 1
#                                        +--- RATE --- worker N
#
# All of it, the bridge too, lies in namespaces that are gone afterwards; the
# machine's own network is not touched. The other arguments go to bench_net:
# --size MIB, --rounds R, --sweep, --no-star.
set -euo pipefail

readonly PROGRAM=$1 WORKER=$2
shift 2

N=8
RATE=1gbit
ARGS=()
while [ $# -gt 0 ]; do
    case $1 in
    --workers) N=$2 && shift 2 ;;
    --rate) RATE=$2 && shift 2 ;;
    *) ARGS+=("$1") && shift ;;
    esac
done
readonly N RATE
readonly NAME=mstr$$ NET=10.199.77 PORT=7000

die() {
    echo "bench net: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || die "namespaces and their links need root"
command -v ip >/dev/null || die "needs ip: apt-get install iproute2"
command -v tc >/dev/null || die "needs tc: apt-get install iproute2"

DIR=$(mktemp -d)
STARTED=()

clean_up() {
    local i
    trap '' INT TERM
    [ ${#STARTED[@]} -eq 0 ] || kill "${STARTED[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    for i in sw m $(seq "$N"); do
        [ ! -e "/run/netns/$NAME-$i" ] || ip netns del "$NAME-$i" || true
    done
    rm -rf "$DIR"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# inside NAME COMMAND...
inside() {
    ip netns exec "$NAME-$1" "${@:2}"
}

limit() {
    tc -n "$NAME-$1" qdisc add dev "$2" root tbf rate "$RATE" burst 256kb \
        latency 20ms || die "no token bucket here: tc says why"
}

# host NAME ADDRESS: a namespace with one link to the bridge.
host() {
    ip netns add "$NAME-$1"
    ip -n "$NAME-$1" link set lo up
    ip -n "$NAME-sw" link add "p$1" type veth peer name eth0 \
        netns "$NAME-$1"
    ip -n "$NAME-sw" link set "p$1" master wire up
    ip -n "$NAME-$1" addr add "$NET.$2/24" dev eth0
    ip -n "$NAME-$1" link set eth0 up
    limit sw "p$1"
    limit "$1" eth0
}

# hop I PORT [NEXT]: not by `inside`, so that it is the program that is killed.
hop() {
    ip netns exec "$NAME-$1" "$PROGRAM" hop "$NET.$1" "${@:2}" &
    STARTED+=($!)
}

# worker SESSION RANK: once its join file is there.
worker() {
    local file=$DIR/$1/worker-$2.join
    while [ ! -s "$file" ]; do
        sleep 0.05
    done
    exec ip netns exec "$NAME-$2" "$WORKER" --cookie "$file"
}

ip netns add "$NAME-sw" || die "no network namespaces here"
ip -n "$NAME-sw" link add wire type bridge || die "no bridges here"
ip -n "$NAME-sw" link set wire up
host m 254
for i in $(seq "$N"); do
    host "$i" "$i"
done

hop 1 $PORT
for i in $(seq "$N"); do
    next=()
    [ "$i" -eq "$N" ] || next=("$NET.$((i + 1))")
    hop "$i" $((PORT + 1)) ${next[@]+"${next[@]}"}
    for session in star chain; do
        worker $session "$i" >"$DIR/$session.$i.log" 2>&1 &
        STARTED+=($!)
    done
done
echo "$N workers and a manager in namespaces, $RATE each way"
echo "$(nproc) cores do the work of $((N + 1)) machines; where they are the limit," \
    "a smaller --rate shows what the links allow"
inside m "$PROGRAM" "$NET.254" "$DIR" "$N" "$NET.1" $PORT \
    ${ARGS[@]+"${ARGS[@]}"} || {
    tail -n 3 "$DIR"/*.log >&2
    exit 1
}
