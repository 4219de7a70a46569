/*
 * test_timekeeper.c - a reading is never sent with two times, whatever is lost between the first and
 * the second: gateways without processes, killed for real, with a kernel that vouches when told to.
 */
#include <sys/mman.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include "little_gateway.h"

enum { N = 40, COPIES = 3 * 4096 };

struct seen { /* by the far end of the first sink; outlives the gateway that is killed */
	uint64_t first;
	size_t n, twice;
	struct copy {
		int64_t ts_ms, mono_ms;
		uint16_t flags;
		bool there;
	} copy[COPIES];
};

static struct centre centre[LITTLE_SINKS][LITTLE_DEVICES];
static char folder[64], path[80], ring[80];
static bool vouches;
static struct seen *seen;

int adjtimex(struct timex *t) /* in place of the C library's */
{
	*t = (struct timex){ .status = vouches ? 0 : STA_UNSYNC };
	return vouches ? TIME_OK : TIME_ERROR;
}

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test_timekeeper.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/b.db", folder);
	snprintf(ring, sizeof(ring), "%s/ring", folder);
	memset(centre, 0, sizeof(centre));
	vouches = false;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
	return 0;
}

static int end(void **state)
{
	char command[100];

	(void)state;
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			centre_forget(&centre[i][k]);
	munmap(seen, sizeof(*seen));
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void note(unsigned sink, const struct gw_reading *r, const struct gw_loss_row *loss)
{
	struct copy new = { .there = true }, *old;

	if (sink != 0 || loss)
		return;
	new.ts_ms = r->ts_ms;
	new.mono_ms = r->mono_ms;
	new.flags = r->flags & GW_READING_UNSYNCED;
	assert_true(r->seq >= seen->first && r->seq - seen->first < COPIES);
	old = &seen->copy[r->seq - seen->first];
	if (!old->there)
		seen->n++;
	else
		seen->twice += old->ts_ms != new.ts_ms || old->flags != new.flags;
	*old = new;
}

static struct little *start(void)
{
	struct gw_err err;
	struct little *l = little_start(&(struct little_options){ .path = path, .ring = ring, .boot = "boot-1",
								  .max_size = 64 << 20 },
					centre, &err);

	assert_non_null(l);
	l->stamps = true;
	l->note = note;
	if (!seen->first)
		seen->first = l->device[0]->next_seq;
	return l;
}

static void produce(struct little *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		little_reading(l, 1);
}

static void commit(struct little *l)
{
	gw_commit_now(&l->d);
	while (!gw_commit_idle(&l->d))
		little_turn(l);
}

/* All of them go out; nobody acknowledges, and no commit begins. */
static void send_all(struct little *l, size_t until)
{
	l->d.core.buffer.sync_ms = 3600 * 1000;
	little_connect(l, 0);
	while (seen->n < until) {
		gw_sink_pump(&l->sink[0]);
		little_turn(l);
	}
}

/* What `live` does and the kill at its end happen to another process. */
static void live_and_be_killed(void (*live)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		live();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void send_from_the_buffer(void)
{
	struct little *l = start();

	produce(l, N);
	commit(l);
	send_all(l, N);
}

static void send_what_no_commit_knows(void)
{
	struct little *l = start();

	l->d.core.buffer.sync_ms = 3600 * 1000;
	commit(l);
	little_connect(l, 0);
	for (unsigned i = 0; i < N; i++) {
		produce(l, 1);
		gw_sink_pump(&l->sink[0]);
	}
}

static void start_and_die_at_once(void)
{
	struct gw_err err;

	little_start(&(struct little_options){ .path = path, .ring = ring, .boot = "boot-1",
					       .max_size = 64 << 20, .dies = true },
		     centre, &err);
}

/* The clock is synchronised, and all goes out once more. */
static void synchronise_and_settle(struct little *l)
{
	vouches = true;
	gw_timekeeper_second(&l->d);
	commit(l);
	assert_true(little_settle(l, 20 * 1000000));
}

static void assert_all_marked_copies_are_corrected(const struct little *l)
{
	for (size_t i = 0; i < COPIES; i++) {
		const struct copy *c = &seen->copy[i];
		int64_t ts_ms;

		if (c->there && c->flags)
			assert_true(gw_clock_true_ts(l->d.clock, l->d.info.boot, c->mono_ms, &ts_ms));
	}
}

static size_t marked(void)
{
	size_t n = 0;

	for (size_t i = 0; i < COPIES; i++)
		n += seen->copy[i].flags != 0;
	return n;
}

static void what_was_sent_before_the_ring_was_lost_is_not_sent_with_another_time(void **state)
{
	struct little *l;

	(void)state;
	live_and_be_killed(send_from_the_buffer);
	assert_int_equal(seen->n, N);
	unlink(ring);
	l = start();
	while (gw_now_us() / 1000 <= gw_clock_sent_ms(l->d.clock))
		little_turn(l);
	produce(l, N); /* and these were certainly not sent */
	synchronise_and_settle(l);
	assert_int_equal(seen->twice, 0);
	assert_int_equal(seen->n, 2 * N);
	assert_int_equal(marked(), N);
	assert_all_marked_copies_are_corrected(l);
	little_stop(l);
}

static void what_was_sent_is_known_from_the_ring_too(void **state)
{
	struct little *l;

	(void)state;
	live_and_be_killed(send_from_the_buffer);
	l = start();
	produce(l, N);
	synchronise_and_settle(l);
	assert_int_equal(seen->twice, 0);
	assert_int_equal(marked(), N);
	assert_all_marked_copies_are_corrected(l);
	little_stop(l);
}

static void a_start_that_is_killed_before_its_first_commit_forgets_no_loss(void **state)
{
	struct little *l;
	uint64_t next;

	(void)state;
	live_and_be_killed(send_from_the_buffer);
	unlink(ring);
	live_and_be_killed(start_and_die_at_once);
	l = start();
	next = l->device[0]->next_seq;
	assert_true(next > seen->first + N); /* those that may have been given are not given again */
	synchronise_and_settle(l);
	assert_int_equal(seen->twice, 0);
	assert_int_equal(marked(), N);
	little_stop(l);
}

static void what_was_sent_and_lost_gets_its_correction_all_the_same(void **state)
{
	struct little *l;

	(void)state;
	live_and_be_killed(send_what_no_commit_knows);
	assert_int_equal(marked(), N);
	unlink(ring);
	l = start();
	synchronise_and_settle(l);
	assert_all_marked_copies_are_corrected(l);
	little_stop(l);
}

static void nothing_that_a_correction_covers_goes_out_while_it_is_being_kept(void **state)
{
	struct little *l = start();

	(void)state;
	produce(l, N);
	commit(l);
	vouches = true;
	gw_timekeeper_second(&l->d);
	assert_true(l->d.commit_running);
	little_connect(l, 0);
	while (gw_clock_kept(l->d.clock) == 0) {
		assert_true(l->d.commit_running);
		gw_sink_pump(&l->sink[0]);
		assert_int_equal(seen->n, 0);
		little_turn(l);
	}
	assert_true(little_settle(l, 20 * 1000000));
	assert_int_equal(seen->n, N);
	assert_int_equal(marked(), 0);
	little_stop(l);
}

static void after_an_orderly_stop_what_was_not_sent_gets_its_true_time(void **state)
{
	struct little *l = start();

	(void)state;
	produce(l, N);
	little_stop(l);
	l = start();
	synchronise_and_settle(l);
	assert_int_equal(seen->n, N);
	assert_int_equal(marked(), 0);
	little_stop(l);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_sent_before_the_ring_was_lost_is_not_sent_with_another_time),
		T(what_was_sent_is_known_from_the_ring_too),
		T(a_start_that_is_killed_before_its_first_commit_forgets_no_loss),
		T(what_was_sent_and_lost_gets_its_correction_all_the_same),
		T(nothing_that_a_correction_covers_goes_out_while_it_is_being_kept),
		T(after_an_orderly_stop_what_was_not_sent_gets_its_true_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
