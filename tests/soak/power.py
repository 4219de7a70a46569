#!/usr/bin/python3
"""power.py - the plug is pulled from a box that works, and a box boots in 1970.

    tests/soak/power.py [--cuts N] [--clock SECONDS] [--seed N]

The box is a virtual machine with Debian's kernel (box.py); its devices, its broker and the subscriber are
on this machine.  N times the plug is pulled: in a start, under load, with the link up or down, with a clock
that is trusted or not yet.  Then the books have to close, and what was answered longer than `sync` (and what
a commit takes on this slow machine) before a cut has to come.

Then another box boots in 1970, polls so many seconds, and is given the time by its own kernel: each reading,
corrected where it was sent with the wrong time, has to be within 1 s of when its device answered.
"""

import argparse
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from books import SHOWN, Library  # noqa: E402
from box import HERE, Box, Image  # noqa: E402
from harness import ROOT, World, bench_source, wait_until  # noqa: E402

DEVICES, REGISTERS, INTERVAL_S, SYNC_S = 10, 12, 0.1, 1
COMMIT_S = 1.0  # what a commit may take on top: every instruction of the box is emulated
SEEN_S = 1.0  # an answer may be noticed so much later; a box takes longer to boot
BOX_CONFIG = "/etc/gatewayd/gatewayd.yaml"
IMAGES = os.path.join(ROOT, "build", "box")


class Answers:
    """When each poll of a device was answered, as the plant says it each few milliseconds."""

    def __init__(self, plant, names):
        self.plant, self.at, self.lock = plant, {n: [0.0] for n in names}, threading.Lock()
        self.going = True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while self.going:
            now = time.time()
            with self.lock:
                for name, at in self.at.items():
                    at += [now] * (self.report[name]["polls"] + 1 - len(at))
            time.sleep(0.02)

    @property
    def report(self):
        return self.plant.report()

    def of(self, name):
        """By number of the poll; the first is 1."""
        with self.lock:
            return list(self.at[name])

    def fault(self, name, kind):
        with self.lock:
            self.plant.fault(name, kind)

    def stop(self):
        self.going = False
        self.thread.join()


class Field:
    """The box and what it works with."""

    def __init__(self):
        self.names = ["bench-%d" % i for i in range(1, DEVICES + 1)]
        self.world = World(("--bench", str(DEVICES), "--registers", str(REGISTERS)), lambda w: {
            "field": bench_source(w, DEVICES, REGISTERS, "%dms" % (INTERVAL_S * 1000))})
        self.world.last.append(lambda: self.box.close())
        image = Image(IMAGES, self.world.path("image"))
        image.add(BOX_CONFIG[1:], self.config())
        self.box = Box(image, self.world.folder)
        self.library = Library(self.world, self.names)
        self.answers = Answers(self.world.plant, self.names)

    def config(self):
        c = self.world.config
        c["buffer"].update(path="/var/lib/gatewayd/buffer.db", sync="%ds" % SYNC_S,
                           ring={"path": "/dev/shm/ring", "size": "4MiB"})
        c["control"]["socket"] = "/run/gatewayd/control.sock"
        c["plugins"]["path"] = "/usr/lib/gatewayd/plugins"
        del c["profiles"]
        return json.dumps(c, ensure_ascii=False).replace("127.0.0.1", HERE)

    def start(self):
        code, said = self.box.run("gatewayd -c %s </dev/null >/dev/console 2>&1 &" % BOX_CONFIG)
        assert code == 0, said

    def trust_clock(self, now=None):
        """What a time daemon tells the kernel: the time, and that it vouches for it."""
        if now is not None:
            assert self.box.run("date -s @%d >/dev/null" % now)[0] == 0
        code, said = self.box.run("/sbin/adjtimex -m 1000 -e 1000 -S 1")
        assert code == 0, said

    def came(self):
        """Numbers of polls of each device that the subscriber has."""
        return {b.name: {r["values"]["poll"]: r for r in b.readings.values() if r["values"]}
                for b in self.library.follow()}

    def wait_polls(self, more, deadline=60):
        goal = {n: len(self.answers.of(n)) + more for n in self.names}
        wait_until(lambda: all(len(self.answers.of(n)) >= goal[n] for n in self.names), deadline, "polls", every=0.05)

    def close_books(self):
        for n in self.names:
            self.answers.fault(n, "refuse")
        wait_until(lambda: all(b.is_closed() for b in self.library.follow()), 180, "the books are closed", every=0.5)
        self.answers.stop()
        return ["%s: %s" % (b.name, f) for b in self.library.follow() for f in b.faults()[:SHOWN]]


class Cuts(Field):
    def __init__(self, seed):
        super().__init__()
        self.chance = random.Random(seed)
        self.cuts = []

    def cut(self, number):
        trusted = self.chance.random() < 0.6
        self.box.switch_on()
        if trusted:
            self.trust_clock()
        self.start()
        early = self.chance.random() < 0.2
        if early:
            time.sleep(self.chance.uniform(0, 2))
        else:
            self.wait_polls(self.chance.randint(5, 40))
            if self.chance.random() < 0.5:
                self.world.gate.shut()
                time.sleep(self.chance.uniform(0, 4))
            if not trusted and self.chance.random() < 0.5:
                self.trust_clock()
                time.sleep(self.chance.uniform(0, 2))
        self.cuts.append(self.box.switch_off())
        linked = bool(self.world.gate.listener)
        if not linked:
            self.world.gate.open()
        print("cut %d: %s, the link %s, the clock %strusted at the start" % (
            number, "in a start" if early else "under load", "up" if linked else "down", "" if trusted else "not "), flush=True)

    def lost_before(self):
        """For each cut: seconds from the answer of the oldest poll that it cost."""
        came, found = self.came(), [0.0] * len(self.cuts)
        for n in self.names:
            for poll, at in enumerate(self.answers.of(n)):
                cut = next((i for i, when in enumerate(self.cuts) if at <= when + SEEN_S), None)
                if poll and cut is not None and poll not in came[n]:
                    found[cut] = max(found[cut], self.cuts[cut] - at)
        return found

    def run(self, cuts):
        with self.world as w:
            for i in range(cuts):
                self.cut(i + 1)
            self.box.switch_on()
            self.trust_clock()
            self.start()
            self.wait_polls(10)
            wrong = self.close_books()
            lost = self.lost_before()
            books = self.library.books.values()
            print("%d cuts: %d readings came, %d copies, %d polls cost; the oldest was answered %.2f s before its cut" % (
                cuts, sum(len(b.readings) for b in books), sum(b.copies for b in books),
                sum(len(self.answers.of(n)) - 1 - len(self.came()[n]) for n in self.names), max(lost)))
            wrong += ["cut %d cost what was answered %.2f s before it" % (i + 1, s) for i, s in enumerate(lost)
                      if s > SYNC_S + COMMIT_S]
            if wrong:
                print(self.box.console())
            assert w.subscriber.count()
            return wrong


class FromTheEpoch(Field):
    """Half of its time with the link, half without."""

    def times(self):
        """(device, poll, true time by the readings, whether it was corrected)"""
        corrections = [json.loads(m[1]) for m in self.world.subscriber.all(self.world.topic("clock"))]
        for name, readings in self.came().items():
            for poll, r in readings.items():
                by = [c for c in corrections if r.get("clock") and c["boot"] == r["boot"] and
                      c["mono_from"] <= r["mono"] <= c["mono_to"]]
                yield name, poll, (r["mono"] + by[0]["offset"] if by else r["ts"]) / 1000, bool(by)

    def run(self, seconds):
        with self.world as w:
            self.box.switch_on("1970-01-01T00:00:00")
            self.start()
            wait_until(lambda: all(self.came().values()), 60, "readings")
            time.sleep(seconds / 2)
            w.gate.shut()
            time.sleep(seconds / 2)
            time.sleep(1 - time.time() % 1)
            self.trust_clock(time.time())
            w.gate.open()
            self.wait_polls(20)
            wrong = self.close_books()
            found = list(self.times())
            worst = max(abs(at - self.answers.of(name)[poll]) for name, poll, at, _ in found)
            print("1970: %d readings, %d of them corrected after they were sent; the worst is %.2f s from the truth"
                  % (len(found), sum(c for _, _, _, c in found), worst))
            if worst >= 1:
                wrong.append("a time is %.2f s from the truth" % worst)
            if wrong:
                print(self.box.console())
            return wrong


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--cuts", type=int, default=50)
    p.add_argument("--clock", type=int, default=300, metavar="SECONDS")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    runs = [lambda: Cuts(args.seed).run(args.cuts)] * (args.cuts > 0)
    runs += [lambda: FromTheEpoch().run(args.clock)] * (args.clock > 0)
    failed = 0
    for run in runs:
        wrong = run()
        failed += bool(wrong)
        print("\n".join("  " + line for line in wrong) or "the books close")
    print("%d passed, %d failed" % (len(runs) - failed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
