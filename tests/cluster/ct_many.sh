#!/usr/bin/env bash
# ct_many.sh - 20 workers at once: ready, called, gone; and how many requests
# that takes, as the API server has counted them.
# limit: 300
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
say "20 workers"
manager twenty run -n 20 "$script" where
ends twenty 180
ended twenty 0
said twenty '^size: 20$'
same "answers" "$(log twenty '^where [0-9]+: twenty-worker-')" 20
nothing_left_within 120
[ -n "$CLUSTER" ] || finish
"$CLUSTER" audit "system:serviceaccount:$ns:" >"$work/audit"
awk '{ print $3, $4 }' "$work/audit" | sed 's/?.*//; s,/twenty-[^ ]*,/NAME,' |
    sort | uniq -c | sed 's/^/        /'
requests=$(wc -l <"$work/audit")
watches=$(grep -c 'watch=1' "$work/audit")
check "at most 2 requests a worker beside the watch: $requests - $watches" \
    [ "$((requests - watches))" -le 40 ]
finish
