/* commit: what leaves the ring is in the store as long as a sink wants it.  A gateway without processes. */
#include <unistd.h>

#include "little_gateway.h"

static struct centre centre[LITTLE_SINKS][LITTLE_DEVICES];
static char folder[64], path[80], ring[80];

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test_commit.XXXXXX");
	if (!mkdtemp(folder))
		abort();
	snprintf(path, sizeof(path), "%s/b.db", folder);
	snprintf(ring, sizeof(ring), "%s/ring", folder);
	memset(centre, 0, sizeof(centre));
	return 0;
}

static int end(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++) {
			gw_ranges_free(&centre[i][k].received);
			gw_ranges_free(&centre[i][k].lost);
			gw_ranges_free(&centre[i][k].lost_exact);
			free(centre[i][k].crc);
		}
	return system(command);
}

/*
 * A thousand readings are committed without waiting for `sync`; the last of them is in the commit as
 * any other, although no sink had heard of it when it was counted.  Nothing is kept as history.
 */
static void a_commit_before_its_time_has_the_reading_that_made_it_full(void **state)
{
	const struct little_options o = { .path = path, .ring = ring, .boot = "boot-1", .max_size = 64 << 20 };
	struct gw_err err;
	struct little *l = little_start(&o, centre, &err);
	uint64_t first = 0, last = 0;

	(void)state;
	assert_non_null(l);
	l->d.core.buffer.sync_ms = 3600 * 1000;
	for (unsigned i = 0; i < 3000; i++) {
		last = little_reading(l, 1);
		first = first ? first : last;
		if (i % 7 == 0)
			little_go(l);
	}
	l->d.core.buffer.sync_ms = 5;
	gw_commit_now(&l->d);
	assert_true(little_settle(l, 20 * 1000000));
	for (unsigned i = 0; i < LITTLE_SINKS; i++) {
		assert_int_equal(centre[i][0].received.n, 1);
		assert_true(centre[i][0].received.r[0].from == first && centre[i][0].received.r[0].to == last);
		assert_int_equal(centre[i][0].lost.n, 0);
	}
	little_stop(l);
}

/* One takes 2 MiB; what lay there when it began waits for no second `sync`. */
static void what_a_commit_has_no_room_for_follows_at_once(void **state)
{
	const struct little_options o = { .path = path, .ring = ring, .boot = "boot-1", .max_size = 64 << 20,
					  .ring_size = 16 << 20 };
	struct gw_err err;
	struct little *l = little_start(&o, centre, &err);
	int64_t end_us = gw_now_us() + 20 * 1000000;

	(void)state;
	assert_non_null(l);
	l->d.core.buffer.sync_ms = 3600 * 1000;
	for (unsigned i = 0; i < 500; i++)
		assert_true(gw_arrive(&l->d, l->device[0], little_new_reading(l, 1, 1000)));
	gw_commit_now(&l->d);
	while (!gw_commit_idle(&l->d) && gw_now_us() < end_us)
		little_turn(l);
	assert_true(gw_commit_idle(&l->d));
	little_stop(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_commit_before_its_time_has_the_reading_that_made_it_full, begin, end),
		cmocka_unit_test_setup_teardown(what_a_commit_has_no_room_for_follows_at_once, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
