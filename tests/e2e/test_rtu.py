"""Serial lines: RTU on a pseudo-terminal and RTU over TCP, against pymodbus."""

import fcntl
import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import Child, World, answers, free_port, wait_until  # noqa: E402
from serial_line import Wire  # noqa: E402

PYTHON = "/usr/bin/python3"


def requests(stream):
    """The frames a master sent, from all the bytes it sent."""
    out = []
    while stream:
        size = 9 + stream[6] if stream[1] in (15, 16) else 8
        out.append(stream[:size])
        stream = stream[size:]
    return out


def devices(**more):
    points = {"h%d" % n: {"address": n} for n in range(0, 60)}
    points.update(far={"address": 190}, input={"table": "input", "address": 7}, coil={"table": "coil", "address": 2},
                  discrete={"table": "discrete", "address": 3}, nowhere={"address": 5000, "writable": True})
    points.update((name, {**keys, "writable": True}) for name, keys, *_ in WRITES)
    return {"m%d" % u: {"unit_id": u, "points": points, **more} for u in (1, 2)}


# point, keys, function that writes it, value given, value read back
WRITES = [
    ("w_coil", {"table": "coil", "address": 11}, 5, "true", True),
    ("w_coil_15", {"table": "coil", "address": 13, "write_function": 15}, 15, "true", True),
    ("w_one", {"address": 100, "scale": 0.1, "unit": "Hz"}, 6, "42.5", 42.5),
    ("w_one_16", {"address": 101, "type": "i16", "write_function": 16}, 16, "-7", -7),
    ("w_f32", {"address": 102, "type": "f32", "word_order": "little"}, 16, "12.5", 12.5),
]


class Rtu(unittest.TestCase):
    def world(self, connection, **more):
        w = World((), lambda w: {"field": {
            "plugin": "modbus", "connection": connection, "interval": "500ms", "timeout": "400ms",
            "serial": {"baud": 19200}, "devices": devices(), **more}})
        self.addCleanup(w.close)
        return w

    def reading(self, world, device):
        return wait_until(lambda: [r for r in world.ledger(device).readings.values() if len(r["values"]) > 60],
                          15, "a reading of " + device)[-1]

    def check(self, world):
        for unit, first in ((1, 0), (2, 1000)):
            with self.subTest(unit=unit):
                r = self.reading(world, "m%d" % unit)
                self.assertEqual([r["values"]["h%d" % n] for n in range(60)], [first + n for n in range(60)])
                self.assertEqual((r["values"]["far"], r["values"]["input"]), (first + 190, first + 107))
                self.assertEqual((r["values"]["coil"], r["values"]["discrete"]), (True, True))
                self.assertEqual(r["quality"], {"nowhere": "exception_2"})

    def check_writes(self, world):
        before = {p["point"]: p["value"] for p in world.ctl("points", "m1")}
        for name, _, _, value, back in WRITES:
            done = world.ctl("write", "m2", name, value)
            self.assertEqual((name, done["result"], done["reason"], done["value"]), (name, "done", "", back))
        last = max(world.ledger("m2").readings)
        r = wait_until(lambda: [r for n, r in world.ledger("m2").readings.items() if n > last + 1], 10, "a reading")[0]
        self.assertEqual({name: r["values"][name] for name, *_ in WRITES}, {name: back for name, *_, back in WRITES})
        self.assertEqual([r["values"]["h%d" % n] for n in range(60)], [1000 + n for n in range(60)])
        self.assertEqual({p["point"]: p["value"] for p in world.ctl("points", "m1")}, before, "the other unit")
        code, out = world.ctl("write", "m2", "nowhere", "1", check=False)
        self.assertEqual((code, json.loads(out)["reason"]), (1, "the device refused it (exception_2)"))

    def serve(self, world, kind, where):
        server = Child([PYTHON, os.path.join(HERE, "pymodbus_rtu_server.py"), kind, str(where)],
                       world.path("pymodbus.log"))
        self.addCleanup(server.kill)
        return server

    def test_a_serial_line_to_pymodbus_gives_its_values_and_survives_its_silence(self):
        wire = Wire()
        self.addCleanup(wire.close)
        w = self.world("rtu:" + wire.paths[0])
        server = self.serve(w, "serial", wire.paths[1])
        w.start()
        self.check(w)
        self.check_writes(w)
        asked = [f[1] for f in requests(wire.passed[0]) if f[0] == 2]
        self.assertEqual([f for f in asked if f > 4], [function for _, _, function, *_ in WRITES] + [6], "each once")
        server.kill()
        status = w.topic("m2", "status")
        wait_until(lambda: (w.subscriber.last(status) or {}).get("reason") == "timeout", 10, "offline by timeout")
        self.serve(w, "serial", wire.paths[1])
        wait_until(lambda: w.subscriber.last(status)["state"] == "online", 15, "online again")
        self.assertIn("connected", w.daemon.text())

    def test_rtu_over_tcp_to_pymodbus_gives_its_values(self):
        port = free_port()
        w = self.world("rtu+tcp://127.0.0.1:%d" % port)
        server = self.serve(w, "tcp", port)
        wait_until(lambda: answers(port) or not server.running(), 15, "pymodbus listens")
        w.start()
        self.check(w)
        self.check_writes(w)

    def not_connected(self, path, why):
        """The devices have no connection, and the log says once what to do."""
        w = self.world("rtu:" + path)
        w.start()
        status, line = w.topic("m1", "status"), "rtu:%s: not connected: %s" % (path, why)
        wait_until(lambda: (w.subscriber.last(status) or {}).get("reason") == "no_connection", 10, "offline")
        wait_until(lambda: line in w.daemon.text(), 5, "the log says why")
        self.assertEqual(w.daemon.text().count(line), 1)

    def test_a_port_that_is_missing_says_so_once(self):
        self.not_connected("/dev/no-such-port", "no such port: is the adapter plugged in? /dev/serial/by-id lists "
                                                "those that are")

    def test_a_port_that_is_busy_says_so_once(self):
        wire = Wire()
        self.addCleanup(wire.close)
        other = os.open(wire.paths[0], os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, other)
        fcntl.flock(other, fcntl.LOCK_EX)
        self.not_connected(wire.paths[0], "the port is busy: another program uses it")


if __name__ == "__main__":
    unittest.main()
