/*
 * aggregate.h - minimum, maximum and mean of one point of a window (gatewayd/window.h): integers are
 * compared exactly, a mean is weighted by time.  Pure; the owner keeps last, last_ms and n.
 */
#ifndef GW_CORE_AGGREGATE_H
#define GW_CORE_AGGREGATE_H

#include "gatewayd/window.h"

/* What may follow what in one window. */
enum gw_family { GW_FAMILY_NOTHING, GW_FAMILY_INTEGER, GW_FAMILY_REAL, GW_FAMILY_WORD };

enum gw_family gw_family_of(unsigned kind);

/* A number (integer or real, of the family of those before): into minimum and maximum. */
void gw_aggregate_number(struct gw_window_point *p, unsigned kind, uint64_t slot);
/* Minimum, maximum and mean of another point that has numbers. */
void gw_aggregate_join(struct gw_window_point *p, const struct gw_window_point *other);
/* The last value, a number, held from last_ms to at_ms: into the mean. */
void gw_aggregate_held(struct gw_window_point *p, uint32_t at_ms);

#endif
