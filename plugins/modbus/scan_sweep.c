#include "plugins/modbus/scan_sweep.h"

#include <string.h>

#include "plugins/modbus/scan_order.h"

enum {
	REQUEST = 8,
	SPEECH = 4,              /* fewer bytes than that are noise: the shortest answer has 5 */
	QUIET_US = 30000,        /* adapters hand bytes over in pieces */
	CAREFUL_US = 30000,      /* longer gaps; most devices answer within */
	LISTEN_US = 1500000,     /* another master asks something within this time */
	PATIENCE_US = 4000000,   /* and twice the time it takes on a silent line */
	PATIENCE_EACH_US = 1000000, /* for each unit that answers */
	CONFIRMATIONS = 3,
	MASTER_FRAMES = 2,       /* one right checksum is chance, two are not */
};

enum level { FAST, CAREFUL, ALONE, ALONE_AGAIN };

bool mb_sweep_has_master(const struct mb_sweep *w)
{
	return w->foreign >= MASTER_FRAMES;
}

static int64_t now_us(const struct mb_sweep *w)
{
	return w->wire->now_us(w->wire->arg);
}

/* ---- what was heard ---- */

/* How much of what was heard is what we sent?  Adapters that hear themselves give it back. */
static size_t echo_size(const struct mb_sweep *w)
{
	size_t n = 0;

	while (n < w->fill && n < w->nsent && w->heard[n] == w->sent[n])
		n++;
	return n;
}

static bool is_echo(const struct mb_sweep *w)
{
	return echo_size(w) == w->fill;
}

/* Everything until the line is silent again.  False: the line is gone. */
static bool hear_out(struct mb_sweep *w, int64_t quiet_us, int64_t until_us)
{
	int64_t end_us = now_us(w) + quiet_us;
	int n = 1;

	while (n > 0 && w->fill < sizeof(w->heard)) {
		n = w->wire->listen(w->wire->arg, w->heard + w->fill, sizeof(w->heard) - w->fill,
				    end_us < until_us ? end_us : until_us);
		w->fill += n > 0 ? (size_t)n : 0;
		end_us = now_us(w) + quiet_us;
	}
	return n >= 0;
}

/* The answer of this unit among the bytes. */
static bool find_answer(const struct mb_sweep *w, unsigned unit, const uint8_t *bytes, size_t n,
			struct mb_frame *f)
{
	struct mb_query q = mb_scan_query(w->o, unit);
	struct mb_rtu rtu = { 0 };
	size_t at = 0;

	*f = mb_rtu_parse(&rtu, bytes, n, &q);
	while (f->verdict == MB_OTHER) {
		at += f->size;
		*f = mb_rtu_parse(&rtu, bytes + at, n - at, &q);
	}
	return f->verdict == MB_DATA || f->verdict == MB_EXCEPTION;
}

/* Does a request that is not ours end here? */
static bool is_foreign(const struct mb_sweep *w, const uint8_t *end)
{
	const uint8_t *p = end - REQUEST;
	struct mb_query q = mb_scan_query(w->o, p[0]);
	uint8_t own[MB_RTU_MAX];

	/* Functions 1 to 4; an answer of 8 bytes has the count 3. */
	return p[1] >= 1 && p[1] <= 4 && p[2] != 3 &&
	       mb_crc16(p, REQUEST - 2) == (p[REQUEST - 2] | p[REQUEST - 1] << 8) &&
	       (mb_rtu_build(own, &q) != REQUEST || memcmp(own, p, REQUEST) != 0);
}

static void count_foreign(struct mb_sweep *w, const uint8_t *bytes, size_t n)
{
	for (size_t end = REQUEST; end <= n; end++)
		if (is_foreign(w, bytes + end)) {
			w->foreign++;
			w->stranger = bytes[end - REQUEST];
		}
}

/* Who answered?  True: somebody who had not been known. */
static bool take(struct mb_sweep *w, const uint8_t *bytes, size_t n)
{
	bool looked[256] = { false }, any = false;
	struct mb_frame f;

	for (size_t i = 0; i < n; i++) {
		unsigned unit = bytes[i];

		if (!unit || unit > MB_UNIT_MAX || !w->asked[unit] || looked[unit])
			continue;
		looked[unit] = true;
		if (!find_answer(w, unit, bytes, n, &f))
			continue;
		any |= !w->answered[unit];
		w->answered[unit] = true;
	}
	count_foreign(w, bytes, n);
	return any;
}

/* ---- bursts ---- */

static int64_t gap_us(const struct mb_sweep *w, const struct mb_sweep_ask *a, bool last)
{
	if (last || a->level >= ALONE)
		return w->wait_us;
	return mb_scan_rest_us(&w->serial) +
	       (a->level == CAREFUL ? CAREFUL_US + mb_serial_bytes_us(&w->serial, 2) : 0);
}

static int send_request(struct mb_sweep *w, unsigned unit)
{
	struct mb_query q = mb_scan_query(w->o, unit);
	uint8_t frame[MB_RTU_MAX];
	size_t n = mb_rtu_build(frame, &q);

	if (w->wire->send(w->wire->arg, frame, n))
		return -1;
	memcpy(w->sent + w->nsent, frame, n);
	w->nsent += n;
	w->asked[unit] = true;
	return 0;
}

/* True: something was heard that is not our echo. */
static int listen_until(struct mb_sweep *w, int64_t until_us)
{
	int n;

	do {
		n = w->wire->listen(w->wire->arg, w->heard + w->fill, sizeof(w->heard) - w->fill, until_us);
		w->fill += n > 0 ? (size_t)n : 0;
	} while (n > 0 && is_echo(w) && w->fill < sizeof(w->heard));
	return n < 0 ? -1 : !is_echo(w);
}

/* Ask the first `count` of `asks` until somebody is heard; then listen until it is silent.
 * Returns how many were asked, -1: the line is gone.  *speech: what is not echo. */
static int fire(struct mb_sweep *w, const struct mb_sweep_ask *asks, unsigned count, size_t *speech)
{
	int heard = 0;
	size_t own;
	unsigned i;

	w->fill = w->nsent = 0;
	w->wire->flush(w->wire->arg);
	for (i = 0; i < count && !heard; i++) {
		if (send_request(w, asks[i].unit))
			return -1;
		w->end_us[i] = now_us(w) + mb_serial_bytes_us(&w->serial, REQUEST);
		heard = listen_until(w, w->end_us[i] + gap_us(w, &asks[i], i + 1 == count));
		w->first_us = now_us(w);
	}
	if (heard > 0 && !hear_out(w, QUIET_US + mb_serial_bytes_us(&w->serial, 5),
				   w->first_us + w->wait_us + mb_serial_bytes_us(&w->serial, MB_RTU_MAX)))
		heard = -1;
	own = echo_size(w) / REQUEST * REQUEST;
	*speech = heard > 0 ? w->fill - own : 0;
	memmove(w->heard, w->heard + own, w->fill - own);
	return heard < 0 ? -1 : (int)i;
}

/* ---- the queue ---- */

/* Those who were asked and must be asked again go to the front, in place of all who were
 * asked. */
static void put_back(struct mb_sweep *w, unsigned asked, const struct mb_sweep_ask *again, unsigned n)
{
	memmove(w->queue + n, w->queue + asked, (w->queued - asked) * sizeof(w->queue[0]));
	memcpy(w->queue, again, n * sizeof(w->queue[0]));
	w->queued -= asked - n;
}

/* Their answers may have met what was heard; `level`: of the next attempt. */
static unsigned in_doubt(const struct mb_sweep *w, unsigned asked, enum level level, struct mb_sweep_ask *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < asked; i++) {
		/* Alone it is the last one asked first: most devices are quick. */
		unsigned at = level == ALONE ? asked - 1 - i : i;

		if (!w->answered[w->queue[at].unit] && w->first_us - w->end_us[at] <= w->wait_us)
			out[n++] = (struct mb_sweep_ask){ .unit = w->queue[at].unit, .level = (uint8_t)level };
	}
	return n;
}

static void calm_down(struct mb_sweep *w)
{
	for (unsigned i = 0; i < w->queued; i++)
		w->queue[i].level = FAST;
}

/* Whole frames of the unit that was asked: a request and its answer are two. */
static unsigned count_frames(const uint8_t *bytes, size_t n, unsigned unit)
{
	struct mb_rtu rtu = { 0 };
	struct mb_frame f = mb_rtu_parse(&rtu, bytes, n, NULL);
	unsigned frames = 0;

	for (size_t at = 0; f.size; f = mb_rtu_parse(&rtu, bytes + at, n - at, NULL)) {
		frames += f.unit == unit;
		at += f.size;
	}
	return frames;
}

/* What one talk on the line is; 0, or -1. */
static int overhear_talk(struct mb_sweep *w, int64_t until_us)
{
	int64_t quiet_us = QUIET_US + mb_serial_bytes_us(&w->serial, 5);
	unsigned frames;
	int code;

	w->fill = w->nsent = 0;
	code = listen_until(w, until_us);
	if (code > 0)
		code = hear_out(w, quiet_us, now_us(w) + w->wait_us + mb_serial_bytes_us(&w->serial, MB_RTU_MAX)) ? 0 : -1;
	count_foreign(w, w->heard, w->fill);
	frames = w->foreign ? count_frames(w->heard, w->fill, w->stranger) : 0;
	w->foreign = frames > w->foreign ? frames : w->foreign;
	w->unasked += w->fill;
	return code;
}

int mb_sweep_listen(struct mb_sweep *w, int64_t us)
{
	int64_t until_us = now_us(w) + us;
	bool longer = false;
	int code = 0;

	while (!code && now_us(w) < until_us && !mb_sweep_has_master(w)) {
		code = overhear_talk(w, until_us);
		/* One frame: the next decides. */
		if (w->foreign && !longer)
			until_us += us;
		longer = w->foreign > 0;
	}
	w->spoken |= w->unasked >= SPEECH;
	return code;
}

/* Somebody speaks, and not to us?  Once for each sweep, since it takes its time. */
static int wonder_who(struct mb_sweep *w)
{
	if (w->listened)
		return 0;
	w->listened = true;
	if (mb_sweep_listen(w, LISTEN_US))
		return -1;
	/* Then all questions are disturbed, and nobody is there at this setting. */
	if (w->spoken)
		w->until_us = now_us(w);
	return 0;
}

/* Something was heard and nobody new understood. */
static int wonder(struct mb_sweep *w, unsigned asked, size_t speech)
{
	struct mb_sweep_ask again[MB_UNIT_MAX] = { { 0 } };
	enum level level = w->queue[0].level;
	unsigned n = 0;

	w->wondering = true;
	if (speech < SPEECH) {
		/* A stray byte; it may have spoilt the last request. */
		w->disturbed = true;
		again[n++] = w->queue[asked - 1];
	} else if (level == ALONE_AGAIN) {
		w->garbled = w->queue[0].unit;
	} else {
		n = in_doubt(w, asked, level + 1, again);
	}
	put_back(w, asked, again, n);
	return w->garbled || w->foreign ? wonder_who(w) : 0;
}

/* One burst with the front of the queue. */
static int ask_front(struct mb_sweep *w)
{
	struct mb_sweep_ask again[MB_UNIT_MAX] = { { 0 } };
	unsigned count = 1, n;
	size_t speech;
	int asked;

	while (w->queue[0].level < ALONE && count < w->queued && w->queue[count].level == w->queue[0].level)
		count++;
	asked = fire(w, w->queue, count, &speech);
	if (asked < 0)
		return -1;
	if (!speech) {
		put_back(w, (unsigned)asked, again, 0);
	} else if (take(w, w->heard, speech)) {
		n = in_doubt(w, (unsigned)asked, FAST, again);
		put_back(w, (unsigned)asked, again, n);
		calm_down(w);
		w->wondering = false;
		w->until_us += PATIENCE_EACH_US;
	} else {
		return wonder(w, (unsigned)asked, speech);
	}
	return 0;
}

/* Twice what it takes when nobody is there, and a little. */
static int64_t patience_us(const struct mb_sweep *w, unsigned n)
{
	int64_t each_us = mb_serial_bytes_us(&w->serial, REQUEST) + mb_scan_rest_us(&w->serial);

	return 2 * (n * each_us + w->wait_us) + PATIENCE_US;
}

int mb_sweep_units(struct mb_sweep *w, const uint8_t *units, unsigned n)
{
	w->until_us = now_us(w) + patience_us(w, n);
	w->wondering = false;
	w->queued = n;
	for (unsigned i = 0; i < n; i++)
		w->queue[i] = (struct mb_sweep_ask){ .unit = units[i], .level = FAST };
	while (w->queued && !w->given_up && !mb_sweep_has_master(w)) {
		if (ask_front(w))
			return -1;
		w->progress(w->arg);
		w->given_up = w->queued && now_us(w) > w->until_us;
	}
	w->disturbed |= w->wondering;
	return 0;
}

int mb_sweep_confirm(struct mb_sweep *w, unsigned unit, struct mb_frame *f)
{
	struct mb_sweep_ask ask = { .unit = (uint8_t)unit, .level = ALONE };
	size_t speech;

	for (unsigned i = 0; i < CONFIRMATIONS; i++) {
		if (fire(w, &ask, 1, &speech) < 0)
			return -1;
		count_foreign(w, w->heard, speech);
		if (find_answer(w, unit, w->heard, speech, f))
			return 1;
	}
	return 0;
}
