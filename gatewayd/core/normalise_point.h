/*
 * normalise_point.h - the rules of one point: raw value to published value, and
 * whether it moved far enough to be said.  Pure functions over a point that is
 * made once; readings and their order are normalise.c's business.
 */
#ifndef GW_CORE_NORMALISE_POINT_H
#define GW_CORE_NORMALISE_POINT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/normalise.h"
#include "core/normalise_number.h"

enum gw_rule {
	GW_RULE_BOOL,  /* as it is */
	GW_RULE_WHOLE, /* integer stays an exact integer */
	GW_RULE_FIXED, /* integer to double */
	GW_RULE_FLOAT, /* float to float, double to double */
	GW_RULE_LABEL, /* enumeration */
	GW_RULE_TEXT,
};

/* A value on its way through the rules. */
struct gw_cell {
	uint64_t slot;
	uint8_t kind, reason;
};

/* In the order in which a value needs them: the first cache line is enough for most. */
struct gw_point_rules {
	uint8_t kind; /* enum gw_kind of the raw value; GW_NONE: nothing is acceptable */
	uint8_t rule; /* enum gw_rule */
	uint8_t precision; /* enum gw_precision */
	bool has_min, has_max, has_deadband;
	double min, max; /* of numbers, in the precision of the point */
	struct gw_line line;
	gw_i128 whole_min, whole_max;
	double deadband;
	uint64_t steps; /* deadband of integers: raw values that are so far apart differ enough */
	struct gw_label *labels;
	unsigned nlabels;
};

/* 0, or -1 when there is no memory. */
int gw_point_rules_make(struct gw_point_rules *p, const struct gw_point_spec *spec);
void gw_point_rules_free(struct gw_point_rules *p);

/* In: raw.  Out: as published; a text stays as it is. */
void gw_point_convert(const struct gw_point_rules *p, struct gw_cell *c);

/*
 * What the deadband looks at: the raw value of an integer, so that no rounding
 * comes in, else the published one.  A text is compared by the caller's hash.
 */
uint64_t gw_point_basis(const struct gw_point_rules *p, uint64_t raw, uint64_t published);
/* Is `now` a change of at least the deadband against `sent`, both bases? */
bool gw_point_moved(const struct gw_point_rules *p, uint64_t sent, uint64_t now);

#endif
