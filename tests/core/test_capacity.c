/* capacity, promise: what is promised of the buffer, against a real store and in exact words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/promise.h"
#include "hook_vfs.h"
#include "some_store.h"

enum { MIB = 1024 * 1024 };
#define GIB ((uint64_t)1024 * MIB)

/* ---- how long an outage ---- */

/* Readings that a store of max_size takes with nothing acknowledged, of two sizes in turn. */
static uint64_t readings_until_full(uint64_t max_size, unsigned points, unsigned others)
{
	static uint64_t memory[100][256];
	struct shop s;
	struct gw_registration r;
	uint64_t n = 0;
	int rc = 0;

	shop_new(&s);
	s.opts.max_size = max_size;
	shop_open(&s);
	r = shop_device(&s, "meter");
	while (rc == 0) {
		const struct gw_reading *batch[100];
		struct gw_ranges due = { 0 };
		struct gw_due_row row = { 1, r.device, &due };
		struct gw_next_row next = { r.device, r.next_seq + n + 100 };

		for (unsigned i = 0; i < 100; i++)
			batch[i] = some_reading_into(memory[i], r.device, r.next_seq + n + i, gw_wall_ms(),
						     i % 2 ? others : points);
		gw_ranges_add(&due, r.next_seq, r.next_seq + n + 99);
		rc = shop_commit(&s, &(struct gw_commit){ .readings = batch, .nreadings = 100, .due = &row,
							  .ndue = 1, .next = &next, .nnext = 1 });
		gw_ranges_free(&due);
		n += rc == 0 ? 100 : 0;
	}
	assert_int_equal(s.err.code, GW_EFULL);
	shop_free(&s);
	return n;
}

static void the_horizon_is_what_the_store_holds(void **state)
{
	static const struct { uint64_t max_size; unsigned points, others; } cases[] = {
		{ 16 * MIB, 1, 1 },	{ 16 * MIB, 10, 10 },	{ 16 * MIB, 100, 100 },
		{ 16 * MIB, 160, 160 }, /* two do not share a page */
		{ 24 * MIB, 10, 150 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t real = readings_until_full(cases[i].max_size, cases[i].points, cases[i].others);
		struct gw_stream two[2];

		for (unsigned k = 0; k < 2; k++) {
			struct gw_reading *r = some_reading(1, 1, 1, k ? cases[i].others : cases[i].points);

			two[k] = (struct gw_stream){ .an_hour = 1800, .bytes = r->size };
			free(r);
		}
		struct gw_load l = gw_load_of(two, 2);
		int64_t promised = gw_horizon_s(gw_room_for_readings(cases[i].max_size), &l);

		if (promised > (int64_t)real || (double)promised < 0.85 * (double)real)
			fail_msg("%u and %u points: %lld s promised, the store held %llu", cases[i].points,
				 cases[i].others, (long long)promised, (unsigned long long)real);
	}
}

static void a_size_with_room_has_it_and_little_more(void **state)
{
	(void)state;
	for (uint64_t bytes = 100000; bytes < 1000 * GIB; bytes *= 3) {
		uint64_t size = gw_size_with_room(bytes);

		assert_true(gw_room_for_readings(size) >= bytes);
		assert_true(size - bytes < 12 * MIB);
	}
}

static void nothing_read_has_no_horizon(void **state)
{
	struct gw_load l = gw_load_of(NULL, 0);

	(void)state;
	assert_int_equal(gw_horizon_s(GIB, &l), 0);
	assert_true(gw_wear_of(&l, 1000, true).connected == 0);
}

/* ---- the flash ---- */

/* Bytes of pages dirtied by `commits` commits of one reading of each device. */
static double written_by(unsigned devices, unsigned points, unsigned commits)
{
	static uint64_t memory[100][256];
	struct gw_registration r[100];
	struct gw_sink_registration sink = { .name = "goc" };
	char names[100][24];
	struct shop s;
	unsigned long long before;

	shop_new(&s);
	s.opts.history_ms = 86400000;
	shop_open(&s);
	for (unsigned i = 0; i < devices; i++) {
		snprintf(names[i], sizeof(names[i]), "device-%u", i);
		r[i] = (struct gw_registration){ .name = names[i], .layout = "l", .layout_size = 1, .rate = 3600 };
	}
	assert_int_equal(shop_register(&s, r, devices, &sink, 1), 0);
	before = atomic_load(&hook_pages) * 4096;
	for (unsigned turn = 0; turn < commits; turn++) {
		const struct gw_reading *batch[100];
		struct gw_ranges due[100] = { { 0 } };
		struct gw_due_row rows[100];
		struct gw_next_row next[100];

		for (unsigned i = 0; i < devices; i++) {
			uint64_t seq = r[i].next_seq + turn;

			batch[i] = some_reading_into(memory[i], r[i].device, seq, gw_wall_ms(), points);
			gw_ranges_add(&due[i], seq, seq);
			rows[i] = (struct gw_due_row){ 1, r[i].device, &due[i] };
			next[i] = (struct gw_next_row){ r[i].device, seq + 1 };
		}
		assert_int_equal(shop_commit(&s, &(struct gw_commit){ .readings = batch, .nreadings = devices,
								      .due = rows, .ndue = devices, .next = next,
								      .nnext = devices }), 0);
		for (unsigned i = 0; i < devices; i++)
			gw_ranges_free(&due[i]);
	}
	before = atomic_load(&hook_pages) * 4096 - before;
	shop_free(&s);
	return (double)before;
}

static void what_is_written_is_what_was_computed(void **state)
{
	static const struct { unsigned devices, points; } cases[] = { { 1, 10 }, { 10, 10 }, { 10, 100 },
								      { 100, 10 }, { 100, 100 } };
	enum { COMMITS = 300 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_reading *one = some_reading(1, 1, 1, cases[i].points);
		struct gw_stream stream = { .an_hour = 3600 * (uint64_t)cases[i].devices, .bytes = one->size };
		struct gw_load l = gw_load_of(&stream, 1);
		double real = written_by(cases[i].devices, cases[i].points, COMMITS) / COMMITS;
		double computed = gw_wear_of(&l, 1000, true).connected / 86400;

		free(one);
		if (computed < 0.9 * real || computed > 1.35 * real)
			fail_msg("%u devices of %u points: %.0f B a commit computed, %.0f written",
				 cases[i].devices, cases[i].points, computed, real);
	}
}

static void a_longer_sync_and_no_history_write_less(void **state)
{
	struct gw_stream s = { .an_hour = 36000, .bytes = 168 };
	struct gw_load l = gw_load_of(&s, 1);

	(void)state;
	assert_true(gw_wear_of(&l, 10000, true).connected < gw_wear_of(&l, 1000, true).connected / 3);
	assert_true(gw_wear_of(&l, 1000, false).connected < gw_wear_of(&l, 1000, true).connected / 2);
	assert_true(gw_wear_of(&l, 1000, false).disconnected == gw_wear_of(&l, 1000, true).disconnected);
}

/* ---- measured as time goes by ---- */

static void a_day_of_writing_is_the_last_24_hours(void **state)
{
	const int64_t hour = INT64_C(3600000000);
	struct gw_meter m = { 0 };
	int64_t begin = 7 * hour + 5;

	(void)state;
	assert_int_equal(gw_meter_day(&m, begin, 500), 0);
	assert_int_equal(gw_meter_day(&m, begin + hour / 2, 600), 100);
	for (int h = 1; h <= 48; h++)
		gw_meter_day(&m, begin + h * hour, 600 + (uint64_t)h * 10);
	assert_int_equal(gw_meter_day(&m, begin + 48 * hour, 600 + 480), 240);
	/* nobody asked for a week */
	assert_int_equal(gw_meter_day(&m, begin + 216 * hour, 600 + 485), 0);
}

static void a_backlog_that_grows_has_a_pace(void **state)
{
	const int64_t s = 1000000;
	struct gw_filling f = { 0 };

	(void)state;
	assert_true(gw_filling_note(&f, 10 * s, 1000) == 0);
	assert_true(gw_filling_note(&f, 40 * s, 4000) == 0);
	assert_true(fabs(gw_filling_note(&f, 110 * s, 11000) - 100) < 1e-9);
	assert_true(gw_filling_note(&f, 120 * s, 5000) == 0); /* it drains */
	assert_true(gw_filling_note(&f, 300 * s, 5000) == 0); /* and stands still */
}

/* ---- the promises, in the words people read ---- */

static char lines[2048];

static void add_line(void *arg, const char *line)
{
	(void)arg;
	snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "%s\n", line);
}

static const char *check(const char *buffer, const struct gw_load *l, const struct gw_disk *d, unsigned problems)
{
	char name[] = "/tmp/test_capacity.XXXXXX";
	int fd = mkstemp(name);
	FILE *f = fdopen(fd, "w");
	struct gw_settings *s;

	fprintf(f, "gateway: {id: g}\nbuffer: {%s}\n", buffer);
	fclose(f);
	s = gw_settings_read(name);
	gw_promise_check(s, l, d);
	assert_int_equal(s->problems.count, problems);
	lines[0] = '\0';
	gw_settings_each(s, add_line, NULL);
	gw_settings_free(s);
	unlink(name);
	return lines[0] ? lines + sizeof(name) : ""; /* without the name and its colon */
}

static void promises_that_cannot_be_kept_are_refused_with_the_numbers(void **state)
{
	static const struct gw_stream ten = { .an_hour = 36000, .bytes = 168 }; /* 10 a second */
	const struct gw_load l = gw_load_of(&ten, 1);
	const struct gw_disk large = { .size = 100 * GIB, .free = 50 * GIB, .folder = "/var/lib/gatewayd" };
	const struct gw_disk small = { .size = 2 * GIB, .free = 100 * MIB, .present = 10 * MIB,
				       .folder = "/var/lib/gatewayd" };
	const struct gw_disk memory = { .size = 2 * GIB, .free = 2 * GIB, .memory = true, .folder = "/run" };

	(void)state;
	assert_string_equal(check("keep: 72h", &l, &large, 0), "");
	assert_string_equal(check("keep: 72h, max_size: 64MiB", &l, &large, 1),
			    "2:16: buffer.keep: an outage of 3d does not fit: with this poll plan max_size 64.0 MiB "
			    "holds about 7.9h; it takes 515.1 MiB\n");
	assert_string_equal(check("keep: 24h", &l, &small, 1),
			    "2:16: buffer.keep: an outage of 1d does not fit: it takes 177.3 MiB, but the disk of "
			    "/var/lib/gatewayd has 100.0 MiB free, and the buffer 10.0 MiB of it already\n");
	assert_string_equal(check("max_size: 3GiB", &l, &small, 1),
			    "2:20: buffer.max_size: 3.0 GiB is more than the whole file system of "
			    "/var/lib/gatewayd has (2.0 GiB)\n");
	assert_string_equal(check("keep: 10m, sync: 1h", &l, &large, 1),
			    "2:27: buffer.sync: 1h is longer than keep (10m): a power cut would take more than the "
			    "outage that must not\n");
	assert_string_equal(check("path: /run/b.db", &l, &memory, 0),
			    "2:16: buffer.path: warning: /run lies in memory: a power cut or a restart of the machine "
			    "takes all that was not sent yet\n");
	assert_string_equal(check("write_budget: 500MiB", &l, &large, 1),
			    "2:24: buffer.write_budget: with sync 1s about 2.0 GiB a day are written, 500.0 MiB are "
			    "allowed: a longer sync, history 0s or a slower poll need less\n");
	assert_string_equal(check("write_budget: 3GiB", &l, &large, 0), "");
}

static void a_disk_is_looked_at_where_the_path_will_be(void **state)
{
	struct gw_disk d;
	struct gw_err err = { 0 };

	(void)state;
	assert_int_equal(gw_disk_look("/tmp/not-there/nor-this/b.db", &d, &err), 0);
	assert_string_equal(d.folder, "/tmp");
	assert_true(d.size > 0 && d.free <= d.size && d.present == 0);
	assert_int_equal(gw_disk_look("b.db", &d, &err), 0);
	assert_string_equal(d.folder, ".");
	assert_int_equal(gw_disk_look("/dev/shm/b.db", &d, &err), 0);
	assert_true(d.memory);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_horizon_is_what_the_store_holds),
		T(a_size_with_room_has_it_and_little_more),
		T(nothing_read_has_no_horizon),
		T(what_is_written_is_what_was_computed),
		T(a_longer_sync_and_no_history_write_less),
		T(a_day_of_writing_is_the_last_24_hours),
		T(a_backlog_that_grows_has_a_pace),
		T(promises_that_cannot_be_kept_are_refused_with_the_numbers),
		T(a_disk_is_looked_at_where_the_path_will_be),
	};

	hook_vfs_install();
	atomic_store(&hook_no_syncs, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
