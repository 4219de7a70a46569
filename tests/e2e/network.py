"""network.py - a network and mounts of our own, to break on purpose.

enter() moves this process, and what it starts, into a network namespace with nothing but
loopback and a namespace of mounts: as root, or in a user namespace of its own.  From then on
iptables, ip and mounts change nothing outside.  Call it before any thread is started; there is
no way back.
"""

import ctypes
import os
import subprocess

CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWNS = 0x40000000, 0x10000000, 0x20000
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 0x1000, 0x4000, 0x40000, 2
_libc = ctypes.CDLL(None, use_errno=True)


def _write(path, text):
    with open(path, "w") as f:
        f.write(text)


def _enter_user():
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0:
        return os.strerror(ctypes.get_errno())
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", "0 %d 1" % uid)
    _write("/proc/self/gid_map", "0 %d 1" % gid)
    return None


def enter():
    """None, or why there can be no network of our own here."""
    if os.getuid() != 0 or _libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        wrong = _enter_user()
        if wrong:
            return "no network namespace here (needs root or user namespaces): " + wrong
    _mount("none", "/", None, MS_REC | MS_PRIVATE, None)
    for command in ("ip link set lo up", "iptables -w -S"):
        r = _run(command)
        if r.returncode:
            return "no network of our own: %s: %s" % (command, r.stderr.strip())
    return None


def _run(command):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return subprocess.run(command.split(), capture_output=True, text=True, env={**os.environ, "PATH": path})


def do(command):
    r = _run(command)
    if r.returncode:
        raise AssertionError("%s: %s" % (command, r.stderr))


def drop(port, match=""):
    """Packets to and from a TCP port vanish; `match` narrows it down."""
    for end in ("--dport", "--sport"):
        do("iptables -w -A INPUT -p tcp %s %d %s -j DROP" % (end, port, match))


def clear():
    do("iptables -w -F")


def _mount(what, where, kind, flags, options):
    if _libc.mount(*(x and x.encode() for x in (what, where, kind)), flags, options and options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount %s: %s" % (where, os.strerror(ctypes.get_errno())))


def mount_small(folder, options):
    """A file system in memory over `folder`, for instance with "size=20m" or "size=20m,ro"."""
    words = options.split(",")
    _mount("tmpfs", folder, "tmpfs", MS_RDONLY if "ro" in words else 0, ",".join(w for w in words if w != "ro"))


def mount_file(path, over):
    """Who reads `over` reads `path`."""
    _mount(path, over, None, MS_BIND, None)


def unmount(path):
    _libc.umount2(path.encode(), MNT_DETACH)
