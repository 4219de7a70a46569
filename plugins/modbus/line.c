/*
 * The state machine of a line.  Four things move it: a job arrives, the wire
 * reports, bytes arrive, time passes.  Callbacks to the owner may submit jobs,
 * so every state is entered before they are called.
 */
#include "plugins/modbus/line.h"

#include <assert.h>
#include <errno.h>
#include <modbus/modbus.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayd/plugin.h"
#include "plugins/modbus/frame.h"
#include "plugins/modbus/load.h"
#include "plugins/modbus/wire.h"

enum {
	SILENT_MAX = 3, /* timeouts in a row that make an open connection suspect */
	BACKOFF_FIRST_US = 100 * 1000,
	BACKOFF_MAX_US = 30 * 1000 * 1000,
	BUFFER = 1024, /* a chunk of the wire and the rest of a frame before it */
};
#define NEVER INT64_MAX

enum state {
	CLOSED,   /* on purpose; the next job opens it */
	WAITING,  /* before the next attempt to open */
	OPENING,
	READY,    /* open; nothing in flight, perhaps a pause */
	BUSY,     /* one transaction in flight */
};

enum told { TOLD_NOTHING, TOLD_UP, TOLD_DOWN }; /* what the log knows */

struct mb_line {
	struct mb_line_options o;
	struct mb_url url;
	const struct mb_wire_ops *ops;
	struct mb_wire *wire;
	struct gw_watch *timer;
	enum state state;
	int64_t due_us, armed_us; /* when to act; when the timer is set for */
	struct mb_queue queue;

	struct mb_query query;
	int64_t sent_us, free_us; /* of the last request; from when the next may go */
	bool misfit; /* an answer came that was right but for its transaction */
	bool parsing; /* no request may go before what was received is judged */
	bool close_when_empty;
	enum told told;
	unsigned fruitless; /* opens since a transaction came to an end */
	unsigned silent;    /* timeouts in a row */
	unsigned issued;    /* transactions of this connection */
	uint32_t dice;
	size_t fill; /* of buf */
	uint8_t buf[BUFFER];
	struct mb_line_counts counts;
	struct mb_load load;
};

/* ---- time: the timer is moved only when it would come too late ---- */

static void due_at(struct mb_line *l, int64_t at_us)
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

static void open_wire(struct mb_line *l)
{
	l->ops->close(l->wire);
	l->state = OPENING;
	l->fill = 0;
	l->close_when_empty = false;
	l->counts.opens++;
	due_at(l, NEVER); /* the wire keeps the time */
	l->ops->open(l->wire, l->o.connect_timeout_us);
}

static void close_wire(struct mb_line *l)
{
	l->ops->close(l->wire);
	l->state = CLOSED;
	l->fill = 0;
	due_at(l, NEVER);
}

/* A connection that worked is opened again at once, one that did not waits. */
static void open_again(struct mb_line *l, const char *why)
{
	int64_t wait_us;

	l->dice = l->dice * 1664525U + 1013904223U;
	wait_us = mb_backoff_us(l->fruitless++, l->dice >> 8);
	if (!wait_us) {
		open_wire(l);
		return;
	}
	l->state = WAITING;
	l->fill = 0;
	due_at(l, gw_now_us() + wait_us);
	if (l->told != TOLD_DOWN)
		gw_log(GW_WARNING, "%s: not connected: %s", l->url.text, why);
	l->told = TOLD_DOWN;
}

static void worked(struct mb_line *l)
{
	l->fruitless = 0;
	if (l->told != TOLD_UP)
		gw_log(GW_INFO, "%s: connected", l->url.text);
	l->told = TOLD_UP;
}

/* ---- transactions ---- */

static bool asks_for_patience(unsigned reason)
{
	return reason == (GW_EXCEPTION_0 | MODBUS_EXCEPTION_ACKNOWLEDGE) ||
	       reason == (GW_EXCEPTION_0 | MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
}

static bool is_worth_another(const struct mb_line *l, unsigned reason)
{
	if (l->queue.head->attempts > l->queue.head->manner->retries || l->state == WAITING)
		return false;
	return reason == GW_TIMEOUT || reason == GW_CRC || reason == GW_PROTOCOL ||
	       reason == GW_NO_CONNECTION || asks_for_patience(reason);
}

/* The transaction in flight is over; the state says whether the line is still open. */
static void conclude(struct mb_line *l, unsigned reason, const uint8_t *data)
{
	const struct mb_manner *m = l->queue.head->manner;
	int64_t now_us = gw_now_us();

	mb_load_add(&l->load, l->sent_us, now_us);
	l->free_us = now_us + m->pause_us;
	if (l->state == BUSY)
		l->state = READY;
	if (reason != GW_NO_CONNECTION)
		worked(l);
	if (!is_worth_another(l, reason))
		end_request(l, reason, data);
	else if (asks_for_patience(reason) && m->pause_us < m->timeout_us / 4)
		l->free_us = now_us + m->timeout_us / 4;
}

/* The wire is closed, and not by us. */
static void lost(struct mb_line *l, const char *why)
{
	bool in_flight = l->state == BUSY;

	open_again(l, why);
	if (in_flight)
		conclude(l, GW_NO_CONNECTION, NULL);
	if (l->state == WAITING)
		end_all(l, GW_NO_CONNECTION);
}

static void send_request(struct mb_line *l, int64_t now_us)
{
	struct mb_job *job = l->queue.head;
	const struct mb_request *r = &job->requests[mb_job_current(job)];
	uint8_t frame[MB_QUERY_SIZE];

	l->query = (struct mb_query){ .transaction = (uint16_t)(l->query.transaction + 1),
				      .unit = job->manner->unit,
				      .function = r->function,
				      .address = r->address,
				      .count = r->count };
	l->issued++;
	job->sent++;
	job->attempts++;
	l->misfit = false;
	l->state = BUSY;
	l->sent_us = now_us;
	due_at(l, now_us + job->manner->timeout_us);
	if (!l->ops->send(l->wire, frame, mb_frame_build(frame, &l->query)))
		return;
	l->ops->close(l->wire);
	lost(l, "the request could not be sent");
}

/* Whatever is to be done next on an open line. */
static void advance(struct mb_line *l)
{
	int64_t now_us;

	if (l->state != READY || l->parsing)
		return;
	if (!l->queue.head) {
		due_at(l, NEVER);
		if (l->close_when_empty)
			close_wire(l);
		return;
	}
	now_us = gw_now_us();
	if (now_us < l->free_us)
		due_at(l, l->free_us);
	else
		send_request(l, now_us);
}

/* No whole right answer until the deadline.  Half a frame would be taken for the
 * beginning of the next one, so the connection goes with it. */
static void expire(struct mb_line *l)
{
	unsigned reason = l->misfit ? GW_PROTOCOL : GW_TIMEOUT;

	l->counts.timeouts++;
	l->silent++;
	if (l->fill || l->misfit || l->silent >= SILENT_MAX)
		open_wire(l);
	conclude(l, reason, NULL);
	advance(l);
}

/* ---- what comes in ---- */

static void skip(struct mb_line *l, const struct mb_frame *f)
{
	uint16_t age = (uint16_t)(l->query.transaction - f->transaction);

	if (age < l->issued) {
		l->counts.late++;
		return;
	}
	l->counts.stray++;
	l->misfit |= f->fits;
}

static void wrong(struct mb_line *l)
{
	l->counts.wrong++;
	if (l->state != BUSY) {
		l->ops->close(l->wire);
		lost(l, "bytes came that are not Modbus TCP");
		return;
	}
	open_wire(l);
	conclude(l, GW_PROTOCOL, NULL);
}

static void take(struct mb_line *l, const struct mb_frame *f)
{
	l->silent = 0;
	if (f->verdict == MB_DATA)
		conclude(l, GW_GOOD, f->data);
	else
		conclude(l, GW_EXCEPTION_0 | f->exception, NULL);
}

/* One frame at `at`; returns the bytes it took, 0 when no more can be had. */
static size_t judge(struct mb_line *l, size_t at)
{
	struct mb_frame f = mb_frame_parse(l->buf + at, l->fill - at,
					   l->state == BUSY ? &l->query : NULL);

	if (f.verdict == MB_PARTIAL)
		return 0;
	if (f.verdict == MB_WRONG)
		wrong(l);
	else if (f.verdict == MB_OTHER)
		skip(l, &f);
	else
		take(l, &f);
	return f.size;
}

static void on_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	struct mb_line *l = arg;
	size_t at = 0, size;

	assert(n <= BUFFER - l->fill);
	memcpy(l->buf + l->fill, bytes, n);
	l->fill += n;
	l->parsing = true;
	while (at < l->fill && (size = judge(l, at)))
		at += size;
	l->parsing = false;
	/* A closed connection took its bytes along. */
	l->fill = l->fill > at ? l->fill - at : 0;
	memmove(l->buf, l->buf + at, l->fill);
	advance(l);
}

static void on_up(void *arg)
{
	struct mb_line *l = arg;

	l->silent = 0;
	l->issued = 0;
	l->state = READY;
	l->free_us = gw_now_us() + l->o.connect_delay_us;
	advance(l);
}

static void on_down(void *arg, const char *why)
{
	struct mb_line *l = arg;

	if (l->state == OPENING && !l->fruitless)
		l->fruitless = 1;
	lost(l, why);
}

static void on_time(void *arg)
{
	struct mb_line *l = arg;

	l->armed_us = NEVER;
	if (gw_now_us() < l->due_us) {
		due_at(l, l->due_us);
		return;
	}
	if (l->state == WAITING)
		open_wire(l);
	else if (l->state == BUSY)
		expire(l);
	else
		advance(l);
}

/* ---- for the owner ---- */

static void kick(struct mb_line *l)
{
	if (l->state == CLOSED)
		open_wire(l);
	else if (l->state == WAITING)
		end_all(l, GW_NO_CONNECTION);
	else
		advance(l);
}

void mb_line_submit(struct mb_line *l, struct mb_job *job)
{
	mb_queue_push(&l->queue, job);
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
		open_wire(l);
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
	static const struct mb_wire_events events = { on_up, on_down, on_bytes };
	struct mb_line *l = calloc(1, sizeof(*l));

	if (!l)
		return gw_err_sys(err, ENOMEM, "cannot make a line to %s", o->url->text);
	*l = (struct mb_line){ .o = *o, .url = *o->url, .ops = &mb_tcp, .due_us = NEVER,
			       .armed_us = NEVER };
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
