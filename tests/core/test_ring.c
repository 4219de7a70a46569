#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/ring.h"
#include "some_reading.h"

static char folder[] = "/tmp/test_ring.XXXXXX";
static char path[64];
static struct gw_ring_options options;

static int begin(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/ring", folder);
	unlink(path);
	options = (struct gw_ring_options){ .path = path, .size = 1 << 20, .boot = "boot-1", .buffer = "buffer-1" };
	return 0;
}

static struct gw_ring *opened(bool want_found, const char *want_why)
{
	struct gw_err err = { 0 };
	struct gw_ring *r = NULL;
	const char *why = "untouched";
	bool found = !want_found;

	if (gw_ring_open(&r, &options, &found, &why, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(found, want_found);
	if (want_why)
		assert_string_equal(why, want_why);
	else
		assert_null(why);
	return r;
}

static bool add(struct gw_ring *r, uint64_t seq, unsigned points)
{
	uint64_t memory[GW_POINTS_MAX * 2], at;

	return gw_ring_append(r, some_reading_into(memory, 3, seq, 1000, points), &at) != NULL;
}

/* Walks; returns how many readings, all consecutive from `first`. */
static uint64_t count_from(struct gw_ring *r, uint64_t first, bool *damaged)
{
	uint64_t at = gw_ring_tail(r), n = 0;
	const struct gw_reading *reading;
	enum gw_ring_kind kind;
	struct gw_ring_ack ack;

	while (gw_ring_next(r, &at, &kind, &reading, &ack, damaged)) {
		if (kind != GW_RING_READING)
			continue;
		assert_int_equal(reading->seq, first + n);
		n++;
	}
	if (!*damaged)
		assert_int_equal(at, gw_ring_head(r));
	return n;
}

static void what_was_appended_is_found_again_in_order(void **state)
{
	struct gw_ring *r = opened(false, NULL);
	struct gw_ring_ack ack = { .sink = 2, .device = 3, .lost = 1, .from = 5, .to = 9 }, got = { 0 };
	struct gw_ring_ack told = { .sink = 2, .device = 3, .from = 10, .to = 10 };
	const struct gw_reading *reading = NULL;
	enum gw_ring_kind kind;
	bool damaged;
	uint64_t at;

	(void)state;
	assert_true(add(r, 7, 100));
	assert_true(gw_ring_append_ack(r, &ack));
	assert_true(gw_ring_append_told(r, &told));
	gw_ring_close(r, false);

	r = opened(true, NULL);
	at = gw_ring_tail(r);
	assert_true(gw_ring_next(r, &at, &kind, &reading, &got, &damaged));
	assert_int_equal(kind, GW_RING_READING);
	assert_int_equal(reading->seq, 7);
	assert_int_equal(reading->count, 100);
	assert_true(gw_ring_next(r, &at, &kind, &reading, &got, &damaged));
	assert_int_equal(kind, GW_RING_ACK);
	assert_memory_equal(&got, &ack, sizeof(ack));
	assert_true(gw_ring_next(r, &at, &kind, &reading, &got, &damaged));
	assert_int_equal(kind, GW_RING_TOLD);
	assert_memory_equal(&got, &told, sizeof(told));
	assert_false(gw_ring_next(r, &at, &kind, &reading, &got, &damaged));
	assert_false(damaged);
	gw_ring_close(r, true);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_full_ring_refuses_and_goes_on_after_a_release(void **state)
{
	struct gw_ring *r = opened(false, NULL);
	uint64_t first = 1, next = 1, at;
	const struct gw_reading *reading;
	enum gw_ring_kind kind;
	struct gw_ring_ack ack;
	bool damaged;

	(void)state;
	assert_int_equal(gw_ring_size(r), (1 << 20) - 4096);
	for (int turn = 0; turn < 400; turn++) { /* more than forty times around, odd sizes */
		while (add(r, next, (unsigned)(next * 37 % 700)))
			next++;
		assert_true(gw_ring_room(r) < 2 * 9000);
		assert_int_equal(count_from(r, first, &damaged), next - first);
		assert_false(damaged);
		at = gw_ring_tail(r);
		for (int i = 0; i < 40; i++, first++)
			assert_true(gw_ring_next(r, &at, &kind, &reading, &ack, &damaged));
		gw_ring_release(r, at);
		if (turn % 100 == 0) {
			gw_ring_close(r, false);
			r = opened(true, NULL);
		}
	}
	assert_true(gw_ring_head(r) > 40 * gw_ring_size(r));
	gw_ring_release(r, gw_ring_head(r));
	assert_int_equal(gw_ring_room(r), gw_ring_size(r));
	gw_ring_close(r, true);
}

static void what_is_reserved_stays_free(void **state)
{
	const struct gw_ring_ack ack = { .sink = 1, .device = 1, .from = 1, .to = 1 };
	struct gw_ring *r = opened(false, NULL);
	uint64_t seq = 1;

	(void)state;
	gw_ring_reserve(r, 100 * GW_RING_NOTE);
	while (add(r, seq, 10))
		seq++;
	while (gw_ring_append_ack(r, &ack))
		;
	assert_true(gw_ring_room(r) < GW_RING_NOTE);
	assert_false(gw_ring_append_told(r, &ack));
	gw_ring_reserve(r, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_true(gw_ring_append_told(r, &ack));
	gw_ring_reserve(r, 2 * gw_ring_size(r));
	assert_int_equal(gw_ring_room(r), 0);
	gw_ring_close(r, true);
}

static void a_ring_of_other_circumstances_begins_anew_and_says_why(void **state)
{
	static const struct {
		struct gw_ring_options then;
		const char *why;
	} cases[] = {
		{ { .size = 1 << 20, .boot = "boot-2", .buffer = "buffer-1" }, "it is of another boot" },
		{ { .size = 1 << 20, .boot = "boot-1", .buffer = "buffer-2" }, "it belongs to another buffer" },
		{ { .size = 2 << 20, .boot = "boot-1", .buffer = "buffer-1" }, "it has another size" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_ring *r;
		bool damaged;

		begin(NULL);
		r = opened(false, NULL);
		add(r, 1, 10);
		gw_ring_close(r, false);
		options = cases[i].then;
		options.path = path;
		r = opened(false, cases[i].why);
		assert_int_equal(count_from(r, 1, &damaged), 0);
		gw_ring_close(r, false);
		gw_ring_close(opened(true, NULL), true);
	}
}

static void poke(off_t at, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void a_damaged_header_begins_anew(void **state)
{
	static const off_t places[] = { 0, 9, 16, 40, 90, 144 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		begin(NULL);
		gw_ring_close(opened(false, NULL), false);
		poke(places[i], "\xff", 1);
		gw_ring_close(opened(false, "its header is damaged"), true);
	}
	begin(NULL);
	gw_ring_close(opened(false, NULL), false);
	poke(160, "\x10\0\0\0\0\0\0\0", 8); /* tail ahead of head */
	gw_ring_close(opened(false, "its header is damaged"), true);
}

static void the_walk_ends_at_a_damaged_record(void **state)
{
	/* the second of three readings of 5 points: record 8 + 48 + 24 + 40 = 120 bytes */
	static const off_t places[] = { 0, 1, 4, 6, 8, 12, 20, 30, 60, 119 };

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct gw_ring *r;
		bool damaged;

		begin(NULL);
		r = opened(false, NULL);
		for (uint64_t seq = 1; seq <= 3; seq++)
			assert_true(add(r, seq, 5));
		gw_ring_close(r, false);
		poke(4096 + 120 + places[i], "\x55", 1);
		r = opened(true, NULL);
		assert_int_equal(count_from(r, 1, &damaged), 1);
		assert_true(damaged);
		gw_ring_close(r, true);
	}
}

static void one_user_at_a_time(void **state)
{
	struct gw_ring *r = opened(false, NULL), *second = NULL;
	struct gw_err err = { 0 };
	char want[128];
	const char *why;
	bool found;

	(void)state;
	assert_int_equal(gw_ring_open(&second, &options, &found, &why, &err), -1);
	assert_int_equal(err.code, GW_EFULL);
	snprintf(want, sizeof(want), "ring %s is in use by process %d", path, (int)getpid());
	assert_string_equal(err.msg, want);
	gw_ring_close(r, true);
}

static void what_cannot_be_a_ring_is_refused(void **state)
{
	struct gw_err err = { 0 };
	struct gw_ring *r = NULL;
	char want[160];
	const char *why;
	bool found;

	(void)state;
	options.size = 4096;
	assert_int_equal(gw_ring_open(&r, &options, &found, &why, &err), -1);
	snprintf(want, sizeof(want), "ring %s: 4096 bytes are too few, 1 MiB at least", path);
	assert_string_equal(err.msg, want);
	options.size = 1 << 20;
	options.path = "/nowhere/ring";
	assert_int_equal(gw_ring_open(&r, &options, &found, &why, &err), -1);
	assert_string_equal(err.msg, "ring /nowhere/ring: cannot open: No such file or directory");
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	options.path = path;
	assert_int_equal(gw_ring_open(&r, &options, &found, &why, &err), -1);
	assert_int_equal(err.sys, ELOOP);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(gw_ring_open(&r, &options, &found, &why, &err), -1);
	snprintf(want, sizeof(want), "ring %s: not a regular file", path);
	assert_string_equal(err.msg, want);
	gw_ring_close(NULL, true);
}

static void no_room_for_the_file_is_an_error_and_leaves_nothing(void **state)
{
	struct rlimit before, small;
	struct gw_err err = { 0 };
	struct gw_ring *r = NULL;
	char want[160];
	const char *why;
	bool found;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){ .rlim_cur = 1 << 19, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(gw_ring_open(&r, &options, &found, &why, &err), -1);
	setrlimit(RLIMIT_FSIZE, &before);
	snprintf(want, sizeof(want), "ring %s: cannot set the size to 1048576 bytes: File too large", path);
	assert_string_equal(err.msg, want);
	assert_int_equal(access(path, F_OK), -1);
}

/* The child appends and releases until it is killed. */
static void append_for_ever(void)
{
	bool damaged, found;
	struct gw_err err;
	struct gw_ring *r;
	const char *why;
	const struct gw_reading *reading;
	enum gw_ring_kind kind;
	struct gw_ring_ack ack;
	uint64_t next = 1, at;

	if (gw_ring_open(&r, &options, &found, &why, &err) < 0)
		_exit(1);
	for (;; next++) {
		while (!add(r, next, (unsigned)(next % 200))) {
			at = gw_ring_tail(r);
			gw_ring_next(r, &at, &kind, &reading, &ack, &damaged);
			gw_ring_release(r, at);
		}
	}
}

static void a_kill_at_any_moment_leaves_whole_records(void **state)
{
	(void)state;
	srand(11);
	for (int turn = 0; turn < 100; turn++) {
		const struct gw_reading *first = NULL;
		enum gw_ring_kind kind;
		struct gw_ring_ack ack;
		struct gw_ring *r;
		uint64_t at, n;
		bool damaged;
		pid_t pid;

		begin(NULL);
		gw_ring_close(opened(false, NULL), false);
		pid = fork();
		if (pid == 0)
			append_for_ever();
		usleep((useconds_t)(3000 + rand() % 8000)); /* the moment of the kill, not a wait */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		r = opened(true, NULL);
		at = gw_ring_tail(r);
		if (gw_ring_next(r, &at, &kind, &first, &ack, &damaged)) {
			n = count_from(r, first->seq, &damaged);
			assert_true(n > 0);
		}
		assert_false(damaged);
		gw_ring_close(r, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_appended_is_found_again_in_order, begin),
		cmocka_unit_test_setup(a_full_ring_refuses_and_goes_on_after_a_release, begin),
		cmocka_unit_test_setup(what_is_reserved_stays_free, begin),
		cmocka_unit_test_setup(a_ring_of_other_circumstances_begins_anew_and_says_why, begin),
		cmocka_unit_test_setup(a_damaged_header_begins_anew, begin),
		cmocka_unit_test_setup(the_walk_ends_at_a_damaged_record, begin),
		cmocka_unit_test_setup(one_user_at_a_time, begin),
		cmocka_unit_test_setup(what_cannot_be_a_ring_is_refused, begin),
		cmocka_unit_test_setup(no_room_for_the_file_is_an_error_and_leaves_nothing, begin),
		cmocka_unit_test_setup(a_kill_at_any_moment_leaves_whole_records, begin),
	};
	int failed;

	if (!mkdtemp(folder))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
