# shellcheck shell=bash
# docker.sh - a dockerd for `docker build`, beside any other: without a bridge
# and firewall rules, so builds take --network=host. Its layers stay in the
# cache. Sourced by cluster.sh.

readonly DOCKER=$DIR/docker LAYERS=$CACHE/docker-$NAME DOCKER_GROUP=$NAME-docker

start_docker() {
    ! running dockerd || return 0
    mkdir -p "$DIR/log" "$DOCKER/run" "$LAYERS"
    cgroup_end "$DOCKER_GROUP" && cgroup_make "$DOCKER_GROUP" || return 1
    rm -f "$DOCKER/pid"
    fixed_folders
    cgroup_prefix "$DOCKER_GROUP"
    # shellcheck disable=SC2016 # for the inner shell
    start dockerd "${PREFIX[@]}" unshare --mount --propagation private \
        bash -c 'mount --bind "$0" /run/containerd && exec "$@"' \
        "$DOCKER/run" dockerd --data-root "$LAYERS" \
        --exec-root "$DOCKER/exec" --pidfile "$DOCKER/pid" \
        -H "unix://$DOCKER/docker.sock" --bridge none --iptables=false \
        --ip6tables=false --cgroup-parent "/$DOCKER_GROUP" --log-level warn
    until_ready 60 "dockerd; see $DIR/log/dockerd.log" \
        docker -H "unix://$DOCKER/docker.sock" version || return 1
    [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID" "$DOCKER/docker.sock"
}

end_docker() {
    stop dockerd 15 && cgroup_end "$DOCKER_GROUP"
}
