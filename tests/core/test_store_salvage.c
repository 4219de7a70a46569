/*
 * test_store_salvage.c - a small buffer with a backlog for two sinks is damaged in every way and at
 * every page: the gateway always starts, saves what can be read, declares the rest lost, goes on.
 */
#include "little_gateway.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, READINGS = 90 };

static char folder[64], origin[96], path[96], ring[96]; /* in memory: there are many syncs */
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

/* Readings that nobody has taken, two thirds in the database and one in the WAL of a process that
 * was killed. */
static int make_origin(void **state)
{
	struct little *l;

	(void)state;
	snprintf(folder, sizeof(folder), "/dev/shm/test_salvage.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(origin, sizeof(origin), "%s/origin", folder);
	snprintf(path, sizeof(path), "%s/b.db", folder);
	snprintf(ring, sizeof(ring), "%s/ring", folder);
	l = start();
	produce(l, 60);
	little_stop(l);
	l = start();
	produce(l, READINGS - 60);
	copy_files(path, origin);
	little_stop(l);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_may_be_damaged),
		cmocka_unit_test(every_page_may_be_damaged),
	};
	return cmocka_run_group_tests(tests, make_origin, remove_all);
}
