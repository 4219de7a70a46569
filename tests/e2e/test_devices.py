"""Devices that fail: the others keep their period, and the topics say what is wrong."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import World, bench_source, wait_until  # noqa: E402

# fault of the plant, reasons that the contract allows for it, state of the device
FAULTS = [
    ("silent", {"timeout"}, "offline"),
    ("refuse", {"no_connection"}, "offline"),
    ("close", {"no_connection", "protocol"}, "offline"),
    ("exception:2", {"exception_2"}, "online"),
    ("exception:6", {"exception_6"}, "online"),
    ("exception:11", {"exception_11"}, "offline"),
    ("wrong-unit", {"protocol", "timeout"}, "offline"),
    ("wrong-tid", {"protocol", "timeout"}, "offline"),
    ("garbage", {"protocol", "timeout"}, "offline"),
    ("slow:2000", {"timeout"}, "offline"),
    ("dribble:100", {"timeout"}, "offline"),
]


class Devices(unittest.TestCase):
    def status(self, world, name):
        return world.subscriber.last(world.topic(name, "status")) or {}

    def test_a_silent_device_goes_offline_and_its_nine_neighbours_keep_their_period(self):
        with World(("--bench", "10", "--registers", "20", "--times", "--fault", "bench-10=silent"),
                   lambda w: {"field": bench_source(w, 10, 20, "200ms", timeout="300ms", retries=1)}) as w:
            w.start()
            wait_until(lambda: self.status(w, "bench-10").get("state") == "offline", 10, "offline")
            self.assertEqual(self.status(w, "bench-10")["reason"], "timeout")
            wait_until(lambda: len(w.ledger("bench-1").readings) >= 25, 15, "25 readings")
            times = w.plant.report()
            for i in range(1, 10):
                at = times["bench-%d" % i]["times_us"][3:23]
                self.assertEqual(len(at), 20)
                steps = [b - a for a, b in zip(at, at[1:])]
                self.assertLess(max(steps), 390_000, "bench-%d missed a tick" % i)
                self.assertAlmostEqual((at[-1] - at[0]) / 19, 200_000, delta=8_000)
            first = list(w.ledger("bench-10").readings.values())
            self.assertEqual(len(first), 1, "said once")
            self.assertEqual(first[0]["values"], {})
            self.assertEqual(set(first[0]["quality"].values()), {"timeout"})
            self.assertEqual(len(first[0]["quality"]), 19)
            shown = {d["name"]: d for d in w.ctl("devices")}["bench-10"]
            self.assertEqual((shown["state"], shown["reason"]), ("offline", "timeout"))
            w.plant.clear("bench-10")
            wait_until(lambda: self.status(w, "bench-10").get("state") == "online", 10, "online again")
            again = wait_until(lambda: [r for r in w.ledger("bench-10").readings.values() if r["values"]],
                               10, "readings again")
            self.assertEqual(again[0]["seq"], first[0]["seq"] + 1)

    def test_each_fault_is_named_and_the_device_heals(self):
        names = ["bench-%d" % (i + 1) for i in range(len(FAULTS))]
        options = ["--bench", str(len(FAULTS)), "--registers", "4"]
        for name, (fault, _, _) in zip(names, FAULTS):
            options += ["--fault", "%s=%s" % (name, fault)]
        with World(options, lambda w: {"field": bench_source(w, len(FAULTS), 4, "300ms", timeout="250ms",
                                                             retries=0)}) as w:
            w.start()
            for name, (fault, reasons, state) in zip(names, FAULTS):
                with self.subTest(fault):
                    wait_until(lambda: self.status(w, name).get("state") == state, 10, "%s: %s" % (fault, state))
                    ledger = wait_until(lambda: w.ledger(name) if w.ledger(name).readings else None, 5, "a reading")
                    for r in ledger.readings.values():
                        self.assertEqual(r["values"], {})
                        self.assertLessEqual(set(r["quality"].values()), reasons)
            for name in names:
                w.plant.clear(name)
            for name, (fault, _, _) in zip(names, FAULTS):
                with self.subTest(fault + " healed"):
                    wait_until(lambda: any(r["values"] for r in w.ledger(name).readings.values()), 20, fault)
                    self.assertEqual(w.ledger(name).missing(), [])

    def test_an_answer_that_comes_late_never_counts_for_the_next_request(self):
        with World(("--bench", "1", "--registers", "4", "--fault", "bench-1=late:400"),
                   lambda w: {"field": bench_source(w, 1, 4, "300ms", timeout="200ms", retries=0)}) as w:
            w.start()
            wait_until(lambda: sum(1 for r in w.ledger("bench-1").readings.values() if r["values"]) >= 5,
                       20, "five good answers between late ones")
            polls = [r["values"]["poll"] for r in w.ledger("bench-1").readings.values() if r["values"]]
            self.assertEqual(polls, sorted(set(polls)))
            self.assertEqual({p % 2 for p in polls}, {0}, "each first answer was late and is not used: " + str(polls))

    def test_a_deadband_keeps_quiet_what_did_not_change(self):
        def sources(w):
            source = bench_source(w, 1, 2, "100ms")
            source["devices"]["bench-1"]["points"] = {
                "steady": {"address": 2, "scale": 0.0001, "deadband": 7, "max_silence": "1h"},
                "moving": {"address": 0, "type": "u32", "interval": "200ms"}}
            return {"field": source}

        with World(("--bench", "1", "--registers", "4"), sources) as w:
            w.start()
            wait_until(lambda: len(w.ledger("bench-1").readings) >= 10, 15, "10 readings")
            ledger = w.ledger("bench-1")
            self.assertEqual(ledger.missing(), [])
            first, *rest = [ledger.readings[s] for s in ledger.seqs()]
            self.assertIn("steady", first["values"], "the first reading is full")
            again = [i for i, r in enumerate(rest) if "steady" in r["values"]]
            self.assertIn(again, ([], [0], [1], [2]), "full once more at most: when the sink connected")
            self.assertTrue(all("moving" in r["values"] for i, r in enumerate(rest) if i not in again))


if __name__ == "__main__":
    unittest.main()
