/*
 * fold.h - readings of one device folded to a window (gatewayd/window.h), and windows
 * joined to a longer one.  Pure: times are those of the readings.
 *
 * Joining the windows of two halves gives what folding all their readings gives (means
 * but for rounding).  A fold holds one window at a time; it grows to the largest it has
 * seen and allocates nothing after that but what gw_fold_take() hands out.
 */
#ifndef GW_CORE_FOLD_H
#define GW_CORE_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "gatewayd/window.h"

enum { GW_MINUTE_MS = 60 * 1000, GW_TEN_MINUTES_MS = 10 * GW_MINUTE_MS };

struct gw_fold;

struct gw_fold *gw_fold_new(uint32_t window_ms); /* aborts when memory is out */
void gw_fold_free(struct gw_fold *f);            /* NULL is allowed */

/*
 * Adds a reading or a window (both already checked) to what is there.  False: it does not
 * continue it (another slot of time, layout, boot or trust in the clock, a number between
 * them, a kind that changed): take the window first.  An empty fold takes anything.
 */
bool gw_fold_add(struct gw_fold *f, const struct gw_reading *r);
bool gw_fold_join(struct gw_fold *f, const struct gw_window *w);

/* The window, with its CRC; the caller frees it, and the fold is empty.  NULL: it was empty.
 * What has no room in GW_WINDOW_MAX bytes is left out: texts first, then reasons. */
struct gw_window *gw_fold_take(struct gw_fold *f);

void gw_fold_clear(struct gw_fold *f); /* empty again */

#endif
