#!/usr/bin/python3
"""bench.py - what gatewayd costs and carries, beside Debian's collectd in the same run.

    make bench            writes build/bench.json and prints a table

Everything runs on this machine over loopback: the plant, mosquitto, the program that is
measured and the subscribers.  CPU is user and system time of all processes of the program
over the window, divided by the values a subscriber received in it.  Memory is Private_Dirty
without the ring, which is a shared file.  Delay is from the answer of the device (ts of the
payload) to the subscriber.  BENCH_SECONDS is the length of a window (default 15).
"""

import json
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
import collectd  # noqa: E402
import crowded_bus  # noqa: E402
from harness import ROOT, Child, World, wait_until  # noqa: E402
from measure import (Counter, Sampler, cpu_us, family, lateness_ms, percentile,  # noqa: E402
                     private_dirty_kb)

WINDOW_S = int(os.environ.get("BENCH_SECONDS", "15"))
LOADS = [(10, 100, 1000), (10, 100, 100), (100, 100, 100)]  # devices, values, interval in ms
COLLECTD_LOADS = [(10, 100, 1000), (10, 100, 100)]
SEARCH = [(100, 200, 100), (100, 500, 200), (200, 200, 100), (100, 1000, 250), (100, 1000, 200), (500, 100, 100)]
BUFFER = {"sync": "1s", "history": "1d", "max_size": "1GiB"}


def world(devices, values, *options):
    return World(("--bench", str(devices), "--registers", str(max(values, 2)), "--times", *options),
                 topics="goc/+/status")


def configure(w, devices, values, interval_ms, buffer):
    """All devices in one source, their points in a profile: it is read once."""
    profiles = w.path("profiles")
    os.mkdir(profiles)
    with open(os.path.join(profiles, "pattern.yaml"), "w") as f:
        json.dump({"title": "The pattern of the plant", "plugin": "modbus",
                   "points": {"r%d" % a: {"address": a} for a in range(values)}}, f)
    w.config["profiles"]["path"].insert(0, profiles)
    w.config["buffer"].update(buffer)
    w.config["buffer"]["ring"]["size"] = "64MiB"
    w.config["sinks"]["goc"]["broker"] = "mqtt://127.0.0.1:%d" % w.broker.port
    w.config["sources"] = {"field": {
        "plugin": "modbus", "interval": "%dms" % interval_ms, "devices": {
            "bench-%d" % i: {"connection": w.plant.connection("bench-%d" % i), "unit_id": 1, "profile": "pattern"}
            for i in range(1, devices + 1)}}}


def plant_totals(w):
    report = w.plant.report().values()
    return sum(d["polls"] for d in report), sum(d["requests"] for d in report)


def overruns(w):
    return sum(d["overruns"] for d in w.ctl("devices"))


def window(w, pids, counter, seconds):
    """Costs and counts between two moments `seconds` apart."""
    def now():
        return time.monotonic(), cpu_us(pids), counter.totals(), plant_totals(w)

    seen = counter.totals()[0]
    wait_until(lambda: counter.totals()[0] > seen, 30, "a message")
    time.sleep(0.3)  # between two ticks, so that whole rounds are counted at 1 s
    t0, cpu0, (m0, b0), (p0, r0) = now()
    end = t0 + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))
    t1, cpu1, (m1, b1), (p1, r1) = now()
    return {"seconds": t1 - t0, "cpu_us": cpu1 - cpu0, "messages": m1 - m0, "bytes": b1 - b0,
            "polls": p1 - p0, "requests": r1 - r0}


def run_gatewayd(devices, values, interval_ms, seconds, buffer=None):
    with world(devices, values) as w:
        configure(w, devices, values, interval_ms, {**BUFFER, **(buffer or {})})
        counter = Counter(w.broker.port, "goc/+/+/data", w.path("sizes"))
        sampler = Sampler(w.broker.port, [w.topic("bench-%d" % i, "data") for i in {1, devices}])
        try:
            w.start()
            wait_until(lambda: counter.totals()[0] >= 2 * devices, 30, "two readings of each device", every=0.2)
            pids = family(w.daemon.pid)
            if len(pids) < 3:  # daemon, source, sink: less would make it look cheap
                raise AssertionError("only %d processes of gatewayd were found" % len(pids))
            late = overruns(w)
            sampler.on = True
            m = window(w, pids, counter, seconds)
            sampler.on = False
            m["overruns"] = overruns(w) - late
            m["memory_kb"] = private_dirty_kb(pids, (w.config["buffer"]["ring"]["path"],
                                                     w.config["buffer"]["path"] + "-shm"))
            m["delay_p50_ms"], m["delay_p99_ms"] = (sampler.late(p)[0] for p in (50, 99))
            m["processes"] = len(pids)
        finally:
            sampler.stop()
            counter.stop()
        return figures(m, values)


def figures(m, values_per_message):
    values = m["messages"] * values_per_message
    m["values_per_s"] = values / m["seconds"]
    m["cpu_us_per_value"] = m["cpu_us"] / values if values else None
    m["bytes_per_value"] = m["bytes"] / values if values else None
    m["cpu_percent"] = m["cpu_us"] / m["seconds"] / 10_000
    m["requests_per_poll"] = m["requests"] / m["polls"] if m["polls"] else None
    return m


def run_collectd(devices, values, interval_ms, seconds):
    with world(devices, values) as w:
        path = w.path("collectd.conf")
        ports = {name: port for name, (port, _) in w.plant.ports.items()}
        with open(path, "w") as f:
            f.write(collectd.configuration(w.folder, w.broker.port, ports, values, interval_ms / 1000))
        counter = Counter(w.broker.port, "collectd/#", w.path("sizes"))
        child = Child(["/usr/sbin/collectd", "-f", "-C", path], w.path("collectd.log"))
        try:
            wait_until(lambda: counter.totals()[0] >= 2 * devices * values or not child.running(), 60,
                       "two rounds of collectd", every=0.2)
            if not child.running():
                raise AssertionError("collectd ended:\n" + child.tail())
            pids = family(child.pid)
            m = window(w, pids, counter, seconds)
            m["memory_kb"], m["processes"] = private_dirty_kb(pids), len(pids)
        finally:
            child.kill()
            counter.stop()
        return figures(m, 1)


def run_lateness(silent):
    """p50 and p99 of how late nine healthy devices are polled, the tenth silent or not."""
    options = ("--fault", "bench-10=silent") if silent else ()
    with world(10, 100, *options) as w:
        configure(w, 10, 100, 200, BUFFER)
        w.start()
        wanted = WINDOW_S * 5
        wait_until(lambda: w.plant.report()["bench-1"]["polls"] >= wanted + 5, WINDOW_S * 3 + 20,
                   "%d polls" % wanted, every=0.5)
        report = w.plant.report()
        times = [report["bench-%d" % i]["times_us"][5:] for i in range(1, 10)]
        late = lateness_ms(times, 200_000)
        return {"p50_ms": percentile(late, 50), "p99_ms": percentile(late, 99), "polls": len(late)}


def sustained(m, load):
    devices, values, interval_ms = load
    wanted = devices * values * 1000 / interval_ms
    return m["overruns"] == 0 and m["values_per_s"] >= 0.98 * wanted


def search():
    """The highest load without an overrun, live at the subscriber.  When the usual buffer is
    not fast enough, once more without history."""
    best, tried = None, []
    for load in SEARCH:
        for history in ("1d", "0s"):
            try:
                m = run_gatewayd(*load, min(WINDOW_S, 10), {"history": history})
            except AssertionError as e:
                tried.append({"load": load, "history": history, "error": str(e).splitlines()[0]})
                continue
            m.update(load=load, history=history, sync=BUFFER["sync"], held=sustained(m, load))
            tried.append(m)
            say("search", load, m)
            if m["held"]:
                if best is None or m["values_per_s"] > best["values_per_s"]:
                    best = m
                break
        else:
            break
    return best, tried


HEAD = "%-10s %14s %10s %9s %7s %9s %8s %8s %9s %9s %8s" % (
    "", "load", "values/s", "us/value", "cpu %", "memory kB", "req/poll", "B/value", "p50 ms", "p99 ms", "overruns")


def number(value, form="%.2f"):
    return "-" if value is None else form % value


def say(name, load, m):
    print("%-10s %14s %10.0f %9s %7.1f %9d %8s %8s %9s %9s %8s" % (
        name, "%dx%d/%dms" % load, m["values_per_s"], number(m["cpu_us_per_value"]), m["cpu_percent"],
        m["memory_kb"], number(m["requests_per_poll"], "%.1f"), number(m["bytes_per_value"], "%.1f"),
        number(m.get("delay_p50_ms"), "%.1f"), number(m.get("delay_p99_ms"), "%.1f"), m.get("overruns", "-")),
        flush=True)


def version(argv, word):
    out = subprocess.run(argv, capture_output=True, text=True).stdout
    return next((line for line in out.splitlines() if word in line), "").strip()


def main():
    result = {"machine": {"cpus": os.cpu_count(), "kernel": platform.release()}, "window_s": WINDOW_S,
              "buffer": BUFFER, "gatewayd": [], "collectd": [],
              "collectd_version": version(["/usr/sbin/collectd", "-h"], "collectd ")}
    print(HEAD, flush=True)
    for load in LOADS:
        m = run_gatewayd(*load, WINDOW_S)
        result["gatewayd"].append({"load": load, **m})
        say("gatewayd", load, m)
    for load in COLLECTD_LOADS:
        m = run_collectd(*load, WINDOW_S)
        result["collectd"].append({"load": load, **m})
        say("collectd", load, m)
    for silent in (False, True):
        late = result["lateness_silent" if silent else "lateness"] = run_lateness(silent)
        print("polls at 200 ms, ten devices%s: late by p50 %.2f ms, p99 %.2f ms (%d polls)"
              % (", one of them silent" if silent else "", late["p50_ms"], late["p99_ms"], late["polls"]), flush=True)
    result["serial_bus"] = crowded_bus.measure("1s", "30s", probes=4, patience=400)
    print("31 units at 9600 baud: a cycle of %(alone_s).3f s, with a dead unit beside them %(beside_s).3f s; its recovery "
          "is noticed after %(probed_s).1f s" % result["serial_bus"], flush=True)
    best, result["search"] = search()
    result["highest"] = best
    if best:
        print("highest without overruns: %.0f values/s (%dx%d/%dms, sync %s, history %s)"
              % (best["values_per_s"], *best["load"], best["sync"], best["history"]))
    path = os.path.join(ROOT, "build", "bench.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(result, f, indent=1)
    print("written: " + os.path.relpath(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
