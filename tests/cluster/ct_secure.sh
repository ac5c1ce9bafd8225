#!/usr/bin/env bash
# ct_secure.sh - what a worker's Pod may do, and who can see its cookie.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

new_namespace
manager one run -n 2 "$script" nap 15000
says one 60 begun
k get pods -l "$OURS" -o json >"$work/pods.json"

# field PATH WANT: of both workers.
field() {
    same "$1" "$(jq -c "[.items[] | $1] | unique" "$work/pods.json")" "[$2]"
}

c='.spec.containers[0]'
field '.spec.securityContext.runAsNonRoot' true
field '.spec.securityContext.seccompProfile.type' '"RuntimeDefault"'
field "$c.securityContext.allowPrivilegeEscalation" false
field "$c.securityContext.readOnlyRootFilesystem" true
field "$c.securityContext.capabilities.drop" '["ALL"]'
field '.spec.automountServiceAccountToken' false
field '.spec.restartPolicy' '"Never"'
field "[$c.volumeMounts[].mountPath]|sort" '["/run/muster","/tmp"]'
field "$c.resources.limits == $c.resources.requests" true
field '.metadata.ownerReferences[0].name' '"one"'
field '.metadata.ownerReferences | length' 1

say "the cookie"
pod=$(workers -o name | head -n 1)
k exec "$pod" -- cat /run/muster/cookie >"$work/cookie"
check "is in its file" grep -q '^secret-key ' "$work/cookie"
secret=$(sed -n 's/^secret-key //p' "$work/cookie")
check "with a key" [ "${#secret}" -eq 64 ]
same "and the mode" "$(k exec "$pod" -- stat -Lc %a /run/muster/cookie)" 440
encoded=$(base64 -w 0 <"$work/cookie" | cut -c 200-260)
k describe "$pod" >"$work/described"
k get pods -o yaml >"$work/yaml"
k exec "$pod" -- sh -c 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline' 2>/dev/null |
    tr '\0' '\n' >"$work/environ"
k logs one >"$work/one.log"
for where in described yaml environ one.log; do
    check "is not in $where" not grep -qe "$secret" -e "$encoded" "$work/$where"
done
same "Secrets, now that all are ready" \
    "$(k get secrets -l "$OURS" -o name | wc -l)" 0
other=$(workers -o name | tail -n 1)
k exec "$other" -- cat /run/muster/cookie >"$work/other"
check "another worker has another" not grep -q "$secret" "$work/other"
ends one 60
ended one 0
nothing_left
finish
