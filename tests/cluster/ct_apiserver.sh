#!/usr/bin/env bash
# ct_apiserver.sh - the API server is killed while workers compute, and comes
# back: calls go on, a worker that ended meanwhile is lost, its successor comes
# when there is a server to make it, and what happens to Pods is seen again.
# Then it is away when workers are to be deleted: what stays is named.
#
#   MUSTER_CT_AWAY_S   how long it is away during the map; otherwise as long as
#                      it takes to start
# limit: 700
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

need_cluster
trap '"$CLUSTER" apiserver start >/dev/null 2>&1; leave' EXIT
away_s=${MUSTER_CT_AWAY_S:-0}
address=$(own_address) || exit 1
new_namespace

# away: the server goes.
away() {
    "$CLUSTER" apiserver kill
    say "it is away"
    check "nobody answers" not kubectl get --raw /readyz
}

# back: it is there again.
back() {
    "$CLUSTER" apiserver start
    say "it is back"
}

# between FROM TO REGEX: lines of the log that say so between two others.
between() {
    sed -n "/$1/,/$2/p" "$work/map.log" | grep -Ec -- "$3"
}

# successor RANK: its Pod is there. It is the second or third that is tried when
# the server was away for longer than a request is. Called by name.
# shellcheck disable=SC2317
successor() {
    workers -o name | grep -Eq -- "-$1-r[0-9]+\$"
}

say "killed during a map"
# 3 workers do 6 items a second
manager map run -n 3 --replace --heartbeat-timeout 10 "$script" \
    map $(((away_s + 40) * 6)) 500
says map 60 mapping
pod=$(workers -o name | head -n 1 | cut -d / -f 2)
away
say "a worker dies meanwhile"
for process in $(pgrep -f 'muster-worker --cookie /run/muster'); do
    grep -qxz "HOSTNAME=$pod" "/proc/$process/environ" 2>/dev/null &&
        kill -KILL "$process"
done
sleep "$away_s"
back
says map 90 KUBE-BACK
check "the successor of the dead one comes" eventually 90 successor 1
k delete pod "$(workers -o name | grep -- '-2$' | cut -d / -f 2)" \
    --wait=false >/dev/null
check "the successor of a deleted one comes" eventually 90 successor 2
ends map 180
ended map 0
said map "^mapped $(((away_s + 40) * 6)), 0 failed\$"
grep -E 'KUBE-|PODS-|WORKER-(LOST|DRAINS)|REPLACE' "$work/map.log" | cut -c 1-250
check "calls went on meanwhile" [ "$(between KUBE-AWAY KUBE-BACK '^done ')" \
    -gt 0 ]
said map 'WORKER-LOST rank=1 incarnation=1'
same "others that are lost" "$(log map 'WORKER-LOST rank=[^1]')" 0
unsaid map PODS-STAY
said map 'WORKER-DRAINS rank=2 .*(SIGTERM|was deleted by someone)'
nothing_left_within 120

say "away when workers are to be deleted"
outside -n 2 "$own_script" heed >"$work/job.log" 2>&1 &
job=$!
children+=("$job")
eventually 60 grep -q begun "$work/job.log"
id=$(session)
away
from=$EPOCHREALTIME
kill -INT "$job"
wait "$job"
same "exit status" "$?" 130
echo "        after $(jq -n "$EPOCHREALTIME - $from") s"
cat "$work/job.log"
said job "muster clean"
check "no worker runs any more" eventually 30 not worker_process
back
"$MUSTER" clean --kubeconfig "$KUBECONFIG" --namespace "$ns" --session "$id"
same "muster clean --session: exit status" "$?" 0
nothing_left_within 120
finish
