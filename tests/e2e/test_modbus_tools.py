"""The tools of the Modbus plugin, run as a field engineer runs them."""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Child, World, answers, free_port, program, wait_until  # noqa: E402
from serial_line import Buses, crc  # noqa: E402

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "register_server.py")


def modbus(*args, timeout=90):
    r = subprocess.run([program("plugins/modbus"), *args], capture_output=True, text=True, timeout=timeout)
    return r.returncode, r.stdout, r.stderr


def words(fmt, *values):
    data = struct.pack(">" + fmt, *values)
    return list(struct.unpack(">%dH" % (len(data) // 2), data))


def text(s, registers):
    return words("%ds" % (2 * registers), s.encode())


class Served(unittest.TestCase):
    def serve(self, units):
        """units: {unit: {holding address: value}}; returns the connection."""
        return self.serve_tables({u: {"holding": t, "input": t} for u, t in units.items()})

    def serve_tables(self, units):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        port = free_port()
        path = os.path.join(folder.name, "map.json")
        with open(path, "w") as f:
            json.dump({port: units}, f)
        server = Child(["/usr/bin/python3", SERVER, path], os.path.join(folder.name, "log"))
        self.addCleanup(server.kill)
        wait_until(lambda: answers(port), what="the server answers")
        self.folder = folder.name
        return "tcp://127.0.0.1:%d" % port


class Probe(Served):
    def test_the_expected_value_is_found_in_its_order(self):
        big, little = words("f", 230.1), words("f", 49.98)[::-1]
        url = self.serve({1: dict(enumerate(big + little + [2301]))})
        for address, count, expect, line in (
                (0, 2, "230.1", "value: {address: 0, type: f32}"),
                (2, 2, "49.98", "value: {address: 2, type: f32, word_order: little}"),
                (4, 1, "230.1", "value: {address: 4, scale: 0.1}")):
            code, out, _ = modbus("probe", url, "--address", str(address), "--count", str(count),
                                  "--expect", expect)
            self.assertEqual(code, 0)
            first = out[out.index(expect + " IS"):].splitlines()[1]
            self.assertTrue(first.startswith("yes") and first.endswith(line), first)

    def test_mistakes_are_told(self):
        url = self.serve({1: {0: 1}})
        self.assertEqual(modbus("probe", url, "--address", "5", "--count", "1"), (
            1, "", "modbus probe: exception 2, illegal data address: the device has nothing there\n"))
        self.assertEqual(modbus("probe", url, "--unit-id", "9", "--count", "1", "--timeout", "100ms"), (
            1, "", "modbus probe: no answer from unit 9 within 100ms\n"))
        self.assertEqual(modbus("probe", url, "--count", "x"), (
            2, "", "modbus probe: --count: 'x' is not a number from 1 to 2000\ntry: modbus probe --help\n"))
        self.assertEqual(modbus("probe")[0], 2)
        for tool in ("probe", "scan", "identify", "sunspec", "record", "replay"):
            code, out, _ = modbus(tool, "--help")
            self.assertEqual(code, 0)
            self.assertTrue(out.startswith("Usage: modbus %s " % tool))


    def test_what_answers_instead_is_told(self):
        url = self.serve({1: {0: 1}})
        with open(os.path.join(self.folder, "map.json")) as f:
            port = next(iter(json.load(f)))
        self.assertEqual(modbus("probe", "rtu+tcp://127.0.0.1:%s" % port, "--count", "1", "--timeout", "200ms"), (
            1, "", "modbus probe: no answer from unit 1 within 200ms\n"
            "modbus probe: it answers another framing: write tcp:// in place of rtu+tcp://\n"))
        url = self.serve_tables({1: {"input": {5: 1}}})
        self.assertEqual(modbus("probe", url, "--address", "5", "--count", "1"), (
            1, "", "modbus probe: exception 2, illegal data address: the device has nothing there\n"
            "modbus probe: the table input has it: --table input\n"))


class Units(Served):
    def test_units_behind_a_connection_are_found(self):
        code, out, _ = modbus("scan", self.serve({3: {0: 7}, 77: {9: 1}}))
        self.assertEqual((code, out), (0, "UNIT  ANSWER\n   3  0x0007\n  77  exception 2\n"))

    def test_a_device_says_what_it_is(self):
        code, out, _ = modbus("identify", self.serve({1: {0: 0x5375, 1: 0x6e53, 2: 0xffff}}))
        self.assertEqual(code, 0)
        self.assertIn("SunSpec at address 0, models", out)


class Bus:
    """A serial bus on a pseudo-terminal: units answer at its speed and parity only, byte by byte."""

    def __init__(self, baud, parity, units):
        self.baud, self.parity, self.units = baud, parity, units
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        threading.Thread(target=self.run, daemon=True).start()

    def fits(self):
        t = termios.tcgetattr(self.slave)
        # A pty drops PARENB; INPCK, which is set with it, stays.
        parity = "none" if not t[0] & termios.INPCK else "odd" if t[2] & termios.PARODD else "even"
        return t[5] == getattr(termios, "B%d" % self.baud) and parity == self.parity

    def run(self):
        buf = b""
        while True:
            buf += os.read(self.master, 256)
            if not self.fits():
                buf = b""
            while len(buf) >= 8:
                frame, buf = buf[:8], buf[8:]
                if frame[0] in self.units and crc(frame[:6]) == frame[6:]:
                    self.answer(frame[0])

    def answer(self, unit):
        time.sleep(0.01)
        body = bytes((unit, 3, 2, 0, unit))
        for byte in body + crc(body):
            os.write(self.master, bytes((byte,)))
            time.sleep(11 / self.baud)


class Scan(unittest.TestCase):
    # every other setting: tests/modbus/test_scan.c, in simulated time
    def test_settings_and_units_of_a_serial_bus_are_found_within_a_minute(self):
        for baud, parity, letter, units in ((19200, "even", "E", (3, 17, 200)), (9600, "odd", "O", (5,))):
            bus = Bus(baud, parity, units)
            begun = time.monotonic()
            code, out, err = modbus("scan", "rtu:" + bus.path)
            self.assertLess(time.monotonic() - begun, 60)
            self.assertEqual(code, 0, err)
            self.assertEqual(out.splitlines()[0], "%d baud, parity %s (8%s1)" % (baud, parity, letter))
            self.assertEqual([int(n) for n in re.findall(r"(?m)^ *(\d+)  0x", out)], list(units))
            self.assertIn("serial: {baud: %d, parity: %s, stop_bits: 1}" % (baud, parity), out)


def chain():
    """Models 1, 103, 120, 160, 203, 705, 709 with values; as {address: value} from 40000."""
    none16, signed = 0xffff, 0x8000
    common = text("Example", 16) + text("EX-1", 16) + text("", 8) + text("1.0", 8) + text("SN42", 16) + [1, 0]
    inverter = [100, 33, 34, 35, 0xffff, none16, none16, none16, 2301, 2302, 2303, 0xffff, 5000, 0, 5001, 0xfffe,
                signed, signed, signed, signed, 980, 0xffff] + words("I", 1234567) + [0] + [none16, signed] * 2 + \
               [signed, signed, 451, signed, signed, signed, 0xffff, 4, none16] + [0] * 4 + [0xffff] * 8
    inverter += [0xffff] * (50 - len(inverter))
    rating = [4, 100, 2] + [signed] * 23
    tracker = [0xfffe, 0xffff, 0, 0] + [0, 0] + [2, 0]
    for n, volts in ((1, 6001), (2, 6102)):
        tracker += [n] + text("string %d" % n, 8) + [850, volts, 5100] + words("I", 4242) + words("I", 77) + \
                   [35, 4] + [0, 0]
    meter = [signed] * 105
    meter[14], meter[15] = 4998, 0xfffe  # Hz and its scale factor
    meter[16], meter[20] = 0xfc18, 0     # W = -1000
    meter[36:52], meter[53:69], meter[70:102] = [0] * 16, [0] * 16, [0] * 32  # accumulators at 0
    meter[44:46], meter[52] = words("I", 123456), 1  # TotWhImp in 10 Wh
    meter[103:105] = none16, none16      # Evt
    volt_var = [1, 0, 1, 2, 2] + [0xffff] * 5 + [0xfffe, 0xffff, 0]
    for shift in (0, 50):
        volt_var += [2, 1, 0xffff, 10000] + [none16] * 3 + words("I", 5) + [shift > 0] + \
                    words("HhHh", 9200 + shift, 440, 10800 + shift, -440)
    trip = [0, 0, 1, 1, 1, 0xfffe, 0xfffd, 1]
    for hertz, ms in ((5750, 160), (5800, 300000), (None, None)):  # no momentary cessation
        trip += [1] + words("II", hertz, ms) if hertz else [none16] * 5
    out = [0x5375, 0x6e53]
    for number, body in ((1, common), (103, inverter), (120, rating), (160, tracker), (203, meter), (705, volt_var),
                         (709, trip)):
        out += [number, len(body)] + body
    return {40000 + i: v for i, v in enumerate(out + [0xffff, 0])}


# All that the chain implements, in the units of its quantities (Wh to kWh, % to 1); the rest is left out.
SUNSPEC = {
    "common_mn": "Example", "common_md": "EX-1", "common_vr": "1.0", "common_sn": "SN42", "common_da": 1,
    "inverter_a": 10, "inverter_apha": 3.3, "inverter_aphb": 3.4, "inverter_aphc": 3.5,
    "inverter_phvpha": 230.1, "inverter_phvphb": 230.2, "inverter_phvphc": 230.3, "inverter_w": 5000,
    "inverter_hz": 50.01, "inverter_pf": 0.98, "inverter_wh": 1234.567, "inverter_tmpcab": 45.1,
    "inverter_st": "mppt", "inverter_evt1": 0, "inverter_evt2": 0,
    "rating_dertyp": 4, "rating_wrtg": 10000,
    "tracker_evt": 0, "tracker_n": 2, "tracker_tmsper": 0,
    "tracker_id_1": 1, "tracker_idstr_1": "string 1", "tracker_dca_1": 8.5, "tracker_dcv_1": 600.1,
    "tracker_dcw_1": 5100, "tracker_dcwh_1": 4242, "tracker_tms_1": 77, "tracker_tmp_1": 35,
    "tracker_dcst_1": "mppt", "tracker_dcevt_1": 0,
    "tracker_id_2": 2, "tracker_idstr_2": "string 2", "tracker_dca_2": 8.5, "tracker_dcv_2": 610.2,
    "tracker_dcw_2": 5100, "tracker_dcwh_2": 4242, "tracker_tms_2": 77, "tracker_tmp_2": 35,
    "tracker_dcst_2": "mppt", "tracker_dcevt_2": 0,
    "volt_var_ena": "enabled", "volt_var_adptcrvreq": 0, "volt_var_adptcrvrslt": "completed", "volt_var_npt": 2,
    "volt_var_ncrv": 2,
    "volt_var_actpt_1": 2, "volt_var_deptref_1": 1, "volt_var_vref_1": 100, "volt_var_rsptms_1": 5,
    "volt_var_readonly_1": "writable", "volt_var_pt_v_1_1": 92, "volt_var_pt_var_1_1": 44,
    "volt_var_pt_v_1_2": 108, "volt_var_pt_var_1_2": -44,
    "volt_var_actpt_2": 2, "volt_var_deptref_2": 1, "volt_var_vref_2": 100, "volt_var_rsptms_2": 5,
    "volt_var_readonly_2": "read_only", "volt_var_pt_v_2_1": 92.5, "volt_var_pt_var_2_1": 44,
    "volt_var_pt_v_2_2": 108.5, "volt_var_pt_var_2_2": -44,
    "trip_lf_ena": "disabled", "trip_lf_adptcrvreq": 0, "trip_lf_adptcrvrslt": "completed", "trip_lf_npt": 1,
    "trip_lf_ncrvset": 1, "trip_lf_readonly_1": "read_only",
    "trip_lf_musttrip_actpt_1": 1, "trip_lf_musttrip_hz_1_1": 57.5, "trip_lf_musttrip_tms_1_1": 0.16,
    "trip_lf_maytrip_actpt_1": 1, "trip_lf_maytrip_hz_1_1": 58, "trip_lf_maytrip_tms_1_1": 300,
    "meter_hz": 49.98, "meter_w": -1000, "meter_totwhexp": 0, "meter_totwhimp": 1234.56,
}


class Sunspec(Served):
    def test_the_chain_becomes_a_configuration_that_is_accepted_and_delivers(self):
        url = self.serve({1: chain()})
        code, out, err = modbus("sunspec", url)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("model 103, inverter, three phase", out)
        self.assertRegex(out, r"PhVphA +230.1 V")
        code, config, _ = modbus("sunspec", url, "--config-only")
        self.assertEqual(code, 0)
        with World() as w:
            w.write_config()
            with open(w.path("sun.yaml"), "w") as f:
                f.write("sources:\n  sun:\n" + "".join("    %s\n" % line for line in config.splitlines()))
            w.config["include"] = ["sun.yaml"]
            del w.config["sources"]
            w.write_config()
            r = subprocess.run([program("gatewayd"), "-c", w.config_path(), "--check"], capture_output=True,
                               text=True)
            self.assertEqual(r.returncode, 0, r.stdout)
            w.start()
            found = wait_until(lambda: w.subscriber.all("sunspec-1/data"), what="a reading")
            reading = json.loads(found[0][1])
            values = {point: v for point, v in reading["values"].items() if not point.endswith("_sf")}
            self.assertEqual(values, SUNSPEC)
            self.assertEqual(reading.get("quality"), None)

    def test_what_is_not_sunspec_is_told(self):
        code, _, err = modbus("sunspec", self.serve({1: {0: 1}}))
        self.assertEqual((code, err), (1, "modbus sunspec: no SunSpec here: no marker at address 40000, 0 or "
                                          "50000 of unit 1\n"))


class Record(Served):
    def start(self, *args):
        p = subprocess.Popen([program("plugins/modbus"), *args], stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (p.kill(), p.wait(), p.stdout.close()))
        return p, re.search(r"connection: (\S+)", p.stdout.readline()).group(1)

    def test_a_recording_answers_like_the_device(self):
        url = self.serve({1: {0: 0x1234, 1: 0x5678}})
        path = os.path.join(self.folder, "line.rec")
        recorder, proxy = self.start("record", url, path)
        asked = ("--address", "0", "--count", "2")
        want = modbus("probe", url, *asked)
        self.assertEqual(modbus("probe", proxy, *asked), want)
        recorder.send_signal(signal.SIGINT)
        self.assertEqual(recorder.wait(10), 0)
        with open(path) as f:
            lines = f.read().splitlines()
        self.assertEqual(lines[0], "gatewayd-modbus-recording 1 tcp")
        self.assertEqual(len(lines), 4)
        replayer, again = self.start("replay", path)
        self.assertEqual(modbus("probe", again, *asked), want)
        code, _, err = modbus("probe", again, "--address", "1", "--count", "1", "--timeout", "200ms")
        self.assertEqual((code, err), (1, "modbus probe: no answer from unit 1 within 200ms\n"))
        replayer.send_signal(signal.SIGTERM)
        self.assertEqual(replayer.wait(10), 0)
        # the second: probe tries the other framing when nobody answers
        self.assertEqual(replayer.stdout.read(), "1 requests answered, 2 unknown\n")
        code, _, err = modbus("record", url, path)
        self.assertEqual((code, err), (1, "modbus record: %s: File exists\n" % path))


POINTS = [("a", 0), ("b", 1), ("c", 50)]


class RecordSerial(unittest.TestCase):
    """A serial line and a line behind a converter, recorded while a gateway polls them, then served again."""

    def start(self, *args):
        child = Child([program("plugins/modbus"), *map(str, args)], self.world.path("%s.log" % args[0]))
        self.addCleanup(child.kill)
        return child

    @staticmethod
    def frames(path):
        """(microseconds, direction, bytes) of each line, and the first two lines."""
        with open(path) as f:
            head, where, *lines = f.read().splitlines()
        return (head, where), [(int(at), way, bytes.fromhex(data)) for at, way, data in map(str.split, lines)]

    def reading(self, device, since=0):
        book = wait_until(lambda: next((b for b in [self.world.ledger(device, since)] if b.readings), None), 15,
                          "a reading of " + device)
        return book.readings[book.seqs()[-1]]

    @staticmethod
    def said(reading):
        return reading["values"], reading.get("quality")

    def test_what_a_gateway_heard_on_serial_lines_it_hears_again_from_the_recordings(self):
        self.world = World()
        self.addCleanup(self.world.close)
        buses = Buses(self.world.folder, [[1, 2]])
        self.addCleanup(buses.child.kill)
        buses.fault(0, 2, "bad_crc")
        converter, ports = free_port(), {"serial": free_port(), "behind": free_port()}
        files = {name: self.world.path(name + ".rec") for name in ports}
        server = Child(["/usr/bin/python3", os.path.join(os.path.dirname(SERVER), "pymodbus_rtu_server.py"), "tcp",
                        str(converter)], self.world.path("pymodbus.log"))
        self.addCleanup(server.kill)
        wait_until(lambda: answers(converter), 15, "pymodbus listens")
        recorders = [self.start("record", url, files[name], "--port", ports[name]) for name, url in
                     (("serial", "rtu:" + buses.paths[0]), ("behind", "rtu+tcp://127.0.0.1:%d" % converter))]
        self.world.config["sources"] = {name: {
            "plugin": "modbus", "connection": "rtu+tcp://127.0.0.1:%d" % port, "interval": "300ms", "timeout": "500ms",
            "retries": 0, "devices": {"%s-%d" % (name, unit): {"unit_id": unit, "points": {
                p: {"address": address} for p, address in POINTS[:1 if unit == 2 else 3]}} for unit in (1, 2)}}
            for name, port in ports.items()}
        self.world.start()
        heard = {d: self.reading(d) for d in ("serial-1", "serial-2", "behind-1", "behind-2")}
        self.assertEqual(heard["serial-1"]["values"], {"a": 1000, "b": 1001, "c": 1050})
        self.assertEqual(heard["serial-2"]["quality"], {"a": "crc"})
        self.assertEqual(heard["behind-1"]["values"], {"a": 0, "b": 1, "c": 50})
        for child, name in zip(recorders, ports):
            self.assertEqual(child.end(signal.SIGINT), 0)
            self.assertRegex(child.text(), r"(?m)^\d+ frames in %s$" % re.escape(files[name]))
        (head, where), frames = self.frames(files["serial"])
        self.assertEqual((head, where), ("gatewayd-modbus-recording 1 rtu", "# rtu:" + buses.paths[0]))
        asked = bytes((1, 3, 0, 0, 0, 2))
        at = next(i for i, (_, way, data) in enumerate(frames) if (way, data) == (">", asked + crc(asked)))
        answer = bytes((1, 3, 4, 0x03, 0xe8, 0x03, 0xe9))
        self.assertEqual(frames[at + 1][1:], ("<", answer + crc(answer)))
        self.assertGreater(frames[at + 1][0] - frames[at][0], 19_000, "8 characters, 4 ms, 9 characters at 9600 baud")
        broken = next(i for i, (_, way, data) in enumerate(frames) if (way, data[0]) == ("<", 2))
        self.assertGreater(frames[broken + 1][0] - frames[broken][0], 20_000, "the time it came, not when it was given up")
        for way, data in {(way, data) for _, way, data in frames}:
            self.assertEqual(crc(data[:-2]) == data[-2:], (way, data[0]) != ("<", 2), data.hex())
        since = self.world.subscriber.count()
        for name, port in ports.items():
            self.start("replay", files[name], "--port", port)
        broken = heard.pop("serial-2")
        for device, reading in heard.items():
            wait_until(lambda: self.said(self.reading(device, since)) == self.said(reading), 10, device + " as it was heard")
        code, out = self.world.ctl("read", "serial-2", "a", check=False)
        self.assertEqual((code, json.loads(out)["quality"]), (1, broken["quality"]["a"]))


if __name__ == "__main__":
    unittest.main()
