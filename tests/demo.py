#!/usr/bin/python3
"""demo.py - the main job, live: simulated devices, a broker, the daemon, a table.

Starts all of it on loopback in a temporary folder, subscribes to the real topics
like an operations centre would and shows what arrives: by device, with the
units of the retained directory and the age of each value.  Ctrl-C, or
DEMO_SECONDS=N, ends everything and leaves nothing behind.  B is the build folder.
On a terminal: space or n next page, p page before, q ends.
"""

import ctypes
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("B", "build/release"))
DEVICE_PORTS, BROKER_PORT = range(15021, 15026), 18830
TURN_S = 6  # a page stays so long when nobody turns it
TABLE_S = 5  # without a terminal: time between two tables
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """Something the demo needs does not run; the text says what and why."""


class Stopped(Exception):
    """Somebody ended it."""


class Stop:
    """Ctrl-C and its like: looked for, and never an exception in the middle of something."""

    def __init__(self):
        self.fd, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)  # the pipe has a byte as soon as a signal was caught
        for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signo, lambda *_: None)

    def look(self, wait_s=0, also=()):
        """Those of `also` that can be read, at the latest after wait_s."""
        ready = select.select([self.fd, *also], [], [], wait_s)[0]
        if self.fd in ready:
            raise Stopped
        return ready


class Part:
    """One program of the demo, with its log in the temporary folder."""

    def __init__(self, name, argv, folder, stdin=subprocess.DEVNULL):
        self.name, self.log = name, os.path.join(folder, name + ".log")
        libc = ctypes.CDLL(None)
        try:
            with open(self.log, "wb") as out:
                self.process = subprocess.Popen(
                    argv, stdin=stdin, stdout=out, stderr=out, start_new_session=True,
                    preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
        except OSError as e:
            raise Failed("%s cannot be started: %s: %s" % (name, argv[0], e.strerror))

    def check(self):
        code = self.process.poll()
        if code is None:
            return
        how = "died of signal %d" % -code if code < 0 else "ended with exit code %d" % code
        with open(self.log, errors="replace") as f:
            lines = f.read().splitlines()[-15:]
        raise Failed("%s %s; its log ends:\n  %s" % (self.name, how, "\n  ".join(lines) or "(nothing)"))

    def end(self, wait_s):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def look(parts):
    for p in parts:
        p.check()


def wait_for(holds, parts, what, deadline_s=15):
    end = time.monotonic() + deadline_s
    while not holds():
        look(parts)
        if time.monotonic() > end:
            raise Failed("%s: not within %d s" % (what, deadline_s))
        STOP.look(0.05)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


class Board:
    """What the topics say, kept by the subscriber's thread and read by the screen."""

    def __init__(self):
        self.lock = threading.Lock()
        self.gateway, self.devices, self.messages, self.values = {}, {}, 0, 0

    def device(self, topic):
        return self.devices.setdefault(topic, {"directory": {}, "status": {}, "points": {}})

    def take(self, topic, payload):
        level = topic.rsplit("/", 1)
        if len(level) != 2 or not payload:
            return
        try:
            message = json.loads(payload)
        except ValueError:
            return
        with self.lock:
            self.messages += 1
            if level[1] == "directory" and "devices" in message:
                self.gateway = message
            elif level[1] in ("directory", "status") and level[0].count("/") >= 3:
                self.device(level[0])[level[1]] = message
            elif level[1] == "data":
                self.reading(self.device(level[0]), message)

    def reading(self, device, message):
        values, quality = message.get("values", {}), message.get("quality", {})
        self.values += len(values)
        now = time.time()
        for name in set(values) | set(quality):
            device["points"][name] = (values.get(name), quality.get(name), now)

    def pages(self):
        """[(title, rows)], a device each; a row is (point, value, symbol, age in s or None)."""
        with self.lock:
            order = [d["topic"] for d in self.gateway.get("devices", [])]
            order += sorted(t for t in self.devices if t not in order)
            return [self.page(t) for t in order if t in self.devices]

    def page(self, topic):
        d, now = self.devices[topic], time.time()
        directory, status = d["directory"], d["status"]
        title = topic.rsplit("/", 1)[1]
        if directory.get("title"):
            title += "  " + directory["title"]
        state = status.get("state", "?")
        if status.get("reason"):
            state += " (%s)" % status["reason"]
        known = list(directory.get("points", {})) or sorted(d["points"])
        rows = []
        for name in known + sorted(set(d["points"]) - set(known)):
            value, quality, at = d["points"].get(name, (None, None, None))
            symbol = directory.get("points", {}).get(name, {}).get("symbol", "")
            rows.append((name, shown(value, quality), symbol, None if at is None else now - at))
        return title, state, rows


def shown(value, quality):
    if value is None:
        return quality or "-"
    if isinstance(value, bool):
        text = "on" if value else "off"
    elif isinstance(value, float):
        text = "%.7g" % value
    else:
        text = str(value)
    return text + (" ?" if quality else "")


def age(seconds):
    if seconds is None:
        return ""
    return "%.0f s" % seconds if seconds < 1000 else "%.0f m" % (seconds / 60)


def fit(text, width):
    return text if len(text) <= width else text[:width - 1] + "~"


def cells(row, width):
    name, value, symbol, seconds = row
    rest = width - 16 - 9 - 5
    return "%-16s%*s %-8s%5s" % (fit(name, 16), rest, fit(value, rest), fit(symbol, 8), age(seconds))


def two_columns(rows, height, width):
    """As many lines as it takes: one column while it fits, else two."""
    if len(rows) <= height:
        return [cells(r, min(width, 60)) for r in rows]
    half = (width - 2) // 2
    lines = max((len(rows) + 1) // 2, 1)
    left, right = rows[:lines], rows[lines:] + [None]
    return [(cells(a, half) + "  " + (cells(b, half) if b else "")).rstrip()
            for a, b in zip(left, right)]


class Screen:
    """Pages of devices, redrawn in place on a terminal, printed one after the other elsewhere."""

    def __init__(self, board, header):
        self.board, self.header = board, header
        self.tty = sys.stdout.isatty()
        self.at, self.turned, self.held = 0, time.monotonic(), False
        self.saved = None

    def __enter__(self):
        if self.tty:
            sys.stdout.write("\x1b[?1049h\x1b[?25l")
        if self.tty and sys.stdin.isatty():
            import termios
            import tty
            self.saved = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(self, *_):
        if self.saved:
            import termios
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.saved)
        if self.tty:
            sys.stdout.write("\x1b[?25h\x1b[?1049l")
            sys.stdout.flush()

    def key(self, wait_s):
        """A key pressed within wait_s, or ''."""
        ready = STOP.look(wait_s, [sys.stdin] if self.saved else [])
        return os.read(sys.stdin.fileno(), 1).decode(errors="replace") if ready else ""

    def turn(self, key):
        if key in (" ", "n", "p"):
            self.at += -1 if key == "p" else 1
            self.held, self.turned = True, time.monotonic()
        elif not self.held and time.monotonic() - self.turned >= TURN_S:
            self.at, self.turned = self.at + 1, time.monotonic()

    def draw(self):
        size = shutil.get_terminal_size((80, 24))
        pages = self.board.pages()
        if self.tty:
            self.draw_page(pages, max(size.columns, 60), max(size.lines, 16))
        else:
            for title, state, rows in pages:
                print("%s: %s" % (title, state))
                for row in rows:
                    print("  " + cells(row, 60).rstrip())
            print("-- %d messages, %d values" % (self.board.messages, self.board.values))
        sys.stdout.flush()

    def draw_page(self, pages, columns, lines):
        out = list(self.header)
        names = []
        if pages:
            self.at %= len(pages)
            title, state, rows = pages[self.at]
            names = [t.split()[0] for t, _, _ in pages]
            names[self.at] = "[%s]" % names[self.at]
            out += [fit("%s  %s" % (title, state), columns), "-" * min(columns, 79)]
            out += two_columns(rows, lines - len(out) - 3, columns - 1)
        else:
            out.append("waiting for the first reading ...")
        out = out[:lines - 2]
        out += [""] * (lines - 2 - len(out))
        out.append(fit("%s   %d messages, %d values" % (" ".join(names), self.board.messages,
                                                         self.board.values), columns - 1))
        out.append("space: next device   p: previous   q or Ctrl-C: end")
        sys.stdout.write("\x1b[H" + "".join(fit(t, columns - 1) + "\x1b[K\r\n" for t in out[:-1]) + out[-1] + "\x1b[K")


def configure(folder, ports, broker):
    """A copy of conf/demo.yaml with the ports that were free, and the path of the plugins."""
    with open(os.path.join(ROOT, "conf/demo.yaml"), encoding="utf-8") as f:
        text = f.read()
    for old, new in zip([*DEVICE_PORTS, BROKER_PORT], [*ports, broker]):
        text = re.sub(r"127\.0\.0\.1:%d\b" % old, "127.0.0.1:@%d" % new, text)
    text = text.replace("127.0.0.1:@", "127.0.0.1:")
    text += "\nplugins: {path: %s}\n" % json.dumps(os.path.join(BUILD, "plugins"))
    path = os.path.join(folder, "gatewayd.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def log_says(part, word):
    with open(part.log, errors="replace") as f:
        return word in f.read().split()


def start(folder, parts):
    """Broker, plant, daemon in that order; returns the broker's port."""
    broker = free_port()
    with open(os.path.join(folder, "mosquitto.conf"), "w") as f:
        f.write("listener %d 127.0.0.1\nallow_anonymous true\npersistence false\n" % broker)
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    parts.append(Part("mosquitto", [mosquitto, "-c", os.path.join(folder, "mosquitto.conf")], folder))
    wait_for(lambda: listens(broker), parts, "mosquitto")
    port_file = os.path.join(folder, "ports")
    plant = Part("plant", [os.path.join(BUILD, "plant"), "--port-file", port_file], folder)
    parts.append(plant)
    wait_for(lambda: log_says(plant, "ready"), parts, "the simulated devices")
    with open(port_file) as f:
        ports = [int(line.split()[1].rsplit(":", 1)[1]) for line in f]
    config = configure(folder, ports, broker)
    parts.append(Part("gatewayd", [os.path.join(BUILD, "gatewayd"), "-c", config], folder))
    return broker


def subscribe(board, port):
    try:
        import paho.mqtt.client as mqtt
    except ImportError:
        raise Failed("python3-paho-mqtt is missing: make deps")
    client = mqtt.Client(protocol=mqtt.MQTTv5)
    client.on_connect = lambda c, *_: c.subscribe("goc/#", qos=1)
    client.on_message = lambda c, u, m: board.take(m.topic, m.payload)
    client.connect("127.0.0.1", port, 30)
    client.loop_start()
    return client


def show(board, parts, header, end):
    with Screen(board, header) as screen:
        if not screen.tty:
            print("\n".join(header))
        while time.monotonic() < end:
            look(parts)
            screen.draw()
            key = screen.key(max(min(1.0 if screen.tty else TABLE_S, end - time.monotonic()), 0))
            if key in ("q", "\x03"):
                return
            screen.turn(key)


def headline(port, folder):
    return ["gatewayd demo: 5 simulated devices -> gatewayd -> mosquitto -> this table",
            "in a second terminal:  mosquitto_sub -h 127.0.0.1 -p %d -t 'goc/#' -v" % port,
            "               or:  %s -s %s/control.sock status"
            % (os.path.relpath(os.path.join(BUILD, "gatewayctl"), os.getcwd()), folder), ""]


def run(folder, parts, seconds):
    board = Board()
    port = start(folder, parts)
    client = subscribe(board, port)
    try:
        end = time.monotonic() + seconds
        wait_for(lambda: board.values or time.monotonic() > end, parts,
                 "the first reading", 20)
        show(board, parts, headline(port, folder), end)
    finally:
        client.disconnect()
        client.loop_stop()
    if not board.values:
        raise Failed("no value arrived")
    print("demo ended: %d messages, %d values received" % (board.messages, board.values))


def duration():
    text = os.environ.get("DEMO_SECONDS", "")
    if text and not re.fullmatch(r"[0-9]+", text):
        raise Failed("DEMO_SECONDS=%s: a whole number of seconds is wanted" % text)
    return int(text) if text else float("inf")


def main():
    folder, parts, code = None, [], 0
    try:
        seconds = duration()
        folder = tempfile.mkdtemp(prefix="gw-")
        run(folder, parts, seconds)
    except Stopped:
        print("demo ended")
    except Failed as e:
        print("demo: %s" % e, file=sys.stderr)
        code = 1
    finally:
        for p in reversed(parts):  # the daemon first: it says goodbye to the broker
            p.end(8 if p.name == "gatewayd" else 2)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return code


STOP = Stop()

if __name__ == "__main__":
    sys.exit(main())
