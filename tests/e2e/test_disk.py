"""Disks that are full, slow or fail: sampling and delivery go on, and the books close."""

import errno
import json
import os
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network  # noqa: E402
import shims  # noqa: E402
from harness import Child, Ear, LONG, World, bench_source, bench_wrong, program, wait_until  # noqa: E402
from test_plugins import add_python_plugin  # noqa: E402

DEVICES = 4
NAMES = ["bench-%d" % i for i in range(1, DEVICES + 1)]
SLOW_S = 60 if LONG else 4
FEED_S = 4 if LONG else 2  # twenty times that is patience: longer than SLOW_S
OWN = []  # why there are no mounts of our own


def setUpModule():
    OWN.append(network.enter())


class Case(unittest.TestCase):
    def world(self):
        w = World(("--bench", str(DEVICES), "--registers", "20"),
                  lambda w: {"field": bench_source(w, DEVICES, 20, "100ms")})
        self.addCleanup(w.close)
        w.disk = shims.Disk(w.path("ills"))
        w.before = shims.command(w.disk)
        w.config["buffer"]["sync"] = "200ms"
        return w

    def polls(self, w):
        return {n: c["polls"] for n, c in w.plant.report().items()}

    def wait_readings(self, w, more=5, deadline=20):
        """Live ones of each device, made from now on.  How long that took."""
        goal = {n: polls + more for n, polls in self.polls(w).items()}

        def came(n):
            return any(r["values"].get("poll", 0) >= goal[n] for r in w.ledger(n).readings.values())
        begun = time.monotonic()
        wait_until(lambda: all(came(n) for n in NAMES), deadline, "readings", every=0.1)
        return time.monotonic() - begun

    def check_books(self, w, lost=False):
        wait_until(lambda: w.ctl("sinks")[0]["backlog"] < 5 and not any(w.ledger(n).missing() for n in NAMES), 30,
                   "the backlog", every=0.2)
        self.assertEqual(w.daemon.end(deadline=30), 0, w.daemon.tail())
        wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
        for n in NAMES:
            ledger = w.ledger(n)
            self.assertEqual((ledger.missing(), ledger.twice(), ledger.differing), ([], [], []), n)
            polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
            self.assertEqual(polls, sorted(set(polls)), n)
            self.assertEqual([r for r in ledger.readings.values() if bench_wrong(r["values"])], [], n)
            if not lost:
                self.assertEqual(ledger.losses, [])
                self.assertEqual(polls, list(range(1, self.polls(w)[n] + 1)), n)


class Numbers(unittest.TestCase):
    def test_readings_that_find_no_number_are_declared_as_soon_as_there_are_numbers_again(self):
        with World() as w:
            add_python_plugin(w)
            w.config["sources"] = {"python": {"plugin": "counting", "interval": "500ms", "mode": "flood",
                                              "devices": {"counter": {"points": {"cycles": {}}}}}}
            disk = shims.Disk(w.path("ills"))
            w.before = shims.command(disk)
            w.start()
            disk.order(sync_ms=3000)
            wait_until(lambda: "no numbers left for 'counter', the disk does not answer: readings are being lost"
                       in w.daemon.text(), 15, "it runs out of numbers")
            disk.order()
            wait_until(lambda: w.ledger("counter").losses and not w.ledger("counter").missing(), 20, "the books close")
            wait_until(lambda: w.ctl("sinks")[0]["backlog"] == 0, 20, "all is delivered")
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            ledger = w.ledger("counter")
            loss = [json.loads(m[1]) for m in w.subscriber.all(w.topic("counter", "loss"))]
            self.assertEqual((ledger.missing(), ledger.twice(), ledger.differing), ([], [], []))
            self.assertEqual({(d["cause"], d["exact"]) for d in loss}, {("overload", True)})
            lost = sum(d["count"] for d in loss)
            said = re.findall(r"'counter' has numbers again: (\d+) readings were lost", w.daemon.text())
            self.assertEqual(sum(map(int, said)), lost, "said once for each time: %s" % said)
            counts = [ledger.readings[s]["values"]["cycles"] for s in ledger.seqs()]
            self.assertEqual(len(counts) + lost, max(counts), "every cycle came or was declared")


class Ill(Case):
    def wait_said(self, w, line):
        wait_until(lambda: re.search("(?m)^%s$" % line, w.daemon.text()), 15, line, every=0.05)
        return time.monotonic()

    def test_a_thread_that_hangs_is_named_and_not_fed_any_more_and_a_disk_that_hangs_is_only_named(self):
        w = self.world()
        ear = Ear(w, 0.15)  # patience is 3 s
        nothing = r"buffer: its thread has done nothing for \d(\.\d)?s \(requests waiting: \d+\): "
        w.start()
        w.disk.order(held=1)
        said = self.wait_said(w, "warning: %sthe disk does not answer, and no restart would end that" % nothing)
        wait_until(lambda: len(ear.fed(said + 0.5)) > 3, 5, "it is fed: no restart for a disk")
        w.disk.order(sync_ms=10**9)
        said = self.wait_said(w, "error: %sthe watchdog is not fed until it goes on" % nothing)
        seen = self.wait_readings(w, 10)  # polls and live delivery do not need the buffer
        self.assertEqual(ear.fed(said + 0.5), [])
        self.assertGreater(seen, 0.8)
        w.disk.order()
        said = self.wait_said(w, "info: buffer: goes on")
        ear.wait("WATCHDOG=1", said)
        self.check_books(w)

    def test_syncs_that_take_long_hold_up_neither_readings_nor_the_watchdog(self):
        w = self.world()
        ear = Ear(w, FEED_S)
        w.start()
        self.wait_readings(w)
        w.disk.order(sync_ms=SLOW_S * 1000)
        syncs = w.disk.syncs()
        wait_until(lambda: w.disk.syncs() > syncs, 10, "a sync has begun")
        begun, seen = time.monotonic(), w.subscriber.count()
        while time.monotonic() - begun < SLOW_S + 1:
            self.wait_readings(w, 2, 5)
        fed = [begun, *ear.fed(begun), time.monotonic()]
        self.assertLess(max(b - a for a, b in zip(fed, fed[1:])), FEED_S)
        gaps = [b[2] - a[2] for a, b in zip(*(w.subscriber.all("/bench-1/data", seen)[i:] for i in (0, 1)))]
        self.assertLess(max(gaps), 1.0)
        w.disk.order()
        self.check_books(w)

    def test_a_disk_that_fails_for_a_time_costs_nothing(self):
        for ill in ({"write_errno": errno.EROFS}, {"sync_errno": errno.EIO},
                    {"sync_errno": errno.EIO, "write_errno": errno.EIO})[:None if LONG else 2]:
            with self.subTest(ill):
                w = self.world()
                w.start()
                self.wait_readings(w)
                w.gate.shut()
                w.disk.order(**ill)
                wait_until(lambda: "readings stay in memory meanwhile" in w.daemon.text(), 10, "it says so")
                before = self.polls(w)
                wait_until(lambda: all(self.polls(w)[n] > before[n] + 20 for n in NAMES), 15, "polls go on")
                w.gate.open()
                self.wait_readings(w, deadline=30)  # from memory
                w.disk.order()
                wait_until(lambda: "buffer: works again" in w.daemon.text(), 40, "it works again")
                self.check_books(w)
                w.close()

    def test_a_disk_that_fails_at_the_start_is_named(self):
        w = self.world()
        w.write_config()
        w.disk.fail()
        child = Child([*w.before, program("gatewayd"), "-c", w.config_path()], w.path("failed.log"))
        self.addCleanup(child.kill)
        self.assertEqual(wait_until(lambda: child.process.poll(), 15, "it ends"), 3)
        self.assertRegex(child.text(), r"error: buffer: .*: Input/output error\n$")
        w.disk.order()
        w.start()
        self.wait_readings(w)
        self.check_books(w)


class Small(Case):
    """A buffer on a file system of its own, which somebody else fills."""

    def small_world(self, options="size=24m"):
        if OWN[0]:
            self.skipTest(OWN[0])
        w = self.world()
        os.mkdir(w.path("disk"))
        network.mount_small(w.path("disk"), options)
        w.last.append(lambda: network.unmount(w.path("disk")))
        w.config["buffer"].update(path=w.path("disk/buffer.db"), max_size="16MiB")
        return w

    def fill(self, w):
        with open(w.path("disk/filler"), "wb", 0) as f:
            try:
                while f.write(bytes(65536)):
                    pass
            except OSError:
                pass

    def test_a_disk_that_somebody_fills_is_survived_and_found_free_again(self):
        w = self.small_world()
        w.start()
        self.assertRegex(w.daemon.text(), r"(?m)^warning: %s:\d+:\d+: buffer.path: %s lies in memory: a power cut"
                         % (w.config_path(), w.path("disk")))
        self.wait_readings(w)
        w.gate.shut()
        self.fill(w)
        before = self.polls(w)
        wait_until(lambda: all(self.polls(w)[n] > before[n] + 30 for n in NAMES), 15, "polls go on")
        w.daemon.end(signal.SIGKILL)
        w.start(wait=False)  # on a full disk
        wait_until(lambda: w.ctl("version", check=False)[0] == 0, 10, "it has started")
        w.gate.open()
        self.wait_readings(w, deadline=30)
        os.unlink(w.path("disk/filler"))
        self.wait_readings(w)
        self.check_books(w, lost=True)
        lost = sum(b - a + 1 for n in NAMES for a, b in set(w.ledger(n).losses))
        self.assertEqual(lost, 0, "the reserve and the ring have room for a few seconds")

    def test_what_cannot_be_a_buffer_at_the_start_is_said_and_nothing_runs(self):
        cases = (("size=24m,nr_inodes=3", "No space left on device"), ("size=24m,ro", "Read-only file system"))
        for options, words in cases:
            with self.subTest(options):
                w = self.small_world(options)
                w.write_config()
                child = Child([program("gatewayd"), "-c", w.config_path()], w.path("failed.log"))
                self.addCleanup(child.kill)
                self.assertEqual(wait_until(lambda: child.process.poll(), 15, "it ends"), 3, child.text())
                self.assertRegex(child.text(), r"\nerror: buffer: .*: %s\n$" % words)
                w.close()


if __name__ == "__main__":
    unittest.main()
