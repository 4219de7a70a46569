#include "plugins/modbus/readings.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const types16[] = { "u16", "i16", "bcd16", NULL };
static const char *const types32[] = { "u32", "i32", "f32", "bcd32", NULL };
static const char *const types64[] = { "u64", "i64", "f64", NULL };

const char *const mb_scales[] = { "1", "0.1", "0.01", "0.001", "10", "100", "1000", NULL };

const char *const *mb_way_types(unsigned width)
{
	return width == 1 ? types16 : width == 2 ? types32 : types64;
}

static struct gw_value decode(const struct mb_way *w, const uint8_t *data)
{
	static const struct {
		const char *name;
		enum mb_type type;
	} types[] = { { "u16", MB_U16 }, { "i16", MB_I16 }, { "bcd16", MB_BCD16 }, { "u32", MB_U32 },
		      { "i32", MB_I32 }, { "f32", MB_F32 }, { "bcd32", MB_BCD32 }, { "u64", MB_U64 },
		      { "i64", MB_I64 }, { "f64", MB_F64 } };
	struct mb_form f = { .word_little = w->word_little, .byte_little = w->byte_little };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, w->type))
			f.type = types[i].type;
	return mb_decode(&f, data, w->offset, NULL);
}

bool mb_way_value(const struct mb_way *w, const uint8_t *data, double *out)
{
	struct gw_value v = decode(w, data);

	if (v.kind == GW_NONE)
		return false;
	*out = v.kind == GW_U64 ? (double)v.u : v.kind == GW_I64 ? (double)v.i : v.f;
	return isfinite(*out);
}

/* The fewest digits that read back to the same number of its type. */
static void shortest(char *buf, double d, bool single)
{
	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		snprintf(buf, MB_NUMBER_MAX, "%.*g", digits, d);
		if (single ? strtof(buf, NULL) == (float)d : strtod(buf, NULL) == d)
			return;
	}
}

const char *mb_way_text(const struct mb_way *w, const uint8_t *data, char buf[MB_NUMBER_MAX])
{
	struct gw_value v = decode(w, data);

	if (v.kind == GW_NONE)
		snprintf(buf, MB_NUMBER_MAX, "-");
	else if (v.kind == GW_U64)
		snprintf(buf, MB_NUMBER_MAX, "%llu", (unsigned long long)v.u);
	else if (v.kind == GW_I64)
		snprintf(buf, MB_NUMBER_MAX, "%lld", (long long)v.i);
	else if (isfinite(v.f))
		shortest(buf, v.f, v.kind == GW_F32);
	else
		snprintf(buf, MB_NUMBER_MAX, "%s", isnan(v.f) ? "NaN" : v.f < 0 ? "-inf" : "inf");
	return buf;
}

/* ---- ranking ---- */

struct ranking {
	const uint8_t *data;
	unsigned registers;
	double expect, tolerance; /* half a unit of its last digit */
	struct mb_match *out;
	unsigned room, count;
};

static double last_digit(const char *text)
{
	const char *point = strchr(text, '.');
	size_t decimals = point ? strspn(point + 1, "0123456789") : 0;

	return pow(10, -(double)decimals);
}

static unsigned type_rank(const char *type)
{
	static const char *const order[] = { "u16", "i16", "f32", "u32", "i32",
					     "f64", "u64", "i64", "bcd16", "bcd32" };
	unsigned i = 0;

	while (strcmp(order[i], type))
		i++;
	return i;
}

/* Smaller is better; the first difference decides. */
static int compare(const struct ranking *r, const struct mb_match *a, const struct mb_match *b)
{
	const unsigned keys[][2] = {
		{ a->rank, b->rank },
		{ a->way.offset, b->way.offset },
		{ a->way.width != r->registers, b->way.width != r->registers },
		{ a->scale, b->scale },
		{ type_rank(a->way.type), type_rank(b->way.type) },
		{ a->way.byte_little * 2U + a->way.word_little, b->way.byte_little * 2U + b->way.word_little },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

/* Kept sorted; what does not fit is worse than all that is there. */
static void keep(struct ranking *r, const struct mb_match *m)
{
	unsigned at = r->count;

	while (at && compare(r, m, &r->out[at - 1]) < 0)
		at--;
	if (at == r->room)
		return;
	r->count += r->count < r->room;
	memmove(&r->out[at + 1], &r->out[at], (r->count - at - 1) * sizeof(*m));
	r->out[at] = *m;
}

static bool fits(const struct ranking *r, double v, unsigned *rank)
{
	double off = fabs(v - r->expect), part = off / fabs(r->expect);

	/* a scaled 64-bit number is rounded in its last bits */
	*rank = off <= r->tolerance * (1 + 1e-9) + 4 * DBL_EPSILON * fabs(r->expect) ? 0 : part <= 0.01 ? 1 : 2;
	return *rank == 0 || part <= 0.05;
}

static void try_scales(struct ranking *r, const struct mb_way *w)
{
	struct mb_match m = { .way = *w };
	double raw;

	if (!mb_way_value(w, r->data, &raw))
		return;
	for (m.scale = 0; mb_scales[m.scale]; m.scale++) {
		m.value = raw * strtod(mb_scales[m.scale], NULL);
		if (fits(r, m.value, &m.rank))
			keep(r, &m);
	}
}

static void try_orders(struct ranking *r, struct mb_way w)
{
	for (unsigned order = 0; order < (w.width == 1 ? 2 : 4); order++) {
		w.word_little = w.width > 1 && order & 1;
		w.byte_little = w.width > 1 ? order >> 1 : order;
		try_scales(r, &w);
	}
}

unsigned mb_ways_rank(const uint8_t *data, unsigned registers, const char *expect,
		      struct mb_match *out, unsigned room)
{
	struct ranking r = { .data = data, .registers = registers, .expect = strtod(expect, NULL),
			     .tolerance = last_digit(expect) / 2, .out = out, .room = room };

	for (unsigned width = 1; width <= 4; width *= 2)
		for (unsigned at = 0; at + width <= registers; at++)
			for (const char *const *t = mb_way_types(width); *t; t++)
				try_orders(&r, (struct mb_way){ .type = *t, .offset = at, .width = width });
	return r.count;
}
