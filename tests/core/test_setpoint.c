/*
 * test_setpoint.c - values to be written, back through scale, offset and unit to raw values; what is refused,
 * word for word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "core/setpoint.h"

#define D(m, p) { (m), (p) }
#define ONE .scale = D(1, 0)

static const char *said(const struct gw_point_spec *spec, const char *text)
{
	struct gw_normaliser *n = gw_normaliser_new(spec, 1);
	static char out[600];
	struct gw_value raw = { 0 };
	struct gw_err err;

	if (gw_setpoint(n, 0, spec, text, &raw, &err) != 0)
		snprintf(out, sizeof(out), "%s", err.msg);
	else if (raw.kind == GW_TEXT)
		snprintf(out, sizeof(out), "\"%.*s\"", (int)raw.length, raw.text);
	else if (raw.kind == GW_BOOL)
		snprintf(out, sizeof(out), "%s", raw.b ? "true" : "false");
	else if (raw.kind == GW_I64)
		snprintf(out, sizeof(out), "i %lld", (long long)raw.i);
	else if (raw.kind == GW_U64)
		snprintf(out, sizeof(out), "u %llu", (unsigned long long)raw.u);
	else
		snprintf(out, sizeof(out), "f %.17g", raw.f);
	gw_normaliser_free(n);
	return out;
}

struct order {
	struct gw_point_spec spec;
	const char *text, *want;
};

static void check(const struct order *orders, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(said(&orders[i].spec, orders[i].text), orders[i].want);
}
#define CHECK(orders) check(orders, sizeof(orders) / sizeof((orders)[0]))

#define TENTHS .kind = GW_U64, .bits = 16, .scale = D(1, 1)

static void a_value_goes_back_through_scale_and_offset_exactly(void **state)
{
	static const struct order orders[] = {
		{ { .kind = GW_U64, .bits = 16, ONE }, "42", "u 42" },
		{ { .kind = GW_U64, .bits = 16, ONE }, "42.0", "u 42" },
		{ { .kind = GW_U64, .bits = 16, ONE }, "4.2e1", "u 42" },
		{ { TENTHS }, "42.5", "u 425" },
		{ { TENTHS }, "0", "u 0" },
		{ { TENTHS }, "6553.5", "u 65535" },
		{ { .kind = GW_I64, .bits = 16, .scale = D(1, 1) }, "-12.3", "i -123" },
		{ { .kind = GW_I64, .bits = 16, .scale = D(1, 1), .offset = D(-40, 0) }, "-40", "i 0" },
		{ { .kind = GW_I64, .bits = 16, .scale = D(1, 1), .offset = D(-40, 0) }, "21.5", "i 615" },
		{ { .kind = GW_U64, .bits = 16, .scale = D(10, 0) }, "120", "u 12" },
		{ { .kind = GW_I64, .bits = 16, .scale = D(-1, 1) }, "-0.5", "i 5" },
		{ { .kind = GW_U64, .bits = 16, .scale = D(3, 1) }, "0.9", "u 3" },
		{ { .kind = GW_U64, .bits = 64, ONE }, "18446744073709551615", "u 18446744073709551615" },
		{ { .kind = GW_I64, .bits = 64, ONE }, "-9223372036854775808", "i -9223372036854775808" },
		{ { .kind = GW_I64, .bits = 64, ONE }, "9007199254740993", "i 9007199254740993" },
		/* published = raw * 5 / 18: a raw km/h as m/s */
		{ { .kind = GW_U64, .bits = 16, .scale = D(5, 0), .divisor = 18 }, "10", "u 36" },
		{ { .kind = GW_F64, .bits = 64, ONE }, "230.1", "f 230.09999999999999" },
		{ { .kind = GW_F32, .bits = 32, ONE }, "230.1", "f 230.10000610351562" },
		{ { .kind = GW_F32, .bits = 32, .scale = D(1, 1) }, "2.5", "f 25" },
		{ { .kind = GW_BOOL, .bits = 1, ONE }, "true", "true" },
		{ { .kind = GW_BOOL, .bits = 1, ONE }, "0", "false" },
		{ { .kind = GW_TEXT, .bits = 16, ONE }, "Trạm 1", "\"Trạm 1\"" },
	};

	(void)state;
	CHECK(orders);
}

static void a_value_between_two_steps_is_refused_with_both(void **state)
{
	static const struct order orders[] = {
		{ { TENTHS }, "42.55",
		  "42.55 lies between two steps of the device: the nearest are 42.5 and 42.6" },
		{ { .kind = GW_U64, .bits = 16, ONE }, "1.5",
		  "1.5 lies between two steps of the device: the nearest are 1 and 2" },
		{ { .kind = GW_I64, .bits = 16, ONE }, "-1.5",
		  "-1.5 lies between two steps of the device: the nearest are -2 and -1" },
		{ { .kind = GW_I64, .bits = 16, .scale = D(-1, 1) }, "0.25",
		  "0.25 lies between two steps of the device: the nearest are 0.2 and 0.3" },
		{ { .kind = GW_U64, .bits = 16, .scale = D(5, 0), .divisor = 18 }, "1",
		  "1 lies between two steps of the device: the nearest are 0.8333333333333334 and 1.1111111111111112" },
	};

	(void)state;
	CHECK(orders);
}

static void limits_are_compared_as_decimals(void **state)
{
	static const struct order orders[] = {
		{ { TENTHS, .has_max = true, .max = D(50, 0) }, "50", "u 500" },
		{ { TENTHS, .has_max = true, .max = D(501, 1) }, "50.1", "u 501" },
		{ { TENTHS, .has_max = true, .max = D(50, 0) }, "50.1", "50.1 is above max, 50" },
		{ { TENTHS, .has_max = true, .max = D(50, 0) }, "50.00000000000001", "50.00000000000001 is above max, 50" },
		{ { TENTHS, .has_min = true, .min = D(5, 1) }, "0.4", "0.4 is below min, 0.5" },
		{ { TENTHS, .has_min = true, .min = D(5, 1) }, "0.5", "u 5" },
		{ { TENTHS }, "6553.6", "6553.6 is more than the device can hold: 0 to 6553.5" },
		{ { TENTHS }, "-0.1", "-0.1 is more than the device can hold: 0 to 6553.5" },
		{ { TENTHS }, "6553.55", "6553.55 is more than the device can hold: 0 to 6553.5" },
		{ { .kind = GW_I64, .bits = 16, .scale = D(-1, 1) }, "3276.9",
		  "3276.9 is more than the device can hold: -3276.7 to 3276.8" },
		{ { .kind = GW_I64, .bits = 64, ONE }, "9223372036854775808",
		  "9223372036854775808 is more than the device can hold: -9223372036854775808 to 9223372036854775807" },
		{ { TENTHS, .has_max = true, .max = D(50, 0) }, "900000000000000000", "900000000000000000 is above max, 50" },
		{ { .kind = GW_F32, .bits = 32, ONE, .has_max = true, .max = D(1, 1) }, "0.1",
		  "f 0.10000000149011612" },
		{ { .kind = GW_F32, .bits = 32, ONE, .has_max = true, .max = D(1, 1) }, "0.2", "0.2 is above max, 0.1" },
		{ { .kind = GW_F32, .bits = 32, ONE }, "1e39", "1e39 is more than the device can hold" },
		{ { .kind = GW_U64, .bits = 0, ONE }, "70000", "u 70000" }, /* a plugin that says nonsense */
	};

	(void)state;
	CHECK(orders);
}

static const struct gw_label modes[] = { { 0, "off" }, { 1, "manual" }, { 70000, "auto" } };

static void words_are_the_labels_and_nothing_else(void **state)
{
	static const struct order orders[] = {
		{ { .kind = GW_U64, .bits = 16, ONE, .labels = modes, .nlabels = 3 }, "manual", "u 1" },
		{ { .kind = GW_F32, .bits = 32, ONE, .labels = modes, .nlabels = 3 }, "manual", "f 1" },
		{ { .kind = GW_BOOL, .bits = 1, ONE, .labels = modes, .nlabels = 2 }, "manual", "true" },
		{ { .kind = GW_U64, .bits = 16, ONE, .labels = modes, .nlabels = 3 }, "1",
		  "'1' is no value of it; allowed: off, manual, auto" },
		{ { .kind = GW_U64, .bits = 16, ONE, .labels = modes, .nlabels = 3 }, "auto",
		  "the device cannot hold 70000, the raw value of 'auto'" },
		{ { .kind = GW_BOOL, .bits = 1, ONE }, "on", "'on' is no bool; allowed: true, false" },
		{ { TENTHS }, "warm", "'warm' is not a number, for example 0.1" },
		{ { TENTHS }, "", "'' is not a number, for example 0.1" },
		{ { TENTHS }, "nan", "'nan' is not a number, for example 0.1" },
		{ { .kind = GW_F64, .bits = 64, ONE }, "inf", "'inf' is not a number, for example 0.1" },
	};

	(void)state;
	CHECK(orders);
}

/* Whatever raw value is published: written back it is that raw value again. */
static void what_is_published_can_be_written_back(void **state)
{
	static const struct gw_point_spec specs[] = {
		{ TENTHS },
		{ .kind = GW_I64, .bits = 16, .scale = D(-25, 2), .offset = D(173, 1) },
		{ .kind = GW_U64, .bits = 16, .scale = D(1, 3), .offset = D(-1, 0) },
	};

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		struct gw_normaliser *n = gw_normaliser_new(&specs[s], 1);

		for (unsigned raw = 0; raw < 32768; raw += 7) {
			struct gw_value v = { .kind = specs[s].kind, .u = raw }, back;
			struct gw_err err;
			char words[64];

			gw_normalise_one(n, 0, &v);
			gw_value_words(n, 0, &v, words, sizeof(words));
			if (gw_setpoint(n, 0, &specs[s], words, &back, &err) != 0)
				fail_msg("%u: %s", raw, err.msg);
			assert_true(back.u == raw);
		}
		gw_normaliser_free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_goes_back_through_scale_and_offset_exactly),
		cmocka_unit_test(a_value_between_two_steps_is_refused_with_both),
		cmocka_unit_test(limits_are_compared_as_decimals),
		cmocka_unit_test(words_are_the_labels_and_nothing_else),
		cmocka_unit_test(what_is_published_can_be_written_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
