/*
 * duty.c - see duty.h.
 */
#include "core/duty.h"

#include <stddef.h>

static int64_t passed_us(const struct gw_duty *d, int64_t now_us)
{
	int64_t passed = d->looked ? now_us - d->looked_us : 0;

	return passed < GW_DUTY_LOOK_US ? passed : GW_DUTY_LOOK_US;
}

static void count(struct gw_duty *d, const struct gw_duty_look *l, int64_t passed)
{
	if (!l->work || l->done != d->done) {
		d->idle_us = d->puzzled_us = 0;
		d->reason = NULL;
		return;
	}
	d->idle_us += passed;
	d->puzzled_us = l->reason ? 0 : d->puzzled_us + passed;
	if (l->reason)
		d->reason = l->reason;
}

bool gw_duty_look(struct gw_duty *d, const struct gw_duty_look *l, int64_t now_us, int64_t patience_us)
{
	enum gw_duty_state before = d->state;

	count(d, l, passed_us(d, now_us));
	d->looked = true;
	d->looked_us = now_us;
	d->done = l->done;
	if (d->puzzled_us >= patience_us)
		d->state = GW_DUTY_STUCK;
	else
		d->state = d->idle_us >= patience_us ? GW_DUTY_WAITS : GW_DUTY_FINE;
	return d->state != before;
}
