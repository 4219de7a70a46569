/*
 * factor.h - which points of a device are derived (derive.h): its counters, and those that are joined
 * with another point, which must be there, fit, and be read in the same cycle.
 */
#ifndef MODBUS_FACTOR_H
#define MODBUS_FACTOR_H

#include "gatewayd/plugin.h"
#include "plugins/modbus/derive.h"
#include "plugins/modbus/point.h"

/* NULL: the device has none.  Every problem is reported at its key. */
struct mb_derive *mb_derive_of(struct gw_arena *arena, const struct gw_device_config *c,
			       const struct mb_point *points, struct gw_problems *to);

#endif
