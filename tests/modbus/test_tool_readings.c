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
		cmocka_unit_test(a_value_among_others_is_found_where_it_lies),
		cmocka_unit_test(a_live_value_need_only_agree_in_the_digits_given),
		cmocka_unit_test(readings_are_written_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
