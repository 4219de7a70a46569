/*
 * units.h - what a line knows of each unit on it: whether it is worth asking,
 * and what it may still answer.  Pure: the time is a parameter, nothing is
 * shared between lines.
 *
 * Back-off: a unit that was silent in MB_SILENT_CYCLES cycles in a row is passed
 * by and probed, at first after twice its timeout, then ever more rarely, up to
 * the probe period: in its last cycle that is not too late.  All probes of a line together take at most one part in
 * MB_PROBE_SHARE of its time, whoever waits longest first.  A line with one unit
 * only has nobody to protect and asks on.
 *
 * Late answers: frames of a serial line bear no number.  After a timeout a unit
 * is asked nothing with the same function, but the same again, until what it
 * owes must have come.
 */
#ifndef MODBUS_UNITS_H
#define MODBUS_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "plugins/modbus/plan.h"

enum { MB_SILENT_CYCLES = 2, MB_PROBE_SHARE = 25, MB_UNITS = 256 };

struct mb_unit {
	bool known;
	uint8_t reason;   /* of the last silence */
	unsigned silent;  /* cycles in a row */
	int64_t probe_us; /* when it is to be probed at the latest, from the second silent cycle on */
	int64_t turn_us;  /* of its last cycle, asked or not */
	int64_t wanted_us; /* when a probe was due and had to wait, 0: never */

	unsigned owed; /* requests that may still be answered */
	bool mixed;    /* they were not all the same */
	struct mb_request last;
	int64_t first_us, until_us; /* first was sent; no answer comes after */
};

struct mb_units {
	struct mb_unit unit[MB_UNITS];
	unsigned known;
	int64_t period_us; /* longest time between two probes of a unit */
	int64_t probe_us;  /* before it no probe goes, whichever unit's */
};

/* ---- back-off ---- */

enum mb_turn { MB_ASK, MB_PROBE, MB_PASS };

/* What to do with a unit's cycle now; PROBE counts as done. */
enum mb_turn mb_units_turn(struct mb_units *u, uint8_t unit, int64_t now_us);
/* The unit answered: whatever it was, it is asked again. */
void mb_units_answered(struct mb_units *u, uint8_t unit, int64_t now_us);
/* A whole cycle of it was silent; that took cost_us of the line, its timeout is timeout_us. */
void mb_units_silent(struct mb_units *u, uint8_t unit, unsigned reason, int64_t now_us,
		     int64_t cost_us, int64_t timeout_us);
/* What a cycle that is passed by ends with. */
unsigned mb_units_reason(const struct mb_units *u, uint8_t unit);

/* ---- late answers ---- */

/* A request sent at sent_us got no answer by its deadline. */
void mb_units_owes(struct mb_units *u, uint8_t unit, const struct mb_request *r, int64_t sent_us,
		   int64_t now_us);
/* An answer of the unit came, to a request sent at sent_us: good for that one. */
void mb_units_paid(struct mb_units *u, uint8_t unit, int64_t sent_us, int64_t now_us);
/* A frame of the unit that is no answer to what it is asked (NULL: nothing, or another unit is):
 * is it what it owed?  What answers the same request again would have answered this one. */
bool mb_units_is_late(struct mb_units *u, uint8_t unit, const struct mb_request *asked, int64_t now_us);
/* From when on the unit may be asked this; 0: at once. */
int64_t mb_units_hold(const struct mb_units *u, uint8_t unit, const struct mb_request *r);

#endif
