/*
 * again.h - stored readings once more: by number or by time, for gatewayctl and for sinks.
 *
 * Walks the store in slices (a full buffer of 1 GiB takes its disk's time, nobody waits for it),
 * takes note of what it finds of the device, and makes that due again.  What was not
 * committed yet is found as well.  See gw_deliver_again() for what follows.
 */
#ifndef GW_CORE_AGAIN_H
#define GW_CORE_AGAIN_H

#include "core/daemon.h"

enum { GW_WALKS_MAX = 8 }; /* at a time */

struct gw_again_end {
	const char *wrong;	/* NULL: done */
	uint64_t readings;	/* found */
	uint64_t first, last;	/* the lowest and the highest of them */
	uint16_t sink;		/* as in the order, like `number` */
	uint32_t number;
};

struct gw_again_order {
	const struct gw_device *device;
	uint16_t sink;		/* the store's number; 0: every sink */
	bool by_time;		/* from and to are milliseconds UTC, else numbers; both included */
	int64_t from, to;
	uint32_t number;	/* the caller's own */
	void (*done)(void *arg, const struct gw_again_end *end); /* once, later */
	void *arg;
};

/* -1 with *err: refused, and `done` is not called. */
int gw_again_begin(struct gw_daemon *d, const struct gw_again_order *o, struct gw_err *err);

/* What sinks are still waiting for is kept with their due sets, in the table `state`, owner "again/SINK":
 * before the state is gathered for a commit; and at a start, when due sets and state were read. */
void gw_again_commit_begins(struct gw_daemon *d);
void gw_again_restore(struct gw_daemon *d);

/* A sink asks for it (message `again`); it is answered with `again_done`. */
void gw_again_asked(struct gw_sink *s, const struct gw_msg_again *m);

#endif
