/*
 * What a user reads when a Modbus source is configured wrongly: exact lines,
 * with their places, as they come over the link.
 */
#include "tests/base/fake_core.h"

#include "plugins/modbus/source.h"
#include "plugins/modbus/url.h"

static unsigned configure(struct fake_core *c, const char *yaml)
{
	fake_core_source(c, &mb_source);
	return fake_core_configure(c, "pump-house", yaml);
}

/* The whole configuration has exactly one problem, or none when `want` is NULL. */
static void check(const char *yaml, const char *want)
{
	struct fake_core c;
	unsigned n = configure(&c, yaml);

	if (want) {
		assert_string_equal(c.problems[0], want);
		assert_int_equal(n, 1);
	} else if (n) {
		fail_msg("not expected: %s", c.problems[0]);
	}
	fake_core_close(&c);
}

/* A point "x" with these keys, beginning in line 5, column 14. */
static void check_point(const char *keys, const char *want)
{
	char yaml[512], line[512];

	snprintf(yaml, sizeof(yaml),
		 "plugin: modbus\nconnection: tcp://127.0.0.1:1502\ndevices:\n"
		 "  d: {unit_id: 1, max_registers: 100, points: {\n    x: {%s}}}\n", keys);
	snprintf(line, sizeof(line), "gw.yaml:5:%s", want ? want : "");
	check(yaml, want ? line : NULL);
}

static void points_that_are_right_are_taken(void **state)
{
	static const char *const right[] = {
		"address: 0",
		"address: 65535",
		"address: 65532, type: f64",
		"address: 0x10, type: u32, word_order: little, byte_order: little",
		"address: 1, table: coil",
		"address: 1, table: discrete, type: bool",
		"address: 1, type: bool",
		"address: 12, bit: 15",
		"address: 12, type: u32, bit: 31",
		"address: 12, bits: {start: 4, length: 3}",
		"address: 12, type: u64, bits: {start: 0, length: 64}",
		"address: 30, type: string, length: 100",
		"reference: \"00001\"",
		"reference: 40001",
		"reference: 465536",
		"reference: 30001, table: input",
		"address: 1, scale: 0.1, unit: Hz, enum: {0: off, 1: on}, interval: 5s",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		check_point(right[i], NULL);
}

static void points_that_are_wrong_say_what_is_allowed(void **state)
{
	static const struct {
		const char *keys, *want;
	} cases[] = {
		{ "type: u16", "5: devices.d.points.x: needs `address` (0 to 65535, counted from 0) or "
			       "`reference` (for example 40001)" },
		{ "address: 1, reference: 40002",
		  "32: devices.d.points.x.reference: `address` is given too; one of them is enough" },
		{ "reference: 4001", "20: devices.d.points.x.reference: \"4001\" is not a reference; allowed: "
				     "5 or 6 digits, the first one 0, 1, 3 or 4, counted from 1, for example "
				     "40001 or 400001" },
		{ "reference: 20001", "20: devices.d.points.x.reference: \"20001\" is not a reference; allowed: "
				      "5 or 6 digits, the first one 0, 1, 3 or 4, counted from 1, for example "
				      "40001 or 400001" },
		{ "reference: 40000", "20: devices.d.points.x.reference: \"40000\" is not a reference; allowed: "
				      "5 or 6 digits, the first one 0, 1, 3 or 4, counted from 1, for example "
				      "40001 or 400001" },
		{ "reference: 465537", "20: devices.d.points.x.reference: \"465537\" is not a reference; allowed: "
				       "5 or 6 digits, the first one 0, 1, 3 or 4, counted from 1, for example "
				       "40001 or 400001" },
		{ "reference: 30001, table: holding",
		  "34: devices.d.points.x.table: holding contradicts reference 30001, which is in the table "
		  "input; leave `table` out" },
		{ "address: 1, table: coil, type: u16",
		  "40: devices.d.points.x.type: u16 in the table coil, where everything is a bool" },
		{ "address: 1, table: discrete, bit: 3",
		  "43: devices.d.points.x.bit: the table discrete holds single bits" },
		{ "address: 1, type: string",
		  "5: devices.d.points.x: a string needs `length` (registers, 1 to 100)" },
		{ "address: 1, type: u32, length: 2",
		  "40: devices.d.points.x.length: only a string has a length; a u32 takes 2 registers" },
		{ "address: 1, bit: 16",
		  "26: devices.d.points.x.bit: bit 16 is beyond the type; a bool has bits 0 to 15" },
		{ "address: 1, type: u32, bit: 32",
		  "37: devices.d.points.x.bit: bit 32 is beyond the type; a u32 has bits 0 to 31" },
		{ "address: 1, bits: {start: 14, length: 3}",
		  "27: devices.d.points.x.bits: bit 16 is beyond the type; a u16 has bits 0 to 15" },
		{ "address: 1, type: f32, bit: 3",
		  "37: devices.d.points.x.bit: a f32 has no bits to take out; allowed: "
		  "u16 i16 u32 i32 u64 i64" },
		{ "address: 1, bit: 1, bits: {start: 1, length: 3}",
		  "35: devices.d.points.x.bits: `bit` is given too; one of them is enough" },
		{ "address: 65535, type: u32",
		  "18: devices.d.points.x.address: the value ends at address 65536; the last one is 65535" },
		{ "reference: 465534, type: f64",
		  "20: devices.d.points.x.reference: the value ends at address 65536; the last one is 65535" },
		{ "address: 0, type: string, length: 101",
		  "43: devices.d.points.x.length: takes 101 registers, but the device gives at most 100 "
		  "(max_registers)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_point(cases[i].keys, cases[i].want);
}

#define FORM "tcp://HOST[:PORT], rtu:/dev/PORT or rtu+tcp://HOST[:PORT], for example tcp://192.0.2.10:502"

static void connections_are_checked_where_they_stand(void **state)
{
	(void)state;
	check("plugin: modbus\ndevices: {d: {unit_id: 1, points: {x: {address: 0}}}}\n",
	      "gw.yaml:2:11: devices.d.connection: is required, here or in the source; for example "
	      "tcp://192.0.2.10:502");
	check("plugin: modbus\nconnection: rtu:ttyUSB0\n"
	      "devices: {d: {unit_id: 1, points: {x: {address: 0}}}, e: {unit_id: 2}}\n",
	      "gw.yaml:2:13: connection: \"rtu:ttyUSB0\" is not a connection; allowed: " FORM);
	check("plugin: modbus\ndevices: {d: {unit_id: 1, connection: udp://h:1, points: {x: {address: 0}}}}\n",
	      "gw.yaml:2:39: devices.d.connection: \"udp://h:1\" is not a connection; allowed: " FORM);
	check("plugin: modbus\ndevices: {d: {unit_id: 1, connection: tcp://h:0, points: {x: {address: 0}}}}\n",
	      "gw.yaml:2:39: devices.d.connection: \"tcp://h:0\" is not a connection; allowed: " FORM);
}

#define SERIAL(keys, devices) \
	"plugin: modbus\nconnection: rtu:/dev/ttyUSB0\n" keys "\ndevices: {" devices "}\n"
#define ONE_POINT "interval: 1h, points: {x: {address: 0}}"

static void serial_lines_are_checked_where_they_stand(void **state)
{
	(void)state;
	check(SERIAL("serial: {baud: 19200, parity: even, data_bits: 8, stop_bits: 2}",
		     "d: {unit_id: 247, " ONE_POINT "}, e: {unit_id: 1, " ONE_POINT "}"), NULL);
	check(SERIAL("rs485: {rts_on_send: low, delay_before: 1ms}", "d: {unit_id: 1, " ONE_POINT "}"), NULL);
	check(SERIAL("serial: {baud: 9601}", "d: {unit_id: 1, " ONE_POINT "}"),
	      "gw.yaml:3:16: serial.baud: 9601 is no speed of a serial port; usual are 1200, 2400, 4800, "
	      "9600, 19200, 38400, 57600, 115200");
	check(SERIAL("serial: {parity: mark}", "d: {unit_id: 1, " ONE_POINT "}"),
	      "gw.yaml:3:18: serial.parity: 'mark' is not one of none, even, odd");
	check(SERIAL("retries: 0", "d: {unit_id: 0, " ONE_POINT "}"),
	      "gw.yaml:4:24: devices.d.unit_id: 0 is all units of a serial line at once; allowed: 1 to 247");
	check(SERIAL("retries: 0", "d: {unit_id: 248, " ONE_POINT "}"),
	      "gw.yaml:4:24: devices.d.unit_id: 248 is not allowed on a serial line; allowed: 1 to 247");
	check(SERIAL("retries: 0", "d: {unit_id: 1, " ONE_POINT "},\n  e: {unit_id: 2, serial: {baud: 19200}, "
		     ONE_POINT "}"),
	      "gw.yaml:5:27: devices.e.serial: rtu:/dev/ttyUSB0 is set differently for device d; devices on "
	      "one line share serial and rs485");
}

/* 100 registers at 9600 8N1: 8 + 205 characters 221.9 ms, two silences of 3.7 ms, 5 ms turnaround. */
static void a_line_without_the_time_is_refused_with_the_number(void **state)
{
	(void)state;
	check(SERIAL("interval: 100ms", "d: {unit_id: 1, points: {x: {address: 0, type: string, length: 100}}}"),
	      "gw.yaml:2:13: connection: line rtu:/dev/ttyUSB0 needs 0.234 s of every 0.1 s (234 %): poll more "
	      "rarely, read fewer points or raise the baud rate");
	check(SERIAL("interval: 400ms", "d: {unit_id: 1, points: {x: {address: 0, type: string, length: 100}}}"),
	      NULL);
}

static void a_line_with_little_time_is_warned_of(void **state)
{
	struct fake_core c;

	(void)state;
	assert_int_equal(configure(&c, SERIAL("interval: 300ms", "d: {unit_id: 1, points: {x: {address: 0, "
					      "type: string, length: 100}}}")), 0);
	assert_int_equal(c.nproblems, 1);
	assert_string_equal(c.problems[0],
			    "gw.yaml:2:13: connection: warning: line rtu:/dev/ttyUSB0 needs 0.234 s of every "
			    "0.3 s (78 %): little is left for retries and silent devices");
	fake_core_close(&c);
}

/* 125 registers at 1200 baud: 263 characters, a silence of 29 ms, 5 ms turnaround. */
static void a_timeout_shorter_than_the_longest_answer_is_refused(void **state)
{
	(void)state;
	check(SERIAL("serial: {baud: 1200}", "d: {unit_id: 1, interval: 1h, timeout: 1500ms, points: {x: {address: 0, "
		     "type: string, length: 80}, y: {address: 80, type: string, length: 45}}}"),
	      "gw.yaml:4:50: devices.d.timeout: 1.5 s is too short: the longest answer takes 2.23 s at 1200 baud; raise "
	      "it or lower max_registers");
	check(SERIAL("serial: {baud: 1200}", "d: {unit_id: 1, interval: 1h, points: {x: {address: 0, "
		     "type: string, length: 80}}}"),
	      "gw.yaml:4:11: devices.d.timeout: 1 s is too short: the longest answer takes 1.48 s at 1200 baud; raise "
	      "it or lower max_registers");
	check(SERIAL("serial: {baud: 1200}", "d: {unit_id: 1, interval: 1h, timeout: 2500ms, points: {x: {address: 0, "
		     "type: string, length: 80}, y: {address: 80, type: string, length: 45}}}"), NULL);
	check(SERIAL("serial: {baud: 1200}", "d: {unit_id: 1, interval: 1h, timeout: 1500ms, max_registers: 80, points: "
		     "{x: {address: 0, type: string, length: 80}, y: {address: 80, type: string, length: 45}}}"), NULL);
}

static void a_word_order_of_the_device_is_one_of_two(void **state)
{
	(void)state;
	check("plugin: modbus\nconnection: tcp://h\ndevices: {d: {unit_id: 1, word_order: middle, points: {x: {address: "
	      "0}}}}\n", "gw.yaml:3:39: devices.d.word_order: 'middle' is not one of big, little");
}

static void a_unit_identifier_is_required_and_a_byte(void **state)
{
	(void)state;
	check("plugin: modbus\nconnection: tcp://h\ndevices: {d: {unit_id: 255, points: {x: {address: 0}}}}\n",
	      NULL);
	check("plugin: modbus\nconnection: tcp://h\ndevices: {d: {unit_id: 0, points: {x: {address: 0}}}}\n",
	      NULL);
	check(SERIAL("retries: 0", "d: {unit_id: 0x34, " ONE_POINT "}"), NULL);
	check("plugin: modbus\nconnection: tcp://h\ndevices: {d: {unit_id: 256, points: {x: {address: 0}}}}\n",
	      "gw.yaml:3:24: devices.d.unit_id: '256' is outside 0 to 255");
}

static void the_stricter_limit_of_line_and_device_holds(void **state)
{
	(void)state;
	check("plugin: modbus\nconnection: tcp://h\nmax_registers: 1\n"
	      "devices: {d: {unit_id: 1, points: {x: {address: 0, type: u32}}}}\n",
	      "gw.yaml:4:58: devices.d.points.x.type: takes 2 registers, but the device gives at most 1 "
	      "(max_registers)");
	check("plugin: modbus\nconnection: tcp://h\nmax_registers: 2\n"
	      "devices: {d: {unit_id: 1, max_registers: 1, points: {x: {address: 0, type: u32}}}}\n",
	      "gw.yaml:4:76: devices.d.points.x.type: takes 2 registers, but the device gives at most 1 "
	      "(max_registers)");
	check("plugin: modbus\nconnection: tcp://h\nmax_bits: 100\n"
	      "devices: {d: {unit_id: 1, coils_from_zero: true, points: {x: {address: 100, table: coil}}}}\n",
	      "gw.yaml:4:72: devices.d.points.x.address: needs 101 bits from address 0 on (coils_from_zero), "
	      "but at most 100 are given at once (max_bits)");
	check("plugin: modbus\nconnection: tcp://h\nmax_bits: 101\n"
	      "devices: {d: {unit_id: 1, coils_from_zero: true, points: {x: {address: 100, table: coil}}}}\n",
	      NULL);
}

static void a_device_asked_too_often_is_refused_with_the_numbers(void **state)
{
	(void)state;
	check("plugin: modbus\nconnection: tcp://h\n"
	      "devices: {d: {unit_id: 1, min_interval: 1m, points: {x: {address: 0}, y: {address: 1}}}}\n",
	      "gw.yaml:3:11: devices.d.interval: 1 s is more often than the device bears; min_interval is 60 s");
	check("plugin: modbus\nconnection: tcp://h\ninterval: 2m\n"
	      "devices: {d: {unit_id: 1, min_interval: 1m, points: {x: {address: 0}, y: {address: 1, "
	      "interval: 500ms}}}}\n",
	      "gw.yaml:4:97: devices.d.points.y.interval: 0.5 s is more often than the device bears; "
	      "min_interval is 60 s");
	check("plugin: modbus\nconnection: tcp://h\n"
	      "devices: {d: {unit_id: 1, min_interval: 1m, points: {x: {address: 0, interval: 1m}}}}\n", NULL);
}

static void a_serial_section_takes_the_rest_from_the_source(void **state)
{
	(void)state;
	check(SERIAL("serial: {baud: 19200, parity: even}", "d: {unit_id: 1, " ONE_POINT "},\n"
		     "  e: {unit_id: 2, serial: {stop_bits: 1}, " ONE_POINT "}"), NULL);
	check(SERIAL("serial: {baud: 19200, parity: even}", "d: {unit_id: 1, " ONE_POINT "},\n"
		     "  e: {unit_id: 2, serial: {parity: none}, " ONE_POINT "}"),
	      "gw.yaml:5:27: devices.e.serial: rtu:/dev/ttyUSB0 is set differently for device d; devices on "
	      "one line share serial and rs485");
}

static void urls_have_one_spelling(void **state)
{
	static const struct {
		const char *text, *host, *port, *full;
	} right[] = {
		{ "rtu:/dev/ttyUSB0", "/dev/ttyUSB0", "", "rtu:/dev/ttyUSB0" },
		{ "rtu+tcp://h:4001", "h", "4001", "rtu+tcp://h:4001" },
		{ "rtu+tcp://[::1]", "::1", "502", "rtu+tcp://[::1]:502" },
		{ "tcp://192.0.2.10:1502", "192.0.2.10", "1502", "tcp://192.0.2.10:1502" },
		{ "tcp://plc-1.example", "plc-1.example", "502", "tcp://plc-1.example:502" },
		{ "tcp://plc-1.example:00502", "plc-1.example", "502", "tcp://plc-1.example:502" },
		{ "tcp://[::1]", "::1", "502", "tcp://[::1]:502" },
		{ "tcp://[fe80::1%eth0]:503", "fe80::1%eth0", "503", "tcp://[fe80::1%eth0]:503" },
	};
	struct mb_url url;
	struct gw_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_int_equal(mb_url_parse(right[i].text, &url, &err), 0);
		assert_string_equal(url.host, right[i].host);
		assert_string_equal(url.port, right[i].port);
		assert_string_equal(url.text, right[i].full);
	}
}

static void other_urls_are_refused(void **state)
{
	static const char *const wrong[] = {
		"", "tcp", "tcp:", "tcp://", "tcp://:502", "tcp://h:", "tcp://h:65536", "tcp://h:123456",
		"tcp://h:5x", "tcp://h/", "tcp://h:502/", "tcp://[::1", "tcp://[]:502", "tcp://[::1]x",
		"tcp://a b", "TCP://h", "udp://h", "192.0.2.10:502", "tcp://::1",
	};
	struct mb_url url;
	struct gw_err err;
	char text[512], want[700];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(mb_url_parse(wrong[i], &url, &err), -1);
		snprintf(want, sizeof(want), "\"%s\" is not a connection; allowed: " FORM, wrong[i]);
		assert_string_equal(err.msg, want);
	}
	snprintf(text, sizeof(text), "tcp://%0300d", 1);
	assert_int_equal(mb_url_parse(text, &url, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_that_are_right_are_taken),
		cmocka_unit_test(points_that_are_wrong_say_what_is_allowed),
		cmocka_unit_test(connections_are_checked_where_they_stand),
		cmocka_unit_test(serial_lines_are_checked_where_they_stand),
		cmocka_unit_test(a_line_without_the_time_is_refused_with_the_number),
		cmocka_unit_test(a_line_with_little_time_is_warned_of),
		cmocka_unit_test(a_timeout_shorter_than_the_longest_answer_is_refused),
		cmocka_unit_test(a_word_order_of_the_device_is_one_of_two),
		cmocka_unit_test(a_unit_identifier_is_required_and_a_byte),
		cmocka_unit_test(the_stricter_limit_of_line_and_device_holds),
		cmocka_unit_test(a_device_asked_too_often_is_refused_with_the_numbers),
		cmocka_unit_test(a_serial_section_takes_the_rest_from_the_source),
		cmocka_unit_test(urls_have_one_spelling),
		cmocka_unit_test(other_urls_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
