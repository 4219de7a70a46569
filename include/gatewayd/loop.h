/*
 * loop.h - the event loop: descriptors, timers, signals and children.
 *
 * A thin face over sd-event.  One loop a process, one thread; no call here may
 * be made from a signal handler or another thread.  A callback may stop any
 * watch, its own too.  All times are CLOCK_BOOTTIME in microseconds, so that no
 * clock step moves a timer.  Callbacks of descriptors should drain what is
 * there: a turn of the loop costs about 2 us.
 *
 * A watch lives until it is stopped, also a child's that has fired.  Stop a
 * descriptor's before closing the descriptor.  Watching a signal or a child
 * blocks that signal (SIGCHLD), and exec hands the mask on: unblock in the child.
 */
#ifndef GATEWAYD_LOOP_H
#define GATEWAYD_LOOP_H

#include <stdint.h>
#include <sys/types.h>

#include "gatewayd/error.h"

struct gw_loop;
struct gw_watch;

enum { GW_READ = 1, GW_WRITE = 2, GW_HANGUP = 4 }; /* HANGUP is always reported */

typedef void gw_fd_fn(void *arg, unsigned ready);
typedef void gw_timer_fn(void *arg);
typedef void gw_signal_fn(void *arg, int signo);
typedef void gw_child_fn(void *arg, pid_t pid, int wstatus);

int gw_loop_new(struct gw_loop **out, struct gw_err *err);
void gw_loop_free(struct gw_loop *l); /* stops what is left; NULL is allowed */
int gw_loop_run(struct gw_loop *l, struct gw_err *err); /* until gw_loop_quit() */
int gw_loop_turn(struct gw_loop *l, int64_t wait_us, struct gw_err *err); /* one turn; -1 waits for ever */
void gw_loop_quit(struct gw_loop *l);
int64_t gw_loop_now_us(struct gw_loop *l); /* start of this turn */
int64_t gw_now_us(void);                   /* CLOCK_BOOTTIME, now */
int64_t gw_wall_ms(void);                  /* CLOCK_REALTIME, now: for time stamps only */

/* Each returns a watch owned by the loop, or NULL with *err filled. */
struct gw_watch *gw_on_fd(struct gw_loop *l, int fd, unsigned io, gw_fd_fn *fn, void *arg, struct gw_err *err);
/* A timer that is off until gw_timer_at(); it fires once for each setting. */
struct gw_watch *gw_on_timer(struct gw_loop *l, gw_timer_fn *fn, void *arg, struct gw_err *err);
struct gw_watch *gw_on_signal(struct gw_loop *l, int signo, gw_signal_fn *fn, void *arg, struct gw_err *err);
struct gw_watch *gw_on_child(struct gw_loop *l, pid_t pid, gw_child_fn *fn, void *arg, struct gw_err *err);
/* fn runs after every turn that dispatched something: the place to flush batches. */
struct gw_watch *gw_after_turn(struct gw_loop *l, gw_timer_fn *fn, void *arg, struct gw_err *err);

void gw_fd_interest(struct gw_watch *w, unsigned io); /* 0 pauses */
void gw_timer_at(struct gw_watch *w, int64_t at_us);  /* absolute; the past fires at once */
void gw_timer_off(struct gw_watch *w);
void gw_watch_stop(struct gw_watch *w); /* never closes the descriptor; NULL is allowed */

/* The sd_event behind it, for the watchdog; `struct sd_event *`. */
void *gw_loop_sd(struct gw_loop *l);

#endif
