"""serial_line.py - serial lines made of pseudo-terminals."""

import json
import os
import pty
import subprocess
import sys
import threading
import tty

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from harness import Child  # noqa: E402


class Wire:
    """Two pseudo-terminals back to back: a null modem."""

    def __init__(self):
        self.masters, self.keep, self.paths = [], [], []
        self.passed = [b"", b""]  # what came from either end
        for _ in range(2):
            master, slave = pty.openpty()
            tty.setraw(slave)
            self.masters.append(master)
            self.keep.append(slave)  # nothing hangs up while an end is closed and opened
            self.paths.append(os.ttyname(slave))
        a, b = self.masters
        for end, x, y in ((0, a, b), (1, b, a)):
            threading.Thread(target=self._pump, args=(end, x, y), daemon=True).start()

    def _pump(self, end, x, y):
        try:
            while True:
                data = os.read(x, 4096)
                self.passed[end] += data
                os.write(y, data)
        except OSError:
            pass

    def close(self):
        for fd in self.masters + self.keep:
            os.close(fd)


def crc(data):
    c = 0xffff
    for byte in data:
        c ^= byte
        for _ in range(8):
            c = c >> 1 ^ (0xa001 if c & 1 else 0)
    return bytes((c & 0xff, c >> 8))


class Buses:
    """serial_bus.py as a process: `lines` is a list of units for each, `paths` where they are."""

    def __init__(self, folder, lines, baud=9600, turnaround_ms=4):
        self.child = Child(["/usr/bin/python3", os.path.join(HERE, "serial_bus.py"),
                            json.dumps({"baud": baud, "turnaround_ms": turnaround_ms, "lines": lines})],
                           os.path.join(folder, "serial_bus.log"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.paths = []
        for text in self.child.process.stdout:
            if text == b"ready\n":
                return
            self.paths.append(text.decode().strip())
        raise AssertionError("serial_bus.py did not start: " + self.child.tail())

    def ask(self, command):
        self.child.process.stdin.write((command + "\n").encode())
        self.child.process.stdin.flush()
        return self.child.process.stdout.readline().decode().strip()

    def fault(self, line, unit, name):
        answered = self.ask("%d %d %s" % (line, unit, name))
        assert answered == "ok", answered + self.child.tail()

    def report(self):
        """For each line: {unit: [when each of its requests came]}."""
        return [{int(u): at for u, at in units.items()} for units in json.loads(self.ask("report")).values()]
