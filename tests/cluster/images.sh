#!/usr/bin/env bash
# images.sh - builds muster's images for the tests, with whatever docker
# DOCKER_HOST says, and loads them onto the nodes of the test cluster.
#
# Usage: images.sh build | sizes
#
#   build   localhost/muster-worker:test, localhost/muster:test,
#           localhost/muster-dev:test and localhost/script-example:test; those
#           that are there already, made from the same files, stay. Then
#           "$MUSTER_CLUSTER" load FILE.tar, when that is set
#   sizes   prints how large they are
#
#   MUSTER_IMAGE_BASE   the image they begin with; otherwise a Debian 12 is made
#                       by debootstrap, from where this machine's packages come
set -euo pipefail

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/muster
readonly BASE=${MUSTER_IMAGE_BASE:-localhost/debian:bookworm}
readonly BASE_TAR=$CACHE/debian-bookworm.tar.gz
readonly TARGETS=(worker manager dev) SCRIPT=docker/script-example
# what docker/Dockerfile copies, and the folder of the script
readonly INPUTS=(CMakeLists.txt LICENSE README.md include worker runtime
    docker/Dockerfile "$SCRIPT/Dockerfile" "$SCRIPT/pi.c")
export DOCKER_BUILDKIT=${DOCKER_BUILDKIT:-0}

work=
trap '[ -z "$work" ] || rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM

die() {
    echo "images: $*" >&2
    exit 1
}

step() {
    echo "-- $*"
}

# quietly COMMAND...: what it says is shown when it fails.
quietly() {
    "$@" >"$work/log" 2>&1 </dev/null || {
        tail -n 60 "$work/log" >&2
        die "failed: $*"
    }
}

# name TARGET
name() {
    case $1 in
    worker) echo localhost/muster-worker:test ;;
    manager) echo localhost/muster:test ;;
    dev) echo localhost/muster-dev:test ;;
    script) echo localhost/script-example:test ;;
    esac
}

# ------------------------------------------------------------------ base --

# sources: where this machine's apt has Debian 12 from, as lines for
# sources.list.
sources() {
    local lines
    # shellcheck disable=SC2016 # for apt
    lines=$(apt-get indextargets --format \
        '$(ORIGIN) $(CREATED_BY) $(COMPONENT) deb $(REPO_URI) $(RELEASE)' |
        awk '$1 == "Debian" && $2 == "Packages" && $3 == "main" &&
            $6 ~ /^bookworm(-updates|-security)?$/ { print $4, $5, $6, $3 }' |
        sort -u) || lines=
    grep -q ' bookworm ' <<<"$lines" ||
        die "this machine's apt has no Debian 12 (bookworm) to make images from"
    echo "$lines"
}

# debootstrapped: a Debian as small as can be in BASE_TAR, whose apt asks the
# same servers in the same way as ours. Proxies are for the build only.
debootstrapped() {
    local root=$work/root mirror
    [ ! -s "$BASE_TAR" ] || return 0
    [ "$(id -u)" -eq 0 ] || die "debootstrap has to be root"
    command -v debootstrap >/dev/null || die "apt-get install debootstrap"
    mirror=$(sources | awk '$3 == "bookworm" { print $2; exit }')
    step "debootstrap a Debian 12 from $mirror"
    quietly debootstrap --variant=minbase bookworm "$root" "$mirror"
    sources >"$root/etc/apt/sources.list"
    apt-config dump | grep '^Acquire::Check-' \
        >"$root/etc/apt/apt.conf.d/90check" || true
    if grep -q ' https:' "$root/etc/apt/sources.list"; then
        install -D /etc/ssl/certs/ca-certificates.crt \
            "$root/etc/ssl/certs/ca-certificates.crt"
    fi
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin \
        "$root"/var/lib/apt/lists/* "$root"/var/log/*.log
    mkdir -p "$CACHE"
    tar -C "$root" --numeric-owner --one-file-system -cf - . | gzip -1 \
        >"$BASE_TAR.new"
    mv "$BASE_TAR.new" "$BASE_TAR"
}

base() {
    ! docker image inspect "$BASE" >/dev/null 2>&1 || return 0
    if [ -n "${MUSTER_IMAGE_BASE:-}" ]; then
        quietly docker pull "$BASE"
        return
    fi
    debootstrapped
    quietly docker import --change 'CMD ["bash"]' "$BASE_TAR" "$BASE"
}

# ----------------------------------------------------------------- build --

# files: the inputs; what git ignores is none of them.
files() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -zco --exclude-standard --deduplicate -- "${INPUTS[@]}" |
            while IFS= read -rd '' file; do
                [ ! -f "$file" ] || printf '%s\0' "$file"
            done
    else
        find "${INPUTS[@]}" -type f -print0
    fi
}

# inputs: the hash of everything the images are made from.
inputs() {
    {
        docker image inspect -f '{{.Id}}' "$BASE"
        files | sort -z | xargs -0 sha256sum
    } | sha256sum | cut -d ' ' -f 1
}

# fresh HASH: all images are there and made from that.
fresh() {
    local target label
    for target in "${TARGETS[@]}" script; do
        label=$(docker image inspect \
            -f '{{index .Config.Labels "muster.inputs"}}' \
            "$(name "$target")" 2>/dev/null) || return 1
        [ "$label" = "$1" ] || return 1
    done
}

# proxies: build arguments for those of this machine; docker keeps them out of
# the image.
proxies() {
    local variable apt
    for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY \
        NO_PROXY; do
        [ -z "${!variable:-}" ] || printf '%s\n' --build-arg "$variable"
    done
    # the value, which is not for the command line, goes by the environment
    apt=$(apt_proxy)
    if [ -n "$apt" ] && [ -z "${http_proxy:-}" ]; then
        printf '%s\n' --build-arg http_proxy
    fi
}

apt_proxy() {
    local APT_PROXY=
    eval "$(apt-config shell APT_PROXY Acquire::http::Proxy 2>/dev/null)"
    [ "$APT_PROXY" = DIRECT ] || echo "$APT_PROXY"
}

# docker_build TARGET CONTEXT.tar [ARGUMENT]...
docker_build() {
    local target=$1 context=$2
    shift 2
    step "build $(name "$target")"
    docker build --network=host --force-rm --label "muster.inputs=$hash" \
        "${proxy[@]}" -t "$(name "$target")" "$@" - <"$context" \
        >"$work/log" 2>&1 || {
        tail -n 60 "$work/log" >&2
        die "failed: docker build of $(name "$target")"
    }
}

build() {
    local hash target version began=$SECONDS
    local -a proxy
    command -v docker >/dev/null || die "apt-get install docker.io"
    docker version >"$work/log" 2>&1 ||
        die "no docker at ${DOCKER_HOST:-its usual place}: $(tail -n 1 "$work/log")"
    base
    hash=$(inputs)
    if fresh "$hash"; then
        step "the images are those of these sources"
        return
    fi
    mapfile -t proxy < <(proxies)
    http_proxy=${http_proxy:-$(apt_proxy)}
    [ -z "$http_proxy" ] || export http_proxy
    version=$(sed -n 's/^#define MUSTER_VERSION "\(.*\)"/\1/p' \
        include/muster/error.h)
    files | tar --null -T - --owner=0 --group=0 --numeric-owner \
        -cf "$work/sources.tar"
    tar -C "$SCRIPT" --owner=0 --group=0 -cf "$work/script.tar" \
        Dockerfile pi.c
    for target in "${TARGETS[@]}"; do
        docker_build "$target" "$work/sources.tar" -f docker/Dockerfile \
            --target "$target" --build-arg "BASE=$BASE" \
            --build-arg "VERSION=$version"
    done
    docker_build script "$work/script.tar" \
        --build-arg "MUSTER=$(name manager)" \
        --build-arg "MUSTER_DEV=$(name dev)"
    step "built in $((SECONDS - began)) s"
}

# The one with the compiler runs nowhere.
load() {
    local began=$SECONDS
    [ -n "${MUSTER_CLUSTER:-}" ] || return 0
    step "load them onto the nodes"
    quietly docker save -o "$work/images.tar" "$(name worker)" \
        "$(name manager)" "$(name script)"
    "$MUSTER_CLUSTER" load "$work/images.tar"
    step "loaded in $((SECONDS - began)) s"
}

bytes() {
    docker image inspect -f '{{.Size}}' "$1"
}

sizes() {
    local target base image
    base=$(bytes "$BASE")
    echo "$base $BASE" | awk '{ printf "%7.1f MB  %s\n", $1 / 1e6, $2 }'
    for target in "${TARGETS[@]}" script; do
        image=$(name "$target")
        echo "$(bytes "$image") $base $image" | awk '{
            printf "%7.1f MB  %s, %.1f MB over its base\n", $1 / 1e6, $3,
                ($1 - $2) / 1e6 }'
    done
}

work=$(mktemp -d "${TMPDIR:-/tmp}/muster-images.XXXXXX")
case ${1:-} in
build)
    build
    load
    sizes
    ;;
sizes) sizes ;;
*)
    sed -n '/^# Usage/,/^set/{/^set/d; s/^# \{0,1\}//; p}' "$0" >&2
    exit 64
    ;;
esac
