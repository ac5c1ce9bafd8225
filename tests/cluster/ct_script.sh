#!/usr/bin/env bash
# ct_script.sh - the workflow of docker/script-example, its four steps as they
# stand there.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
cd "$ROOT/docker/script-example" || exit 1
say "envsubst | kubectl create -f -"
export ARG=20000000
# there is no registry here to pull from
sed "s/imagePullPolicy: Always/imagePullPolicy: $PULL/" \
    script-example.template.yaml | IMAGE=$SCRIPT_IMAGE envsubst | k create -f - >"$work/created"
check "it is created" grep -q '^pod/script-example-.* created' "$work/created"
pod=$(sed -n 's,^pod/\([^ ]*\) created,\1,p' "$work/created")
ends "$pod" 90
ended "$pod" 0
said "$pod" '^pi  *3\.14'
nothing_left
finish
