/*
 * number.h - numbers as text, for telemetry: the hot path of every sink.
 *
 * Shortest decimal that reads back to the same value of its type (correctly
 * rounded reading, IEEE 754), whole numbers without a point, minus zero as
 * "-0.0", exponent form only beyond 1e21 and below 1e-7.  The values the field
 * sends (few decimals) take tens of nanoseconds.
 */
#ifndef GW_BASE_NUMBER_H
#define GW_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

enum { GW_NUMBER_MAX = 40 };

/* Each writes at most GW_NUMBER_MAX bytes, no NUL, and returns how many.
 * d must be finite. */
size_t gw_put_u64(char *out, uint64_t v);
size_t gw_put_i64(char *out, int64_t v);
size_t gw_put_f64(char *out, double d);
size_t gw_put_f32(char *out, float f);

#endif
