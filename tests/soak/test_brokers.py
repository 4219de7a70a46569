"""Other brokers: a node of a cluster is killed under load, and a subscriber misses nothing.

`make brokers` installs RabbitMQ and NATS from Debian and runs this.  Both speak MQTT 3.1.1 only.
"""

import os
import sys
import time
import unittest

import paho.mqtt.client as mqtt

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]
from cluster import Nats, Rabbit  # noqa: E402
from harness import Gate, World, bench_source, bench_wrong, parsed, wait_until  # noqa: E402

DEVICES, REGISTERS = 4, 20
BACKLOG, REPLAY_RATE = 2000, 200  # readings; a second: it drains for ten seconds
NAMES = ["bench-%d" % i for i in range(1, DEVICES + 1)]


class Recorder:
    """A subscriber over MQTT 3.1.1 with a session that survives its own outages."""

    def __init__(self, port):
        self.messages = []
        self.ready = False
        self.client = mqtt.Client(client_id="recorder", clean_session=False, protocol=mqtt.MQTTv311)
        self.client.on_message = lambda c, u, m: self.messages.append((m.topic, m.payload, time.time(), m.retain))
        self.client.on_connect = lambda c, u, f, rc: c.subscribe("goc/#", qos=1)
        self.client.on_subscribe = lambda *a: setattr(self, "ready", True)
        self.client.connect("127.0.0.1", port, 60)
        self.client.loop_start()
        wait_until(lambda: self.ready, 60, "the recorder is subscribed")

    def all(self, suffix="", since=0):
        return [m for m in self.messages[since:] if m[0].endswith(suffix)]

    def count(self):
        return len(self.messages)

    def last(self, topic):
        found = [m for m in self.all() if m[0] == topic and m[1]]
        return parsed(found[-1][1]) if found else None

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


class Brokers(unittest.TestCase):
    def world(self, make):
        """A gateway that publishes to nodes 1 and 2 through gates, a recorder on node 0."""
        w = World(("--bench", str(DEVICES), "--registers", str(REGISTERS)),
                  lambda w: {"field": bench_source(w, DEVICES, REGISTERS, "50ms")})
        self.addCleanup(w.close)
        begun = time.monotonic()
        cluster = make(w.folder)
        self.addCleanup(cluster.close)
        print("%s: up after %.0f s" % (cluster.name, time.monotonic() - begun))
        w.subscriber.stop()
        w.subscriber = Recorder(cluster.ports[0])
        gates = [Gate(p) for p in cluster.ports[1:]]
        for gate in gates:
            self.addCleanup(gate.shut)
        w.config["sinks"]["goc"].update(broker=["mqtt://127.0.0.1:%d" % g.port for g in gates],
                                        protocol="3.1.1", replay_rate=REPLAY_RATE)
        w.start(wait=False)
        wait_until(lambda: all(len(w.ledger(n).readings) >= 100 for n in NAMES), 60, "readings", every=0.2)
        return w, cluster, gates

    def run_with(self, make):
        w, cluster, _ = self.world(make)
        self.kill_a_node(w, cluster)
        self.check_books(w, cluster)

    def sink(self, w):
        return w.ctl("sinks")[0]

    def connected(self, w):
        return self.sink(w)["state"] == "connected"

    def drain_and_kill(self, w, cluster, gates):
        """Kills the node that takes a backlog when half of it has gone."""
        for gate in gates:
            gate.shut()
        wait_until(lambda: self.sink(w)["backlog"] >= BACKLOG, 120, "a backlog", every=0.2)
        since = w.subscriber.count()
        for gate in gates:
            gate.open()
        wait_until(lambda: self.connected(w) and self.sink(w)["backlog"] < BACKLOG / 2, 60, "half of it", every=0.1)
        takes = [i for i, g in enumerate(gates) if self.sink(w)["broker"].endswith(":%d" % g.port)][0]
        cluster.kill(takes + 1)
        killed, left = time.monotonic(), self.sink(w)["backlog"]
        came = len(w.subscriber.all("/replay", since))
        self.assertGreater(left, BACKLOG / 10, "there is something left to drain")
        wait_until(lambda: self.connected(w) and self.sink(w)["broker"].endswith(":%d" % gates[1 - takes].port), 60,
                   "the other node", every=0.1)
        print("%s: killed with %d of %d readings left, connected to the other node %.1f s later"
              % (cluster.name, left, BACKLOG, time.monotonic() - killed))
        wait_until(lambda: len(w.subscriber.all("/replay", since)) > came, 120, "the rest", every=0.2)
        cluster.start(takes + 1)

    def kill_a_node(self, w, cluster):
        since, killed = w.subscriber.count(), time.monotonic()
        before = self.sink(w)["broker"]
        cluster.kill(1)
        wait_until(lambda: self.sink(w)["broker"] != before and self.connected(w), 60,
                   "the next broker of the list", every=0.2)
        reconnected = time.monotonic() - killed
        wait_until(lambda: w.subscriber.all("/data", since + 200), 120, "live readings", every=0.2)
        print("%s: connected to the next node %.1f s after the kill" % (cluster.name, reconnected))
        cluster.start(1)

    def check_books(self, w, cluster):
        """NATS stands still for seconds when a node comes back: what it does not acknowledge before a stop, stays."""
        wait_until(lambda: w.unacknowledged() == 0, 120, "all is acknowledged", every=0.05)
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        report = w.plant.report()

        def complete(n):
            return len(w.ledger(n).readings) >= report[n]["polls"]
        wait_until(lambda: all(complete(n) for n in NAMES), 60, "everything has come", every=0.5)
        copies = 0
        for n in NAMES:
            ledger = w.ledger(n)
            self.assertEqual((ledger.missing(), ledger.losses, ledger.differing), ([], [], []), n)
            self.assertEqual(len(ledger.readings), report[n]["polls"], n)
            self.assertEqual([s for s, r in ledger.readings.items() if bench_wrong(r["values"])], [], n)
            copies += ledger.copies
        print("%s: %d readings, none missing, %d twice"
              % (cluster.name, sum(len(w.ledger(n).readings) for n in NAMES), copies))

    def test_a_node_of_nats_is_killed_under_load(self):
        self.run_with(Nats)

    def test_a_node_of_rabbitmq_is_killed_under_load(self):
        self.run_with(Rabbit)

    def test_a_node_of_rabbitmq_is_killed_while_a_backlog_drains(self):
        w, cluster, gates = self.world(Rabbit)
        self.drain_and_kill(w, cluster, gates)
        self.check_books(w, cluster)


if __name__ == "__main__":
    unittest.main()
