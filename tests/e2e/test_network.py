"""Networks that are ill: packets vanish without a word, and the books still close."""

import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network  # noqa: E402
from harness import LONG, World, bench_source, bench_wrong, free_port, wait_until  # noqa: E402

DEVICES, KEEPALIVE = 2, 5
NAMES = ["bench-%d" % i for i in range(1, DEVICES + 1)]
HOST = "10.99.0.1"


def setUpModule():
    wrong = network.enter()
    if wrong:
        raise unittest.SkipTest(wrong)


class Network(unittest.TestCase):
    def world(self, host="127.0.0.1", ack_timeout="2s", registers=20):
        """The gateway has a port of its own at the broker: the recorder does not feel its faults."""
        w = World(("--bench", str(DEVICES), "--registers", str(registers)),
                  lambda w: {"field": bench_source(w, DEVICES, registers, "100ms")})
        self.addCleanup(w.close)
        self.addCleanup(network.clear)
        self.port = free_port()
        with open(w.broker.conf, "a") as f:
            f.write("listener %d 0.0.0.0\nallow_anonymous true\n" % self.port)
        w.broker.kill()
        wait_until(lambda: not w.subscriber.subscribed.is_set(), 10, "the recorder is cut off")
        w.broker.start()
        wait_until(w.subscriber.subscribed.is_set, 15, "the recorder is back")
        w.config["sinks"]["goc"].update(broker="mqtt://%s:%d" % (host, self.port), keepalive="%ds" % KEEPALIVE,
                                        ack_timeout=ack_timeout)
        return w

    def reading(self, w, count=5):
        wait_until(lambda: all(len(w.ledger(n).readings) >= count for n in NAMES), 20, "readings")

    def sink(self, w):
        return w.ctl("sinks")[0]

    def noticed(self, w, within, what):
        """Seconds until the gateway knows that it is cut off."""
        begun = time.monotonic()
        wait_until(lambda: self.sink(w)["state"] != "connected", within, what)
        return time.monotonic() - begun

    def caught_up(self, w, since):
        """Live readings of each device again and nothing missing behind them."""
        def closed(n):
            return (any(how == "data" for how, _ in w.ledger(n, since).order)
                    and not w.ledger(n).missing())
        wait_until(lambda: self.sink(w)["state"] == "connected", 40, "it is connected again")
        wait_until(lambda: all(closed(n) for n in NAMES) and self.sink(w)["backlog"] < 5, 40,
                   "the backlog has come", every=0.1)

    def check_books(self, w):
        """Received = produced, with the right values; nothing had to be declared lost."""
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        wait_until(lambda: w.gateway_status().get("reason") == "stopped", 10, "the goodbye")
        report = w.plant.report()
        for n in NAMES:
            ledger = w.ledger(n)
            self.assertEqual((ledger.missing(), ledger.losses, ledger.differing), ([], [], []), n)
            polls = [ledger.readings[s]["values"]["poll"] for s in ledger.seqs()]
            self.assertEqual(polls, list(range(1, report[n]["polls"] + 1)), n)
            self.assertEqual([r for r in ledger.readings.values() if bench_wrong(r["values"])], [], n)

    def test_packets_that_vanish_both_ways_are_noticed_by_the_missing_acknowledgement(self):
        w = self.world()
        w.start()
        self.reading(w)
        network.drop(self.port)
        self.noticed(w, 2 + 1.5, "the acknowledgement timeout of 2 s")
        self.assertEqual(self.sink(w)["reason"], "the broker acknowledged nothing for 2s")
        wait_until(lambda: self.sink(w)["backlog"] > 40, 20, "a backlog")
        since = w.subscriber.count()
        network.clear()
        self.caught_up(w, since)
        self.check_books(w)

    @unittest.skipUnless(LONG, "with LONG=1 or make soak")
    def test_with_nothing_to_send_keepalive_notices_the_silence(self):
        w = self.world(ack_timeout="10m")
        w.config["sources"]["field"]["interval"] = "1h"
        w.start()
        self.reading(w, 1)
        network.drop(self.port)
        self.noticed(w, 2.5 * KEEPALIVE, "two and a half keepalives")
        network.clear()
        wait_until(lambda: self.sink(w)["state"] == "connected", 40, "it is back")

    @unittest.skipUnless(LONG, "with LONG=1 or make soak")
    def test_a_third_of_the_packets_lost_slows_down_and_loses_nothing(self):
        w = self.world(ack_timeout="20s")
        w.start()
        self.reading(w)
        network.drop(self.port, "-m statistic --mode random --probability 0.3")
        wait_until(lambda: all(r["polls"] > 60 for r in w.plant.report().values()), 20, "six seconds of it")
        since = w.subscriber.count()
        network.clear()
        self.caught_up(w, since)
        self.check_books(w)

    @unittest.skipUnless(LONG, "with LONG=1 or make soak")
    def test_a_path_that_swallows_large_packets_only_is_noticed(self):
        w = self.world(registers=120)
        w.start()
        self.reading(w)
        network.drop(self.port, "-m length --length 700:65535")
        self.noticed(w, 2 + 1.5, "the acknowledgement timeout of 2 s")
        since = w.subscriber.count()
        network.clear()
        self.caught_up(w, since)
        self.check_books(w)

    def test_an_interface_that_is_taken_away_and_comes_back(self):
        def plug():
            network.do("ip link add name gw0 type veth peer name gw1")
            network.do("ip addr add %s/24 dev gw0" % HOST)
            for name in ("gw0", "gw1"):
                network.do("ip link set %s up" % name)
        plug()
        w = self.world(HOST)
        w.start()
        self.reading(w)
        network.do("ip link del gw0")
        self.noticed(w, 2 + 1.5, "the acknowledgement timeout of 2 s")
        wait_until(lambda: "unreachable" in self.sink(w)["reason"], 20, "why there is no connection")
        since = w.subscriber.count()
        plug()
        self.caught_up(w, since)
        self.check_books(w)

    @unittest.skipUnless(LONG, "with LONG=1 or make soak")
    def test_a_broker_that_is_frozen_is_left_and_found_again(self):
        w = self.world()
        w.start()
        self.reading(w)
        os.kill(w.broker.child.pid, signal.SIGSTOP)
        self.noticed(w, 2 + 1.5, "the acknowledgement timeout of 2 s")
        since = w.subscriber.count()
        os.kill(w.broker.child.pid, signal.SIGCONT)
        self.caught_up(w, since)
        self.check_books(w)

    @unittest.skipUnless(LONG, "with LONG=1 or make soak")
    def test_a_second_outage_while_the_first_drains_and_a_third_right_after(self):
        w = self.world()
        w.config["sinks"]["goc"]["replay_rate"] = 100
        w.start()
        self.reading(w)
        network.drop(self.port)
        wait_until(lambda: self.sink(w)["backlog"] > 100, 20, "a backlog")
        for _ in range(2):
            since, backlog = w.subscriber.count(), self.sink(w)["backlog"]
            network.clear()
            wait_until(lambda: w.subscriber.all("/replay", since), 30, "some of it has come", every=0.005)
            network.drop(self.port)
            self.noticed(w, 2 + 1.5, "the acknowledgement timeout of 2 s")
            self.assertGreater(self.sink(w)["backlog"], backlog / 4, "it was still draining")
        since = w.subscriber.count()
        network.clear()
        self.caught_up(w, since)
        self.check_books(w)


if __name__ == "__main__":
    unittest.main()
