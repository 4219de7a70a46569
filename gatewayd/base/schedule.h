/*
 * schedule.h - when which points of which device are due.  Data in, data out:
 * the time is a parameter (CLOCK_BOOTTIME, microseconds), nothing waits here.
 *
 * The points of a device fall into groups, one for each interval.  A group's
 * ticks are epoch + n * interval, so nothing drifts.  Everything is due at the
 * first tick, which lies within a second of the start, so that a point read once
 * an hour has a value early.  A tick that finds the device busy, or that
 * comes too late (suspend, a callback that blocked), is an overrun; its points
 * stay due and are taken with the next tick.  Nothing piles up.
 *
 * A call of gw_schedule_due() is a walk over the devices: 1 us for 1,000.
 */
#ifndef GW_BASE_SCHEDULE_H
#define GW_BASE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GW_GROUPS_MAX = 32 }; /* intervals of a device: the bits of a cycle mask */

struct gw_schedule;

struct gw_schedule *gw_schedule_new(size_t devices); /* aborts when memory is out */
void gw_schedule_free(struct gw_schedule *s);	     /* NULL is allowed */

/* Before the start: the group (0 to 31) of this interval, or -1 when the device has 32 others. */
int gw_schedule_group(struct gw_schedule *s, size_t device, int64_t interval_us);
void gw_schedule_start(struct gw_schedule *s, int64_t epoch_us, int64_t now_us);

struct gw_due {
	size_t device;
	uint32_t mask;	/* groups that are due */
	int64_t due_us; /* the tick */
};
/*
 * The next device that is due at now_us, which is busy from then on; false:
 * none is.  To be called until it says so.
 */
bool gw_schedule_due(struct gw_schedule *s, int64_t now_us, struct gw_due *out);
void gw_schedule_finished(struct gw_schedule *s, size_t device); /* its cycle is closed */
/* The next tick of any device, busy ones too; INT64_MAX: there is none. */
int64_t gw_schedule_next_us(const struct gw_schedule *s);

uint64_t gw_schedule_overruns(const struct gw_schedule *s, size_t device);
size_t gw_schedule_busy(const struct gw_schedule *s); /* devices with an open cycle */

#endif
