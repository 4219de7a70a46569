/* store, windows: kept, joined, handed out once and for all, found again, migrated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/fold.h"
#include "one_store.h"

#define START INT64_C(1763760000000) /* a whole ten minutes */

static struct gw_windows *windows;
static uint64_t fewer;
static char seen[400]; /* what a visit showed of thinned numbers */

static uint16_t flags; /* of the readings */

static struct gw_window *window(uint16_t device, uint64_t from, uint64_t to, int64_t ts_ms)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	struct gw_window *w;

	for (uint64_t seq = from; seq <= to; seq++) {
		struct gw_reading *r = some_reading(device, seq, ts_ms + (int64_t)(seq - from) * 1000, 3);

		r->mono_ms = r->ts_ms - START;
		r->flags = flags;
		assert_true(gw_fold_add(f, r));
		free(r);
	}
	w = gw_fold_take(f);
	gw_fold_free(f);
	return w;
}

/* Commits one window of sink 1 or 2 that begins with row `first_id`. */
static void keep(uint16_t sink, uint64_t first_id, uint16_t device, uint64_t from, uint64_t to, int64_t ts_ms)
{
	struct gw_window *w = window(device, from, to, ts_ms);
	struct gw_window_piece piece = { sink, first_id, w };

	if (shop_commit(&s, &(struct gw_commit){ .windows = &piece, .nwindows = 1 }) < 0)
		fail_msg("%s", s.err.msg);
	free(w);
}

static void got_windows(void *arg, struct gw_windows *w, const struct gw_err *err)
{
	windows = w;
	shop_note(arg, err);
}

/* "from-to/window_ms ..." of the sink's windows; sink 0: without bodies. */
static const char *listed(uint16_t sink)
{
	static char text[400];
	struct gw_windows_query q = { .sink = sink, .max_bytes = 1 << 20 };

	gw_store_windows(s.st, &q, got_windows, &s);
	shop_wait(&s);
	assert_false(s.failed);
	text[0] = 0;
	for (size_t i = 0; i < windows->n; i++) {
		const struct gw_window_row *row = &windows->rows[i];
		size_t n = strlen(text);

		if (row->window)
			assert_true(row->window->from == row->from && row->window->to == row->to);
		snprintf(text + n, sizeof(text) - n, "%llu-%llu/%u ", (unsigned long long)row->from,
			 (unsigned long long)row->to, row->window ? row->window->window_ms : 0);
	}
	gw_windows_free(windows);
	return text;
}

static void on_thinned(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges)
{
	(void)arg;
	for (uint32_t i = 0; i < ranges->n; i++) {
		size_t n = strlen(seen);

		snprintf(seen + n, sizeof(seen) - n, "%u/%u:%llu-%llu ", sink, device,
			 (unsigned long long)ranges->r[i].from, (unsigned long long)ranges->r[i].to);
	}
}

static const char *visited(void)
{
	seen[0] = 0;
	gw_store_visit(s.st, &(struct gw_store_visitor){ .arg = &s, .thinned = on_thinned, .done = shop_done });
	shop_wait(&s);
	return seen;
}

static void on_joined(void *arg, uint64_t n, const struct gw_err *err)
{
	fewer = n;
	shop_note(arg, err);
}

static uint64_t join(void)
{
	gw_store_join_windows(s.st, 1 << 20, on_joined, &s);
	shop_wait(&s);
	assert_false(s.failed);
	return fewer;
}

static void sql(const char *text)
{
	char command[600];

	snprintf(command, sizeof(command), "sqlite3 %s \"%s\" > /dev/null", s.path, text);
	assert_int_equal(system(command), 0);
}

static void open_with_two_sinks(void)
{
	struct gw_registration r = { .name = "pump", .layout = "layout", .layout_size = 6, .rate = 3600 };
	struct gw_sink_registration sinks[] = { { .name = "goc" }, { .name = "kho" } };

	shop_open(&s);
	assert_int_equal(shop_register(&s, &r, 1, sinks, 2), 0);
	assert_int_equal(r.device, 1);
}

/* What a loss would say of a window that is given up. */
static void a_window_of_untrusted_times_has_none_for_a_loss(void **state)
{
	struct gw_windows_query q = { .max_bytes = 1 << 20 };

	(void)state;
	open_with_two_sinks();
	keep(1, 100, 1, 1, 10, START);
	flags = GW_READING_UNSYNCED;
	keep(1, 110, 1, 11, 20, START + 10000);
	flags = 0;
	gw_store_windows(s.st, &q, got_windows, &s);
	shop_wait(&s);
	assert_int_equal(windows->n, 2); /* they are not joined */
	assert_int_equal(windows->rows[0].ts_from_ms, START);
	assert_int_equal(windows->rows[0].ts_to_ms, START + 9000);
	assert_int_equal(windows->rows[1].ts_from_ms, 0);
	assert_int_equal(windows->rows[1].ts_to_ms, 0);
	gw_windows_free(windows);
}

static void pieces_of_a_minute_become_one_window_for_each_sink(void **state)
{
	(void)state;
	open_with_two_sinks();
	keep(1, 100, 1, 1, 10, START);
	keep(1, 110, 1, 11, 20, START + 10000);
	keep(2, 104, 1, 5, 10, START + 4000);
	keep(1, 120, 1, 21, 21, START + 60000); /* the next minute */
	keep(1, 140, 1, 30, 31, START + 61000); /* numbers between them came */
	assert_string_equal(visited(), "1/1:1-21 1/1:30-31 2/1:5-10 ");
	assert_string_equal(listed(1), "1-20/60000 21-21/60000 30-31/60000 ");
	assert_string_equal(listed(2), "5-10/60000 ");
	assert_string_equal(listed(0), "1-20/0 5-10/0 21-21/0 30-31/0 ");
}

static void what_was_handed_out_never_changes_not_even_after_a_restart(void **state)
{
	(void)state;
	open_with_two_sinks();
	keep(1, 100, 1, 1, 10, START);
	assert_string_equal(listed(1), "1-10/60000 ");
	shop_close(&s);
	open_with_two_sinks();
	keep(1, 110, 1, 11, 20, START + 10000);
	keep(1, 120, 1, 21, 30, START + 20000); /* the second was not handed out */
	assert_int_equal(join(), 0);
	assert_string_equal(listed(1), "1-10/60000 11-30/600000 ");
}

static void a_commit_that_is_handed_in_again_doubles_nothing(void **state)
{
	(void)state;
	open_with_two_sinks();
	keep(1, 100, 1, 1, 10, START);
	keep(1, 110, 1, 11, 20, START + 10000);
	keep(1, 110, 1, 11, 20, START + 10000);
	keep(1, 100, 1, 1, 10, START);
	assert_string_equal(listed(1), "1-20/60000 ");
}

static void minutes_join_within_their_ten_minutes(void **state)
{
	(void)state;
	open_with_two_sinks();
	for (unsigned i = 0; i < 12; i++)
		keep(1, 100 + i, 1, 1 + i, 1 + i, START + i * 60000);
	keep(2, 100, 1, 1, 1, START);
	assert_int_equal(join(), 10);
	assert_string_equal(listed(0), "1-10/0 1-1/0 11-12/0 ");
	keep(1, 112, 1, 13, 13, START + 12 * 60000);
	assert_int_equal(join(), 1); /* continues the one that was begun */
	assert_int_equal(join(), 0);
	assert_string_equal(listed(1), "1-10/600000 11-13/600000 ");
	assert_string_equal(visited(), "1/1:1-13 2/1:1-1 ");
}

static void what_is_gone_is_deleted_and_ids_are_not_used_again(void **state)
{
	uint64_t gone[] = { UINT64_C(100) << 16 | 1 };

	(void)state;
	open_with_two_sinks();
	keep(1, 100, 1, 1, 10, START);
	keep(1, 200, 1, 11, 11, START + 60000);
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .windows_gone = gone, .nwindows_gone = 1 }), 0);
	assert_string_equal(listed(1), "11-11/60000 ");
	shop_close(&s);
	open_with_two_sinks();
	put(&(struct shop_batch){ 1, 50, 1, 3, START, 50, 50, false });
	assert_true(s.result.first_id > 200); /* of a reading, although there was none */
}

static void a_damaged_window_is_known_as_one(void **state)
{
	struct gw_windows_query q = { .sink = 1, .max_bytes = 1 << 20 };

	(void)state;
	open_with_two_sinks();
	keep(1, 100, 1, 1, 10, START);
	keep(1, 200, 1, 11, 11, START + 60000);
	shop_close(&s);
	sql("UPDATE window SET body = CAST(substr(body, 1, 30) || x'00' || substr(body, 32) AS BLOB) WHERE from_seq = 1");
	open_with_two_sinks();
	gw_store_windows(s.st, &q, got_windows, &s);
	shop_wait(&s);
	assert_int_equal(windows->n, 2);
	assert_null(windows->rows[0].window);
	assert_int_equal(windows->rows[0].to, 10);
	assert_non_null(windows->rows[1].window);
	gw_windows_free(windows);
}

static void a_sink_that_left_has_no_windows_any_more(void **state)
{
	(void)state;
	open_with_two_sinks();
	keep(1, 100, 1, 1, 10, START);
	keep(2, 100, 1, 1, 10, START);
	shop_close(&s);
	shop_open(&s);
	shop_device(&s, "pump"); /* with sink goc alone */
	assert_string_equal(visited(), "1/1:1-10 ");
}

static void a_buffer_of_format_1_is_taken_over(void **state)
{
	struct gw_rows *rows;
	char command[200];

	(void)state;
	open_with_two_sinks();
	put(&(struct shop_batch){ 1, 50, 20, 3, START, 60, 69, false });
	shop_close(&s);
	sql("DROP TABLE window; DROP TABLE window_fixed; PRAGMA user_version=1");
	open_with_two_sinks();
	assert_false(s.info.created);
	assert_int_equal(s.aside[0], 0);
	assert_int_equal(s.info.readings, 20);
	rows = shop_fetch(&s, 1, 0, 100, 1 << 20);
	assert_int_equal(rows->n, 10);
	assert_int_equal(rows->readings[0]->seq, 60);
	gw_rows_free(rows);
	keep(1, 11, 1, 60, 69, START);
	assert_string_equal(listed(1), "60-69/60000 ");
	shop_close(&s);
	snprintf(command, sizeof(command), "test $(sqlite3 %s 'PRAGMA user_version') = 2", s.path);
	assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pieces_of_a_minute_become_one_window_for_each_sink),
		TEST(a_window_of_untrusted_times_has_none_for_a_loss),
		TEST(what_was_handed_out_never_changes_not_even_after_a_restart),
		TEST(a_commit_that_is_handed_in_again_doubles_nothing),
		TEST(minutes_join_within_their_ten_minutes),
		TEST(what_is_gone_is_deleted_and_ids_are_not_used_again),
		TEST(a_damaged_window_is_known_as_one),
		TEST(a_sink_that_left_has_no_windows_any_more),
		TEST(a_buffer_of_format_1_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
