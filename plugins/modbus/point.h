/*
 * point.h - from the keys of a point to where it lies and how it is decoded;
 * checks what the tables of keys.h cannot express.  Pure.
 */
#ifndef MODBUS_POINT_H
#define MODBUS_POINT_H

#include "plugins/modbus/decode.h"
#include "plugins/modbus/derive.h"
#include "plugins/modbus/novalue.h"
#include "plugins/modbus/plan.h"

struct mb_point {
	struct mb_span span;
	struct mb_form form; /* without `none`: mb_point_form() */
	struct mb_none none[MB_NO_VALUES_MAX];
	unsigned nnone;
	unsigned counter_bits;   /* 0: no counter */
	enum mb_joined joined;   /* with another point */
	const char *other;       /* its name */
	uint8_t write_function;  /* 0: not writable */
};

/* The key that says so: "scale_from" and the like; not of MB_ALONE. */
const char *mb_joined_key(enum mb_joined how);

/* The form with a copy of its special values that belongs to the arena. */
struct mb_form mb_point_form(const struct mb_point *p, struct gw_arena *arena);

/* What is published of it: a counter's total is a u64, a scaled value a double. */
enum gw_kind mb_point_kind(const struct mb_point *p);
unsigned mb_point_bits(const struct mb_point *p);

/*
 * Every problem is reported at the key it lies in; `path` is the key path of the
 * point.  *out is usable (a u16 at 0) even then.
 */
void mb_point_read(const struct mb_point_keys *keys, const struct gw_node *node, const char *path,
		   const struct mb_limits *limits, struct mb_point *out, struct gw_problems *to);

#endif
