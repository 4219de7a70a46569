#include "plugins/modbus/units.h"

#include "gatewayd/reading.h"

enum { DOUBLINGS_MAX = 20 };

/* ---- back-off ---- */

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Does another unit that asks wait for its probe longer than this one? */
static bool has_senior(const struct mb_units *u, const struct mb_unit *me, int64_t now_us)
{
	for (const struct mb_unit *o = u->unit; o < u->unit + MB_UNITS; o++)
		if (o != me && o->silent >= MB_SILENT_CYCLES && o->probe_us < me->probe_us &&
		    o->wanted_us > o->probe_us && now_us - o->wanted_us < u->period_us)
			return true;
	return false;
}

enum mb_turn mb_units_turn(struct mb_units *u, uint8_t unit, int64_t now_us)
{
	struct mb_unit *me = &u->unit[unit];
	int64_t step_us = me->known ? now_us - me->turn_us : 0;

	u->known += !me->known;
	me->known = true;
	me->turn_us = now_us;
	if (u->known < 2 || me->silent < MB_SILENT_CYCLES)
		return MB_ASK;
	if (now_us + step_us <= me->probe_us)
		return MB_PASS;
	if (now_us < u->probe_us || has_senior(u, me, now_us)) {
		me->wanted_us = now_us;
		return MB_PASS;
	}
	me->probe_us = now_us; /* until the outcome is known it is not due again */
	return MB_PROBE;
}

/* When all were silent, the line itself was: then the others are worth a look at once. */
static void look_at_all(struct mb_units *u, int64_t now_us)
{
	for (struct mb_unit *o = u->unit; o < u->unit + MB_UNITS; o++)
		if (o->known && o->silent < MB_SILENT_CYCLES)
			return;
	for (struct mb_unit *o = u->unit; o < u->unit + MB_UNITS; o++)
		o->silent = o->silent ? MB_SILENT_CYCLES - 1 : 0;
	u->probe_us = now_us;
}

void mb_units_answered(struct mb_units *u, uint8_t unit, int64_t now_us)
{
	if (u->unit[unit].silent >= MB_SILENT_CYCLES)
		look_at_all(u, now_us);
	u->unit[unit].silent = 0;
}

void mb_units_silent(struct mb_units *u, uint8_t unit, unsigned reason, int64_t now_us,
		     int64_t cost_us, int64_t timeout_us)
{
	struct mb_unit *me = &u->unit[unit];
	unsigned doublings = at_most(me->silent, DOUBLINGS_MAX) & 0xff;
	/* The period counts from probe to probe, not from the end of one. */
	int64_t period_us = u->period_us - at_most(cost_us, u->period_us);

	me->reason = (uint8_t)reason;
	me->silent++;
	me->wanted_us = 0;
	me->probe_us = now_us + at_most(timeout_us << doublings, period_us);
	if (me->silent > MB_SILENT_CYCLES)
		u->probe_us = now_us + cost_us * (MB_PROBE_SHARE - 1);
}

unsigned mb_units_reason(const struct mb_units *u, uint8_t unit)
{
	return u->unit[unit].reason;
}

/* ---- late answers ---- */

static bool same(const struct mb_request *a, const struct mb_request *b)
{
	return a->function == b->function && a->address == b->address && a->count == b->count;
}

void mb_units_owes(struct mb_units *u, uint8_t unit, const struct mb_request *r, int64_t sent_us,
		   int64_t now_us)
{
	struct mb_unit *me = &u->unit[unit];

	if (now_us >= me->until_us)
		me->owed = 0;
	me->mixed = me->owed && (me->mixed || !same(r, &me->last));
	if (!me->owed++)
		me->first_us = sent_us;
	me->last = *r;
	me->until_us = now_us + (now_us - sent_us);
}

/* Which of the equal requests this answers nobody knows.  If it is the first one, what is
 * still to come takes as long from its own request; a quarter is for what varies. */
void mb_units_paid(struct mb_units *u, uint8_t unit, int64_t sent_us, int64_t now_us)
{
	struct mb_unit *me = &u->unit[unit];
	int64_t took_us = now_us - me->first_us, until_us = sent_us + took_us + took_us / 4;

	if (!me->owed || now_us >= me->until_us)
		me->owed = 0;
	else if (until_us > me->until_us)
		me->until_us = until_us;
}

bool mb_units_is_late(struct mb_units *u, uint8_t unit, const struct mb_request *asked, int64_t now_us)
{
	struct mb_unit *me = &u->unit[unit];

	if (!me->owed || now_us >= me->until_us)
		return false;
	if (asked && !me->mixed && same(asked, &me->last))
		return false;
	me->owed--;
	return true;
}

int64_t mb_units_hold(const struct mb_units *u, uint8_t unit, const struct mb_request *r)
{
	const struct mb_unit *me = &u->unit[unit];

	if (!me->owed || same(r, &me->last) || (!me->mixed && r->function != me->last.function))
		return 0;
	return me->until_us;
}
