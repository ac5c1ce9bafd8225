#!/usr/bin/env bash
# it_kube_faults.sh - the launcher k8s beside an API server that has trouble:
# answers that are lost, refusals, credentials that end; and many Pods.
#
# Usage: it_kube_faults.sh MUSTER WORKER SCRIPT_SO APISERVER_PY
# shellcheck disable=SC1091,SC2034,SC2154 # support/kube.sh
set -u
. "${BASH_SOURCE[0]%/*}/../support/kube.sh"

bad_days() {
    local fault

    for fault in '"status": 429, "headers": {"Retry-After": "1"}' \
        '"status": 500' '"status": 503' '"do": "reset"'; do
        begin "{\"fail\": [{\"method\": \"POST\", \"times\": 2, $fault}]}"
        run -n 3 "$script" size
        expect 0 "POST, $fault" 3
        nothing_left "POST, $fault"
    done
    # it was done, and the answer was lost
    begin '{"lose": 1}'
    run -n 2 "$script" size
    expect 0 "a lost answer" 2
    nothing_left "a lost answer"
    begin '{"torn": 1}'
    run -n 3 "$script" quit
    expect 0 "a torn watch" "exited with status 7" "last line: \"these are my last words\""
    nothing_left "a torn watch"
    kill "$server"
    wait "$server" 2>/dev/null
    server=
    run -n 1 --pending-timeout 3 "$script" size
    expect 69 "no server" "waiting for the API server" "was not reached"
}

server_goes_away() {
    begin
    start -n 2 "$script" wait
    eventually said begun
    kill "$server"
    wait "$server" 2>/dev/null
    server=
    eventually said KUBE-AWAY
    # calls go on; at the end there is nobody to delete anything
    finish
    expect 0 "server away" slept
}

# The token, and the Secret with the cookies, after the workers are there.
credentials_end() {
    local no='{"fail": [{"path": "/", "times": 1000, "status": 401,
        "reason": "Unauthorized", "message": "Unauthorized"}]}'

    begin
    start -n 2 "$script" wait
    eventually said begun
    script "$no"
    curl -sf -X POST "$url/_cut" >/dev/null
    eventually said "401 Unauthorized"
    script '{"fail": []}'
    eventually said KUBE-BACK
    script "$no"
    checks=$((checks + 1))
    ! said WORKER-LOST || fail "token revoked: a worker is lost"
    kill -INT "$(pgrep -P "$job")" # the call goes on until then
    finish
    expect 130 "token revoked" "everything was cancelled" KUBE-NOT-DELETED \
        "PODS-STAY left=" "muster clean --namespace"
    begin "$no"
    run -n 1 "$script" size
    expect 69 "token refused" "401 Unauthorized"
    begin '{"fail": [{"method": "DELETE", "path": "/secrets/", "times": 9,
        "status": 404, "reason": "NotFound", "message": "not found"}]}'
    run -n 2 "$script" size
    expect 0 "Secret deleted by someone" 2
    checks=$((checks + 1))
    ! said warn || fail "Secret deleted by someone: a warning"
    begin '{"pods": {"phase": "Pending", "containerStatuses": [{"name":
        "worker", "state": {"waiting": {"reason": "ContainerCreating"}}}]}}'
    run -n 2 --pending-timeout 2 "$script" size
    expect 69 "Secret gone before it was mounted" \
        "0 of 2 workers came up in 2.0 s" "is still booting: starting"
    nothing_left "Secret gone before it was mounted"
}

# A Secret has room for 1,000 cookies.
all_asked_for() {
    [ "$(requests "POST pods") $(requests "POST secrets")" = "1001 2" ]
}

many() {
    begin '{"pods": "pending"}'
    start -n 1001 "$script" size
    eventually all_asked_for
    kill -INT "$(pgrep -P "$job")"
    finish
    expect 130 "1001 Pods"
    nothing_left "1001 Pods"
}

# The first answer is lost, and the Pod is there; the second is about a quota
# that it has used up.
refused_later() {
    begin '{"pods": "pending", "lose": 1, "fail": [
        {"method": "POST", "path": "/pods", "after": 1,
        "status": 403, "reason": "Forbidden", "message":
        "pods \"x\" is forbidden: exceeded quota: few, used: pods=1"}]}'
    run -n 1 "$script" size
    expect 69 "refused later" "may not have been created" "exceeded quota"
    nothing_left "refused later"
    # its worker came up meanwhile, which says that it was created
    begin '{"lose": 1, "fail": [{"method": "POST", "path": "/pods", "after": 1,
        "times": 99, "status": 503}]}'
    run -n 1 "$script" wait
    expect 0 "created after all" slept
    nothing_left "created after all"
}

# While its Secret is being made the worker is given up: no Pod is made, and no
# cookie goes another way.
given_up_early() {
    begin '{"fail": [{"method": "POST", "path": "/secrets", "do": "slow",
        "seconds": 0.05, "body": {"kind": "Secret", "a": "bb"}}]}'
    run -n 1 --pending-timeout 1 "$script" size
    expect 69 "given up early"
    checks=$((checks + 1))
    curl -sf "$url/_bodies" | grep -q MUSTER_COOKIE &&
        fail "given up early: a cookie in the environment"
    nothing_left "given up early"
}

both_denied() {
    [ "$(grep -c KUBE-NOT-DELETED "$dir/err")" -eq 2 ]
}

# What could not be deleted at first is deleted at the end.
deleted_at_last() {
    local denied='"status": 403, "reason": "Forbidden", "message":
        "admission webhook \"w\" denied the request: not now"'

    begin "{\"fail\": [
        {\"method\": \"DELETE\", \"path\": \"/secrets/\", $denied},
        {\"method\": \"DELETE\", \"path\": \"/pods/\", $denied}]}"
    start -n 2 "$script" wait
    eventually said begun
    curl -sf -X POST "$url/_kill/$(pod_name 2)" -d '{"phase": "Failed"}' \
        >/dev/null
    eventually both_denied
    finish
    expect 0 "deleted at last" "not now" slept
    checks=$((checks + 1))
    ! said PODS-STAY || fail "deleted at last: it says that they stay"
    nothing_left "deleted at last"
}

these bad_days server_goes_away credentials_end many refused_later \
    given_up_early deleted_at_last
