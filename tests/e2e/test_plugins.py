"""Plugin processes that die, lie or hang, and one in another language."""

import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BUILD, World, bench_source, bury_orphans, children_of, command_of, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def add_python_plugin(w):
    """A plugin folder of the world's own: ours, and one in Python."""
    folder = w.path("plugins")
    shutil.copytree(os.path.join(BUILD, "plugins"), folder)
    shutil.copy(os.path.join(HERE, "python_plugin.py"), os.path.join(folder, "counting"))
    w.config["plugins"]["path"] = folder


def counting_source(mode, device="counter"):
    return {"plugin": "counting", "interval": "100ms", "mode": mode,
            "devices": {device: {"points": {"cycles": {}, "twice": {"scale": 2}}}}}


def two_sources(w):
    return {"left": bench_source(w, 1, 10, "100ms"),
            "right": {**bench_source(w, 0, 10, "100ms"), "devices": {
                "bench-2": bench_source(w, 2, 10, "100ms")["devices"]["bench-2"]}}}


class Plugins(unittest.TestCase):
    def state(self, w, device):
        return w.subscriber.last(w.topic(device, "status")) or {}

    def readings(self, w, device):
        return len(w.ledger(device).readings)

    def assert_untouched(self, w, device):
        """All its polls arrived, none missing: compared after an orderly stop."""
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
        ledger = w.ledger(device)
        self.assertEqual(ledger.missing(), [])
        polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
        self.assertEqual(polls, list(range(1, w.plant.report()[device]["polls"] + 1)))

    def test_a_killed_modbus_plugin_comes_back_and_its_neighbour_never_notices(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            wait_until(lambda: self.readings(w, "bench-1") >= 5, 15, "readings")
            pid = w.plugin_pid("left")
            other = w.plugin_pid("right")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: any(b'"plugin"' in m[1] for m in w.subscriber.all("/bench-1/status")), 10,
                       "the device is unknown, reason plugin")
            wait_until(lambda: w.plugin_pid("left") not in (0, pid), 15, "a new process")
            before = self.readings(w, "bench-1")
            wait_until(lambda: self.readings(w, "bench-1") >= before + 5, 15, "readings again")
            self.assertEqual(self.state(w, "bench-1")["state"], "online")
            self.assertEqual(w.source("left")["restarts"], 1)
            self.assertEqual(w.source("right")["restarts"], 0)
            self.assertEqual(w.plugin_pid("right"), other)
            self.assert_untouched(w, "bench-2")
            self.assertEqual(w.ledger("bench-1").missing(), [])

    def test_a_killed_mqtt_plugin_costs_no_reading(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            wait_until(lambda: self.readings(w, "bench-1") >= 5, 15, "readings")
            session = w.gateway_status()["session"]
            sinks = [p for p in children_of(w.daemon.pid) if "mqtt" in command_of(p)]
            self.assertEqual(len(sinks), 1, [command_of(p) for p in children_of(w.daemon.pid)])
            os.kill(sinks[0], signal.SIGKILL)
            wait_until(lambda: w.gateway_status().get("session", 0) > session
                       and w.gateway_status()["state"] == "online", 20, "a new session")
            before = self.readings(w, "bench-2")
            wait_until(lambda: self.readings(w, "bench-2") >= before + 5, 15, "readings again")
            wait_until(lambda: not w.ledger("bench-1").missing() and not w.ledger("bench-2").missing(), 15,
                       "what was unacknowledged came again")
            self.assert_untouched(w, "bench-1")
            self.assertLessEqual(w.ledger("bench-1").copies + w.ledger("bench-2").copies, 50)

    def test_a_plugin_remembers_beyond_its_process_and_the_daemon(self):
        def last():
            ledger = w.ledger("counter")
            return max([r["values"]["cycles"] for r in ledger.readings.values() if "cycles" in r["values"]] or [0])

        def counts_on(since, slack):
            """Readings from number `since` on: the next one goes on where it stopped, as far as that was kept."""
            before = last()
            wait_until(lambda: last() >= before + 5, 15, "it counts on from %d" % before)
            ledger = w.ledger("counter")
            counts = [ledger.readings[s]["values"].get("cycles") for s in ledger.seqs() if s >= since]
            steps = [b - a for a, b in zip(counts, counts[1:])]
            self.assertTrue(all(1 >= s >= 1 - slack for s in steps), counts)

        def newest():
            return max(w.ledger("counter").seqs())

        with World() as w:
            add_python_plugin(w)
            w.config["buffer"]["sync"] = "200ms"
            w.config["sources"] = {"python": counting_source("remember")}
            w.start()
            wait_until(lambda: last() >= 5, 15, "it counts")
            os.kill(w.plugin_pid("python"), signal.SIGKILL)
            counts_on(newest(), 1)
            before = newest()
            w.daemon.send(signal.SIGKILL)
            w.daemon.process.wait()
            bury_orphans()
            w.start()
            counts_on(before, 10)  # what a commit had not reached yet is counted again
            before = newest()
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            w.start()
            counts_on(before, 0)
            self.assertNotIn("is not kept", w.daemon.text())

    def test_a_plugin_in_python_delivers_through_the_same_link(self):
        with World(("--bench", "1", "--registers", "4")) as w:
            add_python_plugin(w)
            w.config["sources"] = {"python": counting_source("honest")}
            w.start()
            wait_until(lambda: self.readings(w, "counter") >= 10, 20, "10 readings")
            wait_until(lambda: any(r["values"]["cycles"] == 1 for r in w.ledger("counter").readings.values()), 10,
                       "what came before the connection follows from the buffer")
            ledger = w.ledger("counter")
            self.assertEqual(ledger.missing(), [])
            values = [ledger.readings[s]["values"] for s in ledger.seqs()]
            self.assertEqual([v["cycles"] for v in values], list(range(1, len(values) + 1)))
            self.assertEqual([v["twice"] for v in values], [2 * v["cycles"] for v in values])
            self.assertEqual(self.state(w, "counter")["state"], "online")
            self.assertEqual(w.daemon.end(), 0)

    def test_a_plugin_that_lies_dies_or_hangs_up_is_restarted_and_harms_nobody(self):
        modes = ("garbage", "lie", "exit", "hangup")
        with World(("--bench", "1", "--registers", "10")) as w:
            add_python_plugin(w)
            w.config["sources"] = {m: counting_source(m, "by-" + m) for m in modes}
            w.config["sources"]["field"] = bench_source(w, 1, 10, "100ms")
            w.start()
            for m in modes:
                with self.subTest(m):
                    wait_until(lambda: w.source(m)["restarts"] >= 1, 30, m + " was restarted", every=0.2)
                    wait_until(lambda: self.readings(w, "by-" + m) > 5, 30, m + " delivers again")
                    seen = wait_until(lambda: next((s for s in [w.source(m)] if s["state"] in ("backoff", "failed")),
                                                   None), 30, m + " waits")
                    self.assertTrue(seen["reason"], seen)
                    self.assertEqual(w.ledger("by-" + m).missing(), [])
            self.assertEqual(w.source("field")["restarts"], 0)
            self.assert_untouched(w, "bench-1")

    @unittest.skipUnless(os.environ.get("LONG") == "1", "the heartbeat's deadline takes its time: LONG=1")
    def test_a_plugin_that_hangs_is_killed_and_started_again(self):
        with World(("--bench", "1", "--registers", "4")) as w:
            add_python_plugin(w)
            w.config["sources"] = {"python": counting_source("hang")}
            w.start()
            wait_until(lambda: w.source("python")["restarts"] >= 1, 120, "it was restarted", every=0.5)
            wait_until(lambda: self.readings(w, "counter") > 5, 30, "it delivers again")

    def test_restart_by_hand_gives_a_new_process(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            pid = wait_until(lambda: w.plugin_pid("left"), 10, "running")
            code, text = w.ctl("restart", "left", check=False)
            self.assertEqual(code, 0, text)
            wait_until(lambda: w.plugin_pid("left") not in (0, pid), 15, "a new process")
            code, text = w.ctl("restart", "middle", check=False)
            self.assertEqual(code, 1, text)
            self.assertIn("middle", text)
            self.assert_untouched(w, "bench-2")

    def test_no_plugin_outlives_the_daemon(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            pids = children_of(w.daemon.pid)
            self.assertGreaterEqual(len(pids), 3)
            w.daemon.end(signal.SIGKILL)

            def gone():
                for pid in pids:
                    try:
                        os.waitpid(pid, os.WNOHANG)  # we are its subreaper
                    except ChildProcessError:
                        pass
                return not any(os.path.exists("/proc/%d" % p) for p in pids)

            wait_until(gone, 10, "the plugins have ended by themselves")


if __name__ == "__main__":
    unittest.main()
