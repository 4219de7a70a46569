#include <fcntl.h>

#include "base/messages.h"
#include "one_store.h"

static void a_new_buffer_numbers_from_the_later_of_now_and_the_build(void **state)
{
	struct gw_registration r;

	(void)state;
	s.opts.build_ms = INT64_C(4102444800000); /* 2100 */
	shop_open(&s);
	assert_true(s.info.created);
	assert_string_equal(s.aside, "");
	assert_int_equal(strlen(s.info.buffer), 36);
	assert_int_equal(s.info.boot, 1);
	r = shop_device(&s, "pump");
	assert_int_equal(r.first_seq, 4102444800000);
	assert_int_equal(r.next_seq, r.first_seq);
	assert_int_equal(r.from_seq, r.first_seq);
	assert_int_equal(r.reserved, r.first_seq + 1800 + 32);
	assert_int_equal(r.gap_to, 0);
	shop_close(&s);
	shop_free(&s);
	shop_new(&s);
	r = open_pump();
	assert_true(r.first_seq > SOME_BUILD);
}

static void what_is_committed_is_fetched_whole(void **state)
{
	struct gw_registration r;
	struct gw_rows *rows;

	(void)state;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 10, 100, 5000, r.next_seq, r.next_seq + 9, false });
	assert_int_equal(s.result.first_id, 1);
	assert_int_equal(s.result.last_id, 10);
	assert_int_equal(s.result.readings, 10);
	assert_int_equal(s.result.oldest_id, 1);
	assert_int_equal(s.result.oldest_ts_ms, 5000);
	assert_true(s.result.bytes > 12000 && s.result.free_bytes > 32 << 20);
	rows = shop_fetch(&s, 1, 0, 4, 1 << 20);
	assert_int_equal(rows->n, 4);
	assert_int_equal(rows->next_id, 5);
	assert_false(rows->end);
	assert_int_equal(rows->damaged, 0);
	for (unsigned i = 0; i < 4; i++) {
		struct gw_reading *want = some_reading(r.device, r.next_seq + i, 5000 + i * 1000, 100);

		assert_int_equal(rows->ids[i], i + 1);
		assert_memory_equal(rows->readings[i], want, want->size);
		free(want);
	}
	gw_rows_free(rows);
	rows = shop_fetch(&s, 1, 5, 1000, 2000); /* bytes end it: the second row passes 2,000 */
	assert_int_equal(rows->n, 2);
	gw_rows_free(rows);
	rows = shop_fetch(&s, 1, 7, 1000, 1 << 20);
	assert_int_equal(rows->n, 4);
	assert_true(rows->end);
	assert_int_equal(rows->next_id, 11);
	gw_rows_free(rows);
	rows = shop_fetch(&s, 2, 0, 1000, 1 << 20); /* a sink that waits for nothing */
	assert_int_equal(rows->n, 0);
	assert_true(rows->end);
	gw_rows_free(rows);
}

static void without_history_a_row_goes_with_its_last_sink(void **state)
{
	struct gw_registration r;
	struct gw_ranges some = { 0 }, none = { 0 };
	struct gw_due_row due[] = { { 1, 1, &none }, { 2, 1, &some } };

	(void)state;
	r = open_pump();
	gw_ranges_add(&some, r.next_seq + 3, r.next_seq + 4);
	put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, r.next_seq, r.next_seq + 9, false });
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .due = due, .ndue = 2 }), 0);
	assert_int_equal(s.result.readings, 2);
	assert_int_equal(s.result.oldest_id, 4);
	assert_int_equal(shop_count(&s), 2);
	due[1].ranges = &none;
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .due = due, .ndue = 2 }), 0);
	assert_int_equal(s.result.readings, 0);
	assert_int_equal(s.result.oldest_id, 0);
	assert_int_equal(shop_count(&s), 0);
	put(&(struct shop_batch){ r.device, r.next_seq + 10, 1, 5, 5000, r.next_seq + 10, r.next_seq + 10, false });
	assert_int_equal(s.result.first_id, 11); /* never used twice */
	gw_ranges_free(&some);
}

static void history_keeps_what_is_young_and_not_what_is_due_alone(void **state)
{
	int64_t now = gw_wall_ms();
	struct gw_registration r;

	(void)state;
	s.opts.history_ms = 3600 * 1000;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 100, 5, now - 7200 * 1000, r.next_seq, r.next_seq + 149, false });
	put(&(struct shop_batch){ r.device, r.next_seq + 100, 50, 5, now - 60000, 0, 0, true });
	assert_int_equal(s.result.readings, 150);
	put(&(struct shop_batch){ r.device, 0, 0, 0, 0, r.next_seq + 10, r.next_seq + 11, false });
	assert_int_equal(s.result.readings, 52);
	put(&(struct shop_batch){ r.device, 0, 0, 0, 0, 0, 0, false });
	assert_int_equal(s.result.readings, 50);
	assert_int_equal(s.result.oldest_ts_ms, now - 60000);
	assert_int_equal(shop_count(&s), 50);
}

/* A parked device's rows lie everywhere; what is freed behind them must still be found. */
static void rows_freed_behind_rows_that_stay_are_found(void **state)
{
	struct gw_registration r[2] = { { .name = "parked", .rate = 1 }, { .name = "pump", .rate = 1 } };
	struct gw_sink_registration sink = { .name = "goc" };
	uint64_t left = 0;

	(void)state;
	shop_open(&s);
	assert_int_equal(shop_register(&s, r, 2, &sink, 1), 0);
	put(&(struct shop_batch){ r[0].device, r[0].next_seq, 9000, 1, 5000, r[0].next_seq, r[0].next_seq + 8999, false });
	put(&(struct shop_batch){ r[1].device, r[1].next_seq, 5000, 1, 5000, r[1].next_seq, r[1].next_seq + 4999, false });
	for (uint64_t acked = 1000; acked <= 5000; acked += 1000) {
		for (int turn = 0; turn < 100; turn++) {
			if (acked == 5000)
				put(&(struct shop_batch){ .device = r[1].device });
			else
				put(&(struct shop_batch){ r[1].device, 0, 0, 0, 0, r[1].next_seq + acked,
							  r[1].next_seq + 4999, false });
		}
		left = 9000 + 5000 - acked;
		assert_int_equal(s.result.readings, left);
	}
	assert_int_equal(shop_count(&s), 9000);
}

static void the_oldest_that_are_due_come_as_headers(void **state)
{
	struct gw_registration r;

	(void)state;
	s.opts.history_ms = 1000;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 50, 100, gw_wall_ms(), r.next_seq + 7, r.next_seq + 49, false });
	gw_store_oldest(s.st, 3000, true, shop_rows, &s);
	shop_wait(&s);
	assert_false(s.failed);
	assert_int_equal(s.rows->n, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s.rows->readings[i]->seq, r.next_seq + 7 + i);
		assert_int_equal(s.rows->readings[i]->count, 100);
		assert_int_equal(s.rows->ids[i], 8 + i);
	}
	gw_rows_free(s.rows);
}

/* ---- after a restart ---- */

struct seen {
	char text[2000];
	size_t at;
};

static void saw(struct seen *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void saw(struct seen *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	v->at += (size_t)vsnprintf(v->text + v->at, sizeof(v->text) - v->at, fmt, ap);
	va_end(ap);
}

static struct seen seen;
static uint64_t base; /* first number of the device */

static void see_device(void *arg, uint16_t device, const char *name, uint64_t first, uint64_t next, uint64_t bound)
{
	(void)arg, (void)bound;
	saw(&seen, "device %u %s +%llu +%llu; ", device, name, (unsigned long long)(first - base),
	    (unsigned long long)(next - base));
}

static void see_layout(void *arg, uint32_t layout, uint16_t device, const void *body, size_t size)
{
	(void)arg;
	saw(&seen, "layout %u of %u %.*s; ", layout, device, (int)size, (const char *)body);
}

static void see_boot(void *arg, uint32_t number, const char *id)
{
	(void)arg;
	saw(&seen, "boot %u %s; ", number, id);
}

static void see_due(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges)
{
	(void)arg;
	saw(&seen, "due %u %u +%llu to +%llu; ", sink, device, (unsigned long long)(ranges->r[0].from - base),
	    (unsigned long long)(ranges->r[0].to - base));
}

static void see_loss(void *arg, const struct gw_loss_row *l)
{
	(void)arg;
	saw(&seen, "loss %llu of sink %u device %u +%llu to +%llu n=%llu cause %u exact %d ts %lld %lld state %u; ",
	    (unsigned long long)l->id, l->sink, l->device, (unsigned long long)(l->from - base),
	    (unsigned long long)(l->to - base), (unsigned long long)l->readings, l->cause, l->exact,
	    (long long)l->ts_from_ms, (long long)l->ts_to_ms, l->state);
}

static const char *visited(void)
{
	struct gw_store_visitor v = { .arg = &s, .boot = see_boot, .device = see_device, .layout = see_layout, .due = see_due,
				      .loss = see_loss, .done = shop_done };

	memset(&seen, 0, sizeof(seen));
	gw_store_visit(s.st, &v);
	shop_wait(&s);
	assert_false(s.failed);
	return seen.text;
}

static void everything_is_there_again_after_a_restart(void **state)
{
	struct gw_loss_row loss = { .id = 3, .sink = 1, .device = 1, .cause = GW_LOSS_OVERLOAD, .exact = true,
				    .readings = 5, .ts_from_ms = 1, .ts_to_ms = 2 };
	struct gw_registration r;
	char buffer[37];

	(void)state;
	r = open_pump();
	base = r.first_seq;
	put(&(struct shop_batch){ r.device, base, 10, 5, 5000, base + 2, base + 9, false });
	loss.from = base;
	loss.to = base + 1;
	gw_store_session(s.st, 1, 77);
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .losses = &loss, .nlosses = 1 }), 0);
	loss.state = 1;
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .losses = &loss, .nlosses = 1 }), 0);
	memcpy(buffer, s.info.buffer, sizeof(buffer));
	shop_close(&s);

	s.opts.boot = "boot-2";
	shop_open(&s);
	assert_false(s.info.created);
	assert_string_equal(s.info.buffer, buffer);
	assert_int_equal(s.info.boot, 2);
	assert_int_equal(s.info.readings, 8);
	assert_int_equal(s.info.oldest_ts_ms, 7000);
	assert_string_equal(visited(), "boot 2 boot-2; boot 1 boot-1; device 1 pump +0 +10; layout 1 of 1 layout; due 1 1 +2 to +9; "
				       "loss 3 of sink 1 device 1 +0 to +1 n=5 cause 4 exact 1 ts 1 2 state 1; ");
	{
		struct gw_registration again = { .name = "pump", .layout = "LAYOUT", .layout_size = 6 };
		struct gw_sink_registration sink = { .name = "goc" };

		assert_int_equal(shop_register(&s, &again, 1, &sink, 1), 0);
		assert_int_equal(again.device, 1);
		assert_int_equal(again.first_seq, base);
		assert_int_equal(again.next_seq, base + 10);
		assert_int_equal(again.gap_to, 0); /* the stop was orderly */
		assert_int_equal(again.layout_number, 2);
		assert_int_equal(again.from_seq, base + 10);
		assert_int_equal(again.reserved, base + 10 + gw_reservation(0));
		assert_int_equal(sink.session, 77);
		assert_false(sink.fresh);
	}
}

static void a_reload_keeps_numbers_and_a_sink_that_left_begins_anew(void **state)
{
	struct gw_registration r[2] = { { .name = "pump", .layout = "a", .layout_size = 1 },
					{ .name = "meter", .layout = "b", .layout_size = 1 } };
	struct gw_sink_registration sinks[2] = { { .name = "goc" }, { .name = "local" } };
	uint64_t pump;

	(void)state;
	shop_open(&s);
	assert_int_equal(shop_register(&s, r, 1, sinks, 2), 0);
	assert_true(sinks[0].fresh && sinks[1].fresh);
	pump = base = r[0].next_seq;
	put(&(struct shop_batch){ 1, pump, 10, 5, 5000, pump, pump + 9, false });
	assert_int_equal(shop_register(&s, r, 2, NULL, 0), 0); /* sinks as they were */
	assert_int_equal(r[0].device, 1);
	assert_int_equal(r[0].next_seq, pump + 10);
	assert_int_equal(r[0].gap_to, 0);
	assert_int_equal(r[0].layout_number, 1);
	assert_int_equal(r[1].device, 2);
	assert_int_equal(r[1].layout_number, 2);
	assert_non_null(strstr(visited(), "due 1 1 +0 to +9"));
	assert_int_equal(shop_register(&s, r, 2, sinks + 1, 1), 0); /* goc left */
	assert_null(strstr(visited(), "due"));
	put(&(struct shop_batch){ .device = 1, .keep_due = true });
	assert_int_equal(s.result.readings, 0);
	assert_int_equal(shop_register(&s, r, 2, sinks, 2), 0);
	assert_int_equal(sinks[0].sink, 1);
	assert_true(sinks[0].fresh);
	assert_false(sinks[1].fresh);
}

static void reservations_go_up_and_survive(void **state)
{
	struct gw_registration r;

	(void)state;
	r = open_pump();
	gw_store_reserve(s.st, r.device, r.reserved + 5000, shop_done, &s);
	shop_wait(&s);
	assert_false(s.failed);
	gw_store_reserve(s.st, 9, 5, shop_done, &s);
	shop_wait(&s);
	assert_true(s.failed);
	assert_non_null(strstr(s.err.msg, ": device 9 was never registered"));
}


/* What was given behind the last commit, or in one that failed, is in no file. */
static void without_an_orderly_last_commit_numbers_go_on_above_the_reservation(void **state)
{
	struct gw_registration r, after;
	struct gw_next_row next;
	struct gw_commit c = { .next = &next, .nnext = 1 };

	(void)state;
	r = open_pump();
	next = (struct gw_next_row){ r.device, r.next_seq + 10 };
	gw_store_commit(s.st, &c, shop_committed, &s);
	shop_wait(&s);
	assert_false(s.failed);
	shop_close(&s);
	shop_open(&s);
	shop_device(&s, "meter"); /* the pump is not configured this time; its bound is not lowered */
	gw_store_reserve(s.st, r.device, r.next_seq + 20, shop_done, &s);
	shop_wait(&s);
	shop_close(&s);
	after = open_pump();
	assert_int_equal(after.gap_from, r.next_seq + 10);
	assert_int_equal(after.gap_to, r.reserved - 1);
}

/* What .seq holds, as a sum of its bytes. */
static uint64_t sum_of_bounds(void)
{
	unsigned char bytes[8192];
	char name[128];
	uint64_t sum = 0;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "%s.seq", s.path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = read(fd, bytes, sizeof(bytes));
	assert_int_equal(n, sizeof(bytes));
	close(fd);
	for (ssize_t i = 0; i < n; i++)
		sum = sum * 31 + bytes[i];
	return sum;
}

static void one_write_reserves_numbers_for_all_devices(void **state)
{
	struct gw_registration r[2] = { { .name = "pump", .rate = 3600 }, { .name = "meter", .rate = 3600 } };
	struct gw_sink_registration sink = { .name = "goc" };
	uint64_t sum;

	(void)state;
	shop_open(&s);
	assert_int_equal(shop_register(&s, r, 2, &sink, 1), 0);
	for (unsigned i = 0; i < 2; i++)
		put(&(struct shop_batch){ r[i].device, r[i].next_seq, 1000, 1, 1000, 0, 0, true });
	gw_store_reserve(s.st, r[0].device, r[0].next_seq + 1000 + 1300, shop_done, &s);
	shop_wait(&s);
	sum = sum_of_bounds();
	gw_store_reserve(s.st, r[1].device, r[1].next_seq + 1000 + 1300, shop_done, &s);
	shop_wait(&s);
	assert_int_equal(sum_of_bounds(), sum);
	gw_store_reserve(s.st, r[1].device, r[1].next_seq + 1000 + 1833, shop_done, &s);
	shop_wait(&s);
	assert_int_not_equal(sum_of_bounds(), sum);
}

/* The files as they are without an orderly end. */
static void a_power_cut_costs_half_an_hour_of_numbers(void **state)
{
	struct gw_registration r, after;
	char command[300];

	(void)state;
	r = open_pump(); /* one reading a second */
	put(&(struct shop_batch){ r.device, r.next_seq, 10, 1, 1000, 0, 0, true });
	snprintf(command, sizeof(command), "cd %s && mkdir cut && cp b.db b.db-wal b.db.seq cut", s.folder);
	assert_int_equal(system(command), 0);
	shop_close(&s);
	snprintf(s.path, sizeof(s.path), "%.60s/cut/b.db", s.folder);
	after = open_pump();
	assert_int_equal(after.gap_from, r.next_seq + 10);
	assert_int_equal(after.gap_to, r.next_seq + 1800 + 32 - 1);
}

static void verify_counts_damaged_rows_and_a_fetch_leaves_them_out(void **state)
{
	struct gw_registration r;
	struct gw_rows *rows;
	char command[512];

	(void)state;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 5000, 5, 5000, r.next_seq, r.next_seq + 4999, false });
	shop_verify(&s);
	assert_int_equal(s.verify.readings, 5000);
	assert_int_equal(s.verify.damaged, 0);
	assert_true(s.verify.integrity_ok);
	shop_close(&s);
	snprintf(command, sizeof(command),
		 "sqlite3 %s \"UPDATE reading SET body = x'00' || substr(body, 2) WHERE id = 3;"
		 "UPDATE reading SET body = substr(body, 1, 60) WHERE id = 4;"
		 "UPDATE reading SET body = x'' WHERE id = 5; UPDATE reading SET seq = seq + 1 WHERE id = 6;"
		 "UPDATE reading SET body = 'text' WHERE id = 7\"", s.path);
	assert_int_equal(system(command), 0);
	shop_open(&s);
	rows = shop_fetch(&s, 1, 0, 10, 1 << 20);
	assert_int_equal(rows->n, 10);
	assert_int_equal(rows->ids[2], 8);
	assert_int_equal(rows->damaged, 5);
	assert_int_equal(rows->damaged_rows[0].id, 3);
	assert_int_equal(rows->damaged_rows[0].device, r.device);
	assert_int_equal(rows->damaged_rows[0].seq, r.next_seq + 2);
	gw_rows_free(rows);
	gw_store_oldest(s.st, 1000, true, shop_rows, &s); /* damaged ones can be given up too */
	shop_wait(&s);
	assert_int_equal(s.rows->ids[4], 5);
	assert_int_equal(s.rows->readings[4]->seq, r.next_seq + 4);
	assert_int_equal(s.rows->readings[4]->count, 0);
	gw_rows_free(s.rows);
	shop_verify(&s);
	assert_int_equal(s.verify.readings, 5000);
	assert_int_equal(s.verify.damaged, 5);
	shop_verify(&s); /* they were taken out */
	assert_int_equal(s.verify.readings, 4995);
	assert_int_equal(s.verify.damaged, 0);
}

static void closing_carries_out_what_was_asked(void **state)
{
	struct gw_registration r;
	struct gw_reading *one;
	struct gw_next_row next;

	(void)state;
	r = open_pump();
	one = some_reading(r.device, r.next_seq, 5000, 5);
	next = (struct gw_next_row){ r.device, r.next_seq + 1 };
	gw_store_commit(s.st, &(struct gw_commit){ .readings = (const struct gw_reading *const[]){ one }, .nreadings = 1,
						   .next = &next, .nnext = 1 }, shop_committed, &s);
	shop_close(&s);
	assert_true(s.answered);
	assert_null(s.result.err);
	s.answered = false;
	free(one);
	shop_open(&s);
	assert_int_equal(s.info.readings, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_buffer_numbers_from_the_later_of_now_and_the_build, begin, end),
		cmocka_unit_test_setup_teardown(what_is_committed_is_fetched_whole, begin, end),
		cmocka_unit_test_setup_teardown(without_history_a_row_goes_with_its_last_sink, begin, end),
		cmocka_unit_test_setup_teardown(history_keeps_what_is_young_and_not_what_is_due_alone, begin, end),
		cmocka_unit_test_setup_teardown(rows_freed_behind_rows_that_stay_are_found, begin, end),
		cmocka_unit_test_setup_teardown(the_oldest_that_are_due_come_as_headers, begin, end),
		cmocka_unit_test_setup_teardown(everything_is_there_again_after_a_restart, begin, end),
		cmocka_unit_test_setup_teardown(a_reload_keeps_numbers_and_a_sink_that_left_begins_anew, begin, end),
		cmocka_unit_test_setup_teardown(reservations_go_up_and_survive, begin, end),
		cmocka_unit_test_setup_teardown(without_an_orderly_last_commit_numbers_go_on_above_the_reservation,
						begin, end),
		cmocka_unit_test_setup_teardown(one_write_reserves_numbers_for_all_devices, begin, end),
		cmocka_unit_test_setup_teardown(a_power_cut_costs_half_an_hour_of_numbers, begin, end),
		cmocka_unit_test_setup_teardown(verify_counts_damaged_rows_and_a_fetch_leaves_them_out, begin, end),
		cmocka_unit_test_setup_teardown(closing_carries_out_what_was_asked, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
