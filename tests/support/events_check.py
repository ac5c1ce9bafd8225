#!/usr/bin/env python3
"""events_check.py PAGE FILE [EXIT_STATUS] - is this what muster-events(5) says?

PAGE is the source of that manual page: every member that occurs in FILE must
have an entry there. With EXIT_STATUS the run must have an end with it, and all
lines must be whole; with "cut" no end, but all lines whole."""
import json
import re
import sys

COMMON = {"event": str, "time": str, "mono_ms": int, "session": str}
LINES = {
    "begin": {"schema": int, "version": str, "host": str, "pid": int,
              "endpoint": str, "script": str, "workers": int, "min": int},
    "state": {"rank": int, "incarnation": int, "from": str, "to": str,
              "code": str, "text": str},
    "end": {"status": int},
}
MAYBE = {"state": {"name": str, "node": str, "pid": int, "exit_status": int,
                   "exit_signal": int, "health": dict}}
HEALTH = {"age_ms": int, "handlers": int}
MAYBE_HEALTH = {"memory_bytes": int, "memory_limit_bytes": int,
                "rss_bytes": int, "oom_kills": int, "throttled": int,
                "throttled_us": int, "handler": str, "handler_ms": int}
STATES = ["asked", "booting", "joining", "ready", "cut", "leaving", "gone",
          "lost"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
used = set()


def no_twins(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"a name twice: {names}"
    return dict(pairs)


def check(found, must, may):
    for name, kind in must.items():
        assert name in found, f"no {name}"
    for name, value in found.items():
        kind = must.get(name) or may.get(name)
        assert kind is not None, f"{name} is not known"
        assert type(value) is kind, f"{name} is {value!r}"
        assert kind is not int or value >= 0, f"{name} is negative"
    used.update(found)


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data.endswith(b"\n"), f"the last line is cut: {data[-80:]!r}"
    for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
        try:
            yield number, json.loads(line, object_pairs_hook=no_twins)
        except Exception as why:
            raise AssertionError(f"line {number}: {why}: {line}") from why


def main(page, path, want=None):
    last, state, session, events = 0, {}, None, []
    for number, line in read(path):
        try:
            event = line.get("event")
            assert event in LINES, f"event {event}"
            check(line, {**COMMON, **LINES[event]}, MAYBE.get(event, {}))
            assert TIME.fullmatch(line["time"]), line["time"]
            assert line["mono_ms"] >= last, "back in time"
            assert line["session"] == (session or line["session"])
            last, session = line["mono_ms"], line["session"]
            assert (event == "begin") == (number == 1), "begin is the first"
            assert "end" not in events, "something after the end"
            events.append(event)
            if event == "begin":
                assert line["schema"] == 1
            if event == "state":
                check(line.get("health", {"age_ms": 0, "handlers": 0}), HEALTH,
                      MAYBE_HEALTH)
                who = (line["rank"], line["incarnation"])
                assert line["from"] == state.get(who, "asked"), \
                    f"{who} was {state.get(who)}, not {line['from']}"
                assert line["to"] in STATES and line["to"] != line["from"]
                assert (line["code"] == "MUSTER_ELOST") == \
                    (line["to"] == "lost"), line["code"]
                state[who] = line["to"]
        except AssertionError as why:
            raise AssertionError(f"line {number}: {why}: {line}") from why
    if want == "cut":
        assert "end" not in events
    elif want is not None:
        assert events[-1] == "end" and line["status"] == int(want), line
        assert all(s in ("gone", "lost") for s in state.values()), state
    with open(page, encoding="utf-8") as file:
        entries = set(re.findall(r"^\.TP\n\.B \"?([a-z_]+)", file.read(), re.M))
    assert used <= entries, f"not in {page}: {used - entries}"
    known = {**COMMON, **HEALTH, **MAYBE_HEALTH, **MAYBE["state"]}
    for members in LINES.values():
        known.update(members)
    assert entries == set(known), f"{page}: {entries ^ set(known)}"
    print(f"  {path.rsplit('/', 1)[-1]}: {len(events)} lines, "
          f"{len(state)} workers")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except AssertionError as why:
        sys.exit(f"events_check.py: {why}")
