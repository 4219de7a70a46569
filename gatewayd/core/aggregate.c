/* aggregate.c - see aggregate.h. */
#include "core/aggregate.h"

#include <string.h>

enum gw_family gw_family_of(unsigned kind)
{
	if (kind == GW_I64 || kind == GW_U64)
		return GW_FAMILY_INTEGER;
	if (kind == GW_F32 || kind == GW_F64)
		return GW_FAMILY_REAL;
	return kind == GW_NONE ? GW_FAMILY_NOTHING : GW_FAMILY_WORD;
}

static double as_double(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, sizeof(d));
	return d;
}

static double number(unsigned kind, uint64_t slot)
{
	if (kind == GW_I64)
		return (double)(int64_t)slot;
	return kind == GW_U64 ? (double)slot : as_double(slot);
}

static bool is_negative(unsigned kind, uint64_t slot)
{
	return kind == GW_I64 && (int64_t)slot < 0;
}

/* Integers exactly. */
static bool is_less(unsigned akind, uint64_t a, unsigned bkind, uint64_t b)
{
	if (gw_family_of(akind) != GW_FAMILY_INTEGER)
		return as_double(a) < as_double(b);
	if (is_negative(akind, a) != is_negative(bkind, b))
		return is_negative(akind, a);
	return a < b; /* of two negative ones the order is the same */
}

static void lower_min(struct gw_window_point *p, unsigned kind, uint64_t slot)
{
	if (p->min_kind == GW_NONE || is_less(kind, slot, p->min_kind, p->min)) {
		p->min_kind = (uint8_t)kind;
		p->min = slot;
	}
}

static void raise_max(struct gw_window_point *p, unsigned kind, uint64_t slot)
{
	if (p->max_kind == GW_NONE || is_less(p->max_kind, p->max, kind, slot)) {
		p->max_kind = (uint8_t)kind;
		p->max = slot;
	}
}

static void weigh(struct gw_window_point *p, double value, uint32_t weight)
{
	double all = (double)p->weight_ms + weight;

	if (weight == 0)
		return;
	p->mean = p->mean * (p->weight_ms / all) + value * (weight / all);
	p->weight_ms += weight;
}

void gw_aggregate_number(struct gw_window_point *p, unsigned kind, uint64_t slot)
{
	lower_min(p, kind, slot);
	raise_max(p, kind, slot);
}

void gw_aggregate_join(struct gw_window_point *p, const struct gw_window_point *other)
{
	lower_min(p, other->min_kind, other->min);
	raise_max(p, other->max_kind, other->max);
	weigh(p, other->mean, other->weight_ms);
}

void gw_aggregate_held(struct gw_window_point *p, uint32_t at_ms)
{
	weigh(p, number(p->last_kind, p->last), at_ms - p->last_ms);
}
