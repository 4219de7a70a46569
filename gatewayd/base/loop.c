/*
 * loop.c - the event loop over sd-event.
 *
 * sd-event dispatches one source at a time; a turn here is all that is ready,
 * up to a bound, and then the after-turn watches: so batches are flushed once
 * for many events, and not starved by a busy descriptor.  A stopped watch is
 * never called again; its memory goes at the end of the turn, because an outer
 * frame may still hold it.
 */
#include "gatewayd/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <time.h>

enum {
	TURN_MAX = 64,	  /* events dispatched before batches are flushed */
	TIMER_SLACK_US = 1, /* 0 would mean sd-event's default of 250 ms */
};

struct gw_watch {
	struct gw_loop *loop;
	sd_event_source *source; /* NULL: after-turn, or stopped */
	union {
		gw_fd_fn *fd;
		gw_timer_fn *timer;
		gw_signal_fn *signal;
		gw_child_fn *child;
	} fn;
	void *arg;
	int64_t at_us; /* timer: what it is set to; -1 off */
	bool stopped;
	struct gw_watch *next, **link; /* in the list of its kind */
	struct gw_watch *next_dead;
};

struct gw_loop {
	sd_event *event;
	struct gw_watch *watches, *after; /* after: the after-turn ones */
	struct gw_watch *dead;
	bool quit;
};

/* ---- time ---- */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	int r = clock_gettime(clock, &t);

	assert(r == 0);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t gw_now_us(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000;
}

int64_t gw_wall_ms(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000000;
}

int64_t gw_loop_now_us(struct gw_loop *l)
{
	uint64_t now;
	int r = sd_event_now(l->event, CLOCK_BOOTTIME, &now);

	assert(r >= 0);
	return (int64_t)now;
}

/* ---- the life of a watch ---- */

/* `at` is the link of a list that is to point to the new watch. */
static struct gw_watch *watch_new(struct gw_loop *l, struct gw_watch **at, void *arg,
				  struct gw_err *err)
{
	struct gw_watch *w = calloc(1, sizeof(*w));

	if (!w) {
		gw_err_sys(err, ENOMEM, "adding to the event loop");
		return NULL;
	}
	*w = (struct gw_watch){ .loop = l, .arg = arg, .at_us = -1, .next = *at, .link = at };
	if (w->next)
		w->next->link = &w->next;
	*at = w;
	return w;
}

/* The answer of sd_event_add_*(): the watch, or NULL with the reason. */
static struct gw_watch *added(struct gw_watch *w, int r, const char *what, int which,
			      struct gw_err *err)
{
	if (r >= 0)
		return w;
	gw_err_sys(err, -r, "watching %s %d", what, which);
	gw_watch_stop(w);
	return NULL;
}

void gw_watch_stop(struct gw_watch *w)
{
	if (!w || w->stopped)
		return;
	w->stopped = true;
	w->source = sd_event_source_disable_unref(w->source);
	w->next_dead = w->loop->dead;
	w->loop->dead = w;
}

static void bury(struct gw_loop *l)
{
	struct gw_watch *w;

	while ((w = l->dead)) {
		l->dead = w->next_dead;
		*w->link = w->next;
		if (w->next)
			w->next->link = w->link;
		free(w);
	}
}

/* ---- descriptors ---- */

static unsigned ready_of(uint32_t events)
{
	return (events & EPOLLIN ? GW_READ : 0u) | (events & EPOLLOUT ? GW_WRITE : 0u) |
	       (events & (EPOLLHUP | EPOLLERR) ? GW_HANGUP : 0u);
}

static uint32_t events_of(unsigned io)
{
	return (io & GW_READ ? (uint32_t)EPOLLIN : 0u) | (io & GW_WRITE ? (uint32_t)EPOLLOUT : 0u);
}

static int on_fd(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct gw_watch *w = arg;

	(void)s;
	(void)fd;
	w->fn.fd(w->arg, ready_of(events));
	return 0;
}

struct gw_watch *gw_on_fd(struct gw_loop *l, int fd, unsigned io, gw_fd_fn *fn, void *arg,
			  struct gw_err *err)
{
	struct gw_watch *w = watch_new(l, &l->watches, arg, err);

	if (!w)
		return NULL;
	w->fn.fd = fn;
	return added(w, sd_event_add_io(l->event, &w->source, fd, events_of(io), on_fd, w),
		     "descriptor", fd, err);
}

void gw_fd_interest(struct gw_watch *w, unsigned io)
{
	int r = w->stopped ? 0 : sd_event_source_set_io_events(w->source, events_of(io));

	assert(r >= 0);
}

/* ---- timers ---- */

static int on_timer(sd_event_source *s, uint64_t at, void *arg)
{
	struct gw_watch *w = arg;

	(void)s;
	(void)at;
	w->at_us = -1;
	w->fn.timer(w->arg);
	return 0;
}

struct gw_watch *gw_on_timer(struct gw_loop *l, gw_timer_fn *fn, void *arg, struct gw_err *err)
{
	struct gw_watch *w = watch_new(l, &l->watches, arg, err);
	int r;

	if (!w)
		return NULL;
	w->fn.timer = fn;
	r = sd_event_add_time(l->event, &w->source, CLOCK_BOOTTIME, UINT64_MAX, TIMER_SLACK_US,
			      on_timer, w);
	if (r >= 0)
		r = sd_event_source_set_enabled(w->source, SD_EVENT_OFF);
	return added(w, r, "timer", 0, err);
}

void gw_timer_at(struct gw_watch *w, int64_t at_us)
{
	int r = 0;

	if (at_us < 0)
		at_us = 0;
	if (w->stopped || w->at_us == at_us)
		return;
	r = sd_event_source_set_time(w->source, (uint64_t)at_us);
	if (r >= 0 && w->at_us < 0)
		r = sd_event_source_set_enabled(w->source, SD_EVENT_ONESHOT);
	assert(r >= 0);
	w->at_us = at_us;
}

void gw_timer_off(struct gw_watch *w)
{
	int r;

	if (w->stopped || w->at_us < 0)
		return;
	r = sd_event_source_set_enabled(w->source, SD_EVENT_OFF);
	assert(r >= 0);
	w->at_us = -1;
}

/* ---- signals and children ---- */

static int block_signal(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	if (sigaddset(&set, signo) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *info, void *arg)
{
	struct gw_watch *w = arg;

	(void)s;
	w->fn.signal(w->arg, (int)info->ssi_signo);
	return 0;
}

struct gw_watch *gw_on_signal(struct gw_loop *l, int signo, gw_signal_fn *fn, void *arg,
			      struct gw_err *err)
{
	struct gw_watch *w = watch_new(l, &l->watches, arg, err);
	int r;

	if (!w)
		return NULL;
	w->fn.signal = fn;
	r = block_signal(signo);
	if (r >= 0)
		r = sd_event_add_signal(l->event, &w->source, signo, on_signal, w);
	return added(w, r, "signal", signo, err);
}

/* The form that wait(2) gives and WIFEXITED() and its kin read. */
static int wait_status(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return W_EXITCODE(info->si_status, 0);
	return W_EXITCODE(0, info->si_status) | (info->si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

static int on_child(sd_event_source *s, const siginfo_t *info, void *arg)
{
	struct gw_watch *w = arg;

	(void)s;
	w->fn.child(w->arg, info->si_pid, wait_status(info));
	return 0;
}

struct gw_watch *gw_on_child(struct gw_loop *l, pid_t pid, gw_child_fn *fn, void *arg,
			     struct gw_err *err)
{
	struct gw_watch *w = watch_new(l, &l->watches, arg, err);
	int r;

	if (!w)
		return NULL;
	w->fn.child = fn;
	r = block_signal(SIGCHLD); /* sd-event insists, although it uses a pidfd */
	if (r >= 0)
		r = sd_event_add_child(l->event, &w->source, pid, WEXITED, on_child, w);
	return added(w, r, "child", pid, err);
}

/* ---- the loop ---- */

struct gw_watch *gw_after_turn(struct gw_loop *l, gw_timer_fn *fn, void *arg, struct gw_err *err)
{
	struct gw_watch **end = &l->after, *w;

	while (*end)
		end = &(*end)->next;
	w = watch_new(l, end, arg, err);
	if (w)
		w->fn.timer = fn;
	return w;
}

int gw_loop_new(struct gw_loop **out, struct gw_err *err)
{
	struct gw_loop *l = calloc(1, sizeof(*l));
	int r = l ? sd_event_new(&l->event) : -ENOMEM;

	if (r < 0) {
		free(l);
		return gw_err_sys(err, -r, "making an event loop");
	}
	*out = l;
	return 0;
}

void gw_loop_free(struct gw_loop *l)
{
	if (!l)
		return;
	for (struct gw_watch *w = l->watches; w; w = w->next)
		gw_watch_stop(w);
	for (struct gw_watch *w = l->after; w; w = w->next)
		gw_watch_stop(w);
	bury(l);
	sd_event_unref(l->event);
	free(l);
}

/* How many events were dispatched, at most TURN_MAX; -errno. */
static int dispatch(struct gw_loop *l, uint64_t wait_us)
{
	int n = 0, r;

	do {
		r = sd_event_run(l->event, n ? 0 : wait_us);
		n += r > 0;
	} while (r > 0 && n < TURN_MAX && !l->quit);
	return r < 0 ? r : n;
}

int gw_loop_turn(struct gw_loop *l, int64_t wait_us, struct gw_err *err)
{
	int n = dispatch(l, wait_us < 0 ? UINT64_MAX : (uint64_t)wait_us);

	if (n < 0)
		return gw_err_sys(err, -n, "waiting for events");
	for (struct gw_watch *w = n ? l->after : NULL; w; w = w->next)
		if (!w->stopped)
			w->fn.timer(w->arg);
	bury(l);
	return 0;
}

int gw_loop_run(struct gw_loop *l, struct gw_err *err)
{
	int r = 0;

	while (!l->quit && r == 0)
		r = gw_loop_turn(l, -1, err);
	l->quit = false;
	return r;
}

void gw_loop_quit(struct gw_loop *l)
{
	l->quit = true;
}

void *gw_loop_sd(struct gw_loop *l)
{
	return l->event;
}
