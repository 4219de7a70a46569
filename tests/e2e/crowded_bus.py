"""crowded_bus.py - what a dead unit costs the 31 healthy ones beside it on a serial bus at 9600 baud.

Two buses of the same run: one with the healthy units alone, one with the dead unit among them.  Both are asked
for more than they can carry, so that what the dead unit takes is what the others miss: a cycle is the time in which each
healthy unit is asked once.
"""

import time

from harness import World, wait_until
from serial_line import Buses

HEALTHY, DEAD = list(range(1, 32)), 32
TURNAROUND_MS = 20  # the plugin counts on none, or it would refuse to be asked for more than there is time
POINTS = {"low": {"address": 0}, "high": {"address": 1}}


def source(path, prefix, units, timeout, probe_period):
    """The timeout is the dead unit's; the others keep the default, so that a busy machine makes none silent."""
    devices = {"%s-%d" % (prefix, u): {"unit_id": u, "points": POINTS} for u in units}
    if DEAD in units:
        devices["%s-%d" % (prefix, DEAD)]["timeout"] = timeout
    return {"plugin": "modbus", "connection": "rtu:" + path, "interval": "1s", "probe_period": probe_period,
            "turnaround": "0ms", "devices": devices}


def cycle_s(asked, begin, end):
    """Mean time from one request of a healthy unit to its next between two moments."""
    times = sorted(t for u in HEALTHY for t in asked[u] if begin <= t < end)
    return len(HEALTHY) * (times[-1] - times[0]) / (len(times) - 1)


def cycle_with_dead_s(asked, begin, end):
    """The same from one probe to another: what goes between them is whole."""
    return len(HEALTHY) * (end - begin) / sum(begin <= t < end for u in HEALTHY for t in asked[u])


def wrong(world, prefix):
    """Readings of healthy units that lack a value or have a wrong one."""
    return [r for u in HEALTHY for r in world.ledger("%s-%d" % (prefix, u)).readings.values()
            if r["values"] != {"low": 1000 * u, "high": 1000 * u + 1} or "quality" in r]


BEFORE = 4  # requests to the dead unit: two cycles with a retry; what follows are probes


def measure(timeout, probe_period, probes, patience):
    """Over so many times from probe to probe.

    {alone_s, beside_s: a cycle; slower: by that part; probed_s: from the recovery to the first request; recovered_s: to
    the first values; wrong: readings of healthy units}
    """
    with World() as w:
        buses = Buses(w.folder, [HEALTHY, HEALTHY + [DEAD]], turnaround_ms=TURNAROUND_MS)
        try:
            buses.fault(1, DEAD, "silent")
            w.config["sources"] = {
                "alone": source(buses.paths[0], "a", HEALTHY, timeout, probe_period),
                "beside": source(buses.paths[1], "b", HEALTHY + [DEAD], timeout, probe_period)}
            w.start()
            asked = wait_until(lambda: next((r for r in [buses.report()] if len(r[1][DEAD]) > BEFORE + probes), None),
                               patience, "%d probes" % (probes + 1), every=0.1)
            begin, end = asked[1][DEAD][BEFORE], asked[1][DEAD][BEFORE + probes]
            found = {"alone_s": cycle_s(asked[0], begin, end), "beside_s": cycle_with_dead_s(asked[1], begin, end)}
            found["slower"] = found["beside_s"] / found["alone_s"] - 1
            buses.fault(1, DEAD, "right")
            alive = time.monotonic()
            wait_until(lambda: any(r["values"] for r in w.ledger("b-%d" % DEAD).readings.values()), patience, "recovery")
            found["recovered_s"] = time.monotonic() - alive
            found["probed_s"] = min(t for t in buses.report()[1][DEAD] if t > alive) - alive
            found["wrong"] = wrong(w, "a") + wrong(w, "b")
            return found
        finally:
            buses.child.kill()
