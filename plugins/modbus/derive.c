#include "plugins/modbus/derive.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gatewayd/plugin.h"

enum { FACTOR_MAX = 10, FULL_NAME_MAX = 160, SPARE_BITS = 60 };

__extension__ typedef unsigned __int128 u128;

struct total {
	struct mb_counter counter;
	bool changed; /* since it was saved */
	char key[32], name[FULL_NAME_MAX];
};

struct derived {
	uint16_t other;      /* point it is joined with */
	uint8_t joined;      /* enum mb_joined */
	bool is_other;       /* another is joined with it */
	struct total *total; /* NULL: no counter */
	struct gw_value got; /* of this cycle; of joined points and their others */
};

struct mb_derive {
	struct gw_arena *arena;
	const char *device;
	unsigned n;
	struct derived point[];
};

struct mb_derive *mb_derive_new(struct gw_arena *arena, const char *device, unsigned npoints)
{
	struct mb_derive *x = gw_arena_alloc(arena, sizeof(*x) + npoints * sizeof(x->point[0]));

	x->arena = arena;
	x->device = device;
	x->n = npoints;
	for (unsigned i = 0; i < npoints; i++)
		x->point[i].other = MB_NO_POINT;
	return x;
}

/* A key has 64 bytes, names may have 129 together: the value says whose it is. */
static uint64_t hash(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

void mb_derive_counter(struct mb_derive *x, unsigned point, const char *name, unsigned bits)
{
	struct total *t = gw_arena_alloc(x->arena, sizeof(*t));

	t->counter.bits = (uint8_t)bits;
	snprintf(t->name, sizeof(t->name), "%.64s/%.64s", x->device, name);
	snprintf(t->key, sizeof(t->key), "total/%016" PRIx64, hash(t->name));
	x->point[point].total = t;
}

void mb_derive_join(struct mb_derive *x, unsigned point, unsigned other, enum mb_joined how)
{
	x->point[point].other = (uint16_t)other;
	x->point[point].joined = (uint8_t)how;
	x->point[other].is_other = true;
}

unsigned mb_derive_other(const struct mb_derive *x, unsigned point)
{
	return x->point[point].other;
}

/* ---- two points to one value ---- */

static double power_of_ten(int64_t e)
{
	double p = 1;

	for (; e > 0; e--)
		p *= 10; /* exact up to 10^22 */
	return p;
}

/*
 * Rounded once.  Above 2^53 the quotient by 10^k (k up to 10) differs from the middle of two doubles
 * by a multiple of 2^-58 at least, so 60 bits behind the point are enough to tell.
 */
static double divided(uint64_t magnitude, uint64_t by)
{
	if (magnitude <= UINT64_C(1) << DBL_MANT_DIG)
		return (double)magnitude / (double)by; /* both exact */
	u128 whole = ((u128)magnitude << SPARE_BITS) / by;

	return ldexp((double)whole, -SPARE_BITS);
}

static double shifted(uint64_t magnitude, int64_t e)
{
	if (e >= 0)
		return (double)((u128)magnitude * (uint64_t)power_of_ten(e));
	return divided(magnitude, (uint64_t)power_of_ten(-e));
}

static struct gw_value none(unsigned reason)
{
	return (struct gw_value){ .kind = GW_NONE, .reason = (enum gw_reason)reason };
}

/* The exponent the other point means; beyond FACTOR_MAX: none. */
static int64_t exponent(enum mb_joined how, const struct gw_value *other)
{
	int64_t e = other->kind == GW_U64 && other->u > FACTOR_MAX ? FACTOR_MAX + 1 : other->i;

	if (how != MB_DECIMALS)
		return e;
	return e < 0 || e > FACTOR_MAX ? FACTOR_MAX + 1 : -e;
}

static struct gw_value scaled(const struct gw_value *v, int64_t e)
{
	bool negative = v->kind == GW_I64 && v->i < 0;
	struct gw_value out = { .kind = GW_F64 };

	if (e < -FACTOR_MAX || e > FACTOR_MAX)
		return none(GW_NOT_AVAILABLE);
	out.f = shifted(negative ? -v->u : v->u, e);
	if (negative)
		out.f = -out.f;
	return out;
}

struct gw_value mb_join(enum mb_joined how, const struct gw_value *v, const struct gw_value *other)
{
	if (v->kind == GW_NONE)
		return *v;
	if (other->kind == GW_NONE)
		return *other;
	return scaled(v, exponent(how, other));
}

struct gw_value mb_derive_joined(const struct mb_derive *x, unsigned point, const struct gw_value *v,
				 const struct gw_value *other)
{
	return mb_join((enum mb_joined)x->point[point].joined, v, other);
}

/* ---- a cycle ---- */

void mb_derive_begin(struct mb_derive *x)
{
	for (unsigned i = 0; i < x->n; i++)
		x->point[i].got = none(GW_TIMEOUT);
}

static void count(struct total *t, struct gw_value *v)
{
	uint64_t before = t->counter.last;
	bool first = !t->counter.known;
	enum mb_counted what = mb_counter_take(&t->counter, v->u);

	if (what == MB_RESET)
		gw_log(GW_WARNING, "counter %s fell from %" PRIu64 " to %" PRIu64
		       ": taken as a reset or another meter, the total goes on at %" PRIu64,
		       t->name, before, v->u, t->counter.total);
	t->changed |= first || before != v->u;
	v->u = t->counter.total;
}

bool mb_derive_take(struct mb_derive *x, unsigned point, struct gw_value *v)
{
	struct derived *d = &x->point[point];

	if (d->total && v->kind == GW_U64)
		count(d->total, v);
	if (d->other == MB_NO_POINT && !d->is_other)
		return false;
	d->got = *v;
	return d->other != MB_NO_POINT && v->kind != GW_NONE;
}

void mb_derive_end(struct mb_derive *x, mb_derived_fn *put, void *arg)
{
	for (unsigned i = 0; i < x->n; i++) {
		const struct derived *d = &x->point[i];
		struct gw_value v;

		if (d->other == MB_NO_POINT || d->got.kind == GW_NONE)
			continue;
		v = mb_derive_joined(x, i, &d->got, &x->point[d->other].got);
		put(arg, i, &v);
	}
}

/* ---- memory ---- */

bool mb_derive_remember(struct mb_derive *x, const char *key, const void *value, size_t size)
{
	for (unsigned i = 0; i < x->n; i++) {
		struct total *t = x->point[i].total;

		if (t && strcmp(t->key, key) == 0)
			return mb_counter_load(&t->counter, t->name, value, size);
	}
	return false;
}

void mb_derive_save(struct mb_derive *x, mb_remember_fn *put, void *arg)
{
	char text[256];

	for (unsigned i = 0; i < x->n; i++) {
		struct total *t = x->point[i].total;

		if (!t || !t->changed)
			continue;
		put(arg, t->key, text, mb_counter_save(&t->counter, t->name, text, sizeof(text)));
		t->changed = false;
	}
}
