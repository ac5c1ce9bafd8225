# shellcheck shell=bash
# kube.sh - `muster run` beside apiserver.py, for it_kube*.sh: its arguments,
# the server, what is expected, and what is left.

export LC_ALL=C

if [ $# -ne 4 ]; then
    sed -n 's/^# \(Usage\)/\1/p' "$0" >&2
    exit 2
fi
muster=$1
worker=$2
# shellcheck disable=SC2034 # for those who read this
script=$3
apiserver=$4
checks=0
failures=0

unset MUSTER_WORKER KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBECONFIG
dir=$(mktemp -d "${TMPDIR:-/tmp}/it_kube.XXXXXX") || exit 1
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# ------------------------------------------------------------------ helpers --

fail() {
    echo "FAILED: $*"
    echo "  exit status ${status:-none}"
    head -n 12 "$dir/err" | sed 's/^/  stderr: /'
    head -n 4 "$dir/out" | sed 's/^/  stdout: /'
    failures=$((failures + 1))
}

# begin [SCRIPT]: a fresh server, and a kubeconfig for it.
begin() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    rm -rf "$dir/pods"
    mkdir "$dir/pods"
    : >"$dir/ready" # of the last one
    python3 "$apiserver" "$worker" "$dir/pods" \
        >"$dir/ready" 2>"$dir/server" &
    server=$!
    for _ in $(seq 200); do
        grep -q ready "$dir/ready" && break
        sleep 0.05
    done
    local port
    port=$(sed -n 's/ready //p' "$dir/ready")
    url=http://127.0.0.1:$port
    cat >"$dir/config" <<EOF
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: c, user: u, namespace: demo}}]
clusters: [{name: c, cluster: {server: "$url"}}]
users: [{name: u, user: {token: not-for-your-eyes}}]
EOF
    [ $# -eq 0 ] || script "$1"
}

script() {
    curl -sf -X POST "$url/_script" -d "$1" >/dev/null || fail "the script $1"
}

# start ARG...: `muster run` as a manager outside the cluster, in the
# background.
start() {
    : >"$dir/out"
    timeout -k 5 60 "$muster" run --kubeconfig "$dir/config" --launcher k8s \
        --image example/worker:1 --advertise 127.0.0.1 "$@" \
        >"$dir/out" 2>"$dir/err" &
    job=$!
}

finish() {
    wait "$job"
    status=$?
}

run() {
    start "$@"
    finish
}

# expect STATUS WHAT [WORDS]...: the words are in what was said.
expect() {
    local want=$1 what=$2
    shift 2
    checks=$((checks + 1))
    if [ "$status" -ne "$want" ]; then
        fail "$what: exit status $status, not $want"
        return
    fi
    for words; do
        checks=$((checks + 1))
        grep -qF -e "$words" "$dir/out" "$dir/err" ||
            fail "$what: nothing said of \"$words\""
    done
}

# nothing_left WHAT
nothing_left() {
    checks=$((checks + 1))
    local left
    # what was deleted with its grace may take it
    for _ in $(seq 100); do
        left=$(curl -sf "$url/_store")
        [ "$left" != '{"pods": [], "secrets": []}' ] || return 0
        sleep 0.05
    done
    fail "$1: left: $left"
}

# requests "POST pods": how many there were.
requests() {
    curl -sf "$url/_stats" | grep -oE "\"$1\": [0-9]+" |
        grep -oE '[0-9]+$' || echo 0
}

# eventually COMMAND...
eventually() {
    for _ in $(seq 400); do
        "$@" && return
        sleep 0.05
    done
    fail "never: $*"
}

said() {
    grep -qF -e "$1" "$dir/out" "$dir/err"
}

pod_name() {
    curl -sf "$url/_store" | grep -o '"[a-z0-9-]*-worker-[a-z0-9-]*"' |
        tr -d '"' | sort | sed -n "$1p"
}

# these TEST...: run them, and say how it went.
these() {
    local test before
    for test; do
        before=$SECONDS
        "$test"
        echo "$test: $((SECONDS - before)) s"
    done
    echo "$checks checks, $failures failures"
    [ "$failures" -eq 0 ]
}
