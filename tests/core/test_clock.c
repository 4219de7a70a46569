/*
 * test_clock.c - a box in simulated time: true time runs on, the system clock is what somebody has
 * set it to, and the kernel vouches for it or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/clock.h"

#define S     1000LL
#define HOUR  (3600 * S)
#define YEAR  (365 * 24 * HOUR)
#define EPOCH 1763760000123LL /* true time when the box boots */

/* The box: mono is time since boot, all in ms. */
struct box {
	struct gw_clock *c;
	int64_t mono, error; /* what the system clock is ahead of the truth */
	bool vouched;
	struct gw_clock_news news; /* the last that were any */
	unsigned steps, corrections;
};

static struct box box;

static void boot(int64_t error, uint32_t number)
{
	gw_clock_free(box.c);
	box = (struct box){ .c = gw_clock_new(number), .error = error };
}

static int end(void **state)
{
	(void)state;
	gw_clock_free(box.c);
	box.c = NULL;
	return 0;
}

static int64_t truth(void)
{
	return EPOCH + box.mono;
}

static void look(void)
{
	box.news = gw_clock_look(box.c, box.vouched, box.mono * 1000, (truth() + box.error) * 1000);
	box.steps += box.news.stepped_ms != 0;
	box.corrections += box.news.correction != NULL;
}

/* A reading a second; a look before each, as in the daemon.  The stamp of the last. */
static int64_t polled(int64_t ms)
{
	int64_t ts = 0;

	for (int64_t until = box.mono + ms; box.mono < until;) {
		box.mono += S;
		look();
		ts = gw_clock_ts_ms(box.c, box.mono);
		if (!gw_clock_trusted(box.c))
			gw_clock_made(box.c, box.mono);
	}
	return ts;
}

/* Readings of ten seconds carry what the system clock says, `ahead` of the truth. */
static void assert_polled_ahead(int64_t ahead)
{
	int64_t ts = polled(10 * S);

	assert_int_equal(ts, truth() + ahead);
}

static void commit(void)
{
	gw_clock_commit_begins(box.c);
	gw_clock_committed(box.c, true);
}

static void synchronise(void)
{
	box.error = 0;
	box.vouched = true;
	box.mono += 100;
	look();
}

static void assert_true_ts(uint32_t number, int64_t mono, int64_t expected)
{
	int64_t ts = 0;

	assert_true(gw_clock_true_ts(box.c, number, mono, &ts));
	assert_int_equal(ts, expected);
}

static bool unknown(uint32_t number, int64_t mono)
{
	int64_t ts;

	return !gw_clock_true_ts(box.c, number, mono, &ts);
}

/* ---- 1970 ---- */

static void a_box_that_boots_in_1970_learns_the_time_of_each_of_its_readings(void **state)
{
	const struct gw_correction *k;

	(void)state;
	boot(-EPOCH, 7);
	assert_int_equal(polled(300 * S), 300 * S); /* 1970-01-01 00:05:00 */
	assert_false(gw_clock_trusted(box.c));
	assert_true(unknown(7, 150 * S));
	synchronise();
	assert_true(box.news.trusted);
	assert_int_equal(box.news.stepped_ms, EPOCH);
	k = box.news.correction;
	assert_non_null(k);
	assert_int_equal(k->id, 1);
	assert_int_equal(k->boot, 7);
	assert_int_equal(k->from_ms, 1 * S);
	assert_int_equal(k->to_ms, 300 * S + 100);
	assert_int_equal(k->offset_ms, EPOCH);
	assert_true(unknown(7, 150 * S)); /* not kept yet: nothing goes out with it */
	commit();
	for (int64_t mono = S; mono <= 300 * S; mono += S)
		assert_true_ts(7, mono, EPOCH + mono);
	assert_true(unknown(6, 150 * S)); /* of another boot */
	assert_polled_ahead(0);
}

static void a_correction_is_made_once(void **state)
{
	(void)state;
	boot(-EPOCH, 1);
	polled(10 * S);
	synchronise();
	polled(7 * 24 * HOUR);
	assert_int_equal(box.corrections, 1);
	assert_int_equal(box.steps, 1);
}

static void a_clock_that_was_right_from_the_start_needs_no_correction(void **state)
{
	(void)state;
	boot(0, 1);
	synchronise();
	polled(HOUR);
	assert_int_equal(box.corrections, 0);
	assert_int_equal(gw_clock_stretch_ms(box.c), -1);
}

static void a_time_set_by_hand_counts_as_what_it_is_but_is_not_trusted(void **state)
{
	(void)state;
	boot(-EPOCH, 1);
	polled(10 * S);
	box.error = -90 * S; /* date -s, a minute and a half slow */
	assert_polled_ahead(-90 * S);
	assert_int_equal(box.steps, 1);
	assert_false(gw_clock_trusted(box.c));
	synchronise();
	commit();
	assert_true_ts(1, 5 * S, EPOCH + 5 * S);   /* from before it */
	assert_true_ts(1, 15 * S, EPOCH + 15 * S); /* from after it */
	assert_int_equal(box.corrections, 1);
}

/* ---- restarts ---- */

static bool stamped_again(int64_t mono)
{
	int64_t ts;

	return gw_clock_new_ts(box.c, 3, mono, &ts);
}

static void restarted(uint32_t number)
{
	const struct gw_correction *k;
	struct gw_clock *c = gw_clock_new(number);

	for (uint64_t id = 1; (k = gw_clock_correction(box.c, id)) != NULL && id <= gw_clock_kept(box.c); id++)
		gw_clock_restore(c, k);
	if (gw_clock_stretch_ms(box.c) >= 0)
		gw_clock_restore_stretch(c, number, gw_clock_stretch_ms(box.c), gw_clock_sent_ms(box.c));
	gw_clock_free(box.c);
	box.c = c;
}

static void a_restart_before_trust_forgets_nothing(void **state)
{
	(void)state;
	boot(-EPOCH, 3);
	polled(100 * S);
	restarted(3);
	box.vouched = true; /* while nobody looked */
	box.error = 0;
	box.mono += 50 * S;
	look();
	assert_int_equal(box.news.stepped_ms, 0); /* not seen */
	assert_non_null(box.news.correction);
	commit();
	assert_true_ts(3, S, EPOCH + S);
	assert_true_ts(3, 100 * S, EPOCH + 100 * S);
}

static void after_a_restart_a_reading_gets_the_time_that_it_got_before(void **state)
{
	int64_t before, after;

	(void)state;
	boot(-EPOCH, 3);
	polled(100 * S);
	synchronise();
	commit();
	assert_true(gw_clock_true_ts(box.c, 3, 50 * S, &before));
	box.error = 400; /* slewed meanwhile */
	restarted(3);
	polled(10 * S);
	assert_true(gw_clock_true_ts(box.c, 3, 50 * S, &after));
	assert_int_equal(after, before);
	assert_int_equal(box.corrections, 1);
}

static void what_was_not_kept_is_learned_again(void **state)
{
	(void)state;
	boot(-EPOCH, 3);
	polled(100 * S);
	synchronise();
	gw_clock_commit_begins(box.c);
	gw_clock_committed(box.c, false);
	assert_int_equal(gw_clock_kept(box.c), 0);
	assert_true(unknown(3, 50 * S));
	commit();
	assert_int_equal(gw_clock_kept(box.c), 1);
	assert_true_ts(3, 50 * S, EPOCH + 50 * S);
}

static void what_may_have_been_sent_before_a_loss_is_corrected_and_keeps_its_time(void **state)
{
	(void)state;
	boot(-EPOCH, 3);
	box.mono = 30 * S;
	polled(10 * S);
	gw_clock_lost(box.c, box.mono);
	polled(10 * S);
	restarted(3);
	synchronise();
	assert_int_equal(box.news.correction->from_ms, 0); /* also for what nobody knows of any more */
	assert_int_equal(box.news.correction->sent_ms, 40 * S);
	commit();
	assert_true_ts(3, 35 * S, EPOCH + 35 * S);
	assert_false(stamped_again(35 * S));
	assert_false(stamped_again(40 * S));
	assert_true(stamped_again(41 * S));
}

static void a_loss_after_a_correction_takes_nothing_back(void **state)
{
	(void)state;
	boot(-EPOCH, 3);
	polled(10 * S);
	synchronise();
	commit();
	polled(10 * S);
	gw_clock_lost(box.c, box.mono);
	look();
	assert_int_equal(box.news.correction->from_ms, gw_clock_correction(box.c, 1)->to_ms + 1);
	commit();
	assert_true(stamped_again(5 * S)); /* it was, and may have gone out so */
	assert_false(stamped_again(15 * S));
	gw_clock_lost(box.c, box.mono); /* in the same millisecond: nothing can be between */
	assert_int_equal(gw_clock_stretch_ms(box.c), -1);
}

static void while_a_correction_is_being_kept_nobody_knows_which_time_counts(void **state)
{
	(void)state;
	boot(-EPOCH, 3);
	polled(10 * S);
	synchronise();
	assert_false(gw_clock_deciding(box.c, 3, 5 * S));
	gw_clock_commit_begins(box.c);
	assert_true(gw_clock_deciding(box.c, 3, 5 * S));
	assert_false(gw_clock_deciding(box.c, 3, box.mono + 1));
	assert_false(gw_clock_deciding(box.c, 2, 5 * S));
	gw_clock_committed(box.c, false);
	assert_true(gw_clock_deciding(box.c, 3, 5 * S)); /* who knows what is on the disk */
	commit();
	assert_false(gw_clock_deciding(box.c, 3, 5 * S));
}

static void a_correction_that_comes_while_a_commit_runs_waits_for_the_next(void **state)
{
	(void)state;
	boot(-EPOCH, 3);
	polled(10 * S);
	gw_clock_commit_begins(box.c);
	synchronise();
	gw_clock_committed(box.c, true);
	assert_true(unknown(3, 5 * S));
	commit();
	assert_false(unknown(3, 5 * S));
}

static void a_boot_that_ended_without_trust_is_never_corrected_by_another(void **state)
{
	(void)state;
	boot(-EPOCH, 3);
	polled(100 * S);
	assert_int_equal(gw_clock_stretch_ms(box.c), S);
	boot(-EPOCH, 4);
	gw_clock_restore_stretch(box.c, 3, S, 0);
	polled(50 * S);
	synchronise();
	commit();
	assert_int_equal(box.corrections, 1);
	assert_true_ts(4, 20 * S, EPOCH + 20 * S);
	assert_true(unknown(3, 20 * S));
}

static void an_earlier_boot_that_was_trusted_keeps_its_correction(void **state)
{
	struct gw_correction first;

	(void)state;
	boot(-EPOCH, 3);
	polled(100 * S);
	synchronise();
	first = *box.news.correction;
	boot(-EPOCH, 4);
	gw_clock_restore(box.c, &first);
	polled(50 * S);
	box.error = 5 * HOUR; /* so that the two offsets differ */
	box.vouched = true;
	look();
	commit();
	assert_int_equal(box.news.correction->id, 2);
	assert_true_ts(3, 20 * S, EPOCH + 20 * S);
	assert_true_ts(4, 20 * S, EPOCH + 20 * S + 5 * HOUR);
}

/* ---- steps ---- */

static void a_step_is_told_once_and_moves_nothing_but_the_time(void **state)
{
	static const int64_t steps[] = { HOUR, -HOUR, 10 * YEAR, -10 * YEAR };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		boot(0, 1);
		synchronise();
		polled(60 * S);
		box.error = steps[i];
		box.mono += S;
		look();
		assert_int_equal(box.news.stepped_ms, steps[i]);
		assert_int_equal(gw_clock_ts_ms(box.c, box.mono), truth() + steps[i]);
		polled(60 * S);
		assert_int_equal(box.steps, 1);
		assert_int_equal(box.corrections, 0);
	}
}

static void a_step_by_hand_ends_trust_and_what_follows_is_corrected(void **state)
{
	(void)state;
	boot(0, 1);
	synchronise();
	polled(60 * S);
	box.error = -10 * YEAR;
	box.vouched = false; /* the kernel takes the flag back when somebody sets the clock */
	box.mono += S;
	look();
	assert_true(box.news.lost);
	assert_polled_ahead(-10 * YEAR);
	polled(50 * S);
	synchronise();
	commit();
	assert_int_equal(box.corrections, 1);
	assert_true_ts(1, 90 * S, EPOCH + 90 * S);
	assert_true(unknown(1, 30 * S)); /* its own time was right */
}

static void slewing_drift_and_a_leap_second_are_told_apart_from_a_step(void **state)
{
	(void)state;
	boot(0, 1);
	synchronise();
	for (int i = 0; i < 1000; i++) { /* a tenth of a second each second, the most that chrony slews */
		box.error += 83;
		polled(S);
	}
	for (int i = 0; i < 86400; i++) { /* 100 ppm over a day of hours */
		box.error += i % 10 == 0;
		polled(S);
	}
	assert_int_equal(box.steps, 0);
	box.error -= 1000; /* 23:59:60 in the kernel */
	polled(S);
	assert_int_equal(box.steps, 1);
	assert_int_equal(box.corrections, 0);
}

static void a_time_before_1970_is_1970(void **state)
{
	(void)state;
	boot(-EPOCH, 1);
	box.mono = 100 * S;
	box.error = -truth();
	look();
	assert_int_equal(gw_clock_ts_ms(box.c, 40 * S), 0);
}

/* ---- many ---- */

static void stretches_do_not_overlap(void **state)
{
	(void)state;
	boot(-EPOCH, 1);
	polled(10 * S);
	synchronise();
	commit();
	box.vouched = false;
	box.error = 700;
	box.mono += S;
	look();
	assert_true(gw_clock_made(box.c, 5 * S)); /* it was on its way for long */
	assert_int_equal(gw_clock_stretch_ms(box.c), 10 * S + 101);
	assert_false(gw_clock_made(box.c, 20 * S));
	assert_false(gw_clock_made(box.c, 10 * S + 101));
	box.vouched = true;
	polled(S);
	commit();
	assert_int_equal(box.corrections, 2);
	assert_true_ts(1, 5 * S, EPOCH + 5 * S); /* as before */
	assert_true_ts(1, 11 * S, EPOCH + 11 * S + 700);
}

static void a_flag_that_flaps_for_weeks_stays_within_bounds(void **state)
{
	int64_t ts;

	(void)state;
	boot(0, 1);
	for (uint64_t i = 1; i <= 3000; i++) {
		box.vouched = false;
		polled(300 * S);
		synchronise();
		assert_int_equal(box.news.correction->id, i);
		assert_int_equal(box.news.forgotten, i > GW_CORRECTIONS_MAX ? i - GW_CORRECTIONS_MAX : 0);
		commit();
	}
	assert_null(gw_clock_correction(box.c, 0));
	assert_null(gw_clock_correction(box.c, 2000));
	assert_int_equal(gw_clock_correction(box.c, 2001)->id, 2001);
	assert_int_equal(gw_clock_correction(box.c, 3000)->id, 3000);
	assert_null(gw_clock_correction(box.c, 3001));
	assert_false(gw_clock_true_ts(box.c, 1, S, &ts));
	assert_true(gw_clock_true_ts(box.c, 1, box.mono - 200, &ts));
}

#define T(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_box_that_boots_in_1970_learns_the_time_of_each_of_its_readings),
		T(a_correction_is_made_once),
		T(a_clock_that_was_right_from_the_start_needs_no_correction),
		T(a_time_set_by_hand_counts_as_what_it_is_but_is_not_trusted),
		T(a_restart_before_trust_forgets_nothing),
		T(after_a_restart_a_reading_gets_the_time_that_it_got_before),
		T(what_was_not_kept_is_learned_again),
		T(what_may_have_been_sent_before_a_loss_is_corrected_and_keeps_its_time),
		T(a_loss_after_a_correction_takes_nothing_back),
		T(while_a_correction_is_being_kept_nobody_knows_which_time_counts),
		T(a_correction_that_comes_while_a_commit_runs_waits_for_the_next),
		T(a_boot_that_ended_without_trust_is_never_corrected_by_another),
		T(an_earlier_boot_that_was_trusted_keeps_its_correction),
		T(a_step_is_told_once_and_moves_nothing_but_the_time),
		T(a_step_by_hand_ends_trust_and_what_follows_is_corrected),
		T(slewing_drift_and_a_leap_second_are_told_apart_from_a_step),
		T(a_time_before_1970_is_1970),
		T(stretches_do_not_overlap),
		T(a_flag_that_flaps_for_weeks_stays_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
