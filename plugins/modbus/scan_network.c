/*
 * Units behind a network connection.  Modbus TCP: several requests are under way at
 * once, told apart by their transactions, where a trial shows that the device can do that;
 * many look at the first of them only.  RTU over TCP: always one at a time.
 */
#include <stdio.h>
#include <string.h>

#include "gatewayd/loop.h"
#include "gatewayd/reading.h"
#include "plugins/modbus/scan.h"

enum {
	UNITS = 248,
	UNDER_WAY = 16,
	PATIENCE = 10, /* times what the first answer took */
	WAIT_LEAST_US = 60000,
	WAIT_US = 1000000, /* with many under way; a gateway may queue them */
	WAIT_ALONE_US = 250000,
	WAIT_RTU_US = 200000,
};

struct sweep {
	struct mb_scan *s;
	const struct mb_scan_options *o;
	struct mb_client *c;
	int64_t wait_us;
	unsigned most; /* requests under way */
	int64_t latency_us;
	int last;      /* unit that answered anything, an exception too; -1: none yet */
	struct {
		uint16_t transaction;
		uint8_t unit;
		int64_t sent_us, until_us;
	} flying[UNDER_WAY];
	unsigned nflying;
	unsigned answers; /* of the unit that answered last */
	uint16_t transaction;
	uint8_t buf[1024];
	size_t fill;
};

static unsigned unit_number(unsigned i)
{
	return i < 247 ? i + 1 : 255;
}

static void show(struct sweep *w, unsigned i)
{
	char text[64];

	snprintf(text, sizeof(text), "unit %u, %u found", unit_number(i), w->s->count);
	if (w->s->progress)
		w->s->progress(w->s->arg, text, i * 100 / UNITS);
}

/* Write the request to `frame` and expect its answer. */
static size_t ready(struct sweep *w, unsigned unit, uint8_t *frame)
{
	struct mb_query q = mb_scan_query(w->o, unit);

	q.transaction = ++w->transaction;
	w->flying[w->nflying].transaction = q.transaction;
	w->flying[w->nflying].unit = q.unit;
	w->flying[w->nflying].sent_us = gw_now_us();
	w->flying[w->nflying++].until_us = gw_now_us() + w->wait_us;
	return mb_frame_build(frame, &q);
}

static int launch(struct sweep *w, unsigned unit)
{
	uint8_t frame[MB_FRAME_MAX];

	return mb_client_send(w->c, frame, ready(w, unit, frame));
}

/* Exceptions 10 and 11 are the gateway's: nobody is there. */
static bool is_somebody(const struct mb_frame *f)
{
	return f->verdict == MB_DATA || (f->verdict == MB_EXCEPTION && f->exception != 10 && f->exception != 11);
}

/* The first frame in the buffer, against all that fly; bytes it took, 0: not whole. */
static size_t take_frame(struct sweep *w)
{
	struct mb_frame f = mb_frame_parse(w->buf, w->fill, NULL);

	if (f.verdict == MB_PARTIAL)
		return 0;
	if (f.verdict == MB_WRONG)
		return w->fill;
	for (unsigned i = 0; i < w->nflying; i++) {
		struct mb_query q = mb_scan_query(w->o, w->flying[i].unit);
		struct mb_frame mine;

		q.transaction = w->flying[i].transaction;
		if (q.transaction != f.transaction)
			continue;
		mine = mb_frame_parse(w->buf, w->fill, &q);
		w->answers = w->last == w->flying[i].unit ? w->answers + 1 : 1;
		w->last = w->flying[i].unit;
		w->latency_us = gw_now_us() - w->flying[i].sent_us;
		if (is_somebody(&mine))
			mb_scan_found(w->s, 0, w->flying[i].unit, &mine);
		w->flying[i] = w->flying[--w->nflying];
		break;
	}
	return f.size;
}

static void drop_late(struct sweep *w)
{
	int64_t now_us = gw_now_us();

	for (unsigned i = 0; i < w->nflying;)
		if (w->flying[i].until_us <= now_us)
			w->flying[i] = w->flying[--w->nflying];
		else
			i++;
}

static int hear(struct sweep *w)
{
	int64_t until_us = INT64_MAX;
	size_t used;
	int n;

	for (unsigned i = 0; i < w->nflying; i++)
		if (w->flying[i].until_us < until_us)
			until_us = w->flying[i].until_us;
	n = mb_client_listen(w->c, w->buf + w->fill, sizeof(w->buf) - w->fill, until_us);
	if (n < 0)
		return -1;
	w->fill += (size_t)n;
	while (w->fill && (used = take_frame(w))) {
		w->fill -= used;
		memmove(w->buf, w->buf + used, w->fill);
	}
	if (w->fill == sizeof(w->buf))
		w->fill = 0;
	drop_late(w);
	return 0;
}

/* From unit number `from` on; returns where it stopped: at the end, when the connection was
 * closed, or, asking one at a time for the first sign of life, behind that. */
static unsigned sweep_from(struct sweep *w, unsigned from, bool until_alive)
{
	unsigned i = from;

	w->nflying = 0;
	w->fill = 0;
	while (i < UNITS || w->nflying) {
		show(w, i < UNITS ? i : UNITS - 1);
		if (until_alive && w->last >= 0)
			return i;
		if (i < UNITS && w->nflying < w->most) {
			if (launch(w, unit_number(i)))
				return i;
			i++;
		} else if (hear(w)) {
			return i - w->nflying;
		}
	}
	return UNITS;
}

/* Does it answer several requests that come at once, also when some are for nobody? */
static bool can_many(struct sweep *w)
{
	const unsigned known = (unsigned)w->last, units[] = { known, 246, known, 245, known };
	uint8_t frames[MB_QUERY_SIZE * sizeof(units) / sizeof(units[0])];
	int64_t wait_us = w->wait_us;
	size_t n = 0;
	unsigned heard;

	w->wait_us = WAIT_ALONE_US * 2;
	w->answers = 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		n += ready(w, units[i], frames + n);
	if (mb_client_send(w->c, frames, n))
		return false;
	do {
		heard = w->nflying;
	} while (heard && !hear(w) && w->answers < 3);
	w->wait_us = wait_us;
	w->nflying = 0;
	return w->answers >= 3 && mb_client_is_open(w->c);
}

/* All from `at` on; a connection that is closed on us is opened again. */
static void sweep_rest(struct sweep *w, unsigned at)
{
	struct gw_err err;

	while ((at = sweep_from(w, at, false)) < UNITS) {
		/* Asked one at a time and closed all the same: that unit is not liked. */
		at += w->most == 1;
		w->most = 1;
		if (mb_client_reopen(w->c, &err))
			return;
	}
}

static void sweep_tcp(struct sweep *w)
{
	unsigned at;
	struct gw_err err;

	w->most = 1;
	w->last = -1;
	w->wait_us = w->o->wait_us ? w->o->wait_us : WAIT_ALONE_US;
	at = sweep_from(w, 0, true);
	if (at < UNITS && w->last >= 0 && can_many(w)) {
		w->most = UNDER_WAY;
		w->wait_us = w->o->wait_us ? w->o->wait_us : WAIT_US;
		at = 0; /* those before were given little time */
	} else if (at < UNITS) {
		if (!w->o->wait_us && w->latency_us * PATIENCE < WAIT_ALONE_US)
			w->wait_us = w->latency_us * PATIENCE > WAIT_LEAST_US ? w->latency_us * PATIENCE : WAIT_LEAST_US;
		if (mb_client_reopen(w->c, &err))
			return;
	}
	sweep_rest(w, at);
}

static void sweep_serial(struct sweep *w)
{
	uint8_t data[2];

	for (unsigned i = 0; i < 247; i++) {
		struct mb_query q = mb_scan_query(w->o, unit_number(i));
		struct mb_frame f = { .verdict = MB_DATA, .data = data };
		unsigned reason;
		int exception;

		show(w, i);
		reason = mb_client_read(w->c, &q, data);
		exception = mb_reason_exception(reason);
		if (exception >= 0) {
			f.verdict = MB_EXCEPTION;
			f.exception = (uint8_t)exception;
		}
		if (reason == GW_GOOD || (exception >= 0 && is_somebody(&f)))
			mb_scan_found(w->s, 0, q.unit, &f);
		w->s->noise |= reason == GW_CRC || reason == GW_PROTOCOL;
	}
}

int mb_scan_network(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		    struct gw_err *err)
{
	bool serial = url->scheme != MB_TCP;
	struct sweep w = { .s = s, .o = o };

	if (mb_client_open(&w.c, url, !serial ? 3000000 : o->wait_us ? o->wait_us : WAIT_RTU_US, err))
		return -1;
	if (serial)
		sweep_serial(&w);
	else
		sweep_tcp(&w);
	mb_client_close(w.c);
	return 0;
}
