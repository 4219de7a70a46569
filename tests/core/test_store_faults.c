#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "hook_vfs.h"
#include "some_store.h"

static struct shop s;

static int begin(void **state)
{
	(void)state;
	shop_new(&s);
	return 0;
}

static int end(void **state)
{
	(void)state;
	shop_close(&s);
	umount2(s.folder, MNT_DETACH); /* where a test mounted something */
	shop_free(&s);
	return 0;
}

static void put(const struct shop_batch *b)
{
	if (shop_put(&s, b) < 0)
		fail_msg("%s", s.err.msg);
}

static off_t size_of(const char *suffix)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", s.path, suffix);
	return stat(name, &st) == 0 ? st.st_size : 0;
}

static void overwrite(const char *suffix, off_t at, const void *bytes, size_t n)
{
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s%s", s.path, suffix);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void sql(const char *text)
{
	char command[512];

	snprintf(command, sizeof(command), "sqlite3 %s \"%s\" > /dev/null", s.path, text);
	assert_int_equal(system(command), 0);
}

static void assert_refused(const char *fmt)
{
	char want[256], format[256];

	assert_int_equal(shop_try_open(&s), -1);
	snprintf(format, sizeof(format), "%s", fmt);
	if (strstr(format, "PATH")) {
		char *at = strstr(format, "PATH");

		snprintf(want, sizeof(want), "%.*s%s%s", (int)(at - format), format, s.path, at + 4);
	} else {
		snprintf(want, sizeof(want), "%s", format);
	}
	assert_string_equal(s.err.msg, want);
}

/* ---- who may open ---- */

static void the_second_daemon_is_told_who_has_it(void **state)
{
	struct shop other;
	char want[160];

	(void)state;
	shop_open(&s);
	other = s;
	assert_int_equal(shop_try_open(&other), -1);
	snprintf(want, sizeof(want), "buffer %s is in use by process %d", s.path, (int)getpid());
	assert_string_equal(other.err.msg, want);
	assert_int_equal(other.err.code, GW_EFULL);
}

static void a_later_version_is_refused_and_not_touched(void **state)
{
	struct stat before, after;

	(void)state;
	shop_open(&s);
	shop_close(&s);
	sql("PRAGMA user_version=2");
	assert_int_equal(stat(s.path, &before), 0);
	assert_refused("buffer PATH was written by a later version of gatewayd (format 2, this one knows 1)");
	assert_int_equal(s.err.code, GW_EINPUT);
	assert_int_equal(stat(s.path, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_int_equal(before.st_ino, after.st_ino);
}

static void somebody_elses_database_is_refused_and_not_touched(void **state)
{
	static const char *const theirs[] = {
		"CREATE TABLE photos (name)",
		"CREATE TABLE photos (name); PRAGMA application_id=7",
		"CREATE TABLE photos (name); PRAGMA user_version=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		unlink(s.path);
		sql(theirs[i]);
		assert_refused("PATH is a SQLite database but not a gatewayd buffer");
		assert_int_equal(s.err.code, GW_EINPUT);
		sql("SELECT * FROM photos");
		assert_int_equal(size_of("-wal"), 0);
	}
}

static void places_that_cannot_hold_a_buffer_are_named(void **state)
{
	char folder[64];

	(void)state;
	s.opts.path = "/nowhere/at/all/b.db";
	assert_refused("buffer /nowhere/at/all/b.db: the folder /nowhere/at/all does not exist");
	assert_int_equal(s.err.sys, ENOENT);
	s.opts.path = "/proc/b.db";
	assert_refused("buffer /proc/b.db: the folder /proc does not exist"); /* so the kernel says */
	s.opts.path = "/etc/passwd/b.db";
	assert_refused("buffer /etc/passwd/b.db: cannot create files in /etc/passwd: Not a directory");
	s.opts.path = s.path;
	s.opts.max_size = 1000;
	assert_refused("buffer PATH: max_size is 1000 bytes, 1 MiB at least");
	s.opts.max_size = 8 << 20;
	snprintf(folder, sizeof(folder), "%s", s.folder);
	if (geteuid() == 0) {
		chmod(s.folder, 0755);
		assert_int_equal(seteuid(65534), 0);
	} else {
		chmod(s.folder, 0500);
	}
	assert_int_equal(shop_try_open(&s), -1);
	assert_non_null(strstr(s.err.msg, ": cannot create files in "));
	assert_non_null(strstr(s.err.msg, ": Permission denied"));
	assert_int_equal(s.err.sys, EACCES);
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
	chmod(folder, 0700);
}

/* ---- damage ---- */

static void empty_file(void)
{
	assert_int_equal(truncate(s.path, 0), 0);
}

static void zero_header(void)
{
	char zeros[100] = { 0 };

	overwrite("", 0, zeros, sizeof(zeros));
}

static void write_text(void)
{
	empty_file();
	overwrite("", 0, "not a database at all, but a note\n", 34);
}

static void spoil_root_page(void)
{
	char junk[4000];

	memset(junk, 0xa5, sizeof(junk));
	overwrite("", 100, junk, sizeof(junk) - 100);
}

static void drop_table(void)
{
	sql("DROP TABLE due");
}

static void spoil_device_table(void)
{
	char junk[4096];

	memset(junk, 0xa5, sizeof(junk));
	for (off_t page = 1; page < 12; page++)
		overwrite("", page * 4096, junk, sizeof(junk));
}

static void cut_in_half(void)
{
	assert_int_equal(truncate(s.path, 8000), 0);
}

static void a_damaged_database_is_put_aside_and_numbers_go_on(void **state)
{
	static void (*const damage[])(void) = { empty_file, zero_header, write_text, spoil_root_page, drop_table,
						spoil_device_table, cut_in_half };

	(void)state;
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		struct gw_registration r;
		uint64_t next;
		char stem[128];

		shop_open(&s);
		r = shop_device(&s, "pump");
		next = r.next_seq + 10;
		put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, r.next_seq, next - 1, false });
		shop_close(&s);
		damage[i]();
		shop_open(&s);
		assert_true(s.info.created);
		snprintf(stem, sizeof(stem), "%s.damaged-", s.path);
		assert_memory_equal(s.aside, stem, strlen(stem));
		assert_int_equal(strlen(s.aside), strlen(stem) + strlen("20260101T000000Z"));
		assert_int_equal(access(s.aside, F_OK), 0);
		r = shop_device(&s, "pump");
		assert_int_equal(r.first_seq, next);
		assert_int_equal(r.next_seq, next);
		assert_int_equal(r.gap_to, 0);
		put(&(struct shop_batch){ r.device, r.next_seq, 1, 5, 5000, 0, 0, false });
		shop_verify(&s);
		assert_true(s.verify.integrity_ok);
		shop_free(&s);
		shop_new(&s);
	}
}

static void a_damaged_page_of_readings_stops_neither_start_nor_commits(void **state)
{
	struct gw_registration r;
	char junk[4096];

	(void)state;
	shop_open(&s);
	r = shop_device(&s, "pump");
	put(&(struct shop_batch){ r.device, r.next_seq, 2000, 100, 5000, r.next_seq, r.next_seq + 1999, false });
	shop_close(&s);
	memset(junk, 0xa5, sizeof(junk));
	overwrite("", 60 * 4096, junk, sizeof(junk));
	shop_open(&s);
	assert_string_equal(s.aside, "");
	r = shop_device(&s, "pump");
	for (int turn = 0; turn < 5; turn++) /* nothing is due: the purge meets the page */
		put(&(struct shop_batch){ r.device, r.next_seq + (uint64_t)turn, 1, 100, 5000, 0, 0, false });
	shop_verify(&s);
	assert_false(s.verify.integrity_ok);
	assert_true(strlen(s.verify.text) > 10);
}

static void a_database_removed_under_way_is_noticed(void **state)
{
	struct gw_registration r;
	char want[200];

	(void)state;
	shop_open(&s);
	r = shop_device(&s, "pump");
	unlink(s.path);
	assert_int_equal(shop_put(&s, &(struct shop_batch){ r.device, r.next_seq, 1, 5, 5000, 0, 0, false }), -1);
	assert_int_equal(s.err.code, GW_ENOENT);
	snprintf(want, sizeof(want),
		 "buffer %s was removed or replaced while gatewayd was using it: restart gatewayd", s.path);
	assert_string_equal(s.err.msg, want);
}

/* ---- kills and numbers ---- */

/* In the child: commits of 7 readings, telling the next number after each, until it is killed. */
static void commit_for_ever(int tell)
{
	struct gw_registration r;
	uint64_t next;

	if (gw_loop_new(&s.loop, &s.err) < 0 || shop_try_open(&s) < 0)
		_exit(1);
	r = shop_device(&s, "pump");
	for (next = r.next_seq;;) {
		if (shop_put(&s, &(struct shop_batch){ r.device, next, 7, 20, 5000, 1, next + 6, false }) < 0)
			_exit(2);
		next += 7;
		if (write(tell, &next, sizeof(next)) < 0)
			_exit(3);
	}
}

/* Kills after `least` words; returns the last one. */
static uint64_t killed_after(int least)
{
	uint64_t told = 0;
	int tell[2];
	pid_t pid;

	assert_int_equal(pipe(tell), 0);
	pid = fork();
	if (pid == 0)
		commit_for_ever(tell[1]);
	close(tell[1]);
	for (int i = 0; i < least; i++)
		assert_int_equal(read(tell[0], &told, sizeof(told)), sizeof(told));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (read(tell[0], &told, sizeof(told)) == sizeof(told))
		;
	close(tell[0]);
	return told;
}

static void what_was_committed_survives_a_kill(void **state)
{
	uint64_t start = 0, rows = 0;

	(void)state;
	srand(5);
	for (int turn = 0; turn < 20; turn++) {
		uint64_t told = killed_after(1 + rand() % 20);
		struct gw_registration r;

		shop_open(&s);
		assert_string_equal(s.aside, "");
		r = shop_device(&s, "pump");
		start = turn ? start : r.first_seq;
		assert_true(r.next_seq == told || r.next_seq == told + 7); /* whole commits only */
		rows += r.next_seq - start;
		assert_int_equal(s.info.readings, rows);
		assert_int_equal(shop_count(&s), rows);
		assert_int_equal(r.gap_from, r.next_seq); /* nobody wrote exact bounds */
		assert_true(r.gap_to >= r.next_seq + 4000);
		shop_verify(&s);
		assert_true(s.verify.integrity_ok);
		assert_int_equal(s.verify.damaged, 0);
		put(&(struct shop_batch){ r.device, r.gap_to + 1, 1, 20, 5000, 1, r.gap_to + 1, false });
		start = r.gap_to + 2;
		rows++;
		shop_close(&s);
	}
}

static void without_the_file_of_bounds_numbers_jump_ahead(void **state)
{
	struct gw_registration r;
	char name[128];
	uint64_t next;

	(void)state;
	shop_open(&s);
	r = shop_device(&s, "pump");
	next = r.next_seq + 10;
	put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, 0, 0, false });
	shop_close(&s);
	snprintf(name, sizeof(name), "%s.seq", s.path);
	unlink(name);
	s.opts.build_ms = (int64_t)next + 1000000;
	shop_open(&s);
	r = shop_device(&s, "pump");
	assert_int_equal(r.next_seq, next);
	assert_int_equal(r.gap_from, next);
	assert_int_equal(r.gap_to, next + 1000000 - 1);
	shop_close(&s); /* the loop never said where it went on: nothing of the gap may be given again */
	s.opts.build_ms = 0;
	shop_open(&s);
	r = shop_device(&s, "pump");
	assert_int_equal(r.gap_to, next + 1000000 - 1);
	put(&(struct shop_batch){ r.device, next, 3, 5, 5000, 0, 0, false }); /* the ring knew better */
	shop_close(&s);
	shop_open(&s);
	r = shop_device(&s, "pump");
	assert_int_equal(r.next_seq, next + 3);
	assert_int_equal(r.gap_to, 0);
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
	shop_open(&s);
	r = shop_device(&s, "pump");
	next = r.next_seq;
	for (int turn = 0; turn < 120; turn++, next += 500) { /* 74 MB of history */
		off_t size;

		put(&(struct shop_batch){ r.device, next, 500, 100, gw_wall_ms(), 0, 0, false });
		size = size_of("") + size_of("-wal") + size_of(".reserve");
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
	shop_open(&s);
	r = shop_device(&s, "pump");
	first = next = r.next_seq;
	while (shop_put(&s, &(struct shop_batch){ r.device, next, 100, 100, 5000, first, next + 99, false }) == 0)
		next += 100;
	assert_int_equal(s.err.code, GW_EFULL);
	snprintf(want, sizeof(want), "buffer %s is full: all that it holds still waits for a sink", s.path);
	assert_string_equal(s.err.msg, want);
	assert_int_equal(shop_count(&s), next - first);
	assert_true(size_of("") + size_of("-wal") + size_of(".reserve") <= 4 << 20);
	for (int turn = 0; turn < 50; turn++, next += 100) { /* from now on the oldest go */
		gw_store_oldest(s.st, 130000, shop_rows, &s);
		shop_wait(&s);
		n = s.rows->n;
		first = s.rows->readings[n - 1]->seq + 1;
		gw_rows_free(s.rows);
		put(&(struct shop_batch){ r.device, next, 100, 100, 5000, first, next + 99, false });
	}
	assert_int_equal(shop_count(&s), next - first);
	assert_true(size_of("") + size_of("-wal") + size_of(".reserve") <= 4 << 20);
}

static void a_smaller_limit_at_a_reload_is_obeyed(void **state)
{
	struct gw_registration r;

	(void)state;
	s.opts.history_ms = 3600 * 1000;
	shop_open(&s);
	r = shop_device(&s, "pump");
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
	shop_open(&s);
	r = shop_device(&s, "pump");
	b = (struct shop_batch){ r.device, r.next_seq, 10, 20, 5000, r.next_seq, r.next_seq + 99, false };
	put(&b);
	for (int turn = 0; turn < 8; turn++) {
		b.from += 10;
		atomic_store(turn % 2 ? &hook_fail_syncs : &hook_fail_writes, 1 + turn / 2);
		while (shop_put(&s, &b) < 0) {
			assert_int_equal(s.err.code, GW_EIO);
			assert_true(s.err.sys != 0);
		}
	}
	assert_int_equal(s.result.readings, 90);
	assert_int_equal(shop_count(&s), 90);
	shop_verify(&s);
	assert_true(s.verify.integrity_ok);
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
	shop_open(&s);
	r = shop_device(&s, "pump");
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

/* ---- no space ---- */

static void a_file_that_may_not_grow_is_an_error_until_it_may_again(void **state)
{
	struct rlimit before, small;
	struct gw_registration r;
	struct shop_batch b;
	char want[160];

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	shop_open(&s);
	r = shop_device(&s, "pump");
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

/* A tmpfs that only this process sees, over the folder of the store. */
static bool mount_small(const char *options)
{
	char map[64];
	int fd;

	if (geteuid() != 0) {
		snprintf(map, sizeof(map), "0 %d 1", (int)geteuid());
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return false;
		fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, map, strlen(map)) < 0)
			return false;
		close(fd);
	} else if (unshare(CLONE_NEWNS) < 0) {
		return false;
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", s.folder, "tmpfs", 0, options) == 0;
}

static void a_full_disk_costs_the_reserve_and_lets_go_of_what_is_not_due(void **state)
{
	struct gw_registration r;
	struct shop_batch b;
	char want[160];
	uint64_t rows;

	(void)state;
	if (!mount_small("size=20m")) {
		print_message("mounting is not permitted here: NOT TESTED what happens on a full disk\n");
		skip();
	}
	shop_open(&s);
	r = shop_device(&s, "pump");
	assert_int_equal(size_of(".reserve"), 4 << 20);
	b = (struct shop_batch){ r.device, r.next_seq, 100, 100, 5000, r.next_seq, r.next_seq + 99999, false };
	while (shop_put(&s, &b) == 0)
		b.from += 100;
	assert_int_equal(s.err.code, GW_EFULL);
	assert_int_equal(s.err.sys, ENOSPC);
	snprintf(want, sizeof(want),
		 "buffer %s: the disk is full and all that it holds still waits for a sink", s.path);
	assert_string_equal(s.err.msg, want);
	assert_int_equal(size_of(".reserve"), 0);
	rows = b.from - r.next_seq;
	assert_int_equal(shop_count(&s), rows);
	assert_true(rows > 8000);
	for (int turn = 0; turn < 100; turn++, b.from += 100) { /* a sink takes some, as many come */
		b.due_from = r.next_seq + 200 + (uint64_t)turn * 100;
		put(&b);
		assert_in_range(s.result.readings, rows - 200, rows);
	}
	assert_int_equal(size_of(".reserve"), 0);
	while (shop_put(&s, &(struct shop_batch){ .device = r.device }) == 0 && s.result.readings)
		;
	gw_store_configure(s.st, 8 << 20, 0); /* the file cannot shrink, the reserve can */
	put(&(struct shop_batch){ .device = r.device });
	assert_int_equal(size_of(".reserve"), 1 << 20);
	shop_verify(&s);
	assert_true(s.verify.integrity_ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_second_daemon_is_told_who_has_it, begin, end),
		cmocka_unit_test_setup_teardown(a_later_version_is_refused_and_not_touched, begin, end),
		cmocka_unit_test_setup_teardown(somebody_elses_database_is_refused_and_not_touched, begin, end),
		cmocka_unit_test_setup_teardown(places_that_cannot_hold_a_buffer_are_named, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_database_is_put_aside_and_numbers_go_on, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_page_of_readings_stops_neither_start_nor_commits, begin, end),
		cmocka_unit_test_setup_teardown(a_database_removed_under_way_is_noticed, begin, end),
		cmocka_unit_test_setup_teardown(what_was_committed_survives_a_kill, begin, end),
		cmocka_unit_test_setup_teardown(without_the_file_of_bounds_numbers_jump_ahead, begin, end),
		cmocka_unit_test_setup_teardown(endless_readings_stay_within_max_size, begin, end),
		cmocka_unit_test_setup_teardown(a_buffer_full_of_what_is_due_says_so_and_lets_go_of_what_is_given_up, begin, end),
		cmocka_unit_test_setup_teardown(a_smaller_limit_at_a_reload_is_obeyed, begin, end),
		cmocka_unit_test_setup_teardown(an_error_at_the_sync_loses_and_doubles_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_slow_disk_holds_up_no_call, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_may_not_grow_is_an_error_until_it_may_again, begin, end),
		cmocka_unit_test_setup_teardown(a_full_disk_costs_the_reserve_and_lets_go_of_what_is_not_due, begin, end),
	};

	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	hook_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
