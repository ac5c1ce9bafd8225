#!/usr/bin/env python3
"""kube.py - how fast Pods become workers: muster beside what it cannot be
faster than, and beside the way of its peers.

Usage: kube.py LAUNCH [--rounds R] [--json]

  muster   bench_kube_launch: from muster_launch to its return, all ready
  raw      the floor: N POSTs at once, on connections that are open, of plain
           Pods with the same image, volumes and limits; until each has made a
           TCP connection back
  peer     as K8sClusterManagers.jl does it: N times `kubectl create -f -` at
           once, then `kubectl get` of each Pod, once a second, until its phase
           is no longer Pending

The manager is on this machine, outside the cluster; so are the others. The
sides take turns; medians are compared. Wants the project's own cluster (the
environment of `tests/cluster/cluster.sh env`, and MUSTER_CLUSTER) with
localhost/muster:test on its nodes. Fails when a run fails, never for being slow.
"""
import argparse
import base64
import concurrent.futures
import datetime
import http.client
import json
import os
import re
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

IMAGE = os.environ.get("MUSTER_TEST_IMAGE", "localhost/muster:test")
HOST = os.environ["MUSTER_TEST_HOST"]
NS = "muster-bench-%d" % os.getpid()
GOALS = {"raw": 1.25, "peer": 0.5, "start": 100, "requests": 2}


def kubectl(*args, text=None):
    return subprocess.run(["kubectl", "-n", NS, *args], input=text, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True).stdout


def manifest(name, port=None):
    """A plain Pod, as a worker's in all that costs time."""
    if port is None:
        command = ["sleep", "1000"]
    else:
        command = ["bash", "-c", "exec 3<>/dev/tcp/%s/%d; sleep 1000" %
                   (HOST, port)]
    limits = {"cpu": "1", "memory": "64Mi"}
    requests = {"cpu": "50m", "memory": "64Mi"}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NS, "labels": {"raw": "1"}},
        "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": False,
            "enableServiceLinks": False, "terminationGracePeriodSeconds": 5,
            "securityContext": {"fsGroup": 65532, "seccompProfile": {
                "type": "RuntimeDefault"}},
            "containers": [{
                "name": "worker", "image": IMAGE, "imagePullPolicy": "Never",
                "command": command,
                "resources": {"requests": requests, "limits": limits},
                "securityContext": {"allowPrivilegeEscalation": False,
                                    "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": "cookie", "mountPath": "/run/muster",
                     "readOnly": True}]}],
            "volumes": [
                {"name": "tmp", "emptyDir": {}},
                {"name": "cookie", "secret": {"secretName": "raw", "items": [
                    {"key": "cookie", "path": "cookie", "mode": 0o440}]}}]}}


class Server:
    """The API server, with the kubeconfig's client certificate."""

    def __init__(self):
        config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
        cluster = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        self.url = urllib.parse.urlparse(cluster["server"])
        self.context = ssl.create_default_context(cadata=self.pem(
            cluster, "certificate-authority").decode())
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pem")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600),
                      "wb") as file:
                file.write(self.pem(user, "client-certificate"))
                file.write(self.pem(user, "client-key"))
            self.context.load_cert_chain(path)

    @staticmethod
    def pem(where, name):
        if name + "-data" in where:
            return base64.b64decode(where[name + "-data"])
        with open(where[name], "rb") as file:
            return file.read()

    def connect(self):
        connection = http.client.HTTPSConnection(
            self.url.hostname, self.url.port, context=self.context)
        connection.request("GET", "/version", headers={"User-Agent": "raw/1"})
        connection.getresponse().read()
        return connection


def post(connection, pod):
    connection.request("POST", "/api/v1/namespaces/%s/pods" % NS,
                       json.dumps(pod), {"Content-Type": "application/json",
                                         "User-Agent": "raw/1"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 201:
        raise RuntimeError("POST: %d" % answer.status)


def raw(n, pool, server):
    listener = socket.create_server((HOST, 0), backlog=n)
    listener.settimeout(120)
    port = listener.getsockname()[1]
    connections = [server.connect() for _ in range(n)]
    pods = [manifest("raw-%d" % i, port) for i in range(n)]
    begun = time.monotonic()
    posts = [pool.submit(post, c, p) for c, p in zip(connections, pods)]
    back = [listener.accept()[0] for _ in range(n)]
    took = time.monotonic() - begun
    for one in posts:
        one.result()
    for one in back + connections + [listener]:
        one.close()
    return took * 1000


def peer_one(i):
    name = "peer-%d" % i
    kubectl("create", "-f", "-", text=json.dumps(manifest(name)))
    while True:
        pod = json.loads(kubectl("get", "pod", name, "-o", "json"))
        if pod["status"]["phase"] != "Pending":
            return
        time.sleep(1)


def peer(n, pool):
    begun = time.monotonic()
    for one in [pool.submit(peer_one, i) for i in range(n)]:
        one.result()
    return (time.monotonic() - begun) * 1000


def muster(n, launch):
    said = subprocess.run([launch, str(n), NS, IMAGE, HOST], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return json.loads(said)


def clear():
    """Every round begins with an empty namespace and idle nodes."""
    kubectl("delete", "pods", "--all", "--grace-period=0", "--force",
            "--wait=false")
    until = time.monotonic() + 60
    while kubectl("get", "pods", "-o", "name"):
        if time.monotonic() > until:
            raise RuntimeError("Pods do not go away")
        time.sleep(0.2)
    time.sleep(3)  # kubelets clear up behind what is gone


def requests(since, n):
    """How many the API server has counted for the last launch of n workers."""
    lines = subprocess.run(
        [os.environ["MUSTER_CLUSTER"], "audit", ".", since], check=True,
        stdout=subprocess.PIPE, text=True).stdout.splitlines()
    ours = [line.split("\t") for line in lines
            if "/namespaces/%s/" % NS in line and "system:" not in
            line.split("\t")[1]]
    kinds = {}
    for one in ours:
        kind = one[2] + " " + re.sub(r".*/namespaces/[^/]*/(\w+).*", r"\1",
                                     one[3])
        kinds[kind] = kinds.get(kind, 0) + 1
    total = sum(kinds.values()) - kinds.get("watch pods", 0)
    return {"by_kind": kinds, "each": total / n}


def measure(launch, rounds):
    found = {"rounds": rounds, "sizes": {}, "start_ms": []}
    server = Server()
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for n in (1, 10):
            sides = {"muster": [], "raw": [], "peer": []}
            for i in range(rounds):
                clear()
                since = datetime.datetime.utcnow().isoformat()
                one = muster(n, launch)
                sides["muster"].append(one["launch_ms"])
                found["start_ms"] += one["start_ms"]
                if n == 10 and i == rounds - 1:
                    time.sleep(1)  # for the audit log
                    found["requests"] = requests(since, n)
                clear()
                sides["raw"].append(raw(n, pool, server))
                clear()
                sides["peer"].append(peer(n, pool))
                print("n=%d round %d: muster %.0f ms, raw %.0f, peer %.0f" %
                      (n, i + 1, *(sides[s][-1] for s in sides)),
                      file=sys.stderr)
            found["sizes"][n] = {s: statistics.median(v)
                                 for s, v in sides.items()}
    return found


def show(found):
    print("medians of %d rounds; goals in brackets" % found["rounds"])
    print("%-28s %9s %9s %9s %16s %16s" % ("Pods ready", "muster", "raw POST",
                                           "peer", "of raw", "of peer"))
    for n, side in found["sizes"].items():
        print("%-28s %6.0f ms %6.0f ms %6.0f ms %9.2f [%.2f] %9.2f [%.2f]" % (
            n, side["muster"], side["raw"], side["peer"],
            side["muster"] / side["raw"], GOALS["raw"],
            side["muster"] / side["peer"], GOALS["peer"]))
    starts = sorted(found["start_ms"])
    print("%-28s %6.0f ms p50 [%d], %d ms at most, of %d" % (
        "process start to ready", statistics.median(starts), GOALS["start"],
        starts[-1], len(starts)))
    print("%-28s %6.1f a worker of 10, the watch apart [%d]: %s" % (
        "API requests", found["requests"]["each"], GOALS["requests"],
        ", ".join("%d %s" % (count, kind) for kind, count in
                  sorted(found["requests"]["by_kind"].items()))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("launch", help="bench_kube_launch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    kubectl("create", "namespace", NS)
    try:
        kubectl("create", "secret", "generic", "raw",
                "--from-literal=cookie=" + "x" * 500)
        found = measure(args.launch, args.rounds)
    finally:
        kubectl("delete", "namespace", NS, "--wait=false")
    if args.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        show(found)


main()
