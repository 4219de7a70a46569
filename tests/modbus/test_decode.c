#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "plugins/modbus/decode.h"

/* As text, so that a failed case shows what came out. */
static const char *show(const struct gw_value *v)
{
	static char text[300];

	switch (v->kind) {
	case GW_BOOL:
		return v->b ? "true" : "false";
	case GW_I64:
		snprintf(text, sizeof(text), "i %lld", (long long)v->i);
		break;
	case GW_U64:
		snprintf(text, sizeof(text), "u %llu", (unsigned long long)v->u);
		break;
	case GW_F32:
	case GW_F64:
		snprintf(text, sizeof(text), "%s %.17g", v->kind == GW_F32 ? "f32" : "f64", v->f);
		break;
	case GW_TEXT:
		snprintf(text, sizeof(text), "\"%.*s\"", (int)v->length, v->text);
		break;
	case GW_NONE:
	case GW_ENUM:
	case GW_KINDS:
		return "nothing";
	}
	return text;
}

struct decoding {
	struct mb_form form;
	uint8_t data[8];
	const char *want;
};

static void check(const struct decoding *cases, size_t n)
{
	char text[2 * MB_REGISTERS_MAX];

	for (size_t i = 0; i < n; i++) {
		uint8_t shifted[14] = { 0xee, 0xee, 0xee, 0xee, 0xee, 0xee };
		struct gw_value v = mb_decode(&cases[i].form, cases[i].data, 0, text);

		assert_string_equal(show(&v), cases[i].want);
		assert_int_equal(v.kind, mb_form_kind(&cases[i].form));
		memcpy(shifted + 6, cases[i].data, 8);
		v = mb_decode(&cases[i].form, shifted, 3, text);
		assert_string_equal(show(&v), cases[i].want);
	}
}
#define CHECK(cases) check(cases, sizeof(cases) / sizeof((cases)[0]))

static void every_type_has_its_range(void **state)
{
	static const struct decoding cases[] = {
		{ { .type = MB_BOOL }, { 0, 0 }, "false" },
		{ { .type = MB_BOOL }, { 1, 0 }, "true" },
		{ { .type = MB_U16 }, { 0x12, 0x34 }, "u 4660" },
		{ { .type = MB_U16 }, { 0xff, 0xff }, "u 65535" },
		{ { .type = MB_I16 }, { 0x7f, 0xff }, "i 32767" },
		{ { .type = MB_I16 }, { 0x80, 0x00 }, "i -32768" },
		{ { .type = MB_I16 }, { 0xff, 0xff }, "i -1" },
		{ { .type = MB_U32 }, { 0x12, 0x34, 0x56, 0x78 }, "u 305419896" },
		{ { .type = MB_U32 }, { 0xff, 0xff, 0xff, 0xff }, "u 4294967295" },
		{ { .type = MB_I32 }, { 0x80, 0, 0, 0 }, "i -2147483648" },
		{ { .type = MB_I32 }, { 0xff, 0xff, 0xff, 0xfe }, "i -2" },
		{ { .type = MB_U64 }, { 1, 2, 3, 4, 5, 6, 7, 8 }, "u 72623859790382856" },
		{ { .type = MB_U64 }, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		  "u 18446744073709551615" },
		{ { .type = MB_I64 }, { 0x80, 0, 0, 0, 0, 0, 0, 0 }, "i -9223372036854775808" },
		{ { .type = MB_I64 }, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, "i -1" },
		{ { .type = MB_F32 }, { 0x3f, 0x80, 0, 0 }, "f32 1" },
		{ { .type = MB_F32 }, { 0x43, 0x66, 0x19, 0x9a }, "f32 230.10000610351562" },
		{ { .type = MB_F32 }, { 0x80, 0, 0, 0 }, "f32 -0" },
		{ { .type = MB_F32 }, { 0x7f, 0x80, 0, 0 }, "f32 inf" },
		{ { .type = MB_F64 }, { 0x3f, 0xf8, 0, 0, 0, 0, 0, 0 }, "f64 1.5" },
		{ { .type = MB_F64 }, { 0x80, 0, 0, 0, 0, 0, 0, 0 }, "f64 -0" },
		{ { .type = MB_F64 }, { 0x40, 0x6c, 0xc3, 0x33, 0x33, 0x33, 0x33, 0x33 },
		  "f64 230.09999999999999" },
		{ { .type = MB_STRING, .registers = 3 }, { 'A', 'B', 'C', 'D', 'E', ' ' }, "\"ABCDE \"" },
	};

	(void)state;
	CHECK(cases);
}

static void words_and_bytes_come_in_four_orders(void **state)
{
	static const struct decoding cases[] = {
		{ { .type = MB_U16, .byte_little = true }, { 0x34, 0x12 }, "u 4660" },
		{ { .type = MB_U16, .word_little = true }, { 0x12, 0x34 }, "u 4660" },
		{ { .type = MB_I16, .byte_little = true }, { 0xfe, 0xff }, "i -2" },
		{ { .type = MB_U32, .word_little = true }, { 0x56, 0x78, 0x12, 0x34 }, "u 305419896" },
		{ { .type = MB_U32, .byte_little = true }, { 0x34, 0x12, 0x78, 0x56 }, "u 305419896" },
		{ { .type = MB_I32, .word_little = true, .byte_little = true }, { 0xfe, 0xff, 0xff, 0xff },
		  "i -2" },
		{ { .type = MB_U64, .word_little = true }, { 7, 8, 5, 6, 3, 4, 1, 2 },
		  "u 72623859790382856" },
		{ { .type = MB_U64, .byte_little = true }, { 2, 1, 4, 3, 6, 5, 8, 7 },
		  "u 72623859790382856" },
		{ { .type = MB_U64, .word_little = true, .byte_little = true }, { 8, 7, 6, 5, 4, 3, 2, 1 },
		  "u 72623859790382856" },
		{ { .type = MB_I32, .word_little = true, .apart = 3 }, { 0x79, 0x60, 9, 9, 9, 9, 0xff, 0xfe },
		  "i -100000" },
		{ { .type = MB_I32, .apart = 3 }, { 0xff, 0xfe, 9, 9, 9, 9, 0x79, 0x60 }, "i -100000" },
		{ { .type = MB_U32, .word_little = true, .apart = 2 }, { 0x79, 0x60, 9, 9, 0xff, 0xfe },
		  "u 4294867296" },
		{ { .type = MB_U32, .length = 4, .start = 28, .apart = 2 }, { 0x79, 0x60, 9, 9, 0xff, 0xfe },
		  "u 7" },
		{ { .type = MB_F32, .word_little = true }, { 0x19, 0x9a, 0x43, 0x66 },
		  "f32 230.10000610351562" },
		{ { .type = MB_F32, .byte_little = true }, { 0x66, 0x43, 0x9a, 0x19 },
		  "f32 230.10000610351562" },
		{ { .type = MB_F32, .word_little = true, .byte_little = true }, { 0x9a, 0x19, 0x66, 0x43 },
		  "f32 230.10000610351562" },
		{ { .type = MB_F64, .word_little = true }, { 0, 0, 0, 0, 0, 0, 0x3f, 0xf8 }, "f64 1.5" },
		{ { .type = MB_F64, .byte_little = true }, { 0xf8, 0x3f, 0, 0, 0, 0, 0, 0 }, "f64 1.5" },
		{ { .type = MB_F64, .word_little = true, .byte_little = true },
		  { 0, 0, 0, 0, 0, 0, 0xf8, 0x3f }, "f64 1.5" },
		{ { .type = MB_STRING, .registers = 2, .byte_little = true }, { 'B', 'A', 'D', 'C' },
		  "\"ABCD\"" },
		{ { .type = MB_STRING, .registers = 2, .word_little = true }, { 'C', 'D', 'A', 'B' },
		  "\"ABCD\"" },
		{ { .type = MB_STRING, .registers = 3, .characters = MB_LOW }, { 0, 'A', 9, 'B', 0, 'C' },
		  "\"ABC\"" },
		{ { .type = MB_STRING, .registers = 3, .characters = MB_HIGH }, { 'A', 0, 'B', 9, 'C', 0 },
		  "\"ABC\"" },
		{ { .type = MB_STRING, .registers = 2, .characters = MB_LOW, .byte_little = true },
		  { 'A', 0, 'B', 0 }, "\"AB\"" },
	};

	(void)state;
	CHECK(cases);
}

static void bits_are_counted_from_the_least_significant(void **state)
{
	static const struct decoding cases[] = {
		{ { .type = MB_BOOL, .length = 1, .start = 3, .flag = true }, { 0x00, 0x08 }, "true" },
		{ { .type = MB_BOOL, .length = 1, .start = 3, .flag = true }, { 0xff, 0xf7 }, "false" },
		{ { .type = MB_U16, .length = 1, .start = 15, .flag = true }, { 0x80, 0x00 }, "true" },
		{ { .type = MB_U32, .length = 1, .start = 31, .flag = true }, { 0x80, 0, 0, 0 }, "true" },
		{ { .type = MB_U16, .length = 3, .start = 4 }, { 0xff, 0xdf }, "u 5" },
		{ { .type = MB_U16, .length = 16 }, { 0xff, 0xdf }, "u 65503" },
		{ { .type = MB_I16, .length = 3, .start = 4 }, { 0x00, 0x50 }, "i -3" },
		{ { .type = MB_U64, .length = 64 }, { 0xff, 0, 0, 0, 0, 0, 0, 1 }, "u 18374686479671623681" },
		{ { .type = MB_U16, .length = 8, .byte_little = true }, { 0x12, 0x34 }, "u 18" },
	};

	(void)state;
	CHECK(cases);
}

static void a_float_that_is_no_number_stays_none(void **state)
{
	struct mb_form f32 = { .type = MB_F32 }, f64 = { .type = MB_F64 };
	uint8_t data[8] = { 0x7f, 0xf8, 0, 1, 0, 0, 0, 0 };

	(void)state;
	assert_true(isnan(mb_decode(&f32, data, 0, NULL).f));
	assert_true(isnan(mb_decode(&f64, data, 0, NULL).f));
}

static void coils_come_eight_in_a_byte_lowest_first(void **state)
{
	struct mb_form f = { .type = MB_BOOL, .single = true };
	uint8_t data[2] = { 0x81, 0x02 };

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(mb_decode(&f, data, i, NULL).b, i == 0 || i == 7 || i == 9);
	assert_int_equal(mb_form_kind(&f), GW_BOOL);
	assert_int_equal(mb_form_bits(&f), 1);
	assert_int_equal(mb_form_width(&f), 1);
}

static void widths_are_those_of_the_types(void **state)
{
	static const struct {
		struct mb_form form;
		unsigned width, bits;
	} cases[] = {
		{ { .type = MB_BOOL }, 1, 1 },  { { .type = MB_I16 }, 1, 16 }, { { .type = MB_U32 }, 2, 32 },
		{ { .type = MB_F32 }, 2, 32 },  { { .type = MB_I64 }, 4, 64 }, { { .type = MB_F64 }, 4, 64 },
		{ { .type = MB_STRING, .registers = 16 }, 16, 16 },
		{ { .type = MB_U32, .length = 1, .flag = true }, 2, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mb_form_width(&cases[i].form), cases[i].width);
		assert_int_equal(mb_form_bits(&cases[i].form), cases[i].bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_has_its_range),
		cmocka_unit_test(words_and_bytes_come_in_four_orders),
		cmocka_unit_test(bits_are_counted_from_the_least_significant),
		cmocka_unit_test(a_float_that_is_no_number_stays_none),
		cmocka_unit_test(coils_come_eight_in_a_byte_lowest_first),
		cmocka_unit_test(widths_are_those_of_the_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
