#!/usr/bin/env bash
# ct_script.sh - the workflow of docker/script-example, its steps as they stand
# in its README.md. On a cluster that is not the project's own the image is
# taken as it is.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
export ARG=20000000
cp -r "$ROOT/docker/script-example" "$work/example" && cd "$work/example" ||
    exit 1
# there is no registry here to pull from, or to push to
sed -i "s/imagePullPolicy: Always/imagePullPolicy: $PULL/" ./*.template.yaml

# docker ARG...: the one of the cluster; a push is a load onto the nodes.
docker() {
    if [ "$1" = push ]; then
        command docker save "$2" | "$CLUSTER" load
    else
        command docker "$@"
    fi
}

# In the namespace of this test.
kubectl() {
    command kubectl -n "$ns" "$@"
}

# step LINE: what the README says, done.
step() {
    say "$1"
    check "README.md has it" grep -qxF "    $1" README.md
    eval "$1" >"$work/step.log" 2>&1 || fail "$1: $(tail -n 3 "$work/step.log")"
}

if [ -n "$CLUSTER" ]; then
    export IMAGE=localhost/script-example:workflow
    docker tag "$MUSTER_TEST_IMAGE" muster &&
        docker tag localhost/muster-dev:test muster-dev || exit 1
    # shellcheck disable=SC2016 # step expands it
    step 'docker build -t $IMAGE .'
    # shellcheck disable=SC2016
    step 'docker push $IMAGE'
    docker rmi muster muster-dev >/dev/null
else
    export IMAGE=$SCRIPT_IMAGE
fi
step 'cat script-example.template.yaml | envsubst | kubectl create -f -'
check "it is created" grep -q '^pod/script-example-.* created' "$work/step.log"
pod=$(sed -n 's,^pod/\([^ ]*\) created,\1,p' "$work/step.log")
ends "$pod" 90
ended "$pod" 0
said "$pod" '^samples  *20000000$'
said "$pod" '^pi  *3\.14'
unsaid "$pod" '[Ee]rror:|warn:'
nothing_left
finish
