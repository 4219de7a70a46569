"""Many reloads: nothing leaks, what did not change keeps its process, numbers go on."""

import copy
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import LONG, World, bench_source, children_of, wait_until  # noqa: E402

RELOADS = 100 if LONG else 25


def three_devices(w):
    def one(n):
        source = bench_source(w, 3, 5, "100ms")
        source["devices"] = {"bench-%d" % n: source["devices"]["bench-%d" % n]}
        return source

    return {"still": one(1), "left": one(2), "right": one(3)}


def world():
    return World(("--bench", "3", "--registers", "5"), three_devices)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def resident_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Reloads(unittest.TestCase):
    def reload(self, w):
        w.write_config()
        code, text = w.ctl("reload", check=False)
        self.assertEqual(code, 0, text)

    def settled(self, w, processes):
        """Nothing is stopping or starting any more."""
        wait_until(lambda: len(children_of(w.daemon.pid)) == processes
                   and all(s["state"] == "running" for s in w.ctl("sources")), 20,
                   "%d processes run" % processes)

    def test_many_reloads_leak_nothing_and_touch_nobody_else(self):
        with world() as w:
            w.start()
            self.settled(w, 4)
            wait_until(lambda: w.ledger("bench-1").readings, 15, "readings")
            pid, sink = w.plugin_pid("still"), w.ctl("sinks")[0]["pid"]
            for n in range(RELOADS):
                title = "lần %d" % n
                w.config["sources"]["left"]["devices"]["bench-2"]["title"] = title
                if n % 5 == 2:  # out, in the next turn in again
                    right = w.config["sources"].pop("right")
                elif n % 5 == 3:
                    w.config["sources"]["right"] = right
                self.reload(w)
                self.settled(w, 3 if n % 5 == 2 else 4)
                if n == 4:
                    fds, rss = descriptors(w.daemon.pid), resident_kib(w.daemon.pid)
            self.assertLessEqual(descriptors(w.daemon.pid), fds)
            with open("/proc/%d/maps" % w.daemon.pid) as f:
                sanitized = "libasan" in f.read()
            if not sanitized:
                self.assertLess(resident_kib(w.daemon.pid), rss + 4096)
            self.assertEqual((w.plugin_pid("still"), w.ctl("sinks")[0]["pid"]), (pid, sink))
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
            self.assertNotIn("ERROR", w.daemon.text())
            for device in ("bench-1", "bench-2", "bench-3"):
                self.assertEqual(w.ledger(device).missing(), [], device)
            self.assertEqual(w.ledger("bench-1").copies, 0)
            polls = w.ledger("bench-1").readings
            self.assertEqual(len(polls), w.plant.report()["bench-1"]["polls"])

    def test_a_start_without_standard_descriptors_is_a_start_like_any_other(self):
        with world() as w:
            w.before = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
            w.start()
            fds = "/proc/%d/fd/" % w.daemon.pid
            self.assertEqual([os.readlink(fds + n) for n in "012"], ["/dev/null"] * 3)
            pid = w.plugin_pid("still")
            w.config["sources"]["left"]["devices"]["bench-2"]["title"] = "another"
            self.reload(w)
            since = w.subscriber.count()
            wait_until(lambda: all(w.ledger("bench-%d" % n, since).readings for n in (1, 2, 3)), 15, "readings")
            self.assertEqual(w.plugin_pid("still"), pid)
            for child in children_of(w.daemon.pid):
                self.assertNotIn("buffer.db", "".join(os.readlink("/proc/%d/fd/%s" % (child, n))
                                                      for n in os.listdir("/proc/%d/fd" % child)))
            self.assertEqual(w.daemon.end(), 0)

    def test_another_title_of_the_gateway_is_published_at_once(self):
        with world() as w:
            w.start()
            self.settled(w, 4)
            before, pid = w.gateway_status(), w.ctl("sinks")[0]["pid"]
            w.config["gateway"]["title"] = "Trạm bơm mới"
            self.reload(w)
            wait_until(lambda: w.subscriber.last(w.topic("directory"))["title"] == "Trạm bơm mới", 10,
                       "the new title")
            after = wait_until(lambda: w.gateway_status()["config"] != before["config"] and w.gateway_status(),
                               10, "the new hash")
            self.assertEqual((after["state"], after["session"]), ("online", before["session"]))
            self.assertEqual(w.ctl("sinks")[0]["pid"], pid)

    def test_a_device_moves_from_one_source_to_another(self):
        with world() as w:
            w.start()
            self.settled(w, 4)
            for _ in range(3):
                for a, b in (("left", "right"), ("right", "left")):
                    sources = w.config["sources"]
                    sources[b]["devices"]["bench-2"] = sources[a]["devices"].pop("bench-2")
                    before = len(w.ledger("bench-2").readings)
                    self.reload(w)
                    wait_until(lambda: len(w.ledger("bench-2").readings) > before + 3, 20, "it goes on")
                    self.assertEqual(next(d["source"] for d in w.ctl("devices") if d["name"] == "bench-2"), b)
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
            for device in ("bench-1", "bench-2", "bench-3"):
                self.assertEqual(w.ledger(device).missing(), [], device)

    def test_reloads_in_a_heap_end_with_the_last_file(self):
        with world() as w:
            w.start()
            self.settled(w, 4)
            first = copy.deepcopy(w.config)
            for n in range(20):
                w.config = copy.deepcopy(first)
                w.config["sources"]["left"]["devices"]["bench-2"]["title"] = "lần %d" % (n % 2)
                w.write_config()
                w.daemon.send(signal.SIGHUP)
            wait_until(lambda: (w.subscriber.last(w.topic("bench-2", "directory")) or {}).get("title")
                       == "lần 1", 30, "the last title")
            self.settled(w, 4)
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())

    def test_a_backlog_survives_a_reload_and_a_stop_may_come_in_the_middle_of_one(self):
        with world() as w:
            w.start()
            self.settled(w, 4)
            wait_until(lambda: w.ledger("bench-1").readings, 15, "readings")
            w.outage()
            wait_until(lambda: w.ctl("sinks")[0]["backlog"] > 50, 20, "a backlog")
            w.config["sources"]["left"]["devices"]["bench-2"]["title"] = "mới"
            self.reload(w)
            wait_until(lambda: w.ctl("sinks")[0]["backlog"] > 120, 20, "more of it")
            w.recovery()
            wait_until(lambda: w.ctl("sinks")[0]["backlog"] == 0
                       and not any(w.ledger("bench-%d" % n).missing() for n in (1, 2, 3)), 60, "it is delivered")
            w.daemon.send(signal.SIGHUP)
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
            for device in ("bench-1", "bench-2", "bench-3"):
                self.assertEqual(w.ledger(device).missing(), [], device)

    def test_a_device_that_is_absent_after_a_kill_comes_back_at_a_reload_with_all_its_numbers(self):
        for power_cut in (False, True):
            with self.subTest(power_cut=power_cut), world() as w:
                w.config["buffer"]["sync"] = "5s"  # so that the ring has something
                w.start()
                self.settled(w, 4)
                wait_until(lambda: w.ledger("bench-3").readings, 15, "readings")
                w.gate.shut()
                wait_until(lambda: w.ctl("sinks")[0]["backlog"] > 30, 20, "a backlog")
                w.daemon.end(signal.SIGKILL)
                if power_cut:
                    os.unlink(w.path("ring"))
                right = w.config["sources"].pop("right")
                polls = w.plant.report()["bench-3"]["polls"]
                w.gate.open()
                w.start()
                w.config["sources"]["right"] = right
                self.reload(w)
                wait_until(lambda: w.plant.report()["bench-3"]["polls"] > polls + 10, 20, "it is polled again")
                devices = ("bench-1", "bench-2", "bench-3")
                wait_until(lambda: w.ctl("sinks")[0]["backlog"] < 5 and not any(w.ledger(d).missing() for d in devices),
                           40, "it is delivered or declared", every=0.2)
                self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
                wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
                for device in devices:
                    ledger = w.ledger(device)
                    self.assertEqual((ledger.missing(), ledger.differing), ([], []), device)
                    if not power_cut:  # else what was sent and not committed is declared lost, not exactly
                        self.assertEqual((ledger.twice(), ledger.losses), ([], []), device)
                        polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
                        self.assertEqual(polls, sorted(set(polls)), device)

    def test_a_sink_that_is_taken_out_leaves_nothing_behind(self):
        with world() as w:
            w.config["sinks"]["hai"] = {**w.config["sinks"]["goc"], "root": "hai", "client_id": "hai",
                                        "broker": "mqtt://127.0.0.1:1"}
            w.start()
            wait_until(lambda: [s for s in w.ctl("sinks") if s["name"] == "hai" and s["backlog"] > 30], 20,
                       "a backlog of the sink that reaches nobody")
            del w.config["sinks"]["hai"]
            self.reload(w)
            wait_until(lambda: len(w.ctl("sinks")) == 1, 20, "it is gone")
            before = len(w.ledger("bench-1").readings)
            wait_until(lambda: len(w.ledger("bench-1").readings) > before + 20, 20, "the other goes on")
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            import sqlite3
            db = sqlite3.connect(w.config["buffer"]["path"])
            rows = db.execute("SELECT sum(length(ranges)) FROM due JOIN sink ON sink.number = due.sink "
                              "WHERE sink.name = 'hai'").fetchone()[0]
            db.close()
            self.assertIn(rows, (None, 0))


if __name__ == "__main__":
    unittest.main()
