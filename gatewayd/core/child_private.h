/*
 * child_private.h - between child.c (process, states) and child_link.c (talk, log).
 */
#ifndef GW_CORE_CHILD_PRIVATE_H
#define GW_CORE_CHILD_PRIVATE_H

#include "base/log.h"
#include "core/child.h"

struct gw_child {
	struct gw_child_options o;
	struct gw_child_status status;
	unsigned failures; /* in a row */
	int64_t running_since_us, epoch_us;
	bool go, ready;

	struct gw_watch *child_watch, *timer, *heartbeat;
	int link, log;
	struct gw_watch *link_watch, *log_watch;
	bool greeted, hung_up; /* hung up: its end of the link closed, its process has not ended yet */
	struct gw_described *described;
	uint32_t ping, pong;

	uint64_t stream_at; /* next byte of the instance's stream; UINT64_MAX: not being sent */
	char *queue;        /* control messages that wait: u32 size, message */
	size_t queue_size, queue_at, queue_capacity;
	bool full; /* waiting for room on the link */

	char line[1024]; /* of its log, until a line feed */
	size_t line_size;
	bool line_cut;
	struct gw_log_limit limit;
};

static inline const char *gw_child_kind(const struct gw_child *c)
{
	return c->o.instance->sink ? "sink" : "source";
}

void gw_child_link_open(struct gw_child *c, int link, int log);
void gw_child_link_close(struct gw_child *c);
void gw_child_link_drain(struct gw_child *c); /* read what it left behind */
void gw_child_heartbeat(struct gw_child *c, bool on);
void gw_child_on_heartbeat(void *arg);

void gw_child_fault(struct gw_child *c, const char *why);
void gw_child_is_ready(struct gw_child *c, unsigned problems);

#endif
