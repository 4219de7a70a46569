/*
 * normalise_number.h - (raw * scale + offset) / divisor, correctly rounded.
 *
 * Scale and offset are exact decimals, the divisor is whole (1 but for units such as
 * degrees Fahrenheit), a raw value is an exact integer or binary fraction: the
 * result is the floating-point number nearest to the exact one,
 * ties to even, whatever the magnitudes.  The common case is one multiplication
 * and one division; the rest goes through integers of up to 1,280 bits on the
 * stack.  Pure functions, nothing allocates.
 */
#ifndef GW_CORE_NORMALISE_NUMBER_H
#define GW_CORE_NORMALISE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "gatewayd/config.h"

__extension__ typedef __int128 gw_i128;
__extension__ typedef unsigned __int128 gw_u128;

enum gw_precision { GW_SINGLE, GW_DOUBLE };

/* A straight line over decimals, prepared once; what each value needs comes first. */
struct gw_line {
	int64_t a, b; /* with `quick`: value = (raw * a + b) / ten */
	double ten;   /* a power of ten up to 10^18 times the divisor, exact */
	bool quick;
	bool whole;    /* scale and offset are whole numbers, the divisor is 1 */
	bool identity; /* scale 1, offset 0 */
	struct gw_decimal scale, offset; /* without trailing zeros */
	uint64_t divisor;
};

struct gw_line gw_line_make(struct gw_decimal scale, struct gw_decimal offset);
struct gw_line gw_line_make_over(struct gw_decimal scale, struct gw_decimal offset, uint64_t divisor);

/* The integer (-1)^negative * magnitude through the line, to the nearest double; never overflows. */
double gw_line_integer(const struct gw_line *l, bool negative, uint64_t magnitude);
/* A finite float through the line; +-infinity when the result is beyond the precision's range. */
double gw_line_float(const struct gw_line *l, double raw, enum gw_precision precision);
/* For whole lines: exact.  False: beyond 128 bits. */
bool gw_line_whole(const struct gw_line *l, gw_i128 raw, gw_i128 *out);

/* The decimal itself, or over a divisor, rounded to the precision. */
double gw_decimal_round(struct gw_decimal d, enum gw_precision precision);
double gw_decimal_round_over(struct gw_decimal d, uint64_t divisor, enum gw_precision precision);
/* Smallest whole number not below d, and largest not above it. */
gw_i128 gw_decimal_ceil(struct gw_decimal d);
gw_i128 gw_decimal_floor(struct gw_decimal d);
/* Smallest whole n with n * |step| >= |span|: how far a raw value must move.  UINT64_MAX: never. */
uint64_t gw_decimal_steps(struct gw_decimal span, struct gw_decimal step);

#endif
