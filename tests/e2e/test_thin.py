"""buffer.when_full: thin: an outage longer than the buffer leaves a window for what had to go."""

import contextlib
import os
import signal
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import shims  # noqa: E402
from harness import World, bench_word, wait_until  # noqa: E402
from test_clock import kept  # noqa: E402

DEVICES, POINTS, REGISTERS = 16, 1000, 100
NAMES = ["bench-%d" % i for i in range(1, DEVICES + 1)]
ADDRESS = {"p%d" % i: 2 + i % (REGISTERS - 2) for i in range(POINTS - 1)}


def source(w):
    """Large readings from few registers: many points look at the same ones."""
    points = {"poll": {"address": 0, "type": "u32"}}
    points.update({name: {"address": address} for name, address in ADDRESS.items()})
    return {"field": {"plugin": "modbus", "interval": "50ms", "devices": {
        name: {"connection": w.plant.connection(name), "unit_id": 1, "points": points} for name in NAMES}}}


class Thin(unittest.TestCase):
    def small(self):
        w = World(("--bench", str(DEVICES), "--registers", str(REGISTERS)), source)
        w.config["buffer"].update(max_size="16MiB", when_full="thin", history="0s", sync="100ms")
        w.config["sinks"]["goc"]["replay_rate"] = 0
        w.clock = shims.Clock(w.path("clock"))
        w.before = shims.command(w.clock)
        return w

    def thinned(self, w):
        return w.ctl("buffer")["thinned"]

    def books(self, w):
        return {name: w.ledger(name) for name in NAMES}

    def closed(self, w):
        """No window waits, and what came says that nothing up to the newest live reading is missing."""
        return self.thinned(w) == 0 and not any(w.ledger(name).missing() for name in NAMES)

    def check_times(self, d):
        """Of the first boot nobody ever knew the time; that of the second was learned before they went."""
        if "clock" in d:
            self.assertEqual((d["clock"], d["boot"]), ("unsynced", "the-boot-before"))
            self.assertEqual(d["ts_from"] // 60000, d["ts_to"] // 60000)
            self.assertLess(d["ts_to"], 600 * 1000, "1970")
            self.assertEqual(d["ts_to"] - d["ts_from"], d["mono_to"] - d["mono_from"])
        else:
            self.assertNotIn("boot", d)
            self.assertTrue(self.began * 1000 < d["ts_from"] <= d["ts_to"] < time.time() * 1000)

    def another_boot(self, w):
        with contextlib.closing(sqlite3.connect(w.path("buffer.db"))) as db:
            db.execute("UPDATE boot SET id = 'the-boot-before'")
            db.commit()

    def check_window(self, d):
        poll = d["points"]["poll"]
        polls = range(poll["min"], poll["max"] + 1)
        self.assertEqual((d["count"], poll["n"]), (d["to"] - d["from"] + 1, d["count"]))
        self.assertEqual((len(polls), poll["last"]), (d["count"], poll["max"]))
        self.assertEqual(d["window_ms"], 60000)
        self.check_times(d)
        self.assertAlmostEqual(poll["mean"], (polls[0] + polls[-1]) / 2, delta=2 + len(polls) / 10)
        for name, address in list(ADDRESS.items())[:20]:
            words = [bench_word(n, address) for n in polls]
            got = d["points"][name]
            self.assertEqual((got["n"], got["min"], got["max"], got["last"]),
                             (len(words), min(words), max(words), words[-1]))
            self.assertTrue(got["min"] <= got["mean"] <= got["max"])
        self.assertNotIn("quality", d)

    def test_twice_the_buffer_and_a_kill_leave_readings_and_windows_that_close_the_books(self):
        with self.small() as w:
            self.began = time.time()
            w.clock.set(-self.began + 8, False)  # a box that boots in 1970, twice
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 3 for n in NAMES), 20, "readings")
            w.gate.shut()
            wait_until(lambda: self.thinned(w) > 100, 30, "thinning")
            w.daemon.end(signal.SIGKILL)
            self.another_boot(w)
            w.gate.freeze()  # the outage goes on, and no back-off behind it
            w.gate.open()
            w.start(wait=False)
            wait_until(lambda: w.ctl("version", check=False)[0] == 0, 10, "the daemon answers")
            wait_until(lambda: self.thinned(w) > 1000, 40, "twice the buffer")
            came = {n: set(w.ledger(n).readings) for n in NAMES}  # their acknowledgement may have been lost
            w.clock.set(0, True)
            wait_until(lambda: "the clock is synchronised" in w.daemon.text(), 5, "trust")
            wait_until(lambda: kept(w, "correction/0000000001"), 5, "the correction is kept")
            w.gate.thaw()
            wait_until(lambda: all(max(w.ledger(n).seqs()) > max(came[n]) for n in NAMES), 20, "live readings")
            wait_until(lambda: self.closed(w), 60, "the books close")
            for name, book in self.books(w).items():
                self.assertTrue(book.windows, name)
                self.assertEqual((book.losses, book.differing), ([], []))
                self.assertLessEqual(set(book.twice()), came[name])
                for d in book.windows.values():
                    self.check_window(d)
                self.assertEqual({"clock" in d for d in book.windows.values()}, {True, False}, name)
            log = w.daemon.text()
            self.assertEqual(log.count("the buffer is full: the oldest readings are thinned"), 2)
            self.assertEqual(log.count("no sink waits for windows of thinned readings any more"), 1)


if __name__ == "__main__":
    unittest.main()
