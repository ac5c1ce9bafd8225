#!/usr/bin/env python3
"""apiserver.py - a Kubernetes API server of the tests' own: it keeps Pods and
Secrets, streams watches, and "runs" a Pod by starting its worker as a process.

Usage: apiserver.py WORKER DIR

Listens on a free port of 127.0.0.1 and prints "ready PORT". What a test wants
of it is said by POST /_script, a JSON object:

  fail     a list of {"method", "path" (a substring), "times", "status",
           "message", "reason", "headers", "do"}; do: reset, hang, truncate,
           slow, html, garbage, large; "after": so many are passed over
  pods     "run" (default), "pending", or a status that each new Pod gets
  lose     so many Pods are created, and the answer is lost
  torn     bytes that a watch writes at a time

GET /_stats counts requests by method and resource; GET /_bodies has what was
posted; POST /_status/NAME replaces the status of a Pod; POST /_kill/NAME kills its
process and has that status come of it; POST /_cut ends all watches; POST /_old makes each resourceVersion until now too old.
"""
import base64
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

WORKER, DIR = sys.argv[1], sys.argv[2]

lock = threading.RLock()
store = {"pods": {}, "secrets": {}}
watches = []
processes = {}
fates = {}
stats = {}
bodies = []
events = []
script = {"fail": [], "pods": "run", "torn": 0}
version = [100]
oldest = [0]


def next_version():
    version[0] += 1
    return str(version[0])


def tell(kind, pod):
    """One event to all who watch; with the lock."""
    pod["metadata"]["resourceVersion"] = next_version()
    event = json.loads(json.dumps({"type": kind, "object": pod}))
    events.append((version[0], event))
    for watch in watches:
        watch.put(event)


def set_status(name, status):
    with lock:
        pod = store["pods"].get(name)
        if pod is None:
            return
        pod["status"] = status
        tell("MODIFIED", pod)


def running():
    return {"phase": "Running", "podIP": "127.0.0.1",
            "containerStatuses": [{"name": "worker", "ready": True,
                                   "state": {"running": {}}}]}


def ended(code):
    state = {"exitCode": code if code >= 0 else 128 - code,
             "reason": "Completed" if code == 0 else "Error"}
    return {"phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [{"name": "worker", "ready": False,
                                   "state": {"terminated": state}}]}


def run(pod):
    """What a kubelet does, for the container "worker"."""
    name = pod["metadata"]["name"]
    with lock:
        pod["spec"]["nodeName"] = "n1"
    spec = [c for c in pod["spec"]["containers"] if c["name"] == "worker"][0]
    env = {"PATH": os.environ["PATH"]}
    for keep in os.environ:
        if keep.endswith("SAN_OPTIONS"):
            env[keep] = os.environ[keep]
    for one in spec.get("env", []):
        env[one["name"]] = one["value"]
    args = [WORKER]
    for volume in pod["spec"].get("volumes", []):
        if "secret" not in volume:
            continue
        source = volume["secret"]
        with lock:
            secret = store["secrets"].get(source["secretName"])
        if secret is None:
            set_status(name, {"phase": "Pending"})
            return
        data = base64.b64decode(secret["data"][source["items"][0]["key"]])
        path = os.path.join(DIR, name + ".cookie")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o440), "wb") as f:
            f.write(data)
        args += ["--cookie", path]
    log = open(os.path.join(DIR, name + ".log"), "wb")
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=log, env=env, start_new_session=True)
    with lock:
        processes[name] = process
    set_status(name, running())
    code = process.wait()
    with lock:
        pod = store["pods"].get(name)
        if pod is not None:
            pod["status"] = fates.get(name) or ended(code)
            tell("MODIFIED", pod)
            if "deletionTimestamp" in pod["metadata"]:
                del store["pods"][name]
                tell("DELETED", pod)


def delete_pod(name, grace):
    with lock:
        pod = store["pods"][name]
        process = processes.get(name)
        if process is not None and process.poll() is None:
            # poll() says None as well while run() is about to reap it
            process.send_signal(signal.SIGTERM if grace else signal.SIGKILL)
        if grace and process is not None and process.poll() is None:
            pod["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z"
            tell("MODIFIED", pod)
            threading.Timer(grace, lambda: process.poll() is None and
                            process.kill()).start()
        else:
            del store["pods"][name]
            tell("DELETED", pod)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def say(self, status, body, headers=None, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, reason, message, headers=None, details=None):
        self.say(status, {"kind": "Status", "apiVersion": "v1",
                          "status": "Failure", "code": status,
                          "reason": reason, "message": message,
                          "details": details or {}}, headers)

    def body(self):
        size = int(self.headers.get("Content-Length") or 0)
        return json.loads(self.rfile.read(size)) if size else None

    def trouble(self, method):
        """True: a fault of the script was the answer."""
        with lock:
            for fault in script["fail"]:
                if (fault.get("method", method) == method and
                        fault.get("path", "") in self.path and
                        fault.get("times", 1) != 0):
                    if fault.get("after", 0) > 0:
                        fault["after"] -= 1
                        continue
                    fault["times"] = fault.get("times", 1) - 1
                    break
            else:
                return False
        what = fault.get("do", "")
        if what == "reset":
            self.connection.shutdown(2)
            self.close_connection = True
        elif what == "hang":
            time.sleep(fault.get("seconds", 3600))
        elif what == "truncate":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"kind": "Pod", "metadata": {"na')
            self.close_connection = True
        elif what == "slow":
            data = json.dumps(fault["body"]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(fault.get("seconds", 0.01))
        elif what == "html":
            self.say(fault.get("status", 200), b"<html>proxy</html>", {},
                     "text/html")
        elif what == "garbage":
            self.say(200, fault.get("body", [1, "two", None]))
        elif what == "large":
            self.say(200, b'{"x": "' + b"y" * fault["bytes"] + b'"}')
        elif fault["status"] < 300:
            self.say(fault["status"], fault.get("body", {}),
                     fault.get("headers"))
        else:
            self.refuse(fault["status"], fault.get("reason", ""),
                        fault.get("message", ""), fault.get("headers"),
                        fault.get("details"))
        return True

    def begin(self, method):
        """Split the path; None: answered already."""
        url = urlparse(self.path)
        parts = url.path.strip("/").split("/")
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        if parts[0].startswith("_"):
            return parts, query
        resource = parts[4] if len(parts) > 4 else ""
        if len(parts) > 6:
            resource += "/" + parts[6]
        if method == "GET" and "watch" in query:
            method = "WATCH"
        with lock:
            key = method + " " + resource
            stats[key] = stats.get(key, 0) + 1
        return (None, query) if self.trouble(method) else (parts, query)

    def matches(self, pod, query):
        for term in query.get("labelSelector", "").split(","):
            if "=" in term:
                key, value = term.split("=", 1)
                if pod["metadata"].get("labels", {}).get(key) != value:
                    return False
            elif term and term not in pod["metadata"].get("labels", {}):
                return False
        return True

    def do_GET(self):
        parts, query = self.begin("GET")
        if parts is None:
            return
        if parts == ["_stats"]:
            with lock:
                self.say(200, stats)
        elif parts == ["_bodies"]:
            with lock:
                self.say(200, bodies)
        elif parts == ["_store"]:
            with lock:
                self.say(200, {k: list(v) for k, v in store.items()})
        elif "watch" in query:
            self.watch(query)
        elif len(parts) == 5:
            with lock:
                items = [o for o in store[parts[4]].values()
                         if self.matches(o, query)]
                self.say(200, {"kind": "List", "items": items, "metadata": {
                    "resourceVersion": str(version[0])}})
        elif len(parts) == 7 and parts[6] == "log":
            path = os.path.join(DIR, parts[5] + ".log")
            data = open(path, "rb").read() if os.path.exists(path) else b""
            lines = data.splitlines(True)[-int(query.get("tailLines", 10)):]
            self.say(200, b"".join(lines), {}, "text/plain")
        else:
            with lock:
                found = store[parts[4]].get(parts[5])
            if found is None:
                self.refuse(404, "NotFound", '%s "%s" not found' %
                            (parts[4], parts[5]))
            else:
                self.say(200, found)

    def watch(self, query):
        mine = queue.Queue()
        since = int(query.get("resourceVersion") or 0)
        with lock:
            if since < oldest[0]:
                old = {"kind": "Status", "code": 410, "reason": "Expired",
                       "message": "too old resource version"}
            else:
                old = None
                for at, event in events:
                    if at > since:
                        mine.put(event)
                watches.append(mine)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            if old is not None:
                self.chunk({"type": "ERROR", "object": old})
                self.wfile.write(b"0\r\n\r\n")
                return
            while True:
                event = mine.get(timeout=float(query["timeoutSeconds"]))
                if event is None:
                    break
                if self.matches(event["object"], query):
                    self.chunk(event)
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, queue.Empty):
            self.close_connection = True
        finally:
            with lock:
                if mine in watches:
                    watches.remove(mine)

    def chunk(self, event):
        data = json.dumps(event).encode() + b"\n"
        step = script["torn"] or len(data)
        for i in range(0, len(data), step):
            piece = data[i:i + step]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

    def do_POST(self):
        body = self.body()
        parts, _ = self.begin("POST")
        if parts is None:
            return
        if parts == ["_script"]:
            with lock:
                script.update(body)
            self.say(200, {})
        elif parts[0] == "_status":
            set_status(parts[1], body)
            self.say(200, {})
        elif parts[0] == "_kill":
            with lock:
                fates[parts[1]] = body
                processes[parts[1]].kill()
            self.say(200, {})
        elif parts == ["_cut"]:
            with lock:
                for watch in watches:
                    watch.put(None)
            self.say(200, {})
        elif parts == ["_old"]:
            with lock:
                oldest[0] = version[0] + 1
                version[0] += 1
            self.say(200, {})
        else:
            self.create(parts[4], body)

    def create(self, resource, body):
        name = body["metadata"]["name"]
        with lock:
            bodies.append(body)
            if name in store[resource]:
                self.refuse(409, "AlreadyExists", '%s "%s" already exists' %
                            (resource, name))
                return
            body["metadata"]["uid"] = "uid-" + name
            body["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
            body["metadata"]["resourceVersion"] = next_version()
            store[resource][name] = body
            if resource == "pods":
                body["status"] = {"phase": "Pending"}
                tell("ADDED", body)
            mode = script["pods"]
            lost = script.get("lose", 0)
            if resource == "pods" and lost:
                script["lose"] = lost - 1
        if resource == "pods" and lost:
            self.connection.shutdown(2)
            self.close_connection = True
        else:
            self.say(201, body)
        if resource == "pods" and mode == "run":
            threading.Thread(target=run, args=(body,), daemon=True).start()
        elif resource == "pods" and isinstance(mode, dict):
            if "containerStatuses" in mode:
                body["spec"]["nodeName"] = "n1"
            set_status(name, mode)

    def do_DELETE(self):
        self.body()
        parts, query = self.begin("DELETE")
        if parts is None:
            return
        grace = int(query.get("gracePeriodSeconds", 30))
        with lock:
            names = [parts[5]] if len(parts) > 5 else [
                n for n, o in store[parts[4]].items()
                if self.matches(o, query)]
            if len(parts) > 5 and parts[5] not in store[parts[4]]:
                self.refuse(404, "NotFound", '%s "%s" not found' %
                            (parts[4], parts[5]))
                return
            for name in names:
                if parts[4] == "pods":
                    delete_pod(name, grace)
                else:
                    del store[parts[4]][name]
        self.say(200, {"kind": "Status", "status": "Success"})


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main():
    server = Server(("127.0.0.1", 0), Handler)
    signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
    print("ready %d" % server.server_address[1], flush=True)
    server.serve_forever()


main()
