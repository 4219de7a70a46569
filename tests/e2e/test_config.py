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

DEVICE = "sources.field.devices.meter-1"
POINT = DEVICE + ".points.voltage"
LAST = "the value ends at address 65536; the last one is 65535"
# (what is replaced, by what, line:column, the whole message; %s is the folder of the installed profiles)
EXACT = [
    ("address: 0,", "address: 65536,", "18:30", POINT + ".address: '65536' is outside 0 to 65535"),
    ("address: 0,", "address: 65535,", "18:30", POINT + ".address: " + LAST),
    ("address: 0,", "reference: 465536,", "18:32", POINT + ".reference: " + LAST),
    ("address: 0, type: f32, unit: V", "address: 65500, type: string, length: 37", "18:30", POINT + ".address: " + LAST),
    ("          mode:", "          voltage:", "19:11", POINT + ": is set twice, first at line 18"),
    ("          mode:", "          Voltage:", "19:11", DEVICE + ".points.Voltage: 'Voltage' differs only in case from "
     "'voltage' at FILE:18"),
    ("      meter-1:", "      meter-1: {unit_id: 9}\n      meter-1:", "15:7", DEVICE + ": is set twice, first at line 14"),
    ("unit: V", "unit: A, quantity: voltage_l1_n", "18:50", POINT + ".unit: 'A' does not convert to the unit of "
     "quantity 'voltage_l1_n' (V)"),
    ("unit: V", "unit: V, quantity: voltag_l1_n", "18:63", POINT + ".quantity: there is no quantity 'voltag_l1_n'; did "
     "you mean 'voltage_l1_n'?"),
    ("unit_id: 1", "unit_id: 1\n        profile: eastron-sdm63", "16:18", DEVICE + ".profile: there is no profile "
     "'eastron-sdm63' in %s; did you mean 'eastron-sdm630' or 'eastron-sdm120'?"),
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

    def test_what_people_get_wrong_is_told_word_for_word(self):
        folder = os.path.join(ROOT, "conf/profiles")
        for old, new, place, message in EXACT:
            with self.subTest(new.strip()):
                self.assertIn(old, self.good)
                text = self.good.replace(old, new, 1) + "profiles: {path: %s}\n" % folder
                path, code, out, err = self.check(text)
                want = "FILE:%s: %s\n" % (place, message.replace("%s", folder))
                self.assertEqual((code, out.replace(path, "FILE"), err), (1, want, ""))

    def test_a_warning_of_a_plugin_is_shown_and_the_file_is_good(self):
        """81 registers at 9600 baud take 195 ms: of 250 ms that leaves little, of 150 ms too little."""
        line = "rtu:/dev/no-such-port"
        text = re.sub(r"connection: .*", "connection: " + line, self.good)
        for interval, code, at in (("250ms", 0, "connection: warning: line %s needs 0.195 s of every 0.25 s (78 %%): "
                                    "little is left for retries and silent devices"),
                                   ("150ms", 1, "connection: line %s needs 0.195 s of every 0.15 s (130 %%): poll more "
                                    "rarely, read fewer points or raise the baud rate"), ("1s", 0, None)):
            with self.subTest(interval):
                path, got, out, err = self.check(text.replace("interval: 1s", "interval: " + interval)
                                                 .replace("type: f32, unit: V", "type: string, length: 80")
                                                 .replace("address: 2,", "address: 80,"))
                said = [] if not at else ["FILE:12:17: sources.field." + at % line]
                if not code:
                    said.append("FILE: OK")
                lines = [re.sub(r"OK, .*", "OK", o) for o in out.replace(path, "FILE").splitlines()]
                self.assertEqual((got, lines, err), (code, said, ""))

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
