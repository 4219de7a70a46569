#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "plugins/modbus/readings.h"

/* A value's bytes, most significant first, put into registers in the given order. */
static void lay(uint8_t *out, uint64_t bits, unsigned width, bool word_little, bool byte_little)
{
	for (unsigned i = 0; i < width; i++) {
		unsigned at = word_little ? width - 1 - i : i;
		uint16_t word = (uint16_t)(bits >> 16 * (width - 1 - i));

		out[2 * at + byte_little] = (uint8_t)(word >> 8);
		out[2 * at + !byte_little] = (uint8_t)word;
	}
}

struct sample {
	const char *type, *expect, *scale;
	unsigned width;
	uint64_t bits;
};

static uint64_t bits_of_f32(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static uint64_t bits_of_f64(double d)
{
	uint64_t u;

	memcpy(&u, &d, sizeof(u));
	return u;
}

static void the_right_type_order_and_scale_come_first(void **state)
{
	const struct sample samples[] = {
		{ "u16", "230.1", "0.1", 1, 2301 },
		{ "u16", "2301", "1", 1, 2301 },
		{ "u16", "23.01", "0.01", 1, 2301 },
		{ "u16", "2.301", "0.001", 1, 2301 },
		{ "u16", "23010", "10", 1, 2301 },
		{ "i16", "-12.5", "0.1", 1, 0xffff & (uint64_t)-125 },
		{ "u32", "123456.78", "0.01", 2, 12345678 },
		{ "u32", "4000000000", "1", 2, 4000000000 },
		{ "i32", "-123456.7", "0.1", 2, 0xffffffff & (uint64_t)-1234567 },
		{ "f32", "230.1", "1", 2, bits_of_f32(230.1F) },
		{ "f32", "-0.85", "1", 2, bits_of_f32(-0.85F) },
		{ "f32", "49.98", "0.01", 2, bits_of_f32(4998.0F) },
		{ "u64", "1234567890123", "1", 4, 1234567890123 },
		{ "i64", "-1234567890.123", "0.001", 4, (uint64_t)-1234567890123 },
		{ "f64", "12345.678", "1", 4, bits_of_f64(12345.678) },
		{ "bcd16", "47.12", "0.01", 1, 0x4712 },
		{ "bcd32", "12345678", "1", 2, 0x12345678 },
	};
	struct mb_match found[10];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		for (unsigned order = 0; order < (samples[i].width == 1 ? 2 : 4); order++) {
			const struct sample *s = &samples[i];
			bool words = s->width > 1 && order & 1, bytes = s->width > 1 ? order >> 1 : order;
			uint8_t data[8];

			lay(data, s->bits, s->width, words, bytes);
			assert_true(mb_ways_rank(data, s->width, s->expect, found, 10) > 0);
			if (strcmp(found[0].way.type, s->type))
				print_error("%s %s as %s\n", s->type, s->expect, found[0].way.type);
			assert_string_equal(found[0].way.type, s->type);
			assert_int_equal(found[0].way.word_little, words);
			assert_int_equal(found[0].way.byte_little, bytes);
			assert_string_equal(mb_scales[found[0].scale], s->scale);
			assert_int_equal(found[0].rank, 0);
		}
}

/* ---- all types, all orders, all scales, many values ---- */

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* "-12.34" for -1234 at two decimals; "-123400" for two zeros more. */
static void decimal(char *out, size_t size, int64_t v, int decimals)
{
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, unit = 1;
	char behind[24];

	for (int i = 0; i < decimals; i++)
		unit *= 10;
	/* 1034 is ".034" */
	snprintf(behind, sizeof(behind), "%llu", (unsigned long long)(unit + u % unit));
	behind[0] = '.';
	snprintf(out, size, "%s%llu%s%.*s", v < 0 ? "-" : "", (unsigned long long)(u / unit),
		 decimals > 0 ? behind : "", decimals < 0 ? -decimals : 0, "000");
}

/* Bits of a random value of that type, and what a display shows of it, scaled. */
static uint64_t draw(const char *type, int decimals, char *expect, size_t size)
{
	unsigned width = (unsigned)strtoul(type + strcspn(type, "0123456789"), NULL, 10);
	uint64_t raw = next_random() >> (64 - width) >> next_random() % (width - 9);
	uint64_t bcd = 0;
	int64_t v = (int64_t)(raw | 0x100);

	if (type[0] == 'b') {
		v %= width == 16 ? 10000 : 100000000;
		for (unsigned i = 0, rest = (unsigned)v; i < width / 4; i++, rest /= 10)
			bcd |= (uint64_t)(rest % 10) << 4 * i;
	} else if (type[0] == 'u') {
		v &= INT64_MAX;
	} else {
		v = (v & INT64_MAX) >> 1 & ((INT64_C(1) << (width - 2)) - 1);
		v = next_random() & 1 ? -v : v;
	}
	/* what a float holds exactly; beyond that a display shows something else */
	if (type[0] == 'f')
		v %= width == 32 ? 1 << 24 : INT64_C(1) << 53;
	decimal(expect, size, v, decimals);
	if (type[0] == 'f')
		return width == 32 ? bits_of_f32((float)v) : bits_of_f64((double)v);
	return type[0] == 'b' ? bcd : (uint64_t)v;
}

/* The way it was laid is among those that fit exactly, and whatever stands before fits as exactly. */
static void expect_among(const struct mb_way *laid, const char *scale, const uint8_t *data, const char *expect)
{
	struct mb_match found[64];
	unsigned n = mb_ways_rank(data, laid->width, expect, found, 64);

	for (unsigned i = 0; i < n; i++) {
		if (found[i].rank)
			break;
		if (!strcmp(found[i].way.type, laid->type) && found[i].way.word_little == laid->word_little &&
		    found[i].way.byte_little == laid->byte_little && !strcmp(mb_scales[found[i].scale], scale))
			return;
	}
	fail_msg("%s, word_order %s, byte_order %s, scale %s: %s is not among %u", laid->type,
		 laid->word_little ? "little" : "big", laid->byte_little ? "little" : "big", scale, expect, n);
}

static void every_type_in_every_order_and_scale_is_found(void **state)
{
	static const int decimals[] = { 0, 1, 2, 3, -1, -2, -3 }; /* of mb_scales */
	unsigned tried = 0;

	(void)state;
	random_state = 88172645463325252;
	for (unsigned width = 1; width <= 4; width *= 2)
		for (const char *const *type = mb_way_types(width); *type; type++)
			for (unsigned order = 0; order < (width == 1 ? 2 : 4); order++)
				for (unsigned k = 0; k < 7 * 50; k++) {
					struct mb_way w = { .type = *type, .width = width,
							    .word_little = width > 1 && order & 1,
							    .byte_little = width > 1 ? order >> 1 : order };
					uint8_t data[8];
					char expect[64];

					lay(data, draw(*type, decimals[k % 7], expect, sizeof(expect)), width,
					    w.word_little, w.byte_little);
					expect_among(&w, mb_scales[k % 7], data, expect);
					tried++;
				}
	assert_null(mb_scales[7]);
	/* u16 i16 bcd16 in 2 orders, four types of 32 and three of 64 bits in 4 */
	assert_int_equal(tried, (3 * 2 + 4 * 4 + 3 * 4) * 350);
}

static void a_value_among_others_is_found_where_it_lies(void **state)
{
	uint8_t data[40];
	struct mb_match found[3];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + 11);
	lay(data + 14, bits_of_f32(50.02F), 2, true, false);
	assert_true(mb_ways_rank(data, 20, "50.02", found, 3) > 0);
	assert_int_equal(found[0].way.offset, 7);
	assert_string_equal(found[0].way.type, "f32");
	assert_true(found[0].way.word_little);
}

static void a_live_value_need_only_agree_in_the_digits_given(void **state)
{
	uint8_t data[4];
	struct mb_match found[3];

	(void)state;
	lay(data, bits_of_f32(230.14F), 2, false, false);
	assert_int_equal(mb_ways_rank(data, 2, "230.1", found, 3), 1);
	assert_int_equal(found[0].rank, 0);
	assert_int_equal(mb_ways_rank(data, 2, "231", found, 3), 1);
	assert_int_equal(found[0].rank, 1);
	assert_int_equal(mb_ways_rank(data, 2, "235", found, 3), 1);
	assert_int_equal(found[0].rank, 2);
	assert_int_equal(mb_ways_rank(data, 2, "300", found, 3), 0);
}

static void readings_are_written_exactly(void **state)
{
	static const struct {
		uint64_t bits;
		const char *type, *want;
		unsigned width;
	} cases[] = {
		{ 0x4366199a, "f32", "230.1", 2 },
		{ 0x7fc00000, "f32", "NaN", 2 },
		{ 0xff800000, "f32", "-inf", 2 },
		{ 0xffffffffffffffff, "u64", "18446744073709551615", 4 },
		{ 0x8000000000000000, "i64", "-9223372036854775808", 4 },
		{ 0x3fb999999999999a, "f64", "0.1", 4 },
		{ 0x1234, "bcd16", "1234", 1 },
		{ 0x12a4, "bcd16", "-", 1 },
		{ 0xffff, "i16", "-1", 1 },
	};
	char buf[MB_NUMBER_MAX];
	uint8_t data[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mb_way w = { .type = cases[i].type, .width = cases[i].width };

		lay(data, cases[i].bits, cases[i].width, false, false);
		assert_string_equal(mb_way_text(&w, data, buf), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_type_order_and_scale_come_first),
		cmocka_unit_test(every_type_in_every_order_and_scale_is_found),
		cmocka_unit_test(a_value_among_others_is_found_where_it_lies),
		cmocka_unit_test(a_live_value_need_only_agree_in_the_digits_given),
		cmocka_unit_test(readings_are_written_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
