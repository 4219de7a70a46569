/*
 * recover.h - at a start: what the store and the ring of a former process know becomes the state
 * of this one.  Calls gw_recovered() when done.
 */
#ifndef GW_CORE_RECOVER_H
#define GW_CORE_RECOVER_H

#include "core/apply.h"

void gw_recover(struct gw_apply *a);
/* At a reload too: of devices that come back. */
void gw_recover_gaps(struct gw_apply *a);
void gw_recovered(struct gw_apply *a, const struct gw_err *err); /* daemon.c */

#endif
