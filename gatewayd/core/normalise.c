/*
 * normalise.c - readings through the rules of their points (see normalise.h).
 *
 * A reading is first looked at whole, so that one that lies changes nothing;
 * then each entry is converted and those with something to say move to the
 * front.  What is remembered of a point is what was said last (for the deadband)
 * and what was seen last (for people).  "Full" simply forgets what was said.
 */
#include "core/normalise.h"

#include <stdlib.h>
#include <string.h>

#include "core/normalise_point.h"

enum { TEXT_KEPT = 255 }; /* bytes of a text kept for gw_normaliser_latest() */

/* What every value touches stands together in the middle. */
struct point {
	char *text; /* TEXT_KEPT bytes, of text points */
	size_t text_length;
	/* said last; of points with a deadband */
	int64_t max_silence_ms, said_ms;
	uint64_t said_basis;
	bool said;
	uint8_t said_reason;
	/* seen last */
	bool seen;
	int64_t latest_ms;
	struct gw_cell latest;
	struct gw_point_rules rules;
};

struct gw_normaliser {
	enum gw_device_state state;
	unsigned reason;
	unsigned count;
	struct point points[];
};

static int point_make(struct point *p, const struct gw_point_spec *spec)
{
	if (gw_point_rules_make(&p->rules, spec) != 0)
		return -1;
	p->max_silence_ms = spec->max_silence_ms;
	if (spec->kind == GW_TEXT)
		p->text = malloc(TEXT_KEPT);
	return spec->kind == GW_TEXT && !p->text ? -1 : 0;
}

struct gw_normaliser *gw_normaliser_new(const struct gw_point_spec *points, unsigned n)
{
	struct gw_normaliser *nm = calloc(1, sizeof(*nm) + n * sizeof(nm->points[0]));

	if (!nm)
		return NULL;
	while (nm->count < n) {
		unsigned i = nm->count++;

		if (point_make(&nm->points[i], &points[i]) != 0) {
			gw_normaliser_free(nm);
			return NULL;
		}
	}
	return nm;
}

void gw_normaliser_free(struct gw_normaliser *n)
{
	if (!n)
		return;
	for (unsigned i = 0; i < n->count; i++) {
		gw_point_rules_free(&n->points[i].rules);
		free(n->points[i].text);
	}
	free(n);
}

enum gw_point_type gw_normaliser_type(const struct gw_normaliser *n, unsigned point)
{
	static const enum gw_point_type types[] = {
		[GW_RULE_BOOL] = GW_TYPE_BOOL,    [GW_RULE_WHOLE] = GW_TYPE_INTEGER,
		[GW_RULE_FIXED] = GW_TYPE_NUMBER, [GW_RULE_FLOAT] = GW_TYPE_NUMBER,
		[GW_RULE_LABEL] = GW_TYPE_TEXT,   [GW_RULE_TEXT] = GW_TYPE_TEXT,
	};

	return types[n->points[point].rules.rule];
}

const char *gw_normaliser_label(const struct gw_normaliser *n, unsigned point, unsigned label)
{
	const struct gw_point_rules *p = &n->points[point].rules;

	return label < p->nlabels ? p->labels[label].text : NULL;
}

/* Every value is of the declared kind, and what has no value has a reason. */
static bool is_honest(const struct gw_normaliser *n, const struct gw_reading *r)
{
	const uint32_t *tags = gw_reading_ctags(r);

	for (unsigned i = 0; i < r->count; i++) {
		enum gw_kind kind = gw_tag_kind(tags[i]);
		unsigned index = gw_tag_index(tags[i]);

		if (index >= n->count)
			return false;
		if (kind == GW_NONE ? gw_tag_reason(tags[i]) == GW_GOOD : kind != n->points[index].rules.kind)
			return false;
	}
	return true;
}

static bool is_silence(const struct gw_reading *r)
{
	const uint32_t *tags = gw_reading_ctags(r);

	for (unsigned i = 0; i < r->count; i++)
		if (!gw_reason_is_silence(gw_tag_reason(tags[i])))
			return false;
	return true;
}

static void forget_what_was_said(struct gw_normaliser *n)
{
	for (unsigned i = 0; i < n->count; i++)
		n->points[i].said = false;
}

/* A cut at TEXT_KEPT never goes through a character. */
static void keep_text(struct point *p, const char *s, size_t length)
{
	if (length > TEXT_KEPT) {
		length = TEXT_KEPT;
		while (length && ((unsigned char)s[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(p->text, s, length);
	p->text_length = length;
}

/* FNV-1a: stands for a text in the deadband, where any change counts. */
static uint64_t hash_of(const char *s, size_t length)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
	return h;
}

static bool has_something_to_say(const struct point *p, uint64_t basis, int64_t now_ms)
{
	if (!p->said || p->latest.reason != p->said_reason)
		return true;
	if (now_ms - p->said_ms >= p->max_silence_ms)
		return true;
	return p->latest.kind != GW_NONE && gw_point_moved(&p->rules, p->said_basis, basis);
}

/* What the deadband compares. */
static uint64_t basis_of(const struct point *p, const struct gw_reading *r, uint64_t raw)
{
	uint64_t slot = p->latest.slot;

	if (p->latest.kind == GW_TEXT)
		return hash_of((const char *)(gw_reading_cslots(r) + r->count) + (slot >> 16), slot & 0xffff);
	return gw_point_basis(&p->rules, raw, slot);
}

static bool passes_deadband(struct point *p, const struct gw_reading *r, uint64_t raw)
{
	uint64_t basis = basis_of(p, r, raw);

	if (!has_something_to_say(p, basis, r->mono_ms))
		return false;
	p->said = true;
	p->said_reason = p->latest.reason;
	p->said_basis = basis;
	p->said_ms = r->mono_ms;
	return true;
}

/* Convert one entry; true: it is to be said. */
static bool take(struct point *p, struct gw_reading *r, struct gw_cell *c)
{
	uint64_t raw = c->slot;

	gw_point_convert(&p->rules, c);
	p->seen = true;
	p->latest = *c;
	p->latest_ms = r->mono_ms;
	if (c->kind == GW_TEXT)
		keep_text(p, gw_reading_text(r) + (c->slot >> 16), c->slot & 0xffff);
	return !p->rules.has_deadband || passes_deadband(p, r, raw);
}

/* The first `count` entries are to stay; slots and text move up behind their tags. */
static void shrink(struct gw_reading *r, unsigned count, bool with_text)
{
	size_t text_size = with_text ? ((size_t)r->text_size + 7) & ~(size_t)7 : 0;
	const uint64_t *slots = gw_reading_cslots(r);
	const char *text = gw_reading_text(r);

	r->count = (uint16_t)count;
	if (count % 2)
		gw_reading_tags(r)[count] = 0;
	memmove(gw_reading_slots(r), slots, count * sizeof(*slots));
	memmove(gw_reading_text(r), text, text_size);
	r->text_size = with_text ? r->text_size : 0;
	r->size = (uint32_t)((size_t)(gw_reading_text(r) - (char *)r) + text_size);
}

static unsigned take_all(struct gw_normaliser *n, struct gw_reading *r, bool *with_text)
{
	uint32_t *tags = gw_reading_tags(r);
	uint64_t *slots = gw_reading_slots(r);
	unsigned count = 0;

	for (unsigned i = 0; i < r->count; i++) {
		unsigned index = gw_tag_index(tags[i]);
		struct gw_cell c = { slots[i], (uint8_t)gw_tag_kind(tags[i]), (uint8_t)gw_tag_reason(tags[i]) };

		if (!take(&n->points[index], r, &c))
			continue;
		*with_text |= c.kind == GW_TEXT;
		tags[count] = gw_tag(index, (enum gw_kind)c.kind, c.reason);
		slots[count++] = c.slot;
	}
	return count;
}

static enum gw_verdict say(struct gw_normaliser *n, struct gw_reading *r)
{
	bool with_text = false;
	unsigned count = take_all(n, r, &with_text);

	if (count < r->count || (r->text_size && !with_text))
		shrink(r, count, with_text);
	return count ? GW_SAY : GW_NOTHING;
}

/* The device answered nothing: said once for each reason, and whole. */
static enum gw_verdict say_silence(struct gw_normaliser *n, struct gw_reading *r)
{
	unsigned reason = gw_tag_reason(gw_reading_ctags(r)[0]);
	bool known = n->state == GW_STATE_OFFLINE && n->reason == reason;

	n->state = GW_STATE_OFFLINE;
	n->reason = reason;
	forget_what_was_said(n);
	say(n, r);
	forget_what_was_said(n); /* what follows the silence is whole again */
	r->flags |= GW_READING_OFFLINE;
	return known ? GW_NOTHING : GW_SAY;
}

enum gw_verdict gw_normalise(struct gw_normaliser *n, struct gw_reading *r, bool full)
{
	if (!is_honest(n, r))
		return GW_LIES;
	r->flags &= (uint16_t)~GW_READING_OFFLINE;
	if (full)
		forget_what_was_said(n);
	if (!r->count)
		return GW_NOTHING;
	if (is_silence(r))
		return say_silence(n, r);
	n->state = GW_STATE_ONLINE;
	n->reason = GW_GOOD;
	return say(n, r);
}

enum gw_device_state gw_normaliser_state(const struct gw_normaliser *n, unsigned *reason)
{
	*reason = n->reason;
	return n->state;
}

void gw_normaliser_lost(struct gw_normaliser *n)
{
	n->state = GW_STATE_UNKNOWN;
	n->reason = GW_PLUGIN;
	forget_what_was_said(n);
	for (unsigned i = 0; i < n->count; i++) {
		n->points[i].seen = true;
		n->points[i].latest = (struct gw_cell){ .kind = GW_NONE, .reason = GW_PLUGIN };
	}
}

static void value_of(struct gw_value *v, const struct gw_cell *c)
{
	v->kind = (enum gw_kind)c->kind;
	v->reason = (enum gw_reason)c->reason;
	v->u = c->slot; /* b, i, f and label are the same bytes, little-endian */
}

bool gw_normaliser_latest(const struct gw_normaliser *n, unsigned point, struct gw_value *v, int64_t *mono_ms)
{
	const struct point *p = &n->points[point];

	if (!p->seen)
		return false;
	*v = (struct gw_value){ 0 };
	value_of(v, &p->latest);
	*mono_ms = p->latest_ms;
	if (v->kind == GW_TEXT) {
		v->text = p->text;
		v->length = p->text_length;
	}
	return true;
}

void gw_normalise_one(const struct gw_normaliser *n, unsigned point, struct gw_value *v)
{
	const struct gw_point_rules *p = &n->points[point].rules;
	struct gw_cell c = { v->kind == GW_BOOL ? v->b : v->u, (uint8_t)v->kind, (uint8_t)v->reason };

	if (v->kind == GW_NONE ? v->reason == GW_GOOD : v->kind != p->kind)
		c.reason = GW_PROTOCOL; /* the source broke its word */
	gw_point_convert(p, &c);
	value_of(v, &c);
	if (v->kind != GW_TEXT) {
		v->text = NULL;
		v->length = 0;
	}
}
