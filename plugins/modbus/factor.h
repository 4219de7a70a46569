/*
 * factor.h - which points of a device are derived (derive.h): its counters, and for `scale_from`
 * the point that holds the power of ten.
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
