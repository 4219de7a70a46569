/*
 * sim_loop.h - the event loop of gatewayd/loop.h over a time that only the schedule moves, and the
 * system's clocks, which show that time.  Signals are callbacks that the schedule calls.
 */
#ifndef GW_TESTS_SIM_LOOP_H
#define GW_TESTS_SIM_LOOP_H

#include <fcntl.h>
#include <poll.h>
#include <sys/timex.h>
#include <time.h>

#include "sim.h"

enum { SIM_FD, SIM_TIMER, SIM_SIGNAL, SIM_AFTER };

struct gw_watch {
	struct gw_loop *loop;
	int kind, fd; /* or the signal */
	gw_fd_fn *on_fd;
	gw_timer_fn *on_timer; /* or after a turn */
	gw_signal_fn *on_signal;
	void *arg;
	unsigned io;
	int64_t at_us; /* -1: off */
	bool stopped;
	struct gw_watch *next;
};

struct gw_loop {
	struct gw_watch *first;
	bool quit;
};

static void sim_step(void); /* sim_plan.h */

/* ---- clocks ---- */

static int64_t sim_wall_us(void)
{
	return sim.utc_us + (sim.vouched ? 0 : sim.clock_error_us);
}

static void sim_pass(int64_t us)
{
	sim.mono_us += us;
	sim.utc_us += us;
}

int64_t gw_now_us(void)
{
	return sim.mono_us;
}

int64_t gw_wall_ms(void)
{
	return sim_wall_us() / 1000;
}

int64_t gw_loop_now_us(struct gw_loop *l)
{
	(void)l;
	return sim.mono_us;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int64_t us = clock == CLOCK_REALTIME ? sim_wall_us() : sim.mono_us;

	t->tv_sec = us / 1000000;
	t->tv_nsec = us % 1000000 * 1000;
	return 0;
}

int adjtimex(struct timex *t)
{
	t->status = sim.vouched ? 0 : STA_UNSYNC;
	return sim.vouched ? TIME_OK : TIME_ERROR;
}

/* The boot's identifier is a file. */
FILE *fopen(const char *path, const char *mode)
{
	static char boot[32];
	int flags = *mode == 'r' ? O_RDONLY : *mode == 'w' ? O_WRONLY | O_CREAT | O_TRUNC : O_WRONLY | O_CREAT | O_APPEND;
	int fd;

	if (strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) {
		snprintf(boot, sizeof(boot), "boot-%u\n", sim.boot);
		return fmemopen(boot, strlen(boot), "r");
	}
	fd = open(path, flags | O_CLOEXEC, 0666);
	return fd < 0 ? NULL : fdopen(fd, *mode == 'r' ? "r" : *mode == 'w' ? "w" : "a");
}

/* ---- watches ---- */

static struct gw_watch *sim_watch(struct gw_loop *l, struct gw_watch w)
{
	struct gw_watch *p = malloc(sizeof(*p));

	if (!p)
		abort();
	*p = w;
	p->loop = l;
	p->next = l->first;
	l->first = p;
	return p;
}

struct gw_watch *gw_on_fd(struct gw_loop *l, int fd, unsigned io, gw_fd_fn *fn, void *arg, struct gw_err *err)
{
	(void)err;
	return sim_watch(l, (struct gw_watch){ .kind = SIM_FD, .fd = fd, .io = io, .on_fd = fn, .arg = arg });
}

struct gw_watch *gw_on_timer(struct gw_loop *l, gw_timer_fn *fn, void *arg, struct gw_err *err)
{
	(void)err;
	return sim_watch(l, (struct gw_watch){ .kind = SIM_TIMER, .on_timer = fn, .arg = arg, .at_us = -1 });
}

struct gw_watch *gw_on_signal(struct gw_loop *l, int signo, gw_signal_fn *fn, void *arg, struct gw_err *err)
{
	(void)err;
	sim.d = arg; /* the daemon's own */
	sim.d->commit_bytes = sim.commit_bytes;
	return sim_watch(l, (struct gw_watch){ .kind = SIM_SIGNAL, .fd = signo, .on_signal = fn, .arg = arg });
}

struct gw_watch *gw_after_turn(struct gw_loop *l, gw_timer_fn *fn, void *arg, struct gw_err *err)
{
	(void)err;
	return sim_watch(l, (struct gw_watch){ .kind = SIM_AFTER, .on_timer = fn, .arg = arg });
}

void gw_fd_interest(struct gw_watch *w, unsigned io)
{
	w->io = io;
}

void gw_timer_at(struct gw_watch *w, int64_t at_us)
{
	w->at_us = at_us < 0 ? 0 : at_us;
}

void gw_timer_off(struct gw_watch *w)
{
	w->at_us = -1;
}

void gw_watch_stop(struct gw_watch *w)
{
	if (w)
		w->stopped = true;
}

void *gw_loop_sd(struct gw_loop *l)
{
	(void)l;
	return NULL;
}

/* ---- turns ---- */

static void sim_bury(struct gw_loop *l, bool all)
{
	struct gw_watch **link = &l->first, *w;

	while ((w = *link)) {
		if (!w->stopped && !all) {
			link = &w->next;
			continue;
		}
		*link = w->next;
		free(w);
	}
}

static bool sim_is_ready(const struct gw_watch *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	return w->io & GW_READ && poll(&p, 1, 0) > 0;
}

static void sim_signal(int signo)
{
	for (struct gw_watch *w = sim.loop->first; w; w = w->next)
		if (w->kind == SIM_SIGNAL && w->fd == signo && !w->stopped)
			w->on_signal(w->arg, signo);
}

static void sim_timers(struct gw_loop *l)
{
	for (struct gw_watch *w = l->first; w; w = w->next)
		if (w->kind == SIM_TIMER && !w->stopped && w->at_us >= 0 && w->at_us <= sim.mono_us) {
			w->at_us = -1;
			w->on_timer(w->arg);
		}
}

/* What is ready, what is due, and then what follows each turn. */
static void sim_turn(struct gw_loop *l)
{
	for (struct gw_watch *w = l->first; w; w = w->next)
		if (w->kind == SIM_FD && !w->stopped && sim_is_ready(w))
			w->on_fd(w->arg, GW_READ);
	sim_timers(l);
	for (struct gw_watch *w = l->first; w; w = w->next)
		if (w->kind == SIM_AFTER && !w->stopped)
			w->on_timer(w->arg);
	sim_bury(l, false);
}

int gw_loop_new(struct gw_loop **out, struct gw_err *err)
{
	(void)err;
	*out = sim.loop = calloc(1, sizeof(**out));
	if (!*out)
		abort();
	return 0;
}

void gw_loop_free(struct gw_loop *l)
{
	sim_bury(l, true);
	free(l);
	sim.loop = NULL;
	sim.d = NULL;
}

int gw_loop_run(struct gw_loop *l, struct gw_err *err)
{
	(void)err;
	while (!l->quit && !sim.killed)
		sim_step();
	return 0;
}

int gw_loop_turn(struct gw_loop *l, int64_t wait_us, struct gw_err *err)
{
	(void)wait_us;
	(void)err;
	sim_turn(l);
	return 0;
}

void gw_loop_quit(struct gw_loop *l)
{
	l->quit = true;
}

struct gw_watch *gw_on_child(struct gw_loop *l, pid_t pid, gw_child_fn *fn, void *arg, struct gw_err *err)
{
	(void)l;
	(void)pid;
	(void)fn;
	(void)arg;
	(void)err;
	abort(); /* there are no processes */
}

#endif
