#!/usr/bin/python3
"""drain.py - a long outage comes back at full rate, and what is live stays live.

    tests/soak/drain.py [READINGS...]

For each number: 100 devices of 10 values fill the buffer while the broker is away, then poll
five times a second; the broker comes back and everything goes out with `replay_rate: 0`.  Printed: the
rate at which the broker acknowledged the backlog, how late live readings were meanwhile, and
the memory of gatewayd before and during it.  A subscriber has to have each number once or
more.  Ends with 1 when something is missing, or a figure is worse than its limit: 20,000
readings/s, 100 ms at p99, and memory that grows by less than 8 MiB from the first number to the last.
"""

import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "bench"), os.path.join(HERE, "..", "e2e")]
from harness import World, bench_source, wait_until  # noqa: E402
from measure import Sampler, family, percentile, private_dirty_kb  # noqa: E402

DEVICES, VALUES = 100, 10
RATE, LATE_MS, GROWTH_KB = 20_000, 100, 8192


def recorder(w):
    """Each payload on a line of its own: only a program in C keeps up."""
    with open(w.path("recorded"), "wb") as out:
        return subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(w.broker.port), "-V", "5", "-q", "1",
                                 "-t", "goc/+/+/data", "-t", "goc/+/+/replay", "-F", "%t %p"], stdout=out)


def backlog(w):
    return w.ctl("sinks")[0]["backlog"]


def memory_kb(w):
    return private_dirty_kb(family(w.daemon.pid), (w.path("ring"), w.path("buffer.db-shm")))


def fill(w, readings):
    w.config["sources"] = {"field": bench_source(w, DEVICES, VALUES + 1, "20ms")}
    w.start()
    w.gate.shut()
    wait_until(lambda: backlog(w) >= readings, 60 + readings / 500, "%d readings wait" % readings, every=0.5)
    w.config["sources"] = {"field": bench_source(w, DEVICES, VALUES + 1, "200ms")}
    w.write_config()
    w.ctl("reload")
    return backlog(w)


def drain(w, waiting):
    """Seconds from the first acknowledgement to the last of what waited; peak of memory."""
    w.gate.open()
    wait_until(lambda: backlog(w) < waiting, 60, "the backlog begins to shrink")
    begun, left, peak = time.monotonic(), backlog(w), 0
    first = left
    while (left := backlog(w)) > 2 * DEVICES:
        peak = max(peak, memory_kb(w))
        time.sleep(0.2)
        assert time.monotonic() - begun < 60 + waiting / 1000, "%d still wait" % left
    return first / (time.monotonic() - begun), peak


def numbers_missing(path):
    """Numbers between the first and the last of each device that did not come."""
    seen = {}
    with open(path, "rb") as f:
        for line in f:
            topic, _, payload = line.partition(b" ")
            document = json.loads(payload)
            for r in document if isinstance(document, list) else [document]:
                seen.setdefault(topic.split(b"/")[2], set()).add(r["seq"])
    return sum(max(s) - min(s) + 1 - len(s) for s in seen.values()), sum(map(len, seen.values()))


def run(readings):
    with World(("--bench", str(DEVICES), "--registers", str(VALUES + 1)), topics="goc/+/status") as w:
        w.config["buffer"].update(max_size="4GiB", history="0s")
        w.config["sinks"]["goc"]["replay_rate"] = 0
        sub = recorder(w)
        waiting = fill(w, readings)
        before = memory_kb(w)
        live = Sampler(w.broker.port, [w.topic("bench-%d" % i, "data") for i in range(1, DEVICES + 1, 7)])
        live.on, live.since = True, time.time() * 1000
        try:
            rate, peak = drain(w, waiting)
            live.on = False
            late = percentile(live.delays, 99)
        finally:
            live.stop()
        wait_until(lambda: backlog(w) == 0, 30, "nothing waits any more")
        assert w.daemon.end() == 0, w.daemon.tail()
        wait_until(lambda: w.subscriber.last(w.topic("status"))["state"] == "offline", 10, "the last word")
        sub.terminate()
        sub.wait()
        missing, came = numbers_missing(w.path("recorded"))
        print("%8d waited: %6.0f readings/s, live p99 %s ms of %d, memory %d kB before, %d kB at most; %d came, %d missing"
              % (waiting, rate, "%.0f" % late if late is not None else "-", len(live.delays), before, peak, came,
                 missing), flush=True)
        return {"rate": rate, "late": late, "peak": peak, "missing": missing, "came": came}


def main():
    results = [run(int(n)) for n in sys.argv[1:] or ["100000", "1000000"]]
    last = results[-1]
    good = not any(r["missing"] for r in results) and last["rate"] >= RATE and last["late"] <= LATE_MS and \
        last["peak"] - results[0]["peak"] < GROWTH_KB
    print("%d passed, %d failed" % (good, not good))
    return not good


if __name__ == "__main__":
    sys.exit(main())
