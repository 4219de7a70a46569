"""The name of the broker: it comes to mean another address, and for a time nobody can tell it."""

import os
import re
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network  # noqa: E402
from harness import Ear, World, bench_source, free_port, wait_until  # noqa: E402

DEVICES = 2
NAMES = ["bench-%d" % i for i in range(1, DEVICES + 1)]
BROKER = "broker.test"
HERE, THERE = "127.0.0.2", "127.0.0.3"


def setUpModule():
    wrong = network.enter()
    if wrong:
        raise unittest.SkipTest(wrong)


class NameServer:
    """Answers each question for BROKER with `address` (RFC 1035); says nothing while that is None."""

    def __init__(self):
        self.address = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            question, who = self.socket.recvfrom(512)
            if not question:
                return
            if self.address:
                self.socket.sendto(self.answer(question), who)

    def answer(self, question):
        end = question.index(b"\0", 12) + 5  # of the name, its type and class
        name, (kind,) = question[12:end - 4], struct.unpack(">H", question[end - 4:end - 2])
        known = name == b"".join(bytes([len(w)]) + w.encode() for w in BROKER.split(".")) + b"\0"
        found = [self.address] if known and kind == 1 else []
        head = question[:2] + struct.pack(">HHHHH", 0x8580 if known else 0x8583, 1, len(found), 0, 0)
        return head + question[12:end] + b"".join(
            struct.pack(">HHHIH", 0xc00c, 1, 1, 60, 4) + socket.inet_aton(a) for a in found)

    def close(self):
        self.socket.sendto(b"", self.socket.getsockname())  # which ends the thread
        self.thread.join()
        self.socket.close()


class Names(unittest.TestCase):
    def resolve_here(self, w):
        """From now on names are asked of our own server."""
        for path, text in (("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
                           ("/etc/nsswitch.conf", "hosts: dns\n")):
            if os.path.exists(path):
                with open(w.path(os.path.basename(path)), "w") as f:
                    f.write(text)
                network.mount_file(w.path(os.path.basename(path)), path)
                w.last.append(lambda path=path: network.unmount(path))
        names = NameServer()
        w.last.append(names.close)
        return names

    def move(self, w, address):
        """The broker listens for gateways at this address from now on; the recorder does not feel it."""
        w.broker.kill()
        wait_until(lambda: not w.subscriber.subscribed.is_set(), 10, "the recorder is cut off")
        with open(w.broker.conf) as f:
            text = re.sub(r"(?m)^listener \d+ 127\.0\.0\.[23]\nallow_anonymous true\n", "", f.read())
        with open(w.broker.conf, "w") as f:
            f.write(text + "listener %d %s\nallow_anonymous true\n" % (self.port, address))
        w.broker.start()
        wait_until(w.subscriber.subscribed.is_set, 15, "the recorder is back")

    def readings(self, w, n):
        return len(w.ledger(n).readings)

    def wait_more(self, w):
        goal = {n: self.readings(w, n) + 5 for n in NAMES}
        wait_until(lambda: all(self.readings(w, n) >= goal[n] for n in NAMES), 30, "readings")

    def test_a_broker_that_moved_is_found_by_its_name_as_soon_as_that_can_be_told(self):
        w = World(("--bench", str(DEVICES), "--registers", "10"),
                  lambda w: {"field": bench_source(w, DEVICES, 10, "100ms")})
        self.addCleanup(w.close)
        names, self.port = self.resolve_here(w), free_port()
        address = "mqtt://%s:%d" % (BROKER, self.port)
        w.config["sinks"]["goc"]["broker"] = address
        names.address = HERE
        self.move(w, HERE)
        ear = Ear(w, 0.2)  # what is stuck for 4 s is not fed any more
        w.start()
        self.wait_more(w)
        names.address = None  # the name server is away; then the broker moves
        away = time.monotonic()
        self.move(w, THERE)
        words = "host name %s cannot be resolved: Temporary failure in name resolution" % BROKER
        wait_until(lambda: w.ctl("sinks")[0]["reason"] == words, 30, "the sink says why", every=0.1)
        self.assertEqual((w.ctl("sinks")[0]["broker"], w.ctl("sinks")[0]["state"] != "connected"), (address, True))
        self.assertIn("warning: goc: %s: %s\n" % (address, words), w.daemon.text())
        wait_until(lambda: time.monotonic() > away + 6, 10, "it is away for longer than a duty may be stuck")
        names.address = THERE
        wait_until(lambda: w.ctl("sinks")[0]["state"] == "connected", 40, "the new address", every=0.1)
        self.wait_more(w)
        wait_until(lambda: not any(w.ledger(n).missing() for n in NAMES) and w.ctl("sinks")[0]["backlog"] < 5, 30,
                   "the backlog", every=0.1)
        self.assertGreater(len(ear.fed(0)), 20)
        self.assertNotIn("watchdog", w.daemon.text(), "a broker that is away is no reason")
        self.assertEqual(w.daemon.end(), 0, w.daemon.tail())
        report = w.plant.report()
        wait_until(lambda: all(self.readings(w, n) == report[n]["polls"] for n in NAMES), 10, "every poll of the time")
        for n in NAMES:
            self.assertEqual((w.ledger(n).missing(), w.ledger(n).losses), ([], []), n)


if __name__ == "__main__":
    unittest.main()
