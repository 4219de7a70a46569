#include <sys/resource.h>
#include <time.h>

#include "one_store.h"

/*
 * Figures, printed; asserted are only bounds that a slow, busy machine keeps
 * too.  Run alone for figures that mean something.
 */
enum { BATCH = 100, POINTS = 100, BATCHES = 1000 };

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A line of a file of /proc/self, in its unit; 0: not there. */
static uint64_t proc(const char *file, const char *key)
{
	char line[128];
	uint64_t value = 0;
	FILE *f = fopen(file, "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)) == 0)
			value += strtoull(line + strlen(key), NULL, 10);
	}
	if (f)
		fclose(f);
	return value;
}

/* One reading a device, as at an interval of 1 s; what was sent 10 s ago is acknowledged. */
static uint64_t commit_all(struct gw_registration *r, uint64_t lag)
{
	static uint64_t memory[BATCH][64 / 8 + POINTS * 12 / 8 + 8];
	static struct gw_ranges due[BATCH];
	const struct gw_reading *readings[BATCH];
	struct gw_due_row rows[BATCH];
	struct gw_next_row next[BATCH];
	struct gw_commit c = { .readings = readings, .nreadings = BATCH, .due = rows, .ndue = BATCH, .next = next,
			       .nnext = BATCH };
	uint64_t bytes = 0;

	for (uint64_t turn = 0; turn < BATCHES; turn++) {
		for (unsigned i = 0; i < BATCH; i++) {
			uint64_t seq = r[i].next_seq + turn;

			readings[i] = some_reading_into(memory[i], r[i].device, seq, gw_wall_ms(), POINTS);
			bytes += readings[i]->size;
			gw_ranges_add(&due[i], seq, seq);
			if (turn >= lag)
				gw_ranges_remove(&due[i], seq - lag, seq - lag);
			rows[i] = (struct gw_due_row){ 1, r[i].device, &due[i] };
			next[i] = (struct gw_next_row){ r[i].device, seq + 1 };
		}
		assert_int_equal(shop_commit(&s, &c), 0);
	}
	for (unsigned i = 0; i < BATCH; i++)
		gw_ranges_free(&due[i]);
	return bytes;
}

static void measure(uint64_t lag, const char *what)
{
	struct gw_sink_registration sink = { .name = "goc" };
	struct gw_registration r[BATCH];
	double wall, cpu, own, total = (double)BATCH * BATCHES;
	char names[BATCH][16];
	uint64_t written, bytes;

	for (unsigned i = 0; i < BATCH; i++) {
		snprintf(names[i], sizeof(names[i]), "device-%u", i);
		r[i] = (struct gw_registration){ .name = names[i], .layout = "l", .layout_size = 1, .rate = 3600 };
	}
	s.opts.max_size = 1 << 30;
	shop_open(&s);
	assert_int_equal(shop_register(&s, r, BATCH, &sink, 1), 0);
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	own = seconds(CLOCK_THREAD_CPUTIME_ID);
	written = proc("/proc/self/io", "write_bytes: ");
	bytes = commit_all(r, lag);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	own = seconds(CLOCK_THREAD_CPUTIME_ID) - own;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu - own; /* without the making of the readings */
	written = proc("/proc/self/io", "write_bytes: ") - written;
	print_message("%s: %.0f readings of %.0f B in %.1f s: %.0f/s, CPU of the store's thread %.1f us, written %.0f B (%.2fx) a reading;"
		      " private %llu kB\n", what, total, (double)bytes / total, wall, total / wall,
		      cpu / total * 1e6, (double)written / total, (double)written / (double)bytes,
		      (unsigned long long)proc("/proc/self/smaps_rollup", "Private_Dirty: "));
	assert_true(cpu / total < 1e-3);
	assert_true((double)written < 4 * (double)bytes);
}

static void a_hundred_thousand_readings_with_a_sink_that_keeps_up(void **state)
{
	(void)state;
	measure(10, "sink 10 commits behind");
	assert_true(s.result.readings <= 12 * BATCH);
}

static void a_hundred_thousand_readings_in_an_outage(void **state)
{
	(void)state;
	measure(UINT64_MAX, "no sink connected");
	assert_int_equal(s.result.readings, BATCH * BATCHES);
	assert_int_equal(shop_count(&s), BATCH * BATCHES);
}

/* Ten million readings wait: nothing of a start looks at all of them.  LONG=1: it takes a minute and 1.5 GB. */
static void a_buffer_of_ten_million_readings_starts_at_once(void **state)
{
	enum { GROUP = 20000, GROUPS = 500 };
	struct gw_registration r;
	double began;
	uint64_t from;

	(void)state;
	if (!getenv("LONG"))
		skip();
	s.opts.max_size = UINT64_C(8) << 30;
	r = open_pump();
	from = r.next_seq;
	for (unsigned i = 0; i < GROUPS; i++)
		put(&(struct shop_batch){ r.device, from + (uint64_t)i * GROUP, GROUP, 5, 5000, from,
					  from + (uint64_t)GROUP * GROUPS - 1, false });
	shop_close(&s);
	began = seconds(CLOCK_MONOTONIC);
	shop_open(&s);
	shop_device(&s, "pump");
	gw_rows_free(shop_fetch(&s, 1, 0, 2000, 1 << 20));
	print_message("start with 10,000,000 readings in %.1f GiB: %.3f s, peak of memory %llu MiB\n",
		      (double)shop_size(&s, "") / (1 << 30), seconds(CLOCK_MONOTONIC) - began,
		      (unsigned long long)proc("/proc/self/status", "VmHWM:") >> 10);
	assert_true(seconds(CLOCK_MONOTONIC) - began < 5);
	began = seconds(CLOCK_MONOTONIC);
	put(&(struct shop_batch){ r.device, from + (uint64_t)GROUP * GROUPS, 1, 5, 5000,
				  from + (uint64_t)GROUP * GROUPS, from + (uint64_t)GROUP * GROUPS, false });
	print_message("a commit after all of them were acknowledged: %.3f s\n", seconds(CLOCK_MONOTONIC) - began);
	assert_true(seconds(CLOCK_MONOTONIC) - began < 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_hundred_thousand_readings_with_a_sink_that_keeps_up, begin, end),
		cmocka_unit_test_setup_teardown(a_hundred_thousand_readings_in_an_outage, begin, end),
		cmocka_unit_test_setup_teardown(a_buffer_of_ten_million_readings_starts_at_once, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
