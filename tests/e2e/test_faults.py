"""What may happen to the processes: kills at the worst moments, plugins that misbehave, limits."""

import json
import os
import random
import shutil
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import python_plugin  # noqa: E402
from harness import Ear, LONG, World, bench_source, bench_wrong, wait_until  # noqa: E402
from test_plugins import add_python_plugin, counting_source, two_sources  # noqa: E402

KILLS = 40 if LONG else 5
NOFILE = 32


def processes():
    """(pid, process group) of all that run."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            yield int(pid), int(fields[2])


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Case(unittest.TestCase):
    def readings(self, w, device):
        return len(w.ledger(device).readings)

    def wait_more(self, w, device, more=3, deadline=20):
        goal = self.readings(w, device) + more
        wait_until(lambda: self.readings(w, device) >= goal, deadline, "readings of " + device)

    def stop(self, w):
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")

    def check_books(self, w, device):
        ledger = w.ledger(device)
        self.assertEqual((ledger.missing(), ledger.twice(), ledger.differing), ([], [], []), device)
        polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs() if "poll" in ledger.readings[s]["values"]]
        self.assertEqual(polls, sorted(set(polls)), device)
        for r in ledger.readings.values():
            self.assertEqual(bench_wrong({k: v for k, v in r["values"].items() if k != "again"}), [], device)

    def assert_untouched(self, w, device):
        """All its polls arrived, none missing."""
        ledger = w.ledger(device)
        polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
        self.assertEqual(polls, list(range(1, w.plant.report()[device]["polls"] + 1)))

    def end_well(self, w, *devices):
        """A stop in order when nothing waits: what waits then comes after the next start.  The books of each
        device close, and nothing was lost."""
        wait_until(lambda: w.unacknowledged() == 0, 20, "all is acknowledged")
        self.stop(w)
        for n in devices:
            self.check_books(w, n)
            self.assertEqual(w.ledger(n).losses, [], n)


class Kills(Case):
    def setUp(self):
        self.chance = random.Random(20261122)

    def kill_within(self, w, seconds):
        time.sleep(self.chance.uniform(0, seconds))
        w.daemon.end(signal.SIGKILL)

    def test_a_kill_in_a_start_loses_nothing_and_the_next_start_is_clean(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            self.wait_more(w, "bench-1")
            w.daemon.end(signal.SIGKILL)
            for _ in range(2 * KILLS):
                w.start(wait=False)
                self.kill_within(w, 0.12)
            w.start(wait=False)
            for n in ("bench-1", "bench-2"):
                self.wait_more(w, n)
            self.end_well(w, "bench-1", "bench-2")

    def test_a_kill_in_a_reload_leaves_the_old_or_the_new_configuration_and_nothing_between(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            self.wait_more(w, "bench-1")
            points = w.config["sources"]["left"]["devices"]["bench-1"]["points"]
            for turn in range(KILLS):
                points.pop("again", None)
                if turn % 2 == 0:
                    points["again"] = {"address": 5}
                w.write_config()
                w.daemon.send(signal.SIGHUP)
                self.kill_within(w, 0.15)
                w.start(wait=False)
                wait_until(lambda: ("again" in w.subscriber.last(w.topic("bench-1", "directory"))["points"])
                           == ("again" in points), 20, "the directory of the file")
                self.wait_more(w, "bench-1", 1)
            self.wait_more(w, "bench-2")
            self.end_well(w, "bench-1", "bench-2")

    def test_a_kill_in_a_stop_loses_nothing(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            for _ in range(KILLS):
                w.start(wait=False)
                self.wait_more(w, "bench-2", 2)
                w.daemon.send(signal.SIGTERM)
                self.kill_within(w, 0.1)
            w.start(wait=False)
            for n in ("bench-1", "bench-2"):
                self.wait_more(w, n)
            self.end_well(w, "bench-1", "bench-2")

    def test_a_plugin_that_is_killed_again_and_again_harms_only_its_own_devices(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            self.wait_more(w, "bench-1")
            end = time.monotonic() + (60 if LONG else 4)
            kills = 0
            while time.monotonic() < end:
                pid = w.plugin_pid("left")
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    kills += 1
                time.sleep(self.chance.uniform(0.1, 0.9))
            self.assertGreaterEqual(kills, 2)
            self.assertEqual(w.source("right")["restarts"], 0)
            self.assertTrue(any(b'"plugin"' in m[1] for m in w.subscriber.all("/bench-1/status")))
            w.ctl("restart", "left")
            self.wait_more(w, "bench-1", 5)
            self.end_well(w, "bench-1")
            self.assert_untouched(w, "bench-2")


class Cuts(Case):
    def test_a_connection_that_is_cut_at_any_byte_loses_and_spoils_nothing(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.start()
            came = []
            for limit in range(1, 4000, 13 if LONG else 451):
                w.gate.limit = limit
                w.ctl("restart", "goc")
                wait_until(lambda: limit in w.gate.cut_at, 20, "cut after %d bytes" % limit)
                came.append(self.readings(w, "bench-1"))
            self.assertGreater(came[-1], came[0], "the last cuts are behind the documents, among the readings")
            w.gate.limit = None
            w.ctl("restart", "goc")
            for n in ("bench-1", "bench-2"):
                self.wait_more(w, n, 5)
                wait_until(lambda: not w.ledger(n).missing(), 20, "the backlog")
            self.end_well(w, "bench-1", "bench-2")
            for n in ("bench-1", "bench-2"):
                self.assert_untouched(w, n)


class Misbehaving(Case):
    def test_what_a_plugin_left_running_ends_with_it(self):
        with World(("--bench", "1", "--registers", "10")) as w:
            add_python_plugin(w)
            w.config["sources"] = {"python": counting_source("fork"), "field": bench_source(w, 1, 10, "100ms")}
            w.start()
            groups = set()

            def restarted():
                groups.add(w.plugin_pid("python"))
                return w.source("python")["restarts"] >= 2
            wait_until(restarted, 30, "it ended twice", every=0.01)
            now = w.plugin_pid("python")
            groups -= {0, now}
            self.assertTrue(groups)
            wait_until(lambda: not [p for p, group in processes() if group in groups], 5, "its children are gone")
            self.stop(w)
            self.assert_untouched(w, "bench-1")

    def test_the_time_that_a_plugin_claims_is_not_believed(self):
        with World() as w:
            add_python_plugin(w)
            w.config["sources"] = {"python": counting_source("old"), "other": counting_source("future", "ahead")}
            w.start()
            wait_until(lambda: w.source("other")["restarts"] >= 1, 20, "it was restarted", every=0.1)
            self.assertIn("its time is not possible", w.daemon.text())
            self.wait_more(w, "counter")
            now = time.time() * 1000
            for device in ("counter", "ahead"):
                for r in w.ledger(device).readings.values():
                    self.assertLess(abs(r["ts"] - now), 60000, device)

    def test_a_program_that_is_gone_or_no_program_is_named_and_runs_as_soon_as_it_is_back(self):
        with World(("--bench", "1", "--registers", "10")) as w:
            add_python_plugin(w)
            w.config["sources"] = {"python": counting_source("honest"), "field": bench_source(w, 1, 10, "100ms")}
            w.start()
            plugin = w.path("plugins/counting")
            shutil.copy(plugin, w.path("good"))

            def gone():
                os.unlink(plugin)

            def not_executable():
                os.chmod(plugin, 0o644)

            def another_machine():
                os.unlink(plugin)
                with open(plugin, "wb") as f:
                    f.write(b"\x7fELF" + bytes(200))
                os.chmod(plugin, 0o755)

            for spoil in (gone, not_executable, another_machine):
                with self.subTest(spoil.__name__):
                    self.wait_more(w, "counter")
                    spoil()
                    os.kill(w.plugin_pid("python"), signal.SIGKILL)
                    wait_until(lambda: w.source("python")["reason"] == "ended with exit code 127", 20, "cannot start")
                    self.assertIn("cannot be executed", w.daemon.text())
                    self.assertIn(w.source("python")["state"], ("backoff", "failed"))
                    self.assertEqual(w.source("field")["state"], "running")
                    shutil.copy(w.path("good"), plugin + ".new")
                    os.rename(plugin + ".new", plugin)  # replaced while gatewayd runs
                    w.ctl("restart", "python")
                    self.wait_more(w, "counter")
            self.stop(w)
            self.assert_untouched(w, "bench-1")


class Limits(Case):
    def test_without_descriptors_the_work_goes_on_and_nothing_spins(self):
        with World(("--bench", "2", "--registers", "10"), two_sources) as w:
            w.before = ["/usr/bin/prlimit", "--nofile=%d:%d" % (NOFILE, NOFILE)]
            w.start()
            clients = [socket.socket(socket.AF_UNIX) for _ in range(60)]
            self.addCleanup(lambda: [c.close() for c in clients])
            for c in clients:
                c.setblocking(False)
                wait_until(lambda: c.connect_ex(w.config["control"]["socket"]) == 0, 5, "a place in the queue")
            wait_until(lambda: len(os.listdir("/proc/%d/fd" % w.daemon.pid)) >= NOFILE - 1, 5, "all are used")
            before, begun = cpu_seconds(w.daemon.pid), time.monotonic()
            self.wait_more(w, "bench-1", 10)
            self.wait_more(w, "bench-2", 3)
            self.assertLess(cpu_seconds(w.daemon.pid) - before, 0.3 * (time.monotonic() - begun))
            for c in clients:
                c.close()
            wait_until(lambda: w.ctl("version", check=False)[0] == 0, 5, "gatewayctl is answered")
            self.stop(w)
            for n in ("bench-1", "bench-2"):
                self.assert_untouched(w, n)

    def test_a_start_without_descriptors_ends_with_the_reason(self):
        with World(("--bench", "1", "--registers", "4"), lambda w: {"field": bench_source(w, 1, 4)}) as w:
            w.before = ["/usr/bin/prlimit", "--nofile=9:9"]
            daemon = w.start(wait=False)
            self.assertNotEqual(wait_until(lambda: daemon.process.poll(), 10, "it ends"), 0)
            self.assertIn("Too many open files", daemon.text())

    def test_a_stop_with_a_large_backlog_is_quick_and_all_of_it_arrives_later(self):
        """On a slow disk the burst outruns the numbers that are reserved: some of it is declared then."""
        with World() as w:
            add_python_plugin(w)
            w.config["sources"] = {"python": counting_source("burst")}
            w.config["buffer"]["ring"]["size"] = "64MiB"
            w.config["sinks"]["goc"]["replay_rate"] = 0
            w.gate.shut()
            w.start(wait=False)
            wait_until(lambda: w.ctl("sinks", check=False)[0] == 0 and
                       w.ctl("sinks")[0]["backlog"] >= python_plugin.BURST // 2, 60, "the backlog", every=0.2)
            waiting = w.ctl("sinks")[0]["backlog"]
            begun = time.monotonic()
            self.assertEqual(w.daemon.end(deadline=30), 0, w.daemon.tail())
            self.assertLess(time.monotonic() - begun, 8, "a sink that cannot say goodbye has 5 s")
            w.gate.open()
            begun = time.monotonic()
            w.start()
            self.assertLess(time.monotonic() - begun, 5)
            wait_until(lambda: self.readings(w, "counter") >= waiting and not w.ledger("counter").missing(),
                       60, "all of it", every=0.5)
            self.stop(w)
            losses = [json.loads(m[1]) for m in w.subscriber.all(w.topic("counter", "loss"))]
            self.assertEqual((w.ledger("counter").missing(), [d for d in losses if d["cause"] != "overload"]), ([], []))


class Notify(Case):
    def test_the_watchdog_is_fed_while_the_loop_turns_and_no_longer(self):
        with World(("--bench", "1", "--registers", "4"), lambda w: {"field": bench_source(w, 1, 4, "100ms")}) as w:
            ear = Ear(w, 1.0)
            w.start(wait=False)
            ready = ear.wait("READY=1")
            wait_until(lambda: len(ear.fed(ready)) >= 3, 5, "it is fed")
            w.daemon.send(signal.SIGSTOP)
            held = time.monotonic() + 0.1
            time.sleep(1.5)
            self.assertEqual(ear.fed(held), [])
            w.daemon.send(signal.SIGCONT)
            ear.wait("WATCHDOG=1", held)
            w.write_config()
            w.daemon.send(signal.SIGHUP)
            ear.wait("READY=1", ear.wait("RELOADING=1"))
            w.daemon.send(signal.SIGTERM)
            ear.wait("STOPPING=1")
            self.assertEqual(w.daemon.process.wait(15), 0)


if __name__ == "__main__":
    unittest.main()
