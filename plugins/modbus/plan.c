#include "plugins/modbus/plan.h"

#include <modbus/modbus.h>
#include <stdlib.h>

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

/* Would the request still be allowed if it reached to the end of the span? */
static bool joins(const struct mb_request *r, const struct mb_span *s, const struct mb_limits *l)
{
	bool bits = s->table == MB_COIL || s->table == MB_DISCRETE;
	unsigned end = r->address + r->count, most = bits ? l->max_bits : l->max_registers;

	return r->function == functions[s->table] && s->address <= end + l->max_gap &&
	       s->address + s->width - r->address <= (int)most;
}

static void take(struct mb_request *r, const struct mb_span *s, struct mb_place *place)
{
	unsigned reach = (unsigned)(s->address + s->width - r->address);

	if (reach > r->count)
		r->count = (uint16_t)reach;
	place->offset = (uint16_t)(s->address - r->address);
	r->places++;
}

/* Greedy from the lowest address: a request that starts later never covers more,
 * so no other division needs fewer. */
static void merge(struct mb_plan *plan, const struct mb_span *spans, const struct mb_limits *limits)
{
	struct mb_request *r = NULL;

	for (unsigned i = 0; i < plan->nplaces; i++) {
		const struct mb_span *s = &spans[plan->places[i].point];

		if (!r || !joins(r, s, limits)) {
			r = &plan->requests[plan->nrequests++];
			*r = (struct mb_request){ .function = functions[s->table],
						  .address = s->address,
						  .first = (uint16_t)i };
		}
		take(r, s, &plan->places[i]);
	}
}

const struct mb_plan *mb_plan_make(struct gw_arena *arena, const struct mb_span *spans,
				   const uint16_t *due, unsigned n, const struct mb_limits *limits)
{
	struct mb_plan *plan = gw_arena_alloc(arena, sizeof(*plan));

	plan->nplaces = n;
	plan->places = gw_arena_alloc(arena, (n + 1) * sizeof(*plan->places));
	/* At most one request a point; points are few and plans are made once. */
	plan->requests = gw_arena_alloc(arena, (n + 1) * sizeof(*plan->requests));
	for (unsigned i = 0; i < n; i++)
		plan->places[i].point = due[i];
	qsort_r(plan->places, n, sizeof(*plan->places), compare, (void *)spans);
	merge(plan, spans, limits);
	return plan;
}

struct mb_request mb_plan_single(const struct mb_span *span)
{
	return (struct mb_request){ .function = functions[span->table],
				    .address = span->address,
				    .count = span->width,
				    .places = 1 };
}
