"""A serial bus at 9600 baud with the time every character takes: its faults, and a dead unit among 31."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import crowded_bus  # noqa: E402
from harness import World, wait_until  # noqa: E402
from serial_line import Buses  # noqa: E402

ALONE = True

# fault of a unit's answers, its reason ("good": none)
FAULTS = [
    ("silent", "timeout"), ("bad_crc", "crc"), ("truncated", "crc"), ("dribbled", "good"),
    ("dribbled_too_long", "crc"), ("echo", "good"), ("echo_only", "timeout"), ("leading_zero", "good"),
    ("leading_noise", "good"), ("late", "timeout"), ("wrong_unit", "protocol"), ("wrong_function", "protocol"),
    ("wrong_length", "protocol"), ("failed", "exception_4"), ("other_master_elsewhere", "good"),
    ("other_master_same_unit", "protocol"), ("other_master_then_silence", "timeout"),
]
ADDRESSES = (0, 1, 50, 51)


def right(unit):
    return {"r%d" % a: 1000 * unit + a for a in ADDRESSES}


class Faults(unittest.TestCase):
    """Each fault on a line of its own, at unit 1; unit 2 is its neighbour, which may be asked again when
    the two collide.  Two requests a cycle."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.addClassCleanup(cls.world.close)
        cls.buses = Buses(cls.world.folder, [[1, 2]] * len(FAULTS), turnaround_ms=8)
        cls.addClassCleanup(cls.buses.child.kill)
        cls.world.config["sources"] = {"field": {
            "plugin": "modbus", "interval": "350ms", "timeout": "150ms", "probe_period": "1s",
            "devices": {"%s-%d" % (name, unit): {
                "connection": "rtu:" + path, "unit_id": unit, "retries": unit - 1, "points": {"r%d" % a: {"address": a} for a in ADDRESSES}}
                for (name, _), path in zip(FAULTS, cls.buses.paths) for unit in (1, 2)}}}
        cls.world.start()
        for name, _ in FAULTS:
            wait_until(lambda: cls.readings(name, 1) and cls.readings(name, 2), 15, "readings of " + name)

    @classmethod
    def readings(cls, name, unit, after=-1):
        """Those with a number above `after`, in order."""
        book = cls.world.ledger("%s-%d" % (name, unit))
        return [book.readings[n] for n in book.seqs() if n > after]

    def all_to(self, fault):
        """Gives each line its fault, or clears it; the numbers of the last readings before."""
        last = {name: self.readings(name, 1)[-1]["seq"] for name, _ in FAULTS}
        for line, (name, _) in enumerate(FAULTS):
            self.buses.fault(line, 1, fault or name)
        return last

    def good(self, name, unit, after, count):
        """So many readings without a fault, and with the right values."""
        found = wait_until(lambda: [r for r in self.readings(name, unit, after) if "quality" not in r][count - 1:], 15,
                           "%s: unit %d is good" % (name, unit))
        return found[-1]["seq"]

    def one_cycle(self, name, reason, after):
        """The fault's own reason is the first thing said about it, at the latest by the second reading: one may
        have been under way."""
        bad = wait_until(lambda: [r for r in self.readings(name, 1, after) if "quality" in r], 10, name)[0]
        self.assertLessEqual(bad["seq"], after + 2, name)
        self.assertIn(reason, bad["quality"].values())
        return bad["seq"]

    def none_is_wrong(self, readings, values, reasons):
        """No value ever; another reason now and then, where the machine had no time to play the bus."""
        for r in readings:
            self.assertLessEqual(r["values"].items(), values.items(), r)
            self.assertEqual(set(r["values"]) | set(r.get("quality", {})), set(values))
        strange = [r for r in readings if not set(r.get("quality", {}).values()) <= reasons]
        self.assertLessEqual(len(strange), 1 + len(readings) // 5, strange)

    def test_each_fault_has_its_reason_within_a_cycle_no_value_is_wrong_and_the_line_recovers(self):
        last = self.all_to(None)
        for name, reason in FAULTS:
            with self.subTest(name):
                if reason == "good":
                    self.good(name, 1, last[name], 4)
                else:
                    last[name] = self.one_cycle(name, reason, last[name])
        neighbours = {name: self.good(name, 2, -1, 1) for name, _ in FAULTS}
        last = self.all_to("right")
        for name, _ in FAULTS:
            with self.subTest(name + " cleared"):
                self.good(name, 1, last[name], 2)
                self.good(name, 2, neighbours[name], 2)
        for name, reason in FAULTS:
            with self.subTest(name + ", all readings"):
                for unit in (1, 2):
                    self.none_is_wrong(self.readings(name, unit), right(unit), {reason} if unit == 1 else set())
        self.assertNotIn("not connected", self.world.daemon.text())


class Crowded(unittest.TestCase):
    def test_a_dead_unit_slows_31_healthy_ones_by_five_percent_at_most_and_its_recovery_is_noticed(self):
        """The short form, with a timeout of 60 ms; `make bench` measures it with the defaults."""
        found = crowded_bus.measure("60ms", "1500ms", probes=1, patience=40)
        self.assertGreater(found["alone_s"], 1, "the line is asked for more than it can carry")
        self.assertLess(found["slower"], 0.05)
        self.assertLess(found["probed_s"], 1.5 + 1.2 * found["beside_s"], "a probe period, and its turn on the line")
        self.assertLess(found["recovered_s"], found["probed_s"] + 2 * found["beside_s"])
        self.assertEqual(found["wrong"], [])


if __name__ == "__main__":
    unittest.main()
