/*
 * readings.h - every way to read registers as a number, for the tool `probe`:
 * all types, all orders; and which of them gives an expected value.  Pure.
 */
#ifndef MODBUS_READINGS_H
#define MODBUS_READINGS_H

#include "plugins/modbus/decode.h"

enum { MB_NUMBER_MAX = 40 };

/* One way: a type in an order at an offset in the registers. */
struct mb_way {
	const char *type; /* as the configuration calls it */
	unsigned offset, width;
	bool word_little, byte_little;
};

/* Types of that width (1, 2 or 4 registers), NULL at the end. */
const char *const *mb_way_types(unsigned width);

/* false: the bytes are no number of that type (a BCD digit above 9). */
bool mb_way_value(const struct mb_way *w, const uint8_t *data, double *out);
/* The same as text, exact; "-" when it is none. */
const char *mb_way_text(const struct mb_way *w, const uint8_t *data, char buf[MB_NUMBER_MAX]);

/* A way that gives about the expected value. */
struct mb_match {
	struct mb_way way;
	unsigned scale; /* into mb_scales */
	double value;   /* scaled */
	unsigned rank;  /* 0: within the digits of what was expected; 1: within 1 %, 2: within 5 % */
};
extern const char *const mb_scales[]; /* "1", "0.1", ..., NULL at the end */

/*
 * The best matches for `expect` ("230.1") first, at most `room` of them; returns the number.
 * What tells them apart when several fit: the beginning of the registers, all of them, no
 * scale, the plainer type and order.
 */
unsigned mb_ways_rank(const uint8_t *data, unsigned registers, const char *expect,
		      struct mb_match *out, unsigned room);

#endif
