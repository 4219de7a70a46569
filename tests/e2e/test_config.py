"""gatewayd --check: what is wrong, where, and what is allowed."""

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, ROOT, Plant, program  # noqa: E402

GOOD = """\
gateway: {{id: 79-test}}
buffer: {{path: buffer.db, max_size: 64MiB, ring: {{path: ring, size: 1MiB}}}}
control: {{socket: c.sock}}
plugins: {{path: {plugins}}}
sinks:
  goc:
    plugin: mqtt
    broker: mqtt://127.0.0.1:1
sources:
  field:
    plugin: modbus
    connection: {connection}
    devices:
      meter-1:
        unit_id: 1
        interval: 1s
        points:
          voltage: {{address: 0, type: f32, unit: V}}
          mode: {{address: 2, enum: {{0: off, 1: on}}}}
"""

# (what is replaced, by what, line, key path, words that the message must contain)
WRONG = [
    ("interval: 1s", "intervall: 1s", 16, "sources.field.devices.meter-1: ", ["'intervall'", "'interval'"]),
    ("interval: 1s", "interval: 1", 16, "sources.field.devices.meter-1.interval", ["ms", "s"]),
    ("interval: 1s", "interval: 1s\n        interval: 2s", 17, "sources.field.devices.meter-1.interval", ["16"]),
    ("unit_id: 1", "unit_id: 256", 15, "sources.field.devices.meter-1.unit_id", ["256", "255"]),
    ("unit_id: 1", "unit_id: 010", 15, "sources.field.devices.meter-1.unit_id", ["010"]),
    ("        unit_id: 1\n", "", None, "sources.field.devices.meter-1", ["unit_id"]),
    ("type: f32", "type: float", 18, "sources.field.devices.meter-1.points.voltage.type", ["float", "f32"]),
    ("unit: V", "unit: kWh", 18, "sources.field.devices.meter-1.points.voltage.unit", ["kW.h"]),
    ("unit: V", "unit: °C", 18, "sources.field.devices.meter-1.points.voltage.unit", ["Cel"]),
    ("address: 2,", "adress: 2,", 19, "sources.field.devices.meter-1.points.mode", ["address"]),
    ("address: 0,", "address: 65536,", 18, "sources.field.devices.meter-1.points.voltage.address", ["65535"]),
    ("address: 0,", 'reference: "20001",', 18, "sources.field.devices.meter-1.points.voltage.reference", ["20001"]),
    ("plugin: mqtt\n", "plugin: mqqt\n", 7, "sinks.goc.plugin", ["mqqt", "mqtt"]),
    ("mqtt://127.0.0.1:1", "http://127.0.0.1:1", 8, "sinks.goc.broker", ["mqtt://"]),
    ("max_size: 64MiB", "max_size: 64MB", 2, "buffer.max_size", ["MiB"]),
    ("gateway: {id: 79-test}", "gateway: {id: 79.test}", 1, "gateway.id", ["79.test"]),
    ("gateway: {id: 79-test}", "gateway: {title: x}", 1, "gateway", ["id"]),
    ("      meter-1:", "      meter 1:", 14, "sources.field.devices", ["meter 1"]),
    ("gateway: {id: 79-test}", "gateway: &a {id: 79-test}", 1, "", ["anchor"]),
    ("gateway: {id: 79-test}", "gateway: {id: !!str x}", 1, "", ["tag"]),
    ("gateway: {id: 79-test}", "gateway: {id: }", 1, "gateway.id", ["has no value"]),
    ("connection: ", "conection: ", 12, "sources.field: ", ["'conection'", "'connection'"]),
]


class Check(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.plant = Plant(cls.folder.name, "--bench", "1")
        cls.addClassCleanup(cls.plant.child.kill)
        cls.good = GOOD.format(plugins=os.path.join(BUILD, "plugins"),
                               connection=cls.plant.connection("bench-1"))

    def check(self, text, name="test.yaml"):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        r = subprocess.run([program("gatewayd"), "-c", path, "--check"], capture_output=True, text=True, timeout=30)
        return path, r.returncode, r.stdout, r.stderr

    def test_a_good_file_is_ok_and_no_device_is_touched(self):
        path, code, out, err = self.check(self.good)
        self.assertEqual((code, err), (0, ""), out + err)
        self.assertTrue(out.startswith(path + ": OK"), out)
        self.assertEqual(self.plant.report()["bench-1"]["requests"], 0)

    def test_each_mistake_is_named_with_its_place_and_what_is_allowed(self):
        for old, new, line, key, words in WRONG:
            with self.subTest(new.strip()):
                self.assertIn(old, self.good)
                path, code, out, err = self.check(self.good.replace(old, new, 1))
                self.assertEqual(code, 1, out + err)
                found = [m for m in (re.fullmatch(r"(.+?):(\d+):(\d+): (.*)", o) for o in out.splitlines()) if m]
                self.assertTrue(found, out + err)
                hit = [m for m in found if key in m[4] and (line is None or int(m[2]) == line)
                       and all(w in m[4] for w in words)]
                self.assertTrue(hit, "want line %s, %s, %s; got:\n%s" % (line, key, words, out))
                self.assertEqual(hit[0][1], path)

    def test_all_mistakes_are_shown_in_one_run(self):
        text = self.good.replace("unit_id: 1", "unit_id: 256").replace("max_size: 64MiB", "max_size: 1KiB") \
            .replace("unit: V", "unit: volt")
        _, code, out, _ = self.check(text)
        self.assertEqual(code, 1)
        self.assertEqual(len(out.splitlines()), 3, out)

    def test_devices_of_one_name_in_two_sources_are_an_error(self):
        more = textwrap.dedent("""\
              other:
                plugin: modbus
                connection: tcp://127.0.0.1:1
                devices:
                  Meter-1: {unit_id: 1, points: {a: {address: 0}}}
            """)
        _, code, out, _ = self.check(self.good + textwrap.indent(more, "  "))
        self.assertEqual(code, 1, out)
        self.assertRegex(out, r"^\S+:24:7: sources\.other\.devices\.Meter-1: source 'field' has a "
                         r"device 'meter-1' too, at \S+:14: a name is used once, whatever its case\n$")

    def test_a_json_file_is_a_valid_configuration(self):
        config = {"gateway": {"id": "79-test"}, "buffer": {"path": "buffer.db"},
                  "control": {"socket": "c.sock"}, "plugins": {"path": os.path.join(BUILD, "plugins")},
                  "sinks": {"goc": {"plugin": "mqtt", "broker": "mqtt://127.0.0.1:1"}},
                  "sources": {"field": {"plugin": "modbus", "connection": "tcp://127.0.0.1:1", "devices": {
                      "m": {"unit_id": 1, "points": {"a": {"address": 0}}}}}}}
        _, code, out, err = self.check(json.dumps(config), "test.json")
        self.assertEqual(code, 0, out + err)
        wrong = copy.deepcopy(config)
        wrong["sources"]["field"]["devices"]["m"]["unit_id"] = "many"
        _, code, out, _ = self.check(json.dumps(wrong), "test.json")
        self.assertEqual(code, 1)
        self.assertIn("sources.field.devices.m.unit_id", out)

    def test_included_files_are_merged_and_clashes_name_both_places(self):
        os.makedirs(os.path.join(self.folder.name, "devices.d"), exist_ok=True)
        part = os.path.join(self.folder.name, "devices.d", "two.yaml")
        with open(part, "w") as f:
            f.write("sources: {field: {devices: {meter-2: {unit_id: 2, points: {a: {address: 0}}}}}}\n")
        _, code, out, err = self.check("include: [devices.d/*.yaml, none.d/*.yaml]\n" + self.good)
        self.assertEqual(code, 0, out + err)
        with open(part, "w") as f:
            f.write("sources: {field: {devices: {meter-1: {interval: 5s}}}}\n")
        path, code, out, _ = self.check("include: [devices.d/*.yaml]\n" + self.good)
        self.assertEqual(code, 1, out)
        self.assertIn(part, out)
        self.assertIn(os.path.basename(path), out)

    def test_the_demo_configuration_is_ok(self):
        with open(os.path.join(ROOT, "conf/demo.yaml"), encoding="utf-8") as f:
            text = f.read() + "\nplugins: {path: %s}\n" % os.path.join(BUILD, "plugins")
        _, code, out, err = self.check(text, "demo.yaml")
        self.assertEqual(code, 0, out + err)

    def test_wrong_usage_exits_2_and_help_and_version_exit_0(self):
        for argv, code in ((["--frobnicate"], 2), (["surplus"], 2), (["--help"], 0), (["--version"], 0)):
            r = subprocess.run([program("gatewayd"), *argv], capture_output=True, text=True, timeout=10)
            self.assertEqual(r.returncode, code, (argv, r.stdout, r.stderr))
            self.assertTrue(r.stderr if code else r.stdout, argv)

    def test_gatewayctl_without_a_daemon_exits_3(self):
        r = subprocess.run([program("gatewayctl"), "-s", os.path.join(self.folder.name, "none.sock"), "status"],
                           capture_output=True, text=True, timeout=10)
        self.assertEqual(r.returncode, 3, r.stdout + r.stderr)
        self.assertIn("no daemon answers", r.stderr)


if __name__ == "__main__":
    unittest.main()
