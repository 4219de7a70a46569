/*
 * outlook.h - how long the buffer will last, and what the disk has borne: measured now and then
 * in a running gateway, shown by health and gatewayctl, and said in the log when it gets serious.
 */
#ifndef GW_CORE_OUTLOOK_H
#define GW_CORE_OUTLOOK_H

#include "core/capacity.h"

struct gw_daemon;

struct gw_outlook {
	struct gw_load load;     /* of the configuration in force; set by whoever applies it */
	int64_t horizon_s;       /* an outage that the room left holds; 0: nothing is read */
	int64_t exhausted_in_s;  /* at the pace of now; 0: it is not filling */
	uint64_t written;        /* bytes by this process to disks */
	uint64_t written_day;    /* of them in the last 24 h */
	/* its own: */
	struct gw_meter meter;
	struct gw_filling filling;
	bool over_budget;
};

/* Measure; cheap.  Every few seconds, from the loop. */
void gw_outlook_note(struct gw_daemon *d);

#endif
