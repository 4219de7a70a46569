/*
 * How often exactly the set S of intervals is due together follows from how often
 * at least S is, which is once in the least common multiple: the sets above S are
 * subtracted, the largest first.
 */
#include "plugins/modbus/budget.h"

#include <modbus/modbus.h>

enum {
	REQUEST = 8,
	ANSWER = 5,	   /* without its data */
	INTERVALS_MAX = 8, /* of a device that are told apart; the last takes the longer ones */
	SETS_MAX = 1 << INTERVALS_MAX,
};

static size_t data_size(const struct mb_request *r)
{
	return r->function <= MODBUS_FC_READ_DISCRETE_INPUTS ? ((size_t)r->count + 7) / 8
							       : (size_t)r->count * 2;
}

static int64_t transaction_us(const struct mb_serial *s, const struct mb_demand *d, const struct mb_request *r)
{
	return mb_serial_bytes_us(s, REQUEST) + mb_serial_gap_us(s) + d->turnaround_us +
	       mb_serial_bytes_us(s, ANSWER + data_size(r));
}

int64_t mb_budget_request_us(const struct mb_serial *s, const struct mb_demand *d,
			     const struct mb_request *r, bool shared)
{
	int64_t rest_us = mb_serial_gap_us(s);

	if (rest_us < d->pause_us)
		rest_us = d->pause_us;
	if (rest_us < d->guard_us)
		rest_us = d->guard_us;
	if (shared && rest_us < d->unit_pause_us)
		rest_us = d->unit_pause_us;
	return transaction_us(s, d, r) + rest_us;
}

int64_t mb_budget_longest_us(const struct mb_serial *s, const struct mb_demand *d)
{
	struct gw_arena *arena = gw_arena_new();
	struct mb_plan *plan = mb_plan_new(arena, d->npoints);
	uint16_t *due = gw_arena_alloc(arena, (d->npoints + 1) * sizeof(*due));
	int64_t longest_us = 0;

	for (unsigned i = 0; i < d->npoints; i++)
		due[i] = (uint16_t)i;
	mb_plan_fill(plan, &(struct mb_wish){ d->spans, due, d->npoints, d->limits, d->rules });
	for (unsigned i = 0; i < plan->nrequests; i++) {
		int64_t us = transaction_us(s, d, &plan->requests[i]);

		longest_us = us > longest_us ? us : longest_us;
	}
	gw_arena_free(arena);
	return longest_us;
}

/* ---- the intervals of a device ---- */

struct intervals {
	int64_t ms[INTERVALS_MAX];
	unsigned n;
};

static unsigned number_of(const struct intervals *v, int64_t ms)
{
	unsigned i = 0;

	while (i < v->n && v->ms[i] != ms)
		i++;
	return i < v->n ? i : INTERVALS_MAX - 1;
}

static void collect(struct intervals *v, const struct mb_demand *d)
{
	v->n = 0;
	for (unsigned i = 0; i < d->npoints && v->n < INTERVALS_MAX; i++) {
		unsigned k = 0;

		while (k < v->n && v->ms[k] != d->interval_ms[i])
			k++;
		if (k == v->n)
			v->ms[v->n++] = d->interval_ms[i];
	}
}

static double common_divisor(double a, double b)
{
	while (b >= 1) {
		double rest = a - b * (double)(int64_t)(a / b);

		a = b;
		b = rest;
	}
	return a;
}

/* Ticks a millisecond at which at least the set is due; beyond exact whole numbers none. */
static double at_least(const struct intervals *v, unsigned set)
{
	double lcm = 1;

	for (unsigned i = 0; i < v->n; i++) {
		if (!(set >> i & 1))
			continue;
		lcm = lcm / common_divisor(lcm, (double)v->ms[i]) * (double)v->ms[i];
		if (lcm > 1e15)
			return 0;
	}
	return 1 / lcm;
}

static void rates(const struct intervals *v, double *rate)
{
	unsigned all = 1U << v->n;

	for (unsigned set = all - 1; set > 0; set--) {
		rate[set] = at_least(v, set);
		for (unsigned above = set + 1; above < all; above++)
			if ((above & set) == set)
				rate[set] -= rate[above];
	}
}

/* ---- the load ---- */

struct sum {
	const struct mb_serial *serial;
	const struct mb_demand *demand;
	struct intervals intervals;
	struct mb_plan *plan;
	uint16_t *due;
	bool shared;
};

static double cycle_us(const struct sum *s, unsigned set)
{
	const struct mb_demand *d = s->demand;
	struct mb_wish wish = { .spans = d->spans, .due = s->due, .limits = d->limits,
				.rules = d->rules };
	double us = 0;

	for (unsigned i = 0; i < d->npoints; i++)
		if (set >> number_of(&s->intervals, d->interval_ms[i]) & 1)
			s->due[wish.n++] = (uint16_t)i;
	mb_plan_fill(s->plan, &wish);
	for (unsigned i = 0; i < s->plan->nrequests; i++)
		us += (double)mb_budget_request_us(s->serial, d, &s->plan->requests[i], s->shared);
	return us;
}

static double device_load(const struct mb_serial *serial, const struct mb_demand *d, bool shared)
{
	struct gw_arena *arena = gw_arena_new();
	struct sum s = { .serial = serial, .demand = d, .shared = shared };
	double rate[SETS_MAX], load = 0;

	s.plan = mb_plan_new(arena, d->npoints);
	s.due = gw_arena_alloc(arena, (d->npoints + 1) * sizeof(*s.due));
	collect(&s.intervals, d);
	rates(&s.intervals, rate);
	for (unsigned set = 1; set < 1U << s.intervals.n; set++)
		if (rate[set] > 0)
			load += rate[set] / 1000 * cycle_us(&s, set);
	gw_arena_free(arena);
	return load;
}

struct mb_budget mb_budget_make(const struct mb_serial *s, const struct mb_demand *demands, unsigned n)
{
	struct mb_budget b = { 0 };
	double load = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct mb_demand *d = &demands[i];

		load += device_load(s, d, n > 1);
		for (unsigned k = 0; k < d->npoints; k++)
			if (!b.interval_us || d->interval_ms[k] * 1000 < b.interval_us)
				b.interval_us = d->interval_ms[k] * 1000;
	}
	b.permille = (int64_t)(load * 1000 + 0.5);
	b.need_us = (int64_t)(load * (double)b.interval_us + 0.5);
	return b;
}
