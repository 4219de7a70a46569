"""buffer.when_full: thin: an outage longer than the buffer leaves a window for what had to go."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import World, bench_word, wait_until  # noqa: E402

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
        return w

    def thinned(self, w):
        return w.ctl("buffer")["thinned"]

    def books(self, w):
        return {name: w.ledger(name) for name in NAMES}

    def closed(self, w):
        """All up to the newest number that the gateway has told is accounted for."""
        for name in NAMES:
            told = w.subscriber.last(w.topic(name, "progress"))
            if not told or told["complete_to"] < self.must_close[name]:
                return False
        return not any(self.books(w)[name].missing() for name in NAMES)

    def check_window(self, d):
        poll = d["points"]["poll"]
        polls = range(poll["min"], poll["max"] + 1)
        self.assertEqual((d["count"], poll["n"]), (d["to"] - d["from"] + 1, d["count"]))
        self.assertEqual((len(polls), poll["last"]), (d["count"], poll["max"]))
        self.assertEqual(d["window_ms"], 60000)
        self.assertEqual(d["ts_from"] // 60000, d["ts_to"] // 60000)
        self.assertAlmostEqual(poll["mean"], (polls[0] + polls[-1]) / 2, delta=2 + len(polls) / 10)
        for name, address in list(ADDRESS.items())[:20]:
            words = [bench_word(n, address) for n in polls]
            got = d["points"][name]
            self.assertEqual((got["n"], got["min"], got["max"], got["last"]),
                             (len(words), min(words), max(words), words[-1]))
            self.assertTrue(got["min"] <= got["mean"] <= got["max"])
        self.assertNotIn("quality", d)

    def test_three_times_the_buffer_and_a_kill_leave_readings_and_windows_that_close_the_books(self):
        with self.small() as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 3 for n in NAMES), 20, "readings")
            w.gate.shut()
            wait_until(lambda: self.thinned(w) > 300, 30, "thinning")
            w.daemon.end(signal.SIGKILL)
            w.start(wait=False)
            wait_until(lambda: w.ctl("version", check=False)[0] == 0, 10, "the daemon answers")
            wait_until(lambda: self.thinned(w) > 1500, 40, "three times the buffer")
            came = {n: set(w.ledger(n).readings) for n in NAMES}  # their acknowledgement may have been lost
            self.must_close = {n: max(w.ledger(n).seqs()) + 1 for n in NAMES}
            w.gate.open()
            wait_until(lambda: self.closed(w), 60, "the books close", every=0.5)
            for name, book in self.books(w).items():
                self.assertTrue(book.windows, name)
                self.assertEqual((book.losses, book.differing), ([], []))
                self.assertLessEqual(set(book.twice()), came[name])
                for d in book.windows.values():
                    self.check_window(d)
            wait_until(lambda: self.thinned(w) == 0, 10, "all windows are acknowledged")
            log = w.daemon.text()
            self.assertEqual(log.count("the buffer is full: the oldest readings are thinned"), 2)
            self.assertEqual(log.count("no sink waits for windows of thinned readings any more"), 1)


if __name__ == "__main__":
    unittest.main()
