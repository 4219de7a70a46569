/*
 * plan.h - the fewest requests that read a set of points.  Pure: points and
 * limits in, a plan out; the caller keeps it as long as the set stays the same.
 * Points of one table that touch, overlap or lie at most `max_gap` apart share a
 * request as far as the limit goes; a point is never divided.
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
};

struct mb_place {
	uint16_t point, offset; /* registers or bits from the start of the answer */
};

struct mb_request {
	uint8_t function;
	uint16_t address, count;
	uint16_t first, places; /* its places in the plan */
};

struct mb_plan {
	struct mb_request *requests;
	struct mb_place *places;
	unsigned nrequests, nplaces;
};

/* Of spans[due[0..n)]; the plan belongs to the arena. */
const struct mb_plan *mb_plan_make(struct gw_arena *arena, const struct mb_span *spans,
				   const uint16_t *due, unsigned n, const struct mb_limits *limits);

/* For one point alone. */
struct mb_request mb_plan_single(const struct mb_span *span);

#endif
