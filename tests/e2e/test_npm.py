"""Against the Modbus servers of two npm packages, modbus-serial and jsmodbus, over TCP and RTU.

RTU is a pseudo-terminal that both packages open with serialport.  What the two do differently:

- modbus-serial says exception 2 for an address it does not have.  jsmodbus cuts its answer to a
  read short, so the reason is `protocol` (`crc` on a serial line), and says exception 2 only to
  writes of several registers.
- modbus-serial knows function 43/14 and is silent at 17; jsmodbus is silent at both.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ROOT, Child, Gate, World, answers, free_port, program, wait_until  # noqa: E402
from serial_line import Wire  # noqa: E402
from test_values import CASES, Number, layout, words  # noqa: E402

SERVER = os.path.join(ROOT, "tests/npm/server.js")
PACKAGES = os.path.join(ROOT, "build/npm/node_modules")
LIBRARIES = ("modbus-serial", "jsmodbus")


def ordered(raw, word, byte):
    """The registers of a value as a device with other orders has them."""
    raw = raw if word == "big" else raw[::-1]
    return raw if byte == "big" else [w >> 8 | (w & 0xff) << 8 for w in raw]


WIDE = [("u32", "I", 0x12345678, "305419896"), ("i32", "i", -123456789, "-123456789"),
        ("f32", "f", 49.98, "49.98"), ("u64", "Q", 0x0102030405060708, "72623859790382856"),
        ("i64", "q", -72623859790382856, "-72623859790382856"), ("f64", "d", -0.1, "-0.1")]
MORE = [("%s_%s_%s" % (t, word, byte), ordered(words(fmt, value), word, byte),
         {"type": t, "word_order": word, "byte_order": byte}, expected, None)
        for t, fmt, value, expected in WIDE for word in ("big", "little") for byte in ("big", "little")]
MORE += [("bcd16", [0x1234], {"type": "bcd16"}, "1234", None),
         ("bcd32", [0x1234, 0x5678], {"type": "bcd32"}, "12345678", None),
         ("bcd32_little", [0x5678, 0x1234], {"type": "bcd32", "word_order": "little"}, "12345678", None)]
REGISTERS, POINTS = layout(CASES + MORE)
AT = len(REGISTERS) + 1  # what is written lies behind, a register apart
SIZE = 8 * 20            # registers, whole bytes of coils
COILS = [n % 3 == 0 for n in range(SIZE)]

# point, keys, function that writes it, value given, value read back, registers or coils that then hold it
WRITES = [
    ("w_coil", {"table": "coil", "address": 10}, 5, "true", True, ("coil", 10, [1])),
    ("w_coil_15", {"table": "coil", "address": 13, "write_function": 15}, 15, "true", True, ("coil", 13, [1])),
    ("w_one", {"address": AT, "scale": 0.1, "unit": "Hz"}, 6, "42.5", 42.5, ("holding", AT, [425])),
    ("w_one_16", {"address": AT + 1, "type": "i16", "write_function": 16}, 16, "-7", -7, ("holding", AT + 1, [65529])),
    ("w_f32", {"address": AT + 2, "type": "f32", "word_order": "little"}, 16, "12.5", 12.5,
     ("holding", AT + 2, words("f", 12.5)[::-1])),
    ("w_u64", {"address": AT + 4, "type": "u64"}, 16, "81985529216486895", "81985529216486895",
     ("holding", AT + 4, [0x0123, 0x4567, 0x89ab, 0xcdef])),
]


def points():
    all_points = {**POINTS, **{name: {**keys, "writable": True} for name, keys, *_ in WRITES}}
    all_points.update(("coil_%d" % n, {"table": "coil", "address": n}) for n in range(9))
    all_points.update(("discrete_%d" % n, {"table": "discrete", "address": n}) for n in range(9, 20))
    all_points.update(input={"table": "input", "address": 99}, reference={"reference": "30100"},
                      nowhere={"address": 5000, "writable": True, "type": "u32"})
    return all_points


class Tap(Gate):
    """Keeps what goes through, for each connection and way."""

    def __init__(self, port):
        self.streams = {}
        super().__init__(port)

    def passes(self, connection, outward, data):
        with self.lock:
            ways = self.streams.setdefault(id(connection), (connection, {True: b"", False: b""}))[1]
            ways[outward] += data

    def frames(self):
        """(requests, answers) of each connection, each a list of (transaction, function)."""
        def cut(stream):
            out = []
            while len(stream) >= 8 and len(stream) >= 6 + struct.unpack(">H", stream[4:6])[0]:
                out.append((struct.unpack(">H", stream[:2])[0], stream[7]))
                stream = stream[6 + struct.unpack(">H", stream[4:6])[0]:]
            return out

        with self.lock:
            return [(cut(ways[True]), cut(ways[False])) for _, ways in self.streams.values()]


class Served:
    """A server of a package, and the connection that leads to it."""

    def __init__(self, world, library, way):
        self.world, self.library, self.way = world, library, way
        self.name = "%s-%s" % (library, way)
        if way == "tcp":
            self.where = free_port()
            self.tap = Tap(self.where)
            self.direct = "tcp://127.0.0.1:%d" % self.where
            self.connection = "tcp://127.0.0.1:%d" % self.tap.port
        else:
            self.wire = Wire()
            self.where = self.wire.paths[1]
            self.connection = "rtu:" + self.wire.paths[0]
        self.serve()

    def serve(self):
        self.child = Child(["node", SERVER, self.library, self.way, str(self.where), self.world.path("tables.json")],
                           self.world.path(self.name + ".log"), env={**os.environ, "NODE_PATH": PACKAGES})

    def ready(self):
        wait_until(lambda: self.child.text().count("ready\n") or not self.child.running(), 20, self.name + " serves")
        if not self.child.running():
            raise AssertionError("%s ended: %s" % (self.name, self.child.tail()))

    def close(self):
        self.child.kill()
        if self.way == "tcp":
            self.tap.shut()
        else:
            self.wire.close()


# What a read or an identification of it comes to.
NOWHERE = {"modbus-serial-tcp": "exception_2", "modbus-serial-rtu": "exception_2",
           "jsmodbus-tcp": "protocol", "jsmodbus-rtu": "protocol"}
IDENTITY = {
    "modbus-serial": (0, """\
device identification (function 43/14)
  vendor         An Phu
  product code   SRV-1
  revision       2.1
  product name   Server one
function 17: no answer from unit 1 within 300ms
SunSpec: no
"""),
    "jsmodbus": (1, """\
function 43/14: no answer from unit 1 within 300ms
function 17: no answer from unit 1 within 300ms
SunSpec: an answer that does not belong to the question
"""),
}


def mbpoll(port, table, address, count):
    """What libmodbus reads there."""
    r = subprocess.run(["mbpoll", "-1", "-0", "-q", "-t", {"coil": "0", "holding": "4"}[table], "-r", str(address), "-c",
                        str(count), "-p", str(port), "127.0.0.1"], capture_output=True, text=True, timeout=20)
    return [int(v) for v in re.findall(r"(?m)^\[\d+\]:\s+(\d+)", r.stdout)]


class Npm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("node") or not os.path.isdir(os.path.join(PACKAGES, "modbus-serial")):
            raise AssertionError("the servers of tests/npm are not installed: `make deps` does it, or says what is in "
                                 "its way (it wants Debian's nodejs and npm, and a registry of npm)")
        cls.world = World()
        cls.addClassCleanup(cls.world.close)
        with open(cls.world.path("tables.json"), "w") as f:
            json.dump({"holding": REGISTERS + [0] * (SIZE - len(REGISTERS)), "input": [3 * n for n in range(SIZE)],
                       "coil": [int(c) for c in COILS], "discrete": [int(not c) for c in COILS]}, f)
        cls.servers = {}
        for library in LIBRARIES:
            for way in ("tcp", "rtu"):
                s = Served(cls.world, library, way)
                cls.addClassCleanup(s.close)
                cls.servers[s.name] = s
        cls.world.config["sources"] = {"field": {
            "plugin": "modbus", "interval": "500ms", "timeout": "400ms", "serial": {"baud": 19200}, "devices": {
                s.name: {"connection": s.connection, "unit_id": 1, "points": points()} for s in cls.servers.values()}}}
        for s in cls.servers.values():
            s.ready()
        cls.world.start()

    def reading(self, server):
        """The first reading of a device, numbers as they were written."""
        m = wait_until(lambda: self.world.subscriber.all("/%s/data" % server.name), 15, "a reading of " + server.name)[0]
        return json.loads(m[1], parse_int=Number, parse_float=Number)

    def ledger(self, server):
        """Once it holds a reading with values."""
        return wait_until(lambda: next((book for book in [self.world.ledger(server.name)] if book.readings), None), 15,
                          "a reading of " + server.name)

    def each(self, check, way=None):
        for s in self.servers.values():
            if way in (None, s.way):
                with self.subTest(s.name):
                    check(s)

    def test_every_type_and_order_has_its_value(self):
        def check(s):
            r = self.reading(s)
            for name, _, _, expected, quality in CASES + MORE:
                got = r["values"].get(name)
                if got is not None and not isinstance(got, Number):
                    got = json.dumps(got, ensure_ascii=False)
                self.assertEqual((name, got, r["quality"].get(name)), (name, expected, quality))

        self.each(check)

    def test_the_four_tables_are_told_apart(self):
        def check(s):
            v = self.reading(s)["values"]
            self.assertEqual([v["coil_%d" % n] for n in range(9)], COILS[:9])
            self.assertEqual([v["discrete_%d" % n] for n in range(9, 20)], [not c for c in COILS[9:20]])
            self.assertEqual((v["input"], v["reference"], v["f32"]), ("297", "297", "230.1"))

        self.each(check)

    def test_an_address_that_is_not_there_says_so_and_spoils_nothing(self):
        def check(s):
            r = self.reading(s)
            self.assertNotIn("nowhere", r["values"])
            self.assertEqual(r["quality"]["nowhere"], NOWHERE[s.name])
            bad = {name for name, _, _, _, quality in CASES + MORE if quality}
            self.assertEqual(set(r["quality"]), bad | {"nowhere"})

        self.each(check)

    def test_a_device_says_what_it_is(self):
        def check(s):
            r = subprocess.run([program("plugins/modbus"), "identify", s.direct, "--timeout", "300ms"], capture_output=True, text=True,
                               timeout=30)
            self.assertEqual((r.returncode, r.stdout), IDENTITY[s.library], r.stderr)

        self.each(check, "tcp")

    def test_what_is_written_is_read_back_and_another_master_sees_it(self):
        def check(s):
            self.reading(s)
            for name, _, function, value, back, (table, address, held) in WRITES:
                done = self.world.ctl("write", s.name, name, value)
                self.assertEqual((name, done["result"], done["value"]), (name, "done", back))
                if s.way == "tcp":
                    self.assertIn(function, [f for _, answers_ in s.tap.frames() for _, f in answers_])
                    self.assertEqual((name, mbpoll(s.where, table, address, len(held))), (name, held))

        self.each(check)

    def test_a_write_to_nowhere_is_refused(self):
        def check(s):
            self.reading(s)
            code, out = self.world.ctl("write", s.name, "nowhere", "1", check=False)
            self.assertEqual((code, json.loads(out)["reason"]), (1, "the device refused it (exception_2)"))

        self.each(check)

    def test_every_answer_bears_the_transaction_of_its_request(self):
        def check(s):
            self.reading(s)
            wait_until(lambda: sum(len(a) for _, a in s.tap.frames()) > 20, 20, "20 transactions")
            for requests, answers_ in s.tap.frames():
                asked = [t for t, _ in requests]
                self.assertLessEqual({(b - a) & 0xffff for a, b in zip(asked, asked[1:])}, {1}, "one after the other")
                self.assertEqual([t for t, _ in answers_], asked[:len(answers_)])

        self.each(check, "tcp")

    def test_a_server_that_is_killed_and_started_again_is_offline_and_back(self):
        since = {s: max(self.ledger(s).readings) for s in self.servers.values()}
        for s in self.servers.values():
            s.child.kill()
        status = {s: self.world.topic(s.name, "status") for s in self.servers.values()}

        def gone(s):
            reason = "no_connection" if s.way == "tcp" else "timeout"
            wait_until(lambda: self.world.subscriber.last(status[s]).get("reason") == reason, 15, reason)

        def back(s):
            wait_until(lambda: self.world.subscriber.last(status[s])["state"] == "online", 30, "online")
            offline = [n for n, r in self.ledger(s).readings.items() if n > since[s] and not r["values"]]
            self.assertEqual(len(offline), 1, "said once")
            ledger = wait_until(lambda: self.ledger(s) if offline[0] + 1 in self.ledger(s).readings else None, 5,
                                "a reading")
            self.assertEqual(ledger.readings[offline[0] + 1]["values"]["f32"], 230.1)
            self.assertEqual((ledger.missing(), ledger.copies, ledger.losses), ([], 0, []))

        self.each(gone)
        for s in self.servers.values():
            s.serve()
        self.each(back)


if __name__ == "__main__":
    unittest.main()
