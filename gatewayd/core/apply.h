/*
 * apply.h - the steps from a plan to a running gateway, for daemon.c: gw_apply_plan() marks and
 * registers, then `then` is called; it calls gw_apply_sinks() (books for new sinks), whatever it has to
 * recover, gw_apply_go() (start, stop, hand over) and gw_apply_end().
 */
#ifndef GW_CORE_APPLY_H
#define GW_CORE_APPLY_H

#include "core/daemon.h"

struct gw_apply;
typedef void gw_apply_fn(struct gw_apply *a, const struct gw_err *err);

/* What the ring says of one device's numbers. */
struct gw_from_ring {
	uint64_t next;           /* all below were given; 0: nothing */
	struct gw_ranges known;  /* their readings lie there, or nobody waits for them */
};

struct gw_apply {
	struct gw_daemon *d;
	gw_apply_fn *then;
	struct gw_source **sources; /* new or changed */
	size_t nsources;
	struct gw_sink **sinks;
	size_t nsinks;
	struct gw_registration *devices; /* of `sources`, in their order */
	size_t ndevices;
	struct gw_sink_registration *sink_regs; /* of `sinks`, then of those that stay */
	size_t nsink_regs;
	size_t staying; /* names that run now and are in the plan */
	uint64_t *first_seqs; /* by device number, while recovering */
	uint64_t *next_seqs;  /* the same: numbers below are committed */
	uint64_t *bounds;     /* the same: numbers below may have been given */
	size_t nfirst_seqs, nnext_seqs, nbounds, from_ring;
	struct gw_from_ring *on_ring; /* by device number, while recovering */
	size_t non_ring;
	bool ring_damaged;
	bool lost; /* what the former process did last, with the ring or a part of it */
};

void gw_apply_plan(struct gw_daemon *d, struct gw_plan *p, gw_apply_fn *then); /* takes the plan over */
void gw_apply_sinks(struct gw_apply *a);
void gw_apply_go(struct gw_apply *a);
void gw_apply_end(struct gw_apply *a);
void gw_apply_stopped(struct gw_daemon *d); /* something has stopped: sweep what was leaving */
bool gw_apply_settled(const struct gw_daemon *d); /* nothing of the last reload is left to do */


/* members.c; what the candidate has goes over, names are copied */
struct gw_source *gw_source_new(struct gw_daemon *d, struct gw_candidate *c);
struct gw_sink *gw_sink_new(struct gw_daemon *d, struct gw_candidate *c);
void gw_source_free(struct gw_source *s); /* NULL is allowed */
void gw_sink_free(struct gw_sink *s);     /* NULL is allowed */
struct gw_source *gw_source_named(const struct gw_daemon *d, const char *name); /* NULL: none */
struct gw_sink *gw_sink_named(const struct gw_daemon *d, const char *name);
bool gw_instance_same(const struct gw_instance *a, const struct gw_instance *b); /* would do the same */
void gw_instance_free(struct gw_instance *i); /* what it holds */

#endif
