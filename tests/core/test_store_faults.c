#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <time.h>

#include "hook_vfs.h"
#include "one_store.h"

static int unmount(void **state)
{
	(void)state;
	shop_close(&s);
	umount2(s.folder, MNT_DETACH); /* where a test mounted something */
	shop_free(&s);
	return 0;
}

/* ---- limits ---- */

static void endless_readings_stay_within_max_size(void **state)
{
	struct gw_registration r;
	uint64_t next;
	off_t largest = 0;

	(void)state;
	s.opts.max_size = 16 << 20;
	s.opts.history_ms = 3600 * 1000;
	r = open_pump();
	next = r.next_seq;
	for (int turn = 0; turn < 120; turn++, next += 500) { /* 74 MB of history */
		off_t size;

		put(&(struct shop_batch){ r.device, next, 500, 100, gw_wall_ms(), 0, 0, false });
		size = shop_size(&s, "") + shop_size(&s, "-wal") + shop_size(&s, ".reserve");
		largest = size > largest ? size : largest;
	}
	assert_true(largest <= 16 << 20);
	assert_true(s.result.readings > 5000);
	assert_int_equal(s.result.readings, shop_count(&s));
}

static void a_buffer_full_of_what_is_due_says_so_and_lets_go_of_what_is_given_up(void **state)
{
	struct gw_registration r;
	uint64_t next, first;
	char want[160];
	size_t n;

	(void)state;
	s.opts.max_size = 4 << 20;
	r = open_pump();
	first = next = r.next_seq;
	while (shop_put(&s, &(struct shop_batch){ r.device, next, 100, 100, 5000, first, next + 99, false }) == 0)
		next += 100;
	assert_int_equal(s.err.code, GW_EFULL);
	snprintf(want, sizeof(want), "buffer %s is full: all that it holds still waits for a sink", s.path);
	assert_string_equal(s.err.msg, want);
	assert_int_equal(shop_count(&s), next - first);
	assert_true(shop_size(&s, "") + shop_size(&s, "-wal") + shop_size(&s, ".reserve") <= 4 << 20);
	for (int turn = 0; turn < 50; turn++, next += 100) { /* from now on the oldest go */
		gw_store_oldest(s.st, 130000, true, shop_rows, &s);
		shop_wait(&s);
		n = s.rows->n;
		first = s.rows->readings[n - 1]->seq + 1;
		gw_rows_free(s.rows);
		put(&(struct shop_batch){ r.device, next, 100, 100, 5000, first, next + 99, false });
	}
	assert_int_equal(shop_count(&s), next - first);
	assert_true(shop_size(&s, "") + shop_size(&s, "-wal") + shop_size(&s, ".reserve") <= 4 << 20);
}

static void a_smaller_limit_at_a_reload_is_obeyed(void **state)
{
	struct gw_registration r;

	(void)state;
	s.opts.history_ms = 3600 * 1000;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 9000, 100, gw_wall_ms(), 0, 0, false });
	gw_store_configure(s.st, 4 << 20, 3600 * 1000);
	put(&(struct shop_batch){ r.device, r.next_seq + 9000, 100, 100, gw_wall_ms(), 0, 0, false });
	assert_true(s.result.bytes <= 4 << 20);
	assert_true(s.result.readings < 4000);
	gw_store_configure(s.st, 64 << 20, 0);
	put(&(struct shop_batch){ .device = r.device });
	put(&(struct shop_batch){ .device = r.device });
	assert_int_equal(s.result.readings, 0);
}

/* ---- input and output that fail ---- */

static void an_error_at_the_sync_loses_and_doubles_nothing(void **state)
{
	struct gw_registration r;
	struct shop_batch b;

	(void)state;
	r = open_pump();
	b = (struct shop_batch){ r.device, r.next_seq, 10, 20, 5000, r.next_seq, r.next_seq + 99, false };
	put(&b);
	for (int turn = 0; turn < 8; turn++) {
		b.from += 10;
		atomic_store(turn % 2 ? &hook_fail_syncs : &hook_fail_writes, 1 + turn / 2);
		for (int failures = 0; shop_put(&s, &b) < 0; failures++) {
			assert_int_equal(s.err.code, GW_EIO);
			assert_true(s.err.sys != 0);
			assert_in_range(failures, 0, 9);
		}
	}
	assert_int_equal(s.result.readings, 90);
	assert_int_equal(shop_count(&s), 90);
	shop_verify(&s);
	assert_true(s.verify.integrity_ok);
}

static void a_commit_that_fails_has_purged_nothing(void **state)
{
	struct gw_registration r;

	(void)state;
	s.opts.history_ms = 3600 * 1000;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 100, 5, gw_wall_ms() - 7200 * 1000, 0, 0, false });
	assert_int_equal(s.result.readings, 100);
	atomic_store(&hook_fail_syncs, 1);
	assert_int_equal(shop_put(&s, &(struct shop_batch){ .device = r.device }), -1);
	put(&(struct shop_batch){ .device = r.device });
	assert_int_equal(s.result.readings, 0);
	assert_int_equal(shop_count(&s), 0);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void count_commit(void *arg, const struct gw_commit_result *result)
{
	assert_null(result->err);
	++*(int *)arg;
}

static void count_rows(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	assert_null(err);
	gw_rows_free(rows);
	++*(int *)arg;
}

static void a_slow_disk_holds_up_no_call(void **state)
{
	struct gw_registration r;
	struct gw_reading *one;
	int64_t began, called;
	int answers = 0;

	(void)state;
	r = open_pump();
	one = some_reading(r.device, r.next_seq, 5000, 5);
	atomic_store(&hook_sync_ms, 300);
	began = now_ms();
	for (int i = 0; i < 3; i++) {
		gw_store_commit(s.st, &(struct gw_commit){ .readings = (const struct gw_reading *const[]){ one },
							   .nreadings = 1 }, count_commit, &answers);
		gw_store_fetch(s.st, 1, 0, 10, 1000, count_rows, &answers);
		gw_store_session(s.st, 1, 5);
	}
	called = now_ms() - began;
	while (answers < 6)
		assert_int_equal(gw_loop_turn(s.loop, -1, &s.err), 0);
	atomic_store(&hook_sync_ms, 0);
	assert_true(called < 100);
	assert_true(now_ms() - began >= 900);
	free(one);
}

/* ---- a reader beside it ---- */

/* Who holds a query open holds the WAL: it grows as long as that lasts, and shrinks after it. */
static void a_reader_that_stays_lets_the_wal_grow_until_it_ends(void **state)
{
	enum { COMMITS = 600 };
	struct gw_registration r;
	struct shop_batch b;
	off_t held, calm = 0;
	sqlite3_stmt *stmt;
	sqlite3 *reader;

	(void)state;
	r = open_pump();
	b = (struct shop_batch){ r.device, r.next_seq, 1, 5, 5000, r.next_seq, r.next_seq + 99999, false };
	for (unsigned i = 0; i < COMMITS; i++, b.from++) {
		put(&b);
		calm = shop_size(&s, "-wal") > calm ? shop_size(&s, "-wal") : calm;
	}
	assert_true(calm <= 4 << 20);
	assert_int_equal(sqlite3_open_v2(s.path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(reader, "SELECT * FROM reading", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	for (unsigned i = 0; i < COMMITS; i++, b.from++)
		put(&b);
	held = shop_size(&s, "-wal");
	print_message("the WAL of %d commits: %lld bytes, with a reader %lld\n", COMMITS, (long long)calm,
		      (long long)held);
	assert_true(held > 2 * calm);
	sqlite3_finalize(stmt);
	sqlite3_close(reader);
	for (unsigned i = 0; i < 2; i++, b.from++)
		put(&b);
	assert_true(shop_size(&s, "-wal") <= 4 << 20);
	assert_int_equal(shop_count(&s), 2 * COMMITS + 2);
}

/* ---- no space ---- */

static void a_file_that_may_not_grow_is_an_error_until_it_may_again(void **state)
{
	struct rlimit before, small;
	struct gw_registration r;
	struct shop_batch b;
	char want[160];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	r = open_pump();
	b = (struct shop_batch){ r.device, r.next_seq, 100, 100, 5000, r.next_seq, r.next_seq + 9999, false };
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){ .rlim_cur = 1 << 20, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	while (shop_put(&s, &b) == 0)
		b.from += 100;
	snprintf(want, sizeof(want), "buffer %s: cannot commit: File too large", s.path);
	assert_string_equal(s.err.msg, want);
	assert_int_equal(s.err.sys, EFBIG);
	setrlimit(RLIMIT_FSIZE, &before);
	put(&b);
	assert_int_equal(shop_count(&s), b.from + 100 - r.next_seq);
}

static bool tell_kernel(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

/* A tmpfs that only this process sees, over the folder of the store. */
static bool mount_disk(const char *options)
{
	char users[64], groups[64];

	snprintf(users, sizeof(users), "0 %d 1", (int)geteuid());
	snprintf(groups, sizeof(groups), "0 %d 1", (int)getegid());
	if (geteuid() != 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
		    !tell_kernel("/proc/self/uid_map", users) ||
		    !tell_kernel("/proc/self/setgroups", "deny") ||
		    !tell_kernel("/proc/self/gid_map", groups))
			return false;
	} else if (unshare(CLONE_NEWNS) < 0) {
		return false;
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", s.folder, "tmpfs", 0, options) == 0;
}

/* A disk of 20 MiB; ends the test where there can be none. */
static void have_small_disk(void)
{
	if (mount_disk("size=20m"))
		return;
	print_message("mounting is not permitted here: NOT TESTED what happens on a full disk\n");
	skip();
}

static void a_full_disk_costs_the_reserve_and_lets_go_of_what_is_not_due(void **state)
{
	struct gw_registration r;
	struct shop_batch b;
	char want[160];
	uint64_t rows;

	(void)state;
	have_small_disk();
	r = open_pump();
	assert_int_equal(shop_size(&s, ".reserve"), 4 << 20);
	b = (struct shop_batch){ r.device, r.next_seq, 100, 100, 5000, r.next_seq, r.next_seq + 99999, false };
	while (shop_put(&s, &b) == 0)
		b.from += 100;
	assert_int_equal(s.err.code, GW_EFULL);
	assert_int_equal(s.err.sys, ENOSPC);
	snprintf(want, sizeof(want),
		 "buffer %s: the disk is full and all that it holds still waits for a sink", s.path);
	assert_string_equal(s.err.msg, want);
	assert_int_equal(shop_size(&s, ".reserve"), 0);
	rows = b.from - r.next_seq;
	assert_int_equal(shop_count(&s), rows);
	assert_true(rows > 8000);
	for (int turn = 0; turn < 100; turn++, b.from += 100) { /* a sink takes some, as many come */
		b.due_from = r.next_seq + 200 + (uint64_t)turn * 100;
		put(&b);
		assert_in_range(s.result.readings, rows - 200, rows);
	}
	assert_int_equal(shop_size(&s, ".reserve"), 0);
	while (shop_put(&s, &(struct shop_batch){ .device = r.device }) == 0 && s.result.readings)
		;
	gw_store_configure(s.st, 8 << 20, 0); /* the file cannot shrink, the reserve can */
	put(&(struct shop_batch){ .device = r.device });
	assert_int_equal(shop_size(&s, ".reserve"), 1 << 20);
	shop_verify(&s);
	assert_true(s.verify.integrity_ok);
}

/* ---- damage, and no space for a new one ---- */

static struct gw_store_event salvaged;
static unsigned salvages, put_aside;

static void on_event(void *arg, const struct gw_store_event *e)
{
	(void)arg;
	put_aside += e->kind == GW_STORE_PUT_ASIDE;
	if (e->kind == GW_STORE_SALVAGED) {
		salvaged = *e;
		salvages++;
	}
}

static void wait_for_salvage(void)
{
	for (int i = 0; i < 2000 && !salvages; i++)
		assert_int_equal(gw_loop_turn(s.loop, 10, &s.err), 0);
	assert_int_equal(salvages, 1);
}

static void lose_the_header(void)
{
	static const char junk[100] = "no header";
	int fd = open(s.path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
	close(fd);
}

/* All but so many bytes. */
static void fill_disk(off_t leave)
{
	static char bytes[65536];
	char name[128];
	off_t size = 0;
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "%s/filler", s.folder);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while ((n = write(fd, bytes, sizeof(bytes))) > 0 || (n = write(fd, bytes, 4096)) > 0)
		size += n;
	assert_true(size >= leave);
	assert_int_equal(ftruncate(fd, size - leave), 0);
	close(fd);
}

static void remove_file(const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", s.path, suffix);
	unlink(name);
}

static void free_disk(void)
{
	char name[128];

	snprintf(name, sizeof(name), "%s/filler", s.folder);
	unlink(name);
}

/* A store of 16 MiB on a disk of 20. */
static struct gw_registration open_on_small_disk(void)
{
	have_small_disk();
	salvages = put_aside = 0;
	s.opts.event = on_event;
	s.opts.event_arg = NULL;
	s.opts.max_size = 16 << 20;
	return open_pump();
}

/* Closed, with 500 readings that only a salvage finds. */
static struct gw_registration damaged_on_small_disk(void)
{
	struct gw_registration r = open_on_small_disk();

	put(&(struct shop_batch){ r.device, r.next_seq, 500, 20, 5000, r.next_seq, r.next_seq + 499, false });
	shop_close(&s);
	lose_the_header();
	return r;
}

/* At the start: refused with the reason, begun anew with the next start that finds room. */
static void a_damaged_buffer_waits_for_room_to_begin_a_new_one(void **state)
{
	struct gw_registration r;
	char want[160];

	(void)state;
	r = damaged_on_small_disk();
	remove_file(".reserve");
	remove_file("-wal");
	fill_disk(0);
	for (int turn = 0; turn < 2; turn++) {
		assert_int_equal(shop_try_open(&s), -1);
		snprintf(want, sizeof(want), "buffer %s: cannot open: No space left on device", s.path);
		assert_string_equal(s.err.msg, want);
	}
	free_disk();
	shop_open(&s);
	assert_true(s.info.salvaging && s.aside[0]);
	assert_int_equal(shop_device(&s, "pump").next_seq, r.next_seq + 500);
	wait_for_salvage();
	assert_int_equal(shop_count(&s), 500);
}

static void the_reserve_is_room_enough_to_begin_a_new_one(void **state)
{
	struct gw_registration r;

	(void)state;
	r = damaged_on_small_disk();
	fill_disk(0);
	shop_open(&s);
	assert_int_equal(shop_device(&s, "pump").next_seq, r.next_seq + 500);
	wait_for_salvage();
	assert_false(salvaged.full);
	assert_int_equal(shop_count(&s), 500);
}

/* Under way: commits fail with the reason until there is room, then nothing is missing. */
static void a_buffer_that_is_removed_on_a_full_disk_is_begun_anew_when_there_is_room(void **state)
{
	struct gw_registration r;
	struct shop_batch b;

	(void)state;
	r = open_on_small_disk();
	b = (struct shop_batch){ r.device, r.next_seq, 500, 20, 5000, r.next_seq, r.next_seq + 599, false };
	put(&b);
	remove_file("");
	remove_file(".reserve");
	fill_disk(0);
	b.from += 500;
	b.n = 100;
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(shop_put(&s, &b), -1);
		assert_int_equal(s.err.sys, ENOSPC);
	}
	free_disk();
	put(&b);
	wait_for_salvage();
	assert_int_equal(put_aside, 1);
	assert_false(salvaged.full);
	assert_int_equal(shop_count(&s), 600);
}

/* The old one and the new one together are more than the disk; commits go on meanwhile, or say why. */
static void a_salvage_that_finds_no_room_takes_that_of_what_it_has_moved(void **state)
{
	struct gw_registration r;
	uint64_t rows = 0;

	(void)state;
	r = open_on_small_disk();
	for (; shop_size(&s, "") < 8 << 20; rows += 100)
		put(&(struct shop_batch){ r.device, r.next_seq + rows, 100, 100, 5000, r.next_seq,
					  r.next_seq + rows + 99, false });
	shop_close(&s);
	lose_the_header();
	fill_disk(1 << 20);
	shop_open(&s);
	shop_device(&s, "pump");
	while (!salvages) {
		if (shop_put(&s, &(struct shop_batch){ r.device, r.next_seq + rows, 1, 100, 5000, r.next_seq,
						       r.next_seq + rows, false }) == 0)
			rows++;
		else
			assert_int_equal(s.err.sys, ENOSPC);
	}
	assert_int_equal(shop_count(&s), rows);
	assert_false(salvaged.full);
	shop_verify(&s);
	assert_true(s.verify.integrity_ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(endless_readings_stay_within_max_size, begin, unmount),
		cmocka_unit_test_setup_teardown(a_buffer_full_of_what_is_due_says_so_and_lets_go_of_what_is_given_up, begin, unmount),
		cmocka_unit_test_setup_teardown(a_smaller_limit_at_a_reload_is_obeyed, begin, unmount),
		cmocka_unit_test_setup_teardown(an_error_at_the_sync_loses_and_doubles_nothing, begin, unmount),
		cmocka_unit_test_setup_teardown(a_commit_that_fails_has_purged_nothing, begin, unmount),
		cmocka_unit_test_setup_teardown(a_slow_disk_holds_up_no_call, begin, unmount),
		cmocka_unit_test_setup_teardown(a_reader_that_stays_lets_the_wal_grow_until_it_ends, begin, unmount),
		cmocka_unit_test_setup_teardown(a_file_that_may_not_grow_is_an_error_until_it_may_again, begin, unmount),
		cmocka_unit_test_setup_teardown(a_damaged_buffer_waits_for_room_to_begin_a_new_one, begin, unmount),
		cmocka_unit_test_setup_teardown(the_reserve_is_room_enough_to_begin_a_new_one, begin, unmount),
		cmocka_unit_test_setup_teardown(a_buffer_that_is_removed_on_a_full_disk_is_begun_anew_when_there_is_room,
						begin, unmount),
		cmocka_unit_test_setup_teardown(a_salvage_that_finds_no_room_takes_that_of_what_it_has_moved, begin, unmount),
		cmocka_unit_test_setup_teardown(a_full_disk_costs_the_reserve_and_lets_go_of_what_is_not_due, begin, unmount),
	};

	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	hook_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
