"""A device with holes in its map: the other points are good, and what was learned outlives the plugin."""

import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Child, World, answers, free_port, wait_until  # noqa: E402

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "register_server.py")
HOLES = (13, 70)
POINTS = 100


class Holes(unittest.TestCase):
    def test_every_legal_point_is_good_and_the_holes_are_not_asked_again(self):
        port = free_port()
        source = {"plugin": "modbus", "connection": "tcp://127.0.0.1:%d" % port, "interval": "200ms",
                  "devices": {"m": {"unit_id": 1, "points": {
                      "p%02d" % i: {"address": i} for i in range(POINTS)}}}}
        with World(sources={"s": source}) as w:
            with open(w.path("map.json"), "w") as f:
                json.dump({port: {"1": {"holding": {i: 1000 + i for i in range(POINTS) if i not in HOLES}}}}, f)
            server = Child(["/usr/bin/python3", SERVER, w.path("map.json")], w.path("server.log"))
            self.addCleanup(server.kill)
            wait_until(lambda: answers(port), what="the server answers")
            w.start()
            self.check_first(w)
            self.assertEqual(self.requests_per_cycle(w), 3)
            # Known to the core: a new process asks as well from its first cycle on.
            wait_until(lambda: "are known" in w.daemon.text(), what="it says what it learned")
            pid = w.plugin_pid("s")
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: w.plugin_pid("s") not in (None, 0, pid), what="a new process")
            wait_until(lambda: self.device(w)["state"] == "online" and self.device(w)["requests"], what="online")
            self.assertEqual(self.requests_per_cycle(w), 3)
            self.assertEqual(w.daemon.text().count("are known"), 1)

    def check_first(self, w):
        first = wait_until(lambda: w.subscriber.all("/m/data"), what="a reading")[0]
        reading = json.loads(first[1])
        good = {"p%02d" % i: 1000 + i for i in range(POINTS) if i not in HOLES}
        self.assertEqual(reading["values"], good)
        self.assertEqual(reading["quality"], {"p%02d" % i: "exception_2" for i in HOLES})

    def device(self, w):
        return w.ctl("devices")[0]

    def requests_per_cycle(self, w):
        """The count is brought up to date once a second, with whole cycles."""
        def count():
            return self.device(w)["requests"]

        def step():
            a = count()
            return wait_until(lambda: count() - a, what="more requests")
        step()
        made = step()
        # five cycles a second
        return round(made / 5)


if __name__ == "__main__":
    unittest.main()
