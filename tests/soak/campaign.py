#!/usr/bin/python3
"""campaign.py - random faults under load, and then the books are closed.

    tests/soak/campaign.py [--seconds N | --kills N] [--jobs N] [--keep] SEED...

Each seed is a run of its own: a plant with 10 to 50 devices, a broker behind a gate, a
recorder, a gatewayd, and N seconds of faults that the seed chooses: kill -9 of the daemon
and of plugins, a power cut, a daemon that is held, the broker killed, the link shut, frozen, or
cut by a packet filter, the disk filled by somebody else, slow, or failing, the clock set.  With
--kills there is one fault: kill -9 of the daemon, N times, at any moment of its life.  Then
everything is healed, the devices fall silent, and the books have to close: each number from
first_seq on came once with one content or lies in one loss range, the values are what the plant
answered, `data` never goes back, and no `progress` ever told more than had come by then.  A fault
in the books names the seed.

Where it is allowed a run has a network and mounts of its own (network.py): the filter and the
full disk need them.  The line of each run says which kinds of fault were used.
"""

import argparse
import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import network  # noqa: E402
import shims  # noqa: E402
from books import SHOWN, Library  # noqa: E402
from harness import World, bench_source, bury_orphans, children_of, command_of, wait_until  # noqa: E402

REGISTERS = 12
HEAL_S, CLOSE_S = 90, 120


# ---- the faults ----

DISK_MIB, BUFFER = 22, "16MiB"  # of a run whose buffer lies on a small disk of its own
STEPS_S = (3600, -3600, 10 * 365 * 86400, -10 * 365 * 86400, 0)


class Campaign:
    """One run.  `link` is open, frozen, shut or filtered; the broker is only down while it is not open."""

    def __init__(self, seed, seconds, kills=0, own=False):
        """`own`: this process has a network and mounts of its own."""
        self.seed, self.seconds, self.kills, self.own = seed, seconds, kills, own
        self.chance = random.Random(seed)
        self.devices = self.chance.randint(10, 50)
        self.interval_ms = self.chance.choice((100, 150, 200))
        self.names = ["bench-%d" % i for i in range(1, self.devices + 1)]
        self.link, self.broker_up, self.log, self.used = "open", True, [], {}
        self.disk_ills = self.small_disk = False
        self.ill_start = None  # the process that ran when the disk was healed: its start may fail still
        self.begun = time.monotonic()
        self.world = World(("--bench", str(self.devices), "--registers", str(REGISTERS)),
                           lambda w: {"field": bench_source(w, self.devices, REGISTERS,
                                                            "%dms" % self.interval_ms)})
        self.world.config["buffer"]["sync"] = self.chance.choice(("0s", "200ms", "1s"))
        self.world.config["buffer"]["history"] = self.chance.choice(("0s", "1h"))
        self.world.config["buffer"]["when_full"] = self.chance.choice(("drop-oldest", "thin"))
        self.library = Library(self.world, self.names)
        self.clock, self.disk = shims.Clock(self.world.path("clock")), shims.Disk(self.world.path("disk-ills"))
        self.clock.set(0, True)
        self.world.before = shims.command(self.clock, self.disk)
        if self.chance.random() < 0.5 and own:
            self.have_small_disk()

    def have_small_disk(self):
        folder = self.world.path("disk")
        os.mkdir(folder)
        network.mount_small(folder, "size=%dm" % DISK_MIB)
        self.world.last.append(lambda: network.unmount(folder))
        self.world.config["buffer"].update(path=folder + "/buffer.db", max_size=BUFFER)
        self.small_disk, self.filler = True, folder + "/filler"

    def note(self, what):
        self.log.append("%6.2f %s" % (time.monotonic() - self.begun, what))

    def kill_daemon(self):
        self.world.daemon.end(signal.SIGKILL)
        self.world.start(wait=False)

    def _kill_plugin(self, name):
        for pid in children_of(self.world.daemon.pid):
            if command_of(pid).split(" ")[0].endswith("plugins/" + name):
                os.kill(pid, signal.SIGKILL)

    def cut_power(self):
        """What a power cut leaves when all was synced: the files, and not what was in memory."""
        self.world.daemon.end(signal.SIGKILL)
        if os.path.exists(self.world.path("ring")):
            os.unlink(self.world.path("ring"))
        self.world.start(wait=False)

    def kill_source(self):
        self._kill_plugin("modbus")

    def kill_sink(self):
        self._kill_plugin("mqtt")

    def hold_daemon(self):
        self.world.daemon.send(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.1, 1.5))
        self.world.daemon.send(signal.SIGCONT)

    def step_clock(self):
        self.clock.set(self.chance.choice(STEPS_S), self.chance.random() < 0.7)

    # ---- the disk ----

    def slow_disk(self):
        self.disk.order(sync_ms=self.chance.choice((100, 1000, 4000)))
        self.disk_ills = True

    def failing_disk(self):
        self.disk.fail()
        self.disk_ills = True

    def fill_disk(self):
        """By somebody else, to the last byte."""
        with open(self.filler, "wb", 0) as f:
            try:
                while f.write(bytes(65536)):
                    pass
            except OSError:
                pass
        self.disk_ills = True

    def stay_alive(self):
        """Without a disk it cannot start, says so and ends; systemd starts it again and again."""
        process = self.world.daemon.process
        if self.world.daemon.running():
            return
        if process.returncode != 3 or not (self.disk_ills or process is self.ill_start):
            raise AssertionError("gatewayd ended by itself: %d" % process.returncode)
        self.world.start(wait=False)

    def heal_disk(self):
        self.stay_alive()
        self.ill_start = self.world.daemon.process
        self.disk.order()
        if self.small_disk and os.path.exists(self.filler):
            os.unlink(self.filler)
        self.disk_ills = False

    # ---- the link ----

    def freeze(self):
        self.world.gate.freeze()
        self.link = "frozen"

    def filter_packets(self):
        """They vanish both ways, without a FIN."""
        network.drop(self.world.gate.port)
        self.link = "filtered"

    def shut(self):
        self.world.gate.shut()
        self.world.gate.thaw()
        if self.own:
            network.clear()
        self.link = "shut"

    def open_link(self):
        if self.link == "shut":
            self.world.gate.open()
        if self.own:
            network.clear()
        self.world.gate.thaw()
        self.link = "open"

    def kill_broker(self):
        """What the broker has acknowledged is read by the recorder first: the loss of a
        broker without a store is not the gateway's."""
        self.freeze()
        word = "flush-%d" % len(self.log)
        since = self.world.subscriber.count()
        self.world.subscriber.client.publish("campaign/flush", word, qos=1)
        wait_until(lambda: self.world.subscriber.all("campaign/flush", since), 20, "the recorder has all")
        self.world.broker.kill()
        wait_until(lambda: not self.world.subscriber.subscribed.is_set(), 10, "the recorder is cut off")
        self.shut()
        self.broker_up = False

    def start_broker(self):
        self.world.broker.start()
        wait_until(self.world.subscriber.subscribed.is_set, 20, "the recorder is back")
        self.broker_up = True

    def possible(self):
        """Name and weight of what may happen now."""
        faults = {"kill_daemon": 4, "cut_power": 1, "kill_source": 1, "kill_sink": 1, "hold_daemon": 2,
                  "step_clock": 1}
        if self.disk_ills:
            faults["heal_disk"] = 6
        else:
            faults.update(slow_disk=1, failing_disk=1, fill_disk=3 if self.small_disk else 0)
        if self.link == "open":
            faults.update(freeze=3, shut=3, kill_broker=2, filter_packets=3 if self.own else 0)
        elif not self.broker_up:
            faults.update(start_broker=8)
        else:
            faults.update(open_link=10, shut=0 if self.link == "shut" else 2)
        return faults

    def do(self, fault):
        self.note(fault)
        self.used[fault] = self.used.get(fault, 0) + 1
        getattr(self, fault)()

    def rage(self):
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            self.stay_alive()
            faults = self.possible()
            self.do(self.chance.choices(list(faults), list(faults.values()))[0])
            time.sleep(min(self.chance.expovariate(1.0), 6))
            self.library.follow()

    def kill_again_and_again(self):
        """From a start that has hardly begun to a daemon under load."""
        for _ in range(self.kills):
            time.sleep(self.chance.choice((self.chance.uniform(0, 0.3), self.chance.uniform(0.3, 1.5))))
            self.do("kill_daemon")
            self.library.follow()

    # ---- and the end of them ----

    def heal(self):
        if not self.broker_up:
            self.start_broker()
        self.open_link()
        self.heal_disk()
        self.note("healed")
        wait_until(self._answers_again, 20, "the daemon answers")
        for kind in ("sources", "sinks"):
            for one in self.world.ctl(kind):
                if one["state"] in ("backoff", "failed"):
                    self.world.ctl("restart", one["name"])
        wait_until(self._all_online, HEAL_S, "all are online again", every=0.3)

    def _answers_again(self):
        self.stay_alive()
        return self.world.ctl("version", check=False)[0] == 0

    def _all_online(self):
        sinks, devices = self.world.ctl("sinks"), self.world.ctl("devices")
        return all(s["state"] == "connected" for s in sinks) and \
            all(d["state"] == "online" for d in devices)

    def silence(self):
        """The devices say no more, and so there is a last number."""
        for n in self.names:
            self.world.plant.fault(n, "refuse")
        wait_until(lambda: all(d["state"] == "offline" for d in self.world.ctl("devices")), HEAL_S,
                   "all have fallen silent", every=0.3)
        wait_until(lambda: all(b.is_closed() for b in self.library.follow()), CLOSE_S,
                   "the books are closed", every=0.5)

    def run(self):
        """Lines of what is wrong; none is what we want."""
        with self.world as w:
            w.start()
            wait_until(lambda: all(len(b.readings) > 3 for b in self.library.follow()), 60, "readings")
            try:
                (self.kill_again_and_again if self.kills else self.rage)()
                self.heal()
                self.silence()
            except AssertionError as e:
                return [str(e)] + self.faults() + w.daemon.tail(20).splitlines()
            assert w.daemon.end() == 0, w.daemon.tail()
            self.library.follow()
            bury_orphans()
            return self.faults()

    def faults(self):
        return ["%s: %s" % (b.name, f) for b in self.library.follow() for f in b.faults()[:SHOWN]]

    def summary(self):
        books, buffer = self.library.books.values(), self.world.config["buffer"]
        losses = [d for b in books for d in b.losses.values()]
        return ("seed %d: %d devices each %d ms, sync %s, history %s, when_full %s, %s: %d readings, %d copies, "
                "%d in windows, %d lost in %d ranges; faults: %s") % (
            self.seed, self.devices, self.interval_ms, buffer["sync"], buffer["history"], buffer["when_full"],
            "a disk of %d MiB" % DISK_MIB if self.small_disk else "a large disk",
            sum(len(b.readings) for b in books), sum(b.copies for b in books),
            sum(d["count"] for d in losses if d["cause"] == "thinned"),
            sum(d["count"] for d in losses if d["cause"] != "thinned"),
            sum(d["cause"] != "thinned" for d in losses),
            ", ".join("%s %d" % kind for kind in sorted(self.used.items())) or "none")


# ---- one run, and many at once ----

def run_one(seed, args):
    """In this process; 0 when the books close."""
    wrong = network.enter()
    if args.keep:
        os.environ["KEEP"] = "1"
    c = Campaign(seed, args.seconds, args.kills, own=not wrong)
    faults = c.run()
    print(c.summary() + ("; %s" % wrong if wrong else "") +
          (": the books DO NOT close" if faults else ": the books close"))
    if faults:
        print("\n".join(["  " + f for f in faults[:60]] + ["  faults were:"] + ["  " + x for x in c.log] +
                        ["  in " + c.world.folder]))
    return bool(faults)


def run_beside(seed, argv):
    """In a process of its own, so that several have each their own namespaces.  True when it is good."""
    r = subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", os.path.abspath(__file__), *argv,
                        "--one", str(seed)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    good = r.returncode == 0
    print(r.stdout.rstrip() or "seed %d: died without a word" % seed, flush=True)
    return good


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--kills", type=int, default=0, help="so many kill -9 of the daemon and no other fault")
    p.add_argument("--jobs", type=int, default=1, help="so many seeds at once")
    p.add_argument("--keep", action="store_true", help="keep the folder of each run")
    p.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("seeds", nargs="+", type=int)
    args = p.parse_args()
    if args.one:
        return run_one(args.seeds[0], args)
    argv = ["--seconds", str(args.seconds), "--kills", str(args.kills)] + ["--keep"] * args.keep
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        passed = sum(pool.map(lambda seed: run_beside(seed, argv), args.seeds))
    print("%d passed, %d failed" % (passed, len(args.seeds) - passed))
    return passed != len(args.seeds)


if __name__ == "__main__":
    sys.exit(main())
