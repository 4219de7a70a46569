/*
 * test_supervise.c - the life of a plugin process: every pair of state and event,
 * and the stories that operators see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "core/supervise.h"

static void every_state_answers_every_event(void **state)
{
	(void)state;
	for (int s = GW_LIFE_DOWN; s < GW_LIVES; s++) {
		assert_non_null(gw_life_name((enum gw_life)s));
		for (int e = 0; e < GW_LIFE_EVENTS; e++) {
			enum gw_life next = gw_life_next((enum gw_life)s, (enum gw_life_event)e, 1).next;

			assert_int_not_equal(next, GW_LIFE_INVALID);
			assert_in_range(next, GW_LIFE_DOWN, GW_LIVES - 1);
		}
	}
}

static void each_state_is_shown_by_a_word_of_the_contract(void **state)
{
	const char *const shown[GW_LIVES] = {
		[GW_LIFE_INVALID] = "invalid",   [GW_LIFE_DOWN] = "down",       [GW_LIFE_STARTING] = "starting",
		[GW_LIFE_RUNNING] = "running",   [GW_LIFE_STOPPING] = "stopping", [GW_LIFE_ENDING] = "backoff",
		[GW_LIFE_KILLED] = "backoff",    [GW_LIFE_BACKOFF] = "backoff", [GW_LIFE_FAILED] = "failed",
		[GW_LIFE_RESTARTING] = "starting",
	};

	(void)state;
	for (int s = 0; s < GW_LIVES; s++)
		assert_string_equal(gw_life_name((enum gw_life)s), shown[s]);
}

/* ---- stories: event, then the state and the act it leads to ---- */

struct scene {
	enum gw_life_event event;
	unsigned failures;
	enum gw_life next;
	enum gw_life_act act;
};

#define SCENE(event, failures, next, act) { GW_EV_##event, failures, GW_LIFE_##next, GW_ACT_##act }
#define PLAY(from, ...)                                                                    \
	do {                                                                               \
		const struct scene scenes[] = { __VA_ARGS__ };                             \
		play(GW_LIFE_##from, scenes, sizeof(scenes) / sizeof(scenes[0]));          \
	} while (0)

static void play(enum gw_life at, const struct scene *scenes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct gw_life_step step = gw_life_next(at, scenes[i].event, scenes[i].failures);

		if (step.next != scenes[i].next || step.act != scenes[i].act)
			fail_msg("scene %zu: state %d act %d, wanted %d and %d", i, step.next, step.act,
				 scenes[i].next, scenes[i].act);
		at = step.next;
	}
}

static void a_process_starts_runs_and_stops(void **state)
{
	(void)state;
	PLAY(DOWN, SCENE(START, 0, STARTING, SPAWN), SCENE(READY, 0, RUNNING, RUN), SCENE(STOP, 0, STOPPING, STOP),
	     SCENE(FAULT, 0, STOPPING, NONE), SCENE(EXIT, 0, DOWN, FORGET));
}

static void a_crash_loop_backs_off_and_is_then_shown_as_failed(void **state)
{
	(void)state;
	PLAY(RUNNING, SCENE(EXIT, 1, BACKOFF, BACKOFF), SCENE(TIMER, 1, STARTING, SPAWN),
	     SCENE(EXIT, 2, BACKOFF, BACKOFF), SCENE(TIMER, 2, STARTING, SPAWN), SCENE(READY, 2, RUNNING, RUN),
	     SCENE(EXIT, 3, BACKOFF, BACKOFF), SCENE(TIMER, 3, STARTING, SPAWN), SCENE(EXIT, 4, BACKOFF, BACKOFF),
	     SCENE(TIMER, 4, STARTING, SPAWN), SCENE(EXIT, 5, FAILED, BACKOFF), SCENE(TIMER, 5, STARTING, SPAWN),
	     SCENE(EXIT, 6, FAILED, BACKOFF), SCENE(TIMER, 6, STARTING, SPAWN), SCENE(READY, 6, RUNNING, RUN),
	     SCENE(EXIT, 1, BACKOFF, BACKOFF)); /* forgiven meanwhile */
}

static void a_stop_while_starting_ends_down(void **state)
{
	(void)state;
	PLAY(STARTING, SCENE(STOP, 0, STOPPING, STOP), SCENE(READY, 0, STOPPING, NONE), SCENE(EXIT, 0, DOWN, FORGET));
	PLAY(STARTING, SCENE(STOP, 0, STOPPING, STOP), SCENE(TIMER, 0, STOPPING, KILL), SCENE(EXIT, 0, DOWN, FORGET));
}

static void a_restart_while_running_stops_and_starts_without_back_off(void **state)
{
	(void)state;
	PLAY(RUNNING, SCENE(RESTART, 0, RESTARTING, STOP), SCENE(FAULT, 0, RESTARTING, NONE),
	     SCENE(EXIT, 0, STARTING, SPAWN), SCENE(READY, 0, RUNNING, RUN));
	PLAY(RUNNING, SCENE(RESTART, 0, RESTARTING, STOP), SCENE(TIMER, 0, RESTARTING, KILL),
	     SCENE(EXIT, 0, STARTING, SPAWN));
	PLAY(RUNNING, SCENE(RESTART, 0, RESTARTING, STOP), SCENE(STOP, 0, STOPPING, NONE), SCENE(EXIT, 0, DOWN, FORGET));
}

static void a_restart_does_not_wait_for_the_back_off(void **state)
{
	(void)state;
	PLAY(BACKOFF, SCENE(RESTART, 3, STARTING, SPAWN));
	PLAY(FAILED, SCENE(RESTART, 9, STARTING, SPAWN));
	PLAY(KILLED, SCENE(RESTART, 3, RESTARTING, NONE), SCENE(EXIT, 3, STARTING, SPAWN));
}

static void a_liar_is_ended_then_killed_then_waited_for(void **state)
{
	(void)state;
	PLAY(RUNNING, SCENE(FAULT, 0, ENDING, TERM), SCENE(READY, 0, ENDING, NONE), SCENE(TIMER, 0, KILLED, KILL),
	     SCENE(TIMER, 0, KILLED, NONE), SCENE(EXIT, 1, BACKOFF, BACKOFF));
	PLAY(STARTING, SCENE(TIMER, 0, ENDING, TERM), SCENE(EXIT, 5, FAILED, BACKOFF));
}

static void wanted_again_while_stopping_starts_again(void **state)
{
	(void)state;
	PLAY(STOPPING, SCENE(START, 0, RESTARTING, NONE), SCENE(TIMER, 0, RESTARTING, KILL), SCENE(EXIT, 0, STARTING, SPAWN));
}

static void a_stop_ends_the_waiting(void **state)
{
	(void)state;
	PLAY(BACKOFF, SCENE(STOP, 1, DOWN, FORGET), SCENE(TIMER, 1, DOWN, NONE));
	PLAY(FAILED, SCENE(STOP, 9, DOWN, FORGET));
	PLAY(KILLED, SCENE(STOP, 1, STOPPING, NONE), SCENE(EXIT, 1, DOWN, FORGET));
}

/* ---- what holds on every way through the table ---- */

static bool has_process(enum gw_life s)
{
	return s != GW_LIFE_DOWN && s != GW_LIFE_BACKOFF && s != GW_LIFE_FAILED;
}

static void there_is_never_more_than_one_process_and_a_stop_ends_down(void **state)
{
	enum gw_life at = GW_LIFE_DOWN;
	uint32_t seed = 1;
	int processes = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		enum gw_life_event e;
		struct gw_life_step step;

		seed = seed * 1103515245u + 12345u;
		e = (enum gw_life_event)((seed >> 16) % GW_LIFE_EVENTS);
		if (e == GW_EV_EXIT && !processes)
			continue; /* only a process can end */
		step = gw_life_next(at, e, seed >> 29);
		processes += (step.act == GW_ACT_SPAWN) - (e == GW_EV_EXIT);
		assert_in_range(processes, 0, 1);
		assert_int_equal(processes, has_process(step.next));
		if (e == GW_EV_STOP)
			assert_true(step.next == GW_LIFE_DOWN || step.next == GW_LIFE_STOPPING);
		at = step.next;
	}
}

static void the_back_off_doubles_to_a_minute_and_keeps_half_of_it(void **state)
{
	const int64_t whole_s[] = { 1, 1, 2, 4, 8, 60, 60 };

	(void)state;
	for (unsigned failures = 0; failures < 7; failures++) {
		assert_int_equal(gw_backoff_us(failures, 0), whole_s[failures] * 500000);
		assert_int_equal(gw_backoff_us(failures, UINT32_MAX), whole_s[failures] * 1000000);
		assert_in_range(gw_backoff_us(failures, UINT32_MAX / 2), whole_s[failures] * 740000,
				whole_s[failures] * 760000);
	}
	assert_int_equal(gw_backoff_us(4000000000u, UINT32_MAX), 60000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_answers_every_event),
		cmocka_unit_test(each_state_is_shown_by_a_word_of_the_contract),
		cmocka_unit_test(a_process_starts_runs_and_stops),
		cmocka_unit_test(a_crash_loop_backs_off_and_is_then_shown_as_failed),
		cmocka_unit_test(a_stop_while_starting_ends_down),
		cmocka_unit_test(a_restart_while_running_stops_and_starts_without_back_off),
		cmocka_unit_test(a_restart_does_not_wait_for_the_back_off),
		cmocka_unit_test(a_liar_is_ended_then_killed_then_waited_for),
		cmocka_unit_test(wanted_again_while_stopping_starts_again),
		cmocka_unit_test(a_stop_ends_the_waiting),
		cmocka_unit_test(there_is_never_more_than_one_process_and_a_stop_ends_down),
		cmocka_unit_test(the_back_off_doubles_to_a_minute_and_keeps_half_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
