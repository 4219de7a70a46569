"""What happens at the centre: a broker without its memory, a long backlog, outages while it drains."""

import json
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Subscriber, World, bench_source, bench_wrong, bury_orphans, wait_until  # noqa: E402
from python_plugin import FLOOD  # noqa: E402
from test_plugins import add_python_plugin  # noqa: E402

COUNTERS = ["counter-%d" % i for i in range(20)]
LIVE_WITHIN_S = 2  # of a reconnect, whatever waits
BACKLOG = 100_000


def names(devices):
    return ["bench-%d" % i for i in range(1, devices + 1)]


def world(devices, interval, **more):
    return World(("--bench", str(devices), "--registers", "5"),
                 lambda w: {"field": bench_source(w, devices, 5, interval)}, **more)


def backlog(w):
    return w.ctl("sinks")[0]["backlog"]


def connected(w):
    return w.ctl("sinks")[0]["state"] == "connected"


class Centre(unittest.TestCase):
    def missing(self, w, devices):
        return {n: w.ledger(n).missing() for n in names(devices) if w.ledger(n).missing()}

    def check_books(self, w, devices):
        """Everything that was polled has come, with its values."""
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
        report = w.plant.report()
        for n in names(devices):
            ledger = w.ledger(n)
            self.assertEqual((ledger.missing(), ledger.losses, ledger.differing), ([], [], []), n)
            self.assertEqual(len({r["values"]["poll"] for r in ledger.readings.values()}), report[n]["polls"], n)
            self.assertEqual([s for s, r in ledger.readings.items() if bench_wrong(r["values"])], [], n)

    # ---- a broker that lost its store ----

    def lose_the_store(self, w):
        """An orderly end, so that there is a store; then it is gone, as with a broken disk."""
        w.gate.shut()
        wait_until(lambda: not connected(w), 15, "the gateway is cut off")
        w.broker.child.end(signal.SIGTERM)
        kept = [f for f in os.listdir(w.broker_store()) if f.startswith("mosquitto.db")]
        self.assertTrue(kept, "the broker keeps a store")
        for f in kept:
            os.remove(os.path.join(w.broker_store(), f))

    def whole_holes(self, w):
        holes = self.missing(w, 2)
        whole = all(m == list(range(m[0], m[-1] + 1)) for m in holes.values())
        return holes if whole and sorted(holes) == names(2) else None

    def ask(self, w, device, missing):
        """The numbers that are missing, first half by command, the rest with gatewayctl."""
        half = missing[:len(missing) // 2]
        since = w.subscriber.count()
        w.subscriber.client.publish(w.topic("command"), json.dumps(
            {"id": "books-" + device, "op": "replay", "device": device, "from": half[0], "to": half[-1],
             "expires": int(time.time() * 1000) + 60000}), qos=1)
        reply = json.loads(wait_until(lambda: w.subscriber.all(w.topic("reply"), since), 10, "a reply")[0][1])
        self.assertEqual((reply["result"], reply["readings"]), ("accepted", len(half)))
        rest = missing[len(half):]
        self.assertEqual(w.ctl("replay", device, str(rest[0]), str(rest[-1])), {"accepted": len(rest)})

    def test_a_subscriber_that_lost_readings_with_the_brokers_store_asks_for_them_and_its_books_close(self):
        with world(2, "50ms", broker_keeps=True) as w:
            w.config["sinks"]["goc"]["commands"] = {"replay": True}
            w.config["buffer"]["sync"] = "100ms"
            w.start()
            wait_until(lambda: all(len(w.ledger(n).readings) >= 20 for n in names(2)), 15, "readings")
            # the broker acknowledges these and has them for nobody: the subscriber is away
            w.subscriber.stop()
            heard = w.subscriber.messages
            taken = {n: c["polls"] + 40 for n, c in w.plant.report().items()}
            wait_until(lambda: all(w.plant.report()[n]["polls"] >= taken[n] for n in names(2))
                       and backlog(w) < 10, 20, "readings that nobody hears", every=0.1)
            self.lose_the_store(w)
            w.broker.start()
            w.subscriber = Subscriber(w.broker.port)
            w.subscriber.messages[:0] = heard
            since = w.subscriber.count()
            w.gate.open()
            # status and directories are there again, though the broker forgot what it retained
            for topic in (w.topic("status"), w.topic("directory"), w.topic("bench-1", "directory")):
                wait_until(lambda: any(m[0] == topic and m[1] for m in w.subscriber.all(since=since)), 60, topic)
            wait_until(lambda: connected(w) and backlog(w) == 0 and w.subscriber.all("/data", since), 20, "the backlog has come")
            # what is on its way comes yet; what is left are the readings that nobody heard
            holes = wait_until(lambda: self.whole_holes(w), 10, "one hole for each device")
            for n, missing in holes.items():
                self.assertGreaterEqual(len(missing), 35, n)
                self.ask(w, n, missing)
            wait_until(lambda: not self.missing(w, 2), 20, "the books close")
            self.check_books(w, 2)

    # ---- a long backlog ----

    def restart(self, w, mode, replay_rate):
        """Killed and started again as another one; what is in flight may come twice."""
        w.daemon.send(signal.SIGKILL)
        w.daemon.process.wait()
        bury_orphans()
        w.config["sources"]["python"].update(mode=mode, interval="500ms")
        w.config["sinks"]["goc"]["replay_rate"] = replay_rate
        w.start(wait=False)
        self.answers(w)

    def answers(self, w):
        wait_until(lambda: w.ctl("sinks", check=False)[0] == 0, 10, "gatewayctl is answered", every=0.05)

    def check_first_live(self, w, since):
        """Of each device, counted from the first word of the new connection; behind it the backlog."""
        def online():
            return [m for m in w.subscriber.all(w.topic("status"), since) if json.loads(m[1])["state"] == "online"]
        status = wait_until(online, 20, "connected", every=0.005)[0]
        waiting = backlog(w)
        late = {n: wait_until(lambda: w.subscriber.all(w.topic(n, "data"), since), 20, "live " + n)[0][2] - status[2]
                for n in COUNTERS}
        self.assertGreaterEqual(waiting, BACKLOG)
        self.assertLess(max(late.values()), LIVE_WITHIN_S, late)

    def test_a_live_value_is_out_within_two_seconds_of_a_reconnect_and_a_drain_bears_outages_and_kills(self):
        with World() as w:
            add_python_plugin(w)
            w.config["buffer"]["ring"]["size"] = "32MiB"
            w.config["sources"] = {"python": {"plugin": "counting", "interval": "10ms", "mode": "flood",
                                              "devices": {n: {"points": {"cycles": {}}} for n in COUNTERS}}}
            w.gate.shut()
            w.start(wait=False)
            self.answers(w)
            wait_until(lambda: backlog(w) >= FLOOD * len(COUNTERS), 60, "the flood waits", every=0.1)
            w.gate.open()
            since = w.subscriber.count()
            self.restart(w, "honest", 2000)
            self.check_first_live(w, since)
            # a second outage while the first one drains
            w.gate.shut()
            wait_until(lambda: not connected(w), 15, "the gateway is cut off")
            since = w.subscriber.count()
            w.gate.open()
            self.check_first_live(w, since)
            # killed while it drains
            self.restart(w, "honest", 0)
            wait_until(lambda: connected(w) and backlog(w) < BACKLOG - 10000, 20, "it drains again")
            self.restart(w, "honest", 0)
            wait_until(lambda: connected(w) and backlog(w) < 10, 30, "nothing waits any more", every=0.1)
            self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
            wait_until(lambda: w.gateway_status().get("reason") == "stopped", 20, "the goodbye")
            for n in COUNTERS:
                ledger = w.ledger(n)
                self.assertEqual((ledger.missing(), ledger.losses, ledger.differing), ([], [], []), n)
                counts = [ledger.readings[s]["values"]["cycles"] for s in ledger.seqs()]
                self.assertEqual(counts[:FLOOD + 5], list(range(1, FLOOD + 6)), n)


if __name__ == "__main__":
    unittest.main()
