#!/usr/bin/env bash
# it_kube.sh - the launcher k8s, without a cluster: `muster run` against an API
# server of the tests' own that starts each Pod's worker as a process.
#
# Usage: it_kube.sh MUSTER WORKER SCRIPT_SO APISERVER_PY
# shellcheck disable=SC1091,SC2034,SC2154 # support/kube.sh
set -u
. "${BASH_SOURCE[0]%/*}/../support/kube.sh"

# -------------------------------------------------------------------- tests --

it_runs() {
    begin
    for n in 1 4 30; do
        run -n "$n" "$script" size
        expect 0 "-n $n" "$n"
        nothing_left "-n $n"
    done
    checks=$((checks + 1))
    # 35 Pods: each created; all of a run deleted at once. A run may be over
    # before its watch has begun
    if [ "$(requests 'POST pods') $(requests 'GET pods') \
$(requests 'DELETE pods')" != "35 3 3" ] ||
        [ "$(requests 'WATCH pods')" -gt 3 ]; then
        fail "requests: $(curl -sf "$url/_stats")"
    fi
    checks=$((checks + 1))
    grep -rqF not-for-your-eyes "$dir/pods" "$dir/out" "$dir/err" &&
        fail "the token can be seen"
    run -n 2 "$script" say
    expect 0 "output" "From worker 1:" "I am 2 of 2"
    run -n 2 --cookie-via env "$script" size
    expect 0 "--cookie-via env" 2
    checks=$((checks + 1))
    [ "$(requests 'POST secrets')" -eq 4 ] || fail "a Secret was made"
    nothing_left "--cookie-via env"
}

options() {
    begin
    MUSTER_IMAGE=other/image:2 MUSTER_CPU=500m MUSTER_WORKER_PREFIX=my-pods \
        "$muster" run --kubeconfig "$dir/config" --launcher k8s -n 2 \
        --memory 1Gi --deadline 90 --dry-run >"$dir/out" 2>"$dir/err"
    status=$?
    # --image on the command line is not given: the environment's is
    expect 0 "--dry-run" '"other/image:2"' '"500m"' '"1Gi"' '"KHNlY3JldCk="' \
        '"rank-2"' '"activeDeadlineSeconds":	90' '"my-pods-'
    checks=$((checks + 1))
    [ "$(requests 'POST pods')" -eq 0 ] || fail "--dry-run created something"
    python3 -c 'import json, sys; json.load(sys.stdin)' <"$dir/out" ||
        fail "--dry-run: no JSON"
    run -n 1 --memory lots "$script" size
    expect 69 "--memory lots" 'memory "lots"'
    run -n 1 --worker-prefix Bad_Name "$script" size
    expect 69 "--worker-prefix" "Bad_Name" "bad-name"
    run -n 1 --namespace No_Such "$script" size
    expect 69 "--namespace" "No_Such"
    run -n 1 --keep some "$script" size
    expect 64 "--keep" "keep"
    printf 'spec:\n  nodeSelector: {disk: fast}\n  containers:\n%s' \
        '  - {name: worker, env: [{name: A, value: "1"}]}' >"$dir/template"
    run -n 1 --pod-template "$dir/template" "$script" size
    expect 0 "--pod-template"
    checks=$((checks + 1))
    curl -sf "$url/_bodies" | grep -qF '"nodeSelector": {"disk": "fast"}' ||
        fail "--pod-template: not in the Pod"
    printf 'kind: Job\n' >"$dir/template"
    run -n 1 --pod-template "$dir/template" "$script" size
    expect 69 "a Job as template" "the template is a Job"
    run -n 1 --pod-template "$dir/none" "$script" size
    expect 69 "no template" "$dir/none"
    "$muster" run --kubeconfig "$dir/config" --launcher k8s -n 1 "$script" \
        >"$dir/out" 2>"$dir/err"
    status=$?
    expect 69 "no image" "--image"
}

refusals() {
    local user='User \"system:serviceaccount:demo:sa\" cannot'

    begin "{\"fail\": [{\"method\": \"POST\", \"path\": \"/pods\", \"times\": 99,
        \"status\": 403, \"reason\": \"Forbidden\", \"message\":
        \"pods is forbidden: $user create resource pods\"}]}"
    run -n 9 "$script" size
    expect 69 "no create" "create pods" "403 Forbidden" \
        'resources: ["pods"], verbs: ["create"]' "system:serviceaccount:demo"
    nothing_left "no create"
    checks=$((checks + 1))
    # what is refused once is not asked for nine times
    [ "$(requests 'POST pods')" -eq 1 ] || fail "no create: asked again"
    begin "{\"fail\": [{\"method\": \"POST\", \"path\": \"/secrets\",
        \"status\": 403, \"reason\": \"Forbidden\", \"message\":
        \"secrets is forbidden: $user create resource secrets\"}]}"
    run -n 2 "$script" size
    expect 69 "no secrets" 'resources: ["secrets"], verbs: ["create"]' \
        "--cookie-via env"
    begin "{\"fail\": [{\"method\": \"DELETE\", \"path\": \"/pods?\",
        \"status\": 403, \"reason\": \"Forbidden\", \"message\":
        \"pods is forbidden: $user deletecollection resource pods\"}]}"
    run -n 3 "$script" size
    expect 0 "no deletecollection"
    nothing_left "no deletecollection"
    begin "{\"fail\": [{\"method\": \"GET\", \"path\": \"/pods?\", \"times\": 99,
        \"status\": 403, \"reason\": \"Forbidden\", \"message\":
        \"pods is forbidden: $user list resource pods\"}]}"
    run -n 2 "$script" size
    expect 0 "no list" "KUBE-WATCH-REFUSED" 'verbs: ["list"]'
    begin '{"fail": [{"method": "POST", "path": "/pods", "times": 99,
        "status": 403, "reason": "Forbidden", "message":
        "pods \"x\" is forbidden: exceeded quota: few, used: pods=2"}]}'
    run -n 2 "$script" size
    expect 69 "quota" "exceeded quota: few" "larger quota"
    begin '{"fail": [{"method": "POST", "path": "/pods", "status": 422,
        "reason": "Invalid", "message": "Pod \"x\" is invalid: spec.foo"}]}'
    run -n 2 "$script" size
    expect 69 "invalid" "spec.foo"
    begin '{"fail": [{"status": 401, "times": 99, "reason": "Unauthorized",
        "message": "Unauthorized"}]}'
    run -n 1 "$script" size
    expect 69 "unknown user" "401 Unauthorized" "not accepted"
}

verdicts() {
    local pod

    begin
    run -n 2 --events "$dir/events" "$script" quit
    expect 0 "exit(7)" "worker lost: worker 1 exited with status 7"
    checks=$((checks + 1))
    python3 "${apiserver%/*}/events_check.py" \
        "${apiserver%/*}/../../runtime/man/muster-events.5" "$dir/events" 0 ||
        fail "--events"
    checks=$((checks + 1))
    grep '"to":"lost"' "$dir/events" |
        grep '"name":"[a-z0-9-]*-1","node":"n1","exit_status":7,' >/dev/null ||
        fail "--events: $(grep '"to":"lost"' "$dir/events")"
    nothing_left "exit(7)"
    start -n 2 "$script" wait
    eventually said begun
    pod=$(pod_name 1)
    curl -sf -X DELETE \
        "$url/api/v1/namespaces/demo/pods/$pod?gracePeriodSeconds=4" >/dev/null
    finish
    expect 0 "deleted" "worker 1 drained" "deleted by someone" \
        "handler nap was interrupted"
    start -n 2 "$script" wait
    eventually said begun
    curl -sf -X POST "$url/_kill/$(pod_name 1)" -d '{"phase": "Failed",
        "containerStatuses": [{"name": "worker", "state": {"terminated":
        {"exitCode": 137, "reason": "OOMKilled"}}}]}' >/dev/null
    finish
    expect 0 "oom" "worker 1 on n1 was OOMKilled in handler nap" \
        "; limit 4Gi, last seen "
    nothing_left "oom"
    start -n 2 --keep failed "$script" quit
    finish
    checks=$((checks + 1))
    curl -sf "$url/_store" | grep -q 'worker-[a-z0-9]*-1"\]' ||
        fail "--keep failed: $(curl -sf "$url/_store")"
    "$muster" clean --kubeconfig "$dir/config" --dry-run >"$dir/out" 2>"$dir/err"
    status=$?
    expect 0 "clean --dry-run" "deleted (dry run)"
    "$muster" clean --kubeconfig "$dir/config" >"$dir/out" 2>"$dir/err"
    status=$?
    expect 0 "clean" "deleted"
    nothing_left "clean"
    "$muster" clean --kubeconfig "$dir/config" >"$dir/out" 2>"$dir/err"
    status=$?
    expect 0 "clean, nothing" "nothing is left"
}

does_not_come_up() {
    local why

    begin '{"pods": {"phase": "Pending", "conditions": [{"type": "PodScheduled",
        "status": "False", "reason": "Unschedulable", "message":
        "0/2 nodes are available: 2 Insufficient memory."}]}}'
    run -n 2 --pending-timeout 3 "$script" size
    expect 69 "unschedulable" "0/2 ready, 2 unschedulable: 0/2 nodes" \
        "0 of 2 workers came up in 3.0 s"
    nothing_left "unschedulable"
    for why in ErrImageNeverPull InvalidImageName CreateContainerConfigError; do
        begin "{\"pods\": {\"phase\": \"Pending\", \"containerStatuses\": [{
            \"name\": \"worker\", \"state\": {\"waiting\": {\"reason\":
            \"$why\", \"message\": \"so it is\"}}}]}}"
        run -n 2 "$script" size
        expect 69 "$why" "cannot start: $why: so it is"
        nothing_left "$why"
    done
}

signals() {
    local sig

    for sig in INT TERM; do
        begin
        start -n 2 "$script" heed
        eventually said begun
        kill -"$sig" "$(pgrep -P "$job")"
        finish
        case $sig in
        INT) expect 130 "SIG$sig" cancelling ;;
        TERM) expect 143 "SIG$sig" ending ;;
        esac
        nothing_left "SIG$sig"
    done
}

delete() {
    curl -sf -X DELETE \
        "$url/api/v1/namespaces/demo/pods/$1?gracePeriodSeconds=20" >/dev/null
}

# stored WORDS: a Pod or Secret in whose name they are.
stored() {
    curl -sf "$url/_store" | grep -q -e "$1"
}

drains() {
    begin
    start -n 2 --grace 3 "$script" wait
    eventually said begun
    delete "$(pod_name 2)"
    eventually said "WORKER-DRAINS rank=2"
    eventually not stored 'worker-[a-z0-9]*-2"'
    # the one that runs a handler: it is interrupted, and the call is lost
    delete "$(pod_name 1)"
    finish
    expect 0 "drained" "WORKER-DRAINS rank=1" "worker lost: handler nap was int"
    [ "$(requests "POST pods")" = 2 ] || fail "drained: Pods were created"
    nothing_left "drained"
}

not() {
    ! "$@"
}

replaces() {
    begin
    start -n 2 --replace 3 "$script" wait
    eventually said begun
    delete "$(pod_name 2)"
    eventually said "WORKER-DRAINS rank=2"
    eventually stored 'worker-[a-z0-9]*-2-r2"'
    eventually pgrep -f -- "--cookie $dir/pods/.*-2-r2.cookie" >/dev/null
    # one that is killed
    pkill -KILL -f -- "--cookie $dir/pods/.*-2-r2.cookie"
    eventually stored 'worker-[a-z0-9]*-2-r3"'
    finish
    expect 0 "replaced" slept
    checks=$((checks + 2))
    [ "$(requests "POST pods")" = 4 ] ||
        fail "replaced: $(requests "POST pods") Pods, not 4"
    [ "$(requests "POST secrets")" = 3 ] ||
        fail "replaced: $(requests "POST secrets") Secrets, not 3"
    nothing_left "replaced"
}

these it_runs options refusals verdicts does_not_come_up signals drains replaces
