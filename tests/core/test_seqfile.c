#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/seqfile.h"

static char folder[] = "/tmp/test_seqfile.XXXXXX";
static char path[64];

static int begin(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/b.db.seq", folder);
	unlink(path);
	return 0;
}

static struct gw_seqfile *opened(void)
{
	struct gw_seqfile *s = NULL;
	struct gw_err err = { 0 };

	if (gw_seqfile_open(&s, path, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void written(struct gw_seqfile *s)
{
	struct gw_err err = { 0 };

	if (gw_seqfile_write(s, &err) < 0)
		fail_msg("%s", err.msg);
}

static uint64_t bound_of(const struct gw_seqfile *s, const char *name)
{
	uint64_t bound = 0;

	return gw_seqfile_get(s, name, &bound) ? bound : 0;
}

static void bounds_are_read_back(void **state)
{
	struct gw_seqfile *s = opened();

	(void)state;
	assert_int_equal(gw_seqfile_size(s), 0);
	assert_int_equal(access(path, F_OK), -1);
	gw_seqfile_set(s, "pump", 4096);
	gw_seqfile_set(s, "meter", 1700000000000);
	gw_seqfile_set(s, "zz", UINT64_MAX);
	written(s);
	gw_seqfile_set(s, "meter", 1700000009999);
	written(s);
	gw_seqfile_close(s);
	s = opened();
	assert_int_equal(gw_seqfile_size(s), 3);
	assert_int_equal(bound_of(s, "pump"), 4096);
	assert_int_equal(bound_of(s, "meter"), 1700000009999);
	assert_int_equal(bound_of(s, "zz"), UINT64_MAX);
	assert_int_equal(bound_of(s, "a"), 0);
	gw_seqfile_close(s);
}

static void it_grows_with_the_plant(void **state)
{
	struct gw_seqfile *s = opened();
	struct stat st;
	char name[300];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "device-%u", i * 7919 % 3000);
		gw_seqfile_set(s, name, i + 1);
		if (i % 100 == 0 || i == 2999)
			written(s);
	}
	memset(name, 'x', 255);
	name[255] = 0;
	gw_seqfile_set(s, name, 5);
	written(s);
	gw_seqfile_close(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 2 * 65536);
	s = opened();
	assert_int_equal(gw_seqfile_size(s), 3001);
	assert_int_equal(bound_of(s, name), 5);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "device-%u", i * 7919 % 3000);
		assert_int_equal(bound_of(s, name), i + 1);
	}
	gw_seqfile_close(s);
}

static void spoil(off_t at, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	char junk[64];

	memset(junk, 0x5a, sizeof(junk));
	assert_true(n <= sizeof(junk));
	assert_int_equal(pwrite(fd, junk, n, at), n);
	close(fd);
}

/* Generation n lies in slot (n + 1) % 2; tear it wherever, the one before is there. */
static void a_torn_slot_leaves_the_one_before(void **state)
{
	static const off_t places[] = { 0, 8, 12, 16, 24, 33, 35 };

	(void)state;
	for (uint64_t last = 2; last <= 7; last++) {
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			struct gw_seqfile *s;

			begin(NULL);
			s = opened();
			for (uint64_t bound = 1; bound <= last; bound++) {
				gw_seqfile_set(s, "pump", bound);
				written(s);
			}
			gw_seqfile_close(s);
			spoil(places[i] + (last % 2 ? 0 : 4096), 1);
			s = opened();
			assert_int_equal(bound_of(s, "pump"), last - 1);
			gw_seqfile_close(s);
		}
	}
}

static void a_file_that_is_none_is_an_empty_set_and_can_be_written(void **state)
{
	static const off_t sizes[] = { 0, 5, 4096, 8192, 8193, 3 * 4096 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct gw_seqfile *s;
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		close(fd);
		spoil(0, sizes[i] > 64 ? 64 : (size_t)sizes[i]);
		s = opened();
		assert_int_equal(gw_seqfile_size(s), 0);
		gw_seqfile_set(s, "pump", 9);
		written(s);
		gw_seqfile_set(s, "pump", 10);
		written(s);
		gw_seqfile_close(s);
		s = opened();
		assert_int_equal(bound_of(s, "pump"), 10);
		gw_seqfile_close(s);
	}
}

static void a_file_removed_under_way_comes_back(void **state)
{
	struct gw_seqfile *s = opened();

	(void)state;
	gw_seqfile_set(s, "pump", 1);
	written(s);
	unlink(path);
	gw_seqfile_set(s, "pump", 2);
	written(s);
	gw_seqfile_set(s, "pump", 3);
	written(s);
	gw_seqfile_close(s);
	s = opened();
	assert_int_equal(bound_of(s, "pump"), 3);
	gw_seqfile_close(s);
}

static void what_cannot_be_opened_or_written_is_said(void **state)
{
	struct gw_seqfile *s = NULL;
	struct gw_err err = { 0 };

	(void)state;
	assert_int_equal(gw_seqfile_open(&s, "/etc/passwd/x", &err), -1);
	assert_string_equal(err.msg, "/etc/passwd/x: cannot open: Not a directory");
	assert_int_equal(gw_seqfile_open(&s, "/nowhere/b.seq", &err), 0);
	gw_seqfile_set(s, "pump", 1);
	assert_int_equal(gw_seqfile_write(s, &err), -1);
	assert_string_equal(err.msg, "/nowhere/b.seq: cannot write: No such file or directory");
	assert_int_equal(err.sys, ENOENT);
	gw_seqfile_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bounds_are_read_back, begin),
		cmocka_unit_test_setup(it_grows_with_the_plant, begin),
		cmocka_unit_test_setup(a_torn_slot_leaves_the_one_before, begin),
		cmocka_unit_test_setup(a_file_that_is_none_is_an_empty_set_and_can_be_written, begin),
		cmocka_unit_test_setup(a_file_removed_under_way_comes_back, begin),
		cmocka_unit_test_setup(what_cannot_be_opened_or_written_is_said, begin),
	};
	int failed;

	if (!mkdtemp(folder))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
