# shellcheck shell=bash
# pki.sh - one authority, a certificate for each daemon, kubeconfigs with the
# keys inside. Sourced by cluster.sh.

readonly PKI=$DIR/pki

new_key() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1"
}

# certificate FILE SUBJECT [SAN]: FILE.key and FILE.crt.
certificate() {
    local file=$PKI/$1 subject=$2 san=${3:-}
    [ ! -s "$file.crt" ] || return 0
    {
        echo "extendedKeyUsage=serverAuth,clientAuth"
        [ -z "$san" ] || echo "subjectAltName=$san"
    } >"$file.ext"
    new_key "$file.key" &&
        openssl req -new -key "$file.key" -subj "$subject" -out "$file.csr" &&
        openssl x509 -req -days 30 -in "$file.csr" -extfile "$file.ext" \
            -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" -CAcreateserial \
            -out "$file.new" &&
        mv "$file.new" "$file.crt" && rm "$file.csr" "$file.ext"
}

base64_of() {
    base64 -w 0 "$1"
}

# kubeconfig FILE CERTIFICATE
kubeconfig() {
    cat >"$1.new" <<EOT
apiVersion: v1
kind: Config
current-context: muster
contexts:
- name: muster
  context: {cluster: muster, user: $2}
clusters:
- name: muster
  cluster:
    server: https://$CONTROL_IP:6443
    certificate-authority-data: $(base64_of "$PKI/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64_of "$PKI/$2.crt")
    client-key-data: $(base64_of "$PKI/$2.key")
EOT
    mv "$1.new" "$1"
}

authority() {
    [ ! -s "$PKI/ca.crt" ] || return 0
    new_key "$PKI/ca.key" &&
        openssl req -x509 -new -key "$PKI/ca.key" -days 30 \
            -subj /CN=muster-cluster-ca -out "$PKI/ca.new" &&
        mv "$PKI/ca.new" "$PKI/ca.crt"
}

make_pki() {
    local node san k=kubernetes
    mkdir -p "$PKI"
    chmod 700 "$PKI"
    authority || return 1
    [ -s "$PKI/accounts.key" ] || new_key "$PKI/accounts.key" || return 1
    san=IP:127.0.0.1,IP:$CONTROL_IP,IP:$SERVICE_IP,DNS:localhost,DNS:$k
    san+=,DNS:$k.default,DNS:$k.default.svc,DNS:$k.default.svc.cluster.local
    certificate apiserver /CN=kube-apiserver "$san" &&
        certificate admin /O=system:masters/CN=muster-admin &&
        certificate kubelets /O=system:masters/CN=kube-apiserver-client &&
        certificate controllers /CN=system:kube-controller-manager &&
        certificate scheduler /CN=system:kube-scheduler || return 1
    for node in "${NODES[@]}"; do
        certificate "$node" "/O=system:nodes/CN=system:node:$node" \
            "IP:$(node_ip "$node"),DNS:$node" || return 1
    done
    for node in controllers scheduler "${NODES[@]}"; do
        kubeconfig "$PKI/$node.kubeconfig" "$node" || return 1
    done
    kubeconfig "$KUBECONFIG_FILE" admin
    [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID" "$KUBECONFIG_FILE"
}
