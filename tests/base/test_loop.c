/*
 * test_loop.c - the event loop with real pipes, timers, signals and children.
 * Nothing sleeps: a turn waits for its event, and an alarm ends a test that hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gatewayd/loop.h"

struct bench {
	struct gw_loop *loop;
	struct gw_watch *watch, *other;
	struct gw_err err;
	int pipe[2];
	unsigned ready, calls, after;
	int last; /* signal or wait status */
	char order[16];
};

static int open_bench(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	*state = b;
	alarm(20);
	return pipe(b->pipe) < 0 ? -1 : gw_loop_new(&b->loop, &b->err);
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	gw_loop_free(b->loop);
	gw_loop_free(NULL);
	close(b->pipe[0]);
	close(b->pipe[1]);
	free(b);
	alarm(0);
	return 0;
}

static void turn(struct bench *b, int64_t wait_us)
{
	assert_int_equal(gw_loop_turn(b->loop, wait_us, &b->err), 0);
}

static void count_after(void *arg)
{
	((struct bench *)arg)->after++;
}

static void drain(void *arg, unsigned ready)
{
	struct bench *b = arg;
	char c;

	b->ready = ready;
	b->calls++;
	if (ready & GW_READ && read(b->pipe[0], &c, 1) != 1)
		abort();
}

static void see(void *arg, unsigned ready)
{
	struct bench *b = arg;

	b->ready = ready;
	b->calls++;
}

/* ---- descriptors ---- */

static void a_descriptor_reports_what_it_is_ready_for(void **state)
{
	struct bench *b = *state;

	assert_non_null(gw_on_fd(b->loop, b->pipe[0], GW_READ, drain, b, &b->err));
	turn(b, 0);
	assert_int_equal(b->calls, 0);
	assert_int_equal(write(b->pipe[1], "x", 1), 1);
	turn(b, -1);
	assert_int_equal(b->ready, GW_READ);
	assert_int_equal(b->calls, 1);
}

static void interest_is_changed_and_paused(void **state)
{
	struct bench *b = *state;

	b->watch = gw_on_fd(b->loop, b->pipe[1], 0, see, b, &b->err);
	turn(b, 0);
	assert_int_equal(b->calls, 0);
	gw_fd_interest(b->watch, GW_WRITE);
	turn(b, -1);
	assert_int_equal(b->ready, GW_WRITE);
	b->calls = 0;
	gw_fd_interest(b->watch, 0);
	turn(b, 0);
	assert_int_equal(b->calls, 0);
}

static void a_hangup_is_reported_even_when_paused(void **state)
{
	struct bench *b = *state;

	b->watch = gw_on_fd(b->loop, b->pipe[0], 0, see, b, &b->err);
	close(b->pipe[1]);
	b->pipe[1] = -1;
	turn(b, -1);
	assert_int_equal(b->ready, GW_HANGUP);
}

static void a_descriptor_that_cannot_be_watched_is_an_error(void **state)
{
	struct bench *b = *state;

	assert_null(gw_on_fd(b->loop, 999, GW_READ, see, b, &b->err));
	assert_string_equal(b->err.msg, "watching descriptor 999: Bad file descriptor");
	assert_int_equal(b->err.sys, EBADF);
}

static void stop_both(void *arg, unsigned ready)
{
	struct bench *b = arg;

	see(b, ready);
	gw_watch_stop(b->watch);
	gw_watch_stop(b->other);
	gw_fd_interest(b->watch, GW_READ); /* memory lives until the end of the turn */
}

static void a_callback_may_stop_any_watch_and_none_is_called_again(void **state)
{
	struct bench *b = *state;
	int copy = dup(b->pipe[1]);

	b->watch = gw_on_fd(b->loop, b->pipe[1], GW_WRITE, stop_both, b, &b->err);
	b->other = gw_on_fd(b->loop, copy, GW_WRITE, stop_both, b, &b->err);
	turn(b, -1);
	turn(b, 0);
	assert_int_equal(b->calls, 1);
	assert_int_equal(write(copy, "x", 1), 1); /* never closed by the loop */
	close(copy);
	gw_watch_stop(NULL);
}

/* ---- timers ---- */

static void note_timer(void *arg)
{
	((struct bench *)arg)->calls++;
}

static void note_a(void *arg)
{
	strcat(((struct bench *)arg)->order, "a");
}

static void note_b(void *arg)
{
	strcat(((struct bench *)arg)->order, "b");
}

static void a_timer_is_off_until_it_is_set_and_fires_once(void **state)
{
	struct bench *b = *state;

	b->watch = gw_on_timer(b->loop, note_timer, b, &b->err);
	turn(b, 0);
	assert_int_equal(b->calls, 0);
	gw_timer_at(b->watch, gw_now_us() - 5);
	turn(b, -1);
	turn(b, 0);
	assert_int_equal(b->calls, 1);
	gw_timer_at(b->watch, -1);
	turn(b, -1);
	assert_int_equal(b->calls, 2);
}

static void a_timer_fires_on_time_and_not_before(void **state)
{
	struct bench *b = *state;
	int64_t at = gw_now_us() + 3000;

	b->watch = gw_on_timer(b->loop, note_timer, b, &b->err);
	gw_timer_at(b->watch, at);
	while (!b->calls)
		turn(b, -1);
	assert_true(gw_now_us() >= at);
	assert_true(gw_loop_now_us(b->loop) >= at);
	assert_true(gw_loop_now_us(b->loop) < at + 200000); /* sd-event's default slack is 250 ms */
}

static void a_timer_is_moved_and_turned_off(void **state)
{
	struct bench *b = *state;
	int64_t now = gw_now_us();

	b->watch = gw_on_timer(b->loop, note_timer, b, &b->err);
	for (int64_t i = 0; i < 100000; i++)
		gw_timer_at(b->watch, now + 3600 * INT64_C(1000000) + i);
	turn(b, 0);
	assert_int_equal(b->calls, 0);
	gw_timer_at(b->watch, now);
	gw_timer_off(b->watch);
	gw_timer_off(b->watch);
	turn(b, 0);
	assert_int_equal(b->calls, 0);
	gw_timer_at(b->watch, now);
	turn(b, -1);
	assert_int_equal(b->calls, 1);
}

static void timers_fire_in_order_of_time(void **state)
{
	struct bench *b = *state;
	int64_t at = gw_now_us() + 1000;

	b->watch = gw_on_timer(b->loop, note_b, b, &b->err);
	b->other = gw_on_timer(b->loop, note_a, b, &b->err);
	gw_timer_at(b->watch, at + 1000);
	gw_timer_at(b->other, at);
	while (strlen(b->order) < 2)
		turn(b, -1);
	assert_string_equal(b->order, "ab");
}

static void stopped_watches_take_no_orders(void **state)
{
	struct bench *b = *state;

	b->watch = gw_on_timer(b->loop, note_timer, b, &b->err);
	gw_watch_stop(b->watch);
	gw_watch_stop(b->watch);
	gw_timer_at(b->watch, 1);
	gw_timer_off(b->watch);
	turn(b, 0);
	assert_int_equal(b->calls, 0);
}

/* ---- turns ---- */

static void after_a_turn_with_events_the_flushers_run_once_in_order(void **state)
{
	struct bench *b = *state;
	int copy = dup(b->pipe[1]);

	assert_non_null(gw_after_turn(b->loop, note_a, b, &b->err));
	assert_non_null(gw_after_turn(b->loop, note_b, b, &b->err));
	turn(b, 0);
	assert_string_equal(b->order, "");
	b->watch = gw_on_timer(b->loop, note_timer, b, &b->err);
	b->other = gw_on_timer(b->loop, note_timer, b, &b->err);
	gw_timer_at(b->watch, 1);
	gw_timer_at(b->other, 2);
	turn(b, -1);
	assert_int_equal(b->calls, 2); /* one turn took both */
	assert_string_equal(b->order, "ab");
	close(copy);
}

static void a_busy_descriptor_does_not_starve_the_flushers(void **state)
{
	struct bench *b = *state;

	assert_non_null(gw_after_turn(b->loop, count_after, b, &b->err));
	assert_non_null(gw_on_fd(b->loop, b->pipe[1], GW_WRITE, see, b, &b->err));
	for (int i = 0; i < 10; i++)
		turn(b, -1);
	assert_int_equal(b->after, 10);
	assert_in_range(b->calls, 10, 640);
}

static void stop_after(void *arg)
{
	struct bench *b = arg;

	b->after++;
	gw_watch_stop(b->watch);
	gw_watch_stop(b->other);
}

static void a_flusher_may_stop_itself_and_the_next(void **state)
{
	struct bench *b = *state;

	b->watch = gw_after_turn(b->loop, stop_after, b, &b->err);
	b->other = gw_after_turn(b->loop, note_b, b, &b->err);
	assert_non_null(gw_on_fd(b->loop, b->pipe[1], GW_WRITE, see, b, &b->err));
	turn(b, -1);
	turn(b, -1);
	assert_int_equal(b->after, 1);
	assert_string_equal(b->order, "");
}

static void quit_at_three(void *arg, unsigned ready)
{
	struct bench *b = arg;

	see(b, ready);
	if (b->calls == 3)
		gw_loop_quit(b->loop);
}

static void run_goes_on_until_quit_and_may_be_called_again(void **state)
{
	struct bench *b = *state;

	assert_non_null(gw_on_fd(b->loop, b->pipe[1], GW_WRITE, quit_at_three, b, &b->err));
	assert_int_equal(gw_loop_run(b->loop, &b->err), 0);
	assert_int_equal(b->calls, 3);
	gw_loop_quit(b->loop);
	assert_int_equal(gw_loop_run(b->loop, &b->err), 0); /* asked to before it began */
	assert_int_equal(b->calls, 3);
	b->calls = 0;
	assert_int_equal(gw_loop_run(b->loop, &b->err), 0);
	assert_int_equal(b->calls, 3);
}

/* ---- signals and children ---- */

static void note_signal(void *arg, int signo)
{
	struct bench *b = arg;

	b->calls++;
	b->last = signo;
}

static void a_signal_arrives_in_the_loop(void **state)
{
	struct bench *b = *state;

	assert_non_null(gw_on_signal(b->loop, SIGHUP, note_signal, b, &b->err));
	assert_int_equal(raise(SIGHUP), 0);
	turn(b, -1);
	assert_int_equal(b->calls, 1);
	assert_int_equal(b->last, SIGHUP);
	assert_null(gw_on_signal(b->loop, SIGHUP, note_signal, b, &b->err));
	assert_string_equal(b->err.msg, "watching signal 1: Device or resource busy");
	assert_null(gw_on_signal(b->loop, 12345, note_signal, b, &b->err));
	assert_string_equal(b->err.msg, "watching signal 12345: Invalid argument");
}

static void note_child(void *arg, pid_t pid, int status)
{
	struct bench *b = arg;

	(void)pid;
	b->calls++;
	b->last = status;
	gw_watch_stop(b->watch);
}

static int status_of(struct bench *b, void (*live)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		live();
		_exit(0);
	}
	b->calls = 0;
	b->watch = gw_on_child(b->loop, pid, note_child, b, &b->err);
	assert_non_null(b->watch);
	while (!b->calls)
		turn(b, -1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* no zombie is left */
	assert_int_equal(errno, ECHILD);
	return b->last;
}

static void live_and_exit_3(void)
{
	_exit(3);
}

static void live_and_be_killed(void)
{
	raise(SIGKILL);
}

static void a_child_that_ends_is_reported_and_reaped(void **state)
{
	struct bench *b = *state;
	int status = status_of(b, live_and_exit_3);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	status = status_of(b, live_and_be_killed);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void a_child_that_is_none_is_an_error(void **state)
{
	struct bench *b = *state;

	assert_null(gw_on_child(b->loop, 0x3fffffff, note_child, b, &b->err));
	assert_string_equal(b->err.msg, "watching child 1073741823: No such process");
}

static void the_clocks_run_forward(void **state)
{
	int64_t boot = gw_now_us(), wall = gw_wall_ms();

	(void)state;
	assert_true(gw_now_us() >= boot);
	assert_true(wall > INT64_C(1700000000000));
}

#define ON_BENCH(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BENCH(a_descriptor_reports_what_it_is_ready_for),
		ON_BENCH(interest_is_changed_and_paused),
		ON_BENCH(a_hangup_is_reported_even_when_paused),
		ON_BENCH(a_descriptor_that_cannot_be_watched_is_an_error),
		ON_BENCH(a_callback_may_stop_any_watch_and_none_is_called_again),
		ON_BENCH(a_timer_is_off_until_it_is_set_and_fires_once),
		ON_BENCH(a_timer_fires_on_time_and_not_before),
		ON_BENCH(a_timer_is_moved_and_turned_off),
		ON_BENCH(timers_fire_in_order_of_time),
		ON_BENCH(stopped_watches_take_no_orders),
		ON_BENCH(after_a_turn_with_events_the_flushers_run_once_in_order),
		ON_BENCH(a_busy_descriptor_does_not_starve_the_flushers),
		ON_BENCH(a_flusher_may_stop_itself_and_the_next),
		ON_BENCH(run_goes_on_until_quit_and_may_be_called_again),
		ON_BENCH(a_signal_arrives_in_the_loop),
		ON_BENCH(a_child_that_ends_is_reported_and_reaped),
		ON_BENCH(a_child_that_is_none_is_an_error),
		cmocka_unit_test(the_clocks_run_forward),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
