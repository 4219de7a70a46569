/*
 * test_normalise_number.c - exact decimal lines against decimal text read by the C
 * library, by chance, and at the places where rounding is hard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/normalise_number.h"

#define D(m, p) ((struct gw_decimal){ (m), (p) })

static uint64_t chance(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* "-123e-7" of a 128-bit number. */
static void as_text(char out[64], gw_i128 v, int places)
{
	char digits[48];
	size_t n = sizeof(digits);
	gw_u128 m = v < 0 ? -(gw_u128)v : (gw_u128)v;

	do
		digits[--n] = (char)('0' + (int)(m % 10));
	while ((m /= 10) != 0);
	snprintf(out, 64, "%s%.*se-%d", v < 0 ? "-" : "", (int)(sizeof(digits) - n), digits + n, places);
}

static gw_i128 ten_to(int n)
{
	gw_i128 v = 1;

	while (n-- > 0)
		v *= 10;
	return v;
}


static int64_t some(uint64_t *seed, unsigned width)
{
	int64_t v = (int64_t)chance(seed) >> (64 - width);

	return v >> chance(seed) % width; /* small ones as often as large ones */
}

static void check_integer(int64_t raw, struct gw_decimal scale, struct gw_decimal offset)
{
	struct gw_line l = gw_line_make(scale, offset);
	int places = scale.places > offset.places ? scale.places : offset.places;
	gw_i128 n = (gw_i128)raw * scale.mantissa * ten_to(places - scale.places) +
		    (gw_i128)offset.mantissa * ten_to(places - offset.places);
	double got = gw_line_integer(&l, raw < 0, raw < 0 ? -(uint64_t)raw : (uint64_t)raw);
	char text[64];

	as_text(text, n, places);
	if (got != strtod(text, NULL))
		fail_msg("%jd: %.17g, not %s", (intmax_t)raw, got, text);
}

static void integers_are_rounded_as_by_exact_arithmetic(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 250000; i++) {
		struct gw_decimal scale = { some(&seed, 40), (int)(chance(&seed) % 10) };
		struct gw_decimal offset = { some(&seed, 40), (int)(chance(&seed) % 10) };
		struct gw_decimal long_scale = { some(&seed, 62), (int)(chance(&seed) % 19) };

		check_integer(some(&seed, 40), scale, offset);
		check_integer(some(&seed, 64), long_scale, (struct gw_decimal){ 0, 0 });
	}
}

/* mantissa * 2^-k = mantissa * 5^k / 10^k, so the exact result has a decimal text. */
static void check_float(int64_t mantissa, int k, struct gw_decimal scale, int64_t offset,
			enum gw_precision precision)
{
	struct gw_line l = gw_line_make(scale, (struct gw_decimal){ offset, scale.places });
	double got = gw_line_float(&l, ldexp((double)mantissa, -k), precision), want;
	gw_i128 five = ten_to(k) >> k;
	char text[64];

	as_text(text, (gw_i128)mantissa * scale.mantissa * five + (gw_i128)offset * ten_to(k),
		k + scale.places);
	want = precision == GW_SINGLE ? (double)strtof(text, NULL) : strtod(text, NULL);
	if (got != want)
		fail_msg("%jd * 2^-%d: %.17g, not %s", (intmax_t)mantissa, k, got, text);
}

static void floats_are_rounded_once_as_by_exact_arithmetic(void **state)
{
	uint64_t seed = 362436069362436069u;

	(void)state;
	for (int i = 0; i < 250000; i++) {
		struct gw_decimal scale = { some(&seed, 20), (int)(chance(&seed) % 8) };

		check_float(some(&seed, 25), (int)(chance(&seed) % 30), scale, some(&seed, 20), GW_SINGLE);
		scale.mantissa = some(&seed, 12);
		check_float(some(&seed, 54), (int)(chance(&seed) % 20), scale, some(&seed, 20), GW_DOUBLE);
	}
}

static void decimals_have_floors_ceilings_and_steps(void **state)
{
	(void)state;
	assert_true(gw_decimal_floor(D(-105, 1)) == -11);
	assert_true(gw_decimal_ceil(D(-105, 1)) == -10);
	assert_true(gw_decimal_floor(D(105, 1)) == 10);
	assert_true(gw_decimal_ceil(D(105, 1)) == 11);
	assert_true(gw_decimal_ceil(D(INT64_MIN, 0)) == INT64_MIN);
	assert_int_equal(gw_decimal_steps(D(5, 2), D(1, 1)), 1);
	assert_int_equal(gw_decimal_steps(D(1, 1), D(-1, 1)), 1);
	assert_int_equal(gw_decimal_steps(D(11, 2), D(1, 1)), 2);
	assert_int_equal(gw_decimal_steps(D(1, 0), D(1, 18)), 1000000000000000000);
	assert_true(gw_decimal_steps(D(INT64_MAX, 0), D(1, 18)) == UINT64_MAX);
	assert_true(gw_decimal_steps(D(1, 0), D(0, 0)) == UINT64_MAX);
}

/* A float32 result that lies a hair beside the middle of two, where rounding to
 * double first would fall into the middle and then to the wrong side. */
static void a_result_beside_the_middle_is_rounded_once(void **state)
{
	const struct gw_line up = gw_line_make(D(1, 0), D(1, 18)), down = gw_line_make(D(1, 0), D(-1, 18));
	const double one_and_half_step = 1 + 3 * 0x1p-24; /* the middle of two float32 */

	(void)state;
	assert_true(gw_line_float(&up, one_and_half_step, GW_SINGLE) == 1 + 0x1p-22);
	assert_true(gw_line_float(&down, one_and_half_step, GW_SINGLE) == 1 + 0x1p-23);
	assert_true(gw_line_float(&up, 1 + 0x1p-24, GW_SINGLE) == 1 + 0x1p-23);
	assert_true(gw_line_float(&down, 1 + 0x1p-24, GW_SINGLE) == 1);
}

/* Found by search: the double nearest to each exact result is the middle of two
 * float32, but the exact result lies on the side that ties-to-even does not take. */
static void a_double_that_falls_into_the_middle_does_not_decide(void **state)
{
	const struct gw_line quotient = gw_line_make(D(228069957, 14), D(0, 0));
	const struct gw_line product = gw_line_make(D(74055479680040961, 0), D(0, 0));
	const struct gw_line tiny = gw_line_make(D(32548844, 16), D(0, 0));

	(void)state;
	assert_true(gw_line_float(&quotient, 354713, GW_SINGLE) == (double)strtof("80899378657341e-14", NULL));
	assert_true(gw_line_float(&product, 1, GW_SINGLE) == (double)strtof("74055479680040961", NULL));
	assert_true(gw_line_float(&tiny, ldexp(15275629, -127), GW_SINGLE) == ldexp(208543, -149));
}

/* 1.5 times an odd number of 53 bits is the middle of two doubles; one part in 10^76 decides. */
static void the_smallest_remainder_decides_a_tie(void **state)
{
	const struct gw_line above = gw_line_make(D(15, 1), D(1, 0)), below = gw_line_make(D(15, 1), D(-1, 0));

	(void)state;
	for (int odd = 1; odd < 100; odd += 2) {
		double raw = ldexp(0x1p52 + odd, 200), low = 0x1p52 * 1.5 + (3 * odd - 1) / 2;

		assert_true(gw_line_float(&below, raw, GW_DOUBLE) == ldexp(low, 200));
		assert_true(gw_line_float(&above, raw, GW_DOUBLE) == ldexp(low + 1, 200));
	}
}

/* Quotients of float32 by powers of ten, every one of which has a float32 nearest to it. */
static void float32_by_powers_of_ten_reads_like_its_text(void **state)
{
	(void)state;
	for (int places = 1; places <= 6; places++) {
		struct gw_line l = gw_line_make(D(1, places), D(0, 0));

		for (int raw = 1; raw < 1 << 24; raw += 97) {
			char text[32];

			snprintf(text, sizeof(text), "%de-%d", raw, places);
			if (gw_line_float(&l, raw, GW_SINGLE) != (double)strtof(text, NULL))
				fail_msg("%s", text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_rounded_as_by_exact_arithmetic),
		cmocka_unit_test(floats_are_rounded_once_as_by_exact_arithmetic),
		cmocka_unit_test(decimals_have_floors_ceilings_and_steps),
		cmocka_unit_test(a_result_beside_the_middle_is_rounded_once),
		cmocka_unit_test(a_double_that_falls_into_the_middle_does_not_decide),
		cmocka_unit_test(the_smallest_remainder_decides_a_tie),
		cmocka_unit_test(float32_by_powers_of_ten_reads_like_its_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
