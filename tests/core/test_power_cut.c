/*
 * test_power_cut.c - all that the store does to its files is recorded while a gateway works; then the
 * power is cut at hundreds of points of the recording, the files are laid out as a disk may have
 * them then, and a gateway starts on them.  It always starts; what was committed is there; the
 * books close.
 */
#include "power_cut.h"

#include <sqlite3.h>

static size_t corrections; /* told on the first day */

/*
 * Nobody knows the time at first, and both sinks are told so; one of them gets some of it only when it is
 * known.  Then that one is away until its readings are dropped, then it catches up.
 */
static void first_day(void)
{
	struct little *l = start("boot 1", "layout");

	little_connect(l, 0);
	little_connect(l, 1);
	produce(l, 30);
	gw_deliver_disconnected(l->sink[1].deliver);
	produce(l, 30);
	set_clock(l);
	little_connect(l, 1);
	produce(l, 60);
	settle(l); /* or what is on its way is received, and dropped all the same */
	corrections = l->corrections;
	gw_deliver_disconnected(l->sink[1].deliver);
	produce(l, 800);
	little_connect(l, 1);
	produce(l, 60);
	settle(l);
	stop(l);
}

/* Other points; nobody listens at first. */
static void second_day(void)
{
	struct little *l = start("boot 2", "other layout");

	produce(l, 60);
	settle(l);
	stop(l);
}

/* One is away until its readings become windows, and these ten minutes or losses. */
static void thin_day(void)
{
	struct little *l;

	thins = true;
	l = start("boot 3", "layout");
	little_connect(l, 0);
	produce(l, 900);
	little_connect(l, 1);
	produce(l, 60);
	settle(l);
	stop(l);
	thins = false;
}

static struct story *days, *thin;

static int make_days(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/dev/shm/test_power_cut.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/b.db", folder);
	snprintf(ring, sizeof(ring), "%s.ring", folder);
	days = story_begin(NULL, 0);
	vouches = false;
	first_day();
	second_day();
	story_end();
	disk_empty(folder);
	forget_centre();
	thin = story_begin(NULL, 0);
	thin_day();
	story_end();
	return 0;
}

static int remove_all(void **state)
{
	(void)state;
	story_forget(days);
	story_forget(thin);
	forget_centre();
	disk_empty(folder);
	unlink(ring);
	return rmdir(folder);
}

static void the_recording_has_it_all(void **state)
{
	size_t calls[DISK_FOLDER + 1] = { 0 }, dropped = 0, windows = 0;

	(void)state;
	for (size_t i = 0; i < days->log->n; i++)
		calls[days->log->event[i].what]++;
	for (size_t i = 0; i < days->ntold; i++)
		dropped += days->told[i].what == A_LOSS && days->told[i].row.cause == GW_LOSS_BUFFER_FULL;
	for (size_t i = 0; i < thin->ntold; i++)
		windows += thin->told[i].what == A_WINDOW;
	assert_true(calls[DISK_WRITE] > 700 && calls[DISK_SYNC] > 70 && calls[DISK_SIZE] > 30);
	assert_true(calls[DISK_CREATE] >= 6 && calls[DISK_RENAME] >= 1 && calls[DISK_REMOVE] >= 2);
	assert_true(calls[DISK_FOLDER] >= 4);
	assert_true(dropped > 0 && windows > 2);
	assert_true(corrections >= 2 && days->nrings > 5);
	assert_true(days->nmarks > 500);
}

static void power_may_be_cut_at_any_time(void **state)
{
	(void)state;
	cut_between(days, "two days", 0, days->log->n, 240);
}

static void power_may_be_cut_while_readings_become_windows(void **state)
{
	(void)state;
	cut_between(thin, "a thin day", 0, thin->log->n, 120);
}

static void power_may_be_cut_at_the_first_start(void **state)
{
	(void)state;
	cut_between(days, "the first start", 0, 120, 60);
}

/* The same cuts on a disk that says of each sync that it was done, and did nothing. */
static void a_disk_that_lies_is_found_out(void **state)
{
	struct disk *disk = disk_new(days->log);
	size_t broken = 0;

	(void)state;
	disk->syncs_lie = true;
	for (size_t i = 1; i <= 20; i++) {
		struct cut c = { "a disk that lies", days->log->n * i / 20, DISK_RANDOM, i };

		disk_advance(disk, c.at);
		disk_lay_out(disk, c.mode, c.seed);
		broken += survive(days, &c) != NULL;
	}
	disk_free(disk);
	assert_true(broken > 10);
}

static void commit_all(struct little *l)
{
	do {
		gw_commit_now(&l->d);
		while (l->d.commit_running)
			little_turn(l);
	} while (!gw_commit_idle(&l->d) && !*l->d.store_error);
}

/*
 * The sync of the commit that has the correction fails: nobody knows whether it is on the disk.  What it
 * covers may go out neither with the old time nor with the true one, or after a cut it comes with two.
 */
static void a_correction_in_a_commit_that_failed_gives_no_reading_two_times(void **state)
{
	struct story *s;
	struct little *l;
	size_t at;

	(void)state;
	disk_empty(folder);
	unlink(ring);
	forget_centre();
	vouches = false;
	s = story_begin(NULL, 0);
	l = start("boot 1", "layout");
	produce(l, 60);
	commit_all(l);
	disk_syncs_fail(true);
	set_clock(l);
	while (l->d.commit_running)
		little_turn(l);
	assert_string_not_equal(l->d.store_error, "");
	little_connect(l, 0);
	for (unsigned i = 0; i < 100 && s->ntold == 0; i++)
		little_go(l);
	at = disk_now();
	disk_syncs_fail(false);
	settle(l);
	stop(l);
	story_end();
	cut_between(s, "a commit that failed", at, at, 3);
	cut_between(s, "after it", at, s->log->n, 12);
	story_forget(s);
}

/* ---- a cut while the gateway comes back from one, or from worse ---- */

/* A gateway comes back on what lies in the folder, and is recorded. */
static struct story *come_back(const struct story *before, size_t at)
{
	struct gw_ranges kept[LITTLE_DEVICES] = { 0 };
	struct story *s;
	struct little *l;

	forget_centre();
	remember(before, at, centre, kept);
	vouches = true;
	for (unsigned k = 0; k < LITTLE_DEVICES; k++)
		gw_ranges_free(&kept[k]);
	unlink(ring);
	s = story_begin(before, at);
	l = start("boot after the first cut", "layout");
	settle_whole(l);
	produce(l, LITTLE_DEVICES);
	settle(l);
	stop(l);
	story_end();
	return s;
}

static void power_may_be_cut_again_at_once(void **state)
{
	enum { FIRST = 15, SECOND = 8 };
	struct disk *disk = disk_new(days->log);

	(void)state;
	for (size_t i = 0; i < FIRST; i++) {
		struct story *s;

		disk_advance(disk, days->log->n * (2 * i + 1) / (2 * FIRST));
		disk_lay_out(disk, i % 2 ? DISK_STRICT : DISK_RANDOM, i);
		s = come_back(days, disk->at);
		cut_between(s, "coming back", 0, s->log->n, SECOND);
		story_forget(s);
	}
	disk_free(disk);
}

/* Readings, half of them taken by one of the sinks, in a buffer that was closed. */
static struct story *leave_readings(void)
{
	struct story *s;
	struct little *l;

	disk_empty(folder);
	unlink(ring);
	forget_centre();
	s = story_begin(NULL, 0);
	l = start("boot 1", "layout");
	little_connect(l, 0);
	produce(l, 45);
	for (unsigned k = 0; k < LITTLE_DEVICES; k++)
		while (gw_deliver_open_from(l->sink[0].deliver, l->reg[k].device))
			go(l);
	gw_deliver_disconnected(l->sink[0].deliver);
	produce(l, 45);
	stop(l);
	story_end();
	return s;
}

/* What the gateway can save of it when nothing else happens, it saves with cuts too. */
static void cut_the_repair(struct story *before, const char *what)
{
	struct story *s = come_back(before, before->log->n);

	s->harmed = true;
	for (unsigned k = 0; k < LITTLE_DEVICES; k++) {
		gw_ranges_copy(&s->kept[k], &centre[1][k].received);
		gw_ranges_remove(&s->kept[k], from[k], UINT64_MAX);
	}
	cut_between(s, what, 0, s->log->n, 24);
	story_forget(s);
	story_forget(before);
}

static void power_may_be_cut_while_a_former_format_is_taken_over(void **state)
{
	struct story *before = leave_readings();
	sqlite3 *sql;

	(void)state;
	assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "DROP TABLE window; DROP TABLE window_fixed; PRAGMA user_version=1",
				      NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
	cut_the_repair(before, "migration");
}

static void harm(unsigned page)
{
	static const unsigned char junk[4096] = { 0xa5, 0x5a };
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, junk, sizeof(junk), (off_t)page * 4096), sizeof(junk));
	close(fd);
}

static void power_may_be_cut_while_a_damaged_buffer_is_salvaged(void **state)
{
	enum { HEADER = 0, DEVICE = 3, SINK = 6, DUE = 9, SOME = 17, OTHERS = 20 }; /* the last two: readings */
	static const unsigned page[][2] = { { HEADER, HEADER }, { DEVICE, SOME }, { SINK, OTHERS }, { DUE, SOME },
					    { SOME, OTHERS } };

	(void)state;
	for (size_t i = 0; i < sizeof(page) / sizeof(page[0]); i++) {
		struct story *before = leave_readings();

		harm(page[i][0]);
		harm(page[i][1]);
		cut_the_repair(before, "salvage");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_recording_has_it_all),
		cmocka_unit_test(a_disk_that_lies_is_found_out),
		cmocka_unit_test(power_may_be_cut_at_the_first_start),
		cmocka_unit_test(power_may_be_cut_at_any_time),
		cmocka_unit_test(power_may_be_cut_while_readings_become_windows),
		cmocka_unit_test(a_correction_in_a_commit_that_failed_gives_no_reading_two_times),
		cmocka_unit_test(power_may_be_cut_again_at_once),
		cmocka_unit_test(power_may_be_cut_while_a_former_format_is_taken_over),
		cmocka_unit_test(power_may_be_cut_while_a_damaged_buffer_is_salvaged),
	};
	return cmocka_run_group_tests(tests, make_days, remove_all);
}
