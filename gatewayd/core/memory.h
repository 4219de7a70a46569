/*
 * memory.h - what plugins want remembered (gw_state_put of gatewayd/plugin.h): a copy of the
 * store's table `state`, so that a process that is started again has it at once.
 *
 * An owner is "source/NAME" or "sink/NAME".  Nothing is forgotten when the instance leaves the
 * configuration: a mistyped reload must not cost a counter its total.  What changed is gathered
 * for a commit and marked again when that fails.
 */
#ifndef GW_CORE_MEMORY_H
#define GW_CORE_MEMORY_H

#include "core/store.h"

enum { GW_MEMORY_MAX = 1024 * 1024, GW_MEMORY_THING = 64 }; /* bytes of an owner; what a thing costs besides */

struct gw_memory;

struct gw_memory *gw_memory_new(void);
void gw_memory_free(struct gw_memory *m); /* NULL is allowed */

/* From the disk, at the start: not a change. */
void gw_memory_restore(struct gw_memory *m, const struct gw_state_row *row);
/* size 0 forgets.  -1 with GW_EFULL or GW_EINPUT: refused, what was there before stays. */
int gw_memory_put(struct gw_memory *m, const struct gw_state_row *row, struct gw_err *err);
/* Each thing of the owner that there is, by key. */
void gw_memory_each(const struct gw_memory *m, const char *owner,
		    void (*fn)(void *arg, const struct gw_state_row *row), void *arg);

bool gw_memory_changed(const struct gw_memory *m);
/* The changes since the last call, for a commit; valid until the next put.  The caller frees the array. */
struct gw_state_row *gw_memory_gather(struct gw_memory *m, size_t *n);
void gw_memory_committed(struct gw_memory *m, bool done); /* what was gathered last; false: it is a change again */

#endif
