/*
 * plan.h - the fewest requests that read a set of points.  Pure: points and
 * limits in, a plan out; the caller keeps it as long as the set stays the same.
 * Points of one table that touch, overlap or lie at most `max_gap` apart share a
 * request as far as the limit goes; a point is never divided.  What was learned
 * of the device (learn.h) is obeyed: points in holes are left out of the requests.
 */
#ifndef MODBUS_PLAN_H
#define MODBUS_PLAN_H

#include <stdint.h>

#include "plugins/modbus/keys.h"

/* Where a point lies in the device. */
struct mb_span {
	enum mb_table table;
	uint16_t address, width; /* registers or bits; at least 1, at most the limit */
};

struct mb_limits {
	unsigned max_registers, max_bits, max_gap;
	bool bits_from_zero; /* a request for bits begins at address 0 */
};

/* What else a request may not do. */
struct mb_rules {
	const int64_t *barriers; /* addresses a request may begin with, but not reach across */
	size_t nbarriers;
	bool exact;       /* one span a request, as given */
	bool first_alone; /* the first request reads one span only */
	const struct mb_learned *learned; /* NULL: nothing */
};

struct mb_place {
	uint16_t point, offset; /* registers or bits from the start of the answer */
};

struct mb_request {
	uint8_t function;
	uint16_t address, count;
	uint16_t first, places; /* its places in the plan */
	const uint8_t *data;    /* of a write that has some (frame.h) */
	uint8_t size;
};

struct mb_plan {
	struct mb_request *requests;
	struct mb_place *places;
	unsigned nrequests, nplaces;
	/* Points in known holes, not asked for, and why they have no value. */
	struct mb_skip {
		uint16_t point;
		uint8_t reason;
	} *skips;
	unsigned nskips;
};

/* An empty plan with room for n points; it belongs to the arena. */
struct mb_plan *mb_plan_new(struct gw_arena *arena, unsigned n);
/* What there is to read: spans[due[0..n)] under the limits and rules (NULL: none). */
struct mb_wish {
	const struct mb_span *spans;
	const uint16_t *due;
	unsigned n;
	const struct mb_limits *limits;
	const struct mb_rules *rules;
};
/* Fill a plan with room for at least w->n points; what it held is forgotten.  When all of
 * them lie in holes the first is asked for all the same: somebody must notice a dead device. */
void mb_plan_fill(struct mb_plan *plan, const struct mb_wish *w);

/* Both, without rules. */
const struct mb_plan *mb_plan_make(struct gw_arena *arena, const struct mb_span *spans,
				   const uint16_t *due, unsigned n, const struct mb_limits *limits);

uint8_t mb_read_function(enum mb_table table);

/* For one point alone. */
struct mb_request mb_plan_single(const struct mb_span *span);

#endif
