"""shims.py - what gatewayd takes for its clock and its disk, as a test orders (*_shim.c)."""

import errno
import mmap
import struct

from harness import program


class Shim:
    """A file of numbers that a preloaded library reads while gatewayd runs."""

    def __init__(self, path, numbers):
        with open(path, "wb") as f:
            f.write(bytes(8 * numbers))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8 * numbers)
        self.path = path


class Clock(Shim):
    """The system clock of gatewayd and what the kernel says of it (clock_shim.c)."""

    library, variable = "clock_shim.so", "GW_TEST_CLOCK"

    def __init__(self, path):
        super().__init__(path, 2)

    def set(self, ahead_s, synchronised):
        self.map[:] = struct.pack("<qq", int(ahead_s * 10**9), synchronised)


class Disk(Shim):
    """A disk that is slow or fails (disk_shim.c)."""

    library, variable = "disk_shim.so", "GW_TEST_DISK"

    def __init__(self, path):
        super().__init__(path, 5)

    def order(self, sync_ms=0, sync_errno=0, write_errno=0, held=0):
        self.map[:24] = struct.pack("<qqq", sync_ms, sync_errno, write_errno)
        self.map[32:] = struct.pack("<q", held)

    def fail(self):
        """Nothing can be written or synced."""
        self.order(sync_errno=errno.EIO, write_errno=errno.EIO)

    def syncs(self):
        """How many there were."""
        return struct.unpack("<q", self.map[24:32])[0]


def command(*shims):
    """What stands before gatewayd."""
    return ["/usr/bin/env", "LD_PRELOAD=" + ":".join(program(s.library) for s in shims),
            *("%s=%s" % (s.variable, s.path) for s in shims)]
