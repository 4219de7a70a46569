/*
 * setpoint.h - a value as a person writes it, in the unit of the directory, to the raw value that
 * a device must be sent: the way of normalise.h backwards, and as exact.  Pure.
 *
 * Numbers are compared with min and max as decimals, then raw = (value * divisor - offset) / scale must be
 * whole for an integer point: a value between two steps of the device is refused with both.
 * Float points take the nearest float.  An enumeration takes its labels, a bool true or false.
 */
#ifndef GW_CORE_SETPOINT_H
#define GW_CORE_SETPOINT_H

#include "core/normalise.h"

/*
 * `n` is the normaliser made of specs among which `spec` is number `point`.  A text is borrowed from
 * `text`.  -1 with GW_EINPUT: why not, and what is allowed.
 */
int gw_setpoint(const struct gw_normaliser *n, unsigned point, const struct gw_point_spec *spec,
		const char *text, struct gw_value *raw, struct gw_err *err);

/* A published value for people: "42.5", "auto", "true"; cut to size.  Returns buf. */
const char *gw_value_words(const struct gw_normaliser *n, unsigned point, const struct gw_value *v, char *buf,
			   size_t size);

#endif
