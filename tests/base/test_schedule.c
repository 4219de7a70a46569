/*
 * test_schedule.c - ticks under a simulated clock, and what a cycle makes of its
 * points.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cycle.h"
#include "base/schedule.h"

enum { MS = 1000, SECOND = 1000 * MS };
static const int64_t HOUR = INT64_C(3600) * SECOND;

/* ---- schedule ---- */

static struct gw_schedule *one_device(const int64_t *intervals, size_t n, int64_t epoch_us)
{
	struct gw_schedule *s = gw_schedule_new(1);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(gw_schedule_group(s, 0, intervals[i]), i);
	gw_schedule_start(s, epoch_us, epoch_us);
	return s;
}

/* One round over the only device: the mask due at now, 0 when nothing is. */
static uint32_t begin(struct gw_schedule *s, int64_t now_us, int64_t *due_us)
{
	struct gw_due due, none;

	if (!gw_schedule_due(s, now_us, &due))
		return 0;
	assert_false(gw_schedule_due(s, now_us, &none));
	if (due_us)
		*due_us = due.due_us;
	return due.mask;
}

/* The same, and the cycle is closed at once. */
static uint32_t take(struct gw_schedule *s, int64_t now_us, int64_t *due_us)
{
	uint32_t mask = begin(s, now_us, due_us);

	if (mask)
		gw_schedule_finished(s, 0);
	return mask;
}

static void a_day_of_ticks_has_no_drift_and_no_overrun(void **state)
{
	const int64_t intervals[] = { 1 * SECOND, 60 * SECOND, HOUR };
	const int64_t epoch_us = 12345678;
	struct gw_schedule *s = one_device(intervals, 3, epoch_us);
	unsigned counts[8] = { 0 };
	int64_t due_us;

	(void)state;
	for (int64_t n = 0; n < 24 * 3600; n++) {
		int64_t next_us = gw_schedule_next_us(s);

		assert_int_equal(next_us, epoch_us + n * SECOND);
		/* timers are late by up to 300 ms, and that must not add up */
		counts[take(s, next_us + n % 300 * MS, &due_us) & 7]++;
		assert_int_equal(due_us, next_us);
	}
	assert_int_equal(counts[7], 24);
	assert_int_equal(counts[3], 24 * 60 - 24);
	assert_int_equal(counts[1], 24 * 3600 - 24 * 60);
	assert_int_equal(gw_schedule_overruns(s, 0), 0);
	gw_schedule_free(s);
}

static void an_overrun_is_counted_and_its_points_stay_due(void **state)
{
	const int64_t intervals[] = { 1 * SECOND, 2 * SECOND };
	struct gw_schedule *s = one_device(intervals, 2, 0);
	int64_t due_us;

	(void)state;
	assert_int_equal(take(s, 0, NULL), 3);
	assert_int_equal(begin(s, 1 * SECOND, NULL), 1); /* and stays open */
	assert_int_equal(gw_schedule_busy(s), 1);
	assert_int_equal(begin(s, 2 * SECOND, NULL), 0);
	assert_int_equal(gw_schedule_overruns(s, 0), 1);
	gw_schedule_finished(s, 0);
	assert_int_equal(gw_schedule_busy(s), 0);
	assert_int_equal(take(s, 2 * SECOND + 1, NULL), 0); /* not before the next tick */
	assert_int_equal(take(s, 3 * SECOND, &due_us),
			 3); /* the two-second group of the skipped tick too */
	assert_int_equal(due_us, 3 * SECOND);
	assert_int_equal(gw_schedule_overruns(s, 0), 1);
	gw_schedule_free(s);
}

static void a_suspended_machine_goes_on_at_the_grid(void **state)
{
	const int64_t intervals[] = { 1 * SECOND, HOUR };
	struct gw_schedule *s = one_device(intervals, 2, 0);
	int64_t due_us;

	(void)state;
	assert_int_equal(take(s, 0, NULL), 3);
	assert_int_equal(take(s, 8 * HOUR + 300 * MS, &due_us), 3);
	assert_int_equal(due_us, 8 * HOUR);
	assert_int_equal(gw_schedule_overruns(s, 0), 8 * 3600 - 1); /* each tick once */
	assert_int_equal(take(s, 8 * HOUR + 300 * MS, NULL), 0);    /* nothing piled up */
	assert_int_equal(gw_schedule_next_us(s), 8 * HOUR + 1 * SECOND);
	gw_schedule_free(s);
}

static void a_restarted_plugin_keeps_the_grid_and_reads_everything_soon(void **state)
{
	struct gw_schedule *s = gw_schedule_new(1);
	int64_t now_us = 10 * HOUR + 123456, due_us;

	(void)state;
	gw_schedule_group(s, 0, HOUR);
	gw_schedule_start(s, 0, now_us);
	assert_int_equal(gw_schedule_next_us(s), 10 * HOUR + 1 * SECOND);
	assert_int_equal(take(s, 10 * HOUR + 1 * SECOND, &due_us), 1);
	assert_int_equal(due_us, 10 * HOUR + 1 * SECOND);
	assert_int_equal(gw_schedule_next_us(s), 11 * HOUR);
	assert_int_equal(gw_schedule_overruns(s, 0), 0);
	gw_schedule_free(s);
}

static void all_devices_of_one_tick_come_in_one_round(void **state)
{
	struct gw_schedule *s = gw_schedule_new(100);
	struct gw_due due;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		gw_schedule_group(s, i, 20 * MS);
	gw_schedule_start(s, 0, 0);
	while (gw_schedule_due(s, 0, &due))
		assert_int_equal(due.device, n++);
	assert_int_equal(n, 100);
	assert_int_equal(gw_schedule_next_us(s), 20 * MS);
	gw_schedule_free(s);
}

static void a_device_has_32_intervals_at_most(void **state)
{
	struct gw_schedule *s = gw_schedule_new(1);

	(void)state;
	for (int i = 0; i < GW_GROUPS_MAX; i++)
		assert_int_equal(gw_schedule_group(s, 0, (i + 1) * SECOND), i);
	assert_int_equal(gw_schedule_group(s, 0, 33 * SECOND), -1);
	assert_int_equal(gw_schedule_group(s, 0, 32 * SECOND), 31);
	gw_schedule_free(s);
}

static void without_points_nothing_is_ever_due(void **state)
{
	struct gw_schedule *s = gw_schedule_new(1);
	struct gw_due due;

	(void)state;
	gw_schedule_start(s, 0, 0);
	assert_int_equal(gw_schedule_next_us(s), INT64_MAX);
	assert_false(gw_schedule_due(s, HOUR, &due));
	gw_schedule_free(s);
}

/* ---- cycle ---- */

struct fixture {
	struct gw_cycle *c;
	void *scratch;
	const struct gw_reading *r; /* of the last close */
};

static void keep(void *arg, unsigned device, const struct gw_reading *r)
{
	struct fixture *f = arg;
	const char *wrong = gw_reading_check(r, r->size, GW_POINTS_MAX);

	assert_int_equal(device, 7);
	if (wrong)
		fail_msg("%s", wrong);
	f->r = r;
}

static void open_fixture(struct fixture *f)
{
	f->scratch = malloc(GW_READING_MAX);
	f->c = gw_cycle_new(7, f->scratch, keep, f);
	f->r = NULL;
}

static void close_fixture(struct fixture *f)
{
	gw_cycle_free(f->c);
	free(f->scratch);
}

static void assert_entry(const struct fixture *f, unsigned i, unsigned index, enum gw_kind kind,
			 unsigned reason)
{
	uint32_t tag = gw_reading_ctags(f->r)[i];

	assert_int_equal(gw_tag_index(tag), index);
	assert_int_equal(gw_tag_kind(tag), kind);
	assert_int_equal(gw_tag_reason(tag), reason);
}

static void points_come_in_index_order_however_they_were_put(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f);
	gw_cycle_add_point(f.c, GW_I64, 0);
	gw_cycle_add_point(f.c, GW_BOOL, 1);
	gw_cycle_add_point(f.c, GW_F32, 0);
	gw_cycle_add_point(f.c, GW_U64, 0);
	gw_cycle_open(f.c, 1, 5);
	gw_cycle_u64(f.c, 3, UINT64_MAX);
	gw_cycle_i64(f.c, 0, 1);
	gw_cycle_i64(f.c, 0, -2); /* the last one counts */
	gw_cycle_close(f.c, GW_TIMEOUT);
	assert_int_equal(f.r->device, 7);
	assert_int_equal(f.r->count, 3);
	assert_entry(&f, 0, 0, GW_I64, GW_GOOD);
	assert_entry(&f, 1, 2, GW_NONE, GW_TIMEOUT);
	assert_entry(&f, 2, 3, GW_U64, GW_GOOD);
	assert_int_equal(gw_reading_value(f.r, 0).i, -2);
	assert_true(gw_reading_value(f.r, 2).u == UINT64_MAX);
	close_fixture(&f);
}

static void the_due_array_of_a_mask_stays_where_it_is(void **state)
{
	struct fixture f;
	const uint16_t *first[4];
	size_t n;

	(void)state;
	open_fixture(&f);
	gw_cycle_add_point(f.c, GW_BOOL, 0);
	gw_cycle_add_point(f.c, GW_BOOL, 1);
	for (int round = 0; round < 3; round++) {
		for (uint32_t mask = 1; mask < 4; mask++) {
			gw_cycle_open(f.c, mask, 0);
			assert_int_equal(gw_cycle_mask(f.c), mask);
			if (round == 0)
				first[mask] = gw_cycle_due(f.c, &n);
			assert_ptr_equal(gw_cycle_due(f.c, &n), first[mask]);
			assert_int_equal(n, mask == 3 ? 2 : 1);
			assert_int_equal(first[mask][0], mask == 2);
			gw_cycle_close(f.c, GW_TIMEOUT);
		}
	}
	close_fixture(&f);
}

static void what_is_no_number_is_not_available(void **state)
{
	const double odd[] = { (double)NAN, (double)INFINITY, -(double)INFINITY };
	struct fixture f;

	(void)state;
	open_fixture(&f);
	gw_cycle_add_point(f.c, GW_F64, 0);
	gw_cycle_add_point(f.c, GW_F32, 0);
	for (int i = 0; i < 3; i++) {
		gw_cycle_open(f.c, 1, 0);
		gw_cycle_f64(f.c, 0, odd[i]);
		gw_cycle_f32(f.c, 1, (float)odd[i]);
		gw_cycle_close(f.c, GW_TIMEOUT);
		assert_entry(&f, 0, 0, GW_NONE, GW_NOT_AVAILABLE);
		assert_entry(&f, 1, 1, GW_NONE, GW_NOT_AVAILABLE);
	}
	close_fixture(&f);
}

static const struct {
	const char *in;
	size_t n;
	const char *out; /* NULL: bad_text */
} texts[] = {
	{ "ABC\0\0 \0", 7, "ABC" },
	{ "  a b  ", 7, "  a b" },
	{ "\0\0\0\0", 4, "" },
	{ "", 0, "" },
	{ "Tr\xe1\xba\xa1m", 6, "Tr\xe1\xba\xa1m" },
	{ "a\0b", 3, NULL },
	{ "a\nb", 3, NULL },
	{ "\xff\xfe", 2, NULL },
	{ "\xe1\xba", 2, NULL },
};

static void texts_are_trimmed_and_must_be_clean(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f);
	gw_cycle_add_point(f.c, GW_TEXT, 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct gw_value v;

		gw_cycle_open(f.c, 1, 0);
		gw_cycle_text(f.c, 0, texts[i].in, texts[i].n);
		gw_cycle_close(f.c, GW_TIMEOUT);
		v = gw_reading_value(f.r, 0);
		assert_int_equal(v.reason, texts[i].out ? GW_GOOD : GW_BAD_TEXT);
		if (!texts[i].out)
			continue;
		assert_int_equal(v.length, strlen(texts[i].out));
		assert_memory_equal(v.text, texts[i].out, v.length);
	}
	close_fixture(&f);
}

static void a_reading_that_grows_too_large_loses_its_last_texts(void **state)
{
	struct fixture f;
	char *text = malloc(20000);

	(void)state;
	memset(text, 'x', 20000);
	open_fixture(&f);
	for (int i = 0; i < 4; i++)
		gw_cycle_add_point(f.c, GW_TEXT, 0);
	gw_cycle_open(f.c, 1, 0);
	for (unsigned i = 4; i-- > 0;)
		gw_cycle_text(f.c, i, text, i == 0 ? 5000 : 20000);
	gw_cycle_close(f.c, GW_TIMEOUT);
	assert_true(f.r->size <= GW_READING_MAX);
	for (unsigned i = 0; i < 3; i++)
		assert_entry(&f, i, i, GW_TEXT, GW_GOOD);
	assert_entry(&f, 3, 3, GW_TEXT, GW_GOOD);
	gw_cycle_open(f.c, 1, 0);
	for (unsigned i = 0; i < 3; i++)
		gw_cycle_text(f.c, i, text, 20000);
	gw_cycle_text(f.c, 3, text, 5500);
	gw_cycle_close(f.c, GW_TIMEOUT);
	assert_entry(&f, 2, 2, GW_TEXT, GW_GOOD);
	assert_entry(&f, 3, 3, GW_NONE, GW_BAD_TEXT);
	free(text);
	close_fixture(&f);
}

static void the_largest_device_fits_a_reading(void **state)
{
	struct fixture f;
	size_t n;

	(void)state;
	open_fixture(&f);
	for (unsigned i = 0; i < GW_POINTS_MAX; i++)
		gw_cycle_add_point(f.c, GW_U64, i % 32);
	gw_cycle_open(f.c, UINT32_MAX, 0);
	gw_cycle_due(f.c, &n);
	assert_int_equal(n, GW_POINTS_MAX);
	for (unsigned i = 0; i < GW_POINTS_MAX; i++)
		gw_cycle_u64(f.c, i, i);
	gw_cycle_close(f.c, GW_GOOD);
	assert_int_equal(f.r->count, GW_POINTS_MAX);
	assert_int_equal(gw_reading_value(f.r, 999).u, 999);
	close_fixture(&f);
}

static void more_masks_than_can_be_kept_become_everything(void **state)
{
	struct fixture f;

	(void)state;
	open_fixture(&f);
	for (unsigned i = 0; i < 32; i++)
		gw_cycle_add_point(f.c, GW_BOOL, i);
	for (uint32_t mask = 1; mask < 400; mask++) {
		gw_cycle_open(f.c, mask, 0);
		assert_int_equal(gw_cycle_mask(f.c) & mask, mask);
		gw_cycle_close(f.c, GW_TIMEOUT);
	}
	assert_int_equal(f.r->count, 32);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_of_ticks_has_no_drift_and_no_overrun),
		cmocka_unit_test(an_overrun_is_counted_and_its_points_stay_due),
		cmocka_unit_test(a_suspended_machine_goes_on_at_the_grid),
		cmocka_unit_test(a_restarted_plugin_keeps_the_grid_and_reads_everything_soon),
		cmocka_unit_test(all_devices_of_one_tick_come_in_one_round),
		cmocka_unit_test(a_device_has_32_intervals_at_most),
		cmocka_unit_test(without_points_nothing_is_ever_due),
		cmocka_unit_test(points_come_in_index_order_however_they_were_put),
		cmocka_unit_test(the_due_array_of_a_mask_stays_where_it_is),
		cmocka_unit_test(what_is_no_number_is_not_available),
		cmocka_unit_test(texts_are_trimmed_and_must_be_clean),
		cmocka_unit_test(a_reading_that_grows_too_large_loses_its_last_texts),
		cmocka_unit_test(the_largest_device_fits_a_reading),
		cmocka_unit_test(more_masks_than_can_be_kept_become_everything),
	};

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
