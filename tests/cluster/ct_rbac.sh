#!/usr/bin/env bash
# ct_rbac.sh - each permission of docker/rbac.yaml taken away in turn: what the
# run does without it, and that it names what is missing.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace

# role RULE...: the Role is these rules, each "RESOURCE VERB[,VERB]...".
role() {
    local rule rules=''
    for rule; do
        rules="$rules${rules:+,}{\"apiGroups\": [\"\"], \"resources\":
            [\"${rule% *}\"], \"verbs\": [\"${rule#* }\"]}"
    done
    k patch role "$PROJECT-muster" --type=json -p "[{\"op\": \"replace\",
        \"path\": \"/rules\", \"value\": [${rules//,\"\"/}]}]" >/dev/null ||
        exit 1
}

# shellcheck disable=SC2317 # eventually calls it
# may VERB RESOURCE: so does the API server think of the manager's account.
# shellcheck disable=SC2317 # check and eventually call it
may() {
    local resource=${2%/*} sub=''
    [ "$resource" = "$2" ] || sub=${2#*/}
    k auth can-i "$1" "$resource" ${sub:+--subresource="$sub"} --quiet \
        --as="system:serviceaccount:$ns:$PROJECT-service-account"
}

ALL=("pods create" "pods delete" "pods deletecollection" "pods get" "pods list"
    "pods watch" "secrets create" "secrets delete" "pods/log get")

# without RESOURCE VERB: the Role has all but this.
without() {
    local rule
    local -a rest=()
    for rule in "${ALL[@]}"; do
        [ "$rule" = "$1 $2" ] || rest+=("$rule")
    done
    role "${rest[@]}"
    # the API server reads Roles a moment later
    check "the Role has no $1 $2" eventually 20 not may "$2" "$1"
    check "and all else" eventually 20 may "${rest[0]#* }" "${rest[0]% *}"
    name=without-${1/\//-}-$2
    say "without $1 $2"
}

# names RESOURCE VERB: the rule to add is in the log.
names() {
    said "$name" "resources: \\[\"$1\"\\], verbs: \\[\"$2\"\\]"
    said "$name" "system:serviceaccount:$ns:$PROJECT-service-account"
}

without pods create
manager "$name" run -n 2 "$script" where
ends "$name" 60
ended "$name" 69
names pods create

without secrets create
manager "$name" run -n 2 "$script" where
ends "$name" 60
ended "$name" 69
names secrets create
said "$name" "--cookie-via env"
manager by-env run -n 2 --cookie-via env "$script" where
ends by-env 60
ended by-env 0
said by-env '^size: 2$'

without pods get
manager "$name" run -n 1 "$script" where
ends "$name" 60
ended "$name" 69
names pods get
said "$name" "--image"
manager with-image run -n 1 --image "$IMAGE" --pull-policy "$PULL" "$script" \
    where
ends with-image 60
ended with-image 0
said with-image KUBE-NO-OWNER

for verb in list watch; do
    without pods "$verb"
    manager "$name" run -n 1 "$script" where
    ends "$name" 60
    ended "$name" 0
    said "$name" KUBE-WATCH-REFUSED
    names pods "$verb"
done

without pods deletecollection
manager "$name" run -n 3 "$script" where
ends "$name" 60
ended "$name" 0
nothing_left

without pods/log get
manager "$name" run -n 2 "$script" end 7
ends "$name" 60
ended "$name" 0
said "$name" 'worker 1 exited with status 7'
said "$name" KUBE-NO-LOGS
names pods/log get

without secrets delete
manager "$name" run -n 1 "$script" where
ends "$name" 60
ended "$name" 0
names secrets delete
k delete pod "$name" >/dev/null
check "the Secret goes with the manager" eventually 120 none_left

role "pods create" "pods get" "pods list" "pods watch" "secrets create" \
    "secrets delete" "pods/log get"
name=without-delete
say "without any way to delete Pods"
manager "$name" run -n 2 "$script" where
ends "$name" 60
ended "$name" 0
names pods delete
k delete pod "$name" >/dev/null
check "the workers go with the manager" eventually 120 none_left
finish
