/*
 * cycle.c - one device's cycle: entries by point, closed into a reading; see
 * cycle.h and gatewayd/plugin.h.
 *
 * Wrong calls (a point that was never declared, another kind than declared, a
 * put after the close) are bugs of the plugin and end it by assertion, so that its
 * author sees the line; what a device sends can only become a reason.
 */
#include "base/cycle.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* A device whose points combine to more masks than this polls all of them when one more comes up.
 */
enum { PLANS_MAX = 256 };

struct plan {
	uint32_t mask;
	uint16_t count;
	uint16_t *points;
};

struct entry {
	uint64_t slot; /* text: offset << 16 | length into the cycle's own text */
	uint8_t kind;  /* GW_NONE with reason GW_GOOD: neither put nor failed */
	uint8_t reason;
};

struct gw_cycle {
	unsigned device, npoints, capacity;
	uint8_t *kinds, *groups; /* as declared */
	struct entry *entries;
	struct plan *plans;
	size_t nplans;
	size_t plan;  /* of this cycle */
	uint32_t all; /* every group */
	bool open, answered;
	int64_t due_us, ts_ms, mono_ms;
	char *text; /* NULL: no text point */
	size_t text_used;
	void *scratch;
	gw_cycle_closed_fn *closed;
	void *arg;
};

static void *grow(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count, size);

	if (!p)
		abort();
	return p;
}

struct gw_cycle *gw_cycle_new(unsigned device, void *scratch, gw_cycle_closed_fn *closed, void *arg)
{
	struct gw_cycle *c = grow(NULL, 1, sizeof(*c));

	*c = (struct gw_cycle){
		.device = device, .scratch = scratch, .closed = closed, .arg = arg
	};
	return c;
}

void gw_cycle_free(struct gw_cycle *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nplans; i++)
		free(c->plans[i].points);
	free(c->plans);
	free(c->kinds);
	free(c->groups);
	free(c->entries);
	free(c->text);
	free(c);
}

void gw_cycle_add_point(struct gw_cycle *c, enum gw_kind kind, unsigned group)
{
	assert(c->npoints < GW_POINTS_MAX && c->nplans == 0);
	if (c->npoints == c->capacity) {
		c->capacity = c->capacity ? c->capacity * 2 : 16;
		c->kinds = grow(c->kinds, c->capacity, sizeof(c->kinds[0]));
		c->groups = grow(c->groups, c->capacity, sizeof(c->groups[0]));
		c->entries = grow(c->entries, c->capacity, sizeof(c->entries[0]));
	}
	c->kinds[c->npoints] = (uint8_t)kind;
	c->groups[c->npoints] = (uint8_t)group;
	c->all |= UINT32_C(1) << group;
	c->npoints++;
	if (kind == GW_TEXT && !c->text)
		c->text = grow(NULL, 1, GW_READING_MAX);
}

unsigned gw_cycle_points(const struct gw_cycle *c)
{
	return c->npoints;
}

enum gw_kind gw_cycle_kind(const struct gw_cycle *c, unsigned point)
{
	return (enum gw_kind)c->kinds[point];
}

/* ---- plans: the due points of a mask, made once ---- */

static size_t add_plan(struct gw_cycle *c, uint32_t mask)
{
	struct plan p = { .mask = mask, .points = grow(NULL, c->npoints + 1, sizeof(p.points[0])) };

	for (unsigned i = 0; i < c->npoints; i++)
		if (mask & UINT32_C(1) << c->groups[i])
			p.points[p.count++] = (uint16_t)i;
	c->plans = grow(c->plans, c->nplans + 1, sizeof(c->plans[0]));
	c->plans[c->nplans] = p;
	return c->nplans++;
}

static size_t find_plan(struct gw_cycle *c, uint32_t mask)
{
	if (c->nplans == 0)
		add_plan(c, c->all); /* always number 0 */
	if (c->plans[c->plan].mask == mask)
		return c->plan;
	for (size_t i = 0; i < c->nplans; i++)
		if (c->plans[i].mask == mask)
			return i;
	return c->nplans < PLANS_MAX ? add_plan(c, mask) : 0;
}

void gw_cycle_open(struct gw_cycle *c, uint32_t mask, int64_t due_us)
{
	assert(!c->open);
	c->plan = find_plan(c, mask);
	c->open = true;
	c->answered = false;
	c->due_us = due_us;
	c->text_used = 0;
	memset(c->entries, 0, c->npoints * sizeof(c->entries[0]));
}

bool gw_cycle_is_open(const struct gw_cycle *c)
{
	return c->open;
}

unsigned gw_cycle_device(const struct gw_cycle *c)
{
	return c->device;
}

const uint16_t *gw_cycle_due(const struct gw_cycle *c, size_t *count)
{
	*count = c->plans[c->plan].count;
	return c->plans[c->plan].points;
}

uint32_t gw_cycle_mask(const struct gw_cycle *c)
{
	return c->plans[c->plan].mask;
}

int64_t gw_cycle_started_us(const struct gw_cycle *c)
{
	return c->due_us;
}

/* ---- putting ---- */

void gw_cycle_answered(struct gw_cycle *c)
{
	c->answered = true;
	c->ts_ms = gw_wall_ms();
	c->mono_ms = gw_now_us() / 1000;
}

static void put(struct gw_cycle *c, unsigned point, enum gw_kind kind, uint64_t slot)
{
	assert(c->open && point < c->npoints && c->kinds[point] == kind);
	c->entries[point] =
		(struct entry){ .slot = slot, .kind = (uint8_t)kind, .reason = GW_GOOD };
}

void gw_cycle_bool(struct gw_cycle *c, unsigned point, bool v)
{
	put(c, point, GW_BOOL, v);
}

void gw_cycle_i64(struct gw_cycle *c, unsigned point, int64_t v)
{
	put(c, point, GW_I64, (uint64_t)v);
}

void gw_cycle_u64(struct gw_cycle *c, unsigned point, uint64_t v)
{
	put(c, point, GW_U64, v);
}

static void put_float(struct gw_cycle *c, unsigned point, enum gw_kind kind, double v)
{
	uint64_t slot;

	memcpy(&slot, &v, sizeof(slot));
	put(c, point, kind, slot);
	if (!isfinite(v))
		gw_cycle_fail(c, point, GW_NOT_AVAILABLE);
}

void gw_cycle_f32(struct gw_cycle *c, unsigned point, float v)
{
	put_float(c, point, GW_F32, (double)v);
}

void gw_cycle_f64(struct gw_cycle *c, unsigned point, double v)
{
	put_float(c, point, GW_F64, v);
}

size_t gw_trimmed(const char *s, size_t n)
{
	while (n > 0 && (s[n - 1] == '\0' || s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	return n;
}

void gw_cycle_text(struct gw_cycle *c, unsigned point, const char *s, size_t n)
{
	assert(c->open && point < c->npoints && c->kinds[point] == GW_TEXT);
	n = gw_trimmed(s, n);
	if (n > GW_READING_MAX - c->text_used || !gw_text_clean(s, n)) {
		gw_cycle_fail(c, point, GW_BAD_TEXT);
		return;
	}
	if (n > 0)
		memcpy(c->text + c->text_used, s, n);
	put(c, point, GW_TEXT, (uint64_t)c->text_used << 16 | n);
	c->text_used += n;
}

void gw_cycle_fail(struct gw_cycle *c, unsigned point, unsigned reason)
{
	assert(c->open && point < c->npoints && reason != GW_GOOD);
	c->entries[point] = (struct entry){ .kind = GW_NONE, .reason = (uint8_t)reason };
}

/* ---- closing ---- */

/* Texts in index order, as many as there is room for; the others are bad_text. */
static struct entry place_text(const struct gw_cycle *c, struct gw_reading *r, size_t room,
			       struct entry e)
{
	size_t length = e.slot & 0xffff;

	if (length > room - r->text_size)
		return (struct entry){ .kind = GW_NONE, .reason = GW_BAD_TEXT };
	if (length > 0)
		memcpy(gw_reading_text(r) + r->text_size, c->text + (e.slot >> 16), length);
	e.slot = (uint64_t)r->text_size << 16 | length;
	r->text_size = (uint16_t)(r->text_size + length);
	return e;
}

/* Header and the end of the tags; the text is padded when its size is known. */
static struct gw_reading *begin_reading(const struct gw_cycle *c, const struct plan *plan)
{
	struct gw_reading *r = c->scratch;
	size_t tags = gw_reading_tags_size(plan->count);

	*r = (struct gw_reading){ .device = (uint16_t)c->device,
				  .count = plan->count,
				  .ts_ms = c->ts_ms,
				  .mono_ms = c->mono_ms };
	memset(gw_reading_tags(r), 0, tags);
	r->size = (uint32_t)(sizeof(*r) + tags + (size_t)plan->count * sizeof(uint64_t));
	return r;
}

static void pad_text(struct gw_reading *r)
{
	size_t padded = ((size_t)r->text_size + 7) & ~(size_t)7;

	memset(gw_reading_text(r) + r->text_size, 0, padded - r->text_size);
	r->size += (uint32_t)padded;
}

static const struct gw_reading *build(const struct gw_cycle *c, unsigned rest)
{
	const struct plan *plan = &c->plans[c->plan];
	struct gw_reading *r = begin_reading(c, plan);
	size_t room = GW_READING_MAX - r->size;
	uint32_t *tags = gw_reading_tags(r);
	uint64_t *slots = gw_reading_slots(r);

	for (unsigned i = 0; i < plan->count; i++) {
		struct entry e = c->entries[plan->points[i]];

		if (e.kind == GW_NONE && e.reason == GW_GOOD)
			e.reason = (uint8_t)rest;
		else if (e.kind == GW_TEXT)
			e = place_text(c, r, room, e);
		tags[i] = gw_tag(plan->points[i], (enum gw_kind)e.kind, e.reason);
		slots[i] = e.slot;
	}
	pad_text(r);
	return r;
}

void gw_cycle_close(struct gw_cycle *c, unsigned rest)
{
	assert(c->open);
	if (rest == GW_GOOD)
		rest = GW_NOT_AVAILABLE; /* every point was put: it reaches none */
	if (!c->answered)
		gw_cycle_answered(c);
	c->open = false;
	c->closed(c->arg, c->device, build(c, rest));
}
