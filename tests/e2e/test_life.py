"""Starts that fail, orderly stops, reloads."""

import copy
import json
import os
import signal
import sqlite3
import sys
import unittest

import paho.mqtt.client as mqtt

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Child, World, bench_source, program, wait_until  # noqa: E402


def small_world():
    return World(("--bench", "2", "--registers", "10"), lambda w: {
        "left": bench_source(w, 1, 10, "100ms"),
        "right": {"plugin": "modbus", "interval": "100ms",
                  "devices": {"bench-2": bench_source(w, 2, 10)["devices"]["bench-2"]}}})


class BadStarts(unittest.TestCase):
    def fails(self, w, code, *words, lines=1):
        """It ends by itself, with this exit code and so many lines that say why."""
        w.write_config()
        log = w.path("failed-%d.log" % len(os.listdir(w.folder)))
        child = Child([program("gatewayd"), "-c", w.config_path()], log)
        try:
            got = child.process.wait(15)
        finally:
            child.kill()
        text = child.text()
        self.assertEqual(got, code, text)
        self.assertEqual(len(text.splitlines()), lines, text)
        for word in words:
            self.assertIn(word, text)

    def test_an_unknown_plugin_is_a_problem_of_the_file(self):
        with small_world() as w:
            w.config["sources"]["left"]["plugin"] = "modbuss"
            self.fails(w, 1, w.config_path() + ":", "sources.left.plugin", "modbuss")

    def test_a_file_that_cannot_be_read_is_named(self):
        for path in ("/nonexistent/gatewayd.yaml", "/tmp"):
            with small_world() as w:
                child = Child([program("gatewayd"), "-c", path], w.path("x.log"))
                self.assertEqual(child.process.wait(10), 1, child.text())
                self.assertIn(path, child.text())

    def test_a_control_socket_path_that_is_too_long_is_refused(self):
        with small_world() as w:
            w.config["control"]["socket"] = w.path("s" * 120)
            self.fails(w, 1, "control.socket", "107")

    def test_a_buffer_folder_that_is_missing_is_named(self):
        with small_world() as w:
            w.config["buffer"]["path"] = w.path("missing/buffer.db")
            self.fails(w, 3, "missing")

    def test_two_daemons_never_share_a_buffer(self):
        with small_world() as w:
            w.start()
            first = w.config
            w.config = copy.deepcopy(first)
            w.config["control"]["socket"] = w.path("d.sock")
            w.config["buffer"]["ring"]["path"] = w.path("ring2")
            self.fails(w, 3, "in use", str(w.daemon.pid))
            w.config = first
            self.assertEqual(w.source("left")["state"], "running")

    def test_a_buffer_of_a_later_version_is_left_alone(self):
        with small_world() as w:
            w.start()
            wait_until(lambda: w.ledger("bench-1").readings, 15, "readings")
            self.assertEqual(w.daemon.end(), 0)
            db = sqlite3.connect(w.config["buffer"]["path"])
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("PRAGMA user_version = %d" % (version + 1000))
            db.close()
            self.fails(w, 3, "buffer.db", str(version + 1000))
            db = sqlite3.connect(w.config["buffer"]["path"])
            self.assertEqual(db.execute("PRAGMA user_version").fetchone()[0], version + 1000)
            self.assertGreater(db.execute("SELECT count(*) FROM reading").fetchone()[0], 0)
            db.close()

    def test_a_damaged_buffer_is_put_aside_and_the_work_goes_on(self):
        with small_world() as w:
            with open(w.config["buffer"]["path"], "wb") as f:
                f.write(os.urandom(20000))
            w.start()
            wait_until(lambda: w.ledger("bench-1").readings, 15, "readings")
            self.assertTrue([n for n in os.listdir(w.folder) if n.startswith("buffer.db.damaged-")],
                            os.listdir(w.folder))


def retained(port, topic):
    """What a new subscriber gets there at once."""
    found, done = [], []
    c = mqtt.Client(protocol=mqtt.MQTTv5)
    c.on_message = lambda c, u, m: found.append(json.loads(m.payload))
    c.on_subscribe = lambda *a: done.append(True)
    c.connect("127.0.0.1", port)
    c.subscribe(topic, qos=1)
    c.loop_start()
    try:
        wait_until(lambda: done and found, 5, "a retained message on " + topic)
    finally:
        c.disconnect()
        c.loop_stop()
    return found[0]


class Stops(unittest.TestCase):
    def test_sigterm_and_sigint_stop_in_order_and_say_goodbye(self):
        for signo in (signal.SIGTERM, signal.SIGINT):
            with small_world() as w:
                w.start()
                wait_until(lambda: len(w.ledger("bench-1").readings) >= 5, 15, "readings")
                self.assertEqual(w.daemon.end(signo), 0, w.daemon.tail())
                status = retained(w.broker.port, w.topic("status"))
                self.assertEqual((status["state"], status.get("reason")), ("offline", "stopped"))
                report = w.plant.report()
                for n in ("bench-1", "bench-2"):  # but for an answer that the stop met on its way
                    wait_until(lambda: report[n]["polls"] - len(w.ledger(n).readings) in (0, 1), 5,
                               "all that was answered: %d" % report[n]["polls"])
                self.assertFalse(os.path.exists(w.config["control"]["socket"]), "the socket is gone")

    def test_numbers_go_on_after_a_stop(self):
        with small_world() as w:
            for _ in range(3):
                before = len(w.ledger("bench-1").readings)
                w.start(wait=False)
                wait_until(lambda: len(w.ledger("bench-1").readings) >= before + 5, 15, "readings")
                self.assertEqual(w.daemon.end(), 0)
            self.assertEqual(w.ledger("bench-1").missing(), [])
            self.assertEqual(w.ledger("bench-1").copies, 0)


class Reloads(unittest.TestCase):
    def reload(self, w, how):
        w.write_config()
        if how == "SIGHUP":
            w.daemon.send(signal.SIGHUP)
            return
        code, text = w.ctl("reload", check=False)
        self.assertEqual(code, 0, text)
        return json.loads(text)["changed"]

    def test_a_reload_changes_one_source_and_never_touches_the_other(self):
        for how in ("SIGHUP", "gatewayctl reload"):
            with self.subTest(how), small_world() as w:
                w.start()
                wait_until(lambda: len(w.ledger("bench-2").readings) >= 5, 15, "readings")
                pid = w.plugin_pid("right")
                points = w.config["sources"]["left"]["devices"]["bench-1"]["points"]
                points["again"] = {"address": 5, "title": "Lần nữa"}
                changed = self.reload(w, how)
                if changed:
                    self.assertEqual(changed, {"sources": ["left"], "sinks": [], "removed": 0})
                wait_until(lambda: any("again" in r["values"] for r in w.ledger("bench-1").readings.values()),
                           15, "the new point")
                wait_until(lambda: "again" in w.subscriber.last(w.topic("bench-1", "directory"))["points"],
                           5, "the new directory")
                self.assertEqual(w.plugin_pid("right"), pid)
                self.assertEqual(w.source("right")["restarts"], 0)
                self.assertEqual(w.daemon.end(), 0)
                wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
                ledger = w.ledger("bench-2")
                polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
                self.assertLessEqual(polls[0], 2, "the very first may have been asked twice")
                self.assertEqual(polls, list(range(polls[0], w.plant.report()["bench-2"]["polls"] + 1)))
                self.assertEqual(w.ledger("bench-1").missing(), [])

    def test_a_wrong_file_is_refused_whole_and_all_goes_on(self):
        with small_world() as w:
            w.start()
            wait_until(lambda: w.ledger("bench-1").readings, 15, "readings")
            pids = (w.plugin_pid("left"), w.plugin_pid("right"))
            cases = [(("sources", "left", "devices", "bench-1", "unit_id"), 300, "unit_id"),
                     (("gateway", "id"), "another", "restart needed")]
            for path, value, word in cases:
                with self.subTest(path[-1]):
                    good = copy.deepcopy(w.config)
                    at = w.config
                    for key in path[:-1]:
                        at = at[key]
                    at[path[-1]] = value
                    w.write_config()
                    code, text = w.ctl("reload", check=False)
                    self.assertEqual(code, 1, text)
                    self.assertIn(word, text)
                    w.config = good
            w.write_config()
            self.assertEqual((w.plugin_pid("left"), w.plugin_pid("right")), pids)
            before = len(w.ledger("bench-1").readings)
            wait_until(lambda: len(w.ledger("bench-1").readings) >= before + 5, 10, "readings go on")

    def test_a_device_that_is_taken_out_leaves_no_retained_topics(self):
        with small_world() as w:
            w.start()
            wait_until(lambda: w.ledger("bench-2").readings, 15, "readings")
            del w.config["sources"]["right"]
            self.reload(w, "gatewayctl reload")
            for leaf in ("directory", "status"):
                wait_until(lambda: [m for m in w.subscriber.all("/bench-2/" + leaf)][-1][1] == b"", 10,
                           "an emptied " + leaf)
            wait_until(lambda: [d["name"] for d in w.subscriber.last(w.topic("directory"))["devices"]]
                       == ["bench-1"], 5, "the gateway's directory")


if __name__ == "__main__":
    unittest.main()
