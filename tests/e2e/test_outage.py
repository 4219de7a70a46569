"""Outages: the broker goes, the daemon is killed, and the books still balance."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import LONG, World, bench_source, bench_wrong, wait_until  # noqa: E402

DEVICES, WINDOW = 4, 50
NAMES = ["bench-%d" % i for i in range(1, DEVICES + 1)]
OUTAGE_POLLS = 300 if LONG else 30


def world():
    return World(("--bench", str(DEVICES), "--registers", "20"),
                 lambda w: {"field": bench_source(w, DEVICES, 20, "100ms")})


class Outage(unittest.TestCase):
    def wait_polls(self, w, more):
        """Until each device was polled so many times more."""
        goal = {n: c["polls"] + more for n, c in w.plant.report().items()}
        wait_until(lambda: all(c["polls"] >= goal[n] for n, c in w.plant.report().items()),
                   more * 0.1 + 20, "%d more polls" % more, every=0.1)

    def wait_caught_up(self, w, since):
        """Until each device has live readings again and nothing is missing behind them."""
        def caught_up(n):
            ledger = w.ledger(n)
            return any(how == "data" for how, _ in w.ledger(n, since).order) and not ledger.missing()

        wait_until(lambda: all(caught_up(n) for n in NAMES), 60, "the backlog has come", every=0.2)

    def stop(self, w):
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")

    def check_books(self, w, lost_per_device):
        """Numbers without a gap, values right, polls in order, at most so many polls gone."""
        report, copies = w.plant.report(), 0
        for n in NAMES:
            ledger = w.ledger(n)
            self.assertEqual(ledger.missing(), [], n)
            self.assertEqual(ledger.differing, [], n)
            self.assertEqual(ledger.losses, [], n)
            polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
            self.assertEqual(polls, sorted(set(polls)), n)
            self.assertGreaterEqual(len(polls), report[n]["polls"] - lost_per_device, n)
            for r in ledger.readings.values():
                self.assertEqual(bench_wrong(r["values"]), [], n)
            copies += ledger.copies
        self.assertLessEqual(copies, WINDOW)

    def check_live_first(self, w, since):
        for n in NAMES:
            order = w.ledger(n, since).order
            self.assertEqual(order[0][0], "data", "%s: the newest reading goes first" % n)
            replayed = [s for how, s in order if how == "replay"]
            live = [s for how, s in order if how == "data"]
            self.assertTrue(replayed, n)
            self.assertEqual(replayed, sorted(replayed), "%s: the backlog comes oldest first" % n)
            self.assertEqual(live, sorted(live), n)
            self.assertGreater(order[0][1], replayed[0], n)

    def test_a_broker_killed_under_load_costs_nothing_and_live_goes_first(self):
        with world() as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 10 for n in NAMES), 15, "readings")
            w.outage()
            self.wait_polls(w, OUTAGE_POLLS)
            since = w.subscriber.count()
            w.recovery()
            self.wait_caught_up(w, since)
            self.stop(w)
            self.check_books(w, lost_per_device=0)
            self.check_live_first(w, since)

    def test_a_daemon_killed_in_an_outage_loses_at_most_the_cycle_in_flight(self):
        with world() as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 10 for n in NAMES), 15, "readings")
            w.outage()
            self.wait_polls(w, OUTAGE_POLLS)
            w.daemon.end(signal.SIGKILL)
            w.start(wait=False)
            self.wait_polls(w, OUTAGE_POLLS)
            since = w.subscriber.count()
            w.recovery()
            self.wait_caught_up(w, since)
            self.stop(w)
            self.check_books(w, lost_per_device=1)
            self.check_live_first(w, since)

    def test_a_daemon_killed_again_and_again_never_gives_a_number_twice(self):
        with world() as w:
            w.start()
            for _ in range(4):
                self.wait_polls(w, 5)
                w.daemon.end(signal.SIGKILL)
                w.start(wait=False)
            since = w.subscriber.count()
            self.wait_polls(w, 10)
            self.wait_caught_up(w, since)
            self.stop(w)
            self.check_books(w, lost_per_device=4)

    def test_what_was_not_sent_at_an_orderly_stop_is_sent_by_the_next_start(self):
        with world() as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 5 for n in NAMES), 15, "readings")
            w.outage()
            self.wait_polls(w, OUTAGE_POLLS)
            self.assertEqual(w.daemon.end(), 0)
            polls = {n: c["polls"] for n, c in w.plant.report().items()}
            w.recovery()
            since = w.subscriber.count()
            w.start(wait=False)
            self.wait_polls(w, 5)
            self.wait_caught_up(w, since)
            self.stop(w)
            self.check_books(w, lost_per_device=0)
            for n in NAMES:
                self.assertGreater(len(w.ledger(n).readings), polls[n])


if __name__ == "__main__":
    unittest.main()
