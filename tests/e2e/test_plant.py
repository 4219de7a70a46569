"""The plant against clients that nobody here wrote: mbpoll and pymodbus."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from pymodbus.client import ModbusTcpClient

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Plant, bench_word  # noqa: E402

ALONE = True

START = ("--start", "09:30", "--speed", "0")


def mbpoll(port, kind, first, count, unit=1, *more):
    out = subprocess.run(["mbpoll", "-m", "tcp", "-p", str(port), "-a", str(unit), "-0", "-1", "-B",
                          "-t", kind, "-r", str(first), "-c", str(count), *more, "127.0.0.1"],
                         capture_output=True, text=True, timeout=20)
    return {int(a): v for a, v in re.findall(r"^\[(\d+)\]:\s+(\S+)", out.stdout, re.M)}, out.stdout + out.stderr


class PlantTest(unittest.TestCase):
    options = START

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.report_file = os.path.join(self.folder.name, "report.json")
        self.plant = Plant(self.folder.name, *self.options, "--report", self.report_file)

    def tearDown(self):
        self.plant.child.kill()
        self.folder.cleanup()

    def port(self, name):
        return self.plant.ports[name][0]

    def client(self, name, timeout=1):
        c = ModbusTcpClient("127.0.0.1", port=self.port(name), timeout=timeout, retries=0)
        self.assertTrue(c.connect())
        self.addCleanup(c.close)
        return c

    def exchange(self, name, request, wait=2.0):
        """Raw bytes there and back; b"" when the connection was closed."""
        with socket.create_connection(("127.0.0.1", self.port(name)), wait) as s:
            s.sendall(request)
            try:
                return s.recv(4096)
            except socket.timeout:
                return None


class DemoPlant(PlantTest):
    def test_mbpoll_reads_the_three_voltages_of_the_meter(self):
        volts, _ = mbpoll(self.port("meter-1"), "3:float", 0, 3)
        self.assertEqual(sorted(volts), [0, 2, 4])
        for v in volts.values():
            self.assertTrue(215 < float(v) < 235, v)

    def test_mbpoll_reads_holding_registers_of_the_pump_station(self):
        held, _ = mbpoll(self.port("pump-1"), "4", 0, 14)
        self.assertEqual((held[10], held[11]), ("240", "2"))
        self.assertTrue(1500 < int(held[0]) < 3300, held)

    def test_mbpoll_reads_discrete_inputs_of_the_crossing(self):
        bits, _ = mbpoll(self.port("crossing-1"), "1", 0, 6)
        self.assertEqual(sum(int(bits[i]) for i in (0, 1, 2)), 1)
        self.assertEqual(sum(int(bits[i]) for i in (3, 4, 5)), 1)

    def test_mbpoll_switches_a_coil_and_reads_it_back(self):
        port = self.port("pump-1")
        _, text = mbpoll_write(port, "0", 1, "1")
        self.assertIn("Written 1 references.", text)
        self.assertEqual(mbpoll(port, "0", 0, 2)[0], {0: "0", 1: "1"})

    def test_the_mode_and_a_coil_start_a_pump_by_hand(self):
        c = self.client("pump-1")
        self.assertFalse(c.write_registers(10, [250, 1], slave=1).isError())
        self.assertFalse(c.write_coils(0, [True, False], slave=1).isError())
        self.assertEqual(c.read_discrete_inputs(0, 2, slave=1).bits[:2], [True, False])
        self.assertEqual(c.read_holding_registers(10, 2, slave=1).registers, [250, 1])
        self.assertFalse(c.write_coil(0, False, slave=1).isError())
        self.assertFalse(c.write_register(10, 230, slave=1).isError())
        self.assertEqual(c.read_holding_registers(10, 1, slave=1).registers, [230])
        self.assertEqual(c.read_discrete_inputs(0, 2, slave=1).bits[:2], [False, False])

    def test_the_inverter_names_itself(self):
        r = self.client("inverter-1").read_holding_registers(0, 16, slave=3).registers
        text = struct.pack(">16H", *r)
        self.assertEqual(text[:16].rstrip(b"\0"), b"SG-50K-VN")
        self.assertEqual(text[16:].rstrip(b"\0"), b"A2305118842")

    def test_the_soil_station_has_a_missing_sensor(self):
        r = self.client("field-1").read_input_registers(0, 20, slave=1).registers
        self.assertEqual(r[19], 0x7fff)
        self.assertTrue(200 < r[9] < 360, r[9])

    def test_the_same_moment_gives_the_same_values(self):
        c = self.client("meter-1")
        first = c.read_input_registers(0, 26, slave=1).registers
        self.assertEqual(c.read_input_registers(0, 26, slave=1).registers, first)

    def test_limits_and_addresses_get_their_exceptions(self):
        c = self.client("pump-1")
        cases = [
            (c.read_holding_registers(0, 17, slave=1), 2),
            (c.read_holding_registers(16, 1, slave=1), 2),
            (c.write_register(0, 1, slave=1), 2),
            (c.write_coil(2, True, slave=1), 2),
            (c.read_holding_registers(0, 1, slave=9), 11),
        ]
        for answer, code in cases:
            self.assertTrue(answer.isError())
            self.assertEqual(answer.exception_code, code)

    def test_what_no_client_would_send_is_refused_too(self):
        cases = [
            (b"\x03\x00\x00\x00\x7e", b"\x83\x03"),          # 126 registers
            (b"\x04\x00\x00\x00\x7e", b"\x84\x03"),
            (b"\x05\x00\x00\x12\x00", b"\x85\x03"),
            (b"\x01\x00\x00\x07\xd1", b"\x81\x03"),          # 2001 bits
            (b"\x03\x00\x00\x00\x00", b"\x83\x03"),          # none
            (b"\x05\x00\x00\x12\x34", b"\x85\x03"),          # a coil is FF00 or 0000
            (b"\x10\x00\x0a\x00\x02\x03\x00\x01\x00", b"\x90\x03"),  # byte count disagrees
            (b"\x03\xff\xff\x00\x02", b"\x83\x02"),          # past the last address
            (b"\x2b\x0e\x01\x00", b"\xab\x01"),
            (b"\x03", b"\x83\x03"),
        ]
        for pdu, expected in cases:
            got = self.exchange("pump-1", struct.pack(">HHHB", 7, 0, len(pdu) + 1, 1) + pdu)
            self.assertEqual(got, struct.pack(">HHHB", 7, 0, 3, 1) + expected, pdu)

    def test_bytes_that_are_no_modbus_close_the_connection(self):
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\0\1\0\0\0\0\1\3", b"\0\1\0\0\xff\xff\1\3"):
            self.assertEqual(self.exchange("meter-1", noise), b"")
        self.assertFalse(self.client("meter-1").read_input_registers(0, 2, slave=1).isError())


def mbpoll_write(port, kind, first, *values):
    out = subprocess.run(["mbpoll", "-m", "tcp", "-p", str(port), "-a", "1", "-0", "-t", kind,
                          "-r", str(first), "127.0.0.1", "--", *values],
                         capture_output=True, text=True, timeout=20)
    return out.returncode, out.stdout + out.stderr


class BenchPlant(PlantTest):
    options = ("--bench", "3", "--registers", "130", "--shared")

    def poll(self, c, unit, count=100):
        r = c.read_holding_registers(0, count, slave=unit)
        self.assertFalse(r.isError(), r)
        return r.registers

    def test_each_poll_carries_its_number_and_the_pattern(self):
        c = self.client("bench-2")
        for number in (1, 2, 3):
            r = self.poll(c, 2)
            self.assertEqual(r[0] << 16 | r[1], number)
            self.assertEqual(r[2:], [bench_word(number, a) for a in range(2, 100)])
        rest = c.read_holding_registers(125, 5, slave=2).registers
        self.assertEqual(rest, [bench_word(3, a) for a in range(125, 130)])

    def test_units_of_the_shared_port_are_the_same_devices(self):
        own, shared = self.client("bench-3"), self.client("shared")
        self.assertEqual(self.poll(own, 3)[1], 1)
        self.assertEqual(self.poll(shared, 3)[1], 2)
        self.assertEqual(self.poll(shared, 1)[1], 1)

    def test_the_report_counts_what_was_answered(self):
        c = self.client("bench-1")
        self.poll(c, 1)
        self.poll(c, 1)
        c.read_holding_registers(129, 2, slave=1)
        expected = {"requests": 3, "answers": 3, "exceptions": 1, "polls": 2}
        self.assertEqual(self.plant.report()["bench-1"], expected)
        self.assertEqual(self.plant.child.end(signal.SIGTERM), 0)
        with open(self.report_file) as f:
            self.assertEqual(json.load(f)["devices"]["bench-1"], expected)

    def test_a_thousand_requests_in_one_write_are_all_answered(self):
        one = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 10)
        with socket.create_connection(("127.0.0.1", self.port("bench-1")), 5) as s:
            s.sendall(one * 1000)
            got = 0
            while got < 1000 * 29:
                got += len(s.recv(65536))
        self.assertEqual(self.plant.report()["bench-1"]["polls"], 1000)


class Faults(PlantTest):
    options = ("--bench", "1", "--registers", "10", "--fault", "bench-1=silent")
    request = struct.pack(">HHHBBHH", 0x1234, 0, 6, 1, 3, 0, 2)

    def answer(self, wait=2.0):
        return self.exchange("bench-1", self.request, wait)

    def good(self):
        got = self.answer()
        return got is not None and got[:9] == b"\x12\x34\0\0\0\x07\x01\x03\x04"

    def test_silence_from_the_start_ends_with_clear(self):
        self.assertIsNone(self.answer(0.2))
        self.plant.clear("bench-1")
        self.assertTrue(self.good())

    def test_a_refused_port_opens_again(self):
        self.plant.fault("bench-1", "refuse")
        with self.assertRaises(ConnectionRefusedError):
            self.answer()
        self.plant.clear("bench-1")
        self.assertTrue(self.good())

    def test_answers_are_wrong_as_ordered(self):
        cases = {
            "exception:6": lambda a: a[7:9] == b"\x83\x06",
            "wrong-unit": lambda a: a[6] == 2 and a[:2] == b"\x12\x34",
            "wrong-tid": lambda a: a[:2] == b"\x12\x35" and a[6] == 1,
            "close": lambda a: a == b"",
            "garbage": lambda a: len(a) == 13 and a[:2] != b"\x12\x34",
        }
        for kind, holds in cases.items():
            self.plant.fault("bench-1", kind)
            self.assertTrue(holds(self.answer()), kind)

    def test_slow_and_dribbled_answers_take_their_time(self):
        for kind, at_least in (("slow:150", 0.15), ("dribble:20", 0.24)):
            self.plant.fault("bench-1", kind)
            begun = time.monotonic()
            with socket.create_connection(("127.0.0.1", self.port("bench-1")), 5) as s:
                s.sendall(self.request)
                got = b""
                while len(got) < 13:
                    got += s.recv(64)
            self.assertGreaterEqual(time.monotonic() - begun, at_least, kind)
            self.assertEqual(got[:2], b"\x12\x34")

    def test_a_late_answer_comes_after_the_next_one(self):
        self.plant.fault("bench-1", "late:150")
        with socket.create_connection(("127.0.0.1", self.port("bench-1")), 5) as s:
            for tid in (1, 2):
                s.sendall(struct.pack(">H", tid) + self.request[2:])
            got = b""
            while len(got) < 26:
                got += s.recv(64)
        self.assertEqual((got[:2], got[13:15]), (b"\0\2", b"\0\1"))

    def test_wrong_commands_are_answered_with_what_is_right(self):
        self.assertEqual(self.plant.ask("fault bench-7 silent"), "error: there is no device of that name")
        self.assertEqual(self.plant.ask("fault bench-1 slow"),
                         "error: this fault needs a number, as in slow:300")
        self.assertIn("commands: fault NAME KIND", self.plant.ask("make coffee"))


if __name__ == "__main__":
    unittest.main()
