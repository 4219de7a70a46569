"""Values from a Modbus server that nobody here wrote (pymodbus) to the JSON of the topic."""

import json
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Child, World, answers, free_port, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"


def words(fmt, value):
    raw = struct.pack(">" + fmt, value)
    return list(struct.unpack(">%dH" % (len(raw) // 2), raw))


def swapped(fmt, value):
    return words(fmt, value)[::-1]


def text(s, registers):
    return list(struct.unpack(">%dH" % registers, s.encode().ljust(2 * registers, b"\0")))


NAN, INF = float("nan"), float("inf")

# name, registers, keys of the point, what the JSON must say (its text), quality
CASES = [
    ("f32", words("f", 230.1), {"type": "f32", "unit": "V"}, "230.1", None),
    ("f32_minus_zero", words("f", -0.0), {"type": "f32"}, "-0.0", None),
    ("f32_subnormal", [0, 1], {"type": "f32"}, "1e-45", None),
    ("f32_large", words("f", 3.4028234663852886e38), {"type": "f32"}, "3.4028235e38", None),
    ("f32_nan", words("f", NAN), {"type": "f32"}, None, "not_available"),
    ("f32_infinity", words("f", INF), {"type": "f32"}, None, "not_available"),
    ("f32_minus_infinity", words("f", -INF), {"type": "f32"}, None, "not_available"),
    ("f32_little_words", swapped("f", 49.98), {"type": "f32", "word_order": "little"}, "49.98", None),
    ("f64", words("d", 0.1), {"type": "f64"}, "0.1", None),
    ("f64_nan", words("d", NAN), {"type": "f64"}, None, "not_available"),
    ("u64_max", [0xffff] * 4, {"type": "u64"}, "18446744073709551615", None),
    ("u64_overflow", [0xffff] * 4, {"type": "u64", "scale": 10}, None, "overflow"),
    ("i64_min", [0x8000, 0, 0, 0], {"type": "i64"}, "-9223372036854775808", None),
    ("u32", words("I", 4294967295), {"type": "u32"}, "4294967295", None),
    ("i32", words("i", -2), {"type": "i32"}, "-2", None),
    ("i16", [0xff85], {"type": "i16", "scale": 0.1, "unit": "Cel"}, "-12.3", None),
    ("scaled", [2301], {"scale": 0.1, "unit": "V"}, "230.1", None),
    ("scaled_whole", [2300], {"scale": 0.1, "unit": "V"}, "230", None),
    ("offset", [300], {"scale": 1, "offset": -273.15, "unit": "Cel"}, "26.85", None),
    ("bytes_swapped", [0x3412], {"byte_order": "little"}, str(0x1234), None),
    ("text", text("SG-50K-VN", 8), {"type": "string", "length": 8}, '"SG-50K-VN"', None),
    ("text_vietnamese", text("Bơm số 1  ", 8), {"type": "string", "length": 8}, '"Bơm số 1"', None),
    ("text_bad", [0xfffe] * 2, {"type": "string", "length": 2}, None, "bad_text"),
    ("enum", [2], {"enum": {"0": "off", "1": "manual", "2": "auto"}}, '"auto"', None),
    ("enum_unknown", [7], {"enum": {"0": "off", "1": "manual"}}, None, "not_in_enum"),
    ("bit_set", [0x0008], {"bit": 3}, "true", None),
    ("bit_clear", [0xfff7], {"bit": 3}, "false", None),
    ("bits", [0x0050], {"bits": {"start": 4, "length": 3}}, "5", None),
    ("too_high", [700], {"max": 500}, "700", "out_of_range"),
]


def layout(cases=CASES):
    """Registers one behind the other, and the points that lie there."""
    registers, points = [], {}
    for name, raw, keys, _, _ in cases:
        points[name] = {"address": len(registers), **keys}
        registers += raw
    return registers, points


class Number(str):
    """A number of the payload as it was written."""


class Values(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        registers, points = layout()
        cls.port = free_port()
        points.update(
            in_input={"table": "input", "address": 1}, coil={"table": "coil", "address": 1},
            discrete={"table": "discrete", "address": 2}, by_reference={"reference": "40001"},
            nowhere={"address": 5000})

        def sources(w):
            return {"field": {"plugin": "modbus", "devices": {"m": {
                "connection": "tcp://127.0.0.1:%d" % cls.port, "unit_id": 1, "interval": "500ms", "points": points}}}}

        cls.world = World((), sources)
        tables = cls.world.path("tables.json")
        with open(tables, "w") as f:
            json.dump({"holding": registers, "input": [7, 4711], "coil": [0, 1], "discrete": [0, 0, 1]}, f)
        try:
            cls.server = Child([PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "pymodbus_server.py"),
                                str(cls.port), tables], cls.world.path("pymodbus.log"))
            cls.addClassCleanup(cls.world.close)
            cls.addClassCleanup(cls.server.kill)
            wait_until(lambda: answers(cls.port) or not cls.server.running(), 15, "pymodbus listens")
            cls.world.start()
            message = wait_until(lambda: cls.world.subscriber.all("/m/data"), 10, "a reading")[0]
        except BaseException:
            if cls.world.daemon:
                print(cls.world.daemon.tail(25))
            cls.world.close()
            raise
        cls.payload = message[1].decode()
        cls.reading = json.loads(cls.payload, parse_int=Number, parse_float=Number)

    def test_each_value_is_written_as_the_contract_says(self):
        for name, _, _, expected, quality in CASES:
            with self.subTest(name):
                got = self.reading["values"].get(name)
                if got is not None and not isinstance(got, Number):
                    got = json.dumps(got, ensure_ascii=False)
                self.assertEqual(got, expected)
                self.assertEqual(self.reading.get("quality", {}).get(name), quality)

    def test_the_four_tables_and_modicon_references_are_read(self):
        v = self.reading["values"]
        self.assertEqual((v["in_input"], v["coil"], v["discrete"]), ("4711", True, True))
        self.assertEqual(v["by_reference"], str(layout()[0][0]))

    def test_an_address_that_is_not_there_says_so_and_spoils_nothing(self):
        self.assertNotIn("nowhere", self.reading["values"])
        self.assertEqual(self.reading["quality"]["nowhere"], "exception_2")

    def test_gatewayctl_reads_one_point_from_the_device_now(self):
        code, out = self.world.ctl("read", "m", "scaled", check=False)
        self.assertEqual(code, 0, out)
        self.assertIn("230.1", out)
        code, out = self.world.ctl("read", "m", "nothing_here", check=False)
        self.assertEqual(code, 1, out)

    def test_integers_json_readers_would_round_are_text_on_the_control_socket(self):
        points = {p["point"]: p["value"] for p in self.world.ctl("points", "m")}
        self.assertEqual(points["u64_max"], "18446744073709551615")
        self.assertEqual(points["u32"], 4294967295)


if __name__ == "__main__":
    unittest.main()
