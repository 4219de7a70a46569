/*
 * duty.h - has something that must go on got stuck?  For the watchdog, which is fed only while nothing has.
 *
 * A duty is looked at about once a second.  It is stuck when for as long as `patience` each look found
 * that it had work, had done none of it, and that there was no reason.  So one look that finds a reason
 * makes the time begin anew.  Time in which nobody looked (a suspend, a process that was held)
 * counts as one look.  No clock: the time is a parameter.
 */
#ifndef GW_CORE_DUTY_H
#define GW_CORE_DUTY_H

#include <stdbool.h>
#include <stdint.h>

enum gw_duty_state {
	GW_DUTY_FINE,  /* it goes on, or has nothing to do */
	GW_DUTY_WAITS, /* nothing was done for `patience`, and there is a reason */
	GW_DUTY_STUCK, /* the same, and there is none */
};

struct gw_duty { /* zeroed at first */
	enum gw_duty_state state;
	bool looked;
	uint64_t done;
	int64_t looked_us;
	int64_t idle_us;    /* since it did something or had nothing to do */
	int64_t puzzled_us; /* of that, since a look found a reason */
	const char *reason; /* the last one, in words; NULL: none */
};

struct gw_duty_look {
	uint64_t done;      /* any number that changes when some of the work is done */
	bool work;          /* there is some that could be done now */
	const char *reason; /* why it is not done; static; NULL: none known */
};

enum { GW_DUTY_LOOK_US = 2000000 }; /* what a longer time between two looks counts as */

/* True: the state is another one now. */
bool gw_duty_look(struct gw_duty *d, const struct gw_duty_look *l, int64_t now_us, int64_t patience_us);

#endif
