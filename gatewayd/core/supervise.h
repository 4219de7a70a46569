/*
 * supervise.h - what is done with one plugin process: a pure function of state
 * and event, and the back-off as a pure function of failures.  No clock and no
 * process in here; children.c carries the actions out.
 */
#ifndef GW_CORE_SUPERVISE_H
#define GW_CORE_SUPERVISE_H

#include <stdint.h>

enum gw_life {
	GW_LIFE_INVALID, /* 0: a cell nobody filled in; the tests forbid it */
	GW_LIFE_DOWN,     /* not wanted, no process */
	GW_LIFE_STARTING, /* process there, hello to ready; deadline runs */
	GW_LIFE_RUNNING,  /* heartbeat runs */
	GW_LIFE_STOPPING, /* told to stop; deadline runs */
	GW_LIFE_ENDING,   /* SIGTERM was sent after a fault; deadline runs */
	GW_LIFE_KILLED,   /* SIGKILL was sent to its group; waiting for its end */
	GW_LIFE_BACKOFF,  /* waiting to start again */
	GW_LIFE_FAILED,   /* waiting too, but it has failed often: shown as failed, tried at the longest interval */
	GW_LIFE_RESTARTING, /* told to stop, or ending, and to be started again at once */
	GW_LIVES,
};

enum gw_life_event {
	GW_EV_START,   /* wanted */
	GW_EV_STOP,    /* no longer wanted */
	GW_EV_RESTART, /* gatewayctl restart */
	GW_EV_READY,   /* configuration accepted */
	GW_EV_FAULT,   /* it lied, hung up its link or missed its heartbeat */
	GW_EV_EXIT,    /* the process has ended */
	GW_EV_TIMER,   /* the deadline or back-off of this state is over */
	GW_LIFE_EVENTS,
};

enum gw_life_act {
	GW_ACT_NONE,
	GW_ACT_SPAWN,   /* release what is left of the last process; start one; arm the start deadline */
	GW_ACT_RUN,     /* send START; heartbeat */
	GW_ACT_STOP,    /* send STOP; arm the stop deadline */
	GW_ACT_TERM,    /* SIGTERM to the group; arm the kill deadline */
	GW_ACT_KILL,    /* SIGKILL to the group */
	GW_ACT_BACKOFF, /* release what is left, count the failure and arm the back-off timer */
	GW_ACT_FORGET,  /* release what is left of the process; no timer runs */
};

struct gw_life_step {
	enum gw_life next;
	enum gw_life_act act;
};

/* `failures`: in a row, this one included when the event is one. */
struct gw_life_step gw_life_next(enum gw_life state, enum gw_life_event event, unsigned failures);
/* As shown: running, starting, backoff, failed, stopping; "down" when not wanted.  After a
 * fault a process that still ends is shown as backoff, one that restarts as starting. */
const char *gw_life_name(enum gw_life state);

enum { GW_FAILED_AFTER = 5 };
/* 1 s doubling, from GW_FAILED_AFTER on 60 s, with `random` (any 32 bits) choosing between half and the
 * whole.  0 failures count as one. */
int64_t gw_backoff_us(unsigned failures, uint32_t random);
/* A process that ran so long is forgiven its failures. */
enum { GW_FORGIVE_S = 60 };

#endif
