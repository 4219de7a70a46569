#!/usr/bin/python3
"""campaign.py - random faults under load, and then the books are closed.

    tests/soak/campaign.py [--seconds N] [--keep] SEED...

Each seed is a run of its own: a plant with 10 to 50 devices, a broker behind a gate, a
recorder, a gatewayd, and N seconds of faults that the seed chooses: kill -9 of the daemon
and of plugins, a power cut, a daemon that is held, the broker killed, the link shut with and without
FIN.  Then everything is healed, the devices fall silent, and the books have to close:
each number from first_seq on came once with one content or lies in one loss range, the
values are what the plant answered, `data` never goes back, and no `progress` ever told
more than had come by then.  A fault in the books names the seed.
"""

import argparse
import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import (World, bench_source, bench_wrong, bury_orphans, children_of,  # noqa: E402
                     command_of, wait_until)

REGISTERS = 12
HEAL_S, CLOSE_S = 90, 120
SHOWN = 5  # faults of one kind that a report names


# ---- the books ----

class Books:
    """What the recorder knows of one device, in the order in which it came."""

    def __init__(self, name):
        self.name, self.readings, self.losses = name, {}, {}
        self.first_seq = self.progress = None
        self.data = self.closed = 0
        self.copies, self.wrong = 0, []

    def take(self, kind, document):
        getattr(self, "_" + kind)(document)

    def _directory(self, d):
        self._same("first_seq", self.first_seq, d["first_seq"])
        self.first_seq = d["first_seq"]

    def _data(self, r):
        if r["seq"] < self.data:
            self.wrong.append("data %d came after %d" % (r["seq"], self.data))
        self.data = r["seq"]
        self._reading(r)

    def _replay(self, readings):
        seqs = [r["seq"] for r in readings]
        if seqs != sorted(set(seqs)):
            self.wrong.append("a replay is out of order: %s" % seqs)
        for r in readings:
            self._reading({k: v for k, v in r.items() if k != "replay"})

    def _reading(self, r):
        self.copies += r["seq"] in self.readings
        self._same("reading %d" % r["seq"], self.readings.setdefault(r["seq"], r), r)

    def _window(self, d):
        self._loss(dict(d, cause="thinned", exact=False))

    def _loss(self, d):
        self._same("loss from %d" % d["from"], self.losses.setdefault(d["from"], d), d)

    def _progress(self, d):
        self.progress = d
        if d["complete_to"] > d["last"]:
            self.wrong.append("progress beyond the last: %s" % d)
        missing = self.missing(max(self.closed + 1, d["first_seq"]), d["complete_to"])
        if missing:
            self.wrong.append("progress closed %s, which had not come" % spans(missing))
        self.closed = max(self.closed, d["complete_to"])

    def _same(self, what, old, new):
        if old is not None and old != new:
            self.wrong.append("%s: two contents: %s and %s" % (what, old, new))

    def missing(self, first, last):
        """Numbers of the range that neither came nor were lost.  A loss may be of a million
        numbers: it is stepped over whole."""
        missing, at = [], first
        for d in sorted(self.losses.values(), key=lambda d: d["from"]) + [{"from": last + 1, "to": last}]:
            missing += [n for n in range(at, min(d["from"], last + 1)) if n not in self.readings]
            at = max(at, d["to"] + 1)
        return missing

    def is_closed(self):
        """Up to the reading without values that says that the device is offline."""
        p = self.progress
        return p and p["complete_to"] == p["last"] and \
            self.readings.get(p["last"], {}).get("values") == {}

    def faults(self):
        """All that is wrong with the closed books, one line each."""
        return self.wrong + self._holes() + self._twice() + self._values()

    def _holes(self):
        last = max([*self.readings, *(d["to"] for d in self.losses.values()),
                    self.progress["last"] if self.progress else 0], default=0)
        if not self.first_seq:
            return ["its directory did not come"]
        missing = self.missing(self.first_seq, last)
        return ["neither came nor was lost: %s" % spans(missing)] if missing else []

    def _twice(self):
        """After a power cut the gateway cannot know what came: such a range is not exact."""
        found, end = [], 0
        for d in sorted(self.losses.values(), key=lambda d: d["from"]):
            if d["from"] <= end:
                found.append("loss ranges overlap at %d" % d["from"])
            came = sorted(n for n in self.readings if d["from"] <= n <= d["to"])
            if came and d["exact"]:
                found.append("declared lost (%s) and received: %s" % (d["cause"], spans(came)))
            end = max(end, d["to"])
        return found

    def _values(self):
        found, before = [], -1
        for seq in sorted(self.readings):
            values = self.readings[seq]["values"]
            if bench_wrong(values):
                found.append("reading %d: wrong values: %s" % (seq, bench_wrong(values)))
            if values.get("poll", before + 1) <= before:
                found.append("reading %d: poll %d after %d" % (seq, values["poll"], before))
            before = values.get("poll", before)
        return found


def spans(numbers):
    """[1, 2, 3, 7] as "1-3 7"."""
    text, start = [], None
    for i, n in enumerate(numbers):
        start = n if start is None else start
        if i + 1 == len(numbers) or numbers[i + 1] != n + 1:
            text.append("%d-%d" % (start, n) if n > start else "%d" % n)
            start = None
    return " ".join(text[:SHOWN]) + (" ... (%d numbers)" % len(numbers) if len(text) > SHOWN else "")


class Library:
    """The books of all devices, fed with the recorder's messages as they come."""

    KINDS = ("directory", "data", "replay", "window", "loss", "progress")

    def __init__(self, world, names):
        self.world, self.read = world, 0
        self.books = {n: Books(n) for n in names}

    def follow(self):
        messages = self.world.subscriber.all(since=self.read)
        self.read += len(messages)
        for topic, payload, _, _ in messages:
            words = topic.split("/")
            if words[-2] in self.books and words[-1] in self.KINDS and payload:
                self.books[words[-2]].take(words[-1], json.loads(payload))
        return self.books.values()


# ---- the faults ----

class Campaign:
    """One run.  `link` is open, frozen or shut; the broker is only down while it is not open."""

    def __init__(self, seed, seconds):
        self.seed, self.seconds, self.chance = seed, seconds, random.Random(seed)
        self.devices = self.chance.randint(10, 50)
        self.interval_ms = self.chance.choice((100, 150, 200))
        self.names = ["bench-%d" % i for i in range(1, self.devices + 1)]
        self.link, self.broker_up, self.log = "open", True, []
        self.begun = time.monotonic()
        self.world = World(("--bench", str(self.devices), "--registers", str(REGISTERS)),
                           lambda w: {"field": bench_source(w, self.devices, REGISTERS,
                                                            "%dms" % self.interval_ms)})
        self.world.config["buffer"]["sync"] = self.chance.choice(("0s", "200ms", "1s"))
        self.world.config["buffer"]["history"] = self.chance.choice(("0s", "1h"))
        self.library = Library(self.world, self.names)

    def note(self, what):
        self.log.append("%6.2f %s" % (time.monotonic() - self.begun, what))

    def kill_daemon(self):
        self.world.daemon.end(signal.SIGKILL)
        self.world.start(wait=False)

    def _kill_plugin(self, name):
        for pid in children_of(self.world.daemon.pid):
            if command_of(pid).split(" ")[0].endswith("plugins/" + name):
                os.kill(pid, signal.SIGKILL)

    def cut_power(self):
        """What a power cut leaves when all was synced: the files, and not what was in memory."""
        self.world.daemon.end(signal.SIGKILL)
        os.unlink(self.world.path("ring"))
        self.world.start(wait=False)

    def kill_source(self):
        self._kill_plugin("modbus")

    def kill_sink(self):
        self._kill_plugin("mqtt")

    def hold_daemon(self):
        self.world.daemon.send(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.1, 1.5))
        self.world.daemon.send(signal.SIGCONT)

    def freeze(self):
        self.world.gate.freeze()
        self.link = "frozen"

    def shut(self):
        self.world.gate.shut()
        self.world.gate.thaw()
        self.link = "shut"

    def open_link(self):
        if self.link == "shut":
            self.world.gate.open()
        self.world.gate.thaw()
        self.link = "open"

    def kill_broker(self):
        """What the broker has acknowledged is read by the recorder first: the loss of a
        broker without a store is not the gateway's."""
        self.freeze()
        word = "flush-%d" % len(self.log)
        since = self.world.subscriber.count()
        self.world.subscriber.client.publish("campaign/flush", word, qos=1)
        wait_until(lambda: self.world.subscriber.all("campaign/flush", since), 20, "the recorder has all")
        self.world.broker.kill()
        wait_until(lambda: not self.world.subscriber.subscribed.is_set(), 10, "the recorder is cut off")
        self.shut()
        self.broker_up = False

    def start_broker(self):
        self.world.broker.start()
        wait_until(self.world.subscriber.subscribed.is_set, 20, "the recorder is back")
        self.broker_up = True

    def possible(self):
        """Name and weight of what may happen now."""
        faults = {"kill_daemon": 4, "cut_power": 1, "kill_source": 1, "kill_sink": 1, "hold_daemon": 2}
        if self.link == "open":
            faults.update(freeze=3, shut=3, kill_broker=2)
        elif not self.broker_up:
            faults.update(start_broker=8)
        else:
            faults.update(open_link=10, shut=2 if self.link == "frozen" else 0)
        return faults

    def rage(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            faults = self.possible()
            fault = self.chance.choices(list(faults), list(faults.values()))[0]
            self.note(fault)
            getattr(self, fault)()
            time.sleep(min(self.chance.expovariate(1.0), 6))
            self.library.follow()

    # ---- and the end of them ----

    def heal(self):
        if not self.broker_up:
            self.start_broker()
        self.open_link()
        self.note("healed")
        wait_until(self._answers, 20, "the daemon answers")
        for kind in ("sources", "sinks"):
            for one in self.world.ctl(kind):
                if one["state"] in ("backoff", "failed"):
                    self.world.ctl("restart", one["name"])
        wait_until(self._all_online, HEAL_S, "all are online again", every=0.3)

    def _answers(self):
        return self.world.ctl("version", check=False)[0] == 0

    def _all_online(self):
        sinks, devices = self.world.ctl("sinks"), self.world.ctl("devices")
        return all(s["state"] == "connected" for s in sinks) and \
            all(d["state"] == "online" for d in devices)

    def silence(self):
        """The devices say no more, and so there is a last number."""
        for n in self.names:
            self.world.plant.fault(n, "refuse")
        wait_until(lambda: all(d["state"] == "offline" for d in self.world.ctl("devices")), HEAL_S,
                   "all have fallen silent", every=0.3)
        wait_until(lambda: all(b.is_closed() for b in self.library.follow()), CLOSE_S,
                   "the books are closed", every=0.5)

    def run(self):
        """Lines of what is wrong; none is what we want."""
        with self.world as w:
            w.start()
            wait_until(lambda: all(len(b.readings) > 3 for b in self.library.follow()), 60, "readings")
            try:
                self.rage()
                self.heal()
                self.silence()
            except AssertionError as e:
                return [str(e)] + self.faults() + w.daemon.tail(20).splitlines()
            assert w.daemon.end() == 0, w.daemon.tail()
            self.library.follow()
            bury_orphans()
            return self.faults()

    def faults(self):
        return ["%s: %s" % (b.name, f) for b in self.library.follow() for f in b.faults()[:SHOWN]]

    def summary(self):
        books = self.library.books.values()
        return "seed %d: %d devices each %d ms, sync %s, history %s, %d faults: %d readings, %d copies, %d lost" % (
            self.seed, self.devices, self.interval_ms, self.world.config["buffer"]["sync"],
            self.world.config["buffer"]["history"], len(self.log), sum(len(b.readings) for b in books),
            sum(b.copies for b in books), sum(d["count"] for b in books for d in b.losses.values()))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--keep", action="store_true", help="keep the folder of each run")
    p.add_argument("seeds", nargs="+", type=int)
    args = p.parse_args()
    bad = 0
    if args.keep:
        os.environ["KEEP"] = "1"
    for seed in args.seeds:
        c = Campaign(seed, args.seconds)
        faults = c.run()
        bad += bool(faults)
        print(c.summary() + (": the books DO NOT close" if faults else ": the books close"), flush=True)
        if faults:
            print("\n".join(["  " + f for f in faults[:60]] + ["  faults were:"] + ["  " + x for x in c.log]),
                  "\n  in " + c.world.folder, flush=True)
    print("%d passed, %d failed" % (len(args.seeds) - bad, bad))
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
