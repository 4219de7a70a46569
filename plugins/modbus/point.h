/*
 * point.h - from the keys of a point to where it lies and how it is decoded;
 * checks what the tables of keys.h cannot express.  Pure.
 */
#ifndef MODBUS_POINT_H
#define MODBUS_POINT_H

#include "plugins/modbus/decode.h"
#include "plugins/modbus/plan.h"

struct mb_point {
	struct mb_span span;
	struct mb_form form;
};

/*
 * Every problem is reported at the key it lies in; `path` is the key path of the
 * point.  *out is usable (a u16 at 0) even then.
 */
void mb_point_read(const struct mb_point_keys *keys, const struct gw_node *node, const char *path,
		   const struct mb_limits *limits, struct mb_point *out, struct gw_problems *to);

#endif
