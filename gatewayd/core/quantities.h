/*
 * quantities.h - the vocabulary of what is measured: each quantity has one unit that is
 * published whatever the device speaks, a symbol for people, and the range that is plausible.
 *
 * The words stand in quantities.yaml beside the profiles.  A table is read once for a
 * configuration and lives in its arena; gw_published_make() works out what becomes of a
 * point that names a quantity.
 */
#ifndef GW_CORE_QUANTITIES_H
#define GW_CORE_QUANTITIES_H

#include "base/keys.h"
#include "gatewayd/config.h"

struct gw_quantity {
	struct gw_item item;
	const char *unit, *symbol, *domain, *meaning; /* symbol: never NULL */
	struct gw_decimal min, max;
	bool has_min, has_max;
};

struct gw_quantities {
	struct gw_list list; /* struct gw_quantity */
};

extern const struct gw_table gw_quantities_table;

/* NULL when the file cannot be used: the problems say why. */
const struct gw_quantities *gw_quantities_read(struct gw_arena *a, const char *file,
					       struct gw_problems *to);
/* NULL: not in the vocabulary; *near is then the nearest word, or NULL. */
const struct gw_quantity *gw_quantity_find(const struct gw_quantities *q, const char *name,
					   const char **near);

/*
 * How a point is published: all five decimals are meant over `divisor`, as in struct
 * gw_point_spec.  published = (raw * scale + offset) / divisor.
 */
struct gw_published {
	const char *unit, *symbol;
	struct gw_decimal scale, offset, min, max, deadband;
	bool has_min, has_max;
	uint64_t divisor;
};

/*
 * The point's scale, offset and limits in the unit of its quantity; limits that the point does
 * not have are the quantity's.  -1: *key is the key at fault and *err says what is wrong with it.
 */
int gw_published_make(const struct gw_point_keys *k, const struct gw_quantity *q,
		      struct gw_published *out, const char **key, struct gw_err *err);

#endif
