/*
 * test_text.c - UTF-8 checks, escaping, and durations and sizes for people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *bytes;
	size_t n;
	bool utf8, clean;
} texts[] = {
	{ "", 0, true, true },
	{ "Trạm bơm An Phú", 19, true, true },
	{ "\xf0\x9f\x9a\xa6", 4, true, true },		/* U+1F6A6 */
	{ "\xf4\x8f\xbf\xbf", 4, true, true },		/* U+10FFFF */
	{ "\xed\x9f\xbf\xee\x80\x80", 6, true, true },	/* around the surrogates */
	{ "a\tb\n", 4, true, false },
	{ "\x7f", 1, true, false },
	{ "\xc2\x85", 2, true, false },			/* C1 */
	{ "a\0b", 3, false, false },
	{ "\x80", 1, false, false },			/* no lead byte */
	{ "\xc0\xaf", 2, false, false },		/* overlong */
	{ "\xe0\x9f\xbf", 3, false, false },
	{ "\xf0\x8f\xbf\xbf", 4, false, false },
	{ "\xed\xa0\x80", 3, false, false },		/* surrogate */
	{ "\xf4\x90\x80\x80", 4, false, false },	/* above U+10FFFF */
	{ "\xf8\x88\x80\x80\x80", 5, false, false },
	{ "\xe1\xba", 2, false, false },		/* cut */
	{ "\xe1\xba(", 3, false, false },
};

static void utf8_is_what_rfc_3629_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(gw_utf8_ok(texts[i].bytes, texts[i].n), texts[i].utf8);
		assert_int_equal(gw_text_clean(texts[i].bytes, texts[i].n), texts[i].clean);
	}
}

static void outside_text_is_escaped_and_cut_between_pieces(void **state)
{
	static const struct {
		const char *bytes;
		size_t n, size;
		const char *want;
	} cases[] = {
		{ "bơm", 4, 20, "bơm" },
		{ "a\x1b[31m\n", 7, 40, "a\\x1b[31m\\x0a" },
		{ "a\0b", 3, 40, "a\\x00b" },
		{ "\xff\xc2\x85", 3, 40, "\\xff\\xc2\\x85" },
		{ "abcdef", 6, 7, "abcdef" },
		{ "abcdefg", 7, 7, "abc..." },
		{ "ab\x01g", 4, 7, "ab..." },
		{ "abcơơ", 7, 8, "abcơơ" },
		{ "abcơơ", 7, 7, "abc..." },
		{ "abcdefg", 7, 3, ".." },
		{ "abc", 3, 1, "" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(gw_escape(buf, cases[i].size, cases[i].bytes, cases[i].n),
				    cases[i].want);
	buf[0] = 'x';
	gw_escape(buf, 0, "abc", 3);
	assert_int_equal(buf[0], 'x');
}

static void durations_show_at_most_two_digits_of_detail(void **state)
{
	static const struct {
		int64_t ms;
		const char *want;
	} cases[] = {
		{ 0, "0ms" }, { 1, "1ms" }, { 500, "500ms" }, { 1000, "1s" }, { 1500, "1.5s" },
		{ 1549, "1.5s" }, { 9960, "10s" }, { 12300, "12s" }, { 59400, "59s" }, { 59700, "1m" },
		{ 60000, "1m" }, { 90000, "1.5m" }, { 120000, "2m" }, { 3569000, "59m" }, { 3599000, "1h" }, { 3600000, "1h" },
		{ 10800000, "3h" }, { 172800000, "2d" }, { 86400000LL * 400, "400d" }, { -1500, "-1.5s" },
		{ INT64_MIN, "-106751991167d" }, { INT64_MAX, "106751991167d" },
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(gw_show_duration(buf, sizeof(buf), cases[i].ms), cases[i].want);
}

static void sizes_show_one_decimal(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} cases[] = {
		{ 0, "0 B" }, { 512, "512 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" },
		{ 65536, "64.0 KiB" }, { 1048575, "1.0 MiB" }, { 1288490189, "1.2 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(gw_show_size(buf, sizeof(buf), cases[i].bytes), cases[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_what_rfc_3629_says),
		cmocka_unit_test(outside_text_is_escaped_and_cut_between_pieces),
		cmocka_unit_test(durations_show_at_most_two_digits_of_detail),
		cmocka_unit_test(sizes_show_one_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
