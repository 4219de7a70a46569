#!/usr/bin/python3
"""drain.py - a long outage comes back at full rate, and what is live stays live.

    tests/soak/drain.py [READINGS...]

For each number: 100 devices of 10 values fill the buffer while the broker is away, then poll
five times a second; the broker comes back and everything goes out with `replay_rate: 0`.  Printed: the
rate at which the broker acknowledged the backlog, how late live readings were meanwhile, and
the memory of gatewayd before and during it.  The books of a subscriber have to close with nothing
declared lost.  Ends with 1 when they do not, or a figure is worse than its limit: 20,000
readings/s, 100 ms at p99, and memory that grows by less than 8 MiB from the first number to the last.
"""

import contextlib
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "bench"), os.path.join(HERE, "..", "e2e")]
from harness import World, bench_source, wait_until  # noqa: E402
from books import Books, Library  # noqa: E402
from measure import Sampler, family, private_dirty_kb  # noqa: E402

DEVICES, VALUES = 100, 10
RATE, LATE_MS, GROWTH_KB = 20_000, 100, 8192


@contextlib.contextmanager
def recorder(w):
    """Each payload on a line of its own: only a program in C keeps up."""
    topics = [word for kind in Library.KINDS for word in ("-t", "goc/+/+/" + kind)]
    with open(w.path("recorded"), "wb") as out:
        sub = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(w.broker.port), "-V", "5",
                                "-q", "1", *topics, "-t", w.topic("status"), "-F", "%t %p"], stdout=out)
    try:
        yield
    finally:
        sub.terminate()
        sub.wait()


def has_heard_the_end(path):
    with open(path, "rb") as f:
        f.seek(-min(os.path.getsize(path), 4096), os.SEEK_END)
        return b'/status {"state":"offline","reason":"stopped"' in f.read().splitlines()[-1]


def backlog(w):
    return w.ctl("sinks")[0]["backlog"]


def memory_kb(w):
    return private_dirty_kb(family(w.daemon.pid), (w.path("ring"), w.path("buffer.db-shm")))


def fill(w, devices, readings):
    w.config["sources"] = {"field": bench_source(w, devices, VALUES + 1, "20ms")}
    w.start()
    w.gate.shut()
    wait_until(lambda: backlog(w) >= readings, 60 + readings / 500, "%d readings wait" % readings, every=0.5)
    w.config["sources"] = {"field": bench_source(w, devices, VALUES + 1, "200ms")}
    w.write_config()
    w.ctl("reload")
    return backlog(w)


def online_since(w):
    """Unix ms of the first `online` after the outage; before it nothing could be live."""
    status = w.subscriber.last(w.topic("status"))
    return status["ts"] if status["state"] == "online" else None


def drain(w, devices, waiting):
    """Readings/s from the first acknowledgement to the last of what waited; peak of memory."""
    wait_until(lambda: w.unacknowledged() < waiting, 60, "the backlog begins to shrink")
    begun, first, peak = time.monotonic(), w.unacknowledged(), 0
    while (left := w.unacknowledged()) > 5 * devices:
        peak = max(peak, memory_kb(w))
        time.sleep(0.2)
        assert time.monotonic() - begun < 60 + waiting / 1000, "%d still wait" % left
    return first / (time.monotonic() - begun), peak


def numbers_of(kind, document):
    """A reading without its values: a million have to fit into memory."""
    if kind not in ("data", "replay"):
        return document
    return {"seq": document["seq"]} if kind == "data" else [{"seq": r["seq"]} for r in document]


def books_of(path):
    found = {}
    with open(path, "rb") as f:
        for line in f:
            topic, _, payload = line.partition(b" ")
            name, kind = topic.decode().split("/")[-2:]
            if kind in Library.KINDS:
                found.setdefault(name, Books(name)).take(kind, numbers_of(kind, json.loads(payload)))
    return found.values()


def account(path, devices):
    """Readings that came, numbers that were declared lost, and what is wrong with the books."""
    books = books_of(path)
    wrong = [] if len(books) == devices else ["books of %d devices instead of %d" % (len(books), devices)]
    wrong += ["%s: %s" % (b.name, fault) for b in books for fault in b.wrong + b.holes()]
    return (sum(len(b.readings) for b in books),
            sum(d["to"] - d["from"] + 1 for b in books for d in b.losses.values()), wrong)


def run(readings, devices=DEVICES, line=None):
    """line: bytes/s of the way to the broker, when it comes back."""
    with World(("--bench", str(devices), "--registers", str(VALUES + 1)), topics="goc/+/status") as w, recorder(w):
        w.config["buffer"].update(max_size="4GiB", history="0s")
        w.config["sinks"]["goc"]["replay_rate"] = 0
        waiting = fill(w, devices, readings)
        before = memory_kb(w)
        w.gate.rate = line
        live = Sampler(w.broker.port, [w.topic("bench-%d" % i, "data") for i in range(1, devices + 1, 7)])
        live.on = True
        w.gate.open()
        try:
            live.since = wait_until(lambda: online_since(w), 60, "it is connected")
            rate, peak = drain(w, devices, waiting)
            live.on = False
            late, samples = live.late(99)
        finally:
            live.stop()
        wait_until(lambda: w.unacknowledged() == 0, 30, "nothing waits any more", every=0.005)
        assert w.daemon.end() == 0, w.daemon.tail()
        wait_until(lambda: has_heard_the_end(w.path("recorded")), 30, "the recorder has it all")
        came, lost, wrong = account(w.path("recorded"), devices)
        print("%8d waited: %6.0f readings/s, live p99 %s ms of %d, memory %d kB before, %d kB at most; "
              "%d came, %d declared lost%s"
              % (waiting, rate, "%.0f" % late if late is not None else "-", samples, before, peak, came, lost,
                 "".join("\n" + fault for fault in wrong)), flush=True)
        return {"rate": rate, "late": late, "samples": samples, "peak": peak, "came": came, "lost": lost, "wrong": wrong}


def main():
    results = [run(int(n)) for n in sys.argv[1:] or ["100000", "1000000"]]
    last = results[-1]
    good = not any(r["wrong"] or r["lost"] for r in results) and last["rate"] >= RATE and last["samples"] > 0 and \
        last["late"] <= LATE_MS and last["peak"] - results[0]["peak"] < GROWTH_KB
    print("%d passed, %d failed" % (good, not good))
    return not good


if __name__ == "__main__":
    sys.exit(main())
