"""gatewayctl against a daemon made of a script: exact requests and exact texts.

The daemon here answers one line of JSON with the lines it is told, so that no gateway,
broker or device is needed and every answer, also a foolish one, can be given.
"""

import json
import os
import pty
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CTL = os.path.join(ROOT, os.environ.get("B", "build/release"), "gatewayctl")
DEADLINE = 20


class Daemon:
    """Answers each connection with `lines` (or raw bytes), then closes."""

    def __init__(self, path, *lines, hold=False):
        self.path, self.requests, self.hold = path, [], hold
        self.lines = [l if isinstance(l, bytes) else json.dumps(l).encode() + b"\n" for l in lines]
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(DEADLINE)
                try:
                    self.answer(peer)
                except OSError:
                    pass

    def answer(self, peer):
        line = peer.makefile("rb").readline()
        if not line:
            return
        self.requests.append(json.loads(line))
        for part in self.lines:
            peer.sendall(part)
        if self.hold:
            peer.recv(1)

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(DEADLINE)


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ctl-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.socket = os.path.join(self.folder, "control.sock")

    def daemon(self, *lines, **more):
        d = Daemon(self.socket, *lines, **more)
        self.addCleanup(d.close)
        return d

    def run_ctl(self, *args, program=CTL):
        env = dict(os.environ, TZ="UTC", LC_ALL="C")
        done = subprocess.run([program, "-s", self.socket, *args], capture_output=True, env=env,
                              timeout=DEADLINE)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def answered(self, data, *args):
        """What the command prints when the daemon answers it with `data`."""
        d = self.daemon({"ok": True, "data": data})
        code, out, err = self.run_ctl(*args)
        self.assertEqual(err, "")
        self.assertEqual(d.requests, [{"command": args[0], "args": list(args[1:])}])
        return code, out


def ago(seconds):
    return int((time.time() - seconds) * 1000)


SOURCES = [
    {"name": "pump-house", "plugin": "modbus", "state": "running", "pid": 4711, "restarts": 0,
     "reason": "", "load": 0.41, "since": ago(3 * 3600 + 60)},
    {"name": "roof", "plugin": "modbus", "state": "backoff", "pid": None, "restarts": 12,
     "reason": "exit code 1", "load": None, "since": ago(2 * 86400 + 60)},
]
SINKS = [
    {"name": "goc", "plugin": "mqtt", "state": "connected", "broker": "mqtts://goc-1:8883", "backlog": 12345,
     "oldest_ts": ago(2 * 3600 + 60), "in_flight": 50, "refused": 0, "reason": "", "window": 50, "session": 7},
]


class Lists(Case):
    def test_sources_stand_in_columns(self):
        self.assertEqual(self.answered(SOURCES, "sources"), (0, (
            "SOURCE      PLUGIN  STATE    SINCE   PID  RESTARTS  LOAD  REASON\n"
            "pump-house  modbus  running     3h  4711         0   41%  -\n"
            "roof        modbus  backoff     2d     -        12     -  exit code 1\n")))

    def test_sinks_stand_in_columns(self):
        self.assertEqual(self.answered(SINKS, "sinks"), (0, (
            "SINK  PLUGIN  STATE      BACKLOG  OLDEST  IN FLIGHT  WINDOW  REFUSED  BROKER              REASON\n"
            "goc   mqtt    connected    12345      2h         50      50        0  mqtts://goc-1:8883  -\n")))

    def test_losses_stand_in_columns(self):
        losses = [
            {"sink": "goc", "device": "meter-1", "from": 101, "to": 250, "count": 150, "cause": "buffer_full",
             "exact": True, "ts_from": ago(3 * 86400 + 60), "ts_to": ago(2 * 3600 + 60), "state": "acknowledged"},
            {"sink": "goc", "device": "flow-2", "from": 7, "to": 9, "count": 3, "cause": "power_cut",
             "exact": False, "state": "unsent"}]
        self.assertEqual(self.answered(losses, "losses"), (0, (
            "DEVICE   SINK  FROM   TO  COUNT  CAUSE        OLDEST  NEWEST  EXACT  STATE\n"
            "meter-1  goc    101  250    150  buffer_full      3d      2h  true   acknowledged\n"
            "flow-2   goc      7    9      3  power_cut         -       -  false  unsent\n")))

    def test_no_losses_are_said_in_words(self):
        self.assertEqual(self.answered([], "losses"), (0, "nothing was lost\n"))

    def test_devices_stand_in_columns(self):
        devices = [
            {"name": "meter-1", "source": "pump-house", "state": "online", "reason": "", "since": ago(3 * 86400 + 60),
             "last_ts": ago(-2), "requests": "18446744073709551615", "overruns": 0},
            {"name": "flow-2", "source": "pump-house", "state": "offline", "reason": "timeout",
             "since": ago(2 * 86400 + 60), "last_ts": None, "requests": 17, "overruns": 3}]
        self.assertEqual(self.answered(devices, "devices"), (0, (
            "DEVICE   SOURCE      STATE    SINCE  LAST              REQUESTS  OVERRUNS  REASON\n"
            "meter-1  pump-house  online      3d   0ms  18446744073709551615         0  -\n"
            "flow-2   pump-house  offline     2d     -                    17         3  timeout\n")))

    def test_points_show_values_as_they_are_with_symbols(self):
        def point(name, value, symbol="", quality="good", age=1200):
            return {"device": "m-1", "point": name, "value": value, "unit": "x", "symbol": symbol,
                    "quality": quality, "age_ms": age}
        points = [
            point("voltage", 230.1, "V"), point("temperature", -0.5, "°C", age=180000),
            point("total", "18446744073709551615", "kWh"), point("running", True), point("whole", 5),
            point("flow", None, "m³/h", "timeout", 40), point("level", 71.2, "%", "out_of_range"),
            point("mode", "tự động"), point("decomposed", "tu\u031b\u0323 d\u0323o\u0302\u0323ng"),
            point("evil", "a\x1b[31mb"), point("never", None, "V", "plugin", None)]
        code, out = self.answered(points, "points", "m-1")
        self.assertEqual(code, 0)
        self.assertEqual(out, (
            "DEVICE  POINT                       VALUE  UNIT  QUALITY        AGE\n"
            "m-1     voltage                     230.1  V     good          1.2s\n"
            "m-1     temperature                  -0.5  °C    good            3m\n"
            "m-1     total        18446744073709551615  kWh   good          1.2s\n"
            "m-1     running                      true        good          1.2s\n"
            "m-1     whole                           5        good          1.2s\n"
            "m-1     flow                            -  m³/h  timeout       40ms\n"
            "m-1     level                        71.2  %     out_of_range  1.2s\n"
            "m-1     mode                      tự động        good          1.2s\n"
            "m-1     decomposed                tu\u031b\u0323 d\u0323o\u0302\u0323ng        good          1.2s\n"
            "m-1     evil                   a\\x1b[31mb        good          1.2s\n"
            "m-1     never                           -  V     plugin           -\n"))

    def test_an_empty_list_says_so(self):
        self.assertEqual(self.answered([], "points"), (0, "no points\n"))


class Single(Case):
    def test_status_is_seen_at_a_glance(self):
        status = {
            "gateway": "79-an-phu-01", "version": "1.0.0", "uptime_s": 7300, "state": "running", "config": "ab12",
            "clock": "synced", "sources": SOURCES[:1], "sinks": [],
            "buffer": {"readings": 1234, "bytes": 3565158, "max_size": 1073741824, "oldest_ts": ago(3660),
                       "horizon_s": 6 * 86400},
            "devices": {"online": 12, "offline": 1, "unknown": 0}}
        self.assertEqual(self.answered(status, "status"), (0, (
            "gateway   79-an-phu-01\n"
            "version   1.0.0\n"
            "state     running\n"
            "uptime    2h\n"
            "config    ab12\n"
            "clock     synced\n"
            "buffer    1234 readings, 3.4 MiB of 1.0 GiB\n"
            "oldest    1h\n"
            "outage    room for 6d\n"
            "devices   12 online, 1 offline, 0 unknown\n"
            "\n"
            "SOURCE      PLUGIN  STATE    SINCE   PID  RESTARTS  LOAD  REASON\n"
            "pump-house  modbus  running     3h  4711         0   41%  -\n"
            "\n"
            "no sinks\n")))

    def test_buffer_tells_size_and_room(self):
        data = {"path": "/var/lib/gatewayd/buffer.db", "readings": 10, "bytes": 4096, "max_size": 1048576,
                "free": 1044480, "oldest_ts": None, "horizon_s": 3600, "history_ms": 86400000, "sync_ms": 1000,
                "disk_written_mib": 12, "written_day_mib": 5, "ring": {"path": "/run/gatewayd/ring", "size": 16777216, "used": 0},
                "last_commit_ms": 3, "damaged": 7, "error": None}
        self.assertEqual(self.answered(data, "buffer"), (0, (
            "file      /var/lib/gatewayd/buffer.db\n"
            "readings  10\n"
            "size      4.0 KiB of 1.0 MiB\n"
            "free      1020.0 KiB\n"
            "damaged   7 readings since the start\n"
            "outage    room for 1h\n"
            "history   1d\n"
            "sync      1s, the last commit took 3ms\n"
            "written   12 MiB to disk, 5 MiB in the last 24 hours\n"
            "ring      0 B of 16.0 MiB in /run/gatewayd/ring\n")))

    def test_a_sound_buffer_verifies(self):
        data = {"readings": 10, "damaged": 0, "integrity": "ok"}
        self.assertEqual(self.answered(data, "buffer", "--verify"),
                         (0, "10 readings checked, 0 damaged; database ok\n"))

    def test_a_damaged_buffer_fails(self):
        data = {"readings": 10, "damaged": 2, "integrity": "row 3 missing from index"}
        self.assertEqual(self.answered(data, "buffer", "--verify"),
                         (1, "10 readings checked, 2 damaged; database row 3 missing from index\n"))

    def test_windows_are_verified_too(self):
        data = {"readings": 10, "damaged": 0, "windows": 5, "damaged_windows": 0, "integrity": "ok"}
        self.assertEqual(self.answered(data, "buffer", "--verify"),
                         (0, "10 readings checked, 0 damaged; 5 windows checked, 0 damaged; database ok\n"))

    def test_a_damaged_window_fails(self):
        data = {"readings": 10, "damaged": 0, "windows": 5, "damaged_windows": 1, "integrity": "ok"}
        self.assertEqual(self.answered(data, "buffer", "--verify"),
                         (1, "10 readings checked, 0 damaged; 5 windows checked, 1 damaged; database ok\n"))

    def test_read_gives_value_and_symbol(self):
        data = {"device": "m", "point": "v", "value": 230.1, "unit": "V", "symbol": "V", "quality": "good"}
        self.assertEqual(self.answered(data, "read", "m", "v"), (0, "m v: 230.1 V\n"))

    def test_write_says_what_was_and_what_is(self):
        data = {"device": "p", "point": "s", "result": "done", "reason": "", "value": 42.5, "old": 40, "symbol": "Hz"}
        self.assertEqual(self.answered(data, "write", "p", "s", "42.5"), (0, "p s: 42.5 Hz (was 40): done\n"))

    def test_write_without_unit_and_old_value(self):
        data = {"device": "p", "point": "s", "result": "done", "reason": "", "value": True, "old": None, "symbol": ""}
        self.assertEqual(self.answered(data, "write", "p", "s", "true"), (0, "p s: true: done\n"))

    def test_a_write_that_failed_says_why(self):
        data = {"device": "p", "point": "s", "result": "failed", "reason": "no confirmation (timeout)", "value": 40,
                "old": 40, "symbol": "Hz"}
        self.assertEqual(self.answered(data, "write", "p", "s", "-1"),
                         (1, "p s: read back 40 Hz (was 40): failed: no confirmation (timeout)\n"))

    def test_a_write_that_was_not_read_back_shows_what_was_asked(self):
        data = {"device": "p", "point": "s", "result": "failed", "reason": "no confirmation (timeout)", "value": None,
                "old": 40, "symbol": "Hz"}
        self.assertEqual(self.answered(data, "write", "p", "s", "-1"),
                         (1, "p s: -1 (was 40): failed: no confirmation (timeout)\n"))

    def test_read_without_value_fails(self):
        data = {"device": "m", "point": "v", "value": None, "unit": "V", "symbol": "V", "quality": "timeout"}
        self.assertEqual(self.answered(data, "read", "m", "v"), (1, "m v: no value (timeout)\n"))

    def test_replay_tells_how_many(self):
        self.assertEqual(self.answered({"accepted": 17}, "replay", "m", "1", "20", "goc"),
                         (0, "m: 17 readings will be sent again\n"))

    def test_restart_says_so(self):
        self.assertEqual(self.answered({}, "restart", "roof"), (0, "roof: restarting\n"))

    def test_reload_tells_what_changed(self):
        data = {"problems": [], "changed": {"sources": ["roof", "yard"], "sinks": [], "devices": 3}}
        self.assertEqual(self.answered(data, "reload"), (0, "sources   roof, yard\ndevices   3\n"))

    def test_reload_without_changes_says_so(self):
        self.assertEqual(self.answered({"problems": [], "changed": {}}, "reload"), (0, "nothing changed\n"))

    def test_reload_with_problems_prints_each_and_fails(self):
        data = {"problems": ["a.yaml:1:2: x: is wrong", "a.yaml:3:4: y: is worse"], "changed": {}}
        self.assertEqual(self.answered(data, "reload"), (1, "a.yaml:1:2: x: is wrong\na.yaml:3:4: y: is worse\n"))

    def test_version_shows_both(self):
        code, out = self.answered({"version": "9.9"}, "version")
        self.assertRegex(out, r"\Agatewayctl \d+\.\d+\.\d+\ngatewayd 9\.9\n\Z")
        self.assertEqual(code, 0)


class Json(Case):
    def test_the_document_is_passed_on_with_its_numbers(self):
        self.daemon(b'{"ok":true,"data":[{"value":230.1,"big":"18446744073709551615","n":9007199254740993,'
                    b'"z":-0.0,"u":"\xc2\xb0C","x":null,"t":true,"o":{},"s":1e-8}]}\n')
        self.assertEqual(self.run_ctl("points", "--json"), (0, (
            '[{"value":230.1,"big":"18446744073709551615","n":9007199254740993,'
            '"z":-0.0,"u":"°C","x":null,"t":true,"o":{},"s":1e-8}]\n'), ""))

    def test_the_exit_code_is_that_of_the_text(self):
        self.daemon({"ok": True, "data": {"problems": ["p"], "changed": {}}})
        self.assertEqual(self.run_ctl("--json", "reload"), (1, '{"problems":["p"],"changed":{}}\n', ""))

    def test_read_without_value_fails_too(self):
        self.daemon({"ok": True, "data": {"value": None, "quality": "timeout"}})
        self.assertEqual(self.run_ctl("--json", "read", "m", "v"), (1, '{"value":null,"quality":"timeout"}\n', ""))

    def test_a_damaged_buffer_fails_too(self):
        self.daemon({"ok": True, "data": {"readings": 1, "damaged": 1, "integrity": "ok"}})
        self.assertEqual(self.run_ctl("--json", "buffer", "--verify")[0], 1)


EVENTS = [
    {"event": {"device": "m-1", "seq": 1, "ts": 1763760000123, "values": {"v": 230.1, "on": True}}},
    {"event": {"device": "m-1", "seq": 2, "ts": 1763760001123, "values": {"v": 230.1, "on": False},
               "quality": {"flow": "timeout"}}},
    {"event": {"device": "m-1", "seq": 3, "ts": 1763760002123, "values": {"v": 230.1, "on": False},
               "quality": {"flow": "timeout"}}},
    {"event": {"device": "m-2", "seq": 9, "ts": 1763760002200, "values": {"v": 1}}},
    {"event": {"device": "m-1", "seq": 4, "ts": 1763760003000, "values": {}, "quality": {"v": "crc"}}},
    {"event": {"device": "m-1", "seq": 5, "ts": 1763760004000, "values": {"v": 230.1}}},
]
END = {"ok": True, "data": {}}


class Watch(Case):
    def test_it_shows_what_changed(self):
        d = self.daemon(*EVENTS, END)
        self.assertEqual(self.run_ctl("watch", "m-1"), (0, (
            "21:20:00.123  m-1  v=230.1  on=true\n"
            "21:20:01.123  m-1  on=false  flow=timeout\n"
            "21:20:02.123  m-1  unchanged\n"
            "21:20:02.200  m-2  v=1\n"
            "21:20:03.000  m-1  v=crc\n"
            "21:20:04.000  m-1  v=230.1\n"), ""))
        self.assertEqual(d.requests, [{"command": "watch", "args": ["m-1"]}])

    def test_a_long_reading_goes_on_below(self):
        self.daemon({"event": {"device": "m", "ts": 1763760000000,
                               "values": {"point_number_%02d" % i: i for i in range(12)}}}, END)
        code, out, _ = self.run_ctl("watch")
        self.assertEqual(code, 0)
        self.assertEqual(out, (
            "21:20:00.000  m  point_number_00=0  point_number_01=1  point_number_02=2  point_number_03=3\n"
            "                  point_number_04=4  point_number_05=5  point_number_06=6  point_number_07=7\n"
            "                  point_number_08=8  point_number_09=9  point_number_10=10  point_number_11=11\n"))

    def test_json_is_one_message_a_line(self):
        self.daemon(*EVENTS[:2], END)
        self.assertEqual(self.run_ctl("--json", "watch"), (0, (
            '{"device":"m-1","seq":1,"ts":1763760000123,"values":{"v":230.1,"on":true}}\n'
            '{"device":"m-1","seq":2,"ts":1763760001123,"values":{"v":230.1,"on":false},'
            '"quality":{"flow":"timeout"}}\n'), ""))

    def test_an_unknown_device_is_refused(self):
        self.daemon({"ok": False, "code": 1, "error": "no device \"m-9\"; did you mean \"m-1\"?"})
        self.assertEqual(self.run_ctl("watch", "m-9"),
                         (1, "", 'gatewayctl: watch: no device "m-9"; did you mean "m-1"?\n'))

    def test_lines_appear_at_once(self):
        self.daemon(EVENTS[0], hold=True)
        with subprocess.Popen([CTL, "-s", self.socket, "watch"], stdout=subprocess.PIPE,
                              env=dict(os.environ, TZ="UTC")) as p:
            self.assertEqual(p.stdout.readline(), b"21:20:00.123  m-1  v=230.1  on=true\n")
            p.terminate()

    def test_the_end_of_the_daemon_is_told(self):
        self.daemon(EVENTS[0])
        code, _, err = self.run_ctl("watch")
        self.assertEqual(code, 3)
        self.assertIn("no daemon answers on %s: it closed the connection\n" % self.socket, err)


HINT = "is gatewayd running? try: systemctl status gatewayd, or another socket: gatewayctl -s SOCKET\n"


class Failures(Case):
    def fails(self, code, err, *args):
        self.assertEqual(self.run_ctl(*args), (code, "", "gatewayctl: " + err))

    def test_no_daemon_is_told_with_what_to_try(self):
        self.fails(3, "no daemon answers on %s: No such file or directory\n%s" % (self.socket, HINT), "status")

    def test_a_dead_socket_is_told(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(self.socket)
        self.fails(3, "no daemon answers on %s: Connection refused\n%s" % (self.socket, HINT), "status")

    def test_a_path_too_long_is_told(self):
        self.socket = "/" + "x" * 120
        self.fails(3, "no daemon answers on %s: the path is longer than 107 bytes\n%s" % (self.socket, HINT), "status")

    def test_a_refusal_gives_the_daemons_words_and_code(self):
        self.daemon({"ok": False, "code": 1, "error": "no source \"rof\"; did you mean \"roof\"?"})
        self.fails(1, "restart: no source \"rof\"; did you mean \"roof\"?\n", "restart", "rof")

    def test_a_usage_error_of_the_daemon_keeps_its_code(self):
        self.daemon({"ok": False, "code": 2, "error": "FROM is no number"})
        self.fails(2, "replay: FROM is no number\n", "replay", "m", "x", "2")

    def test_words_of_the_daemon_are_escaped(self):
        self.daemon({"ok": False, "code": 77, "error": "a\x1b[2Jb\n"})
        self.fails(1, "status: a\\x1b[2Jb\\x0a\n", "status")

    def test_nonsense_is_no_daemon(self):
        for i, line in enumerate((b"HTTP/1.0 400 Bad Request\r\n", b"[]\n", b"{}\n", b'{"ok":1}\n', b"\xff\n",
                                  b"[" * 5000 + b"\n", b'{"a":1,"a":2}\n')):
            with self.subTest(line=line[:20]):
                self.socket = os.path.join(self.folder, "s%d" % i)
                self.daemon(line)
                self.fails(3, "no daemon answers on %s: what answers there is no gatewayd\n%s"
                           % (self.socket, HINT), "status")

    def test_half_a_line_is_no_answer(self):
        self.daemon(b'{"ok":true,"da')
        self.fails(3, "no daemon answers on %s: it closed the connection\n%s" % (self.socket, HINT), "status")

    def test_wrong_types_in_an_answer_never_crash(self):
        values = [None, True, 5, -1.5, "x", [], {}, [[]], [None], [5], {"name": []}, [{"name": {"a": [1]}}]]
        commands = [("status",), ("sources",), ("sinks",), ("devices",), ("points",), ("buffer",), ("losses",), ("read", "a", "b"),
                    ("replay", "a", "1", "2"), ("restart", "a"), ("reload",), ("version",)]
        for n, value in enumerate(values):
            self.socket = os.path.join(self.folder, "w%d" % n)
            self.daemon({"ok": True, "data": value})
            for command in commands:
                for json_option in ((), ("--json",)):
                    self.assertIn(self.run_ctl(*json_option, *command)[0], (0, 1), (command, value))

    def test_a_huge_answer_is_read_whole(self):
        rows = [dict(device="d%d" % (i // 100), point="p%d" % i, value=i / 10, quality="good", age_ms=5, symbol="V")
                for i in range(20000)]
        code, out = self.answered(rows, "points")
        self.assertEqual((code, len(out.splitlines())), (0, 20001))
        self.assertEqual(out.splitlines()[-1], "d199    p19999  1999.9  V     good     5ms")

    def test_long_arguments_are_refused(self):
        self.daemon(END)
        self.fails(2, "points: the arguments are too long: at most 65536 bytes as JSON\n", "points", "x" * 70000)

    def test_arguments_that_are_not_utf8_are_refused(self):
        self.daemon(END)
        self.fails(2, "points: the arguments are not valid UTF-8\n", "points", b"\xff")


class Usage(Case):
    def fails(self, err, *args):
        self.assertEqual(self.run_ctl(*args), (2, "", "gatewayctl: " + err + "\n"))

    def test_no_command(self):
        self.fails("no command; try: gatewayctl help")

    def test_an_unknown_command_names_the_nearest(self):
        self.fails('no command "statu"; did you mean "status"? try: gatewayctl help', "statu")
        self.fails('no command "xyzzyxyzzy"; try: gatewayctl help', "xyzzyxyzzy")

    def test_an_unknown_option(self):
        self.fails('no option "--jsn"; try: gatewayctl help', "--jsn", "status")
        self.fails('no option "--verify"; try: gatewayctl help', "status", "--verify")

    def test_arguments_missing_or_too_many(self):
        self.fails("read: arguments are missing; usage: gatewayctl read DEVICE POINT", "read", "m")
        self.fails("status: too many arguments; usage: gatewayctl status", "status", "x")
        self.fails("plugin: arguments are missing; usage: gatewayctl plugin NAME [ARG...]", "plugin")

    def test_a_socket_option_without_path(self):
        self.fails("-s needs the path of the control socket", "status", "-s")

    def test_options_may_follow_the_command(self):
        self.daemon({"ok": True, "data": []})
        done = subprocess.run([CTL, "points", "--json", "--socket=" + self.socket], capture_output=True,
                              timeout=DEADLINE)
        self.assertEqual((done.returncode, done.stdout), (0, b"[]\n"))


COMMANDS = "status sources sinks devices points watch read write buffer losses replay restart reload plugin help version".split()


class Help(Case):
    def test_help_lists_every_command(self):
        code, out, _ = self.run_ctl("help")
        self.assertEqual(code, 0)
        self.assertEqual(out.splitlines()[0], "usage: gatewayctl [-s SOCKET] [--json] COMMAND [ARG...]")
        listed = [l.split()[0] for l in out.splitlines() if l.startswith("  ") and l[2].islower()]
        self.assertEqual(listed, COMMANDS)
        self.assertIn("  read DEVICE POINT               Ask the device for one value now; nothing is published.\n",
                      out)
        self.assertEqual(self.run_ctl("--help")[1], out)

    def test_help_of_one_command(self):
        text = ("usage: gatewayctl read DEVICE POINT\n\n"
                "Ask the device for one value now; nothing is published.\n"
                "Exits 1 when the device gives no value.\n")
        self.assertEqual(self.run_ctl("help", "read"), (0, text, ""))
        self.assertEqual(self.run_ctl("read", "--help"), (0, text, ""))

    def test_help_of_no_command(self):
        self.assertEqual(self.run_ctl("help", "frob"),
                         (2, "", 'gatewayctl: help: no command "frob"; try: gatewayctl help\n'))

    def test_the_manual_page_is_clean_and_whole(self):
        code, page, _ = self.run_ctl("help", "--man")
        self.assertEqual(code, 0)
        for name in COMMANDS:
            self.assertRegex(page, r"(?m)^\.B %s( |$)" % name)
        if shutil.which("man"):
            done = subprocess.run(["man", "--warnings", "-l", "-"], input=page.encode(), capture_output=True,
                                  env=dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="100"), timeout=DEADLINE)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_the_completion_completes(self):
        _, script, _ = self.run_ctl("help", "--completion")
        with open(os.path.join(self.folder, "completion"), "w") as f:
            f.write(script)

        def complete(*words):
            probe = ('. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gatewayctl; '
                     'printf "%s\\n" "${COMPREPLY[@]}"')
            env = dict(os.environ, PATH=os.path.dirname(CTL) + ":" + os.environ["PATH"])
            done = subprocess.run(["bash", "-c", probe, f.name, *words], capture_output=True, env=env,
                                  timeout=DEADLINE)
            self.assertEqual(done.stderr, b"")
            return done.stdout.decode().split()
        self.assertEqual(complete("gatewayctl", "re"), ["read", "replay", "restart", "reload"])
        self.assertEqual(complete("gatewayctl", "buffer", ""), ["--verify"])
        self.assertEqual(complete("gatewayctl", "help", "wa"), ["watch"])

    def test_the_version_needs_no_daemon(self):
        code, out, err = self.run_ctl("--version")
        self.assertRegex(out, r"\Agatewayctl \d+\.\d+\.\d+\n\Z")
        self.assertEqual((code, err), (0, ""))
        code, again, err = self.run_ctl("version")
        self.assertEqual((code, again), (3, out))


class Plugins(Case):
    """An installed tree and a build folder of scripts, with a copy of the program."""

    def tree(self, program, plugins):
        os.makedirs(os.path.join(self.folder, os.path.dirname(program)), exist_ok=True)
        shutil.copy(CTL, os.path.join(self.folder, program))
        os.makedirs(os.path.join(self.folder, plugins))
        for name in ("modbus", "mqtt"):
            path = os.path.join(self.folder, plugins, name)
            with open(path, "w") as f:
                f.write('#!/bin/sh\nprintf "%s|" "${0##*/}" "$@"; exit 7\n')
            os.chmod(path, 0o755)
        return os.path.join(self.folder, program)

    def test_an_installed_plugin_runs_with_its_arguments(self):
        ctl = self.tree("usr/bin/gatewayctl", "usr/lib/gatewayd/plugins")
        self.assertEqual(self.run_ctl("plugin", "modbus", "probe", "--json", "-s", "a b", program=ctl),
                         (7, "modbus|probe|--json|-s|a b|", ""))

    def test_a_plugin_of_the_build_folder_runs(self):
        ctl = self.tree("build/gatewayctl", "build/plugins")
        self.assertEqual(self.run_ctl("plugin", "mqtt", "--help", program=ctl), (7, "mqtt|--help|", ""))

    def test_an_unknown_plugin_lists_what_is_there(self):
        ctl = self.tree("build/gatewayctl", "build/plugins")
        folder = os.path.join(self.folder, "build/plugins")
        self.assertEqual(self.run_ctl("plugin", "modbux", program=ctl),
                         (1, "", 'gatewayctl: plugin: no plugin "modbux" in %s; there: modbus, mqtt\n' % folder))

    def test_a_name_never_leaves_the_folder(self):
        ctl = self.tree("build/gatewayctl", "build/plugins")
        for name in ("../gatewayctl", "/bin/sh", "", "a" * 33, "Modbus", "-x", "a b"):
            code, out, err = self.run_ctl("plugin", name, program=ctl)
            self.assertEqual((code, out), (2, ""))
            self.assertEqual(err, 'gatewayctl: plugin: "%s" cannot be a plugin\'s name: 1 to 32 of a-z, 0-9 and -\n'
                             % name)

    def test_a_plugin_that_cannot_run_says_why(self):
        ctl = self.tree("build/gatewayctl", "build/plugins")
        path = os.path.join(self.folder, "build/plugins/mqtt")
        os.chmod(path, 0o644)
        self.assertEqual(self.run_ctl("plugin", "mqtt", program=ctl),
                         (1, "", "gatewayctl: plugin: %s: Permission denied\n" % path))


class Colour(Case):
    def on_a_terminal(self, **env):
        self.daemon({"ok": True, "data": SOURCES})
        master, slave = pty.openpty()
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        subprocess.run([CTL, "-s", self.socket, "sources"], stdout=slave,
                       env={**environment, "TERM": "xterm", **env}, timeout=DEADLINE, check=True)
        os.close(slave)
        out = b""
        try:
            while True:
                part = os.read(master, 65536)
                if not part:
                    break
                out += part
        except OSError:
            pass
        os.close(master)
        return out.decode().replace("\r\n", "\n")

    def test_states_are_coloured_on_a_terminal(self):
        out = self.on_a_terminal()
        self.assertIn("modbus  \033[32mrunning\033[0m", out)
        self.assertIn("modbus  \033[33mbackoff\033[0m", out)

    def test_no_color_is_respected(self):
        self.assertNotIn("\033", self.on_a_terminal(NO_COLOR="1"))

    def test_a_dumb_terminal_gets_none(self):
        self.assertNotIn("\033", self.on_a_terminal(TERM="dumb"))


if __name__ == "__main__":
    unittest.main()
