"""The tools the other tests and people rely on: the runner, the books, the gate, the demo."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, ROOT, Ledger, World, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def script(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(textwrap.dedent(text))
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return path


class Runner(Folder):
    def run_py(self, *args):
        r = subprocess.run([PYTHON, os.path.join(ROOT, "tests/run.py"), *args], capture_output=True, text=True,
                           timeout=60)
        return r.returncode, r.stdout.splitlines()

    def test_good_tests_are_counted(self):
        a = self.script("test_a", "#!/bin/sh\necho 1..2; echo 'ok 1 - x'; echo 'ok 2 - y # SKIP no'\n")
        b = self.script("test_b.py", """\
            import unittest
            class T(unittest.TestCase):
                def test_one(self): pass
                def test_two(self): pass
            """)
        code, lines = self.run_py(a, "--python", b)
        self.assertEqual((code, lines[-1]), (0, "3 passed, 0 failed"))

    def test_whatever_goes_wrong_is_a_failure(self):
        cases = {
            "fails": ("echo 'ok 1 - x'; echo 'not ok 2 - y'; exit 1", "1 passed, 1 failed"),
            "crashes": ("echo 'ok 1 - x'; kill -SEGV $$", "1 passed, 1 failed"),
            "counts_none": ("exit 0", "0 passed, 1 failed"),
            "wrong_code": ("echo 'ok 1 - x'; exit 3", "1 passed, 1 failed"),
        }
        for name, (body, last) in cases.items():
            with self.subTest(name):
                code, lines = self.run_py(self.script(name, "#!/bin/sh\n%s\n" % body))
                self.assertEqual((code, lines[-1]), (1, last))
                self.assertIn("failed: ", lines[-2])

    def test_failing_and_broken_unittest_files_are_failures(self):
        one = self.script("test_one.py", """\
            import unittest
            class T(unittest.TestCase):
                def test_good(self): pass
                def test_bad(self): self.assertEqual(1, 2)
            """)
        code, lines = self.run_py("--python", one)
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertIn("AssertionError: 1 != 2", "\n".join(lines))
        code, lines = self.run_py("--python", self.script("test_two.py", "import nothing_of_that_name\n"))
        self.assertEqual((code, lines[-1]), (1, "0 passed, 1 failed"))

    def test_a_fuzz_target_replays_its_corpus(self):
        corpus = os.path.join(self.folder, "corpus")
        os.mkdir(corpus)
        good = self.script("fuzz_good", "#!/bin/sh\ntest -s \"$1\"\n")
        self.assertEqual(self.run_py("--fuzz", good, corpus)[1][-1], "0 passed, 1 failed", "an empty corpus proves nothing")
        with open(os.path.join(corpus, "seed"), "w") as f:
            f.write("x")
        self.assertEqual(self.run_py("--fuzz", good, corpus)[1][-1], "1 passed, 0 failed")
        bad = self.script("fuzz_bad", "#!/bin/sh\nkill -ABRT $$\n")
        self.assertEqual(self.run_py("--fuzz", bad, corpus)[1][-1], "0 passed, 1 failed")


class Books(unittest.TestCase):
    def ledger(self, *messages):
        return Ledger([("goc/g/d/" + leaf, json.dumps(body).encode(), 0, False) for leaf, body in messages],
                      "goc/g/d")

    def reading(self, seq, value=1):
        return {"seq": seq, "ts": 1, "values": {"p": value}}

    def test_gaps_copies_and_losses_are_told_apart(self):
        book = self.ledger(("data", self.reading(5)), ("replay", [self.reading(3), self.reading(5)]),
                           ("data", self.reading(9)), ("loss", {"from": 6, "to": 7}))
        self.assertEqual((book.seqs(), book.copies, book.missing()), ([3, 5, 9], 1, [4, 8]))
        self.assertEqual(book.missing(first=2), [2, 4, 8])
        self.assertEqual(book.order, [("data", 5), ("replay", 3), ("replay", 5), ("data", 9)])

    def test_a_number_with_two_meanings_is_noticed(self):
        book = self.ledger(("data", self.reading(5, 1)), ("replay", [self.reading(5, 2)]))
        self.assertEqual(book.differing, [5])


class GateAndBroker(unittest.TestCase):
    def test_an_outage_loses_nothing_that_the_broker_took_and_ends(self):
        import paho.mqtt.client as mqtt
        with World() as w:
            client = mqtt.Client("gw", protocol=mqtt.MQTTv5)
            client.will_set(w.topic("status"), '{"state":"offline"}', qos=1, retain=True)
            client.reconnect_delay_set(1, 1)
            client.connect("127.0.0.1", w.gate.port)
            client.loop_start()
            self.addCleanup(client.loop_stop)
            client.publish(w.topic("d", "data"), "{}", qos=1).wait_for_publish(5)
            w.outage()
            self.assertEqual(len(w.subscriber.all("/d/data")), 1)
            client.publish(w.topic("d", "data"), "{}", qos=1)
            w.recovery()
            wait_until(lambda: len(w.subscriber.all("/d/data")) == 2, 10, "the second message")
            client.disconnect()


FAKE_DAEMON = """\
    #!/usr/bin/python3
    import json, re, signal, sys, time
    import paho.mqtt.client as mqtt
    text = open(sys.argv[2]).read()
    port = int(re.search(r"mqtt://127.0.0.1:(\\d+)", text)[1])
    assert re.search(r"tcp://127.0.0.1:15021\\b", text) is None, "ports were not put in"
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
    c = mqtt.Client(protocol=mqtt.MQTTv5)
    c.connect("127.0.0.1", port)
    c.loop_start()
    top = "goc/79/79-demo-01"
    c.publish(top + "/directory", json.dumps({"devices": [{"name": "meter-1", "topic": top + "/meter-1"}]}), 1, True)
    c.publish(top + "/meter-1/directory", json.dumps({"title": "Chợ", "points": {"t": {"symbol": "°C"}, "q": {}}}), 1, True)
    c.publish(top + "/meter-1/status", json.dumps({"state": "online"}), 1, True)
    while True:
        c.publish(top + "/meter-1/data", json.dumps({"values": {"t": 26.5}, "quality": {"q": "timeout"}}), 1)
        time.sleep(0.2)
    """


class Demo(Folder):
    def demo(self, daemon, **env):
        os.symlink(os.path.join(BUILD, "plant"), os.path.join(self.folder, "plant"))
        self.script("gatewayd", daemon)
        return subprocess.Popen([PYTHON, os.path.join(ROOT, "tests/demo.py")], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "B": self.folder, "TMPDIR": self.folder, **env})

    def left_behind(self):
        """Processes of the demo that still run: their command lines name our folder."""
        out = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
        return [line for line in out.splitlines() if self.folder in line]

    def test_values_units_and_reasons_are_shown_and_nothing_stays(self):
        p = self.demo(FAKE_DAEMON, DEMO_SECONDS="3")
        out, err = p.communicate(timeout=60)
        self.assertEqual((p.returncode, err), (0, ""), out)
        self.assertIn("mosquitto_sub -h 127.0.0.1 -p ", out)
        self.assertIn("meter-1  Chợ: online", out)
        self.assertRegex(out, r"\n  t +26\.5 °C +0 s\n")
        self.assertRegex(out, r"\n  q +timeout +0 s\n")
        self.assertNotIn("\x1b", out, "no terminal, no control sequences")
        self.assertTrue(out.splitlines()[-1].startswith("demo ended: "), out)
        self.assertEqual(self.left_behind(), [])
        self.assertEqual(sorted(os.listdir(self.folder)), ["gatewayd", "plant"])

    def test_ctrl_c_ends_it_in_order(self):
        p = self.demo(FAKE_DAEMON)
        wait_until(lambda: "26.5" in p.stdout.readline(), 30, "a value", every=0)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=30)
        self.assertEqual((p.returncode, err), (0, ""), out)
        self.assertEqual(self.left_behind(), [])
        self.assertEqual(sorted(os.listdir(self.folder)), ["gatewayd", "plant"])

    def test_a_part_that_dies_is_named_with_its_last_lines(self):
        p = self.demo("#!/bin/sh\necho 'no such luck' >&2\nexit 3\n", DEMO_SECONDS="30")
        begun = time.monotonic()
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 1)
        self.assertIn("demo: gatewayd ended with exit code 3; its log ends:\n  no such luck\n", err)
        self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(self.left_behind(), [])


if __name__ == "__main__":
    unittest.main()
