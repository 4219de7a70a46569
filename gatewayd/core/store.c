/*
 * store.c - the store's thread, and the way of requests to it and back.
 *
 * Two lists under one mutex: requests to carry out, requests that are done.
 * The mutex is never held while the disk is touched.  An eventfd wakes the loop
 * for what is done.  The calls themselves are in store_calls.c.
 */
#include "core/store_private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { STACK_SIZE = 256 * 1024 };

struct list {
	struct gw_request *first, **last;
};

struct gw_store {
	struct gw_db *db; /* the thread's, while it runs */
	pthread_t thread;
	bool running;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t work;
	struct list todo, done;
	bool stopping;
	int wake; /* eventfd */
	struct gw_watch *watch;
	gw_store_event_fn *event;
	void *event_arg;
};

static void put(struct list *l, struct gw_request *q)
{
	q->next = NULL;
	*l->last = q;
	l->last = &q->next;
}

static struct gw_request *get(struct list *l)
{
	struct gw_request *q = l->first;

	if (q) {
		l->first = q->next;
		if (!l->first)
			l->last = &l->first;
	}
	return q;
}

/* ---- the thread ---- */

/* NULL: nothing came until then (*idle), or all is done and no more will come. */
static struct gw_request *next_request(struct gw_store *st, const struct timespec *until, bool *idle)
{
	struct gw_request *q;
	int timeout = 0;

	pthread_mutex_lock(&st->mutex);
	while (!st->todo.first && !st->stopping && timeout == 0)
		timeout = pthread_cond_timedwait(&st->work, &st->mutex, until);
	*idle = !st->todo.first && !st->stopping;
	q = get(&st->todo);
	pthread_mutex_unlock(&st->mutex);
	return q;
}

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

static void hand_back(struct gw_store *st, struct gw_request *q, bool unfinished)
{
	uint64_t one = 1;

	pthread_mutex_lock(&st->mutex);
	unfinished = unfinished && !st->stopping;
	put(unfinished ? &st->todo : &st->done, q);
	pthread_mutex_unlock(&st->mutex);
	if (!unfinished && write(st->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd takes 2^64 - 2 of these */
}

static void *work(void *arg)
{
	struct gw_store *st = arg;
	struct timespec idle_at = in_ms(0);
	struct gw_request *q;
	struct gw_err err;
	bool idle;

	while ((q = next_request(st, &idle_at, &idle)) != NULL || idle) {
		bool ready = idle || gw_db_ready(st->db, &err) == 0;

		if (idle) {
			idle_at = in_ms(gw_db_idle(st->db));
			continue;
		}
		hand_back(st, q, q->run(st->db, q, ready ? NULL : &err));
		if (gw_salvage_runs(st->db)) /* begun by this request, perhaps */
			idle_at = in_ms(0);
	}
	return NULL;
}

/* ---- events: answers that nobody asked for ---- */

struct event_request {
	struct gw_request q;
	const struct gw_store *st;
	struct gw_store_event event;
	_Alignas(8) unsigned char rows[];
};

static void finish_event(struct gw_request *q)
{
	struct event_request *r = (struct event_request *)q;

	r->st->event(r->st->event_arg, &r->event);
	free(r);
}

static void tell(void *arg, const struct gw_store_event *e)
{
	struct gw_store *st = arg;
	struct event_request *r;
	size_t size;

	if (!st->event)
		return;
	size = e->n * (e->window ? sizeof(*e->window) : sizeof(*e->row));
	r = gw_must(calloc(1, sizeof(*r) + size));
	r->q.finish = finish_event;
	r->st = st;
	r->event = *e;
	if (size)
		memcpy(r->rows, e->window ? (const void *)e->window : e->row, size);
	if (e->window)
		r->event.window = (const struct gw_window_row *)(const void *)r->rows;
	else
		r->event.row = (const struct gw_damaged_row *)(const void *)r->rows;
	hand_back(st, &r->q, false);
}

/* All signals belong to the loop. */
static int start_thread(struct gw_store *st)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int sys;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	sys = pthread_create(&st->thread, &attr, work, st);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	st->running = sys == 0;
	if (st->running)
		pthread_setname_np(st->thread, "store");
	return sys;
}

/* ---- the loop's side ---- */

void gw_store_push(struct gw_store *st, struct gw_request *q)
{
	pthread_mutex_lock(&st->mutex);
	put(&st->todo, q);
	pthread_cond_signal(&st->work);
	pthread_mutex_unlock(&st->mutex);
}

static struct gw_request *next_done(struct gw_store *st)
{
	struct gw_request *q;

	pthread_mutex_lock(&st->mutex);
	q = get(&st->done);
	pthread_mutex_unlock(&st->mutex);
	return q;
}

static void finish_all(struct gw_store *st)
{
	struct gw_request *q;

	while ((q = next_done(st)) != NULL)
		q->finish(q);
}

static void woken(void *arg, unsigned ready)
{
	struct gw_store *st = arg;
	uint64_t count;

	(void)ready;
	if (read(st->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort();
	finish_all(st);
}

static int join_loop(struct gw_store *st, struct gw_loop *loop, struct gw_err *err)
{
	int sys;

	st->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (st->wake < 0)
		return gw_err_sys(err, errno, "buffer %s: eventfd", st->db->path);
	st->watch = gw_on_fd(loop, st->wake, GW_READ, woken, st, err);
	if (!st->watch)
		return -1;
	sys = start_thread(st);
	return sys == 0 ? 0 : gw_err_sys(err, sys, "buffer %s: cannot start its thread", st->db->path);
}

static int open_and_join(struct gw_store *st, const struct gw_store_options *opts, struct gw_loop *loop,
			 struct gw_store_info *info, char aside[512], struct gw_err *err)
{
	if (gw_db_open(&st->db, opts, info, aside, err) < 0)
		return -1;
	st->db->tell = tell;
	st->db->tell_arg = st;
	return join_loop(st, loop, err);
}

int gw_store_open(struct gw_store **out, const struct gw_store_options *opts, struct gw_loop *loop,
		  struct gw_store_info *info, char aside[512], struct gw_err *err)
{
	struct gw_store *st = gw_must(calloc(1, sizeof(*st)));
	pthread_condattr_t clock;

	st->wake = -1;
	st->todo.last = &st->todo.first;
	st->done.last = &st->done.first;
	pthread_mutex_init(&st->mutex, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&st->work, &clock);
	pthread_condattr_destroy(&clock);
	st->event = opts->event;
	st->event_arg = opts->event_arg;
	if (open_and_join(st, opts, loop, info, aside, err) < 0) {
		gw_store_close(st);
		return -1;
	}
	*out = st;
	return 0;
}

static void stop_thread(struct gw_store *st)
{
	pthread_mutex_lock(&st->mutex);
	st->stopping = true;
	pthread_cond_signal(&st->work);
	pthread_mutex_unlock(&st->mutex);
	pthread_join(st->thread, NULL);
}

void gw_store_close(struct gw_store *st)
{
	if (!st)
		return;
	if (st->running)
		stop_thread(st);
	gw_watch_stop(st->watch);
	finish_all(st);
	gw_db_close(st->db);
	if (st->wake >= 0)
		close(st->wake);
	pthread_cond_destroy(&st->work);
	pthread_mutex_destroy(&st->mutex);
	free(st);
}
