/*
 * learn.h - reading on when a request fails, so that every point the device has
 * gets its value in the same cycle, and remembering why (learned.h).
 *
 * A request refused with exception 2 or 3 is bisected: which of its points is the
 * first that cannot be read?  Each step is one request that brings values or halves
 * the question, so a hole among n points costs at most log2(n) refusals more.  The
 * same for exception 1 where the function has worked before, and for silence, once a
 * request has been silent twice while others were answered.
 * Exceptions 4, 6 and broken answers teach nothing.
 *
 * Calls in one cycle: begin, then for each plan result() of each request and next(),
 * until that gives NULL.  Pure but for memory taken while something is being learned.
 */
#ifndef MODBUS_LEARN_H
#define MODBUS_LEARN_H

#include "plugins/modbus/learned.h"
#include "plugins/modbus/plan.h"

struct mb_learner;

/* spans, limits and rules stay the caller's and must stay; rules->learned is set. */
struct mb_learner *mb_learner_new(struct gw_arena *arena, const struct mb_span *spans,
				  unsigned npoints, const struct mb_limits *limits,
				  struct mb_rules *rules);
void mb_learner_free(struct mb_learner *l); /* what the arena does not; NULL is allowed */
struct mb_learned *mb_learner_learned(struct mb_learner *l);

void mb_learner_begin(struct mb_learner *l, const uint16_t *due, unsigned n);
/*
 * When the device has been silent for some cycles, perhaps it only does not like a long
 * request: a plan that begins with a short one, else NULL.
 */
const struct mb_plan *mb_learner_careful(struct mb_learner *l);
/* A request of the plan in hand ended with the reason. */
void mb_learner_result(struct mb_learner *l, const struct mb_plan *plan, unsigned request,
		       unsigned reason);
/* Has the point a value of this cycle?  A later failure does not take it away. */
bool mb_learner_has(const struct mb_learner *l, unsigned point);
/* The plan in hand is done: what else to read in this cycle, NULL: nothing.  Kept until the
 * next call. */
const struct mb_plan *mb_learner_next(struct mb_learner *l, int64_t now_us);

#endif
