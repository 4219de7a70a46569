/*
 * test_store_salvage.c - a small buffer with a backlog for two sinks is damaged in every way and at
 * every page: the gateway always starts, saves what can be read, declares the rest lost, goes on.
 */
#include "core/store_private.h"
#include "little_gateway.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, READINGS = 90 };

static char folder[64], origin[96], earlier[96], stranger[96], path[96], ring[96]; /* in memory: there are many syncs */
static struct centre centre[LITTLE_SINKS][LITTLE_DEVICES];
static struct gw_err err;

static void run(const char *format, const char *a, const char *b)
{
	char command[512];

	snprintf(command, sizeof(command), "for s in '' -wal .seq; do %s; done", format);
	setenv("FROM", a, 1);
	setenv("TO", b, 1);
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void copy_files(const char *from, const char *to)
{
	run("rm -f \"$TO$s\"; if [ -e \"$FROM$s\" ]; then cp \"$FROM$s\" \"$TO$s\"; fi", from, to);
}

static struct little *start(void)
{
	return little_start(&(struct little_options){ .path = path, .ring = ring, .boot = "boot",
						      .max_size = 4 << 20 },
			    centre, &err);
}

static void produce(struct little *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		little_reading(l, 1 + i % LITTLE_DEVICES);
	while (!gw_commit_idle(&l->d))
		little_go(l);
}

/* What a kill would leave, of a gateway that had made so many readings and makes as many as fill a WAL. */
static void make_copy(const char *to, unsigned before)
{
	struct little *l = start();

	produce(l, before);
	little_stop(l);
	l = start();
	produce(l, READINGS - 60);
	copy_files(path, to);
	little_stop(l);
}

/* Readings that nobody has taken, two thirds in the database and one in the WAL of a process that
 * was killed. */
static int make_origin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/dev/shm/test_salvage.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(origin, sizeof(origin), "%s/origin", folder);
	snprintf(path, sizeof(path), "%s/b.db", folder);
	snprintf(ring, sizeof(ring), "%s/ring", folder);
	snprintf(earlier, sizeof(earlier), "%s/earlier", folder);
	snprintf(stranger, sizeof(stranger), "%s/stranger", folder);
	make_copy(stranger, 60);
	run("rm \"$FROM$s\"; rm -f \"$FROM-wal\"", path, "");
	make_copy(earlier, 0);
	make_copy(origin, 30);
	return 0;
}

static int remove_all(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void forget_centre(void)
{
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			centre_forget(&centre[i][k]);
}

/* ---- the books ---- */

static void assert_books(struct little *l, const char *what, size_t at)
{
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++) {
			const char *wrong = centre_books(&centre[i][k], l->device[k]->next_seq);

			if (wrong)
				fail_msg("%s %zu: sink %u, device %u: %s", what, at, i, k, wrong);
		}
}

static uint64_t received(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < LITTLE_SINKS; i++) {
		uint64_t n = 0;

		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			n += centre[i][k].received.total;
		least = n < least ? n : least;
	}
	return least;
}

static bool mixed; /* it was recognised that the last one's WAL was not its own */

/* Readings saved after `harm`, and that the gateway goes on. */
static uint64_t saved_after(void (*harm)(size_t at), size_t at, const char *what)
{
	struct little *l;
	uint64_t saved;

	forget_centre();
	copy_files(origin, path);
	harm(at);
	unlink(ring);
	l = start();
	mixed = l->d.info.mixed;
	if (!little_settle(l, 20 * 1000000))
		fail_msg("%s %zu: it does not come to an end", what, at);
	assert_books(l, what, at);
	saved = received();
	for (unsigned i = 0; i < 9; i++)
		little_reading(l, 1 + i % LITTLE_DEVICES);
	if (!little_settle(l, 20 * 1000000))
		fail_msg("%s %zu: it does not go on", what, at);
	assert_books(l, what, at);
	assert_int_equal(received(), saved + 9);
	little_stop(l);
	return saved;
}

/* ---- harm ---- */

static void overwrite(const char *suffix, off_t at, const void *bytes, size_t n)
{
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static off_t size_of(const char *suffix)
{
	char name[128];
	struct stat s;

	snprintf(name, sizeof(name), "%s%s", origin, suffix);
	return stat(name, &s) == 0 ? s.st_size : 0;
}

static void none(size_t at)
{
	(void)at;
}

static void zero_page(size_t at)
{
	static const char zeros[PAGE];

	overwrite("", (off_t)at * PAGE, zeros, PAGE);
}

static void junk_page(size_t at)
{
	char junk[PAGE];

	memset(junk, 0xa5, sizeof(junk));
	overwrite("", (off_t)at * PAGE, junk, PAGE);
}

static void flip_bit(const char *suffix, off_t at)
{
	char name[128], byte;
	int fd;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	close(fd);
	byte = (char)(byte ^ 4);
	overwrite(suffix, at, &byte, 1);
}

static void flip_bit_in_page(size_t at)
{
	flip_bit("", (off_t)at * PAGE + (off_t)(at * 97 % PAGE));
}

static void flip_bit_in_wal(size_t at)
{
	flip_bit("-wal", size_of("-wal") * (off_t)at / 12);
}

static void cut(const char *suffix, off_t size)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	assert_int_equal(truncate(name, size), 0);
}

static void cut_file(size_t at)
{
	cut("", size_of("") * (off_t)at / 12);
}

static void cut_wal(size_t at)
{
	cut("-wal", size_of("-wal") * (off_t)at / 12);
}

static void remove_wal(size_t at)
{
	(void)at;
	run("rm -f \"$FROM-wal\"", path, "");
}

static void remove_file(size_t at)
{
	(void)at;
	assert_int_equal(unlink(path), 0);
}

static void remove_bounds(size_t at)
{
	(void)at;
	run("rm -f \"$FROM.seq\"", path, "");
}

static void write_text(size_t at)
{
	(void)at;
	cut("", 0);
	overwrite("", 0, "not a database at all, but a note\n", 34);
}

/* What can be read must have been saved: a page holds five readings or less. */
enum { ON_A_PAGE = 5, IN_WAL = READINGS - 60 };

static void every_page_may_be_damaged(void **state)
{
	static void (*const harm[])(size_t at) = { zero_page, junk_page, flip_bit_in_page };
	size_t pages = (size_t)size_of("") / PAGE;

	(void)state;
	assert_true(pages > 10);
	assert_int_equal(saved_after(none, 0, "nothing"), READINGS);
	for (size_t k = 0; k < sizeof(harm) / sizeof(harm[0]); k++)
		for (size_t at = 0; at < pages; at++) {
			uint64_t saved = saved_after(harm[k], at, "page");

			if (saved + ON_A_PAGE < READINGS)
				fail_msg("page %zu, harm %zu: %llu of %d readings were saved", at, k,
					 (unsigned long long)saved, (int)READINGS);
		}
}

static void empty_both(size_t at)
{
	(void)at;
	cut("", 0);
	cut("-wal", 0);
}

static void every_file_may_be_damaged(void **state)
{
	static const struct {
		const char *what;
		void (*harm)(size_t at);
		size_t times;
		uint64_t least;
	} table[] = {
		{ "the database cut", cut_file, 12, IN_WAL },
		{ "the WAL cut", cut_wal, 12, READINGS - IN_WAL },
		{ "a bit in the WAL", flip_bit_in_wal, 12, READINGS - IN_WAL },
		{ "no WAL", remove_wal, 1, READINGS - IN_WAL },
		{ "no database", remove_file, 1, IN_WAL },
		{ "no bounds", remove_bounds, 1, READINGS },
		{ "a text", write_text, 1, IN_WAL },
		{ "nothing left", empty_both, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (size_t at = 0; at < table[i].times; at++) {
			uint64_t saved = saved_after(table[i].harm, at, table[i].what);

			if (saved < table[i].least)
				fail_msg("%s %zu: %llu readings were saved", table[i].what, at,
					 (unsigned long long)saved);
		}
}

/* ---- files that do not belong together ---- */

static void copy_one(const char *from, const char *suffix)
{
	char a[128], b[128];

	snprintf(a, sizeof(a), "%s%s", from, suffix);
	snprintf(b, sizeof(b), "%s%s", path, suffix);
	setenv("A", a, 1);
	setenv("B", b, 1);
	assert_int_equal(system("cp \"$A\" \"$B\""), 0);
}

static void take_wal_of_stranger(size_t at)
{
	(void)at;
	copy_one(stranger, "-wal");
}

static void take_wal_of_earlier(size_t at)
{
	(void)at;
	copy_one(earlier, "-wal");
}

static void take_database_of_earlier(size_t at)
{
	(void)at;
	copy_one(earlier, "");
}

/* The database as it was when it had nothing yet; all else is of now. */
static void take_database_of_stranger(size_t at)
{
	(void)at;
	copy_one(stranger, "");
}

static unsigned files_named(const char *pattern)
{
	char command[200];
	unsigned n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "ls %s | grep -c '%s'", folder, pattern);
	f = popen(command, "r");
	assert_true(f && fscanf(f, "%u", &n) == 1);
	pclose(f);
	return n;
}

static void a_wal_that_is_not_the_databases_own_is_recognised_and_put_aside(void **state)
{
	static const struct {
		const char *what;
		void (*harm)(size_t at);
		uint64_t least;
		bool mixed;
	} table[] = {
		{ "its own", none, READINGS, false },
		{ "none", remove_wal, READINGS - IN_WAL, false },
		{ "torn at its first frame", cut_wal, READINGS - IN_WAL, false },
		{ "another buffer's", take_wal_of_stranger, READINGS - IN_WAL, true },
		{ "of an earlier time", take_wal_of_earlier, READINGS - IN_WAL, true },
		{ "of a later time", take_database_of_earlier, IN_WAL, true },
		{ "another buffer's database", take_database_of_stranger, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t saved;

		run("rm -f \"$FROM\".damaged*", path, "");
		saved = saved_after(table[i].harm, 0, table[i].what);
		assert_int_equal(mixed, table[i].mixed);
		assert_int_equal(files_named("damaged-[0-9TZ]*$"), table[i].mixed);
		assert_int_equal(files_named("damaged-[0-9TZ]*-foreign$"), table[i].mixed);
		if (saved < table[i].least)
			fail_msg("%s: %llu readings were saved", table[i].what, (unsigned long long)saved);
	}
}

/* The salts in its header; 0: there is none. */
static uint64_t salts(void)
{
	uint64_t salt = 0;
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s-wal", origin);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, &salt, sizeof(salt), 16) != sizeof(salt))
		salt = 0;
	if (fd >= 0)
		close(fd);
	return salt;
}

static sqlite3 *begin_to_read(void)
{
	sqlite3 *reader;

	assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT * FROM device", NULL, NULL, NULL), SQLITE_OK);
	return reader;
}

/* Copied after each commit, so at each state of the WAL; also while somebody reads, who keeps it from
 * being moved whole. */
static void a_wal_is_known_as_its_own_at_any_time(void **state)
{
	enum { COMMITS = 160, READ_FROM = 60, READ_TO = 110 };
	struct little_options o = { .path = path, .ring = ring, .boot = "boot", .max_size = 1 << 20 };
	sqlite3 *reader = NULL;
	unsigned begins = 0;
	uint64_t salt = 0;
	struct little *l;

	(void)state;
	forget_centre();
	run("rm -f \"$FROM$s\"; rm -f \"$FROM-wal\" \"$FROM.seq\"", path, "");
	l = little_start(&o, centre, &err);
	for (unsigned i = 0; i < COMMITS; i++) {
		produce(l, 1);
		if (i == READ_FROM)
			reader = begin_to_read();
		if (i == READ_TO)
			sqlite3_close(reader);
		copy_files(path, origin);
		begins += salts() != salt;
		salt = salts();
		if (gw_wal_of(origin, "-wal") != GW_WAL_OURS)
			fail_msg("commit %u: its own WAL is taken for another's", i);
	}
	assert_true(begins > 5);
	little_stop(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wal_that_is_not_the_databases_own_is_recognised_and_put_aside),
		cmocka_unit_test(every_file_may_be_damaged),
		cmocka_unit_test(every_page_may_be_damaged),
		cmocka_unit_test(a_wal_is_known_as_its_own_at_any_time), /* the last: it wants no origin */
	};
	return cmocka_run_group_tests(tests, make_origin, remove_all);
}
