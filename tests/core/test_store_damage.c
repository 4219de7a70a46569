#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "one_store.h"

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
	sql("PRAGMA user_version=3");
	assert_int_equal(stat(s.path, &before), 0);
	assert_refused("buffer PATH was written by a later version of gatewayd (format 3, this one knows 2)");
	assert_int_equal(s.err.code, GW_EINPUT);
	assert_int_equal(stat(s.path, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_int_equal(before.st_ino, after.st_ino);
}

/* The newest commits of the later version are in its WAL: SQLite must not even look. */
static void a_later_version_keeps_its_wal(void **state)
{
	struct gw_registration r;
	char command[300], other[96];
	off_t wal;

	(void)state;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, r.next_seq, r.next_seq + 9, false });
	wal = shop_size(&s, "-wal");
	assert_true(wal > 0);
	snprintf(command, sizeof(command), "cd %s && cp b.db c.db && cp b.db-wal c.db-wal", s.folder);
	assert_int_equal(system(command), 0);
	shop_close(&s);
	snprintf(other, sizeof(other), "%s/c.db", s.folder);
	snprintf(s.path, sizeof(s.path), "%.70s", other);
	overwrite("", 60, "\0\0\0\3", 4);
	assert_refused("buffer PATH was written by a later version of gatewayd (format 3, this one knows 2)");
	assert_int_equal(shop_size(&s, "-wal"), wal);
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
		assert_int_equal(shop_size(&s, "-wal"), 0);
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

		r = open_pump();
		next = r.next_seq + 10;
		put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, r.next_seq, next - 1, false });
		shop_close(&s);
		damage[i]();
		shop_open(&s);
		snprintf(stem, sizeof(stem), "%s.damaged-", s.path);
		assert_memory_equal(s.aside, stem, strlen(stem));
		assert_int_equal(strlen(s.aside), strlen(stem) + strlen("20260101T000000Z"));
		assert_int_equal(access(s.aside, F_OK), 0);
		r = shop_device(&s, "pump");
		assert_int_equal(r.first_seq, s.info.created ? next : next - 10);
		assert_int_equal(r.next_seq, next);
		assert_int_equal(r.gap_to, 0);
		put(&(struct shop_batch){ r.device, r.next_seq, 1, 5, 5000, 0, 0, false });
		shop_verify(&s);
		assert_true(s.verify.integrity_ok);
		shop_free(&s);
		shop_new(&s);
	}
}

/* Closed, with 2000 readings and one of their pages overwritten. */
static void close_with_damaged_page(void)
{
	struct gw_registration r = open_pump();
	char junk[4096];

	put(&(struct shop_batch){ r.device, r.next_seq, 2000, 100, 5000, r.next_seq, r.next_seq + 1999, false });
	shop_close(&s);
	memset(junk, 0xa5, sizeof(junk));
	overwrite("", 60 * 4096, junk, sizeof(junk));
}

static void a_damaged_page_of_readings_stops_neither_start_nor_commits(void **state)
{
	struct gw_registration r;

	(void)state;
	close_with_damaged_page();
	shop_open(&s);
	assert_string_equal(s.aside, "");
	r = shop_device(&s, "pump");
	for (int turn = 0; turn < 5; turn++) /* nothing is due: the purge meets the page */
		put(&(struct shop_batch){ r.device, r.next_seq + (uint64_t)turn, 1, 100, 5000, 0, 0, false });
	shop_verify(&s);
	assert_true(s.verify.integrity_ok); /* of the new one */
}

static void a_check_that_finds_damage_says_so_and_a_new_one_is_begun(void **state)
{
	(void)state;
	close_with_damaged_page();
	open_pump();
	shop_verify(&s);
	assert_false(s.verify.integrity_ok);
	assert_true(strlen(s.verify.text) > 10);
	shop_verify(&s);
	assert_true(s.verify.integrity_ok);
}

static void a_database_removed_under_way_is_begun_anew(void **state)
{
	struct gw_registration r;

	(void)state;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, r.next_seq, r.next_seq + 10, false });
	unlink(s.path);
	put(&(struct shop_batch){ r.device, r.next_seq + 10, 1, 5, 5000, 0, 0, true });
	shop_close(&s);
	shop_open(&s);
	assert_false(s.info.created);
	assert_int_equal(shop_device(&s, "pump").next_seq, r.next_seq + 11);
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
		assert_true(r.gap_to >= r.next_seq + gw_reservation(3600) - 200);
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
	r = open_pump();
	next = r.next_seq + 10;
	put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, 0, 0, false });
	shop_close(&s);
	snprintf(name, sizeof(name), "%s.seq", s.path);
	unlink(name);
	s.opts.build_ms = (int64_t)next + 1000000;
	r = open_pump();
	assert_int_equal(r.next_seq, next);
	assert_int_equal(r.gap_from, next);
	assert_int_equal(r.gap_to, next + 1000000 - 1);
	shop_close(&s); /* the loop never said where it went on: nothing of the gap may be given again */
	s.opts.build_ms = 0;
	r = open_pump();
	assert_int_equal(r.gap_to, next + 1000000 - 1);
	put(&(struct shop_batch){ r.device, next, 3, 5, 5000, 0, 0, false }); /* the ring knew better */
	shop_close(&s);
	r = open_pump();
	assert_int_equal(r.next_seq, next + 3);
	assert_int_equal(r.gap_to, 0);
}

static void two_damaged_buffers_are_kept(void **state)
{
	char command[300];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct gw_registration r;

		shop_open(&s);
		assert_int_equal(s.info.old_removed, i >= 3);
		r = shop_device(&s, "pump");
		put(&(struct shop_batch){ r.device, r.next_seq, 10, 5, 5000, r.next_seq, r.next_seq + 9, false });
		shop_close(&s);
		overwrite("", 0, "not a database\n\0", 16);
	}
	snprintf(command, sizeof(command), "test $(ls %s | grep -c 'damaged-[0-9TZ-]*$') -eq 2", s.folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_second_daemon_is_told_who_has_it, begin, end),
		cmocka_unit_test_setup_teardown(a_later_version_is_refused_and_not_touched, begin, end),
		cmocka_unit_test_setup_teardown(a_later_version_keeps_its_wal, begin, end),
		cmocka_unit_test_setup_teardown(somebody_elses_database_is_refused_and_not_touched, begin, end),
		cmocka_unit_test_setup_teardown(places_that_cannot_hold_a_buffer_are_named, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_database_is_put_aside_and_numbers_go_on, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_page_of_readings_stops_neither_start_nor_commits, begin, end),
		cmocka_unit_test_setup_teardown(a_check_that_finds_damage_says_so_and_a_new_one_is_begun, begin, end),
		cmocka_unit_test_setup_teardown(a_database_removed_under_way_is_begun_anew, begin, end),
		cmocka_unit_test_setup_teardown(what_was_committed_survives_a_kill, begin, end),
		cmocka_unit_test_setup_teardown(without_the_file_of_bounds_numbers_jump_ahead, begin, end),
		cmocka_unit_test_setup_teardown(two_damaged_buffers_are_kept, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
