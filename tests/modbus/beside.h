/*
 * beside.h - a loop in a thread of its own, for tests of what blocks: the device runs
 * beside the tool that asks it.  Make the device on `loop`, run, use the tool, stop, and then
 * look at what the device has seen.
 */
#ifndef BESIDE_H
#define BESIDE_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "gatewayd/loop.h"

struct beside {
	struct gw_loop *loop;
	pthread_t thread;
	int pipe[2];
	struct gw_watch *on_stop;
};

static inline void beside_on_stop(void *arg, unsigned ready)
{
	(void)ready;
	gw_loop_quit(((struct beside *)arg)->loop);
}

static inline void *beside_main(void *arg)
{
	struct gw_err err;

	gw_loop_run(((struct beside *)arg)->loop, &err);
	return NULL;
}

static inline void beside_new(struct beside *b)
{
	struct gw_err err;

	if (gw_loop_new(&b->loop, &err) || pipe(b->pipe))
		abort();
	b->on_stop = gw_on_fd(b->loop, b->pipe[0], GW_READ, beside_on_stop, b, &err);
}

static inline void beside_run(struct beside *b)
{
	if (pthread_create(&b->thread, NULL, beside_main, b))
		abort();
}

/* The device is looked at now, and freed before beside_free(). */
static inline void beside_stop(struct beside *b)
{
	if (write(b->pipe[1], "", 1) != 1 || pthread_join(b->thread, NULL))
		abort();
}

static inline void beside_free(struct beside *b)
{
	gw_watch_stop(b->on_stop);
	gw_loop_free(b->loop);
	close(b->pipe[0]);
	close(b->pipe[1]);
}

#endif
