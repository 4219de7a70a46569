"""Links that are far away, thin, or stuck: a gate in user space stands in for a satellite."""

import os
import queue
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Gate, World, bench_source, free_port, wait_until  # noqa: E402

DEVICES = 4


class FarGate(Gate):
    """What goes through arrives `delay_s` later, at most `rate` bytes a second each way; both may change."""

    delay_s, rate = 0.0, 0

    def _pump(self, x, y, ends, outward):
        way = queue.Queue()
        threading.Thread(target=self._deliver, args=(way, y), daemon=True).start()
        try:
            while data := x.recv(1024):
                way.put((time.monotonic() + self.delay_s, data))
        except OSError:
            pass
        way.put((time.monotonic() + self.delay_s, None))
        with self.lock:
            self.sockets.discard(x)

    def _deliver(self, way, y):
        while True:
            at, data = way.get()
            time.sleep(max(0, at - time.monotonic()))
            try:
                if data is None:
                    y.shutdown(socket.SHUT_RDWR)
                    return
                while data:
                    part = data[:max(1, self.rate // 10)] if self.rate else data
                    y.sendall(part)
                    data = data[len(part):]
                    if self.rate:
                        time.sleep(len(part) / self.rate)
            except OSError:
                return


class Slow(unittest.TestCase):
    def world(self, delay_s=0.0, rate=0, **sink):
        w = World(("--bench", str(DEVICES), "--registers", "12"),
                  lambda w: {"field": bench_source(w, DEVICES, 12, "200ms")})
        self.addCleanup(w.close)
        w.gate.shut()
        w.gate = FarGate(w.broker.port)
        w.gate.delay_s, w.gate.rate = delay_s, rate
        w.config["sinks"]["goc"].update(broker="mqtt://127.0.0.1:%d" % w.gate.port, ack_timeout="10s", keepalive="10s",
                                        **sink)
        return w

    def polled(self, w):
        return w.plant.report()["bench-1"]["polls"]

    def session(self, w):
        return w.ctl("sinks")[0]["session"]

    def books_close(self, w):
        """Everything up to now came, in one session."""
        last = {n: max(w.ledger(n).readings) + 5 for n in ("bench-1", "bench-%d" % DEVICES)}
        for name, seq in last.items():
            wait_until(lambda: max(w.ledger(name).readings) >= seq and not w.ledger(name).missing(), 40, name, every=0.2)
            self.assertEqual(w.ledger(name).twice(), [])

    def test_a_round_trip_of_600_ms_costs_nothing_but_time(self):
        w = self.world(delay_s=0.3)
        w.start()
        wait_until(lambda: len(w.ledger("bench-1").readings) > 20, 30, "readings")
        session = self.session(w)
        self.books_close(w)
        self.assertEqual(self.session(w), session, "it never connected anew")

    def test_a_backlog_goes_through_64_kbit_without_a_new_connection(self):
        w = self.world()
        w.start()
        wait_until(lambda: len(w.ledger("bench-1").readings) > 5, 15, "readings")
        w.gate.shut()
        waited = self.polled(w)
        wait_until(lambda: self.polled(w) > waited + 20, 20, "a backlog")
        w.gate.rate, w.gate.delay_s = 8000, 0.3
        w.gate.open()
        wait_until(lambda: w.ctl("sinks")[0]["state"] == "connected", 30, "connected again")
        session = self.session(w)
        self.books_close(w)
        self.assertEqual(self.session(w), session, "it never connected anew")

    def test_a_broker_that_reads_100_bytes_a_second_stops_nobody(self):
        w = self.world(window=10)
        w.start()
        wait_until(lambda: len(w.ledger("bench-1").readings) > 5, 15, "readings")
        w.gate.rate = 100
        before = self.polled(w)
        wait_until(lambda: self.polled(w) > before + 25, 15, "polling goes on")
        self.assertLessEqual(w.ctl("sinks")[0]["in_flight"], 10 * 100, "a window of messages, no more")
        w.gate.rate = 0
        self.books_close(w)

    def test_a_tls_handshake_that_never_ends_is_given_up_and_polling_goes_on(self):
        with socket.socket() as mute, World(("--bench", "1", "--registers", "4")) as w:
            mute.bind(("127.0.0.1", free_port()))
            mute.listen(5)
            w.config["sources"] = {"field": bench_source(w, 1, 4, "200ms")}
            w.config["sinks"]["goc"].update(broker="mqtts://127.0.0.1:%d" % mute.getsockname()[1],
                                            ca="/etc/ssl/certs/ca-certificates.crt")
            w.start(wait=False)
            wait_until(lambda: w.ctl("sinks", check=False)[0] == 0, 15, "it answers")
            before = self.polled(w) if w.plant.report()["bench-1"]["polls"] else 0
            reason = wait_until(lambda: w.ctl("sinks")[0]["reason"], 60, "the attempt is given up")
            self.assertGreater(self.polled(w), before + 10)
            self.assertEqual(reason, "TLS handshake failed: no answer")


if __name__ == "__main__":
    unittest.main()
