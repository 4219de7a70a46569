/*
 * test_convert.c - units into units: what the table holds, what comes out of it, and that
 * what comes out is rounded once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "core/convert.c" /* the table itself is under test */
#include "core/normalise_number.h"
#include "core/units.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define D(m, p)	 ((struct gw_decimal){ (m), (p) })

static double converted(const char *from, const char *to, struct gw_decimal value)
{
	struct gw_conversion c;

	if (!gw_convert(from, to, &c))
		fail_msg("%s to %s", from, to);
	assert_true(gw_convert_level(&c, &value));
	return gw_decimal_round_over(value, c.divisor, GW_DOUBLE);
}

static void each_unit_of_the_table_is_a_code_and_stands_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(measures); i++) {
		if (!gw_unit_symbol(measures[i].code))
			fail_msg("%s is no code", measures[i].code);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(measures[i].code, measures[k].code);
	}
}

/* Their digits leave no room for a conversion to megawatts. */
static bool is_for_small_machines(const struct measure *m)
{
	return strcmp(m->code, "[HP]") == 0 || strncmp(m->code, "[Btu_IT]", 8) == 0;
}

static void units_of_a_dimension_convert_into_each_other_and_no_others_do(void **state)
{
	struct gw_conversion c;

	(void)state;
	for (size_t i = 0; i < COUNT(measures); i++)
		for (size_t k = 0; k < COUNT(measures); k++) {
			const struct measure *a = &measures[i], *b = &measures[k];

			if (is_for_small_machines(a) || is_for_small_machines(b))
				continue;
			if (gw_convert(a->code, b->code, &c) != (a->dimension == b->dimension))
				fail_msg("%s to %s", a->code, b->code);
		}
}

static void there_and_back_is_the_same_number(void **state)
{
	struct gw_conversion c;

	(void)state;
	for (size_t i = 0; i < COUNT(measures); i++)
		for (size_t k = 0; k < COUNT(measures); k++) {
			const struct measure *a = &measures[i], *b = &measures[k];
			struct gw_decimal d = D(7, 0);

			if (!gw_convert(a->code, b->code, &c) || c.divisor != 1)
				continue;
			assert_true(gw_convert_level(&c, &d));
			assert_true(gw_convert(b->code, a->code, &c));
			if (!gw_convert_level(&c, &d))
				continue; /* too many digits on the way back */
			if (gw_decimal_round_over(d, c.divisor, GW_DOUBLE) != 7)
				fail_msg("%s to %s", a->code, b->code);
		}
}

static void conversions_of_the_field_are_exact(void **state)
{
	static const struct {
		const char *from, *to;
		struct gw_decimal value;
		double expected;
	} cases[] = {
		{ "kW", "W", { 2301, 3 }, 2301 },
		{ "[HP]", "W", { 1, 0 }, 745.69987158227022 },
		{ "[HP]", "kW", { 2, 0 }, 1.49139974316454044 },
		{ "W.h", "kW.h", { 123456789, 0 }, 123456.789 },
		{ "J", "kW.h", { 3600000, 0 }, 1 },
		{ "MJ", "kW.h", { 1, 0 }, 1 / 3.6 },
		{ "mA", "A", { 4217, 0 }, 4.217 },
		{ "bar", "kPa", { 45, 1 }, 450 },
		{ "mbar", "hPa", { 10132, 1 }, 1013.2 },
		{ "[psi]", "kPa", { 1, 0 }, 6.894757293168361 },
		{ "kPa", "[psi]", { 100, 0 }, 14.503773773020921 },
		{ "mm[Hg]", "hPa", { 760, 0 }, 1013.2472 },
		{ "[degF]", "Cel", { 212, 0 }, 100 },
		{ "[degF]", "Cel", { 0, 0 }, -160.0 / 9 },
		{ "[degF]", "K", { -45967, 2 }, 0 },
		{ "Cel", "[degF]", { 365, 1 }, 97.7 },
		{ "Cel", "[degF]", { -40, 0 }, -40 },
		{ "K", "Cel", { 30015, 2 }, 27 },
		{ "Cel", "K", { 0, 0 }, 273.15 },
		{ "km/h", "m/s", { 36, 0 }, 10 },
		{ "km/h", "m/s", { 1, 0 }, 1 / 3.6 },
		{ "m/s", "km/h", { 1, 0 }, 3.6 },
		{ "[kn_i]", "km/h", { 10, 0 }, 18.52 },
		{ "L/min", "m3/h", { 1, 0 }, 0.06 },
		{ "L/s", "m3/h", { 25, 1 }, 9 },
		{ "m3/h", "m3/s", { 36, 0 }, 0.01 },
		{ "min", "s", { 15, 1 }, 90 },
		{ "d", "h", { 1, 0 }, 24 },
		{ "mS/cm", "uS/cm", { 1413, 3 }, 1413 },
		{ "dS/m", "uS/cm", { 1, 0 }, 1000 },
		{ "g", "kg", { 1, 0 }, 0.001 },
		{ "ug/L", "mg/L", { 5, 0 }, 0.005 },
		{ "1", "%", { 985, 3 }, 98.5 },
		{ "rad", "deg", { 1, 0 }, 57.29577951308232 },
		{ "{rotations}/min", "1/min", { 1450, 0 }, 1450 },
		{ "L/m2", "mm", { 3, 1 }, 0.3 },
		{ "kW.h", "kW.h", { 7, 3 }, 0.007 },
		{ "%{RH}", "%", { 555, 1 }, 55.5 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (converted(cases[i].from, cases[i].to, cases[i].value) != cases[i].expected)
			fail_msg("%s to %s: %.17g instead of %.17g", cases[i].from, cases[i].to,
				 converted(cases[i].from, cases[i].to, cases[i].value),
				 cases[i].expected);
}

static void watts_volt_amperes_and_vars_are_not_the_same(void **state)
{
	struct gw_conversion c;

	(void)state;
	assert_false(gw_convert("W", "V.A", &c));
	assert_false(gw_convert("V.A", "V.A{reactive}", &c));
	assert_false(gw_convert("Hz", "1/min", &c));
	assert_false(gw_convert("A", "V", &c));
	assert_false(gw_convert("furlong", "m", &c));
	assert_true(gw_convert("{FNU}", "{FNU}", &c));
}

static void spans_get_no_offset(void **state)
{
	struct gw_conversion c;
	struct gw_decimal d = D(18, 1);

	(void)state;
	assert_true(gw_convert("[degF]", "Cel", &c));
	assert_true(gw_convert_span(&c, &d));
	assert_true(gw_decimal_round_over(d, c.divisor, GW_DOUBLE) == 1);
}

static void too_many_digits_are_refused(void **state)
{
	struct gw_conversion c;
	struct gw_decimal d = D(123456789012345, 15);

	(void)state;
	assert_true(gw_convert("rad", "deg", &c));
	assert_false(gw_convert_span(&c, &d));
	d = D(1, 18);
	assert_true(gw_convert("W", "kW", &c));
	assert_false(gw_convert_span(&c, &d));
	d = D(INT64_MAX, 0);
	assert_true(gw_convert("kW", "W", &c));
	assert_false(gw_convert_span(&c, &d));
	assert_false(gw_convert_level(&c, &d));
	c.divisor = 9;
	assert_false(gw_convert_over(&c, &d));
}

static uint64_t chance(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* The machine's division of two exact doubles rounds once: the long way must agree. */
static void a_divisor_rounds_once(void **state)
{
	uint64_t seed = 20251122;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t raw = chance(&seed) >> 40, divisor = (chance(&seed) >> 36) + 1;
		struct gw_decimal scale = D((int64_t)(chance(&seed) >> 40) - (1 << 23), 0),
				  offset =
					  D((int64_t)(chance(&seed) >> 24) - ((int64_t)1 << 39), 0);
		struct gw_line l = gw_line_make_over(scale, offset, divisor);
		double n = (double)((int64_t)raw * scale.mantissa + offset.mantissa);
		double quick = gw_line_integer(&l, false, raw);

		assert_true(l.quick && quick == n / (double)divisor);
		l.quick = false;
		assert_true(gw_line_integer(&l, false, raw) == quick);
		assert_true(gw_line_float(&l, (double)raw, GW_DOUBLE) == quick);
	}
}

static void a_divisor_keeps_float32_correct(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t divisor = (chance(&seed) >> 44) + 1;
		double raw = (double)(float)((double)(chance(&seed) >> 40) / 256);
		struct gw_decimal scale = D((int64_t)(chance(&seed) >> 44) + 1, 3);
		struct gw_line l = gw_line_make_over(scale, D(0, 0), divisor);
		double quick = gw_line_float(&l, raw, GW_SINGLE);

		l.quick = false;
		assert_true(gw_line_float(&l, raw, GW_SINGLE) == quick);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_unit_of_the_table_is_a_code_and_stands_once),
		cmocka_unit_test(units_of_a_dimension_convert_into_each_other_and_no_others_do),
		cmocka_unit_test(there_and_back_is_the_same_number),
		cmocka_unit_test(conversions_of_the_field_are_exact),
		cmocka_unit_test(watts_volt_amperes_and_vars_are_not_the_same),
		cmocka_unit_test(spans_get_no_offset),
		cmocka_unit_test(too_many_digits_are_refused),
		cmocka_unit_test(a_divisor_rounds_once),
		cmocka_unit_test(a_divisor_keeps_float32_correct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
