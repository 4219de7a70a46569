"""gatewayctl losses: what was given up is listed as it was published."""

import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import World, bench_source, wait_until  # noqa: E402

NAMES = ["bench-1", "bench-2"]


def world():
    return World(("--bench", "2", "--registers", "6"),
                 lambda w: {"field": bench_source(w, 2, 6, "100ms")})


class Losses(unittest.TestCase):
    def cut_power(self, w):
        """What a power cut leaves: the files, and not what was in memory."""
        w.daemon.end(signal.SIGKILL)
        os.unlink(w.path("ring"))
        w.start(wait=False)

    def listed(self, w, state):
        wait_until(lambda: w.ctl("version", check=False)[0] == 0, 10, "the daemon answers")
        return wait_until(lambda: [l for l in w.ctl("losses") if l["state"] == state][:2]
                          if sum(l["state"] == state for l in w.ctl("losses")) >= 2 else None,
                          20, "two losses are " + state)

    def test_a_buffer_that_lost_nothing_lists_nothing(self):
        with world() as w:
            w.start()
            self.assertEqual(w.ctl("losses"), [])

    def test_numbers_of_a_power_cut_are_listed_as_they_were_published(self):
        with world() as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 5 for n in NAMES), 15, "readings")
            self.cut_power(w)
            for loss in self.listed(w, "acknowledged"):
                self.assertIn(loss["device"], NAMES)
                told = w.subscriber.last(w.topic(loss["device"], "loss"))
                self.assertEqual((loss["sink"], loss["cause"], loss["exact"]), ("goc", "power_cut", False))
                self.assertEqual({k: loss[k] for k in told}, told)
                self.assertEqual(set(loss) - set(told), {"sink", "device", "state"})

    def test_books_are_not_closed_over_a_loss_that_was_not_told(self):
        with world() as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 5 for n in NAMES), 15, "readings")
            w.gate.freeze()
            self.cut_power(w)
            self.assertEqual({l["device"] for l in self.listed(w, "unsent")}, set(NAMES))
            w.gate.thaw()
            self.listed(w, "acknowledged")
            wait_until(lambda: w.subscriber.all("/progress"), 20, "progress")
            topics = [(t, json.loads(p)) for t, p, _, _ in w.subscriber.all() if t.endswith(("/loss", "/progress"))]
            for name in NAMES:
                mine = [(t, d) for t, d in topics if "/%s/" % name in t]
                first = next(i for i, (t, _) in enumerate(mine) if t.endswith("/loss"))
                for _, progress in mine[:first]:
                    self.assertLess(progress["complete_to"], mine[first][1]["from"])


if __name__ == "__main__":
    unittest.main()
