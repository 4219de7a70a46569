/*
 * cycle.h - the inside of one device's cycle: what was put for the due points,
 * and the reading it becomes.  The calls for plugin authors are in
 * gatewayd/plugin.h.
 *
 * One cycle object for each device, used again and again: after the
 * first cycle of a mask nothing is allocated.
 */
#ifndef GW_BASE_CYCLE_H
#define GW_BASE_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/plugin.h"

/* The closed cycle's reading; borrowed, it lies in the scratch. */
typedef void gw_cycle_closed_fn(void *arg, unsigned device, const struct gw_reading *r);

/* scratch: GW_READING_MAX bytes, aligned to 8, shared by all cycles of the
 * process.  Aborts when memory is out. */
struct gw_cycle *gw_cycle_new(unsigned device, void *scratch, gw_cycle_closed_fn *closed,
			      void *arg);
void gw_cycle_free(struct gw_cycle *c); /* NULL is allowed */

/* Before the first cycle: the next point, its declared kind and its group in the schedule. */
void gw_cycle_add_point(struct gw_cycle *c, enum gw_kind kind, unsigned group);
unsigned gw_cycle_points(const struct gw_cycle *c);
enum gw_kind gw_cycle_kind(const struct gw_cycle *c, unsigned point);

/* The points of these groups are due.  Only when the cycle is closed. */
void gw_cycle_open(struct gw_cycle *c, uint32_t mask, int64_t due_us);
bool gw_cycle_is_open(const struct gw_cycle *c);

/* Trailing NUL and blanks cut: the length that is left. */
size_t gw_trimmed(const char *s, size_t n);

#endif
