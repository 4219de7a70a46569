"""Every profile through the daemon: all load and convert, and all published values are
compared with what this file makes of the same registers, by fractions and by nothing of ours.

    test_profiles.py --write-list      puts the list of profiles into docs/profiles.md
"""

import glob
import json
import math
import os
import struct
import subprocess
import sys
import unittest
import zlib
from fractions import Fraction

import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ROOT, Child, World, answers, free_port, program, wait_until  # noqa: E402

FOLDER = os.path.join(ROOT, "conf/profiles")
DOMAINS = {"energy", "agriculture", "traffic", "environment", "water", "street", "industry", "solar",
           "storage", "drive", "common"}
FORMS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}
# ratio to a unit of the same kind; what is not here must be the canonical unit already
RATIOS = {"kHz": ("Hz", 1000), "%": ("1", Fraction(1, 100)), "1": ("1", 1), "Hz": ("Hz", 1), "ms": ("s", Fraction(1, 1000)),
          "s": ("s", 1), "min": ("s", 60), "h": ("s", 3600), "mS/cm": ("uS/cm", 1000), "uS/cm": ("uS/cm", 1),
          "W": ("W", 1), "kW": ("W", 1000), "kPa": ("Pa", 1000), "hPa": ("Pa", 100), "bar": ("Pa", 100000),
          "cm": ("m", Fraction(1, 100)), "m": ("m", 1), "mm": ("m", Fraction(1, 1000)), "ug/L": ("mg/L", Fraction(1, 1000)),
          "mg/L": ("mg/L", 1)}
ZEROS = {"Cel": Fraction("273.15"), "K": Fraction(0)}
MANUAL, MARK = os.path.join(ROOT, "docs/profiles.md"), "## The list\n\n"
LINES = 8  # connections, so that 87 devices do not wait for each other

# What profiles let people write: settings and commands.  Never what is measured, though some sensors take
# that too and lie afterwards, nor where a device is on the line.
WRITABLE = set("""
decimal_places display_value ev_charging_enabled ev_charging_paused ev_rfid_enabled genset_run_command
""".split()) | {"relay_state_%d" % n for n in range(1, 9)}


def profiles():
    found = {}
    for path in sorted(glob.glob(FOLDER + "/*.yaml")):
        with open(path) as f:
            found[os.path.basename(path)[:-5]] = yaml.load(f, yaml.BaseLoader)  # every scalar stays text
    return found


def vocabulary():
    with open(os.path.join(ROOT, "conf/quantities.yaml")) as f:
        return yaml.load(f, yaml.BaseLoader)["quantities"]


def number(text):
    return Fraction(int(text, 16)) if text.startswith("0x") else Fraction(text)


def to_canonical(value, unit, canonical):
    if unit in ZEROS and canonical in ZEROS:
        return value + ZEROS[unit] - ZEROS[canonical]
    if unit == canonical:
        return value
    (base, a), (other, b) = RATIOS[unit], RATIOS[canonical]
    assert base == other, (unit, canonical)
    return value * a / b


def single(x):
    """The float32 nearest to a fraction, ties to even."""
    bits = struct.unpack("<I", struct.pack("<f", float(x)))[0]
    near = [struct.unpack("<f", struct.pack("<I", b))[0] for b in (bits - 1, bits, bits + 1) if 0 <= b < 2**32]
    return min((n for n in near if math.isfinite(n)), key=lambda n: (abs(Fraction(n) - x), n != near[0]))


class Point:
    def __init__(self, name, keys, words, order="big"):
        """order: of the words, where the point says none"""
        self.name, self.keys = name, keys
        self.order = keys.get("word_order", "big" if keys.get("type") == "string" else order)
        self.table = keys.get("table", "holding")
        self.address = int(keys["address"], 0)
        single_bits = self.table in ("coil", "discrete")
        self.type = keys.get("type", "bool" if single_bits else "u16")
        self.width = (1 if single_bits or self.type == "bool" else int(keys["length"]) if self.type == "string"
                      else struct.calcsize(">" + FORMS[self.type]) // 2)
        self.places = [self.address + i for i in range(self.width)]
        if "high_address" in keys:
            self.places = sorted([self.address, int(keys["high_address"], 0)])
            self.order = "little" if self.places[0] == self.address else "big"
        self.scale, self.offset = number(keys.get("scale", "1")), number(keys.get("offset", "0"))
        self.quantity = words[keys["quantity"]] if "quantity" in keys else {}
        self.canonical = self.quantity.get("unit")
        self.unit = keys.get("unit", self.canonical)

    def is_bool(self):
        return self.table in ("coil", "discrete") or "bit" in self.keys

    def no_values(self):
        """Patterns; of a range both ends."""
        listed = self.keys.get("no_value", [])
        return [int(v, 0) for text in (listed if isinstance(listed, list) else [listed]) for v in text.split("..")]

    def limit(self, which):
        if which in self.keys:
            return to_canonical(number(self.keys[which]), self.unit, self.canonical or self.unit)
        return number(self.quantity[which]) if which in self.quantity else None

    # ---- registers ----

    def pack(self, raw):
        if self.type == "string":
            data = raw.encode().ljust(2 * self.width, b"\0")
        else:
            data = struct.pack(">" + FORMS[self.type], raw)
        words = [data[i:i + 2] for i in range(0, len(data), 2)]
        if self.order == "little":
            words.reverse()
        order = "<H" if self.keys.get("byte_order") == "little" else ">H"
        return [struct.unpack(order, w)[0] for w in words]

    def unpack(self, words):
        order = "<H" if self.keys.get("byte_order") == "little" else ">H"
        parts = [struct.pack(order, w) for w in words]
        if self.order == "little":
            parts.reverse()
        data = b"".join(parts)
        if self.type == "string":
            return data
        return struct.unpack(">" + FORMS[self.type], data)[0]

    def pattern(self, value):
        """Registers that hold a bit pattern, as the profile's no_value gives it."""
        bits = 16 * self.width
        return self.unpack_pattern(value & ((1 << bits) - 1), bits)

    def unpack_pattern(self, value, bits):
        data = value.to_bytes(bits // 8, "big")
        words = [data[i:i + 2] for i in range(0, len(data), 2)]
        if self.order == "little":
            words.reverse()
        order = "<H" if self.keys.get("byte_order") == "little" else ">H"
        return [struct.unpack(order, w)[0] for w in words]

    def some_raw(self):
        """A raw value that is plausible for the quantity, other for each point."""
        chance = zlib.crc32(self.name.encode()) / 2**32
        if self.type == "string":
            return "Nr-%d" % (chance * 99)
        if self.is_bool() or "bits" in self.keys:
            return int(chance * 65536)
        if "enum" in self.keys:
            labels = sorted(self.keys["enum"], key=int)
            return int(labels[int(chance * len(labels))])
        low, high = self.limit("min"), self.limit("max")
        low, high = max(low or 0, -30000), min(1000 if high is None else high, 60000)
        value = Fraction(low + Fraction(chance) * (high - low)).limit_denominator(1000)
        zero, one = (to_canonical(Fraction(v), self.unit, self.canonical or self.unit) for v in (0, 1))
        raw = ((value - zero) / (one - zero) - self.offset) / self.scale
        if self.type in ("f32", "f64"):
            return struct.unpack(">f", struct.pack(">f", float(raw)))[0]
        bits = 16 * self.width
        least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.type[0] == "i" else (0, (1 << bits) - 1)
        return max(least, min(most - 1, round(raw)))

    # ---- what must be published ----

    def expected(self, words, decimals):
        """(value, reason): either may be None."""
        if self.table in ("coil", "discrete"):
            return bool(words[0]), None
        raw = self.unpack(words)
        if self.type == "string":
            return raw.decode().rstrip("\0 "), None
        if "bit" in self.keys:
            return bool(raw >> int(self.keys["bit"]) & 1), None
        if "bits" in self.keys:
            raw = raw >> int(self.keys["bits"]["start"]) & (1 << int(self.keys["bits"]["length"])) - 1
        if "enum" in self.keys:
            label = self.keys["enum"].get(str(raw))
            return label, None if label else "not_in_enum"
        if decimals is not None:
            raw = Fraction(raw / 10**decimals)  # a double, as the device's number is one
        exact = to_canonical(Fraction(raw) * self.scale + self.offset, self.unit, self.canonical or self.unit)
        value = single(exact) if self.type == "f32" else float(exact) if exact.denominator > 1 else int(exact)
        low, high = self.limit("min"), self.limit("max")
        outside = (low is not None and exact < low) or (high is not None and exact > high)
        return value, "out_of_range" if outside else None


class Map:
    """The registers of one device and what must come of them."""

    def __init__(self, profile, words, without=False):
        self.points = [Point(n, k, words, profile.get("word_order", "big")) for n, k in profile["points"].items()]
        self.decimals = {p.keys["decimals_from"] for p in self.points if "decimals_from" in p.keys}
        self.tables = {}
        for p in self.points:
            table = self.tables.setdefault(p.table, {})
            none = p.no_values()
            if p.table in ("coil", "discrete"):
                fill = [p.some_raw() & 1]
            elif without and none:
                fill = p.pattern(none[0])
            elif p.name in self.decimals:
                fill = [1 + p.address % 2 + (0x700 if "bits" in p.keys else 0)]
            else:
                fill = p.pack(p.some_raw())
            for at, word in zip(p.places, fill):  # one value over another: what is there stays
                table.setdefault(at, word)
        for p in self.points:  # what is read along
            for at in range(p.places[0], p.places[-1]):
                self.tables[p.table].setdefault(at, 0xdead)

    def words(self, point):
        return [self.tables[point.table][at] for at in point.places]

    def expected(self, point):
        decimals = None
        if "decimals_from" in point.keys:
            other = next(p for p in self.points if p.name == point.keys["decimals_from"])
            decimals = other.expected(self.words(other), None)[0]
        return point.expected(self.words(point), decimals)

    def is_none(self, point):
        if point.table in ("coil", "discrete"):
            return False
        return any(self.words(point) == point.pattern(v) for v in point.no_values())


def list_of_profiles():
    lines = ["| profile | device | domain | points |", "|---|---|---|---|"]
    for name, p in profiles().items():
        unsure = sum(k.get("unconfirmed") == "true" for k in p["points"].values())
        lines.append("| `%s` | %s | %s | %d%s |" % (name, p["title"], p["domain"], len(p["points"]),
                                                  ", %d unconfirmed" % unsure if unsure else ""))
    return "\n".join(lines) + "\n"


def manual(new_list=None):
    """docs/profiles.md, with another list in it or as it is."""
    with open(MANUAL) as f:
        before, mark, _ = f.read().partition(MARK)
    return before + mark + (new_list or _)


class Profiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.profiles, cls.words = profiles(), vocabulary()
        cls.maps = {name: Map(p, cls.words) for name, p in cls.profiles.items()}
        cls.maps.update({"na-" + name: Map(p, cls.words, without=True) for name, p in cls.profiles.items()
                         if any("no_value" in k for k in p["points"].values())})
        cls.ports = [free_port() for _ in range(LINES)]
        cls.where = {name: (cls.ports[i % LINES], 1 + i // LINES) for i, name in enumerate(cls.maps)}

    def devices(self):
        """The line's own settings are not those of the bench: nothing to wait for."""
        quick = {"pause": "0ms", "unit_pause": "0ms", "connect_delay": "0ms", "timeout": "5s"}
        return {name: {"profile": name.removeprefix("na-"), "unit_id": self.where[name][1],
                       "connection": "tcp://127.0.0.1:%d" % self.where[name][0], **quick}
                for name in self.maps}

    def test_there_is_a_profile_for_each_of_87_devices_and_each_says_what_it_is(self):
        self.assertEqual(len(self.profiles), 87)
        for name, p in self.profiles.items():
            self.assertTrue(p["title"] and p["source"] and p["points"], name)
            self.assertEqual(p["plugin"], "modbus", name)
            self.assertIn(p["domain"], DOMAINS, name)
            for point, keys in p["points"].items():
                if "quantity" not in keys:
                    self.assertEqual(keys.get("unconfirmed"), "true", name + "." + point)

    def test_only_settings_and_commands_are_writable(self):
        for name, p in self.profiles.items():
            for point, keys in p["points"].items():
                if keys.get("writable") == "true":
                    self.assertIn(keys["quantity"], WRITABLE, name + "." + point)

    def test_a_number_is_writable_only_between_limits(self):
        numbers = 0
        for name, p in self.profiles.items():
            for point, keys in p["points"].items():
                is_bool = keys.get("table") == "coil" or "bit" in keys or keys.get("type") == "bool"
                if keys.get("writable") != "true" or is_bool or "enum" in keys or keys.get("type") == "string":
                    continue
                numbers += 1
                self.assertLess(float(keys["min"]), float(keys["max"]), name + "." + point)
        self.assertGreater(numbers, 0)

    def test_the_manual_lists_what_is_there(self):
        self.assertEqual(manual(), manual(list_of_profiles()), "run tests/e2e/test_profiles.py --write-list")

    def test_all_profiles_load_and_all_units_convert(self):
        with World() as w:
            w.config["sources"] = {"field": {"plugin": "modbus", "interval": "10s", "devices": {
                name: {"profile": name, "unit_id": 1, "connection": "tcp://127.0.0.1:%d" % (20000 + i)}
                for i, name in enumerate(self.profiles)}}}
            w.write_config()
            r = subprocess.run([program("gatewayd"), "--check", "-c", w.config_path()],
                               capture_output=True, text=True, timeout=30)
            self.assertEqual((r.returncode, r.stdout.count("\n")), (0, 1), r.stdout[:2000])

    def test_what_is_published_is_what_the_registers_mean(self):
        with World() as w:
            server = w.path("registers.json")
            book = {}
            for name, m in self.maps.items():
                port, unit = self.where[name]
                book.setdefault(str(port), {})[str(unit)] = m.tables
            with open(server, "w") as f:
                json.dump(book, f)
            w.config["sources"] = {"field": {"plugin": "modbus", "interval": "10s", "devices": self.devices()}}
            child = Child(["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "register_server.py"), server],
                          w.path("server.log"))
            try:
                wait_until(lambda: all(answers(p) for p in self.ports) or not child.running(), 15, "the servers listen")
                w.start()
                for name in self.maps:
                    self.compare(w, name)
            finally:
                child.kill()

    def compare(self, w, name):
        reading = wait_until(lambda: w.subscriber.last(w.topic(name, "data")), 25, name + " is read")
        values, quality = reading["values"], reading.get("quality", {})
        directory = w.subscriber.last(w.topic(name, "directory"))["points"]
        for p in self.maps[name].points:
            where = name + "." + p.name
            if self.maps[name].is_none(p):
                self.assertNotIn(p.name, values, where)
                self.assertEqual(quality.get(p.name), "not_available", where)
                continue
            value, reason = self.maps[name].expected(p)
            self.assertEqual(quality.get(p.name), reason, where)
            got = values.get(p.name)
            if p.type == "f32" and got is not None:
                got = struct.unpack("<f", struct.pack("<f", got))[0]
            self.assertEqual((got, type(got) is bool), (value, type(value) is bool), where)
            if p.canonical and not (p.is_bool() or p.type == "string" or "enum" in p.keys):
                self.assertEqual(directory[p.name]["unit"], p.canonical, where)


class Reload(unittest.TestCase):
    def test_a_reload_notices_a_new_vocabulary(self):
        with World() as w:
            def words(unit):
                with open(w.path("quantities.yaml"), "w") as f:
                    f.write("quantities: {power: {unit: %s, max: 9000}}" % unit)
            port = free_port()
            with open(w.path("registers.json"), "w") as f:
                json.dump({str(port): {"1": {"holding": {"0": 1234}}}}, f)
            child = Child(["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "register_server.py"),
                           w.path("registers.json")], w.path("server.log"))
            try:
                words("W")
                w.config["profiles"]["path"].insert(0, w.folder)
                w.config["sources"] = {"field": {"plugin": "modbus", "interval": "100ms", "devices": {"m": {
                    "connection": "tcp://127.0.0.1:%d" % port, "unit_id": 1,
                    "points": {"p": {"address": 0, "unit": "kW", "scale": 0.001, "quantity": "power"}}}}}}
                wait_until(lambda: answers(port), 15, "the server listens")
                w.start()
                wait_until(lambda: (w.subscriber.last(w.topic("m", "data")) or {}).get("values") == {"p": 1234},
                           10, "watts")
                words("MW")
                w.ctl("reload", check=False)
                wait_until(lambda: w.subscriber.last(w.topic("m", "data"))["values"] == {"p": 0.001234}, 10,
                           "megawatts")
                wait_until(lambda: w.subscriber.last(w.topic("m", "directory"))["points"]["p"]["symbol"] == "MW", 10,
                           "the directory in megawatts")
            finally:
                child.kill()


class Mistakes(unittest.TestCase):
    """What people get wrong, word for word."""

    def said(self, profile, device=None, source=None, name="my-meter"):
        with World() as w:
            os.mkdir(w.path("profiles"))
            for file, text in (("my-meter", profile), ("my-motor", "points: {}"), ("other", "points: {}")):
                with open(w.path("profiles/%s.yaml" % file), "w") as f:
                    f.write(text)
            w.config["profiles"]["path"].insert(0, w.path("profiles"))
            w.config["sources"] = {"field": {"plugin": "modbus", "connection": "tcp://127.0.0.1:502",
                                             **(source or {}), "devices": {
                                                 "m": {"unit_id": 1, "profile": name, **(device or {})}}}}
            w.write_config()
            r = subprocess.run([program("gatewayd"), "--check", "-c", w.config_path()],
                               capture_output=True, text=True, timeout=30)
            return r.stdout.replace(w.folder, "DIR")

    def test_the_names_that_are_near(self):
        out = self.said("points: {}", name="my-mter")
        self.assertRegex(out, r"DIR/gatewayd.yaml:\d+:\d+: sources.field.devices.m.profile: there is no profile "
                              r"'my-mter' in DIR/profiles, .*; did you mean 'my-meter' or 'my-motor'\?\n$")

    def test_a_mistake_in_a_profile_is_shown_in_the_profile(self):
        point = "sources.field.devices.m.points.p"
        for text, expected in (
                ("{address: 65535, type: f32}",
                 "1:23: %s.address: the value ends at address 65536; the last one is 65535" % point),
                ("{address: 0, unit: A, quantity: voltage_l1_n}", "1:32: %s.unit: 'A' does not convert to the unit "
                 "of quantity 'voltage_l1_n' (V)" % point),
                ("{address: 0, quantity: voltag_l1_n}", "1:36: %s.quantity: there is no quantity 'voltag_l1_n'; "
                 "did you mean 'voltage_l1_n'?" % point),
                ("{address: 0, quantity: frequency, enum: {0: off}}", "1:36: %s.quantity: an enumeration has no unit, "
                 "but quantity 'frequency' is in Hz" % point)):
            self.assertEqual(self.said("points: {p: %s}" % text), "DIR/profiles/my-meter.yaml:%s\n" % expected)

    def test_names_that_differ_only_in_case(self):
        out = self.said("points: {Power: {address: 0}}", {"points": {"power": {"address": 2}}})
        self.assertEqual(out.count("\n"), 1, out)
        self.assertIn("case", out)

    def test_a_profile_of_another_plugin(self):
        out = self.said("plugin: system\npoints: {p: {address: 0}}")
        self.assertIn(": sources.field.devices.m.profile: profile 'my-meter' is for plugin 'system', and this source "
                      "has 'modbus'\n", out)

    def test_limits_may_stand_together_and_unknown_ones_are_errors(self):
        self.assertIn(": OK", self.said("limits: {max_registers: 10, pause: 5ms}\npoints: {p: {address: 0}}"))
        self.assertIn("sources.field.devices.m: unknown key 'max_register'; did you mean 'max_registers'?",
                      self.said("limits: {max_register: 10}\npoints: {p: {address: 0}}"))


if __name__ == "__main__":
    if sys.argv[1:] == ["--write-list"]:
        text = manual(list_of_profiles())
        with open(MANUAL, "w") as out:
            out.write(text)
    else:
        unittest.main()
