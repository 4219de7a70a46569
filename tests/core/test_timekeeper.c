/*
 * test_timekeeper.c - a reading is never sent with two times, whatever is lost between the first and
 * the second: gateways without processes, killed for real, with a kernel that vouches when told to.
 */
#include "seen.h"

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
	for (uint64_t seq = seen->first; seq < next; seq++)
		assert_true(copy_of(seq)->there || (copy_of(seq)->lost && !copy_of(seq)->exact));
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

static void what_waits_for_a_correction_holds_up_no_reading_of_now(void **state)
{
	struct little *l = start();

	(void)state;
	commit(l);
	l->d.core.buffer.sync_ms = 3600 * 1000;
	little_connect(l, 0);
	produce(l, N);
	vouches = true;
	gw_timekeeper_second(&l->d);
	assert_true(l->d.commit_running);
	produce(l, 1);
	gw_sink_pump(&l->sink[0]);
	assert_int_equal(seen->n, 1);
	l->d.core.buffer.sync_ms = 5;
	commit(l);
	assert_true(little_settle(l, 20 * 1000000));
	assert_int_equal(seen->n, N + 1);
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
		T(what_waits_for_a_correction_holds_up_no_reading_of_now),
		T(after_an_orderly_stop_what_was_not_sent_gets_its_true_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
