/*
 * layouts.h - the layouts a sink was given: assembled from LAYOUT and
 * LAYOUT_POINT messages, kept as long as the process lives, since readings of
 * the backlog refer to old ones.
 */
#ifndef GW_BASE_LAYOUTS_H
#define GW_BASE_LAYOUTS_H

#include "base/link.h"
#include "gatewayd/config.h"
#include "gatewayd/plugin.h"

struct gw_layouts;

struct gw_layouts *gw_layouts_new(struct gw_arena *arena); /* aborts when memory is out */
void gw_layouts_free(struct gw_layouts *ls); /* the layouts are the arena's; NULL is allowed */

/* Both return 1 with *done when a layout is complete, 0 when points are missing,
 * or -1 with GW_EPROTO.  A complete current layout takes the place of
 * the former one of its device, which stays known. */
int gw_layouts_begin(struct gw_layouts *ls, const struct gw_msg_layout *m, struct gw_layout **done,
		     struct gw_err *err);
int gw_layouts_point(struct gw_layouts *ls, const struct gw_msg_layout_point *m,
		     struct gw_layout **done, struct gw_err *err);

const struct gw_layout *gw_layouts_find(const struct gw_layouts *ls, uint32_t number); /* or NULL */
/* The present layout of a device, or the last one it had; NULL: the device is not known. */
const struct gw_layout *gw_layouts_of(const struct gw_layouts *ls, unsigned device);
void gw_layouts_gone(struct gw_layouts *ls, const char *device_name); /* none is current any more */

#endif
