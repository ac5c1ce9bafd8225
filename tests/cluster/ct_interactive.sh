#!/usr/bin/env bash
# ct_interactive.sh - the Job of docker/interactive: a shell by kubectl attach,
# with muster in it.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
sed "s/imagePullPolicy: .*/imagePullPolicy: $PULL/" \
    "$ROOT"/docker/interactive/*.yaml | IMAGE=$SCRIPT_IMAGE envsubst | k create -f - >"$work/created"
job=$(sed -n 's,^job.batch/\([^ ]*\) created,\1,p' "$work/created")
check "the Job is created" [ -n "$job" ]
check "its Pod is ready" eventually 90 \
    k wait --for=condition=ready --timeout=1s pod -l "job-name=$job"
pod=$(k get pods -l "job-name=$job" -o 'jsonpath={.items[0].metadata.name}')

# a terminal for kubectl, which wants one; what is typed comes by descriptor 3
mkfifo "$work/keys"
timeout 150 script -qec "kubectl -n $ns attach -it $pod" /dev/null \
    <"$work/keys" >"$work/shell.log" 2>&1 &
children+=("$!")
exec 3>"$work/keys"

# prompts: Enter is pressed, which may be too early to be heard, and a prompt is
# there.
# shellcheck disable=SC2317 # eventually calls it
prompts() {
    printf '\r' >&3
    grep -q '[$#] ' "$work/shell.log"
}

check "there is a prompt" eventually 30 prompts
printf 'muster run -n 2 --cpu 50m --memory 64Mi script.so 2000000\r' >&3
check "the script ends" eventually 60 grep -q 'deviation' "$work/shell.log"
printf 'exit\r' >&3
said shell 'pi  *3\.1[34]'
check "the Job is complete" eventually 40 \
    k wait --for=condition=complete --timeout=1s "job/$job"
nothing_left
finish
