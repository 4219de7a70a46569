"""The clock: a box that boots in 1970, and clocks that are set while it runs."""

import contextlib
import json
import os
import signal
import sqlite3
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shims  # noqa: E402
from harness import World, bench_source, wait_until  # noqa: E402

HOUR, YEAR = 3600, 365 * 86400
DEVICES = ["bench-1", "bench-2"]


def kept(w, key):
    """What the buffer remembers of the clock under that key, or None."""
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % w.path("buffer.db"), uri=True)) as db:
        row = db.execute("SELECT value FROM state WHERE owner = 'clock' AND key = ?", (key,)).fetchone()
    return row and row[0]


def world():
    w = World(("--bench", "2", "--registers", "4"), lambda w: {"field": bench_source(w, 2, 4, "100ms")})
    w.clock = shims.Clock(w.path("clock"))
    w.before = shims.command(w.clock)
    return w


def readings(w, device):
    """Each time a reading came: (the reading, when)."""
    found = []
    for topic, payload, at, _ in w.subscriber.all():
        if topic == w.topic(device, "data"):
            found.append((json.loads(payload), at))
        elif topic == w.topic(device, "replay"):
            found += [(r, at) for r in json.loads(payload)]
    return found


class Clocks(unittest.TestCase):
    def corrections(self, w):
        return [json.loads(m[1]) for m in w.subscriber.all(w.topic("clock"))]

    def wait_readings(self, w, more):
        """Until each device was polled so many times more."""
        goal = {n: w.plant.report()[n]["polls"] + more for n in DEVICES}
        wait_until(lambda: all(w.plant.report()[n]["polls"] >= goal[n] for n in DEVICES), 15, "polls", every=0.05)

    def wait_all_came(self, w, since_poll):
        """Until the books of each device are closed behind a poll that was made later."""
        def came(n):
            ledger = w.ledger(n)
            polls = [r["values"].get("poll", 0) for r in ledger.readings.values()]
            return polls and max(polls) > since_poll[n] and not ledger.missing()

        wait_until(lambda: all(came(n) for n in DEVICES), 60, "the backlog", every=0.1)

    def polls(self, w):
        return {n: w.plant.report()[n]["polls"] for n in DEVICES}

    def check_one_time_each(self, w):
        """Whatever came twice came with the same time and the same mark."""
        for n in DEVICES:
            first = {}
            for r, _ in readings(w, n):
                stamp = (r["ts"], r.get("clock"), r.get("boot"), r.get("mono"))
                self.assertEqual(first.setdefault(r["seq"], stamp), stamp, "%s %d" % (n, r["seq"]))

    def check_polls(self, w, since):
        """Every poll has its reading, in the order of seq."""
        for n in DEVICES:
            ledger = w.ledger(n)
            polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
            self.assertEqual(polls, list(range(since, since + len(polls))), n)

    def boot_in_1970(self, w):
        began = time.time()
        w.clock.set(-began + 8, False)
        w.start()
        return began

    def check_marked(self, w, r, boot):
        self.assertEqual((r["clock"], r["boot"]), ("unsynced", boot))
        self.assertLess(r["ts"], 600 * 1000, "1970")

    def test_from_1970_marked_readings_then_true_times_and_one_correction(self):
        with world() as w:
            began = self.boot_in_1970(w)
            wait_until(lambda: all(len(w.ledger(n).readings) >= 10 for n in DEVICES), 10, "marked readings")
            status = w.ctl("status")
            self.assertEqual(status["clock"], "unsynced")
            self.assertIn("until the clock is synchronised", status["clock_note"])
            boot = w.gateway_status()["boot"]
            marked = {n: readings(w, n) for n in DEVICES}
            w.gate.shut()
            cut = time.time()
            self.wait_readings(w, 15)
            w.clock.set(0, True)
            wait_until(lambda: "the clock is synchronised" in w.daemon.text(), 5, "trust")
            trust, since = time.time(), self.polls(w)
            w.gate.open()
            self.wait_all_came(w, since)
            wait_until(lambda: self.corrections(w), 5, "the correction")
            self.assertEqual(len(self.corrections(w)), 1)
            correction = self.corrections(w)[0]
            self.assertEqual(correction["boot"], boot)
            for n in DEVICES:
                for r, at in marked[n]:
                    self.check_marked(w, r, boot)
                    self.assertLessEqual(correction["mono_from"], r["mono"])
                    self.assertLessEqual(r["mono"], correction["mono_to"])
                    true = r["mono"] + correction["offset"]
                    self.assertLess(abs(true / 1000 - at), 1, "corrected")
                backlog = [r for r in w.ledger(n).readings.values()
                           if "clock" not in r and cut + 0.5 < r["ts"] / 1000 < trust]
                self.assertGreaterEqual(len(backlog), 8, n)
                polls = {r["values"]["poll"]: r["ts"] for r, _ in readings(w, n) if "clock" not in r}
                for poll, ts in polls.items():
                    self.assertTrue(began * 1000 < ts <= time.time() * 1000)
                    if poll + 1 in polls:
                        self.assertLess(abs(polls[poll + 1] - ts - 100), 90, "the polling interval")
            self.check_one_time_each(w)
            self.check_polls(w, 1)
            state = w.subscriber.last(w.topic("bench-1", "status"))
            self.assertLess(abs(state["ts"] / 1000 - began), 10, "since when it is online")
            self.assertEqual(w.ctl("status")["clock"], "synced")
            self.assertNotIn("clock_note", w.ctl("status"))
            wait_until(lambda: kept(w, "done/1") == struct.pack("<Q", 1), 5, "the acknowledgement is kept")
            w.daemon.end(signal.SIGKILL)
            w.start(wait=False)
            since = self.polls(w)
            self.wait_all_came(w, since)
            self.assertEqual(len(self.corrections(w)), 1, "published once")
            self.check_one_time_each(w)

    def check_kill(self, w, frozen, cut, killed):
        """What was on its way when it froze keeps its mark; what was made after the cut never had one."""
        offset = self.corrections(w)[0]["offset"]
        for n in DEVICES:
            told, true = [], []
            for r, _ in readings(w, n):
                at = (r["mono"] + offset if "clock" in r else r["ts"]) / 1000
                (told if frozen + 0.3 < at < cut - 0.1 else true if cut + 0.5 < at else []).append((at, r))
            self.assertGreaterEqual(len(told), 3, n)
            self.assertTrue(all("clock" in r and r.get("replay") for _, r in told), n)
            self.assertGreaterEqual(len([at for at, _ in true if at < killed]), 3, n)
            self.assertTrue(all("clock" not in r for _, r in true), n)

    def test_a_kill_before_trust_loses_neither_times_nor_what_was_already_told(self):
        with world() as w:
            w.config["buffer"]["sync"] = "1m"  # the first kill leaves it all on the ring,
            self.boot_in_1970(w)
            wait_until(lambda: all(len(w.ledger(n).readings) >= 3 for n in DEVICES), 10, "readings")
            w.gate.freeze()
            frozen = time.time()
            self.wait_readings(w, 8)  # on their way, and nobody acknowledges them
            w.gate.shut()
            cut = time.time()
            self.wait_readings(w, 10)
            killed = time.time()
            w.daemon.kill()
            w.start(wait=False)
            self.wait_readings(w, 2)
            w.daemon.kill()  # the second one in the database
            w.start(wait=False)
            self.wait_readings(w, 3)
            w.clock.set(0, True)
            wait_until(lambda: "the clock is synchronised" in w.daemon.text(), 5, "trust")
            wait_until(lambda: kept(w, "correction/0000000001"), 5, "the correction is kept")
            w.daemon.kill()  # and the third one all that was learned
            w.config["buffer"]["sync"] = "100ms"
            w.start(wait=False)
            since = self.polls(w)
            w.gate.thaw()
            w.gate.open()
            self.wait_all_came(w, since)
            wait_until(lambda: self.corrections(w), 5, "the correction")
            self.assertEqual(len(self.corrections(w)), 1)
            self.check_kill(w, frozen, cut, killed)
            self.check_one_time_each(w)

    def test_readings_of_a_boot_that_was_never_trusted_keep_their_mark_and_its_name(self):
        with world() as w:
            self.boot_in_1970(w)
            wait_until(lambda: all(len(w.ledger(n).readings) >= 2 for n in DEVICES), 10, "readings")
            w.gate.shut()
            self.wait_readings(w, 5)
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            with contextlib.closing(sqlite3.connect(w.path("buffer.db"))) as db:
                db.execute("UPDATE boot SET id = 'the-boot-before'")
                db.commit()
            w.clock.set(0, True)
            w.start(wait=False)
            w.gate.open()
            self.wait_all_came(w, self.polls(w))
            for n in DEVICES:
                old = [r for r, _ in readings(w, n) if r.get("boot") == "the-boot-before"]
                self.assertGreaterEqual(len(old), 4, n)
                for r in old:
                    self.check_marked(w, r, "the-boot-before")
                self.assertTrue(all("boot" in r for r, _ in readings(w, n) if r["ts"] < 600 * 1000))
            self.assertEqual(self.corrections(w), [])

    def test_a_clock_that_is_set_while_it_runs_stops_nothing(self):
        with world() as w:
            w.clock.set(0, True)
            w.start()
            self.wait_readings(w, 3)
            for said, ahead in (("forward by 1h", HOUR), ("back by 1h", 0), ("forward by 3650d", 10 * YEAR),
                                ("back by 7300d", -10 * YEAR)):
                before, began = self.polls(w), time.monotonic()
                w.clock.set(ahead, True)
                wait_until(lambda: "the clock was set " + said in w.daemon.text(), 5, said)
                self.wait_readings(w, 6)
                ticks = (time.monotonic() - began) * 10
                for n in DEVICES:
                    self.assertLess(abs(self.polls(w)[n] - before[n] - ticks), 6, "%s after %s" % (n, said))
            w.clock.set(-HOUR, False)
            wait_until(lambda: "is not synchronised any more" in w.daemon.text(), 5, "trust ends")
            self.wait_readings(w, 5)
            since = self.polls(w)
            w.clock.set(0, True)
            self.wait_all_came(w, since)
            self.check_polls(w, 1)
            found = [r for r, _ in readings(w, "bench-1")]
            years = {time.gmtime(r["ts"] / 1000).tm_year - time.gmtime().tm_year for r in found}
            self.assertEqual(years, {0, 10, -10})
            wait_until(lambda: self.corrections(w), 5, "the correction")
            offset = self.corrections(w)[0]["offset"]
            for r in found:
                if "clock" in r:
                    self.assertLess(abs(r["mono"] + offset - r["ts"] - HOUR * 1000), 200)
            self.assertTrue([r for r in found if "clock" in r])


if __name__ == "__main__":
    unittest.main()
