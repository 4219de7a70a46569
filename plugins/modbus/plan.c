#include "plugins/modbus/plan.h"

#include <modbus/modbus.h>
#include <stdlib.h>

#include "plugins/modbus/learned.h"

static const uint8_t functions[] = {
	[MB_COIL] = MODBUS_FC_READ_COILS,
	[MB_DISCRETE] = MODBUS_FC_READ_DISCRETE_INPUTS,
	[MB_INPUT] = MODBUS_FC_READ_INPUT_REGISTERS,
	[MB_HOLDING] = MODBUS_FC_READ_HOLDING_REGISTERS,
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct mb_place *pa = a, *pb = b;
	const struct mb_span *spans = arg, *x = &spans[pa->point], *y = &spans[pb->point];

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return (pa->point > pb->point) - (pa->point < pb->point);
}

uint8_t mb_read_function(enum mb_table table)
{
	return functions[table];
}

static bool crosses(const struct mb_rules *rules, unsigned from, unsigned end)
{
	for (size_t i = 0; i < rules->nbarriers; i++)
		if (from < rules->barriers[i] && rules->barriers[i] < end)
			return true;
	return false;
}

static bool allowed(const struct mb_rules *rules, const struct mb_request *r, unsigned end)
{
	return !crosses(rules, r->address, end) &&
	       (!rules->learned || mb_learned_allows(rules->learned, r->function, r->address, end));
}

/* Would the request still be allowed if it reached to the end of the span? */
static bool joins(const struct mb_request *r, const struct mb_span *s, const struct mb_wish *w)
{
	const struct mb_limits *l = w->limits;
	bool bits = s->table == MB_COIL || s->table == MB_DISCRETE;
	unsigned end = r->address + (unsigned)r->count, most = bits ? l->max_bits : l->max_registers;
	unsigned reach = (unsigned)s->address + s->width;

	if (r->function != functions[s->table] || s->address > end + l->max_gap ||
	    reach - r->address > most)
		return false;
	if (w->rules && w->rules->exact && (s->address != r->address || reach != end))
		return false;
	return !w->rules || allowed(w->rules, r, reach > end ? reach : end);
}

static void take(struct mb_request *r, const struct mb_span *s, struct mb_place *place)
{
	unsigned reach = (unsigned)(s->address + s->width - r->address);

	if (reach > r->count)
		r->count = (uint16_t)reach;
	place->offset = (uint16_t)(s->address - r->address);
	r->places++;
}

static bool is_alone(const struct mb_plan *plan, const struct mb_rules *rules)
{
	return rules && rules->first_alone && plan->nrequests == 1;
}

/* Greedy from the lowest address: a request that starts later never covers more, and a
 * part of an allowed request is allowed, so no other division needs fewer. */
static void merge(struct mb_plan *plan, const struct mb_wish *w)
{
	struct mb_request *r = NULL;

	for (unsigned i = 0; i < plan->nplaces; i++) {
		const struct mb_span *s = &w->spans[plan->places[i].point];

		if (!r || is_alone(plan, w->rules) || !joins(r, s, w)) {
			r = &plan->requests[plan->nrequests++];
			*r = (struct mb_request){ .function = functions[s->table],
						  .address = s->address,
						  .first = (uint16_t)i };
		}
		take(r, s, &plan->places[i]);
	}
}

/* Points in holes apart from the others. */
static void sort_out(struct mb_plan *plan, const struct mb_wish *w)
{
	const struct mb_learned *learned = w->rules ? w->rules->learned : NULL;

	for (unsigned i = 0; i < w->n; i++) {
		const struct mb_span *s = &w->spans[w->due[i]];
		unsigned reason = !learned ? 0 : mb_learned_hole(learned, functions[s->table],
								 s->address, s->address + s->width);

		if (reason)
			plan->skips[plan->nskips++] = (struct mb_skip){ w->due[i], (uint8_t)reason };
		else
			plan->places[plan->nplaces++].point = w->due[i];
	}
	if (w->n && !plan->nplaces)
		plan->places[plan->nplaces++].point = plan->skips[--plan->nskips].point;
}

struct mb_plan *mb_plan_new(struct gw_arena *arena, unsigned n)
{
	struct mb_plan *plan = gw_arena_alloc(arena, sizeof(*plan));

	/* At most one request a point; points are few and plans are made once. */
	plan->places = gw_arena_alloc(arena, (n + 1) * sizeof(*plan->places));
	plan->requests = gw_arena_alloc(arena, (n + 1) * sizeof(*plan->requests));
	plan->skips = gw_arena_alloc(arena, (n + 1) * sizeof(*plan->skips));
	return plan;
}

void mb_plan_fill(struct mb_plan *plan, const struct mb_wish *w)
{
	plan->nrequests = plan->nplaces = plan->nskips = 0;
	sort_out(plan, w);
	qsort_r(plan->places, plan->nplaces, sizeof(*plan->places), compare, (void *)w->spans);
	merge(plan, w);
}

const struct mb_plan *mb_plan_make(struct gw_arena *arena, const struct mb_span *spans,
				   const uint16_t *due, unsigned n, const struct mb_limits *limits)
{
	struct mb_plan *plan = mb_plan_new(arena, n);

	mb_plan_fill(plan, &(struct mb_wish){ spans, due, n, limits, NULL });
	return plan;
}

struct mb_request mb_plan_single(const struct mb_span *span)
{
	return (struct mb_request){ .function = functions[span->table],
				    .address = span->address,
				    .count = span->width,
				    .places = 1 };
}
