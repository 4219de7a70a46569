/*
 * held.h - readings that the link has no room for: the newest of each device, until there is.
 *
 * A source never waits for the core: a reading that finds one of its device here takes its place,
 * and the one before is lost to the count of drops.  One thread, never blocks; memory grows to the
 * largest reading of each device.
 */
#ifndef GW_BASE_HELD_H
#define GW_BASE_HELD_H

#include "base/outbox.h"
#include "gatewayd/reading.h"

struct gw_held;

struct gw_held *gw_held_new(size_t devices); /* aborts when memory is out */

/* Sends r, behind all that is held, or holds a copy.  False: one of `device` was dropped for it. */
bool gw_held_send(struct gw_held *h, struct gw_outbox *o, size_t device, const struct gw_reading *r);
/* To these NULL is one that holds nothing. */
void gw_held_flush(struct gw_held *h, struct gw_outbox *o); /* as far as the link takes them */
bool gw_held_any(const struct gw_held *h);
void gw_held_free(struct gw_held *h);

#endif
