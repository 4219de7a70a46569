/*
 * supervise.c - the life of a plugin process as one table (see supervise.h).
 *
 * The table has no memory beyond the state, so "wanted" is in the state: what
 * ends in STOPPING stays down, what ends in ENDING or KILLED waits out its back-off,
 * what ends in RESTARTING starts at once.  A signal that changes the wish while a
 * process is still ending only moves between these three.
 */
#include "core/supervise.h"

#include <assert.h>

#define STEP(state, act) { GW_LIFE_##state, GW_ACT_##act }

static const struct gw_life_step steps[GW_LIVES][GW_LIFE_EVENTS] = {
	[GW_LIFE_DOWN] = {
		[GW_EV_START]   = STEP(STARTING, SPAWN),
		[GW_EV_STOP]    = STEP(DOWN, NONE),
		[GW_EV_RESTART] = STEP(DOWN, NONE), /* nobody wants it */
		[GW_EV_READY]   = STEP(DOWN, NONE),
		[GW_EV_FAULT]   = STEP(DOWN, NONE),
		[GW_EV_EXIT]    = STEP(DOWN, NONE),
		[GW_EV_TIMER]   = STEP(DOWN, NONE),
	},
	[GW_LIFE_STARTING] = {
		[GW_EV_START]   = STEP(STARTING, NONE),
		[GW_EV_STOP]    = STEP(STOPPING, STOP),
		[GW_EV_RESTART] = STEP(RESTARTING, STOP),
		[GW_EV_READY]   = STEP(RUNNING, RUN),
		[GW_EV_FAULT]   = STEP(ENDING, TERM),
		[GW_EV_EXIT]    = STEP(BACKOFF, BACKOFF),
		[GW_EV_TIMER]   = STEP(ENDING, TERM), /* did not become ready in time */
	},
	[GW_LIFE_RUNNING] = {
		[GW_EV_START]   = STEP(RUNNING, NONE),
		[GW_EV_STOP]    = STEP(STOPPING, STOP),
		[GW_EV_RESTART] = STEP(RESTARTING, STOP),
		[GW_EV_READY]   = STEP(RUNNING, NONE),
		[GW_EV_FAULT]   = STEP(ENDING, TERM),
		[GW_EV_EXIT]    = STEP(BACKOFF, BACKOFF),
		[GW_EV_TIMER]   = STEP(ENDING, TERM), /* missed its heartbeat */
	},
	[GW_LIFE_STOPPING] = {
		[GW_EV_START]   = STEP(RESTARTING, NONE),
		[GW_EV_STOP]    = STEP(STOPPING, NONE),
		[GW_EV_RESTART] = STEP(STOPPING, NONE), /* nobody wants it */
		[GW_EV_READY]   = STEP(STOPPING, NONE),
		[GW_EV_FAULT]   = STEP(STOPPING, NONE), /* it closes its link: as told */
		[GW_EV_EXIT]    = STEP(DOWN, FORGET),
		[GW_EV_TIMER]   = STEP(STOPPING, KILL),
	},
	[GW_LIFE_ENDING] = {
		[GW_EV_START]   = STEP(ENDING, NONE),
		[GW_EV_STOP]    = STEP(STOPPING, NONE),
		[GW_EV_RESTART] = STEP(RESTARTING, NONE),
		[GW_EV_READY]   = STEP(ENDING, NONE),
		[GW_EV_FAULT]   = STEP(ENDING, NONE),
		[GW_EV_EXIT]    = STEP(BACKOFF, BACKOFF),
		[GW_EV_TIMER]   = STEP(KILLED, KILL),
	},
	[GW_LIFE_KILLED] = {
		[GW_EV_START]   = STEP(KILLED, NONE),
		[GW_EV_STOP]    = STEP(STOPPING, NONE),
		[GW_EV_RESTART] = STEP(RESTARTING, NONE),
		[GW_EV_READY]   = STEP(KILLED, NONE),
		[GW_EV_FAULT]   = STEP(KILLED, NONE),
		[GW_EV_EXIT]    = STEP(BACKOFF, BACKOFF),
		[GW_EV_TIMER]   = STEP(KILLED, NONE), /* the kernel ends it when it can */
	},
	[GW_LIFE_BACKOFF] = {
		[GW_EV_START]   = STEP(BACKOFF, NONE),
		[GW_EV_STOP]    = STEP(DOWN, FORGET),
		[GW_EV_RESTART] = STEP(STARTING, SPAWN),
		[GW_EV_READY]   = STEP(BACKOFF, NONE),
		[GW_EV_FAULT]   = STEP(BACKOFF, NONE),
		[GW_EV_EXIT]    = STEP(BACKOFF, NONE),
		[GW_EV_TIMER]   = STEP(STARTING, SPAWN),
	},
	[GW_LIFE_FAILED] = {
		[GW_EV_START]   = STEP(FAILED, NONE),
		[GW_EV_STOP]    = STEP(DOWN, FORGET),
		[GW_EV_RESTART] = STEP(STARTING, SPAWN),
		[GW_EV_READY]   = STEP(FAILED, NONE),
		[GW_EV_FAULT]   = STEP(FAILED, NONE),
		[GW_EV_EXIT]    = STEP(FAILED, NONE),
		[GW_EV_TIMER]   = STEP(STARTING, SPAWN),
	},
	[GW_LIFE_RESTARTING] = {
		[GW_EV_START]   = STEP(RESTARTING, NONE),
		[GW_EV_STOP]    = STEP(STOPPING, NONE),
		[GW_EV_RESTART] = STEP(RESTARTING, NONE),
		[GW_EV_READY]   = STEP(RESTARTING, NONE),
		[GW_EV_FAULT]   = STEP(RESTARTING, NONE),
		[GW_EV_EXIT]    = STEP(STARTING, SPAWN),
		[GW_EV_TIMER]   = STEP(RESTARTING, KILL),
	},
};

struct gw_life_step gw_life_next(enum gw_life state, enum gw_life_event event, unsigned failures)
{
	struct gw_life_step step;

	assert(state > GW_LIFE_INVALID && state < GW_LIVES && event < GW_LIFE_EVENTS);
	step = steps[state][event];
	if (step.act == GW_ACT_BACKOFF && failures >= GW_FAILED_AFTER)
		step.next = GW_LIFE_FAILED;
	return step;
}

const char *gw_life_name(enum gw_life state)
{
	static const char *const names[GW_LIVES] = {
		[GW_LIFE_INVALID] = "invalid",   [GW_LIFE_DOWN] = "down",
		[GW_LIFE_STARTING] = "starting", [GW_LIFE_RUNNING] = "running",
		[GW_LIFE_STOPPING] = "stopping", [GW_LIFE_ENDING] = "backoff",
		[GW_LIFE_KILLED] = "backoff",    [GW_LIFE_BACKOFF] = "backoff",
		[GW_LIFE_FAILED] = "failed",     [GW_LIFE_RESTARTING] = "starting",
	};

	assert(state < GW_LIVES);
	return names[state];
}

int64_t gw_backoff_us(unsigned failures, uint32_t random)
{
	const int64_t first_us = 1000000, longest_us = 60000000;
	int64_t whole_us = failures >= GW_FAILED_AFTER ? longest_us
						       : first_us << (failures ? failures - 1 : 0);

	return whole_us / 2 + whole_us / 2 * random / UINT32_MAX;
}
