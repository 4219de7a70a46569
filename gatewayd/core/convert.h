/*
 * convert.h - from one unit to another of its dimension, exactly.
 *
 * No library in Debian converts UCUM codes without going through binary floating
 * point, so the units of units.c that share a dimension stand here in one table of
 * exact ratios.  A conversion is (value * factor + offset) / divisor over decimals; the
 * divisor is 1 unless the ratio has no end as a decimal (km/h, degrees Fahrenheit).
 * The radian alone is a rounded number, to 16 digits.  Pure functions.
 */
#ifndef GW_CORE_CONVERT_H
#define GW_CORE_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "gatewayd/config.h"

struct gw_conversion {
	struct gw_decimal factor, offset; /* the factor is above 0 */
	uint64_t divisor;
};

/* False: the codes are not of one dimension. */
bool gw_convert(const char *from, const char *to, struct gw_conversion *out);

/*
 * What stands over the divisor: a span (a scale, a deadband) is multiplied by the factor, a
 * level (an offset, a limit) gets the offset too.  False: more digits than a decimal holds.
 */
bool gw_convert_span(const struct gw_conversion *c, struct gw_decimal *d);
bool gw_convert_level(const struct gw_conversion *c, struct gw_decimal *d);
/* A number that is in the unit converted to already: multiplied by the divisor. */
bool gw_convert_over(const struct gw_conversion *c, struct gw_decimal *d);

#endif
