"""network.py - a network of our own, to break on purpose.

enter() moves this process, and what it starts, into a network namespace with nothing but
loopback: as root, or in a user namespace of its own.  From then on iptables and ip change
nothing outside.  Call it before any thread is started; there is no way back.
"""

import ctypes
import os
import subprocess

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def _write(path, text):
    with open(path, "w") as f:
        f.write(text)


def _enter_user():
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return os.strerror(ctypes.get_errno())
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", "0 %d 1" % uid)
    _write("/proc/self/gid_map", "0 %d 1" % gid)
    return None


def enter():
    """None, or why there can be no network of our own here."""
    if os.getuid() != 0 or _libc.unshare(CLONE_NEWNET) != 0:
        wrong = _enter_user()
        if wrong:
            return "no network namespace here (needs root or user namespaces): " + wrong
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
