"""harness.py - what the end-to-end tests stand on.

A World is a temporary folder with a mosquitto, a gate in front of it, a plant,
a gatewayd with a generated configuration and a recording subscriber.  All of
it runs on loopback ports that were free, and all of it is killed at the end,
also what a killed gatewayd left behind.  Nothing here sleeps a fixed time:
wait_until() looks until a deadline.

The environment: B is the build folder (default build/release), LONG=1 makes
the long forms run, KEEP=1 keeps the temporary folders.
"""

import ctypes
import functools
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import paho.mqtt.client as mqtt

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("B", "build/release"))
LONG = os.environ.get("LONG") == "1"

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_until(predicate, deadline=10.0, what="", every=0.02):
    """Returns the first true value of predicate(); fails the test at the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %.0f s: %s" % (deadline, what or predicate))
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


# A ledger is made again and again while a test waits: each payload is parsed once.
parsed = functools.lru_cache(maxsize=100000)(json.loads)


def program(name):
    return os.path.join(BUILD, name)


class Child:
    """A process of ours: its own group, its log in a file, dead when we are."""

    def __init__(self, argv, log, stdin=subprocess.DEVNULL, stdout=None, env=None):
        self.argv, self.log = argv, log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                argv, env=env, stdin=stdin, stdout=stdout or out, stderr=out, start_new_session=True,
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def send(self, signo):
        if self.running():
            os.kill(self.pid, signo)

    def end(self, signo=signal.SIGTERM, deadline=15.0):
        """Sends the signal and returns the exit code; kills when the deadline passes."""
        self.send(signo)
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("%s did not end within %.0f s of signal %d; its log ends:\n%s"
                                 % (self.argv[0], deadline, signo, self.tail()))

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def tail(self, lines=15):
        return "\n".join(self.text().splitlines()[-lines:])


def children_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def command_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def bury_orphans():
    """Ends what was reparented to us (we are its subreaper): plugins of a killed daemon."""
    for pid in children_of(os.getpid()):
        if "/plugins/" in command_of(pid):
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


class Broker:
    """mosquitto; after a restart it is on the same port.  With `store` it keeps its sessions and retained
    messages in that folder at an orderly end, else nothing."""

    def __init__(self, folder, extra="", store=None):
        self.folder, self.port = folder, free_port()
        self.conf = os.path.join(folder, "mosquitto.conf")
        keep = "persistence true\npersistence_location %s/\n" % store if store else "persistence false\n"
        if os.getuid() == 0:
            keep += "user root\n"  # else it cannot write there
        with open(self.conf, "w") as f:
            f.write("listener %d 127.0.0.1\nallow_anonymous true\n%sset_tcp_nodelay true\n"
                    "max_queued_messages 0\nmax_inflight_messages 0\n%s" % (self.port, keep, extra))
        self.child = None
        self.start()

    def start(self):
        self.child = Child(["/usr/sbin/mosquitto", "-c", self.conf],
                           os.path.join(self.folder, "mosquitto.log"))
        wait_until(lambda: answers(self.port), 10, "mosquitto listens")

    def kill(self):
        self.child.kill()


class Gate:
    """A TCP forwarder in front of the broker.  Shutting it cuts what goes through and
    refuses what comes, so that a test decides who may reach the broker when.  Freezing it
    lets nothing through and says nothing to either end, as a link that is cut without FIN.
    A connection that begins while `limit` is set is cut when so many bytes went out on it.
    With a `rate` (bytes/s, before it opens) it is a thin line: what goes out waits with the sender."""

    limit = rate = None

    def __init__(self, to_port):
        self.cut_at = set()  # the limits that were reached
        self.to_port, self.port = to_port, free_port()
        self.listener, self.sockets, self.lock = None, set(), threading.Lock()
        self.flowing = threading.Event()
        self.flowing.set()
        self.open()

    def open(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.rate:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.bind(("127.0.0.1", self.port))
        s.listen(16)
        self.listener = s
        threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def shut(self):
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            for s in self.sockets:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def freeze(self):
        self.flowing.clear()

    def thaw(self):
        self.flowing.set()

    def _accept(self, listener):
        while True:
            try:
                a, _ = listener.accept()
            except OSError:
                return
            try:
                b = socket.create_connection(("127.0.0.1", self.to_port), 2)
                b.settimeout(None)
            except OSError:
                a.close()
                continue
            for s in (a, b):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.sockets |= {a, b}
            ends = [2]
            for x, y, outward in ((a, b, True), (b, a, False)):
                threading.Thread(target=self._pump, args=(x, y, ends, outward), daemon=True).start()

    def passes(self, connection, outward, data):
        """What goes through, for who wants to look: `connection` is an object, the same for both ways."""

    def _pump(self, x, y, ends, outward):
        limit = self.limit if outward else None
        left = limit or math.inf
        rate = self.rate if outward else None
        most = rate // 100 if rate else 65536
        try:
            while left and (data := x.recv(min(left, most))):
                self.passes(ends, outward, data)
                self.flowing.wait()
                if rate:
                    time.sleep(len(data) / rate)
                y.sendall(data)
                left -= len(data)
        except OSError:
            pass
        if not left:
            self.cut_at.add(limit)
        for s in (x, y):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self.lock:
            ends[0] -= 1
            if ends[0] == 0:
                for s in (x, y):
                    self.sockets.discard(s)
                    s.close()


class Plant:
    """The simulated devices; `ports` maps a device's name to (port, unit)."""

    def __init__(self, folder, *options):
        self.child = Child([program("plant"), *options], os.path.join(folder, "plant.log"),
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.ports = {}
        for line in self.child.process.stdout:
            words = line.decode().split()
            if words == ["ready"]:
                return
            self.ports[words[0]] = (int(words[1].split(":")[1]), words[3])
        raise AssertionError("the plant did not start: " + self.child.tail())

    def ask(self, command):
        p = self.child.process
        p.stdin.write((command + "\n").encode())
        p.stdin.flush()
        return p.stdout.readline().decode().strip()

    def fault(self, name, kind):
        assert self.ask("fault %s %s" % (name, kind)) == "ok"

    def clear(self, name):
        assert self.ask("clear %s" % name) == "ok"

    def report(self):
        return json.loads(self.ask("report"))["devices"]

    def connection(self, name):
        return "tcp://127.0.0.1:%d" % self.ports[name][0]


class Subscriber:
    """Records every message: (topic, payload bytes, arrival in seconds, wall clock)."""

    def __init__(self, port, topics="#"):
        self.messages, self.lock = [], threading.Lock()
        self.subscribed = threading.Event()
        self.topics = topics
        self.client = mqtt.Client(client_id="recorder-%d" % port, protocol=mqtt.MQTTv5)
        self.client.max_inflight_messages_set(65535)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._connected
        self.client.on_disconnect = lambda *a: self.subscribed.clear()
        self.client.on_subscribe = lambda *a: self.subscribed.set()
        self.client.on_message = self._message
        self.client.connect("127.0.0.1", port, 60)
        self.client.loop_start()
        wait_until(self.subscribed.is_set, 10, "the recorder is subscribed")

    def _connected(self, client, userdata, flags, reason, properties=None):
        client.subscribe(self.topics, qos=1)

    def _message(self, client, userdata, m):
        with self.lock:
            self.messages.append((m.topic, m.payload, time.time(), m.retain))

    def all(self, suffix="", since=0):
        """Messages whose topic ends so, in order of arrival, from index `since`."""
        with self.lock:
            found = self.messages[since:]
        return [m for m in found if m[0].endswith(suffix)]

    def count(self):
        with self.lock:
            return len(self.messages)

    def last(self, topic):
        """Payload of the latest message there as JSON, or None."""
        found = [m for m in self.all() if m[0] == topic and m[1]]
        return json.loads(found[-1][1]) if found else None

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


class Ledger:
    """The books of one device as a subscriber keeps them: each number is received, or in
    a window, or in a loss range."""

    def __init__(self, messages, device_topic):
        self.readings, self.order, self.losses, self.windows = {}, [], [], {}
        self.copies = 0
        self.differing = []
        for topic, payload, _, _ in messages:
            if topic == device_topic + "/data":
                self._take(parsed(payload), "data")
            elif topic == device_topic + "/replay":
                for r in parsed(payload):
                    self._take(r, "replay")
            elif topic == device_topic + "/loss":
                d = parsed(payload)
                self.losses.append((d["from"], d["to"]))
            elif topic == device_topic + "/window":
                self._take_window(parsed(payload))

    def _take(self, reading, how):
        seq = reading["seq"]
        self.order.append((how, seq))
        if seq in self.readings:
            self.copies += 1
            if self.readings[seq]["values"] != reading["values"]:
                self.differing.append(seq)
        else:
            self.readings[seq] = reading

    def _take_window(self, d):
        if d["from"] not in self.windows:
            self.windows[d["from"]] = d
        elif self.windows[d["from"]] != d:
            self.differing.append(d["from"])
        else:
            self.copies += 1

    def ranges(self):
        """What stands for readings that do not come: windows and losses, each once."""
        return sorted([(w["from"], w["to"]) for w in self.windows.values()] + list(set(self.losses)))

    def twice(self):
        """Numbers that came and lie in a range too, or in two ranges."""
        ranges = self.ranges()
        found = {n for a, b in ranges for n in range(a, b + 1) if n in self.readings}
        for (_, end), (start, last) in zip(ranges, ranges[1:]):
            found.update(range(start, min(end, last) + 1))
        return sorted(found)

    def seqs(self):
        return sorted(self.readings)

    def missing(self, first=None):
        """Numbers between the first and the last that neither came nor were declared lost."""
        if not self.readings:
            return []
        known = set(self.readings)
        for a, b in self.ranges():
            known.update(range(a, b + 1))
        low = min(known) if first is None else first
        return [n for n in range(low, max(known) + 1) if n not in known]


class Ear:
    """Hears what gatewayd tells systemd, which has set a watchdog of so many seconds."""

    def __init__(self, world, watchdog_s):
        self.heard = []  # (when, word)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(world.path("notify"))
        world.before = [*(world.before or ["/usr/bin/env"]), "NOTIFY_SOCKET=" + world.path("notify"),
                        "WATCHDOG_USEC=%d" % round(watchdog_s * 1e6)]
        world.last.append(self.close)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while True:
            words = self.socket.recv(4096).decode().splitlines()
            if not words:
                return
            self.heard += [(time.monotonic(), word) for word in words]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def times(self, word, since=0.0):
        return [when for when, what in list(self.heard) if what == word and when >= since]

    def fed(self, since):
        return self.times("WATCHDOG=1", since)

    def wait(self, word, since=0.0, deadline=15):
        """When it was said."""
        return wait_until(lambda: self.times(word, since), deadline, word)[0]


class World:
    """Everything a test needs, in a folder of its own; use it with `with`."""

    def __init__(self, plant=(), sources=None, config=None, gateway="gw-test", topics="#", broker_keeps=False):
        self.folder = tempfile.mkdtemp(prefix="gw-", dir="/tmp")
        self.gateway, self.daemon = gateway, None
        self.plant = self.broker = self.gate = self.subscriber = None
        self.before = []  # what stands before gatewayd in its command
        self.last = []  # what is called before the folder is removed
        try:
            self.broker = Broker(self.folder, store=self.broker_store() if broker_keeps else None)
            self.gate = Gate(self.broker.port)
            self.subscriber = Subscriber(self.broker.port, topics)
            if plant:
                self.plant = Plant(self.folder, *plant)
            self.config = config or self.default_config()
            self.config["sources"] = sources(self) if callable(sources) else sources or {}
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind and self.daemon:
            print("--- the log of gatewayd ends:\n%s" % self.daemon.tail(25))
        self.close()

    def close(self):
        if self.subscriber:
            self.subscriber.stop()
        for child in (self.daemon, self.plant and self.plant.child, self.broker and self.broker.child):
            if child:
                child.kill()
        if self.gate:
            self.gate.shut()
            self.gate.thaw()
        bury_orphans()
        while self.last:
            self.last.pop(0)()
        if os.environ.get("KEEP") != "1":
            shutil.rmtree(self.folder, ignore_errors=True)

    def broker_store(self):
        os.makedirs(self.path("broker"), exist_ok=True)
        return self.path("broker")

    def path(self, name):
        return os.path.join(self.folder, name)

    def default_config(self):
        return {
            "gateway": {"id": self.gateway, "title": "Trạm thử"},
            "buffer": {"path": self.path("buffer.db"), "max_size": "64MiB", "history": "1h",
                       "ring": {"path": self.path("ring"), "size": "4MiB"}},
            "control": {"socket": self.path("c.sock")},
            "plugins": {"path": os.path.join(BUILD, "plugins")},
            "profiles": {"path": [os.path.join(ROOT, "conf/profiles"), os.path.join(ROOT, "conf")]},
            "sinks": {"goc": {"plugin": "mqtt", "broker": "mqtt://127.0.0.1:%d" % self.gate.port,
                              "root": "goc", "keepalive": "5s", "ack_timeout": "5s"}},
        }

    def config_path(self):
        return self.path("gatewayd.yaml")

    def write_config(self):
        """JSON is YAML enough: a JSON file is a valid configuration."""
        with open(self.config_path(), "w") as f:
            json.dump(self.config, f, indent=1, ensure_ascii=False)

    def start(self, wait=True):
        self.write_config()
        self.daemon = Child([*self.before, program("gatewayd"), "-c", self.config_path()], self.path("gatewayd.log"))
        if wait:
            wait_until(lambda: self.gateway_status().get("state") == "online" or not self.daemon.running(),
                       20, "the gateway is online")
            if not self.daemon.running():
                raise AssertionError("gatewayd ended at once:\n" + self.daemon.tail())
        return self.daemon

    def gateway_status(self):
        return self.subscriber.last(self.topic("status")) or {}

    def topic(self, *parts):
        return "/".join(("goc", self.gateway) + parts)

    def ledger(self, device, since=0):
        return Ledger(self.subscriber.all(since=since), self.topic(device))

    def ctl(self, *words, check=True):
        """One document of `gatewayctl --json`, or (exit code, text) with check=False."""
        r = subprocess.run([program("gatewayctl"), "-s", self.config["control"]["socket"], "--json", *words],
                           capture_output=True, text=True, timeout=20)
        if not check:
            return r.returncode, r.stdout + r.stderr
        if r.returncode:
            raise AssertionError("gatewayctl %s: exit %d: %s%s"
                                 % (" ".join(words), r.returncode, r.stdout, r.stderr))
        return json.loads(r.stdout)

    def unacknowledged(self):
        """Readings that the first sink has not had acknowledged: those that wait and those on their way."""
        sink = self.ctl("sinks")[0]
        return sink["backlog"] + sink["in_flight"]

    def source(self, name):
        return next(s for s in self.ctl("sources") if s["name"] == name)

    def plugin_pid(self, source):
        """Process id of a running plugin; 0 while there is none."""
        found = self.source(source)
        return found["pid"] if found["state"] == "running" else 0

    def outage(self):
        """Cuts the gateway off, lets the broker finish with it (its will comes last), and
        only then kills the broker: so whatever the broker acknowledged was recorded."""
        since = self.subscriber.count()
        self.gate.shut()
        wait_until(lambda: any(json.loads(m[1]).get("state") == "offline"
                               for m in self.subscriber.all(self.topic("status"), since) if m[1]),
                   15, "the gateway's will")
        self.broker.kill()
        wait_until(lambda: not self.subscriber.subscribed.is_set(), 10, "the recorder is cut off")

    def recovery(self):
        """The broker again, then the recorder, then the gateway: nothing goes unseen."""
        self.broker.start()
        wait_until(self.subscriber.subscribed.is_set, 15, "the recorder is back")
        self.gate.open()


def bench_points(registers, **more):
    """The pattern of the plant's bench devices as points: poll number, then one a register."""
    points = {"poll": {"address": 0, "type": "u32"}}
    for address in range(2, registers):
        points["r%d" % address] = {"address": address}
    for p in points.values():
        p.update(more)
    return points


def bench_source(world, devices, registers, interval="1s", **more):
    """One source with the plant's bench devices, each on its own line."""
    return {"plugin": "modbus", "interval": interval, **more,
            "devices": {"bench-%d" % i: {"connection": world.plant.connection("bench-%d" % i),
                                         "unit_id": int(world.plant.ports["bench-%d" % i][1]),
                                         "points": bench_points(registers)}
                        for i in range(1, devices + 1)}}


def bench_word(poll, address):
    return (poll * 7 + address * 13) & 0xffff


def bench_wrong(values):
    """Names in a full reading of a bench device whose value is not what the plant answered."""
    poll = values.get("poll")
    return [n for n, v in values.items() if n != "poll" and v != bench_word(poll, int(n[1:]))]
