/*
 * test_number.c - numbers as text: fixed cases by their exact text, and random
 * ones by the property that matters: what is written reads back to the same
 * bits, no decimal with fewer digits does, and none with as many is nearer.
 * GW_TEST_NUMBERS=N runs N random numbers of each sort instead of 100,000.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <float.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

/* ---- exact texts ---- */

static const struct {
	double value;
	const char *text;
} doubles[] = {
	{ 0, "0" },
	{ -0.0, "-0.0" },
	{ 1, "1" },
	{ -1, "-1" },
	{ 230.1, "230.1" },
	{ -230.1, "-230.1" },
	{ 49.98, "49.98" },
	{ 0.1, "0.1" },
	{ 0.5, "0.5" },
	{ 0.1 + 0.2, "0.30000000000000004" },
	{ 1.0 / 3, "0.3333333333333333" },
	{ 2.0 / 3, "0.6666666666666666" },
	{ 1234567, "1234567" },
	{ 1e6, "1000000" },
	{ 123456.789, "123456.789" },
	{ 9007199254740992.0, "9007199254740992" },
	{ 9007199254740993.5, "9007199254740994" },
	{ 1152921504606846976.0, "1152921504606847000" },
	{ 9223372036854775808.0, "9223372036854776000" },
	{ 1e20, "100000000000000000000" },
	{ 1e21, "1000000000000000000000" },
	{ 1.1e21, "1.1e21" },
	{ 1e22, "1e22" },
	{ -1.5e300, "-1.5e300" },
	{ 1e-7, "0.0000001" },
	{ 1.25e-7, "0.000000125" },
	{ 9.9e-8, "9.9e-8" },
	{ 1e-8, "1e-8" },
	{ 5e-324, "5e-324" },
	{ 1.5e-323, "1.5e-323" },
	{ DBL_MIN, "2.2250738585072014e-308" },
	{ DBL_MAX, "1.7976931348623157e308" },
	{ 0x1p-44, "5.684341886080802e-14" }, /* the nearest of 16 digits does not read back */
};

static const struct {
	float value;
	const char *text;
} floats[] = {
	{ 0, "0" },
	{ -0.0f, "-0.0" },
	{ 1, "1" },
	{ 230.1f, "230.1" },
	{ -49.98f, "-49.98" },
	{ 0.1f, "0.1" },
	{ 0.3f, "0.3" },
	{ 1.0f / 3, "0.33333334" },
	{ 16777216, "16777216" },
	{ 16777218, "16777218" },
	{ 123456792, "123456790" },
	{ 4294967296.0f, "4294967300" },
	{ 1e10f, "10000000000" },
	{ 1e21f, "1000000000000000000000" },
	{ 3.4e38f, "3.4e38" },
	{ FLT_MAX, "3.4028235e38" },
	{ FLT_MIN, "1.1754944e-38" },
	{ 1e-7f, "0.0000001" },
	{ 1e-8f, "1e-8" },
	{ 1e-45f, "1e-45" },
	{ 9.5367431640625e-7f, "0.0000009536743" }, /* 2^-20 */
};

static void doubles_are_written_as_people_expect(void **state)
{
	char out[GW_NUMBER_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
		out[gw_put_f64(out, doubles[i].value)] = '\0';
		assert_string_equal(out, doubles[i].text);
	}
}

static void floats_are_written_by_their_own_precision(void **state)
{
	char out[GW_NUMBER_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
		out[gw_put_f32(out, floats[i].value)] = '\0';
		assert_string_equal(out, floats[i].text);
	}
}

static void integers_are_written_to_their_limits(void **state)
{
	static const uint64_t unsigneds[] = { 0,   1,	 9,    10,    99,	  100,
					      101, 9999, 10000, 65535, UINT64_MAX - 1, UINT64_MAX };
	static const int64_t signeds[] = { 0, -1, 7, -10, 12345, -12345, INT64_MIN, INT64_MAX };
	char out[GW_NUMBER_MAX + 1], want[GW_NUMBER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(unsigneds) / sizeof(unsigneds[0]); i++) {
		out[gw_put_u64(out, unsigneds[i])] = '\0';
		snprintf(want, sizeof(want), "%" PRIu64, unsigneds[i]);
		assert_string_equal(out, want);
	}
	for (size_t i = 0; i < sizeof(signeds) / sizeof(signeds[0]); i++) {
		out[gw_put_i64(out, signeds[i])] = '\0';
		snprintf(want, sizeof(want), "%" PRId64, signeds[i]);
		assert_string_equal(out, want);
	}
}

/* ---- the property ---- */

struct kind {
	const char *name;
	size_t (*put)(char *out, double v);
	bool (*same)(const char *text, double v);
};

static size_t put_f32(char *out, double v)
{
	return gw_put_f32(out, (float)v);
}

static bool same_f64(const char *text, double v)
{
	double back = strtod(text, NULL);

	return memcmp(&back, &v, sizeof(v)) == 0;
}

static bool same_f32(const char *text, double v)
{
	float back = strtof(text, NULL), want = (float)v;

	return memcmp(&back, &want, sizeof(want)) == 0;
}

static const struct kind f64 = { "f64", gw_put_f64, same_f64 };
static const struct kind f32 = { "f32", put_f32, same_f32 };

/* Significant digits as a number, without zeros at either end. */
static uint64_t significant(const char *text, int *count)
{
	uint64_t digits = 0, kept = 0;
	int n = 0;

	*count = 0;
	for (; *text && *text != 'e'; text++) {
		if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
			continue;
		digits = digits * 10 + (uint64_t)(*text - '0');
		n++;
		if (*text != '0') {
			kept = digits;
			*count = n;
		}
	}
	return kept;
}

/* The decimal of n digits that is `step` units of the last one from the nearest. */
static void neighbour(char *text, size_t size, double v, int n, int step, int64_t *digits)
{
	char *mark;
	int power;

	snprintf(text, size, "%.*e", n - 1, v);
	mark = strchr(text, 'e');
	power = atoi(mark + 1) - (n - 1);
	*mark = '\0';
	if (n > 1)
		memmove(strchr(text, '.'), strchr(text, '.') + 1, strlen(strchr(text, '.')));
	*digits = atoll(text) + step;
	snprintf(text, size, "%" PRId64 "e%d", *digits, power);
}

static const char *shown; /* by a failing check */

static bool is_shortest(const struct kind *kind, double v)
{
	static char out[GW_NUMBER_MAX + 1];
	char other[64];
	int64_t digits;
	int n;
	uint64_t mine;
	size_t size = kind->put(out, v);

	assert_true(size <= GW_NUMBER_MAX);
	out[size] = '\0';
	shown = out;
	if (!kind->same(out, v))
		return false;
	mine = significant(out, &n);
	for (int step = -1; step <= 1 && n > 1; step++) {
		neighbour(other, sizeof(other), v, n - 1, step, &digits);
		if (kind->same(other, v))
			return false;
	}
	neighbour(other, sizeof(other), v, n, 0, &digits);
	return !kind->same(other, v) || mine == (uint64_t)llabs(digits);
}

static void expect_shortest(const struct kind *kind, double v)
{
	if (v == 0 || !isfinite(v) || is_shortest(kind, v))
		return;
	fail_msg("%s %a is written as %s", kind->name, v, shown);
}

/* Deterministic, so that a failure can be repeated (splitmix64's constants). */
static uint64_t draw(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static double as_f64(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static double as_f32(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof(f));
	return (double)f;
}

static long rounds(void)
{
	const char *wanted = getenv("GW_TEST_NUMBERS");

	return wanted ? atol(wanted) : 100000;
}

static void any_double_reads_back_and_nothing_shorter_does(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (long i = rounds(); i > 0; i--)
		expect_shortest(&f64, as_f64(draw(&seed)));
}

static void any_float_reads_back_and_nothing_shorter_does(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (long i = rounds(); i > 0; i--)
		expect_shortest(&f32, as_f32((uint32_t)draw(&seed)));
}

/* Exponents from 2^-64 to 2^64: the part that is computed in integers. */
static void numbers_of_everyday_size_are_shortest(void **state)
{
	uint64_t seed = 3;

	(void)state;
	for (long i = rounds(); i > 0; i--) {
		uint64_t bits = draw(&seed), size = draw(&seed) % 129;

		expect_shortest(&f64, as_f64((bits & ~(UINT64_C(0x7ff) << 52)) | (size + 959) << 52));
		expect_shortest(&f32, as_f32((uint32_t)((bits & 0x807fffff) | (size + 63) << 23)));
	}
}

static void decimals_of_few_places_come_back_as_they_were(void **state)
{
	static const double power[] = { 1, 10, 100, 1e3, 1e4, 1e5, 1e6 };
	uint64_t seed = 4;
	char out[GW_NUMBER_MAX + 1], want[64];

	(void)state;
	for (long i = rounds(); i > 0; i--) {
		int places = 1 + (int)(draw(&seed) % 6);
		int64_t digits = (int64_t)(draw(&seed) % 1000000000) * 10 + 1 + (int64_t)(draw(&seed) % 9);

		snprintf(want, sizeof(want), "%.*f", places, (double)digits / power[places]);
		out[gw_put_f64(out, (double)digits / power[places])] = '\0';
		assert_string_equal(out, want);
		expect_shortest(&f32, (double)(float)((double)digits / power[places]));
	}
}

static void subnormals_are_shortest(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (long i = rounds() / 10; i > 0; i--) {
		expect_shortest(&f64, as_f64(draw(&seed) >> (12 + draw(&seed) % 52)));
		expect_shortest(&f32, as_f32((uint32_t)(draw(&seed) >> (41 + draw(&seed) % 23))));
	}
}

static void powers_of_two_and_their_neighbours_are_shortest(void **state)
{
	(void)state;
	for (uint64_t exponent = 0; exponent < 0x7ff; exponent++)
		for (uint64_t step = 0; step < 5; step++)
			expect_shortest(&f64, as_f64((exponent << 52) + step - 2));
	for (uint32_t exponent = 0; exponent < 0xff; exponent++)
		for (uint32_t step = 0; step < 5; step++)
			expect_shortest(&f32, as_f32((exponent << 23) + step - 2));
}

static void powers_of_ten_and_their_neighbours_are_shortest(void **state)
{
	char text[16];

	(void)state;
	for (int power = -323; power <= 308; power++) {
		double d;
		float f;

		snprintf(text, sizeof(text), "1e%d", power);
		d = strtod(text, NULL);
		f = strtof(text, NULL);
		expect_shortest(&f64, d);
		expect_shortest(&f64, nextafter(d, 0));
		expect_shortest(&f64, nextafter(d, INFINITY));
		expect_shortest(&f32, (double)f);
		expect_shortest(&f32, (double)nextafterf(f, 0));
		expect_shortest(&f32, (double)nextafterf(f, INFINITY));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_are_written_as_people_expect),
		cmocka_unit_test(floats_are_written_by_their_own_precision),
		cmocka_unit_test(integers_are_written_to_their_limits),
		cmocka_unit_test(any_double_reads_back_and_nothing_shorter_does),
		cmocka_unit_test(any_float_reads_back_and_nothing_shorter_does),
		cmocka_unit_test(numbers_of_everyday_size_are_shortest),
		cmocka_unit_test(decimals_of_few_places_come_back_as_they_were),
		cmocka_unit_test(subnormals_are_shortest),
		cmocka_unit_test(powers_of_two_and_their_neighbours_are_shortest),
		cmocka_unit_test(powers_of_ten_and_their_neighbours_are_shortest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
