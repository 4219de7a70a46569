/*
 * fold.c - see fold.h.  Points are kept by their index, so that a reading costs one look
 * at each of its points; reasons of a point are a chain, which is short.
 */
#include "core/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/aggregate.h"

#define NONE UINT32_MAX

struct entry {
	struct gw_window_point p;
	bool seen;
	enum gw_family family;
	uint32_t reasons; /* first in the chain, or NONE */
	char *text;       /* of GW_TEXT: the last */
	size_t text_size, text_room;
};

struct reason {
	struct gw_window_quality q;
	uint32_t next;
};

struct gw_fold {
	struct gw_window w; /* readings 0: empty */
	struct entry *entries;
	unsigned nentries; /* there is room for */
	struct reason *reasons;
	uint32_t nreasons, room;
};

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

struct gw_fold *gw_fold_new(uint32_t window_ms)
{
	struct gw_fold *f = must(calloc(1, sizeof(*f)));

	f->w.window_ms = window_ms;
	return f;
}

void gw_fold_free(struct gw_fold *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->nentries; i++)
		free(f->entries[i].text);
	free(f->entries);
	free(f->reasons);
	free(f);
}

static void keep_text(struct entry *e, const char *text, size_t n)
{
	if (n > e->text_room) {
		e->text = must(realloc(e->text, n));
		e->text_room = n;
	}
	if (n)
		memcpy(e->text, text, n);
	e->text_size = n;
}

/* A word about the point at `at`: until then its last value held. */
static void reach(struct entry *e, uint32_t at)
{
	struct gw_window_point *p = &e->p;

	if (p->first_ms == UINT32_MAX)
		p->first_ms = at;
	if (p->flags & GW_WINDOW_OPEN && p->min_kind != GW_NONE)
		gw_aggregate_held(p, at);
	p->last_ms = at;
}

static int64_t slot_of(int64_t ts_ms, uint32_t window_ms)
{
	int64_t slot = ts_ms / window_ms;

	return ts_ms % window_ms < 0 ? slot - 1 : slot;
}

/* ---- what may be added ---- */

struct piece { /* of a reading or a window */
	uint64_t from, to, readings;
	uint32_t layout, boot;
	uint16_t device, flags;
	int64_t ts_from_ms, ts_to_ms, mono_from_ms, mono_to_ms;
};

static bool continues(const struct gw_window *w, const struct piece *p)
{
	return p->from == w->to + 1 && p->device == w->device && p->layout == w->layout &&
	       p->boot == w->boot && p->flags == w->flags && p->mono_from_ms >= w->mono_to_ms &&
	       p->mono_to_ms - w->mono_from_ms <= 2 * (int64_t)w->window_ms &&
	       slot_of(p->ts_from_ms, w->window_ms) == slot_of(w->ts_from_ms, w->window_ms) &&
	       slot_of(p->ts_to_ms, w->window_ms) == slot_of(w->ts_from_ms, w->window_ms);
}

static void extend(struct gw_window *w, const struct piece *p)
{
	if (w->readings == 0) {
		w->from = p->from;
		w->device = p->device;
		w->layout = p->layout;
		w->boot = p->boot;
		w->flags = p->flags;
		w->ts_from_ms = p->ts_from_ms;
		w->mono_from_ms = p->mono_from_ms;
	}
	w->to = p->to;
	w->ts_to_ms = p->ts_to_ms;
	w->mono_to_ms = p->mono_to_ms;
	w->readings += p->readings;
}

static bool fits_family(const struct gw_fold *f, unsigned index, unsigned kind)
{
	enum gw_family family = gw_family_of(kind);

	return family == GW_FAMILY_NOTHING || index >= f->nentries || !f->entries[index].seen ||
	       f->entries[index].family == GW_FAMILY_NOTHING || f->entries[index].family == family;
}

static struct entry *entry_of(struct gw_fold *f, unsigned index)
{
	struct entry *e;

	if (index >= f->nentries) {
		unsigned n = index + 16;

		f->entries = must(realloc(f->entries, n * sizeof(*f->entries)));
		memset(f->entries + f->nentries, 0, (n - f->nentries) * sizeof(*f->entries));
		f->nentries = n;
	}
	e = &f->entries[index];
	if (!e->seen) {
		e->p = (struct gw_window_point){ .index = (uint16_t)index, .first_ms = UINT32_MAX };
		e->seen = true;
		e->family = GW_FAMILY_NOTHING;
		e->reasons = NONE;
		e->text_size = 0;
	}
	return e;
}

static void count_reason(struct gw_fold *f, struct entry *e, unsigned reason, uint32_t n)
{
	for (uint32_t i = e->reasons; i != NONE; i = f->reasons[i].next)
		if (f->reasons[i].q.reason == reason) {
			f->reasons[i].q.n += n;
			return;
		}
	if (f->nreasons == f->room) {
		f->room = f->room ? f->room * 2 : 64;
		f->reasons = must(realloc(f->reasons, f->room * sizeof(*f->reasons)));
	}
	f->reasons[f->nreasons] = (struct reason){
		.q = { .index = e->p.index, .reason = (uint8_t)reason, .n = n }, .next = e->reasons };
	e->reasons = f->nreasons++;
}

/* ---- a reading ---- */

static unsigned reason_of(const struct gw_value *v)
{
	if (v->reason != GW_GOOD)
		return v->reason;
	if (v->kind == GW_NONE)
		return GW_NOT_AVAILABLE;
	if (gw_family_of(v->kind) == GW_FAMILY_REAL && !isfinite(v->f))
		return GW_NOT_AVAILABLE;
	return GW_GOOD;
}

static void add_good(struct entry *e, const struct gw_value *v, uint64_t slot)
{
	struct gw_window_point *p = &e->p;

	e->family = gw_family_of(v->kind);
	if (e->family == GW_FAMILY_INTEGER || e->family == GW_FAMILY_REAL)
		gw_aggregate_number(p, v->kind, slot);
	if (v->kind == GW_TEXT)
		keep_text(e, v->text, v->length);
	p->last_kind = (uint8_t)v->kind;
	p->last = slot;
	p->n++;
	p->flags |= GW_WINDOW_OPEN;
}

static void add_point(struct gw_fold *f, const struct gw_reading *r, unsigned i, uint32_t at)
{
	struct gw_value v = gw_reading_value(r, i);
	struct entry *e = entry_of(f, gw_tag_index(gw_reading_ctags(r)[i]));
	unsigned reason = reason_of(&v);

	reach(e, at);
	if (reason == GW_GOOD) {
		add_good(e, &v, gw_reading_cslots(r)[i]);
		return;
	}
	e->p.flags &= (uint8_t)~GW_WINDOW_OPEN;
	count_reason(f, e, reason, 1);
}

static bool kinds_fit(const struct gw_fold *f, const struct gw_reading *r)
{
	for (unsigned i = 0; i < r->count; i++)
		if (!fits_family(f, gw_tag_index(gw_reading_ctags(r)[i]), gw_tag_kind(gw_reading_ctags(r)[i])))
			return false;
	return true;
}

bool gw_fold_add(struct gw_fold *f, const struct gw_reading *r)
{
	struct piece p = { .from = r->seq, .to = r->seq, .readings = 1, .layout = r->layout, .boot = r->boot,
			   .device = r->device, .flags = r->flags & GW_READING_UNSYNCED,
			   .ts_from_ms = r->ts_ms, .ts_to_ms = r->ts_ms, .mono_from_ms = r->mono_ms,
			   .mono_to_ms = r->mono_ms };

	if (f->w.readings && (!continues(&f->w, &p) || !kinds_fit(f, r)))
		return false;
	extend(&f->w, &p);
	for (unsigned i = 0; i < r->count; i++)
		add_point(f, r, i, (uint32_t)(r->mono_ms - f->w.mono_from_ms));
	return true;
}

/* ---- a window ---- */

static void join_values(struct entry *e, const struct gw_window *w, const struct gw_window_point *p)
{
	struct gw_window_point *mine = &e->p;

	if (p->n == 0)
		return;
	mine->n += p->n;
	mine->last_kind = p->last_kind;
	mine->last = p->last;
	e->family = gw_family_of(p->last_kind);
	if (p->last_kind == GW_TEXT)
		keep_text(e, gw_window_text(w) + (p->last >> 16), p->last & 0xffff);
	if (p->min_kind != GW_NONE)
		gw_aggregate_join(mine, p);
}

static void join_point(struct gw_fold *f, const struct gw_window *w, const struct gw_window_point *p,
		       uint32_t shift)
{
	struct entry *e = entry_of(f, p->index);

	reach(e, shift + p->first_ms);
	join_values(e, w, p);
	e->p.last_ms = shift + p->last_ms;
	e->p.flags = p->flags;
}

static bool window_fits(const struct gw_fold *f, const struct gw_window *w)
{
	const struct gw_window_point *p = gw_window_points(w);

	for (unsigned i = 0; i < w->points; i++)
		if (!fits_family(f, p[i].index, p[i].last_kind))
			return false;
	return true;
}

bool gw_fold_join(struct gw_fold *f, const struct gw_window *w)
{
	const struct gw_window_quality *q = gw_window_qualities(w);
	struct piece p = { .from = w->from, .to = w->to, .readings = w->readings, .layout = w->layout,
			   .boot = w->boot, .device = w->device, .flags = w->flags,
			   .ts_from_ms = w->ts_from_ms, .ts_to_ms = w->ts_to_ms,
			   .mono_from_ms = w->mono_from_ms, .mono_to_ms = w->mono_to_ms };

	if (f->w.readings && (!continues(&f->w, &p) || !window_fits(f, w)))
		return false;
	extend(&f->w, &p);
	for (unsigned i = 0; i < w->points; i++)
		join_point(f, w, &gw_window_points(w)[i], (uint32_t)(w->mono_from_ms - f->w.mono_from_ms));
	for (uint32_t i = 0; i < w->qualities; i++)
		count_reason(f, entry_of(f, q[i].index), q[i].reason, q[i].n);
	return true;
}

/* ---- taking ---- */

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* Reasons of one entry, by growing number: the chain is short. */
static uint32_t put_reasons(const struct gw_fold *f, const struct entry *e, struct gw_window_quality *out,
			    uint32_t room)
{
	uint32_t n = 0;

	for (uint32_t i = e->reasons; i != NONE && n < room; i = f->reasons[i].next) {
		uint32_t at = n++;

		for (; at > 0 && out[at - 1].reason > f->reasons[i].q.reason; at--)
			out[at] = out[at - 1];
		out[at] = f->reasons[i].q;
	}
	return n;
}

static void put_points(const struct gw_fold *f, struct gw_window *w)
{
	struct gw_window_point *p = (struct gw_window_point *)(void *)(w + 1);

	for (unsigned i = 0; i < f->nentries; i++)
		if (f->entries[i].seen)
			p[w->points++] = f->entries[i].p;
	w->size += w->points * (uint32_t)sizeof(*p);
}

static void put_qualities(const struct gw_fold *f, struct gw_window *w)
{
	struct gw_window_quality *q = (struct gw_window_quality *)(void *)((char *)w + w->size);
	uint32_t room = (GW_WINDOW_MAX - w->size) / (uint32_t)sizeof(*q);

	for (unsigned i = 0; i < f->nentries; i++)
		if (f->entries[i].seen)
			w->qualities += put_reasons(f, &f->entries[i], q + w->qualities, room - w->qualities);
	w->size += w->qualities * (uint32_t)sizeof(*q);
}

static void put_texts(const struct gw_fold *f, struct gw_window *w)
{
	struct gw_window_point *p = (struct gw_window_point *)(void *)(w + 1);
	char *text = (char *)w + w->size;
	size_t used = 0, room = (GW_WINDOW_MAX - w->size) & ~(size_t)7;

	if (room > UINT16_MAX - 7)
		room = UINT16_MAX - 7;
	for (unsigned i = 0; i < w->points; i++) {
		const struct entry *e = &f->entries[p[i].index];

		if (p[i].last_kind != GW_TEXT)
			continue;
		if (used + e->text_size > room) {
			p[i].last_kind = GW_NONE;
			p[i].last = 0;
			continue;
		}
		if (e->text_size)
			memcpy(text + used, e->text, e->text_size);
		p[i].last = (uint64_t)used << 16 | e->text_size;
		used += e->text_size;
	}
	w->text_size = (uint16_t)used;
	w->size += (uint32_t)padded(used);
}

void gw_fold_clear(struct gw_fold *f)
{
	for (unsigned i = 0; i < f->nentries; i++)
		f->entries[i].seen = false;
	f->nreasons = 0;
	f->w = (struct gw_window){ .window_ms = f->w.window_ms };
}

struct gw_window *gw_fold_take(struct gw_fold *f)
{
	struct gw_window *w;

	if (f->w.readings == 0)
		return NULL;
	w = must(calloc(1, GW_WINDOW_MAX));
	*w = f->w;
	w->size = sizeof(*w);
	put_points(f, w);
	put_qualities(f, w);
	put_texts(f, w);
	w->crc = gw_window_crc(w);
	gw_fold_clear(f);
	return must(realloc(w, w->size));
}
