/*
 * What comes in on a line: bytes to frames to the end of a transaction.  On TCP
 * a broken frame costs the connection, as nothing behind it can be trusted.  A
 * serial line has no connection to give up: there everything that is not the
 * answer is passed by until the deadline, and only then gets its name.
 */
#include <assert.h>
#include <string.h>

#include "gatewayd/plugin.h"
#include "plugins/modbus/line_private.h"

enum { ZEROS_TOLD = 10 }; /* frames with zeros before them are no accident any more */

unsigned mb_line_silence(struct mb_line *l)
{
	bool noise = l->rtu.noise || mb_rtu_is_noise(l->buf, l->fill);

	if (l->misfit)
		return GW_PROTOCOL;
	return mb_line_is_rtu(l) && noise ? GW_CRC : GW_TIMEOUT;
}

static void skip_tcp(struct mb_line *l, const struct mb_frame *f)
{
	uint16_t age = (uint16_t)(l->query.transaction - f->transaction);

	if (age < l->issued) {
		l->counts.late++;
		return;
	}
	l->counts.stray++;
	l->misfit |= f->fits;
}

/* What is in flight for the unit; NULL: nothing. */
static const struct mb_request *asked_of(const struct mb_line *l, uint8_t unit)
{
	const struct mb_job *job = l->state == BUSY && l->query.unit == unit ? l->queue.head : NULL;

	return job ? &job->requests[mb_job_current(job)] : NULL;
}

static void skip_rtu(struct mb_line *l, const struct mb_frame *f)
{
	if (f->own)
		return;
	if (f->asks)
		mb_news_master(&l->news, l->url.text, f->unit, gw_now_us());
	if (mb_units_is_late(&l->units, f->unit, asked_of(l, f->unit), gw_now_us())) {
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
		mb_line_lost(l, "bytes came that are not Modbus TCP");
		return;
	}
	mb_line_open(l);
	mb_line_conclude(l, GW_PROTOCOL, NULL);
}

/* A gateway's word for a unit that is silent: perhaps it is the gateway that hangs. */
static void take_exception(struct mb_line *l, unsigned code)
{
	unsigned reason = mb_exception_reason(code);

	l->silent = gw_reason_is_silence(reason) ? l->silent + 1 : 0;
	if (mb_line_is_worn(l))
		mb_line_open(l);
	mb_line_conclude(l, reason, NULL);
}

static void take(struct mb_line *l, const struct mb_frame *f)
{
	if (mb_line_is_rtu(l))
		mb_units_paid(&l->units, l->query.unit, l->sent_us, gw_now_us());
	if (f->verdict != MB_DATA) {
		take_exception(l, f->exception);
		return;
	}
	l->silent = 0;
	mb_line_conclude(l, GW_GOOD, f->data);
}

static struct mb_frame parse_rtu(struct mb_line *l, size_t at, const struct mb_query *q)
{
	uint64_t before = l->rtu.zeros;
	struct mb_frame f = mb_rtu_parse(&l->rtu, l->buf + at, l->fill - at, q);

	if (before < ZEROS_TOLD && l->rtu.zeros >= ZEROS_TOLD)
		gw_log(GW_WARNING, "%s: zero bytes before answers: the bus seems to lack its bias resistors",
		       l->url.text);
	return f;
}

static struct mb_frame parse(struct mb_line *l, size_t at)
{
	const struct mb_query *q = l->state == BUSY ? &l->query : NULL;
	struct mb_frame f;

	if (mb_line_is_rtu(l))
		return parse_rtu(l, at, q);
	f = mb_frame_parse(l->buf + at, l->fill - at, q);
	/* One request is in flight, and after a timeout the connection is a new one. */
	if (f.fits && l->queue.head->manner->any_transaction)
		f.verdict = f.data ? MB_DATA : MB_EXCEPTION;
	return f;
}

/* One frame at `at`; returns the bytes it took, 0 when no more can be had. */
static size_t judge(struct mb_line *l, size_t at)
{
	struct mb_frame f = parse(l, at);

	if (f.verdict == MB_PARTIAL)
		return 0;
	if (f.verdict == MB_WRONG)
		wrong(l);
	else if (f.verdict == MB_OTHER)
		mb_line_is_rtu(l) ? skip_rtu(l, &f) : skip_tcp(l, &f);
	else
		take(l, &f);
	return f.size;
}

/* All of an answer came, but broken: once the line is quiet nothing better follows. */
static void settle(struct mb_line *l)
{
	int64_t quiet_us = gw_now_us() + l->settle_us;

	if (l->state == BUSY)
		mb_line_due(l, l->rtu.garbled && quiet_us < l->deadline_us ? quiet_us : l->deadline_us);
}

/* Nobody was asked: whatever this is, the next frame begins after a silence. */
static void ignore(struct mb_line *l)
{
	l->fill = 0;
	if (l->free_us < gw_now_us() + l->gap_us)
		l->free_us = gw_now_us() + l->gap_us;
}

void mb_line_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	struct mb_line *l = arg;
	size_t at = 0, size;

	assert(n <= MB_LINE_BUFFER - l->fill);
	memcpy(l->buf + l->fill, bytes, n);
	l->fill += n;
	l->parsing = true;
	while (at < l->fill && (size = judge(l, at)))
		at += size;
	l->parsing = false;
	/* A closed connection took its bytes along. */
	l->fill = l->fill > at ? l->fill - at : 0;
	memmove(l->buf, l->buf + at, l->fill);
	if (mb_line_is_rtu(l))
		l->state == BUSY ? settle(l) : ignore(l);
	mb_line_advance(l);
}
