/*
 * store.c - the way of requests to the store's thread and back, and what the thread does.
 *
 * Two lists under one mutex: requests to carry out, requests that are done.
 * The mutex is never held while the disk is touched.  An eventfd wakes the loop
 * for what is done.  The calls themselves are in store_calls.c, the thread is store_worker.c's.
 */
#include "core/store_private.h"
#include "core/store_worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct list {
	struct gw_request *first, **last;
	size_t n;
};

struct gw_store {
	struct gw_db *db; /* the thread's, while it runs */
	struct gw_worker *worker;
	pid_t tid; /* of the thread; 0: it has not begun */
	int64_t idle_at_ms; /* the thread's: what can wait is done then */
	pthread_mutex_t mutex; /* guards the next five */
	struct list todo, done;
	struct gw_request *present; /* being carried out; NULL: none */
	uint64_t moves;             /* for gw_store_pulse() */
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
	l->n++;
}

static struct gw_request *get(struct list *l)
{
	struct gw_request *q = l->first;

	if (q) {
		l->n--;
		l->first = q->next;
		if (!l->first)
			l->last = &l->first;
	}
	return q;
}

/* ---- the thread ---- */

static struct gw_request *next_request(struct gw_store *st, bool *stopping)
{
	struct gw_request *q;

	pthread_mutex_lock(&st->mutex);
	q = st->present = get(&st->todo);
	*stopping = st->stopping;
	pthread_mutex_unlock(&st->mutex);
	return q;
}

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void hand_back(struct gw_store *st, struct gw_request *q, bool unfinished)
{
	uint64_t one = 1;

	pthread_mutex_lock(&st->mutex);
	unfinished = unfinished && !st->stopping;
	if (q == st->present) /* else it is an event */
		st->present = NULL;
	st->moves += unfinished;
	put(unfinished ? &st->todo : &st->done, q);
	pthread_mutex_unlock(&st->mutex);
	if (!unfinished && write(st->wake, &one, sizeof(one)) < 0)
		abort(); /* an eventfd takes 2^64 - 2 of these */
}

static void carry_out(struct gw_store *st, struct gw_request *q)
{
	struct gw_err err;
	bool ready = gw_db_ready(st->db, &err) == 0;

	hand_back(st, q, q->run(st->db, q, ready ? NULL : &err));
	if (gw_salvage_runs(st->db)) /* begun by this request, perhaps */
		st->idle_at_ms = 0;
}

static int64_t until_idle(struct gw_store *st)
{
	int64_t now = monotonic_ms();

	if (now >= st->idle_at_ms) {
		int64_t ms = gw_db_idle(st->db);

		now = monotonic_ms();
		st->idle_at_ms = now + ms;
	}
	return st->idle_at_ms - now;
}

static int64_t work(void *arg)
{
	struct gw_store *st = arg;
	bool stopping;
	struct gw_request *q = next_request(st, &stopping);

	__atomic_store_n(&st->tid, gettid(), __ATOMIC_RELAXED);
	if (!q)
		return stopping ? -1 : until_idle(st);
	carry_out(st, q);
	return 0;
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

/* ---- the loop's side ---- */

/* A state of D (proc(5)): it waits for a device in the kernel, and not even a kill ends that. */
static bool is_held_by_the_kernel(pid_t tid)
{
	char path[48], stat[512] = "";
	const char *name_end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(stat, sizeof(stat), f))
		stat[0] = '\0';
	fclose(f);
	name_end = strrchr(stat, ')');
	return name_end && strncmp(name_end, ") D", 3) == 0;
}

struct gw_store_pulse gw_store_pulse(struct gw_store *st)
{
	struct gw_store_pulse p;
	pid_t tid = __atomic_load_n(&st->tid, __ATOMIC_RELAXED);

	pthread_mutex_lock(&st->mutex);
	p.waiting = st->todo.n + st->done.n + (st->present != NULL);
	p.done = st->moves;
	p.reason = st->present ? st->present->takes_long : NULL;
	pthread_mutex_unlock(&st->mutex);
	if (p.waiting && !p.reason && tid && is_held_by_the_kernel(tid))
		p.reason = "the disk does not answer, and no restart would end that";
	return p;
}

void gw_store_push(struct gw_store *st, struct gw_request *q)
{
	pthread_mutex_lock(&st->mutex);
	put(&st->todo, q);
	pthread_mutex_unlock(&st->mutex);
	gw_worker_wake(st->worker);
}

static struct gw_request *next_done(struct gw_store *st)
{
	struct gw_request *q;

	pthread_mutex_lock(&st->mutex);
	q = get(&st->done);
	st->moves += q != NULL;
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
	sys = gw_worker_start(&st->worker, work, st);
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

	st->wake = -1;
	st->todo.last = &st->todo.first;
	st->done.last = &st->done.first;
	pthread_mutex_init(&st->mutex, NULL);
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
	pthread_mutex_unlock(&st->mutex);
	gw_worker_stop(st->worker);
	st->worker = NULL;
}

void gw_store_close(struct gw_store *st)
{
	if (!st)
		return;
	if (st->worker)
		stop_thread(st);
	gw_watch_stop(st->watch);
	finish_all(st);
	gw_db_close(st->db);
	if (st->wake >= 0)
		close(st->wake);
	pthread_mutex_destroy(&st->mutex);
	free(st);
}
