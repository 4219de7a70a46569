/*
 * timekeeper.h - binds core/clock.h to the daemon: asks the kernel, stamps readings when they come
 * in and when they go out, keeps on disk what a later process must know, and hands corrections
 * to the sinks.
 *
 * The core alone gives readings their time: a source says only when, since the boot, its device
 * answered.  So a step of the clock cannot come between a time and the mark that belongs to it.
 *
 * Kept in the table `state`: owner "clock" with "correction/ID", "stretch" and "done/SINK";
 * owner "told/SINK" with the ranges of each device that the sink was told without a trusted time.
 */
#ifndef GW_CORE_TIMEKEEPER_H
#define GW_CORE_TIMEKEEPER_H

#include "core/clock.h"
#include "core/daemon.h"

void gw_timekeeper_begin(struct gw_daemon *d); /* once the number of the boot is known */
void gw_timekeeper_second(struct gw_daemon *d);
bool gw_timekeeper_trusts(const struct gw_daemon *d); /* false also before begin */

/* The state was read: corrections, what sinks were told and have. */
void gw_timekeeper_restore(struct gw_daemon *d);
/* The ring was walked; `lost`: it, or some of it, was not there, and with it what sinks were told last. */
void gw_timekeeper_recovered(struct gw_daemon *d, bool lost);
void gw_timekeeper_new_sink(struct gw_daemon *d, struct gw_sink *s); /* it gets corrections from now on */

/* A reading comes in: ts and flag from its mono_ms.  Allocates nothing. */
void gw_timekeeper_stamp(struct gw_daemon *d, struct gw_reading *r);
/* One comes back from the ring: no commit may know yet that it was made without trust. */
void gw_timekeeper_found(struct gw_daemon *d, const struct gw_reading *r);
/* Its true time where that is known by now, else what it was stamped with. */
int64_t gw_timekeeper_ts_ms(const struct gw_daemon *d, const struct gw_reading *r);
/* The same, and 0 where it is not known: a loss says no time rather than a wrong one. */
int64_t gw_timekeeper_known_ms(const struct gw_daemon *d, const struct gw_reading *r);
/*
 * The readings as they go to the sink, in `out`: those whose true time is known and that it was
 * never told otherwise are copies, valid until the next call.  Of the others it is noted on the ring,
 * ahead of sending, that they went; the sink hears of their boot.  False: none may go now, for a commit
 * decides on the time of one of them, or has to make room for the note; sinks are pumped when it ends.
 */
bool gw_timekeeper_send(struct gw_sink *s, const struct gw_reading *const *r, size_t n,
			const struct gw_reading **out);
/* The same for a window, which goes with its own times for ever when it went with them once.  NULL: not now. */
const struct gw_window *gw_timekeeper_send_window(struct gw_sink *s, const struct gw_window *w);
/* Deliver's hands: see core/deliver.h. */
int gw_timekeeper_correction(struct gw_sink *s, uint64_t id);
void gw_timekeeper_corrected(struct gw_sink *s, uint64_t id);

void gw_timekeeper_commit_begins(struct gw_daemon *d); /* before the state is gathered */
void gw_timekeeper_committed(struct gw_daemon *d, bool done);

#endif
