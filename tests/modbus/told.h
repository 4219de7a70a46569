/*
 * told.h - a job on a line inside a test, and what it was told; shared by the tests of lines
 * over TCP and on a serial bus.  Nothing sleeps: the loop turns until what is waited for has
 * happened, or a generous deadline passes.  Include cmocka.h before.
 */
#ifndef TOLD_H
#define TOLD_H

#include "gatewayd/reading.h"
#include "plugins/modbus/line.h"

enum { MS = 1000, TOLD_REQUESTS = 4, TOLD_DEADLINE_US = 8000 * MS };

struct told {
	struct mb_job job; /* first */
	struct mb_manner manner;
	struct mb_request requests[TOLD_REQUESTS];
	unsigned reasons[TOLD_REQUESTS], value[TOLD_REQUESTS]; /* value: the first register, or byte */
	unsigned answers, done;
	unsigned turn;  /* when it was done, counted over all jobs */
	unsigned again; /* submit it so many times more, from done() */
	int64_t took_us, began_us;
	int64_t late_us; /* of took_us: what a busy machine made of it, see told_late_us */
	struct mb_line *line;
};

static unsigned told_turns;
/* By how much turns of the loop were longer than they may wait, in all: bounds on what a line takes
 * leave it out, so that no test depends on what else the machine does. */
static int64_t told_late_us, told_turn_began_us;
enum { TOLD_TURN_US = 5 * MS };

static inline int64_t told_late_now_us(void)
{
	int64_t over_us = gw_now_us() - told_turn_began_us - TOLD_TURN_US;

	return told_late_us + (over_us > 0 ? over_us : 0);
}

static inline void told_on_answer(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct told *t = (struct told *)job;

	assert_true((data != NULL) == (reason == GW_GOOD));
	t->reasons[request] = reason;
	t->value[request] = 0;
	t->answers++;
	if (data && job->requests[request].function > 2)
		t->value[request] = (unsigned)(data[0] << 8 | data[1]);
	else if (data)
		t->value[request] = data[0];
}

static inline void told_on_done(struct mb_job *job)
{
	struct told *t = (struct told *)job;

	t->done++;
	t->turn = told_turns++;
	t->took_us = gw_now_us() - t->began_us;
	t->late_us = told_late_now_us() - t->late_us;
	if (!t->again)
		return;
	t->again--;
	t->requests[0].address += 100;
	mb_line_submit(t->line, job);
}

/* A job for `unit` that reads two registers at each of `n` addresses, 100 apart from `first`. */
static inline struct told *told_job(struct told *t, const struct mb_manner *manner, unsigned n, unsigned first)
{
	*t = (struct told){ .manner = *manner };
	t->job = (struct mb_job){ .manner = &t->manner, .requests = t->requests, .count = n,
				  .answer = told_on_answer, .done = told_on_done };
	for (unsigned i = 0; i < n; i++)
		t->requests[i] = (struct mb_request){ .function = 3, .address = (uint16_t)(first + 100 * i),
						      .count = 2 };
	return t;
}

static inline void told_submit(struct mb_line *line, struct told *t)
{
	t->began_us = told_turn_began_us = gw_now_us();
	t->late_us = told_late_us;
	t->done = t->answers = 0;
	t->line = line;
	mb_line_submit(line, &t->job);
}

static inline void told_turn(struct gw_loop *loop)
{
	struct gw_err err;

	told_turn_began_us = gw_now_us();
	assert_int_equal(gw_loop_turn(loop, TOLD_TURN_US, &err) < 0, 0);
	told_late_us = told_late_now_us();
}

#define UNTIL(p, condition)                                              \
	do {                                                             \
		int64_t give_up_us = gw_now_us() + TOLD_DEADLINE_US;     \
		while (!(condition) && gw_now_us() < give_up_us)         \
			told_turn((p)->loop);                            \
		assert_true(condition);                                  \
	} while (0)

/* One job until it is done, with each of its requests answered once. */
static inline void told_run(struct gw_loop *loop, struct mb_line *line, struct told *t)
{
	const struct {
		struct gw_loop *loop;
	} p = { loop };

	told_submit(line, t);
	UNTIL(&p, t->done);
	assert_int_equal(t->done, 1);
	assert_int_equal(t->answers, t->job.count);
}

static inline void told_all(const struct told *t, const char *reason)
{
	for (unsigned i = 0; i < t->job.count; i++)
		assert_string_equal(gw_reason_name(t->reasons[i]), reason);
}

/* A line of its own to that connection, not started. */
static inline struct mb_line *told_line(struct gw_loop *loop, const char *text, int64_t delay_us)
{
	struct mb_line_options o = { .loop = loop, .connect_timeout_us = 200 * MS, .connect_delay_us = delay_us,
				     .probe_period_us = 30000 * MS };
	struct mb_line *line;
	struct mb_url url;
	struct gw_err err;

	assert_int_equal(mb_url_parse(text, &url, &err), 0);
	o.url = &url;
	assert_int_equal(mb_line_new(&line, &o, &err), 0);
	return line;
}

#endif
