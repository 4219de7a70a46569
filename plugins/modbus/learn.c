/*
 * What is in hand during a cycle, in this order: the device's plan; then, for one
 * failed request after the other, the steps of its bisection and a plan for those of
 * its points that are still without a value; at last one retest of an old lesson.
 */
#include "plugins/modbus/learn.h"

#include <stdlib.h>
#include <string.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/bisect.h"

enum {
	SILENT_CYCLES = 3, /* in a row, before a short request is tried first */
	ROUNDS_MAX = 200,  /* further plans in a cycle; what is left waits for the next */
};

/* A request that failed: points[first..first+n) of the heap. */
struct failed {
	uint16_t first, n;
	uint8_t reason;
};

struct mb_learner {
	const struct mb_span *spans;
	const struct mb_limits *limits;
	struct mb_rules *rules;
	struct mb_learned learned;

	/* of the cycle */
	const uint16_t *due;
	unsigned ndue, rounds;
	bool answered, silent; /* anything at all; any request timed out */
	bool *has;             /* of each point */
	struct mb_plan *work;
	struct failed *failed;
	uint16_t *heap; /* points of failed requests, a stack like `failed` */
	unsigned nfailed, nheap;
	struct mb_bisect *bisect; /* of failed[nfailed - 1] */
	struct mb_lesson retest;  /* being tried again; count 0: none */
	unsigned last_reason;     /* of the work in hand */

	/* across cycles */
	unsigned silent_cycles;
	bool careful;
	struct mb_request silent_request; /* that was silent while others were answered */
	unsigned silent_times;
};

struct mb_learner *mb_learner_new(struct gw_arena *arena, const struct mb_span *spans,
				  unsigned npoints, const struct mb_limits *limits,
				  struct mb_rules *rules)
{
	struct mb_learner *l = gw_arena_alloc(arena, sizeof(*l));

	l->spans = spans;
	l->limits = limits;
	l->rules = rules;
	rules->learned = &l->learned;
	l->work = mb_plan_new(arena, npoints);
	l->has = gw_arena_alloc(arena, npoints + 1);
	l->failed = gw_arena_alloc(arena, (npoints + 1) * sizeof(*l->failed));
	l->heap = gw_arena_alloc(arena, (npoints + 1) * sizeof(*l->heap));
	return l;
}

void mb_learner_free(struct mb_learner *l)
{
	if (!l)
		return;
	mb_bisect_free(l->bisect);
	l->bisect = NULL;
	mb_learned_free(&l->learned);
}

struct mb_learned *mb_learner_learned(struct mb_learner *l)
{
	return &l->learned;
}

bool mb_learner_has(const struct mb_learner *l, unsigned point)
{
	return l->has[point];
}

void mb_learner_begin(struct mb_learner *l, const uint16_t *due, unsigned n)
{
	mb_bisect_free(l->bisect);
	l->bisect = NULL;
	l->due = due;
	l->ndue = n;
	l->rounds = l->nfailed = l->nheap = 0;
	l->retest.count = 0;
	l->answered = l->silent = false;
	for (unsigned i = 0; i < n; i++)
		l->has[due[i]] = false;
}

static struct mb_wish wish(const struct mb_learner *l, const uint16_t *points, unsigned n)
{
	return (struct mb_wish){ l->spans, points, n, l->limits, l->rules };
}

const struct mb_plan *mb_learner_careful(struct mb_learner *l)
{
	struct mb_wish w = wish(l, l->due, l->ndue);
	struct mb_rules rules = *l->rules;

	if (!l->careful)
		return NULL;
	rules.first_alone = true;
	w.rules = &rules;
	mb_plan_fill(l->work, &w);
	return l->work;
}

/* ---- answers ---- */

static bool is_refusal(unsigned reason)
{
	return reason == (GW_EXCEPTION_0 | 1) || reason == (GW_EXCEPTION_0 | 2) ||
	       reason == (GW_EXCEPTION_0 | 3);
}

static void push(struct mb_learner *l, const struct mb_plan *plan, const struct mb_request *r,
		 unsigned reason)
{
	struct failed *f = &l->failed[l->nfailed++];

	*f = (struct failed){ (uint16_t)l->nheap, r->places, (uint8_t)reason };
	for (unsigned i = 0; i < r->places; i++)
		l->heap[l->nheap++] = plan->places[r->first + i].point;
}

/* The same request has been silent before: as good as refused. */
static bool was_silent(struct mb_learner *l, const struct mb_request *r)
{
	const struct mb_request *s = &l->silent_request;

	if (s->function != r->function || s->address != r->address || s->count != r->count) {
		l->silent_request = *r;
		l->silent_times = 0;
	}
	return ++l->silent_times > 1;
}

static void good(struct mb_learner *l, const struct mb_plan *plan, const struct mb_request *r)
{
	unsigned *longest = &l->learned.longest[r->function];

	if (*longest < r->count)
		*longest = r->count;
	for (unsigned i = r->first; i < r->first + (unsigned)r->places; i++)
		l->has[plan->places[i].point] = true;
}

void mb_learner_result(struct mb_learner *l, const struct mb_plan *plan, unsigned request,
		       unsigned reason)
{
	const struct mb_request *r = &plan->requests[request];

	l->last_reason = reason;
	l->answered |= !gw_reason_is_silence(reason);
	l->silent |= reason == GW_TIMEOUT;
	if (reason == GW_GOOD)
		good(l, plan, r);
	else if (!l->bisect && !l->retest.count && (is_refusal(reason) || reason == GW_TIMEOUT))
		push(l, plan, r, reason);
}

/* ---- what next ---- */

/* Points of points[0..n) that lie in [from, end), as one request. */
static const struct mb_plan *one_request(struct mb_learner *l, const uint16_t *points, unsigned n,
					 uint8_t function, unsigned from, unsigned end)
{
	struct mb_plan *w = l->work;

	w->nrequests = 1;
	w->nplaces = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct mb_span *s = &l->spans[points[i]];

		if (mb_read_function(s->table) != function || s->address < from ||
		    (unsigned)s->address + s->width > end)
			continue;
		w->places[w->nplaces++] =
			(struct mb_place){ points[i], (uint16_t)(s->address - from) };
	}
	w->requests[0] = (struct mb_request){ .function = function, .address = (uint16_t)from,
					      .count = (uint16_t)(end - from),
					      .places = (uint16_t)w->nplaces };
	return w;
}

/* What is over is over: its points without a value are planned anew. */
static const struct mb_plan *read_rest(struct mb_learner *l, const struct failed *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n; i++) {
		const struct mb_span *s = &l->spans[l->heap[f->first + i]];

		if (!l->has[l->heap[f->first + i]] &&
		    !mb_learned_hole(&l->learned, mb_read_function(s->table), s->address,
				     (unsigned)s->address + s->width))
			l->heap[f->first + n++] = l->heap[f->first + i];
	}
	l->nheap = f->first;
	l->nfailed--;
	if (!n)
		return NULL;
	mb_plan_fill(l->work, &(struct mb_wish){ l->spans, l->heap + f->first, n, l->limits, l->rules });
	return l->work;
}

static void give_up(struct mb_learner *l)
{
	mb_bisect_free(l->bisect);
	l->bisect = NULL;
	l->nheap = l->failed[--l->nfailed].first;
}

static const struct mb_plan *next_step(struct mb_learner *l, int64_t now_us)
{
	const struct failed *f = &l->failed[l->nfailed - 1];
	unsigned from, end;

	if (mb_bisect_next(l->bisect, &from, &end))
		return one_request(l, l->heap + f->first, f->n,
				   mb_read_function(l->spans[l->heap[f->first]].table), from, end);
	if (!mb_learned_add(&l->learned, mb_bisect_lesson(l->bisect), now_us)) {
		give_up(l);
		return NULL;
	}
	mb_bisect_free(l->bisect);
	l->bisect = NULL;
	return read_rest(l, f);
}

static bool is_worth_it(struct mb_learner *l, const struct failed *f)
{
	const struct mb_request r = { .function = mb_read_function(l->spans[l->heap[f->first]].table),
				      .address = l->spans[l->heap[f->first]].address,
				      .count = f->n };

	/* "No such function" is about the address only where the function has worked. */
	if (f->reason == (GW_EXCEPTION_0 | 1))
		return l->learned.longest[r.function] > 0;
	return f->reason != GW_TIMEOUT || (l->answered && was_silent(l, &r));
}

static bool begin_bisect(struct mb_learner *l)
{
	const struct failed *f = &l->failed[l->nfailed - 1];
	unsigned function = mb_read_function(l->spans[l->heap[f->first]].table);

	if (is_worth_it(l, f))
		l->bisect = mb_bisect_new(l->spans, l->heap + f->first, f->n, f->reason,
					  l->learned.longest[function]);
	if (!l->bisect)
		give_up(l);
	return l->bisect;
}

/* The result of the step or retest in hand; false: it says nothing, give up for now. */
static bool judge(struct mb_learner *l)
{
	bool is_good = l->last_reason == GW_GOOD;

	if (!is_good && !is_refusal(l->last_reason) && l->last_reason != GW_TIMEOUT)
		return false;
	mb_bisect_told(l->bisect, is_good, l->last_reason);
	return true;
}

static void end_retest(struct mb_learner *l, int64_t now_us)
{
	for (unsigned i = 0; i < l->learned.count; i++) {
		struct mb_lesson *k = &l->learned.lessons[i];

		if (k->function == l->retest.function && k->address == l->retest.address &&
		    k->count == l->retest.count && k->kind == l->retest.kind)
			mb_learned_retested(&l->learned, k, l->last_reason == GW_GOOD, now_us);
	}
	l->retest.count = 0;
}

static const struct mb_plan *begin_retest(struct mb_learner *l, int64_t now_us)
{
	const struct mb_lesson *k = l->answered ? mb_learned_due(&l->learned, now_us) : NULL;

	if (!k || l->rounds > 1)
		return NULL;
	l->retest = *k;
	return one_request(l, l->due, l->ndue, k->function, k->address,
			   (unsigned)k->address + k->count);
}

static void end_cycle(struct mb_learner *l)
{
	l->silent_cycles = l->answered ? 0 : l->silent_cycles + 1;
	if (l->silent_cycles >= SILENT_CYCLES)
		l->careful = true;
	else if (l->answered && !l->silent)
		l->careful = false;
}

const struct mb_plan *mb_learner_next(struct mb_learner *l, int64_t now_us)
{
	const struct mb_plan *plan = NULL;

	if (l->retest.count)
		end_retest(l, now_us);
	else if (l->bisect && !judge(l))
		give_up(l);
	while (!plan && l->nfailed && l->rounds < ROUNDS_MAX)
		if (l->bisect || begin_bisect(l))
			plan = next_step(l, now_us);
	if (!plan)
		plan = begin_retest(l, now_us);
	l->rounds++;
	if (!plan)
		end_cycle(l);
	return plan;
}
