# shellcheck shell=bash
# control.sh - etcd, API server, controller manager and scheduler, in a
# network namespace of their own. Sourced by cluster.sh.

readonly GATES=BoundServiceAccountTokenVolume=true,RootCAConfigMap=true
readonly AUDIT=$DIR/audit.log

# in_control NAME COMMAND...: start it there unless it runs.
in_control() {
    local name=$1
    shift
    running "$name" || start "$name" nsenter --net="/run/netns/$CONTROL" "$@"
}

start_etcd() {
    in_control etcd etcd --data-dir "$DIR/etcd" --unsafe-no-fsync \
        --log-level warn --listen-client-urls http://127.0.0.1:2379 \
        --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380
}

# Who asked what, without bodies; see `cluster.sh audit`.
audit_policy() {
    cat >"$DIR/audit.yaml" <<'EOT'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:apiserver", "system:kube-scheduler",
          "system:kube-controller-manager"]
- level: None
  userGroups: ["system:nodes"]
- level: Metadata
EOT
}

start_apiserver() {
    audit_policy
    in_control apiserver "$BIN/kube-apiserver" \
        --etcd-servers=http://127.0.0.1:2379 --insecure-port=0 \
        --advertise-address="$CONTROL_IP" --allow-privileged=true \
        --authorization-mode=Node,RBAC \
        --service-cluster-ip-range="$SERVICES" \
        --client-ca-file="$PKI/ca.crt" \
        --tls-cert-file="$PKI/apiserver.crt" \
        --tls-private-key-file="$PKI/apiserver.key" \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-signing-key-file="$PKI/accounts.key" \
        --service-account-key-file="$PKI/accounts.key" \
        --kubelet-certificate-authority="$PKI/ca.crt" \
        --kubelet-client-certificate="$PKI/kubelets.crt" \
        --kubelet-client-key="$PKI/kubelets.key" \
        --kubelet-preferred-address-types=InternalIP,Hostname \
        --feature-gates="$GATES" \
        --default-not-ready-toleration-seconds=30 \
        --default-unreachable-toleration-seconds=30 \
        --audit-policy-file="$DIR/audit.yaml" --audit-log-path="$AUDIT"
}

start_controllers() {
    in_control controllers "$BIN/kube-controller-manager" \
        --kubeconfig="$PKI/controllers.kubeconfig" --leader-elect=false \
        --port=0 --bind-address=127.0.0.1 --feature-gates="$GATES" \
        --root-ca-file="$PKI/ca.crt" \
        --service-account-private-key-file="$PKI/accounts.key" \
        --use-service-account-credentials=true \
        --flex-volume-plugin-dir="$DIR/plugins" \
        --node-monitor-period=2s --node-monitor-grace-period=15s
}

start_scheduler() {
    in_control scheduler "$BIN/kube-scheduler" \
        --kubeconfig="$PKI/scheduler.kubeconfig" --leader-elect=false \
        --port=0 --bind-address=127.0.0.1
}

kubectl() {
    "$BIN/kubectl" --kubeconfig="$KUBECONFIG_FILE" --request-timeout=10s "$@"
}

api_ready() {
    running apiserver && kubectl get --raw /readyz
}

start_control() {
    start_etcd
    start_apiserver
    until_ready 90 "answer from the API server; see $DIR/log/apiserver.log" \
        api_ready || return 1
    start_controllers
    start_scheduler
}

end_control() {
    stop scheduler 2 && stop controllers 2 && stop apiserver 0 && stop etcd 2
}

# apiserver stop|kill|start: `stop` is TERM, after which the server may answer
# open watches for a minute.
apiserver() {
    case $1 in
    stop) stop apiserver 90 ;;
    kill) stop apiserver 0 ;;
    start)
        start_apiserver
        until_ready 90 "answer from the API server" api_ready
        ;;
    *) die "apiserver stop, kill or start" ;;
    esac
}

# audit [USER [SINCE]]: one line for each request whose user matches the
# regular expression and that came at or after SINCE, an RFC 3339 time in UTC:
# time, user, verb, URI, status. A watch counts once.
audit() {
    [ -r "$AUDIT" ] || die "no $AUDIT"
    jq -Rr --arg user "${1:-.}" --arg since "${2:-}" 'fromjson? |
        select(.user.username | test($user)) |
        select(.requestReceivedTimestamp >= $since) |
        [.auditID, .requestReceivedTimestamp, .user.username, .verb,
         .requestURI, (.responseStatus.code // 0 | tostring)] | @tsv' \
        "$AUDIT" | awk -F '\t' -v OFS='\t' '!seen[$1]++ { $1 = ""
            print substr($0, 2) }'
}
