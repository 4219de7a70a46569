"""serial_line.py - serial lines made of pseudo-terminals."""

import os
import pty
import threading
import tty


class Wire:
    """Two pseudo-terminals back to back: a null modem."""

    def __init__(self):
        self.masters, self.keep, self.paths = [], [], []
        for _ in range(2):
            master, slave = pty.openpty()
            tty.setraw(slave)
            self.masters.append(master)
            self.keep.append(slave)  # nothing hangs up while an end is closed and opened
            self.paths.append(os.ttyname(slave))
        a, b = self.masters
        for x, y in ((a, b), (b, a)):
            threading.Thread(target=self._pump, args=(x, y), daemon=True).start()

    def _pump(self, x, y):
        try:
            while True:
                os.write(y, os.read(x, 4096))
        except OSError:
            pass

    def close(self):
        for fd in self.masters + self.keep:
            os.close(fd)
