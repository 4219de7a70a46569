"""serial_bus.py - serial buses on pseudo-terminals, with the time every character takes.

    serial_bus.py '{"baud": 9600, "turnaround_ms": 4, "lines": [[1, 2], ...]}'

A line for each list of units.  Prints the path of each, then `ready`.  Register n of unit u holds
1000 * u + n; only reads of registers are answered.  Standard input takes, one a line, `LINE UNIT FAULT`
(a name of FAULTS, or `right`), answered by `ok`, and `report`, answered by {LINE: {UNIT: [when each of its
requests came]}} as JSON, in seconds of the monotonic clock.

A pseudo-terminal carries a frame at once.  So a request counts from its arrival plus the time of its
characters, and answers are written character by character.
"""

import heapq
import json
import os
import pty
import select
import sys
import time
import tty

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serial_line import crc  # noqa: E402

REQUEST = 8


class Line:
    def __init__(self, bus, units):
        self.bus, self.units = bus, set(units)
        self.faults, self.asked, self.fill = {}, {u: [] for u in units}, b""
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)  # kept open: nothing hangs up
        self.path = os.ttyname(self.slave)

    def readable(self):
        now = time.monotonic()
        self.fill += os.read(self.master, 4096)
        while len(self.fill) >= REQUEST:
            request, self.fill = self.fill[:REQUEST], self.fill[REQUEST:]
            if crc(request[:-2]) != request[-2:]:
                self.fill = b""
            elif request[0] in self.asked:
                self.asked[request[0]].append(now)
                FAULTS[self.faults.get(request[0], "right")](self, request, now + self.bus.span(REQUEST))

    def say(self, at, data, each=None):
        """The characters of data from `at` on, `each` seconds apart; returns when the last one is out."""
        for byte in data:
            at += each or self.bus.span(1)
            heapq.heappush(self.bus.due, (at, len(self.bus.due), self.master, byte))
        return at


class Bus:
    def __init__(self, baud, turnaround_ms, lines):
        self.character, self.turnaround = 10 / baud, turnaround_ms / 1000
        self.due = []
        self.lines = [Line(self, units) for units in lines]

    def span(self, characters):
        return characters * self.character

    def command(self, text):
        if text == "report":
            return json.dumps({i: line.asked for i, line in enumerate(self.lines)})
        line, unit, fault = text.split()
        assert fault in FAULTS
        self.lines[int(line)].faults[int(unit)] = fault
        return "ok"

    def run(self):
        print("\n".join([line.path for line in self.lines] + ["ready"]), flush=True)
        by_fd = {line.master: line for line in self.lines}
        while True:
            wait = max(self.due[0][0] - time.monotonic(), 0) if self.due else None
            ready = select.select([sys.stdin, *by_fd], [], [], wait)[0]
            while self.due and self.due[0][0] <= time.monotonic():
                _, _, fd, byte = heapq.heappop(self.due)
                os.write(fd, bytes((byte,)))
            for fd in ready:
                if fd is sys.stdin:
                    text = sys.stdin.readline()
                    if not text:
                        return
                    print(self.command(text.strip()), flush=True)
                else:
                    by_fd[fd].readable()


# ---- what is said to a request that ended at `at` ----

def sealed(body):
    return bytes(body) + crc(bytes(body))


def answer(request, count=None):
    unit, function, address = request[0], request[1], request[2] << 8 | request[3]
    words = [1000 * unit + address + i for i in range(count or request[5])]
    return sealed([unit, function, 2 * len(words)] + [b for w in words for b in (w >> 8, w & 0xff)])


def right(line, request, at):
    return line.say(at + line.bus.turnaround, answer(request))


def silent(line, request, at):
    pass


def bad_crc(line, request, at):
    frame = bytearray(answer(request))
    frame[5] ^= 0x10
    line.say(at + line.bus.turnaround, frame)


def truncated(line, request, at):
    line.say(at + line.bus.turnaround, answer(request)[:-3])


def dribbled(line, request, at):
    line.say(at, answer(request), 0.006)


def dribbled_too_long(line, request, at):
    line.say(at, answer(request), 0.03)


def echo(line, request, at):
    right(line, request, line.say(at - line.bus.span(REQUEST), request))


def echo_only(line, request, at):
    line.say(at - line.bus.span(REQUEST), request)


def leading_zero(line, request, at):
    right(line, request, line.say(at, b"\0"))


def leading_noise(line, request, at):
    right(line, request, line.say(at, bytes((request[0], 3, 4, 0xff))))


def late(line, request, at):
    line.say(at + LATE, answer(request))


def wrong_unit(line, request, at):
    line.say(at + line.bus.turnaround, answer(bytes([request[0] ^ 0x40]) + request[1:]))


def wrong_function(line, request, at):
    line.say(at + line.bus.turnaround, answer(bytes([request[0], request[1] ^ 7]) + request[2:]))


def wrong_length(line, request, at):
    line.say(at + line.bus.turnaround, answer(request, request[5] + 1))


def failed(line, request, at):
    line.say(at + line.bus.turnaround, sealed([request[0], request[1] | 0x80, 4]))


def other_master(line, at, unit):
    """Another master asks the unit for two registers at 40 and is answered."""
    asked = sealed([unit, 3, 0, 40, 0, 2])
    return right(line, asked, line.say(at, asked))


def other_master_elsewhere(line, request, at):
    right(line, request, other_master(line, at, 9))


def other_master_same_unit(line, request, at):
    other_master(line, at, request[0])


def other_master_then_silence(line, request, at):
    other_master(line, at, 9)


LATE = 0.146  # with a timeout of 150 ms: while the next unit is asked
FAULTS = {f.__name__: f for f in (
    right, silent, bad_crc, truncated, dribbled, dribbled_too_long, echo, echo_only, leading_zero, leading_noise, late,
    wrong_unit, wrong_function, wrong_length, failed, other_master_elsewhere, other_master_same_unit,
    other_master_then_silence)}


if __name__ == "__main__":
    Bus(**json.loads(sys.argv[1])).run()
