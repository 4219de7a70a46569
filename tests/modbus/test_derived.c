/*
 * Values that are more than their registers: BCD, "no value", counters as totals, scale factors; and
 * what a user reads when they are configured wrongly.
 */
#include "tests/base/fake_core.h"

#include <math.h>

#include "plugins/modbus/derive.h"
#include "plugins/modbus/novalue.h"
#include "plugins/modbus/source.h"
#include "tests/modbus/scripted_server.h"

/* ---- BCD and special values ---- */

static struct gw_value decode(struct mb_form f, const char *bytes)
{
	return mb_decode(&f, (const uint8_t *)bytes, 0, NULL);
}

static void digits_are_read_and_what_is_no_digit_is_no_value(void **state)
{
	struct mb_form one = { .type = MB_BCD16 }, two = { .type = MB_BCD32 };
	struct mb_form swapped = { .type = MB_BCD32, .word_little = true };
	struct gw_value v;

	(void)state;
	assert_int_equal(decode(one, "\x12\x34").u, 1234);
	assert_int_equal(decode(one, "\x99\x99").u, 9999);
	assert_int_equal(decode(one, "\0\0").u, 0);
	assert_int_equal(decode(two, "\x12\x34\x56\x78").u, 12345678);
	assert_int_equal(decode(swapped, "\x56\x78\x12\x34").u, 12345678);
	v = decode(one, "\x12\x3a");
	assert_int_equal(v.kind, GW_NONE);
	assert_int_equal(v.reason, GW_NOT_AVAILABLE);
	assert_int_equal(decode(two, "\xff\xff\xff\xff").kind, GW_NONE);
	assert_int_equal(mb_form_bits(&one), 16);
	assert_int_equal(mb_form_bits(&two), 32);
	assert_int_equal(mb_form_width(&two), 2);
}

static void a_pattern_that_means_none_is_no_value(void **state)
{
	static const struct {
		struct mb_form form;
		const char *none, *bytes;
	} cases[] = {
		{ { .type = MB_U16 }, "0xFFFF", "\xff\xff" },
		{ { .type = MB_U16 }, "65535", "\xff\xff" },
		{ { .type = MB_I16 }, "0x7fff", "\x7f\xff" },
		{ { .type = MB_I16 }, "32767", "\x7f\xff" },
		{ { .type = MB_I16 }, "-32768", "\x80\0" },
		{ { .type = MB_I16 }, "0x8000", "\x80\0" },
		{ { .type = MB_U32, .word_little = true }, "0x12345678", "\x56\x78\x12\x34" },
		{ { .type = MB_I32 }, "-1", "\xff\xff\xff\xff" },
		{ { .type = MB_U32, .word_little = true, .apart = 2 }, "0x12345678", "\x56\x78\0\0\x12\x34" },
		{ { .type = MB_U64 }, "18446744073709551615", "\xff\xff\xff\xff\xff\xff\xff\xff" },
		{ { .type = MB_I64 }, "-9223372036854775808", "\x80\0\0\0\0\0\0\0" },
		{ { .type = MB_F32 }, "0x7FC00000", "\x7f\xc0\0\0" },
		{ { .type = MB_F32 }, "-9999", "\xc6\x1c\x3c\0" },
		{ { .type = MB_F64 }, "1.5", "\x3f\xf8\0\0\0\0\0\0" },
		{ { .type = MB_BCD16 }, "9999", "\x99\x99" },
		{ { .type = MB_BCD16 }, "0xFFFF", "\xff\xff" },
		{ { .type = MB_U16, .start = 4, .length = 3 }, "7", "\0\x70" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mb_form f = cases[i].form;
		struct mb_none none;
		struct gw_err err;
		struct gw_value v;

		if (mb_no_value(&f, cases[i].none, &none, &err))
			fail_msg("%s", err.msg);
		f.none = &none;
		f.nnone = 1;
		v = decode(f, cases[i].bytes);
		assert_int_equal(v.kind, GW_NONE);
		assert_int_equal(v.reason, GW_NOT_AVAILABLE);
		assert_int_equal(decode(f, "\x11\x11\x11\x11\x11\x11\x11\x11").reason, GW_GOOD);
	}
}

static bool is_none(struct mb_form f, const char *text, const char *bytes)
{
	struct mb_none none;
	struct gw_err err;

	if (mb_no_value(&f, text, &none, &err))
		fail_msg("%s", err.msg);
	f.none = &none;
	f.nnone = 1;
	return decode(f, bytes).kind == GW_NONE;
}

/* Of each range the first and the last, and the neighbours outside. */
static void a_range_means_none_in_the_order_of_the_type(void **state)
{
	static const struct {
		struct mb_form form;
		const char *range, *from, *to, *below, *above;
	} cases[] = {
		{ { .type = MB_U16 }, "65528..65535", "\xff\xf8", "\xff\xff", "\xff\xf7", "\0\0" },
		{ { .type = MB_U16 }, "65000..0xFFFF", "\xfd\xe8", "\xff\xff", "\xfd\xe7", "\x7f\xff" },
		{ { .type = MB_I16 }, "0x7FF8..0x7FFF", "\x7f\xf8", "\x7f\xff", "\x7f\xf7", "\x80\0" },
		{ { .type = MB_I16 }, "-2..1", "\xff\xfe", "\0\1", "\xff\xfd", "\0\2" },
		{ { .type = MB_I32, .word_little = true }, "2147483640..2147483647", "\xff\xf8\x7f\xff",
		  "\xff\xff\x7f\xff", "\xff\xf7\x7f\xff", "\0\0\x80\0" },
		{ { .type = MB_U64 }, "0xFFFFFFFFFFFFFFF8..0xFFFFFFFFFFFFFFFF", "\xff\xff\xff\xff\xff\xff\xff\xf8",
		  "\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xf7", "\0\0\0\0\0\0\0\0" },
		/* -3.4028235e38 is the lowest there is; a negative float falls as its bits rise */
		{ { .type = MB_F32 }, "-3.4028235e38..-1e38", "\xff\x7f\xff\xff", "\xfe\x96\x76\x99", "\xff\x80\0\0",
		  "\xfe\x96\x76\x98" },
		{ { .type = MB_F32 }, "-1..1", "\xbf\x80\0\0", "\x3f\x80\0\0", "\xbf\x80\0\1", "\x3f\x80\0\1" },
		{ { .type = MB_BCD16 }, "9990..9999", "\x99\x90", "\x99\x99", "\x99\x89", "\0\0" },
		{ { .type = MB_U16, .start = 4, .length = 3 }, "6..7", "\0\x60", "\0\x70", "\0\x50", "\0\0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(is_none(cases[i].form, cases[i].range, cases[i].from));
		assert_true(is_none(cases[i].form, cases[i].range, cases[i].to));
		assert_false(is_none(cases[i].form, cases[i].range, cases[i].below));
		assert_false(is_none(cases[i].form, cases[i].range, cases[i].above));
	}
}

/* A battery that is not there: the lowest float, low word first on the wire. */
static void the_lowest_float_may_mean_none(void **state)
{
	struct mb_form f = { .type = MB_F32, .word_little = true };

	(void)state;
	assert_true(is_none(f, "0xFF7FFFFF", "\xff\xff\xff\x7f"));
	assert_true(is_none(f, "-3.4028235e38", "\xff\xff\xff\x7f"));
	assert_false(is_none(f, "0xFF7FFFFF", "\xff\xfe\xff\x7f"));
}

/* ---- counters ---- */

static uint64_t after(unsigned bits, const uint64_t *raw, size_t n)
{
	struct mb_counter c = { .bits = (uint8_t)bits };

	for (size_t i = 0; i < n; i++)
		mb_counter_take(&c, raw[i]);
	return c.total;
}
#define AFTER(bits, ...) \
	after(bits, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void a_total_goes_on_where_the_counter_begins_again(void **state)
{
	(void)state;
	assert_int_equal(AFTER(16, 100), 100);
	assert_int_equal(AFTER(16, 100, 100, 250), 250);
	assert_int_equal(AFTER(16, 65530, 4), 65540);
	assert_int_equal(AFTER(16, 65535, 0), 65536);
	assert_int_equal(AFTER(16, 65535, 0, 65535, 0), 131072);
	assert_int_equal(AFTER(32, 4294967290, 10), 4294967306);
	assert_int_equal(AFTER(32, 4294967295, 0), 4294967296);
	assert_true(AFTER(64, UINT64_MAX - 1, 1) == 1); /* a total has 64 bits too */
}

static void a_small_fall_is_a_reset_and_never_lowers_the_total(void **state)
{
	struct mb_counter c = { .bits = 16 };

	(void)state;
	assert_int_equal(mb_counter_take(&c, 5000), MB_COUNTED);
	assert_int_equal(mb_counter_take(&c, 0), MB_RESET);
	assert_int_equal(c.total, 5000);
	assert_int_equal(mb_counter_take(&c, 7), MB_COUNTED);
	assert_int_equal(c.total, 5007);
	assert_int_equal(mb_counter_take(&c, 40000), MB_COUNTED); /* a great step is believed */
	assert_int_equal(mb_counter_take(&c, 40000 - 32768), MB_RESET);
	assert_int_equal(c.total, 45000);
	assert_int_equal(mb_counter_take(&c, 50000), MB_COUNTED);
	assert_int_equal(mb_counter_take(&c, 50000 - 32769), MB_ROLLED_OVER);
}

/* A meter of 16 and 32 bits that counts for days, with restarts of ours in between. */
static void totals_equal_the_truth_over_rollovers_and_restarts(void **state)
{
	static const unsigned sizes[] = { 16, 32 };
	char kept[128];

	(void)state;
	for (size_t s = 0; s < 2; s++) {
		struct mb_counter c = { .bits = (uint8_t)sizes[s] };
		uint64_t most = (UINT64_C(1) << sizes[s]) - 1, truth = most / 2;
		uint32_t dice = 1;

		for (unsigned i = 0; i < 10000; i++) {
			dice = dice * 1664525 + 1013904223;
			truth += dice % (most / 4);
			mb_counter_take(&c, truth & most);
			assert_true(c.total == truth);
			if (dice % 97 == 0) {
				size_t n = mb_counter_save(&c, "d/p", kept, sizeof(kept));

				c = (struct mb_counter){ .bits = (uint8_t)sizes[s] };
				truth += most / 5; /* while we were not there */
				assert_true(mb_counter_load(&c, "d/p", kept, n));
			}
		}
	}
}

static void what_is_remembered_of_another_counter_is_refused(void **state)
{
	static const char good[] = "1 32 10 20 d/p";
	static const char *const bad[] = { "1 32 10 20 d/q", "1 16 10 20 d/p", "2 32 10 20 d/p", "1 32 10", "",
					   "1 32 x 20 d/p", "1 32 10 20 d/p " };
	struct mb_counter c = { .bits = 32 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(mb_counter_load(&c, "d/p", bad[i], strlen(bad[i])));
	assert_false(c.known);
	assert_true(mb_counter_load(&c, "d/p", good, strlen(good)));
	assert_int_equal(c.last, 10);
	assert_int_equal(c.total, 20);
}

/* ---- scale factors ---- */

static double scaled(int64_t raw, int64_t factor)
{
	struct gw_value v = { .kind = GW_I64, .i = raw }, e = { .kind = GW_I64, .i = factor };
	struct gw_value out = mb_join(MB_POWER, &v, &e);

	return out.kind == GW_F64 ? out.f : NAN;
}

static void a_scaled_value_is_the_nearest_double(void **state)
{
	struct gw_value v = { .kind = GW_U64, .u = UINT64_MAX }, e = { .kind = GW_I64, .i = -3 };
	struct gw_value gone = { .kind = GW_NONE, .reason = GW_TIMEOUT };

	(void)state;
	assert_true(scaled(2301, -1) == 230.1);
	assert_true(scaled(-2301, -1) == -230.1);
	assert_true(scaled(1, -10) == 1e-10);
	assert_true(scaled(7, 0) == 7);
	assert_true(scaled(123, 3) == 123000);
	assert_true(scaled(INT64_MIN, 10) == -9223372036854775808e10);
	assert_true(scaled(9007199254740993, -1) == 900719925474099.3);
	assert_true(scaled(INT64_MAX, -10) == 922337203.6854775807);
	assert_true(mb_join(MB_POWER, &v, &e).f == 18446744073709551.615);
	assert_true(isnan(scaled(1, 11)) && isnan(scaled(1, -11)) && isnan(scaled(1, -32768)));
	assert_int_equal(mb_join(MB_POWER, &gone, &e).reason, GW_TIMEOUT);
	assert_int_equal(mb_join(MB_POWER, &v, &gone).reason, GW_TIMEOUT);
	e = (struct gw_value){ .kind = GW_U64, .u = 0x8000 };
	assert_int_equal(mb_join(MB_POWER, &v, &e).reason, GW_NOT_AVAILABLE);
}

/* ---- the whole plugin ---- */

static uint16_t registers[100];

static void answer_registers(struct server *s, const uint8_t *request, unsigned seen)
{
	unsigned address = (unsigned)(request[8] << 8 | request[9]), n = request[11];
	uint8_t answer[9 + 200] = { request[0], request[1], 0, 0, 0, (uint8_t)(3 + 2 * n), request[6],
				    request[7], (uint8_t)(2 * n) };

	(void)seen;
	for (unsigned i = 0; i < n; i++) {
		answer[9 + 2 * i] = (uint8_t)(registers[address + i] >> 8);
		answer[10 + 2 * i] = (uint8_t)registers[address + i];
	}
	server_send(s, answer, 9 + 2 * n);
}

struct plant {
	struct fake_core core;
	struct server *server;
};

static void configure_plant(struct plant *p, const char *points)
{
	char yaml[2048];

	fake_core_source(&p->core, &mb_source);
	p->server = server_new(p->core.loop, 0, answer_registers);
	snprintf(yaml, sizeof(yaml),
		 "plugin: modbus\nconnection: tcp://127.0.0.1:%u\ninterval: 50ms\ndevices:\n"
		 "  d: {unit_id: 1, points: {%s}}\n", p->server->port, points);
	if (fake_core_configure(&p->core, "solar", yaml))
		fail_msg("%s", p->core.problems[0]);
}

static struct gw_value value(const struct gw_reading *r, unsigned point)
{
	for (unsigned i = 0; i < r->count; i++)
		if (gw_tag_index(gw_reading_ctags(r)[i]) == point)
			return gw_reading_value(r, i);
	return (struct gw_value){ 0 };
}

/* Turns until the point has the value; readings may be under way from before. */
static void await(struct plant *p, unsigned point, uint64_t want)
{
	int64_t until_us = gw_now_us() + FAKE_CORE_DEADLINE_US;

	while (value(fake_core_reading(&p->core), point).u != want)
		if (gw_now_us() > until_us)
			fail_msg("point %u does not become %llu", point, (unsigned long long)want);
}

static void close_plant(struct plant *p)
{
	fake_core_say(&p->core, GW_MSG_STOP);
	assert_int_equal(fake_core_exit_code(&p->core), 0);
	server_free(p->server);
	fake_core_close(&p->core);
}

static void a_factor_far_away_scales_in_the_same_cycle(void **state)
{
	struct gw_message ask = { .type = GW_MSG_ASK, .ask = { .number = 1, .point = 1 } };
	const struct gw_reading *r;
	const struct gw_message *m;
	struct plant p;
	double d;

	(void)state;
	registers[0] = 2301;
	registers[50] = (uint16_t)-1;
	configure_plant(&p, "sf: {address: 50, type: i16}, v: {address: 0, scale_from: sf}, w: {address: 1, type: i16}");
	fake_core_start(&p.core, gw_now_us());
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 1).kind, GW_F64);
	assert_true(value(r, 1).f == 230.1);
	assert_int_equal(value(r, 0).i, -1);
	fake_core_send(&p.core, &ask);
	m = fake_core_take(&p.core, GW_MSG_ANSWER);
	memcpy(&d, &m->answer.slot, sizeof(d));
	assert_true(d == 230.1);
	registers[50] = 0x8000;
	do
		r = fake_core_reading(&p.core);
	while (value(r, 1).reason == GW_GOOD);
	assert_int_equal(value(r, 1).reason, GW_NOT_AVAILABLE);
	assert_int_equal(value(r, 2).reason, GW_GOOD);
	close_plant(&p);
}

static void decimals_in_another_register_divide_in_the_same_cycle(void **state)
{
	const struct gw_reading *r;
	struct plant p;

	(void)state;
	registers[0] = 721;
	registers[1] = 0x5502; /* a status above the decimals */
	registers[4] = (uint16_t)-15;
	registers[5] = 1;
	configure_plant(&p, "ph: {address: 0, decimals_from: places}, places: {address: 1, bits: {start: 0, length: 8}}, "
			"level: {address: 4, type: i16, decimals_from: d}, d: {address: 5, type: i16}");
	fake_core_start(&p.core, gw_now_us());
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 0).kind, GW_F64);
	assert_true(value(r, 0).f == 7.21);
	assert_int_equal(value(r, 1).u, 2);
	assert_true(value(r, 2).f == -1.5);
	registers[1] = 11;
	registers[5] = (uint16_t)-1; /* no number of decimals */
	do
		r = fake_core_reading(&p.core);
	while (value(r, 0).reason == GW_GOOD);
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 0).reason, GW_NOT_AVAILABLE);
	assert_int_equal(value(r, 2).reason, GW_NOT_AVAILABLE);
	close_plant(&p);
}

static void a_number_in_two_places_is_read_with_one_request(void **state)
{
	struct gw_message ask = { .type = GW_MSG_ASK, .ask = { .number = 1, .point = 0 } };
	const struct gw_message *m;
	const struct gw_reading *r;
	struct plant p;

	(void)state;
	registers[4] = 31072;
	registers[60] = (uint16_t)-2;
	configure_plant(&p, "power: {address: 4, high_address: 60, type: i32}, high: {address: 60, type: i16}");
	fake_core_start(&p.core, gw_now_us());
	r = fake_core_reading(&p.core);
	assert_int_equal(p.server->requests, 1);
	assert_int_equal(value(r, 0).kind, GW_I64);
	assert_int_equal(value(r, 0).i, -100000);
	assert_int_equal(value(r, 1).i, -2);
	fake_core_send(&p.core, &ask);
	m = fake_core_take(&p.core, GW_MSG_ANSWER);
	assert_int_equal((int64_t)m->answer.slot, -100000);
	close_plant(&p);
}

static void a_total_survives_rollover_and_restart(void **state)
{
	static const char *const points = "n: {address: 10, counter: {bits: 16}}";
	struct gw_message back = { .type = GW_MSG_STATE };
	char key[65], kept[4096];
	const struct gw_msg_state_put *put;
	struct plant p;

	(void)state;
	registers[10] = 65000;
	configure_plant(&p, points);
	fake_core_start(&p.core, gw_now_us());
	await(&p, 0, 65000);
	registers[10] = 10;
	await(&p, 0, 65546);
	fake_core_say(&p.core, GW_MSG_STOP);
	put = &fake_core_take(&p.core, GW_MSG_STATE_PUT)->state_put;
	assert_int_equal(fake_core_exit_code(&p.core), 0);
	snprintf(key, sizeof(key), "%.*s", (int)put->key.n, put->key.s);
	snprintf(kept, sizeof(kept), "%.*s", (int)put->value.n, put->value.s);
	assert_string_equal(kept, "1 16 10 65546 d/n");
	server_free(p.server);
	fake_core_close(&p.core);

	registers[10] = 30; /* it counted on meanwhile */
	configure_plant(&p, points);
	back.state.key = gw_str(key);
	back.state.value = gw_str(kept);
	fake_core_send(&p.core, &back);
	fake_core_start(&p.core, gw_now_us());
	assert_int_equal(value(fake_core_reading(&p.core), 0).u, 65566);
	close_plant(&p);
}

static void no_value_of_a_point_is_said_in_the_reading(void **state)
{
	const struct gw_reading *r;
	struct plant p;

	(void)state;
	registers[20] = 0x7fff;
	registers[21] = 0x1a;
	configure_plant(&p, "a: {address: 20, type: i16, no_value: [-1, 0x7FFF]}, b: {address: 21, type: bcd16}");
	fake_core_start(&p.core, gw_now_us());
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 0).reason, GW_NOT_AVAILABLE);
	assert_int_equal(value(r, 1).reason, GW_NOT_AVAILABLE);
	close_plant(&p);
}

/* ---- configured wrongly ---- */

static void check_points(const char *points, const char *want)
{
	struct fake_core c;
	char yaml[1024];
	unsigned n;

	fake_core_source(&c, &mb_source);
	snprintf(yaml, sizeof(yaml),
		 "plugin: modbus\nconnection: tcp://127.0.0.1:1502\ninterval: 1s\ndevices:\n"
		 "  d: {unit_id: 1, points: {\n%s}}\n", points);
	n = fake_core_configure(&c, "solar", yaml);
	if (want)
		assert_string_equal(n ? c.problems[0] : "", want);
	else if (n)
		fail_msg("not expected: %s", c.problems[0]);
	assert_int_equal(n, want != NULL);
	fake_core_close(&c);
}

#define AT_X(column) "gw.yaml:6:" column ": devices.d.points.x."

static void special_keys_that_are_right_are_taken(void **state)
{
	static const char *const right[] = {
		"x: {address: 1, type: bcd32, no_value: 0xFFFFFFFF}",
		"x: {address: 1, no_value: [0, 1, 2]}",
		"x: {address: 1, type: u32, counter: {bits: 16}}",
		"x: {address: 1, scale_from: y}, y: {address: 2, type: i16}",
		"x: {address: 1, type: i32, decimals_from: y}, y: {address: 2}",
		"x: {address: 604, high_address: 700, type: i32, scale: 10}",
		"x: {address: 700, high_address: 604, type: u32, counter: {bits: 32}}",
		"x: {address: 1, no_value: [65000..65535, 0xFFF8..0xFFFF, 3]}",
		"x: {address: 1, type: f32, no_value: -9999.5..-9999}",
		"x: {address: 1, type: string, length: 3, characters: low}",
		"x: {address: 1, writable: true}",
		"x: {address: 1, writable: true, write_function: 16}",
		"x: {address: 1, type: f32, writable: true}",
		"x: {address: 1, table: coil, writable: true, write_function: 15}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		check_points(right[i], NULL);
}

static void special_keys_that_are_wrong_say_what_is_allowed(void **state)
{
	static const struct {
		const char *points, *want;
	} cases[] = {
		{ "x: {address: 1, no_value: [65536]}",
		  AT_X("28") "no_value: '65536' is beyond the type; a u16 reaches from 0 to 65535" },
		{ "x: {address: 1, type: i16, no_value: [-32769]}",
		  AT_X("39") "no_value: '-32769' is beyond the type; a i16 reaches from -32768 to 32767" },
		{ "x: {address: 1, no_value: [-1]}",
		  AT_X("28") "no_value: '-1' is beyond the type; a u16 reaches from 0 to 65535" },
		{ "x: {address: 1, no_value: 0x1FFFF}",
		  AT_X("27") "no_value: '0x1FFFF' has more than the value's 16 bits" },
		{ "x: {address: 1, type: f32, no_value: off}",
		  AT_X("38") "no_value: 'off' is not a number, nor bits such as 0x7FC00000" },
		{ "x: {address: 1, no_value: {a: 1}}", AT_X("27") "no_value: takes raw values, for example [0x7FFF]" },
		{ "x: {address: 1, type: string, length: 2, no_value: 0}",
		  AT_X("52") "no_value: a string has no raw value to spare" },
		{ "x: {address: 1, type: i32, counter: {bits: 32}}",
		  AT_X("37") "counter: counts in whole numbers without a sign; allowed types: u16 u32 u64" },
		{ "x: {address: 1, counter: {bits: 32}}",
		  AT_X("26") "counter: begins again at 32 bits, but a u16 has 16" },
		{ "x: {address: 1, type: f32, scale_from: y}, y: {address: 9}",
		  AT_X("40") "scale_from: scales whole numbers; allowed types: u16 i16 u32 i32 u64 i64" },
		{ "x: {address: 1, counter: {bits: 16}, scale_from: y}, y: {address: 9}",
		  AT_X("50") "scale_from: a counter's total cannot follow a factor that may change; use `scale`" },
		{ "x: {address: 1, scale_from: level_sg}, level_sf: {address: 9}",
		  AT_X("29") "scale_from: this device has no point 'level_sg'; did you mean 'level_sf'?" },
		{ "x: {address: 1, scale_from: y}, y: {address: 9, type: f32}",
		  AT_X("29") "scale_from: 'y' is no plain whole number, so it cannot be a power of ten" },
		{ "x: {address: 1, scale_from: y}, y: {address: 9, interval: 1h}",
		  AT_X("29") "scale_from: 'y' is read every 3600000 ms and this point every 1000 ms; they must be read "
			     "together" },
		{ "x: {address: 1, no_value: [9..7]}", AT_X("28") "no_value: '9..7' ends before it begins" },
		{ "x: {address: 1, no_value: 7..}", AT_X("27") "no_value: '' is not a whole number, decimal or with 0x" },
		{ "x: {address: 1, no_value: 7..65536}",
		  AT_X("27") "no_value: '65536' is beyond the type; a u16 reaches from 0 to 65535" },
		{ "x: {address: 1, type: i16, no_value: 0x7FFF..0x8000}",
		  AT_X("38") "no_value: '0x7FFF..0x8000' ends before it begins" },
		{ "x: {address: 1, characters: low}", AT_X("29") "characters: only a string has characters" },
		{ "x: {address: 1, decimals_from: y}, y: {address: 9, type: f32}",
		  AT_X("32") "decimals_from: 'y' is no plain whole number, so it cannot be a number of decimals" },
		{ "x: {address: 1, decimals_from: y, scale_from: y}, y: {address: 9}",
		  AT_X("32") "decimals_from: `scale_from` is given too; one of them is enough" },
		{ "x: {address: 1, counter: {bits: 16}, decimals_from: y}, y: {address: 9}",
		  AT_X("53") "decimals_from: a counter's total cannot follow decimals that may change; use `scale`" },
		{ "x: {address: 1, high_address: 9}",
		  AT_X("31") "high_address: splits numbers of 32 bits; allowed types: u32 i32" },
		{ "x: {address: 1, high_address: 1, type: i32}",
		  AT_X("31") "high_address: goes with another `address`, that of the lower 16 bits" },
		{ "x: {reference: 40001, high_address: 1, type: i32}",
		  AT_X("37") "high_address: goes with another `address`, that of the lower 16 bits" },
		{ "x: {address: 1, high_address: 9, type: i32, word_order: little}",
		  AT_X("57") "word_order: follows from `high_address`; leave it out" },
		{ "x: {address: 1, high_address: 126, type: i32}",
		  AT_X("31") "high_address: takes 126 registers, but the device gives at most 125 (max_registers)" },
		{ "x: {address: 1, high_address: 9, type: i32, writable: true}",
		  AT_X("55") "writable: a value in two places cannot be written, as that takes two requests" },
		{ "x: {address: 1, decimals_from: y, writable: true}, y: {address: 9}",
		  AT_X("45") "writable: a value with `decimals_from` cannot be written, as they may change; use `scale`" },
		{ "x: {address: 1, table: input, writable: true}",
		  AT_X("41") "writable: the device lets nobody write there; only coils and holding registers can be "
			     "written" },
		{ "x: {address: 1, bit: 3, writable: true}",
		  AT_X("35") "writable: writing some bits would overwrite the others of the register; write the whole "
			     "register" },
		{ "x: {address: 1, counter: {bits: 16}, writable: true}",
		  AT_X("48") "writable: a counter's total cannot be written" },
		{ "x: {address: 1, type: u32, writable: true, write_function: 6}",
		  AT_X("60") "write_function: 6 writes one register, this value takes 2; use 16" },
		{ "x: {address: 1, writable: true, write_function: 5}",
		  AT_X("49") "write_function: registers are written with 6 or 16" },
		{ "x: {address: 1, table: coil, writable: true, write_function: 6}",
		  AT_X("62") "write_function: a coil is written with 5 or 15" },
		{ "x: {address: 1, write_function: 6}",
		  AT_X("33") "write_function: has a meaning only with `writable: true`" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_points(cases[i].points, cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_are_read_and_what_is_no_digit_is_no_value),
		cmocka_unit_test(a_pattern_that_means_none_is_no_value),
		cmocka_unit_test(a_range_means_none_in_the_order_of_the_type),
		cmocka_unit_test(the_lowest_float_may_mean_none),
		cmocka_unit_test(a_total_goes_on_where_the_counter_begins_again),
		cmocka_unit_test(a_small_fall_is_a_reset_and_never_lowers_the_total),
		cmocka_unit_test(totals_equal_the_truth_over_rollovers_and_restarts),
		cmocka_unit_test(what_is_remembered_of_another_counter_is_refused),
		cmocka_unit_test(a_scaled_value_is_the_nearest_double),
		cmocka_unit_test(a_factor_far_away_scales_in_the_same_cycle),
		cmocka_unit_test(decimals_in_another_register_divide_in_the_same_cycle),
		cmocka_unit_test(a_number_in_two_places_is_read_with_one_request),
		cmocka_unit_test(a_total_survives_rollover_and_restart),
		cmocka_unit_test(no_value_of_a_point_is_said_in_the_reading),
		cmocka_unit_test(special_keys_that_are_right_are_taken),
		cmocka_unit_test(special_keys_that_are_wrong_say_what_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
