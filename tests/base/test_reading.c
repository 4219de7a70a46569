/*
 * test_reading.c - the binary form of a reading, and each way in which bytes
 * may fail to be one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "gatewayd/reading.h"

enum { POINTS = 7, TEXT_AT = 4 };

static uint64_t slot_of(double d)
{
	uint64_t slot;

	memcpy(&slot, &d, sizeof(slot));
	return slot;
}

/* One point of each kind: 0 1 2 3 5 8 9, of a device with ten points. */
struct sample {
	struct gw_reading head;
	uint32_t tag[POINTS + 1];
	uint64_t slot[POINTS];
	char text[8];
};

static struct sample sample(void)
{
	return (struct sample){
		.head = { .size = sizeof(struct sample), .count = POINTS, .text_size = 5,
			  .seq = 7, .ts_ms = 1763760000123, .flags = GW_READING_UNSYNCED },
		.tag = { gw_tag(0, GW_BOOL, GW_GOOD), gw_tag(1, GW_I64, GW_GOOD),
			 gw_tag(2, GW_U64, GW_GOOD), gw_tag(3, GW_F32, GW_GOOD),
			 gw_tag(5, GW_TEXT, GW_GOOD), gw_tag(8, GW_NONE, GW_EXCEPTION_0 | 2),
			 gw_tag(9, GW_F64, GW_OUT_OF_RANGE) },
		.slot = { 1, (uint64_t)-5, UINT64_MAX, slot_of((double)0.1f), 0 << 16 | 5, 0,
			  slot_of(230.1) },
		.text = "m\xc3\xa9t\x41",
	};
}

static void assert_refused(const struct sample *s, const char *why)
{
	const char *said = gw_reading_check(&s->head, sizeof(*s), 10);

	assert_non_null(said);
	assert_string_equal(said, why);
}

static void a_good_reading_passes_and_gives_its_values(void **state)
{
	struct sample s = sample();
	struct gw_value v;

	(void)state;
	assert_null(gw_reading_check(&s.head, sizeof(s), 10));
	v = gw_reading_value(&s.head, 0);
	assert_int_equal(v.kind, GW_BOOL);
	assert_true(v.b);
	assert_true(gw_reading_value(&s.head, 1).i == -5);
	assert_true(gw_reading_value(&s.head, 2).u == UINT64_MAX);
	assert_true(gw_reading_value(&s.head, 3).f == (double)0.1f);
	v = gw_reading_value(&s.head, TEXT_AT);
	assert_int_equal(v.length, 5);
	assert_memory_equal(v.text, "m\xc3\xa9t\x41", 5);
	v = gw_reading_value(&s.head, 5);
	assert_int_equal(v.kind, GW_NONE);
	assert_int_equal(v.reason, GW_EXCEPTION_0 | 2);
	v = gw_reading_value(&s.head, 6);
	assert_int_equal(v.reason, GW_OUT_OF_RANGE);
	assert_true(v.f == 230.1);
}

static void a_label_is_a_value_of_a_normalised_reading(void **state)
{
	struct sample s = sample();

	(void)state;
	s.tag[1] = gw_tag(1, GW_ENUM, GW_GOOD);
	s.slot[1] = 3;
	assert_null(gw_reading_check(&s.head, sizeof(s), 10));
	assert_int_equal(gw_reading_value(&s.head, 1).label, 3);
	s.slot[1] = UINT64_C(1) << 32;
	assert_refused(&s, "label of a point is out of range");
}

static void sizes_that_disagree_are_refused(void **state)
{
	struct sample s = sample();

	(void)state;
	assert_string_equal(gw_reading_check(&s.head, 47, 10),
			    "reading is shorter than its header");
	assert_string_equal(gw_reading_check(&s.head, sizeof(s) - 8, 10),
			    "size of the reading disagrees with its bytes");
	assert_string_equal(gw_reading_check(&s.head, sizeof(s) + 8, 10),
			    "size of the reading disagrees with its bytes");
	s.head.text_size = 9;
	assert_refused(&s, "size of the reading disagrees with its points and text");
	s = sample();
	s.head.count = 6;
	assert_refused(&s, "size of the reading disagrees with its points and text");
	s.head.count = 11;
	assert_refused(&s, "reading has more points than its device");
	s.head.count = UINT16_MAX;
	assert_string_equal(gw_reading_check(&s.head, sizeof(s), 65536),
			    "reading has more points than its device");
	s = sample();
	s.head.size = GW_READING_MAX + 8;
	assert_string_equal(gw_reading_check(&s.head, GW_READING_MAX + 8, 10),
			    "reading is too large");
}

static void what_is_unknown_is_refused(void **state)
{
	struct sample s = sample();

	(void)state;
	s.head.flags = 4;
	assert_refused(&s, "reading has an unknown flag");
	s = sample();
	s.tag[0] = gw_tag(0, GW_KINDS, GW_GOOD);
	assert_refused(&s, "kind of a point is unknown");
	s.tag[0] = gw_tag(0, (enum gw_kind)255, GW_GOOD);
	assert_refused(&s, "kind of a point is unknown");
	s.tag[0] = gw_tag(0, GW_BOOL, GW_REASONS);
	assert_refused(&s, "reason of a point is unknown");
	s.tag[0] = gw_tag(0, GW_BOOL, 0x7f);
	assert_refused(&s, "reason of a point is unknown");
}

static void point_numbers_grow_and_belong_to_the_device(void **state)
{
	struct sample s = sample();

	(void)state;
	assert_string_equal(gw_reading_check(&s.head, sizeof(s), 9),
			    "point numbers do not grow or are beyond the device's");
	s.tag[1] = gw_tag(0, GW_I64, GW_GOOD);
	assert_refused(&s, "point numbers do not grow or are beyond the device's");
	s.tag[1] = gw_tag(2, GW_I64, GW_GOOD);
	assert_refused(&s, "point numbers do not grow or are beyond the device's");
}

static void padding_is_zero(void **state)
{
	struct sample s = sample();

	(void)state;
	s.tag[POINTS] = 1;
	assert_refused(&s, "padding of the reading is not zero");
	s = sample();
	s.text[7] = 'x';
	assert_refused(&s, "padding of the reading is not zero");
}

static void values_are_of_their_kind(void **state)
{
	struct sample s = sample();

	(void)state;
	s.slot[0] = 2;
	assert_refused(&s, "boolean of a point is neither 0 nor 1");
	s = sample();
	s.slot[3] = slot_of(0.1);
	assert_refused(&s, "number of a point is no float32");
	s.slot[3] = slot_of(1e300);
	assert_refused(&s, "number of a point is no float32");
	s.slot[3] = slot_of((double)INFINITY);
	assert_refused(&s, "number of a point is not finite");
	s = sample();
	s.slot[6] = slot_of((double)-INFINITY);
	assert_refused(&s, "number of a point is not finite");
	s.slot[6] = slot_of((double)NAN);
	assert_refused(&s, "number of a point is not finite");
	s = sample();
	s.tag[5] = gw_tag(8, GW_NONE, GW_GOOD);
	assert_refused(&s, "point without value has no reason");
}

static void text_lies_inside_and_is_clean(void **state)
{
	struct sample s = sample();

	(void)state;
	s.slot[TEXT_AT] = 6 << 16;
	assert_refused(&s, "text of a point lies outside the reading");
	s.slot[TEXT_AT] = 1 << 16 | 5;
	assert_refused(&s, "text of a point lies outside the reading");
	s.slot[TEXT_AT] = UINT64_MAX;
	assert_refused(&s, "text of a point lies outside the reading");
	s.slot[TEXT_AT] = 0 << 16 | 2; /* cuts a character in two */
	assert_refused(&s, "text of a point is not clean UTF-8");
	s = sample();
	s.text[0] = '\n';
	assert_refused(&s, "text of a point is not clean UTF-8");
	s = sample();
	s.slot[TEXT_AT] = 5 << 16;
	assert_null(gw_reading_check(&s.head, sizeof(s), 10)); /* empty at the very end */
}

static void two_points_may_not_share_text(void **state)
{
	struct sample s = sample();

	(void)state;
	s.tag[5] = gw_tag(8, GW_TEXT, GW_GOOD);
	s.slot[5] = 0 << 16 | 3;
	assert_refused(&s, "text of a point lies outside the reading");
	s.slot[TEXT_AT] = 3 << 16 | 2;
	assert_null(gw_reading_check(&s.head, sizeof(s), 10));
}

/* Whatever bytes: an answer, and no step outside the block (the sanitizer looks). */
static void any_single_changed_byte_is_survived(void **state)
{
	struct sample good = sample(), *s;

	(void)state;
	s = malloc(sizeof(*s));
	assert_non_null(s);
	for (size_t at = 0; at < sizeof(good); at++)
		for (int value = 0; value < 256; value++) {
			*s = good;
			((unsigned char *)s)[at] = (unsigned char)value;
			if (gw_reading_check(&s->head, sizeof(*s), 10))
				continue;
			for (unsigned i = 0; i < s->head.count; i++)
				gw_reading_value(&s->head, i);
		}
	free(s);
}

static void an_empty_reading_is_one(void **state)
{
	struct gw_reading r = { .size = sizeof(r) };

	(void)state;
	assert_null(gw_reading_check(&r, sizeof(r), 0));
}

static void the_crc_covers_all_behind_it(void **state)
{
	struct sample s = sample();
	uint32_t crc = gw_reading_crc(&s.head);

	(void)state;
	assert_int_equal(crc, crc32(0, (const unsigned char *)&s + 8, sizeof(s) - 8));
	s.head.crc = 99;
	assert_int_equal(gw_reading_crc(&s.head), crc);
	s.text[7] = 1;
	assert_int_not_equal(gw_reading_crc(&s.head), crc);
}

static void reasons_have_the_names_of_the_contract(void **state)
{
	static const char *const names[] = { "good", "timeout", "no_connection", "crc", "protocol",
					     "not_available", "out_of_range", "overflow",
					     "not_in_enum", "bad_text", "plugin", "exception_128" };

	(void)state;
	assert_int_equal(sizeof(names) / sizeof(names[0]), GW_REASONS);
	for (unsigned i = 0; i < GW_REASONS; i++)
		assert_string_equal(gw_reason_name(i), names[i]);
	for (unsigned i = 0; i < 128; i++) {
		char want[32];

		snprintf(want, sizeof(want), "exception_%u", i);
		assert_string_equal(gw_reason_name(GW_EXCEPTION_0 + i), want);
	}
	assert_string_equal(gw_reason_name(GW_REASONS), "unknown");
	assert_string_equal(gw_reason_name(256), "unknown");
}

static void silence_is_what_the_contract_calls_offline(void **state)
{
	static const unsigned silent[] = { GW_TIMEOUT, GW_NO_CONNECTION, GW_CRC, GW_PROTOCOL,
					   GW_EXCEPTION_0 | 10, GW_EXCEPTION_0 | 11 };

	(void)state;
	for (unsigned reason = 0; reason < 256; reason++) {
		bool want = false;

		for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
			want |= silent[i] == reason;
		assert_int_equal(gw_reason_is_silence(reason), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_reading_passes_and_gives_its_values),
		cmocka_unit_test(a_label_is_a_value_of_a_normalised_reading),
		cmocka_unit_test(sizes_that_disagree_are_refused),
		cmocka_unit_test(what_is_unknown_is_refused),
		cmocka_unit_test(point_numbers_grow_and_belong_to_the_device),
		cmocka_unit_test(padding_is_zero),
		cmocka_unit_test(values_are_of_their_kind),
		cmocka_unit_test(text_lies_inside_and_is_clean),
		cmocka_unit_test(two_points_may_not_share_text),
		cmocka_unit_test(any_single_changed_byte_is_survived),
		cmocka_unit_test(an_empty_reading_is_one),
		cmocka_unit_test(the_crc_covers_all_behind_it),
		cmocka_unit_test(reasons_have_the_names_of_the_contract),
		cmocka_unit_test(silence_is_what_the_contract_calls_offline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
