# shellcheck shell=bash
# binaries.sh - the server binaries, built once from Debian's source package,
# and kubectl, taken out of Debian's package without installing it (another
# package may own /usr/bin/kubectl). Sourced by cluster.sh.

readonly K8S=1.20.2
readonly K8S_CACHE=$CACHE/kubernetes-$K8S
readonly BIN=$K8S_CACHE/bin
readonly SERVERS=(kube-apiserver kube-controller-manager kube-scheduler kubelet)
readonly REFLECT2=github.com/modern-go/reflect2

# apt_private COMMAND...: apt-get with lists, cache and sources of our own: the
# machine's Debian sources, read as deb-src. Nothing under /etc or /var/lib
# changes.
apt_private() {
    local etc=$CACHE/apt file
    mkdir -p "$etc/parts" "$etc/lists/partial" "$etc/cache/archives/partial"
    rm -f "$etc/parts"/*
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -f "$file" ] || sed -nE 's/^deb(-src)? /deb-src /p' "$file" |
            sort -u >"$etc/parts/$(basename "$file" .list).list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -f "$file" ] || sed -E 's/^Types:.*/Types: deb-src/I' "$file" \
            >"$etc/parts/$(basename "$file")"
    done
    apt-get -q -o Dir::Etc::sourcelist=/dev/null \
        -o Dir::Etc::sourceparts="$etc/parts" \
        -o Dir::State::lists="$etc/lists" -o Dir::Cache="$etc/cache" \
        -o APT::Sandbox::User=root "$@"
}

fetch_source() {
    local tarball
    apt_private update || warn "going on with the source lists there are"
    apt_private source --download-only --only-source kubernetes || return 1
    tarball=$(find . -maxdepth 1 -name "kubernetes_*really$K8S.orig.tar.*" \
        -print -quit)
    [ -n "$tarball" ] || {
        warn "Debian's source package is not Kubernetes $K8S: $(echo *.dsc)"
        return 1
    }
    tar -xf "$tarball" && [ -d "kubernetes-$K8S" ]
}

# swap_reflect2 SOURCE: the copy in there crashes with Debian's Go as soon as
# the API server indents its JSON; Debian's own is newer.
swap_reflect2() {
    local theirs=$1/vendor/$REFLECT2 ours=/usr/share/gocode/src/$REFLECT2
    [ -d "$theirs" ] && [ -d "$ours" ] || return 1
    rm -rf "$theirs"
    cp -rL "$ours" "$theirs"
}

# unpack: the source, ready for go build, in $K8S_CACHE/src.
unpack() {
    local src=$K8S_CACHE/src tree=$K8S_CACHE/src/go/src/k8s.io/kubernetes
    [ ! -e "$src/ready" ] || return 0
    rm -rf "$src"
    mkdir -p "$src/go/src/k8s.io"
    step "fetch the source of Kubernetes $K8S"
    logged fetch in_dir "$src" fetch_source &&
        mv "$src/kubernetes-$K8S" "$tree" &&
        logged reflect2 swap_reflect2 "$tree" || return 1
    step "generate its code"
    logged generate in_dir "$tree" go_env nice make generated_files &&
        touch "$src/ready"
}

in_dir() {
    (cd "$1" && "${@:2}")
}

go_env() {
    env GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOPATH="$K8S_CACHE/src/go" \
        GOCACHE="$K8S_CACHE/src/cache" "$@"
}

# compile NAME: to a name of its own first, so that what lies in $BIN is whole.
compile() {
    local name=$1 at=k8s.io/kubernetes/vendor/k8s.io/component-base/version
    in_dir "$K8S_CACHE/src/go/src/k8s.io/kubernetes" go_env nice go build \
        -o "$BIN/$name.new" -ldflags "-s -w \
            -X $at.gitVersion=v$K8S -X $at.gitMajor=1 -X $at.gitMinor=20" \
            "./cmd/$name" &&
        mv "$BIN/$name.new" "$BIN/$name"
}

fetch_kubectl() {
    local dir=$K8S_CACHE/kubectl
    rm -rf "$dir"
    mkdir -p "$dir"
    in_dir "$dir" apt-get -q -o APT::Sandbox::User=root \
        download kubernetes-client &&
        dpkg-deb -x "$dir"/kubernetes-client_*.deb "$dir" &&
        mv "$dir/usr/bin/kubectl" "$BIN/kubectl" &&
        rm -rf "$dir"
}

# binaries: all of them are in $BIN afterwards. About nine minutes on two
# processors the first time; an interrupted build goes on where it was.
binaries() {
    local name i=0 took=$SECONDS
    mkdir -p "$BIN"
    if [ ! -x "$BIN/kubectl" ]; then
        step "fetch kubectl"
        logged kubectl fetch_kubectl || return 1
    fi
    for name in "${SERVERS[@]}"; do
        i=$((i + 1))
        [ ! -x "$BIN/$name" ] || continue
        unpack || return 1
        step "build $name ($i of ${#SERVERS[@]})"
        logged "build-$name" compile "$name" || return 1
    done
    [ -d "$K8S_CACHE/src" ] || return 0
    rm -rf "$K8S_CACHE/src"
    step "built in $((SECONDS - took)) s; kept in $K8S_CACHE"
}
