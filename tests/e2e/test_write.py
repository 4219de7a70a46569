"""Writing to devices: what is taken, refused, ignored or not confirmed, and what the log says of it."""

import json
import os
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Child, World, answers, free_port, program, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))

POINTS = {
    "setpoint": {"address": 10, "scale": 0.1, "unit": "Hz", "writable": True, "min": 0, "max": 50,
                 "write_function": 6},
    "mode": {"address": 11, "enum": {0: "off", 1: "manual", 2: "auto"}, "writable": True},
    "running": {"address": 0, "table": "coil", "writable": True},
    "level": {"address": 0, "scale": 0.01, "unit": "m"},
    "both": {"address": 10, "type": "u32", "writable": True},
}


def pump(w, **more):
    port, unit = w.plant.ports["pump-1"]
    return {"plugin": "modbus", "interval": "200ms", "timeout": "300ms", **more,
            "devices": {"pump-1": {"connection": "tcp://127.0.0.1:%d" % port, "unit_id": int(unit),
                                   "points": POINTS}}}


class Write(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World(("--devices", "pump-1=pump"), lambda w: {"pump-house": pump(w)})
        cls.world.start()
        wait_until(lambda: cls.value("level") is not None, 15, "values")

    @classmethod
    def tearDownClass(cls):
        cls.world.close()

    @classmethod
    def value(cls, point):
        return {p["point"]: p["value"] for p in cls.world.ctl("points", "pump-1")}.get(point)

    def write(self, point, value):
        """Exit code and text of gatewayctl write, as people see it."""
        r = subprocess.run([program("gatewayctl"), "-s", self.world.config["control"]["socket"], "write", "pump-1",
                            point, value], capture_output=True, text=True, timeout=60)
        return r.returncode, r.stdout + r.stderr

    def test_a_setpoint_is_written_read_back_and_published(self):
        self.assertEqual(self.world.ctl("write", "pump-1", "setpoint", "40")["result"], "done")
        done = self.world.ctl("write", "pump-1", "setpoint", "42.5")
        self.assertEqual({k: done[k] for k in ("device", "point", "result", "reason", "value", "unit")},
                         {"device": "pump-1", "point": "setpoint", "result": "done", "reason": "", "value": 42.5,
                          "unit": "Hz"})
        wait_until(lambda: self.value("setpoint") == 42.5, 10, "the next cycle has it")
        code, out = self.write("setpoint", "41")
        self.assertEqual((code, out), (0, "pump-1 setpoint: 41 Hz (was 42.5): done\n"))

    def test_a_coil_and_a_label_are_written(self):
        for value in ("true", "false", "true"):
            self.assertEqual(self.world.ctl("write", "pump-1", "running", value)["value"], value == "true")
        self.assertEqual(self.world.ctl("write", "pump-1", "mode", "auto")["value"], "auto")
        wait_until(lambda: (self.value("mode"), self.value("running")) == ("auto", True), 10, "the next cycle has it")

    def test_what_is_wrong_is_refused_before_anything_is_sent(self):
        for point, value, why in [
                ("setpoint", "50.1", "pump-1/setpoint: 50.1 is above max, 50"),
                ("setpoint", "-1", "pump-1/setpoint: -1 is below min, 0"),
                ("setpoint", "42.55", "pump-1/setpoint: 42.55 lies between two steps of the device: "
                                      "the nearest are 42.5 and 42.6"),
                ("setpoint", "fast", "pump-1/setpoint: 'fast' is not a number, for example 0.1"),
                ("mode", "turbo", "pump-1/mode: 'turbo' is no value of it; allowed: off, manual, auto"),
                ("running", "2", "pump-1/running: '2' is no bool; allowed: true, false"),
                ("level", "1", "pump-1/level is not writable"),
                ("setpint", "1", "device 'pump-1' has no point 'setpint'; did you mean 'setpoint'?")]:
            self.assertEqual(self.write(point, value), (1, "gatewayctl: write: %s\n" % why))
        self.assertIn("there is no device 'pump-2'; did you mean 'pump-1'?",
                      self.world.ctl("write", "pump-2", "setpoint", "1", check=False)[1])

    def test_each_write_leaves_a_line_in_the_log(self):
        self.world.ctl("write", "pump-1", "setpoint", "30")
        self.world.ctl("write", "pump-1", "setpoint", "31")
        self.write("setpoint", "99")
        who = "write by uid %d (process " % os.getuid()
        lines = [line for line in self.world.daemon.text().splitlines() if who in line]
        self.assertTrue(any("pump-1/setpoint = 31, was " in line and line.endswith(": done, read back 31")
                            for line in lines), lines)
        self.assertTrue(any("pump-1/setpoint = 99, was " in line and
                            line.endswith("refused: pump-1/setpoint: 99 is above max, 50") for line in lines), lines)

    def test_a_silent_device_gives_no_confirmation_and_is_asked_once(self):
        self.world.plant.fault("pump-1", "silent")
        try:
            code, out = self.world.ctl("write", "pump-1", "setpoint", "20", check=False)
        finally:
            self.world.plant.clear("pump-1")
        self.assertEqual(code, 1, out)
        doc = json.loads(out)
        self.assertEqual((doc["result"], doc["reason"], doc["value"]),
                         ("failed", "no confirmation (timeout)", None))

    def test_a_point_of_two_registers_is_written_with_one_request(self):
        self.assertEqual(self.world.ctl("write", "pump-1", "both", "13107202")["value"], 13107202)
        wait_until(lambda: self.value("setpoint") == 20 and self.value("mode") == "auto", 10, "both registers")


# pymodbus repeats what it has after 6, and the count after 15 and 16
IGNORED = {"one": "the device confirmed another value", "two": "confirmed, but another value is read back",
           "coil": "confirmed, but another value is read back"}


class Foreign(unittest.TestCase):
    """pymodbus as the device: one that takes writes, one that refuses them, one that only says yes."""

    def device(self, w, mood):
        port, tables = free_port(), w.path("tables-%s.json" % mood)
        with open(tables, "w") as f:
            json.dump({"holding": [400] * 20, "coil": [0] * 20}, f)
        self.addCleanup(Child(["/usr/bin/python3", os.path.join(HERE, "pymodbus_server.py"), str(port), tables, mood],
                              w.path("pymodbus-%s.log" % mood)).kill)
        wait_until(lambda: answers(port), 20, "pymodbus listens")
        return {"connection": "tcp://127.0.0.1:%d" % port, "unit_id": 1,
                "points": {"one": {"address": 1, "writable": True},
                           "two": {"address": 2, "type": "f32", "word_order": "little", "writable": True},
                           "coil": {"address": 3, "table": "coil", "writable": True, "write_function": 15}}}

    def test_the_result_is_what_the_device_did(self):
        with World() as w:
            moods = ("take", "refuse", "ignore")
            w.config["sources"] = {"s": {"plugin": "modbus", "interval": "1s",
                                         "devices": {m: self.device(w, m) for m in moods}}}
            w.start()
            wait_until(lambda: len([p for p in w.ctl("points") if p["value"] is not None]) == 9, 20, "values")
            for point, value, back in (("one", "7", 7), ("two", "12.5", 12.5), ("coil", "true", True)):
                done = w.ctl("write", "take", point, value)
                self.assertEqual((done["result"], done["value"]), ("done", back))
                code, out = w.ctl("write", "refuse", point, value, check=False)
                no = json.loads(out)
                self.assertEqual((code, no["result"], no["reason"], no["value"]),
                                 (1, "failed", "the device refused it (exception_2)", no["old"]))
                code, out = w.ctl("write", "ignore", point, value, check=False)
                no = json.loads(out)
                self.assertEqual((code, no["result"], no["reason"], no["value"]),
                                 (1, "failed", IGNORED[point], no["old"]))


class Ends(unittest.TestCase):
    def test_a_source_that_is_killed_in_the_middle_of_a_write_is_a_failed_write(self):
        with World(("--devices", "pump-1=pump"), lambda w: {"pump-house": pump(w, timeout="30s", interval="1h")}) as w:
            w.start()
            wait_until(lambda: w.ctl("points", "pump-1")[0]["value"] is not None, 15, "values")
            w.plant.fault("pump-1", "silent")
            answer = []
            t = threading.Thread(target=lambda: answer.append(w.ctl("write", "pump-1", "setpoint", "20", check=False)))
            asked = w.plant.report()["pump-1"]["requests"]
            t.start()
            wait_until(lambda: w.plant.report()["pump-1"]["requests"] > asked, 10, "something was asked")
            os.kill(w.plugin_pid("pump-house"), 9)
            t.join(20)
            code, out = answer[0]
            self.assertEqual((code, json.loads(out)["reason"]), (1, "the source's process ended before it answered"))


if __name__ == "__main__":
    unittest.main()
