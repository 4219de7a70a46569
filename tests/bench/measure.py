"""measure.py - what a process costs and how a subscriber sees it, from /proc and the broker."""

import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import children_of  # noqa: E402

import paho.mqtt.client as mqtt

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and all below it."""
    found = [pid]
    for child in children_of(pid):
        found += family(child)
    return found


def cpu_us(pids):
    """User and system time; a process that has ended counts nothing."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) * TICK_US
    return total


def private_dirty_kb(pids, without=()):
    """Memory that is theirs alone.  Files in `without` are left out: the kernel calls
    the pages of a shared file private while one process has them mapped."""
    total = 0
    for pid in pids:
        skip = False
        try:
            with open("/proc/%d/smaps" % pid) as f:
                for line in f:
                    words = line.split()
                    if not words[0].endswith(":"):
                        skip = len(words) > 5 and words[5] in without
                    elif words[0] == "Private_Dirty:" and not skip:
                        total += int(words[1])
        except OSError:
            continue
    return total


def percentile(values, p):
    values = sorted(values)
    return values[min(int(len(values) * p / 100), len(values) - 1)] if values else None


class Counter:
    """A mosquitto_sub that writes the size of each payload on a line: messages and bytes."""

    def __init__(self, port, topic, path):
        self.path = path
        self.out = open(path, "wb")
        self.process = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-V", "5",
                                         "-q", "0", "-t", topic, "-F", "%l"], stdout=self.out)

    def totals(self):
        with open(self.path, "rb") as f:
            lines = f.read().split(b"\n")[:-1]
        return len(lines), sum(map(int, lines))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.out.close()


class Sampler:
    """Delay in ms from the answer of the device (ts of the payload) to the subscriber, of what was
    answered at `since` (Unix ms) or later."""

    def __init__(self, port, topics):
        self.delays, self.on, self.since, self.lock = [], False, 0, threading.Lock()
        self.client = mqtt.Client(protocol=mqtt.MQTTv5)
        self.client.on_connect = lambda c, *_: c.subscribe([(t, 0) for t in topics])
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _message(self, client, userdata, m):
        now, ts = time.time() * 1000, json.loads(m.payload)["ts"]
        if self.on:
            with self.lock:
                self.delays.append((ts, now - ts))

    def late(self, p):
        """The p-th percentile, and of how many."""
        delays = [d for ts, d in self.delays if ts >= self.since]
        return percentile(delays, p), len(delays)

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


def lateness_ms(times_us, interval_us):
    """How late each poll of each device came after its tick.  Ticks are the same for all
    devices; the tick is taken to be where the earliest poll of any cycle lies."""
    start = min(t[0] for t in times_us if t)
    rest = [((t - start + interval_us // 2) % interval_us) - interval_us // 2 for d in times_us for t in d]
    earliest = min(rest)
    return [(r - earliest) / 1000 for r in rest]
