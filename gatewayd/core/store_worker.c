/* store_worker.c - see store_worker.h. */
#include "core/store_worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum { STACK_SIZE = 256 * 1024 };

struct gw_worker {
	gw_work_fn *fn;
	void *arg;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards `woken` */
	pthread_cond_t work;
	bool woken;
};

static struct timespec in_ms(int64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static void wait_for_work(struct gw_worker *w, int64_t ms)
{
	struct timespec until = in_ms(ms);
	int timeout = 0;

	pthread_mutex_lock(&w->mutex);
	while (!w->woken && timeout == 0)
		timeout = pthread_cond_timedwait(&w->work, &w->mutex, &until);
	w->woken = false;
	pthread_mutex_unlock(&w->mutex);
}

static void *work(void *arg)
{
	struct gw_worker *w = arg;
	int64_t ms;

	while ((ms = w->fn(w->arg)) >= 0)
		if (ms > 0)
			wait_for_work(w, ms);
	return NULL;
}

/* All signals belong to the loop. */
static int start_thread(struct gw_worker *w)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int sys;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	sys = pthread_create(&w->thread, &attr, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (sys == 0)
		pthread_setname_np(w->thread, "store");
	return sys;
}

static void worker_free(struct gw_worker *w)
{
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

int gw_worker_start(struct gw_worker **out, gw_work_fn *fn, void *arg)
{
	struct gw_worker *w = calloc(1, sizeof(*w));
	pthread_condattr_t clock;
	int sys;

	if (!w)
		return ENOMEM;
	w->fn = fn;
	w->arg = arg;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&w->work, &clock);
	pthread_condattr_destroy(&clock);
	*out = w;
	sys = start_thread(w);
	if (sys == 0)
		return 0;
	*out = NULL;
	worker_free(w);
	return sys;
}

void gw_worker_wake(struct gw_worker *w)
{
	pthread_mutex_lock(&w->mutex);
	w->woken = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->mutex);
}

void gw_worker_stop(struct gw_worker *w)
{
	if (!w)
		return;
	gw_worker_wake(w);
	pthread_join(w->thread, NULL);
	worker_free(w);
}
