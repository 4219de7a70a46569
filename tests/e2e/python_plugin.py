#!/usr/bin/python3
"""python_plugin.py - a source plugin in another language, from the protocol alone.

It speaks the link on descriptor 3 (docs/plugin-protocol.md) with nothing but the standard
library.  Each point counts the cycles of its device.  The key `mode` makes it
misbehave after five cycles: garbage (bytes that are no message), lie (a reading of a device that is
not there), unknown (of a point that is not there), future (of a time that has not come), hang (never
answers again), exit, hangup (closes the link and stays), fork (leaves fifty processes behind and
exits).  Besides: remember counts on where the process before it stopped, old claims that each
reading is of 1970, burst has BURST readings of one device at once in its first cycle, flood goes
through FLOOD cycles at once after five.
"""

import os
import re
import select
import signal
import socket
import struct
import sys
import time

HELLO, WELCOME, KEY, DESCRIBED, FILE, NODE, CONFIGURED = 1, 2, 3, 4, 5, 6, 7
DEVICE, POINT, READY, START, STOP, PING, PONG, READING = 9, 10, 11, 12, 13, 14, 15, 20
STATE, STATE_PUT = 16, 17
TYPE_CHOICE, KIND_I64, NODE_SCALAR, NODE_LIST, NODE_MAP, NODE_END = 8, 2, 1, 2, 3, 255
MODES = "honest|remember|garbage|lie|unknown|future|hang|exit|hangup|fork|old|burst|flood"
BURST, FLOOD = 100_000, 6000


def text(s):
    raw = s.encode()
    return struct.pack("<H", len(raw)) + raw


class Link:
    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(True)  # it is handed over non-blocking

    def send(self, kind, body=b""):
        self.socket.send(struct.pack("<HHI", kind, 0, 8 + len(body)) + body)

    def receive(self):
        """Type and body of one message; ends the process at the end of the link."""
        packet = self.socket.recv(65536)
        if not packet:
            sys.exit(0)
        kind, _, size = struct.unpack_from("<HHI", packet)
        assert size == len(packet)
        return kind, packet[8:]


class Fields:
    """Reads the fields of a body one after the other."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def number(self, fmt):
        v, = struct.unpack_from("<" + fmt, self.body, self.at)
        self.at += struct.calcsize("<" + fmt)
        return v

    def text(self):
        n = self.number("H")
        self.at += n
        return self.body[self.at - n:self.at].decode()


def node(body):
    f = Fields(body)
    kind = f.number("B")
    f.number("H")
    for _ in range(4):
        f.number("I")
    return kind, f.text(), f.text()


def tree(link):
    """The configuration as dictionaries, lists and strings."""
    stack, root = [], None
    while True:
        kind, body = link.receive()
        if kind == CONFIGURED:
            return root
        if kind != NODE:
            continue
        what, name, scalar = node(body)
        if what == NODE_END:
            stack.pop()
            continue
        value = {NODE_MAP: {}, NODE_LIST: []}.get(what, scalar)
        if not stack:
            root = value
        elif isinstance(stack[-1], dict):
            stack[-1][name] = value
        else:
            stack[-1].append(value)
        if what in (NODE_MAP, NODE_LIST):
            stack.append(value)


def milliseconds(duration):
    n, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()
    return int(n) * {"ms": 1, "s": 1000, "m": 60000, "h": 3600000}[unit]


def describe(link):
    link.send(HELLO, struct.pack("<HHB", 1, 1, 0) + text("counting") + text("1.0"))
    assert link.receive()[0] == WELCOME
    link.send(KEY, text("source") + text("mode") + struct.pack("<BIqq", TYPE_CHOICE, 0, 0, 0) + text("honest")
              + text("What it does after five cycles.") + text("") + text(MODES) + text(""))
    link.send(DESCRIBED)


def declare(link, devices, interval):
    for d, (name, device) in enumerate(devices):
        link.send(DEVICE, struct.pack("<H", d) + text(name))
        for p, point in enumerate(device["points"]):
            link.send(POINT, struct.pack("<HH", d, p) + text(point)
                      + struct.pack("<BBB", KIND_I64, 64, 0) + text("") + struct.pack("<q", interval))
    link.send(READY, struct.pack("<I", 0))


def reading(device, npoints, value, now=None, later_ms=0):
    now = int(time.time() * 1000) if now is None else now
    mono = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000 + later_ms
    tags = b"".join(struct.pack("<I", p | KIND_I64 << 16) for p in range(npoints))
    tags += b"\0" * (-len(tags) % 8)
    slots = struct.pack("<q", value) * npoints
    size = 48 + len(tags) + len(slots)
    return struct.pack("<IIIHHQqqIHH", size, 0, 0, device, npoints, 0, now, mono, 0, 0, 0) + tags + slots


def misbehave(link, mode):
    if mode == "garbage":
        link.socket.send(os.urandom(200))
    elif mode == "lie":
        link.send(READING, reading(999, 1, 0))
    elif mode == "unknown":
        link.send(READING, reading(0, 500, 0))
    elif mode == "future":
        link.send(READING, reading(0, 1, 0, later_ms=75 * 365 * 86400 * 1000))
    elif mode == "exit":
        os._exit(7)
    elif mode == "fork":
        for _ in range(50):
            if os.fork() == 0:
                signal.pause()
        os._exit(7)
    elif mode in ("hang", "hangup"):
        if mode == "hangup":
            link.socket.shutdown(socket.SHUT_RDWR)
        while True:
            signal.pause()


def run(link, devices, interval, mode, epoch_us, cycle):
    """A reading of each device at each tick; intervals count from the common start."""
    while True:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        step = interval * 1000
        due = epoch_us + ((now - epoch_us) // step + 1) * step
        while (left := due - time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000) > 0:
            if not select.select([link.socket], [], [], left / 1e6)[0]:
                break
            kind, body = link.receive()
            if kind == PING:
                link.send(PONG, body)
            elif kind == STOP:
                sys.exit(0)
        for _ in range(FLOOD if mode == "flood" and cycle == 5 else 1):
            cycle += 1
            for d, (_, device) in enumerate(devices):
                link.send(READING, reading(d, len(device["points"]), cycle, 0 if mode == "old" else None))
        if mode == "remember":
            link.send(STATE_PUT, text("cycles") + str(cycle).encode())
        for _ in range(BURST if mode == "burst" and cycle == 1 else 0):
            link.send(READING, reading(0, len(devices[0][1]["points"]), cycle))
        if cycle >= 5:
            misbehave(link, mode)


def main():
    link = Link(int(os.environ["GATEWAYD_LINK"]))
    describe(link)
    config = tree(link)
    interval = milliseconds(config.get("interval", "1s"))
    devices = list(config["devices"].items())
    declare(link, devices, interval)
    kind, body = link.receive()
    cycle = 0
    while kind == STATE:
        f = Fields(body)
        assert f.text() == "cycles"
        cycle = int(body[f.at:])
        kind, body = link.receive()
    if kind == START:
        run(link, devices, interval, config.get("mode", "honest"), Fields(body).number("q"), cycle)


if __name__ == "__main__":
    main()
