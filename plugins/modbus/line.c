/*
 * The state machine of a line.  Four things move it: a job arrives, the wire
 * reports, bytes arrive, time passes.  Callbacks to the owner may submit jobs,
 * so every state is entered before they are called.
 */
#include <assert.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayd/plugin.h"
#include "plugins/modbus/line_private.h"

enum {
	BACKOFF_FIRST_US = 100 * 1000,
	BACKOFF_MAX_US = 30 * 1000 * 1000,
	SETTLE_US = 20 * 1000, /* USB adapters hold bytes back for 16 ms */
};

/* ---- time: the timer is moved only when it would come too late ---- */

void mb_line_due(struct mb_line *l, int64_t at_us)
{
	l->due_us = at_us;
	if (at_us >= l->armed_us)
		return;
	l->armed_us = at_us;
	gw_timer_at(l->timer, at_us);
}

int64_t mb_backoff_us(unsigned n, uint32_t dice)
{
	int64_t wait_us;

	if (!n)
		return 0;
	wait_us = n > 9 ? BACKOFF_MAX_US : (int64_t)BACKOFF_FIRST_US << (n - 1);
	if (wait_us > BACKOFF_MAX_US)
		wait_us = BACKOFF_MAX_US;
	return wait_us * (80 + dice % 41) / 100;
}

/* ---- jobs ---- */

static void end_request(struct mb_line *l, unsigned reason, const uint8_t *data)
{
	bool close_after = l->queue.head->manner->close_after;

	if (mb_queue_end(&l->queue, reason, data))
		l->close_when_empty = close_after;
}

static void end_all(struct mb_line *l, unsigned reason)
{
	while (l->queue.head)
		end_request(l, reason, NULL);
}

/* ---- the connection ---- */

void mb_line_open(struct mb_line *l)
{
	l->ops->close(l->wire);
	l->state = OPENING;
	l->fill = 0;
	l->close_when_empty = false;
	l->counts.opens++;
	mb_line_due(l, NEVER); /* the wire keeps the time */
	l->ops->open(l->wire, l->o.connect_timeout_us);
}

static void close_wire(struct mb_line *l)
{
	l->ops->close(l->wire);
	l->state = CLOSED;
	l->fill = 0;
	mb_line_due(l, NEVER);
}

/* A connection that worked is opened again at once, one that did not waits. */
static void open_again(struct mb_line *l, const char *why)
{
	int64_t wait_us;

	l->dice = l->dice * 1664525U + 1013904223U;
	wait_us = mb_backoff_us(l->fruitless++, l->dice >> 8);
	if (!wait_us) {
		mb_news_lost(&l->news, l->url.text, why, gw_now_us());
		mb_line_open(l);
		return;
	}
	mb_news_down(&l->news, l->url.text, why, l->state == READY || l->state == BUSY);
	l->state = WAITING;
	l->fill = 0;
	mb_line_due(l, gw_now_us() + wait_us);
}

static void worked(struct mb_line *l)
{
	l->fruitless = 0;
	mb_news_up(&l->news, l->url.text);
}

/* ---- transactions ---- */

static bool asks_for_patience(unsigned reason)
{
	return reason == (GW_EXCEPTION_0 | MODBUS_EXCEPTION_ACKNOWLEDGE) ||
	       reason == (GW_EXCEPTION_0 | MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
}

static bool is_worth_another(const struct mb_line *l, unsigned reason)
{
	const struct mb_job *job = l->queue.head;

	if (job->attempts > job->manner->retries || l->state == WAITING || (job->probe && !job->answered))
		return false;
	return reason == GW_TIMEOUT || reason == GW_CRC || reason == GW_PROTOCOL ||
	       reason == GW_NO_CONNECTION || asks_for_patience(reason);
}

/* What the end of a request says about its unit. */
static void learn(struct mb_line *l, unsigned reason, int64_t now_us)
{
	const struct mb_job *job = l->queue.head;
	const struct mb_manner *m = job->manner;

	if (!gw_reason_is_silence(reason))
		mb_units_answered(&l->units, m->unit, now_us);
	else if (!job->answered && reason != GW_NO_CONNECTION)
		mb_units_silent(&l->units, m->unit, reason, now_us, job->cost_us, m->timeout_us);
}

void mb_line_conclude(struct mb_line *l, unsigned reason, const uint8_t *data)
{
	struct mb_job *job = l->queue.head;
	const struct mb_manner *m = job->manner;
	int64_t now_us = gw_now_us();

	mb_load_add(&l->load, l->sent_us, now_us);
	job->cost_us += now_us - l->sent_us;
	l->last_us = now_us;
	l->free_us = now_us + (m->pause_us > l->gap_us ? m->pause_us : l->gap_us);
	if (l->state == BUSY)
		l->state = READY;
	if (reason != GW_NO_CONNECTION)
		worked(l);
	if (is_worth_another(l, reason)) {
		if (asks_for_patience(reason) && m->pause_us < m->timeout_us / 4)
			l->free_us = now_us + m->timeout_us / 4;
		return;
	}
	learn(l, reason, now_us);
	end_request(l, reason, data);
}

void mb_line_lost(struct mb_line *l, const char *why)
{
	bool in_flight = l->state == BUSY;

	open_again(l, why);
	if (in_flight)
		mb_line_conclude(l, GW_NO_CONNECTION, NULL);
	if (l->state == WAITING)
		end_all(l, GW_NO_CONNECTION);
}

static size_t build(struct mb_line *l, uint8_t *frame)
{
	if (!mb_line_is_rtu(l))
		return mb_frame_build(frame, &l->query);
	l->ops->flush(l->wire);
	l->fill = 0;
	mb_rtu_begin(&l->rtu);
	return mb_rtu_build(frame, &l->query);
}

static void send_request(struct mb_line *l, int64_t now_us)
{
	struct mb_job *job = l->queue.head;
	const struct mb_request *r = &job->requests[mb_job_current(job)];
	uint8_t frame[MB_FRAME_MAX];
	size_t n;

	l->query = (struct mb_query){ .transaction = (uint16_t)(l->query.transaction + 1),
				      .unit = job->manner->unit,
				      .function = r->function,
				      .address = r->address,
				      .count = r->count,
				      .data = r->data,
				      .size = r->size };
	l->asked = job->manner->unit;
	l->issued++;
	job->sent++;
	job->attempts++;
	l->misfit = false;
	l->state = BUSY;
	l->sent_us = now_us;
	l->deadline_us = now_us + job->manner->timeout_us;
	mb_line_due(l, l->deadline_us);
	n = build(l, frame);
	if (!l->ops->send(l->wire, frame, n))
		return;
	l->ops->close(l->wire);
	mb_line_lost(l, "the request could not be sent");
}

/* Until when the head's unit wants silence, whoever was asked before. */
static int64_t guarded_us(const struct mb_line *l)
{
	return l->last_us + l->queue.head->manner->guard_us;
}

/* From when on the head may be asked. */
static int64_t head_free_us(const struct mb_line *l)
{
	const struct mb_job *job = l->queue.head;
	const struct mb_manner *m = job->manner;
	int64_t at_us = l->free_us, hold_us;

	if (at_us < guarded_us(l))
		at_us = guarded_us(l);
	if (m->unit != l->asked && at_us < l->last_us + m->unit_pause_us)
		at_us = l->last_us + m->unit_pause_us;
	if (!mb_line_is_rtu(l))
		return at_us;
	hold_us = mb_units_hold(&l->units, m->unit, &job->requests[mb_job_current(job)]);
	return hold_us > at_us ? hold_us : at_us;
}

/*
 * Put a job that may be asked now first; 0, or when the earliest may be.  A unit that
 * must wait does not hold up the others; a request that was asked already keeps its turn,
 * and so does one that wants silence on the line, which the others would never give it.
 */
static int64_t choose(struct mb_line *l, int64_t now_us)
{
	const struct mb_job *first = l->queue.head;
	int64_t earliest_us = NEVER;

	do {
		int64_t at_us = head_free_us(l);

		if (at_us <= now_us)
			return 0;
		earliest_us = at_us < earliest_us ? at_us : earliest_us;
		if (now_us < l->free_us || l->queue.head->attempts || at_us == guarded_us(l))
			return earliest_us;
		mb_queue_rotate(&l->queue);
	} while (l->queue.head != first);
	return earliest_us;
}

void mb_line_advance(struct mb_line *l)
{
	int64_t now_us, wait_us;

	if (l->state != READY || l->parsing)
		return;
	if (!l->queue.head) {
		mb_line_due(l, NEVER);
		if (l->close_when_empty)
			close_wire(l);
		return;
	}
	now_us = gw_now_us();
	wait_us = choose(l, now_us);
	if (wait_us)
		mb_line_due(l, wait_us);
	else
		send_request(l, now_us);
}

bool mb_line_is_worn(const struct mb_line *l)
{
	unsigned most = l->queue.head->manner->reconnect_after;

	return l->url.scheme != MB_RTU && most && l->silent >= most;
}

/* Half a frame would be taken for the beginning of the next one, and where transactions say
 * nothing a late answer for that of the next request: on TCP the connection goes with it. */
static bool is_suspect(const struct mb_line *l)
{
	bool unsure = l->fill || l->misfit || l->queue.head->manner->any_transaction;

	return (!mb_line_is_rtu(l) && unsure) || mb_line_is_worn(l);
}

/* No whole right answer until the deadline, or a broken one and then silence. */
static void expire(struct mb_line *l)
{
	bool broken = mb_line_is_rtu(l) && gw_now_us() < l->deadline_us;
	unsigned reason = broken ? GW_CRC : mb_line_silence(l);

	l->counts.timeouts += !broken;
	l->counts.wrong += broken;
	l->silent = broken ? 0 : l->silent + 1;
	if (mb_line_is_rtu(l) && !broken) {
		const struct mb_job *job = l->queue.head;

		mb_units_owes(&l->units, l->query.unit, &job->requests[mb_job_current(job)], l->sent_us,
			      gw_now_us());
	}
	if (is_suspect(l))
		mb_line_open(l);
	l->fill = 0;
	mb_line_conclude(l, reason, NULL);
	mb_line_advance(l);
}

/* ---- events ---- */

static void on_up(void *arg)
{
	struct mb_line *l = arg;

	l->silent = 0;
	l->issued = 0;
	l->state = READY;
	l->free_us = gw_now_us() + l->o.connect_delay_us;
	mb_line_advance(l);
}

static void on_down(void *arg, const char *why)
{
	struct mb_line *l = arg;

	if (l->state == OPENING && !l->fruitless)
		l->fruitless = 1;
	mb_line_lost(l, why);
}

static void on_time(void *arg)
{
	struct mb_line *l = arg;

	l->armed_us = NEVER;
	if (gw_now_us() < l->due_us) {
		mb_line_due(l, l->due_us);
		return;
	}
	if (l->state == WAITING)
		mb_line_open(l);
	else if (l->state == BUSY)
		expire(l);
	else
		mb_line_advance(l);
}

/* ---- for the owner ---- */

static void kick(struct mb_line *l)
{
	if (l->state == CLOSED)
		mb_line_open(l);
	else if (l->state == WAITING)
		end_all(l, GW_NO_CONNECTION);
	else
		mb_line_advance(l);
}

void mb_line_submit(struct mb_line *l, struct mb_job *job)
{
	enum mb_turn turn = MB_ASK;

	if (l->state != WAITING)
		turn = mb_units_turn(&l->units, job->manner->unit, gw_now_us());
	if (turn == MB_PASS) {
		mb_job_pass(job, mb_units_reason(&l->units, job->manner->unit));
		return;
	}
	mb_queue_push(&l->queue, job);
	job->probe = turn == MB_PROBE;
	kick(l);
}

void mb_line_submit_first(struct mb_line *l, struct mb_job *job)
{
	mb_queue_push_first(&l->queue, job);
	kick(l);
}

void mb_line_start(struct mb_line *l)
{
	if (l->state == CLOSED)
		mb_line_open(l);
}

void mb_line_stop(struct mb_line *l, unsigned reason)
{
	close_wire(l);
	end_all(l, reason);
}

struct mb_line_counts mb_line_counts(const struct mb_line *l)
{
	return l->counts;
}

unsigned mb_line_load(const struct mb_line *l)
{
	return mb_load_permille(&l->load, gw_now_us());
}

int mb_line_new(struct mb_line **out, const struct mb_line_options *o, struct gw_err *err)
{
	static const struct mb_wire_events events = { on_up, on_down, mb_line_bytes };
	struct mb_line *l = calloc(1, sizeof(*l));

	if (!l)
		return gw_err_sys(err, ENOMEM, "cannot make a line to %s", o->url->text);
	*l = (struct mb_line){ .o = *o, .url = *o->url, .due_us = NEVER, .armed_us = NEVER };
	l->ops = l->url.scheme == MB_RTU ? &mb_port : &mb_tcp;
	l->units.period_us = o->probe_period_us;
	if (mb_line_is_rtu(l)) {
		l->gap_us = mb_serial_gap_us(&l->url.serial);
		l->settle_us = SETTLE_US + l->gap_us;
	}
	l->load.since_us = gw_now_us();
	l->dice = (uint32_t)l->load.since_us;
	l->query.transaction = (uint16_t)(l->dice >> 4);
	l->wire = l->ops->make(o->loop, &l->url, &events, l, err);
	l->timer = l->wire ? gw_on_timer(o->loop, on_time, l, err) : NULL;
	if (!l->timer) {
		mb_line_free(l);
		return -1;
	}
	*out = l;
	return 0;
}

void mb_line_free(struct mb_line *l)
{
	if (!l)
		return;
	assert(!l->queue.head);
	l->ops->free(l->wire);
	gw_watch_stop(l->timer);
	free(l);
}
