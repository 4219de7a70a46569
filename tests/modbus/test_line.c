/*
 * The line against a scripted server on loopback.  Nothing sleeps: the loop
 * told_turns until what is waited for has happened, or a generous deadline passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/modbus/scripted_server.h"
#include "tests/modbus/told.h"

struct plant {
	struct gw_loop *loop;
	struct server *server;
	struct mb_line *line;
};

static struct told *job_for(struct told *t, uint8_t unit, unsigned n, unsigned first)
{
	return told_job(t, &(struct mb_manner){ .unit = unit, .reconnect_after = 3, .timeout_us = 60 * MS }, n, first);
}

static void submit(struct plant *p, struct told *t)
{
	told_submit(p->line, t);
}

static void run(struct plant *p, struct told *t)
{
	told_run(p->loop, p->line, t);
}

static void expect(struct plant *p, struct told *t, const char *reason)
{
	run(p, t);
	told_all(t, reason);
}

/* A job whose own deadline is beyond that of the test: what ends it is not time. */
static struct told *patient(struct told *t)
{
	t->manner.timeout_us = 10 * TOLD_DEADLINE_US;
	return t;
}

static void expect_values(const struct told *t)
{
	for (unsigned i = 0; i < t->job.count; i++)
		assert_int_equal(t->value[i], t->requests[i].address);
}

static struct mb_line *line_to(struct plant *p, const char *host, unsigned port, int64_t delay_us)
{
	char text[64];

	snprintf(text, sizeof(text), "tcp://%s:%u", host, port);
	return told_line(p->loop, text, delay_us);
}

static void open_plant(struct plant *p, script_fn *script)
{
	struct gw_err err;

	told_turns = 0;
	assert_int_equal(gw_loop_new(&p->loop, &err), 0);
	p->server = server_new(p->loop, 0, script);
	p->line = line_to(p, "127.0.0.1", p->server->port, 0);
	mb_line_start(p->line);
}

static void close_plant(struct plant *p)
{
	mb_line_stop(p->line, GW_PLUGIN);
	mb_line_free(p->line);
	server_free(p->server);
	gw_loop_free(p->loop);
}

/* ---- the normal case ---- */

static void answer_all(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	server_right(s, request);
}

static void a_job_asks_its_requests_and_is_done(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_all);
	expect(&p, job_for(&t, 1, 3, 7), "good");
	expect_values(&t);
	assert_int_equal(t.job.sent, 3);
	assert_int_equal(p.server->requests, 3);
	expect(&p, &t, "good");
	assert_int_equal(p.server->accepted, 1);
	assert_int_equal(mb_line_counts(p.line).opens, 1);
	close_plant(&p);
}

static void coils_are_read_with_their_function(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_all);
	job_for(&t, 1, 1, 1);
	t.requests[0] = (struct mb_request){ .function = 1, .address = 1, .count = 5 };
	expect(&p, &t, "good");
	assert_int_equal(t.value[0], 0x15);
	close_plant(&p);
}

static void jobs_take_turns_request_by_request(void **state)
{
	struct plant p;
	struct told big, small;

	(void)state;
	open_plant(&p, answer_all);
	submit(&p, job_for(&big, 1, 4, 0));
	submit(&p, job_for(&small, 2, 1, 500));
	UNTIL(&p, big.done && small.done);
	assert_true(small.turn < big.turn);
	expect_values(&big);
	expect_values(&small);
	close_plant(&p);
}

static void a_question_goes_before_what_waits(void **state)
{
	struct plant p;
	struct told a, b, question;

	(void)state;
	open_plant(&p, answer_all);
	submit(&p, job_for(&a, 1, 2, 0));
	submit(&p, job_for(&b, 2, 2, 0));
	mb_line_submit_first(p.line, &job_for(&question, 3, 1, 42)->job);
	UNTIL(&p, a.done && b.done && question.done);
	assert_int_equal(question.turn, 0);
	assert_int_equal(question.value[0], 42);
	close_plant(&p);
}

/* ---- silence and lateness ---- */

static void answer_nothing(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)s;
	(void)request;
	(void)seen;
}

static void silence_is_a_timeout_after_all_retries(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_nothing);
	job_for(&t, 1, 1, 0)->manner.retries = 1;
	expect(&p, &t, "timeout");
	assert_int_equal(t.job.sent, 2);
	assert_true(t.took_us >= 120 * MS);
	close_plant(&p);
}

static void a_silent_unit_costs_its_neighbours_one_timeout(void **state)
{
	struct plant p;
	struct told dead, alive;

	(void)state;
	open_plant(&p, answer_nothing);
	p.server->script = answer_nothing;
	submit(&p, job_for(&dead, 1, 4, 0));
	submit(&p, job_for(&alive, 2, 1, 0));
	UNTIL(&p, dead.done);
	assert_int_equal(dead.job.sent, 1);
	assert_int_equal(dead.answers, 4);
	assert_string_equal(gw_reason_name(dead.reasons[3]), "timeout");
	p.server->script = answer_all;
	UNTIL(&p, alive.done);
	close_plant(&p);
}

/* Silent on the block at 0 only. */
static void answer_all_but_the_first_block(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (request[8] || request[9])
		server_right(s, request);
}

static void a_silent_block_hides_the_others_only_once(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_all_but_the_first_block);
	expect(&p, job_for(&t, 1, 3, 0), "timeout");
	run(&p, &t);
	assert_string_equal(gw_reason_name(t.reasons[0]), "timeout");
	assert_string_equal(gw_reason_name(t.reasons[1]), "good");
	assert_string_equal(gw_reason_name(t.reasons[2]), "good");
	assert_int_equal(t.value[2], 200);
	close_plant(&p);
}

/* The answer to the first request comes only after the second was asked. */
static void answer_one_too_late(struct server *s, const uint8_t *request, unsigned seen)
{
	if (seen == 0) {
		memcpy(s->kept, request, sizeof(s->kept));
		return;
	}
	if (seen == 1)
		server_right(s, s->kept);
	server_right(s, request);
}

static void a_late_answer_never_shifts_the_next(void **state)
{
	struct plant p;
	struct told first, second;

	(void)state;
	open_plant(&p, answer_one_too_late);
	expect(&p, job_for(&first, 1, 1, 0), "timeout");
	expect(&p, job_for(&second, 1, 3, 100), "good");
	expect_values(&second);
	assert_int_equal(mb_line_counts(p.line).late, 1);
	assert_int_equal(p.server->accepted, 1);
	close_plant(&p);
}

static void answer_the_kept_one(struct server *s, const uint8_t *request, unsigned seen)
{
	if (seen == 0)
		memcpy(s->kept, request, sizeof(s->kept));
	else
		server_right(s, s->kept);
}

static void late_answers_alone_are_a_timeout(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_the_kept_one);
	job_for(&t, 1, 1, 0)->manner.retries = 1;
	expect(&p, &t, "timeout");
	assert_int_equal(mb_line_counts(p.line).late, 1);
	close_plant(&p);
}

static void dribble(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];

	if (seen)
		server_right(s, request);
	else
		server_later(s, 0, 20 * MS, frame, server_answer(frame, request));
}

static void a_dribbling_answer_meets_the_total_deadline(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, dribble);
	expect(&p, job_for(&t, 1, 1, 5), "timeout");
	assert_true(t.took_us >= 60 * MS && t.took_us - t.late_us < 200 * MS);
	expect(&p, &t, "good");
	expect_values(&t);
	close_plant(&p);
}

static void answer_in_pieces(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];

	(void)seen;
	server_later(s, 0, 1 * MS, frame, server_answer(frame, request));
}

static void an_answer_in_pieces_is_put_together(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_in_pieces);
	expect(&p, job_for(&t, 1, 2, 5), "good");
	expect_values(&t);
	close_plant(&p);
}

static void three_timeouts_in_a_row_make_a_new_connection(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_nothing);
	job_for(&t, 1, 1, 0);
	t.manner.timeout_us = 20 * MS;
	for (int i = 0; i < 3; i++)
		expect(&p, &t, "timeout");
	p.server->script = answer_all;
	expect(&p, &t, "good");
	assert_int_equal(p.server->accepted, 2);
	close_plant(&p);
}

/* ---- wrong answers ---- */

/* Byte `at` of the right answer, and what is put there. */
static unsigned spoil_at, spoil_with;

static void answer_spoiled(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];
	size_t n = server_answer(frame, request);

	(void)seen;
	frame[spoil_at] = (uint8_t)spoil_with;
	server_send(s, frame, n);
}

static void an_answer_with_a_wrong_field_is_protocol(void **state)
{
	static const struct {
		const char *field;
		unsigned at, with;
	} cases[] = {
		{ "protocol", 3, 7 }, { "length 60000", 4, 0xea }, { "length 1", 5, 1 },
		{ "length too small", 5, 6 }, { "unit", 6, 200 },  { "function", 7, 4 },
		{ "byte count", 8, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plant p;
		struct told t;

		spoil_at = cases[i].at;
		spoil_with = cases[i].with;
		open_plant(&p, answer_spoiled);
		expect(&p, patient(job_for(&t, 1, 2, 0)), "protocol");
		expect(&p, &t, "protocol");
		p.server->script = answer_all;
		expect(&p, &t, "good");
		expect_values(&t);
		assert_int_equal(p.server->accepted, 3);
		assert_int_equal(mb_line_counts(p.line).wrong, 2);
		close_plant(&p);
	}
}

static void a_length_that_promises_more_is_a_timeout(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	spoil_at = 5;
	spoil_with = 200;
	open_plant(&p, answer_spoiled);
	expect(&p, job_for(&t, 1, 1, 0), "timeout");
	p.server->script = answer_all;
	expect(&p, &t, "good");
	expect_values(&t);
	close_plant(&p);
}

static void spoil_once(struct server *s, const uint8_t *request, unsigned seen)
{
	if (seen)
		server_right(s, request);
	else
		answer_spoiled(s, request, seen);
}

static void a_wrong_answer_is_tried_again_on_a_new_connection(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	spoil_at = 6;
	spoil_with = 200;
	open_plant(&p, spoil_once);
	job_for(&t, 1, 1, 9)->manner.retries = 1;
	expect(&p, &t, "good");
	expect_values(&t);
	assert_int_equal(p.server->accepted, 2);
	assert_int_equal(t.job.sent, 2);
	close_plant(&p);
}

static void answer_as_transaction_before_time(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];
	size_t n = server_answer(frame, request);

	(void)seen;
	frame[0] ^= 0x80; /* a number that was not used yet */
	server_send(s, frame, n);
}

static void an_answer_with_a_wrong_transaction_is_protocol(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_as_transaction_before_time);
	expect(&p, job_for(&t, 1, 1, 0), "protocol");
	assert_true(t.took_us >= 60 * MS);
	assert_int_equal(mb_line_counts(p.line).stray, 1);
	p.server->script = answer_all;
	expect(&p, &t, "good");
	close_plant(&p);
}

static void stray_then_nothing(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t other[SERVER_REQUEST];

	(void)seen;
	memcpy(other, request, sizeof(other));
	other[0] ^= 0x80;
	other[6] = 77;
	server_right(s, other);
}

static void stray_frames_and_then_silence_are_a_timeout(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, stray_then_nothing);
	expect(&p, job_for(&t, 1, 1, 0), "timeout");
	assert_int_equal(mb_line_counts(p.line).stray, 1);
	close_plant(&p);
}

static void stray_then_right(struct server *s, const uint8_t *request, unsigned seen)
{
	answer_as_transaction_before_time(s, request, seen);
	stray_then_nothing(s, request, seen);
	server_right(s, request);
}

static void stray_frames_before_the_answer_are_skipped(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, stray_then_right);
	expect(&p, job_for(&t, 1, 3, 0), "good");
	expect_values(&t);
	assert_int_equal(mb_line_counts(p.line).stray, 6);
	close_plant(&p);
}

/* Two answers in one packet: the second bears the number of the next transaction. */
static void answer_before_being_asked(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frames[2 * SERVER_FRAME], next[SERVER_REQUEST];
	size_t n = server_answer(frames, request);

	memcpy(next, request, sizeof(next));
	next[1]++;
	next[0] = (uint8_t)(next[0] + !next[1]);
	if (seen == 0)
		n += server_answer(frames + n, next);
	server_send(s, frames, n);
}

static void an_answer_that_came_before_its_request_is_not_taken(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_before_being_asked);
	expect(&p, job_for(&t, 1, 3, 0), "good");
	expect_values(&t);
	assert_int_equal(mb_line_counts(p.line).stray, 1);
	close_plant(&p);
}

static void nor_is_it_when_the_next_job_comes_from_done(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_before_being_asked);
	job_for(&t, 1, 1, 0)->again = 2;
	submit(&p, &t);
	UNTIL(&p, t.done == 3);
	expect_values(&t);
	assert_int_equal(mb_line_counts(p.line).stray, 1);
	close_plant(&p);
}

static unsigned exception_code;

static void answer_exception(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	server_exception(s, request, (uint8_t)exception_code);
}

static void exceptions_are_named_by_their_number(void **state)
{
	static const unsigned codes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 77 };
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_exception);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		char name[32];
		bool again = codes[i] == 5 || codes[i] == 6;

		exception_code = codes[i];
		snprintf(name, sizeof(name), "exception_%u", codes[i]);
		job_for(&t, 1, 1, 0)->manner.retries = 1;
		expect(&p, &t, name);
		assert_int_equal(t.job.sent, again ? 2 : 1);
	}
	assert_int_equal(p.server->accepted, 1);
	close_plant(&p);
}

static void refuse_the_second_block(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (request[9] == 100)
		server_exception(s, request, 2);
	else
		server_right(s, request);
}

static void an_exception_ends_only_its_own_request(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, refuse_the_second_block);
	run(&p, job_for(&t, 1, 3, 0));
	assert_string_equal(gw_reason_name(t.reasons[0]), "good");
	assert_string_equal(gw_reason_name(t.reasons[1]), "exception_2");
	assert_string_equal(gw_reason_name(t.reasons[2]), "good");
	close_plant(&p);
}

/* ---- connections ---- */

static void cut_off(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];

	(void)seen;
	server_answer(frame, request);
	server_send(s, frame, 8);
	server_close(s, true);
}

static void a_reset_within_the_answer_is_no_connection(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, cut_off);
	expect(&p, patient(job_for(&t, 1, 1, 0)), "no_connection");
	p.server->script = answer_all;
	UNTIL(&p, p.server->accepted >= 2);
	do {
		run(&p, &t);
	} while (t.reasons[0] != GW_GOOD);
	expect_values(&t);
	close_plant(&p);
}

static void hang_up_once(struct server *s, const uint8_t *request, unsigned seen)
{
	if (seen == 0)
		server_close(s, false);
	else
		server_right(s, request);
}

static void a_connection_closed_on_a_request_is_opened_again_for_the_retry(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, hang_up_once);
	job_for(&t, 1, 2, 3)->manner.retries = 1;
	expect(&p, &t, "good");
	expect_values(&t);
	assert_int_equal(p.server->accepted, 2);
	close_plant(&p);
}

static void a_connection_closed_while_idle_is_opened_again(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_all);
	expect(&p, job_for(&t, 1, 1, 0), "good");
	server_close(p.server, false);
	UNTIL(&p, p.server->accepted == 2);
	expect(&p, &t, "good");
	close_plant(&p);
}

/* A port of loopback on which nobody listens. */
static unsigned free_port(void)
{
	unsigned port = 0;

	close(server_listen(&port));
	return port;
}

static void refused_connections_fail_jobs_at_once_and_heal(void **state)
{
	struct plant p;
	struct told t;
	unsigned port = free_port();
	struct gw_err err;

	(void)state;
	assert_int_equal(gw_loop_new(&p.loop, &err), 0);
	p.server = NULL;
	p.line = line_to(&p, "127.0.0.1", port, 0);
	mb_line_start(p.line);
	for (int i = 0; i < 5; i++) {
		expect(&p, job_for(&t, 1, 2, 0), "no_connection");
		assert_true(t.took_us - t.late_us < 50 * MS);
		assert_int_equal(t.job.sent, 0);
	}
	p.server = server_new(p.loop, port, answer_all);
	UNTIL(&p, p.server->accepted == 1);
	expect(&p, &t, "good");
	close_plant(&p);
}

static void accept_and_close(struct plant *p, unsigned times)
{
	for (unsigned seen = 0; seen < times;) {
		UNTIL(p, p->server->accepted > seen);
		seen = p->server->accepted;
		server_close(p->server, false);
	}
}

static void a_server_that_closes_at_once_is_not_asked_in_a_tight_loop(void **state)
{
	struct plant p;
	int64_t began_us = gw_now_us();

	(void)state;
	open_plant(&p, answer_all);
	accept_and_close(&p, 4); /* at once, then after 0.1 s and 0.2 s */
	assert_true(gw_now_us() - began_us >= 200 * MS);
	close_plant(&p);
}

static void a_name_is_looked_up(void **state)
{
	struct plant p;
	struct told t;
	struct gw_err err;

	(void)state;
	assert_int_equal(gw_loop_new(&p.loop, &err), 0);
	p.server = server_new(p.loop, 0, answer_all);
	p.line = line_to(&p, "localhost", p.server->port, 0);
	mb_line_start(p.line);
	do {
		run(&p, job_for(&t, 1, 1, 8));
	} while (t.reasons[0] != GW_GOOD);
	expect_values(&t);
	close_plant(&p);
}

static void a_name_nobody_knows_is_no_connection(void **state)
{
	struct plant p;
	struct told t;
	struct gw_err err;

	(void)state;
	assert_int_equal(gw_loop_new(&p.loop, &err), 0);
	p.server = NULL;
	p.line = line_to(&p, "no-such-host.invalid", 502, 0);
	expect(&p, job_for(&t, 1, 2, 0), "no_connection");
	close_plant(&p);
}

static void a_dead_line_never_delays_another(void **state)
{
	struct plant p, other;
	struct told dead, alive;

	(void)state;
	open_plant(&p, answer_nothing);
	other = p;
	other.server = server_new(p.loop, 0, answer_all);
	other.line = line_to(&p, "127.0.0.1", other.server->port, 0);
	submit(&p, patient(job_for(&dead, 1, 4, 0)));
	for (int i = 0; i < 10; i++)
		expect(&other, job_for(&alive, 1, 4, 0), "good");
	assert_int_equal(dead.done, 0);
	mb_line_stop(other.line, GW_PLUGIN);
	mb_line_free(other.line);
	server_free(other.server);
	close_plant(&p);
}

/* ---- manners ---- */

static void a_pause_is_kept_between_requests(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_all);
	job_for(&t, 1, 3, 0)->manner.pause_us = 20 * MS;
	expect(&p, &t, "good");
	assert_true(t.took_us >= 40 * MS);
	close_plant(&p);
}

static void a_new_connection_rests_before_the_first_request(void **state)
{
	struct plant p;
	struct told t;
	struct gw_err err;

	(void)state;
	assert_int_equal(gw_loop_new(&p.loop, &err), 0);
	p.server = server_new(p.loop, 0, answer_all);
	p.line = line_to(&p, "127.0.0.1", p.server->port, 40 * MS);
	expect(&p, job_for(&t, 1, 2, 0), "good");
	assert_true(t.took_us >= 40 * MS);
	close_plant(&p);
}

static void a_connection_is_closed_after_each_cycle_when_asked(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_all);
	job_for(&t, 1, 2, 0)->manner.close_after = true;
	for (unsigned i = 1; i <= 3; i++) {
		expect(&p, &t, "good");
		assert_int_equal(p.server->accepted, i);
		UNTIL(&p, p.server->fd < 0);
	}
	close_plant(&p);
}

static void stopping_ends_every_job_with_the_reason(void **state)
{
	struct plant p;
	struct told a, b;

	(void)state;
	open_plant(&p, answer_nothing);
	submit(&p, job_for(&a, 1, 2, 0));
	submit(&p, job_for(&b, 2, 3, 0));
	UNTIL(&p, p.server->requests == 1);
	mb_line_stop(p.line, GW_PLUGIN);
	assert_int_equal(a.done + b.done, 2);
	assert_string_equal(gw_reason_name(a.reasons[1]), "plugin");
	assert_string_equal(gw_reason_name(b.reasons[2]), "plugin");
	close_plant(&p);
}

static void a_busy_line_says_how_busy(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, answer_nothing);
	expect(&p, job_for(&t, 1, 1, 0), "timeout");
	assert_true(mb_line_load(p.line) > 500);
	close_plant(&p);
}

static void back_off_doubles_to_half_a_minute(void **state)
{
	static const struct {
		unsigned n;
		int64_t least_ms, most_ms;
	} cases[] = { { 0, 0, 0 },      { 1, 80, 120 },	    { 2, 160, 240 },	 { 5, 1280, 1920 },
		      { 9, 20480, 30720 }, { 10, 24000, 36000 }, { 4000, 24000, 36000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mb_backoff_us(cases[i].n, 0), cases[i].least_ms * MS);
		assert_int_equal(mb_backoff_us(cases[i].n, 40), cases[i].most_ms * MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_asks_its_requests_and_is_done),
		cmocka_unit_test(coils_are_read_with_their_function),
		cmocka_unit_test(jobs_take_turns_request_by_request),
		cmocka_unit_test(a_question_goes_before_what_waits),
		cmocka_unit_test(silence_is_a_timeout_after_all_retries),
		cmocka_unit_test(a_silent_unit_costs_its_neighbours_one_timeout),
		cmocka_unit_test(a_silent_block_hides_the_others_only_once),
		cmocka_unit_test(a_late_answer_never_shifts_the_next),
		cmocka_unit_test(late_answers_alone_are_a_timeout),
		cmocka_unit_test(a_dribbling_answer_meets_the_total_deadline),
		cmocka_unit_test(an_answer_in_pieces_is_put_together),
		cmocka_unit_test(three_timeouts_in_a_row_make_a_new_connection),
		cmocka_unit_test(an_answer_with_a_wrong_field_is_protocol),
		cmocka_unit_test(a_length_that_promises_more_is_a_timeout),
		cmocka_unit_test(a_wrong_answer_is_tried_again_on_a_new_connection),
		cmocka_unit_test(an_answer_with_a_wrong_transaction_is_protocol),
		cmocka_unit_test(stray_frames_and_then_silence_are_a_timeout),
		cmocka_unit_test(stray_frames_before_the_answer_are_skipped),
		cmocka_unit_test(an_answer_that_came_before_its_request_is_not_taken),
		cmocka_unit_test(nor_is_it_when_the_next_job_comes_from_done),
		cmocka_unit_test(exceptions_are_named_by_their_number),
		cmocka_unit_test(an_exception_ends_only_its_own_request),
		cmocka_unit_test(a_reset_within_the_answer_is_no_connection),
		cmocka_unit_test(a_connection_closed_on_a_request_is_opened_again_for_the_retry),
		cmocka_unit_test(a_connection_closed_while_idle_is_opened_again),
		cmocka_unit_test(refused_connections_fail_jobs_at_once_and_heal),
		cmocka_unit_test(a_server_that_closes_at_once_is_not_asked_in_a_tight_loop),
		cmocka_unit_test(a_name_is_looked_up),
		cmocka_unit_test(a_name_nobody_knows_is_no_connection),
		cmocka_unit_test(a_dead_line_never_delays_another),
		cmocka_unit_test(a_pause_is_kept_between_requests),
		cmocka_unit_test(a_new_connection_rests_before_the_first_request),
		cmocka_unit_test(a_connection_is_closed_after_each_cycle_when_asked),
		cmocka_unit_test(stopping_ends_every_job_with_the_reason),
		cmocka_unit_test(a_busy_line_says_how_busy),
		cmocka_unit_test(back_off_doubles_to_half_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
