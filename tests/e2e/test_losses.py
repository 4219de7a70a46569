"""gatewayctl losses: what was given up is listed as it was published."""

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

        def both():
            found = [l for l in w.ctl("losses") if l["state"] == state]
            return found if len(found) == len(NAMES) else None

        return wait_until(both, 20, "two losses are " + state)

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

    def test_a_loss_is_listed_while_nobody_can_be_told(self):
        with world() as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 5 for n in NAMES), 15, "readings")
            w.gate.freeze()
            self.cut_power(w)
            self.assertEqual({l["device"] for l in self.listed(w, "unsent")}, set(NAMES))
            self.assertEqual(w.subscriber.all("/loss"), [])
            w.gate.thaw()
            self.assertEqual({l["device"] for l in self.listed(w, "acknowledged")}, set(NAMES))


if __name__ == "__main__":
    unittest.main()
