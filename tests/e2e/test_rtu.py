"""Serial lines: RTU on a pseudo-terminal and RTU over TCP, against pymodbus."""

import fcntl
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import Child, World, answers, free_port, wait_until  # noqa: E402
from serial_line import Wire  # noqa: E402

PYTHON = "/usr/bin/python3"


def devices(**more):
    points = {"h%d" % n: {"address": n} for n in range(0, 60)}
    points.update(far={"address": 190}, input={"table": "input", "address": 7}, coil={"table": "coil", "address": 2},
                  discrete={"table": "discrete", "address": 3}, nowhere={"address": 5000})
    return {"m%d" % u: {"unit_id": u, "points": points, **more} for u in (1, 2)}


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
        with open(wire.paths[0], "rb+", buffering=0) as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.not_connected(wire.paths[0], "the port is busy: another program uses it")


if __name__ == "__main__":
    unittest.main()
