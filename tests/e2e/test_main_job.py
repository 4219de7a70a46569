"""The main job: what devices answer arrives at a subscriber, once, in order and right."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import LONG, World, bench_source, bench_wrong, wait_until  # noqa: E402

READINGS = 60 if LONG else 10


def names(n):
    return ["bench-%d" % i for i in range(1, n + 1)]


def polls_of(ledger):
    """Poll numbers in the order of seq."""
    return [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]


class MainJob(unittest.TestCase):
    def stop_in_order(self, world):
        self.assertEqual(world.daemon.end(), 0, world.daemon.tail())
        wait_until(lambda: world.gateway_status().get("state") == "offline", 10, "the goodbye")

    def check_device(self, world, name, answered):
        ledger = world.ledger(name)
        seqs = ledger.seqs()
        self.assertEqual([how for how, _ in ledger.order if how != "data"], [], name)
        self.assertEqual([s for _, s in ledger.order], list(range(seqs[0], seqs[0] + len(seqs))), name)
        self.assertEqual(polls_of(ledger), list(range(1, answered + 1)), name)
        for reading in ledger.readings.values():
            self.assertEqual(len(reading["values"]), 99)
            self.assertEqual(bench_wrong(reading["values"]), [], name)
            self.assertNotIn("quality", reading)
        self.assertEqual(world.subscriber.last(world.topic(name, "directory"))["first_seq"], seqs[0])

    def test_every_answered_poll_of_ten_devices_arrives_exactly_once_and_in_order(self):
        with World(("--bench", "10", "--registers", "100"),
                   lambda w: {"field": bench_source(w, 10, 100)}) as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= READINGS for n in names(10)),
                       READINGS * 2 + 10, "%d readings of each device" % READINGS, every=0.3)
            self.stop_in_order(w)
            report = w.plant.report()
            for n in names(10):
                self.check_device(w, n, report[n]["polls"])
                self.assertEqual(report[n]["requests"], report[n]["polls"], "one request a poll")

    def test_130_contiguous_registers_cost_two_requests(self):
        with World(("--bench", "2", "--registers", "130"),
                   lambda w: {"field": bench_source(w, 2, 130, "200ms")}) as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 5 for n in names(2)), 15, "5 readings")
            self.stop_in_order(w)
            report = w.plant.report()
            for n in names(2):
                self.assertEqual(report[n]["requests"], 2 * report[n]["polls"])
                self.assertEqual(len(w.ledger(n).readings), report[n]["polls"])

    def test_units_behind_one_address_share_its_line(self):
        def sources(w):
            source = bench_source(w, 3, 20, "200ms")
            source["connection"] = w.plant.connection("shared")
            for d in source["devices"].values():
                del d["connection"]
            return {"field": source}

        with World(("--bench", "3", "--registers", "20", "--shared"), sources) as w:
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 5 for n in names(3)), 15, "5 readings")
            self.stop_in_order(w)
            for n in names(3):
                self.assertEqual(polls_of(w.ledger(n)), list(range(1, w.plant.report()[n]["polls"] + 1)))

    def test_the_directories_say_what_is_published(self):
        with World(("--bench", "1", "--registers", "4"),
                   lambda w: {"field": bench_source(w, 1, 4, "500ms")}) as w:
            device = w.config["sources"]["field"]["devices"]["bench-1"]
            device.update(title="Máy đo số 1", domain="energy")
            device["points"]["r2"].update(unit="Cel", scale=0.1, deadband=0.2, min=-10, max=7000)
            w.start()
            d = wait_until(lambda: w.subscriber.last(w.topic("bench-1", "directory")), 10, "the directory")
            self.assertEqual((d["schema"], d["device"], d["title"], d["domain"]),
                             (1, "bench-1", "Máy đo số 1", "energy"))
            self.assertEqual(d["points"]["poll"]["type"], "integer")
            r2 = d["points"]["r2"]
            self.assertEqual((r2["type"], r2["unit"], r2["symbol"]), ("number", "Cel", "°C"))
            self.assertEqual((r2["interval_ms"], r2["deadband"], r2["max_silence_ms"]), (500, 0.2, 60000))
            self.assertEqual((r2["min"], r2["max"], r2["writable"]), (-10, 7000, False))
            g = wait_until(lambda: w.subscriber.last(w.topic("directory")), 10, "the gateway's directory")
            self.assertEqual(g["devices"], [{"name": "bench-1", "topic": w.topic("bench-1")}])
            wait_until(lambda: w.subscriber.last(w.topic("bench-1", "status")).get("state") == "online",
                       10, "the device is online")

    def test_gatewayctl_shows_the_same_world(self):
        with World(("--bench", "2", "--registers", "4"),
                   lambda w: {"field": bench_source(w, 2, 4, "200ms")}) as w:
            w.start()
            wait_until(lambda: all(d["state"] == "online" for d in w.ctl("devices")), 10, "both online")
            source = w.source("field")
            self.assertEqual((source["plugin"], source["state"], source["restarts"]), ("modbus", "running", 0))
            self.assertEqual([d["name"] for d in w.ctl("devices")], names(2))
            points = w.ctl("points", "bench-2")
            self.assertEqual([p["point"] for p in points], ["poll", "r2", "r3"])
            self.assertEqual({p["device"] for p in points}, {"bench-2"})
            self.assertLess(points[0]["age_ms"], 2000)
            sinks = w.ctl("sinks")
            self.assertIn("connected", json.dumps(sinks))
            code, text = w.ctl("nonsense", check=False)
            self.assertEqual(code, 2, text)


if __name__ == "__main__":
    unittest.main()
