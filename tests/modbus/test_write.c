/*
 * Writing: values to registers and back, the frames of functions 5, 6, 15 and 16, and the whole plugin against a
 * device that takes a write, refuses it, ignores it, lies about it or changes it.
 */
#include "tests/base/fake_core.h"

#include <fcntl.h>

#include "plugins/modbus/encode.h"
#include "plugins/modbus/frame.h"
#include "plugins/modbus/source.h"
#include "tests/modbus/scripted_server.h"

/* ---- values ---- */

static void what_is_encoded_is_decoded_again(void **state)
{
	static const struct {
		struct mb_form form;
		struct gw_value v;
		uint8_t bytes[8];
	} cases[] = {
		{ { .type = MB_U16 }, { .kind = GW_U64, .u = 0x1234 }, { 0x12, 0x34 } },
		{ { .type = MB_U16, .byte_little = true }, { .kind = GW_U64, .u = 0x1234 }, { 0x34, 0x12 } },
		{ { .type = MB_I16 }, { .kind = GW_I64, .i = -2 }, { 0xff, 0xfe } },
		{ { .type = MB_BOOL }, { .kind = GW_BOOL, .b = true }, { 0, 1 } },
		{ { .type = MB_U32 }, { .kind = GW_U64, .u = 0x12345678 }, { 0x12, 0x34, 0x56, 0x78 } },
		{ { .type = MB_U32, .word_little = true }, { .kind = GW_U64, .u = 0x12345678 }, { 0x56, 0x78, 0x12, 0x34 } },
		{ { .type = MB_I32, .word_little = true, .byte_little = true }, { .kind = GW_I64, .i = -2 },
		  { 0xfe, 0xff, 0xff, 0xff } },
		{ { .type = MB_U64 }, { .kind = GW_U64, .u = UINT64_MAX }, { 255, 255, 255, 255, 255, 255, 255, 255 } },
		{ { .type = MB_I64, .word_little = true }, { .kind = GW_I64, .i = INT64_MIN }, { 0, 0, 0, 0, 0, 0, 0x80, 0 } },
		{ { .type = MB_F32 }, { .kind = GW_F32, .f = 1 }, { 0x3f, 0x80, 0, 0 } },
		{ { .type = MB_F32, .word_little = true }, { .kind = GW_F32, .f = 1 }, { 0, 0, 0x3f, 0x80 } },
		{ { .type = MB_F64 }, { .kind = GW_F64, .f = 1.5 }, { 0x3f, 0xf8 } },
		{ { .type = MB_BCD16 }, { .kind = GW_U64, .u = 1234 }, { 0x12, 0x34 } },
		{ { .type = MB_BCD32 }, { .kind = GW_U64, .u = 12345678 }, { 0x12, 0x34, 0x56, 0x78 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[8] = { 0 };
		struct gw_value back;
		struct gw_err err;

		if (mb_encode(&cases[i].form, &cases[i].v, out, &err))
			fail_msg("%zu: %s", i, err.msg);
		assert_memory_equal(out, cases[i].bytes, 2 * mb_form_width(&cases[i].form));
		back = mb_decode(&cases[i].form, out, 0, NULL);
		assert_int_equal(back.kind, cases[i].v.kind);
		assert_true(back.u == cases[i].v.u || back.kind == GW_BOOL);
	}
}

static void a_text_fills_up_with_nul(void **state)
{
	struct mb_form f = { .type = MB_STRING, .registers = 3 }, swapped = f;
	struct gw_value v = { .kind = GW_TEXT, .text = "ABC", .length = 3 };
	uint8_t out[6];
	struct gw_err err;

	(void)state;
	assert_int_equal(mb_encode(&f, &v, out, &err), 0);
	assert_memory_equal(out, "ABC\0\0\0", 6);
	swapped.byte_little = true;
	assert_int_equal(mb_encode(&swapped, &v, out, &err), 0);
	assert_memory_equal(out, "BA\0C\0\0", 6);
	swapped = (struct mb_form){ .type = MB_STRING, .registers = 3, .characters = MB_LOW };
	assert_int_equal(mb_encode(&swapped, &v, out, &err), 0);
	assert_memory_equal(out, "\0A\0B\0C", 6);
	swapped.characters = MB_HIGH;
	v.length = 2;
	assert_int_equal(mb_encode(&swapped, &v, out, &err), 0);
	assert_memory_equal(out, "A\0B\0\0\0", 6);
	v = (struct gw_value){ .kind = GW_TEXT, .text = "ABCDEFG", .length = 7 };
	assert_int_equal(mb_encode(&f, &v, out, &err), -1);
	assert_string_equal(err.msg, "the text has 7 bytes, 3 registers hold 6");
	assert_int_equal(mb_encode(&swapped, &v, out, &err), -1);
	assert_string_equal(err.msg, "the text has 7 bytes, 3 registers hold 3");
}

static void what_does_not_fit_is_refused(void **state)
{
	static const struct {
		enum mb_type type;
		struct gw_value v;
		const char *want;
	} cases[] = {
		{ MB_U16, { .kind = GW_U64, .u = 65536 }, "the value does not fit a u16" },
		{ MB_I16, { .kind = GW_I64, .i = 32768 }, "the value does not fit a i16" },
		{ MB_I16, { .kind = GW_I64, .i = -32769 }, "the value does not fit a i16" },
		{ MB_BCD16, { .kind = GW_U64, .u = 10000 }, "the value does not fit a bcd16" },
		{ MB_BCD32, { .kind = GW_U64, .u = 100000000 }, "the value does not fit a bcd32" },
		{ MB_U32, { .kind = GW_F64, .f = 1 }, "the value does not fit a u32" },
		{ MB_BOOL, { .kind = GW_U64, .u = 1 }, "the value does not fit a bool" },
	};
	uint8_t out[8];
	struct gw_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mb_form f = { .type = cases[i].type };

		assert_int_equal(mb_encode(&f, &cases[i].v, out, &err), -1);
		assert_string_equal(err.msg, cases[i].want);
	}
}

/* ---- frames ---- */

static void writing_requests_are_those_of_the_standard(void **state)
{
	static const uint8_t data[] = { 0x00, 0x0a, 0x01, 0x02 }, bits[] = { 0x01 };
	static const struct {
		struct mb_query q;
		uint8_t bytes[20];
		size_t size;
	} cases[] = {
		{ { .transaction = 1, .unit = 17, .function = 5, .address = 172, .count = 0xff00 },
		  { 0, 1, 0, 0, 0, 6, 17, 5, 0, 172, 0xff, 0 }, 12 },
		{ { .transaction = 1, .unit = 17, .function = 6, .address = 1, .count = 3 },
		  { 0, 1, 0, 0, 0, 6, 17, 6, 0, 1, 0, 3 }, 12 },
		{ { .transaction = 1, .unit = 17, .function = 15, .address = 19, .count = 1, .data = bits, .size = 1 },
		  { 0, 1, 0, 0, 0, 8, 17, 15, 0, 19, 0, 1, 1, 1 }, 14 },
		{ { .transaction = 1, .unit = 17, .function = 16, .address = 1, .count = 2, .data = data, .size = 4 },
		  { 0, 1, 0, 0, 0, 11, 17, 16, 0, 1, 0, 2, 4, 0, 10, 1, 2 }, 17 },
	};
	uint8_t out[MB_FRAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mb_frame_build(out, &cases[i].q), cases[i].size);
		assert_memory_equal(out, cases[i].bytes, cases[i].size);
	}
}

static enum mb_verdict judged(uint8_t function, const uint8_t *answer, size_t n)
{
	struct mb_query q = { .transaction = 1, .unit = 17, .function = function, .address = 1, .count = 2 };

	return mb_frame_parse(answer, n, &q).verdict;
}

static void a_confirmation_repeats_the_request(void **state)
{
	static const uint8_t right[] = { 0, 1, 0, 0, 0, 6, 17, 16, 0, 1, 0, 2 };
	static const uint8_t address[] = { 0, 1, 0, 0, 0, 6, 17, 16, 0, 2, 0, 2 };
	static const uint8_t count[] = { 0, 1, 0, 0, 0, 6, 17, 16, 0, 1, 0, 1 };
	static const uint8_t brief[] = { 0, 1, 0, 0, 0, 5, 17, 16, 0, 1, 0 };
	static const uint8_t refusal[] = { 0, 1, 0, 0, 0, 3, 17, 0x90, 2 };

	(void)state;
	assert_int_equal(judged(16, right, sizeof(right)), MB_DATA);
	assert_int_equal(judged(16, address, sizeof(address)), MB_WRONG);
	assert_int_equal(judged(16, count, sizeof(count)), MB_WRONG);
	assert_int_equal(judged(16, brief, sizeof(brief)), MB_WRONG);
	assert_int_equal(judged(16, refusal, sizeof(refusal)), MB_EXCEPTION);
	assert_int_equal(judged(6, right, sizeof(right)), MB_WRONG);
	for (size_t n = 0; n < sizeof(right); n++)
		assert_int_equal(judged(16, right, n), MB_PARTIAL);
}

/* ---- the whole plugin ---- */

enum mood { TAKES, REFUSES, IGNORES, HIDES, CHANGES, DELAYS, MISTAKES, BARGAINS, HANGS_UP };

static struct device {
	uint16_t words[100];
	bool coils[100];
	enum mood mood;
	unsigned writes, reads;
	uint8_t last_function;
} device;

static void answer_read(struct server *s, const uint8_t *q)
{
	unsigned address = (unsigned)(q[8] << 8 | q[9]), n = q[11];
	uint8_t a[SERVER_FRAME] = { q[0], q[1], 0, 0, 0, 0, q[6], q[7] };
	unsigned size = q[7] < 3 ? (n + 7) / 8 : 2 * n;

	device.reads++;
	a[5] = (uint8_t)(3 + size);
	a[8] = (uint8_t)size;
	for (unsigned i = 0; i < n; i++) {
		a[9 + i / 8] |= (uint8_t)(q[7] < 3 ? device.coils[address + i] << i % 8 : 0);
		if (q[7] < 3)
			continue;
		a[9 + 2 * i] = (uint8_t)(device.words[address + i] >> 8);
		a[10 + 2 * i] = (uint8_t)device.words[address + i];
	}
	if (device.mood == DELAYS && device.writes && device.reads == 1) /* from now on it has it */
		device.words[10] = device.words[99];
	server_send(s, a, 9 + size);
}

static void take(const uint8_t *q)
{
	unsigned address = (unsigned)(q[8] << 8 | q[9]);

	if (q[7] == 5)
		device.coils[address] = q[10] == 0xff;
	else if (q[7] == 15)
		device.coils[address] = q[13] & 1;
	else if (q[7] == 6)
		device.words[address] = (uint16_t)(q[10] << 8 | q[11]);
	else
		for (unsigned i = 0; i < q[11]; i++)
			device.words[address + i] = (uint16_t)(q[13 + 2 * i] << 8 | q[14 + 2 * i]);
}

static void answer_write(struct server *s, const uint8_t *q)
{
	uint8_t a[12];

	device.writes++;
	device.last_function = q[7];
	if (device.mood == REFUSES) {
		server_exception(s, q, 3);
		return;
	}
	if (device.mood == DELAYS)
		device.words[99] = (uint16_t)(q[10] << 8 | q[11]), device.reads = 0;
	else if (device.mood != IGNORES)
		take(q);
	if (device.mood == CHANGES)
		device.words[10]--;
	if (device.mood == HANGS_UP)
		server_close(s, false);
	if (device.mood == HIDES || device.mood == IGNORES || device.mood == HANGS_UP)
		return; /* no confirmation */
	memcpy(a, q, sizeof(a));
	a[5] = 6;
	a[9] ^= device.mood == MISTAKES;
	a[11] ^= device.mood == BARGAINS;
	server_send(s, a, sizeof(a));
}

static void answer(struct server *s, const uint8_t *q, unsigned seen)
{
	(void)seen;
	(q[7] <= 4 ? answer_read : answer_write)(s, q);
}

struct plant {
	struct fake_core core;
	struct server *server;
	uint32_t number;
};

static void open_plant(struct plant *p)
{
	char yaml[1024];

	*p = (struct plant){ 0 };
	device = (struct device){ .words = { [10] = 400 } };
	fake_core_source(&p->core, &mb_source);
	p->server = server_new(p->core.loop, 0, answer);
	snprintf(yaml, sizeof(yaml),
		 "plugin: modbus\nconnection: tcp://127.0.0.1:%u\ninterval: 1h\ntimeout: 100ms\nretries: 1\ndevices:\n"
		 "  pump: {unit_id: 1, points: {\n"
		 "    setpoint: {address: 10, writable: true},\n"
		 "    flow: {address: 20, type: f32, writable: true},\n"
		 "    run: {address: 0, table: coil, writable: true},\n"
		 "    stop: {address: 1, table: coil, writable: true, write_function: 15},\n"
		 "    many: {address: 30, writable: true, write_function: 16},\n"
		 "    name: {address: 40, type: string, length: 4, writable: true},\n"
		 "    fixed: {address: 11}}}\n", p->server->port);
	if (fake_core_configure(&p->core, "pump-house", yaml))
		fail_msg("%s", p->core.problems[0]);
	fake_core_start(&p->core, gw_now_us());
	fake_core_reading(&p->core);
}

static void close_plant(struct plant *p)
{
	fake_core_say(&p->core, GW_MSG_STOP);
	assert_int_equal(fake_core_exit_code(&p->core), 0);
	server_free(p->server);
	fake_core_close(&p->core);
}

static const struct gw_msg_written *written(struct plant *p, unsigned point, enum gw_kind kind, uint64_t slot)
{
	struct gw_message m = { .type = GW_MSG_WRITE };
	const struct gw_msg_written *w;

	m.write = (struct gw_msg_write){ .number = ++p->number, .point = (uint16_t)point, .kind = (uint8_t)kind,
					 .slot = slot };
	if (kind == GW_TEXT)
		m.write.text = gw_str("Bom 1");
	fake_core_send(&p->core, &m);
	w = &fake_core_take(&p->core, GW_MSG_WRITTEN)->written;
	assert_int_equal(w->number, p->number);
	return w;
}

static void assert_said(const struct gw_msg_written *w, enum gw_write_result result, const char *reason)
{
	char text[200];

	snprintf(text, sizeof(text), "%.*s", (int)w->reason.n, w->reason.n ? w->reason.s : "");
	assert_string_equal(text, reason);
	assert_int_equal(w->result, result);
}

static void each_function_writes_and_reads_back(void **state)
{
	const struct gw_msg_written *w;
	struct plant p;
	double flow = 12.5;
	uint64_t slot;

	(void)state;
	open_plant(&p);
	w = written(&p, 0, GW_U64, 425);
	assert_said(w, GW_WRITE_DONE, "");
	assert_int_equal(w->kind, GW_U64);
	assert_int_equal(w->slot, 425);
	assert_int_equal(device.words[10], 425);
	assert_int_equal(device.last_function, 6);

	memcpy(&slot, &flow, sizeof(slot));
	w = written(&p, 1, GW_F32, slot);
	assert_said(w, GW_WRITE_DONE, "");
	assert_true(w->slot == slot);
	assert_int_equal(device.words[20], 0x4148);
	assert_int_equal(device.last_function, 16);

	assert_said(written(&p, 2, GW_BOOL, 1), GW_WRITE_DONE, "");
	assert_true(device.coils[0]);
	assert_int_equal(device.last_function, 5);
	assert_said(written(&p, 2, GW_BOOL, 0), GW_WRITE_DONE, "");
	assert_false(device.coils[0]);
	assert_said(written(&p, 3, GW_BOOL, 1), GW_WRITE_DONE, "");
	assert_true(device.coils[1]);
	assert_int_equal(device.last_function, 15);
	assert_said(written(&p, 4, GW_U64, 7), GW_WRITE_DONE, "");
	assert_int_equal(device.last_function, 16);
	assert_said(written(&p, 5, GW_TEXT, 0), GW_WRITE_DONE, "");
	assert_int_equal(device.words[40], 'B' << 8 | 'o');
	assert_int_equal(device.writes, 7);
	close_plant(&p);
}

static void each_way_of_failing_says_which_and_sends_once(void **state)
{
	static const struct {
		enum mood mood;
		const char *reason;
		uint64_t read_back;
	} cases[] = {
		{ REFUSES, "the device refused it (exception_3)", 400 },
		{ IGNORES, "no confirmation (timeout)", 400 },
		{ HIDES, "no confirmation (timeout)", 425 },
		{ CHANGES, "confirmed, but another value is read back", 424 },
		{ MISTAKES, "no confirmation (protocol)", 425 },
		{ BARGAINS, "the device confirmed another value", 425 },
		{ HANGS_UP, "no confirmation (no_connection)", 425 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct gw_msg_written *w;
		struct plant p;

		open_plant(&p);
		device.mood = cases[i].mood;
		w = written(&p, 0, GW_U64, 425);
		assert_said(w, GW_WRITE_FAILED, cases[i].reason);
		assert_int_equal(w->kind, GW_U64);
		assert_int_equal(w->slot, cases[i].read_back);
		assert_int_equal(device.writes, 1);
		close_plant(&p);
	}
}

static void a_device_that_takes_a_moment_is_looked_at_twice(void **state)
{
	struct plant p;

	(void)state;
	open_plant(&p);
	device.mood = DELAYS;
	assert_said(written(&p, 0, GW_U64, 425), GW_WRITE_DONE, "");
	assert_int_equal(device.writes, 1);
	close_plant(&p);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	struct plant p;

	(void)state;
	open_plant(&p);
	assert_said(written(&p, 0, GW_U64, 70000), GW_WRITE_REFUSED, "the value does not fit a u16");
	assert_said(written(&p, 6, GW_U64, 1), GW_WRITE_REFUSED, "the point is not writable");
	assert_said(written(&p, 99, GW_U64, 1), GW_WRITE_REFUSED, "the plugin cannot write this");
	assert_int_equal(device.writes, 0);
	gw_watch_stop(p.server->on_listener); /* nobody answers there any more */
	p.server->on_listener = NULL;
	close(p.server->listener);
	p.server->listener = open("/dev/null", O_RDONLY);
	server_close(p.server, true);
	assert_said(written(&p, 0, GW_U64, 1), GW_WRITE_REFUSED, "no_connection");
	close_plant(&p);
}

static void the_end_of_the_plugin_ends_a_write(void **state)
{
	struct gw_message m = { .type = GW_MSG_WRITE, .write = { .number = 1, .kind = GW_U64, .slot = 1 } };
	struct plant p;

	(void)state;
	open_plant(&p);
	device.mood = IGNORES;
	fake_core_send(&p.core, &m);
	while (!device.writes)
		fake_core_turn(&p.core);
	fake_core_say(&p.core, GW_MSG_STOP);
	assert_said(&fake_core_take(&p.core, GW_MSG_WRITTEN)->written, GW_WRITE_FAILED,
		    "the source ended before the device confirmed it");
	assert_int_equal(fake_core_exit_code(&p.core), 0);
	server_free(p.server);
	fake_core_close(&p.core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded_again),
		cmocka_unit_test(a_text_fills_up_with_nul),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(writing_requests_are_those_of_the_standard),
		cmocka_unit_test(a_confirmation_repeats_the_request),
		cmocka_unit_test(each_function_writes_and_reads_back),
		cmocka_unit_test(each_way_of_failing_says_which_and_sends_once),
		cmocka_unit_test(a_device_that_takes_a_moment_is_looked_at_twice),
		cmocka_unit_test(what_cannot_be_sent_is_refused),
		cmocka_unit_test(the_end_of_the_plugin_ends_a_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
