/*
 * store_idle.c - what the thread does when nobody asks for anything: is the file still there,
 * the rest of a salvage, a slice of verification.
 */
#include "core/store_private.h"

#include <stdlib.h>
#include <time.h>

enum { TRY_AGAIN_MS = 1000 };

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t salvage(struct gw_db *d)
{
	free(d->walk.layout); /* rows are missing from this walk */
	d->walk = (struct gw_walk){ 0 };
	return gw_salvage_go_on(d) ? 0 : TRY_AGAIN_MS;
}

int64_t gw_db_idle(struct gw_db *d)
{
	struct gw_err err; /* whoever asks next gets it too */
	int64_t now = monotonic_ms();

	if (!d->idle_at_ms)
		d->idle_at_ms = now + d->idle_ms;
	if ((gw_salvage_runs(d) || now >= d->idle_at_ms) && gw_db_ready(d, &err) < 0)
		return d->idle_ms;
	if (gw_salvage_runs(d) && !d->sinks_forgotten)
		return salvage(d);
	if (now < d->idle_at_ms)
		return d->idle_at_ms - now;
	d->idle_at_ms = now + d->idle_ms;
	gw_db_judge(d, gw_db_verify_slice(d));
	return d->idle_ms;
}
