#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/ranges.h"

/* "1-3 7-7" */
static const char *shown(const struct gw_ranges *s)
{
	static char text[512];
	size_t at = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < s->n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llu-%llu", i ? " " : "",
				       (unsigned long long)s->r[i].from, (unsigned long long)s->r[i].to);
	return text;
}

static void ranges_that_touch_become_one(void **state)
{
	struct gw_ranges s = { 0 };

	(void)state;
	assert_int_equal(gw_ranges_add(&s, 5, 9), 5);
	assert_int_equal(gw_ranges_add(&s, 20, 20), 1);
	assert_string_equal(shown(&s), "5-9 20-20");
	assert_int_equal(gw_ranges_add(&s, 10, 10), 1);
	assert_int_equal(gw_ranges_add(&s, 4, 4), 1);
	assert_string_equal(shown(&s), "4-10 20-20");
	assert_int_equal(gw_ranges_add(&s, 8, 19), 9);
	assert_string_equal(shown(&s), "4-20");
	assert_int_equal(gw_ranges_add(&s, 6, 7), 0);
	assert_int_equal(s.total, 17);
	gw_ranges_free(&s);
	assert_int_equal(gw_ranges_first(&s), 0);
}

static void nothing_overlaps_an_empty_range(void **state)
{
	struct gw_ranges s = { 0 };
	struct gw_range r;

	(void)state;
	gw_ranges_add(&s, 1, 10);
	assert_false(gw_ranges_overlap(&s, 5, 4, &r));
	assert_true(gw_ranges_overlap(&s, 5, 5, &r));
	gw_ranges_free(&s);
}

static void taking_out_the_middle_leaves_two(void **state)
{
	struct gw_ranges s = { 0 };

	(void)state;
	gw_ranges_add(&s, 1, 100);
	assert_int_equal(gw_ranges_remove(&s, 40, 60), 21);
	assert_string_equal(shown(&s), "1-39 61-100");
	assert_int_equal(gw_ranges_remove(&s, 40, 60), 0);
	assert_int_equal(gw_ranges_remove(&s, 30, 70), 20);
	assert_int_equal(gw_ranges_remove(&s, 1, 29), 29);
	assert_string_equal(shown(&s), "71-100");
	assert_int_equal(gw_ranges_first(&s), 71);
	assert_int_equal(gw_ranges_remove(&s, 1, UINT64_MAX), 30);
	assert_string_equal(shown(&s), "");
	gw_ranges_free(&s);
}

static void the_largest_number_does_not_overflow(void **state)
{
	struct gw_ranges s = { 0 };

	(void)state;
	assert_int_equal(gw_ranges_add(&s, UINT64_MAX, UINT64_MAX), 1);
	assert_int_equal(gw_ranges_add(&s, 1, UINT64_MAX - 1), UINT64_MAX - 1);
	assert_int_equal(s.total, UINT64_MAX);
	assert_int_equal(s.n, 1);
	assert_int_equal(gw_ranges_remove(&s, 2, UINT64_MAX), UINT64_MAX - 1);
	assert_string_equal(shown(&s), "1-1");
	gw_ranges_free(&s);
}

static void an_overlap_is_cut_to_what_was_asked(void **state)
{
	struct gw_ranges s = { 0 };
	struct gw_range out;

	(void)state;
	assert_false(gw_ranges_overlap(&s, 1, 9, &out));
	gw_ranges_add(&s, 10, 20);
	gw_ranges_add(&s, 30, 40);
	assert_true(gw_ranges_overlap(&s, 15, 35, &out));
	assert_int_equal(out.from, 15);
	assert_int_equal(out.to, 20);
	assert_true(gw_ranges_overlap(&s, 21, 35, &out));
	assert_int_equal(out.from, 30);
	assert_int_equal(out.to, 35);
	assert_false(gw_ranges_overlap(&s, 21, 29, &out));
	assert_false(gw_ranges_overlap(&s, 41, UINT64_MAX, &out));
	gw_ranges_free(&s);
}

static void bytes_that_are_no_set_are_refused(void **state)
{
	static const struct {
		struct gw_range r[2];
		size_t size;
		bool ok;
	} cases[] = {
		{ { { 1, 2 }, { 4, 4 } }, 32, true },   { { { 1, 2 }, { 4, 4 } }, 16, true },
		{ { { 1, 2 }, { 4, 4 } }, 0, true },    { { { 1, 2 }, { 4, 4 } }, 31, false },
		{ { { 1, 2 }, { 3, 4 } }, 32, false },  { { { 1, 2 }, { 2, 4 } }, 32, false },
		{ { { 5, 6 }, { 1, 2 } }, 32, false },  { { { 0, 2 }, { 4, 4 } }, 32, false },
		{ { { 3, 2 }, { 4, 4 } }, 32, false },
		{ { { 1, UINT64_MAX }, { 1, 1 } }, 32, false },
		{ { { 1, UINT64_MAX }, { 0, 0 } }, 32, false },
	};
	struct gw_ranges s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(gw_ranges_decode(&s, cases[i].r, cases[i].size), cases[i].ok);
		assert_int_equal(s.n, cases[i].ok ? cases[i].size / 16 : 0);
	}
	gw_ranges_free(&s);
}

/* Compare with a plain array of flags. */
static void a_set_is_what_a_list_of_flags_would_be(void **state)
{
	enum { NUMBERS = 300 };
	unsigned char flag[NUMBERS + 2] = { 0 };
	struct gw_ranges s = { 0 }, copy = { 0 };
	uint64_t total = 0;

	(void)state;
	srand(7);
	for (int turn = 0; turn < 20000; turn++) {
		uint64_t from = 1 + (uint64_t)rand() % NUMBERS;
		uint64_t to = from + (uint64_t)rand() % 12;
		unsigned char to_be = rand() % 2 ? 1 : 0;
		uint64_t changed = 0;

		if (to > NUMBERS)
			to = NUMBERS;
		for (uint64_t i = from; i <= to; i++) {
			changed += flag[i] != to_be;
			flag[i] = to_be;
		}
		assert_int_equal(to_be ? gw_ranges_add(&s, from, to) : gw_ranges_remove(&s, from, to), changed);
		total = to_be ? total + changed : total - changed;
		assert_int_equal(s.total, total);
	}
	for (uint64_t i = 1; i <= NUMBERS; i++)
		assert_int_equal(gw_ranges_has(&s, i), flag[i]);
	for (uint32_t i = 1; i < s.n; i++)
		assert_true(s.r[i].from > s.r[i - 1].to + 1);
	assert_true(gw_ranges_decode(&copy, s.r, s.n * sizeof(*s.r)));
	gw_ranges_copy(&copy, &s);
	assert_memory_equal(copy.r, s.r, s.n * sizeof(*s.r));
	assert_int_equal(copy.total, s.total);
	gw_ranges_free(&copy);
	gw_ranges_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_touch_become_one),
		cmocka_unit_test(taking_out_the_middle_leaves_two),
		cmocka_unit_test(the_largest_number_does_not_overflow),
		cmocka_unit_test(an_overlap_is_cut_to_what_was_asked),
		cmocka_unit_test(nothing_overlaps_an_empty_range),
		cmocka_unit_test(bytes_that_are_no_set_are_refused),
		cmocka_unit_test(a_set_is_what_a_list_of_flags_would_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
