/*
 * store_worker.h - the thread that does the store's work, and nothing else of the store: what the
 * work is, store.c knows.  So a simulation can link another worker, that works when it is told to.
 */
#ifndef GW_CORE_STORE_WORKER_H
#define GW_CORE_STORE_WORKER_H

#include <stdint.h>

struct gw_worker;

/* Does one piece of work.  Returns in how many ms it wants to be called again though nobody wakes
 * it (0: at once), or -1: all is done. */
typedef int64_t gw_work_fn(void *arg);

/* Calls fn in a thread of its own, at once for the first time.  Returns 0 or an errno. */
int gw_worker_start(struct gw_worker **out, gw_work_fn *fn, void *arg);
/* There is something to do; from any thread. */
void gw_worker_wake(struct gw_worker *w);
/* fn was made to return -1 before long: waits for that, then frees.  NULL is allowed. */
void gw_worker_stop(struct gw_worker *w);

#endif
