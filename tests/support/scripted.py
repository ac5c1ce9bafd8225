#!/usr/bin/env python3
"""scripted.py - an HTTP server that answers what it is told to, byte by byte.

Usage: scripted.py [--tls DIR [--san NAMES] [--expired] [--client]]

Listens on a free port of 127.0.0.1 and prints "ready PORT". With --tls it
first makes a CA in DIR (ca.pem), a server's certificate for NAMES (default
IP:127.0.0.1) and a client's (client.pem, client.key); --client wants it.

Each line of standard input is a command, answered by one line:

  {"on": "GET /x", "answers": [...]}   what a request whose "METHOD path" has
        this in it gets: the next answer, and the last again and again. The
        latest command that fits counts; without one it is 404.
  {"asked": "/x"}    the requests so far that have this in them, as a list of
        {"line", "headers", "body", "port", "sni"}; port: of the client,
                     sni: the name that TLS was asked for
  {"forget": true}   no answers, no requests

An answer:

  status    200            reason     "OK"
  headers   {}             body       a text, or JSON that becomes one
  length    Content-Length when it is not the body's; null: none, the
            connection's end is the body's
  chunks    a list of texts instead of a body: sent chunked, each at once
  pause     seconds before each chunk            before     before all of it
  split     n: each write has n bytes            rate       bytes of the body a second
  repeat    n: the body n times                  raw        all of the bytes
  early     true: it comes before the request's body is read
  then      "keep" (default), "close", "reset", "hang", "cut" (chunks without
            their end)

Ends when its standard input does.
"""
import argparse
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

lock = threading.Lock()
rules = []
asked = []


class Reset(Exception):
    pass


def next_answer(line):
    for rule in reversed(rules):
        if rule["on"] in line:
            answers = rule["answers"]
            return answers.pop(0) if len(answers) > 1 else answers[0]
    return {"status": 404, "body": "404 page not found"}


def write(sock, data, answer):
    step = answer.get("split") or len(data) or 1
    if "rate" in answer:
        step = max(1, answer["rate"] // 20)
    for i in range(0, len(data), step):
        sock.sendall(data[i:i + step])
        if "rate" in answer:
            time.sleep(step / answer["rate"])


def respond(sock, answer):
    """True: the connection stays."""
    time.sleep(answer.get("before", 0))
    then = answer.get("then", "keep")
    if "raw" in answer:
        write(sock, answer["raw"].encode("latin-1"), answer)
    elif answer.get("status", 200) != 0:
        body = answer.get("body", "")
        body = body if isinstance(body, str) else json.dumps(body)
        data = body.encode() * answer.get("repeat", 1)
        head = "HTTP/1.1 %d %s\r\n" % (answer.get("status", 200),
                                       answer.get("reason", "OK"))
        headers = {"Content-Type": "application/json"}
        if "chunks" in answer:
            headers["Transfer-Encoding"] = "chunked"
        elif answer.get("length", 0) is not None:
            headers["Content-Length"] = answer.get("length", len(data))
        headers.update(answer.get("headers", {}))
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                head += "%s: %s\r\n" % (name, one)
        write(sock, head.encode() + b"\r\n", {"split": answer.get("split")})
        if "chunks" in answer:
            for chunk in answer["chunks"]:
                time.sleep(answer.get("pause", 0))
                chunk = chunk.encode()
                write(sock, b"%x\r\n%s\r\n" % (len(chunk), chunk), answer)
            if then not in ("hang", "cut", "reset"):
                sock.sendall(b"0\r\n\r\n")
        else:
            write(sock, data, answer)
        if answer.get("length", 0) is None:
            return False
    if then == "hang":
        time.sleep(3600)
    if then == "reset":
        raise Reset
    return then == "keep"


def serve(sock, peer):
    file = sock.makefile("rb")
    while True:
        line = file.readline().decode("latin-1").strip()
        if not line:
            return
        headers = {}
        while True:
            header = file.readline().decode("latin-1").strip()
            if not header:
                break
            name, value = header.split(":", 1)
            headers[name.lower()] = value.strip()
        line = line.rsplit(" ", 1)[0]
        request = {"line": line, "headers": headers, "port": peer[1],
                   "sni": getattr(sock, "asked_name", None)}
        with lock:
            asked.append(request)
            answer = next_answer(line)
        if not answer.get("early"):
            body = file.read(int(headers.get("content-length", 0)))
            request["body"] = body.decode("latin-1")
        if not respond(sock, answer):
            return


def shake_hands(sock, context):
    """Who is refused can read why: closing over unread bytes would reset."""
    raw = sock.dup()
    raw.settimeout(5)
    sock = context.wrap_socket(sock, server_side=True,
                               do_handshake_on_connect=False)
    try:
        sock.do_handshake()
    except ssl.SSLError:
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(4096):
            pass
        raise
    finally:
        raw.close()
    return sock


def connection(sock, peer, context):
    reset = False
    try:
        if context is not None:
            sock = shake_hands(sock, context)
        elif sock.recv(1, socket.MSG_PEEK) == b"\x16":
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass
        serve(sock, peer)
    except Reset:
        reset = True
    except (OSError, ValueError):
        pass
    if reset:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
    try:
        if not reset:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    # a makefile() keeps the descriptor until it goes, too
    sock.close()


def openssl(directory, *args):
    subprocess.run(["openssl", *args], cwd=directory, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def make_key(directory, name, subject, *more):
    openssl(directory, "req", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", name + ".key",
            "-subj", subject, *more)


def sign(directory, name, days, extension):
    with open(os.path.join(directory, name + ".ext"), "w") as f:
        f.write(extension)
    openssl(directory, "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem",
            "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-extfile",
            name + ".ext", "-out", name + ".pem")


def note_name(sock, name, context):
    sock.asked_name = name


def make_certificates(args):
    make_key(args.tls, "ca", "/CN=test CA", "-x509", "-days", "2",
             "-out", "ca.pem")
    make_key(args.tls, "server", "/CN=server", "-out", "server.csr")
    sign(args.tls, "server", "-1" if args.expired else "2",
         "subjectAltName=%s\n" % args.san)
    make_key(args.tls, "client", "/O=testers/CN=client", "-out", "client.csr")
    sign(args.tls, "client", "2", "extendedKeyUsage=clientAuth\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(args.tls, "server.pem"),
                            os.path.join(args.tls, "server.key"))
    context.sni_callback = note_name
    if args.client:
        context.load_verify_locations(os.path.join(args.tls, "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def command(text):
    said = json.loads(text)
    with lock:
        if "on" in said:
            rules.append(said)
        elif "asked" in said:
            return [a for a in asked if said["asked"] in a["line"]]
        elif "forget" in said:
            rules.clear()
            asked.clear()
    return True


def accept(server, context):
    while True:
        sock, peer = server.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=connection, args=(sock, peer, context),
                         daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls")
    parser.add_argument("--san", default="IP:127.0.0.1")
    parser.add_argument("--expired", action="store_true")
    parser.add_argument("--client", action="store_true")
    args = parser.parse_args()
    context = make_certificates(args) if args.tls else None
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=accept, args=(server, context),
                     daemon=True).start()
    print("ready %d" % server.getsockname()[1], flush=True)
    for line in sys.stdin:
        print(json.dumps(command(line)), flush=True)


main()
