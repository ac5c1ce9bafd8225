# shellcheck shell=bash
# suite.sh - runs the tests ct_*.sh one after the other and counts, on our
# cluster or on one that is there. Sourced by cluster.sh.
#
# A test gets KUBECONFIG, MUSTER_TEST_IMAGE (the manager's), MUSTER_BUILD (the
# folder of the release build), MUSTER_CLUSTER (cluster.sh; empty on a cluster
# that is not ours) and kubectl in PATH. It ends with 0, with 77 when it cannot
# run here, and otherwise has failed. A line `# limit: SECONDS` in it says how
# long it may take; without, that is 300.

# foreign: the caller names a cluster and an image that is on its nodes.
foreign() {
    [ -n "${KUBECONFIG:-}" ] && [ -n "${MUSTER_TEST_IMAGE:-}" ] &&
        [ "$KUBECONFIG" != "$KUBECONFIG_FILE" ]
}

# mended: as each test should find it: wires up, server there, nodes Ready.
mended() {
    local node
    for node in "${NODES[@]}"; do
        ip -n "$CONTROL" link set "n$(node_number "$node")" up || return 1
    done
    start_apiserver
    until_ready 90 "answer from the API server" api_ready &&
        until_ready 90 "node that is Ready" nodes_ready
}

# one SCRIPT LOG: its exit status.
one() {
    local limit status=0
    limit=$(sed -n 's/^# limit: \([0-9]\+\)$/\1/p' "$1")
    timeout --kill-after=15 "${limit:-300}" "$1" >"$2" 2>&1 </dev/null 9>&- ||
        status=$?
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        echo "no end within ${limit:-300} s" >>"$2"
    fi
    return "$status"
}

# run_tests REGEX: sets passed, failed and skipped.
run_tests() {
    local script name log status began word i=0
    local -a all=()
    for script in "$HERE"/ct_*.sh; do
        name=$(basename "$script" .sh)
        [[ ! -x $script || ! $name =~ $1 ]] || all+=("$script")
    done
    for script in "${all[@]}"; do
        i=$((i + 1))
        name=$(basename "$script" .sh)
        log=$LOGS/$name.log status=0 began=${EPOCHREALTIME/./}
        foreign || mended || die "the cluster is not in order; see status"
        one "$script" "$log" || status=$?
        case $status in
        0) word=Passed passed=$((passed + 1)) ;;
        77) word=Skipped skipped=$((skipped + 1)) ;;
        *) word=Failed failed=$((failed + 1)) ;;
        esac
        began=$(((${EPOCHREALTIME/./} - began) / 10000))
        printf '%3d/%d %s %s %5d.%02d s\n' "$i" "${#all[@]}" \
            "$(printf '%-40s' "$name " | tr ' ' .)" "$word" \
            $((began / 100)) $((began % 100))
        case $status in
        0) ;;
        77) tail -n 1 "$log" ;;
        *) tail -n 60 "$log" >&2 ;;
        esac
    done
}

# run_suite [REGEX]: the counts go to build/log/cluster.counts, too.
run_suite() {
    local passed=0 failed=0 skipped=0 tail=''
    mkdir -p "$LOGS"
    rm -f "$LOGS/cluster.counts"
    export MUSTER_BUILD=$ROOT/build/release
    [ -x "$MUSTER_BUILD/muster" ] || die "no $MUSTER_BUILD/muster"
    if foreign; then
        export MUSTER_CLUSTER=
        step "test on the cluster of $KUBECONFIG"
        run_tests "${1:-.}"
    else
        eval "$(environment)"
        export MUSTER_CLUSTER=$HERE/cluster.sh
        export MUSTER_TEST_IMAGE=localhost/muster:test
        step "build the images"
        if "$HERE/images.sh" build; then
            step "test on the cluster"
            run_tests "${1:-.}"
        else
            warn "no images, no tests"
            failed=1
        fi
    fi
    if [ $((passed + failed)) -eq 0 ]; then
        warn "no test was run"
        failed=1
    fi
    echo "$passed $failed $skipped" >"$LOGS/cluster.counts"
    [ "$skipped" -eq 0 ] || tail=", $skipped skipped"
    echo
    echo "$passed passed, $failed failed$tail"
    [ "$failed" -eq 0 ]
}
