# shellcheck shell=bash
# image.sh - images without a registry: small ones made of a folder, Debian's
# base by debootstrap, and loading into both nodes. Sourced by cluster.sh.

# image_of FOLDER NAME ENTRYPOINT: a docker archive of one layer, to stdout.
image_of() {
    local work hash
    work=$(mktemp -d) || return 1
    tar -C "$1" --owner=0 --group=0 -cf "$work/layer.tar" . || return 1
    hash=$(sha256sum "$work/layer.tar" | cut -d ' ' -f 1)
    cat >"$work/config.json" <<EOT
{"architecture": "$(dpkg --print-architecture)", "os": "linux",
 "config": {"Entrypoint": ["$3"], "Env": ["PATH=/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$hash"]}}
EOT
    cat >"$work/manifest.json" <<EOT
[{"Config": "config.json", "RepoTags": ["$2"], "Layers": ["layer.tar"]}]
EOT
    tar -C "$work" -cf - manifest.json config.json layer.tar
    rm -rf "$work"
}

# make_pause: what holds a Pod's namespaces.
make_pause() {
    local work
    [ ! -s "$CACHE/pause.tar" ] || return 0
    work=$(mktemp -d) || return 1
    mkdir "$work/bin"
    gcc -static -Os -s -x c -o "$work/bin/pause" - <<'EOT' || return 1
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void quit(int sig)
{
    _exit(sig == SIGTERM || sig == SIGINT ? 0 : 1);
}

static void reap(int sig)
{
    (void)sig;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

int main(void)
{
    signal(SIGTERM, quit);
    signal(SIGINT, quit);
    signal(SIGCHLD, reap);
    for (;;)
        pause();
}
EOT
    image_of "$work" localhost/pause:1 /bin/pause >"$CACHE/pause.tar.new" &&
        mv "$CACHE/pause.tar.new" "$CACHE/pause.tar" && rm -rf "$work"
}

# make_busybox: a small image for checks of the cluster itself.
make_busybox() {
    local work
    [ ! -s "$CACHE/busybox.tar" ] || return 0
    work=$(mktemp -d) || return 1
    mkdir "$work/bin" "$work/tmp"
    cp /bin/busybox "$work/bin/" || return 1
    for name in sh cat echo httpd ls nc ping sleep wget; do
        ln -s busybox "$work/bin/$name"
    done
    image_of "$work" localhost/busybox:1 /bin/sh >"$CACHE/busybox.tar.new" &&
        mv "$CACHE/busybox.tar.new" "$CACHE/busybox.tar" && rm -rf "$work"
}

# node_import NODE: the archive on stdin.
node_import() {
    ctr -a "$DIR/$1/containerd.sock" -n k8s.io images import - >/dev/null
}

node_has() {
    ctr -a "$DIR/$1/containerd.sock" -n k8s.io images ls -q | grep -qxF "$2"
}

load_pause() {
    node_has "$1" localhost/pause:1 || node_import "$1" <"$CACHE/pause.tar"
}

# load [ARCHIVE]...: each into every node; from stdin without an argument.
load() {
    local file node pid failed=0
    local -a pids
    [ $# -gt 0 ] || set -- -
    for file; do
        pids=()
        if [ "$file" = - ]; then
            file=$(mktemp "$DIR/load.XXXXXX")
            cat >"$file"
        fi
        for node in "${NODES[@]}"; do
            node_import "$node" <"$file" &
            pids+=($!)
        done
        for pid in "${pids[@]}"; do
            wait "$pid" || failed=1
        done
        case $file in "$DIR"/load.*) rm -f "$file" ;; esac
    done
    return "$failed"
}
