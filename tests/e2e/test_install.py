"""make install: the tree runs from wherever it was put, and a plugin builds against it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, ROOT, Child, free_port, wait_until  # noqa: E402

CONFIG = """
gateway: {id: gw-install}
buffer: {path: %(folder)s/buffer.db, max_size: 16MiB, ring: {path: %(folder)s/ring, size: 1MiB}}
control: {socket: %(folder)s/control.sock}
sinks: {goc: {plugin: mqtt, broker: "mqtt://127.0.0.1:%(port)d"}}
sources:
  box: {plugin: system, interval: 100ms, devices: {gateway: {}}}
  field: {plugin: modbus, devices: {meter: {connection: "tcp://127.0.0.1:%(port)d", unit_id: 1, points: {v: {address: 0}}}}}
"""


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="gw-", dir="/tmp")
        cls.tree = os.path.join(cls.folder, "tree")
        cls.install()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def install(cls):
        env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "B"}
        r = subprocess.run(["make", "-C", ROOT, "B=" + BUILD, "DESTDIR=" + cls.tree, "PREFIX=/usr", "install"],
                           capture_output=True, text=True, env=env)
        if r.returncode:
            raise AssertionError(r.stdout + r.stderr)

    def there(self, *path):
        return os.path.join(self.tree, *path)

    def run_it(self, *argv):
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, cwd="/")

    def write_config(self):
        path = os.path.join(self.folder, "gatewayd.yaml")
        with open(path, "w") as f:
            f.write(CONFIG % {"folder": self.folder, "port": free_port()})
        return path

    def test_the_installed_sample_passes_the_installed_daemons_check(self):
        r = self.run_it(self.there("usr/bin/gatewayd"), "-c", self.there("etc/gatewayd/gatewayd.yaml"), "--check")
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        self.assertIn("gatewayd.yaml: OK", r.stdout)

    def test_plugins_are_found_relative_to_the_program(self):
        r = self.run_it(self.there("usr/bin/gatewayctl"), "plugin", "modbus", "--help")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("unit_id", r.stdout)

    def test_the_installed_daemon_runs_and_answers_the_installed_ctl(self):
        daemon = Child([self.there("usr/bin/gatewayd"), "-c", self.write_config()],
                       os.path.join(self.folder, "log"))
        self.addCleanup(daemon.kill)
        ctl = [self.there("usr/bin/gatewayctl"), "-s", os.path.join(self.folder, "control.sock"), "--json"]

        def devices():
            r = self.run_it(*ctl, "devices")
            return {d["name"]: d for d in json.loads(r.stdout)} if r.returncode == 0 else {}

        wait_until(lambda: devices().get("gateway", {}).get("state") == "online", 10, "a reading of the box")
        wait_until(lambda: devices()["meter"]["reason"] == "no_connection", 10, "nobody listens there")
        self.assertEqual(daemon.end(), 0, daemon.tail())

    def test_a_second_install_keeps_the_configuration(self):
        with open(self.there("etc/gatewayd/gatewayd.yaml"), "a") as f:
            f.write("# mine\n")
        self.install()
        with open(self.there("etc/gatewayd/gatewayd.yaml")) as f:
            self.assertTrue(f.read().endswith("# mine\n"))

    def test_a_plugin_builds_from_the_installed_headers_and_library(self):
        plugin = os.path.join(self.folder, "system")
        env = {**os.environ, "PKG_CONFIG_PATH": self.there("usr/lib/pkgconfig"),
               "PKG_CONFIG_SYSROOT_DIR": self.tree}
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "gatewayd-plugin"], env=env, check=True,
                               capture_output=True, text=True).stdout.split()
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", '-DGW_VERSION="x"', "-o", plugin,
                        os.path.join(ROOT, "plugins/system/main.c"), *flags], check=True)
        self.assertIn("plugin: system", self.run_it(plugin, "--help").stdout)

    def test_systemd_accepts_the_unit_and_finds_it_confined(self):
        analyze = shutil.which("systemd-analyze")
        if not analyze:
            self.skipTest("no systemd-analyze here")
        with open(self.there("usr/lib/systemd/system/gatewayd.service")) as f:
            text = f.read()
        self.assertNotIn("@PREFIX@", text)
        unit = os.path.join(self.folder, "gatewayd.service")
        with open(unit, "w") as f:
            f.write(text.replace("=/usr/bin/", "=" + self.there("usr/bin/")))
        r = self.run_it(analyze, "verify", "--man=no", unit)
        self.assertEqual((r.returncode, r.stdout + r.stderr), (0, ""))
        r = self.run_it(analyze, "security", "--offline=true", "--no-pager", unit)
        score = float(re.search(r"Overall exposure level for \S+: (\S+)", r.stdout).group(1))
        self.assertLessEqual(score, 1.7)
        lines = [line for line in text.split("what it may see", 1)[1].splitlines() if re.match(r"[A-Z]\w+=", line)]
        self.assertGreaterEqual(len(lines), 30)


if __name__ == "__main__":
    unittest.main()
