/* window.c - see window.h. */
#include <string.h>

#include "base/number.h"
#include "json.h"
#include "window.h"

static double as_double(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, sizeof(d));
	return d;
}

/* With the comma before it and the colon behind it. */
static void put_point_name(struct mqtt_text *t, const struct gw_layout_point *p)
{
	const struct mqtt_json_point *own = p->own;

	if (t->s[t->n - 1] != '{')
		mqtt_text_add(t, ",");
	mqtt_text_put(t, own->key.s, own->key.n);
}

/* A float32 in the shortest form that reads back as one. */
static void put_real(struct mqtt_text *t, unsigned kind, double v)
{
	char *out = mqtt_text_room(t, GW_NUMBER_MAX);

	t->n += kind == GW_F32 ? gw_put_f32(out, (float)v) : gw_put_f64(out, v);
}

static void put_quoted(struct mqtt_text *t, const char *s, size_t n)
{
	char *out = mqtt_text_room(t, 6 * n + 2);

	t->n += mqtt_quote(out, s, n);
}

static void put_label(struct mqtt_text *t, const struct gw_layout_point *p, uint64_t label)
{
	const struct mqtt_json_point *own = p->own;

	mqtt_text_put(t, own->labels[label].s, own->labels[label].n);
}

static void put_number(struct mqtt_text *t, unsigned kind, uint64_t slot)
{
	if (kind == GW_I64)
		mqtt_text_i64(t, (int64_t)slot);
	else if (kind == GW_U64)
		mqtt_text_u64(t, slot);
	else
		put_real(t, kind, as_double(slot));
}

static void put_last(struct mqtt_text *t, const struct gw_layout_point *p, const struct gw_window *w,
		     const struct gw_window_point *v)
{
	mqtt_text_member(t, "last");
	if (v->last_kind == GW_BOOL)
		mqtt_text_add(t, v->last ? "true" : "false");
	else if (v->last_kind == GW_TEXT)
		put_quoted(t, gw_window_text(w) + (v->last >> 16), v->last & 0xffff);
	else if (v->last_kind == GW_ENUM)
		put_label(t, p, v->last);
	else
		put_number(t, v->last_kind, v->last);
}

static void put_range(struct mqtt_text *t, const struct gw_window *w, const struct gw_window_point *v)
{
	mqtt_text_member(t, "min");
	put_number(t, v->min_kind, v->min);
	mqtt_text_member(t, "max");
	put_number(t, v->max_kind, v->max);
	mqtt_text_member(t, "mean");
	put_real(t, v->last_kind, gw_window_mean(w, v));
}

static void put_points(struct mqtt_text *t, const struct gw_layout *l, const struct gw_window *w)
{
	const struct gw_window_point *p = gw_window_points(w);

	mqtt_text_member(t, "points");
	mqtt_text_add(t, "{");
	for (unsigned i = 0; i < w->points; i++) {
		if (p[i].n == 0)
			continue;
		put_point_name(t, &l->points[p[i].index]);
		mqtt_text_add(t, "{");
		mqtt_text_member_u64(t, "n", p[i].n);
		if (p[i].min_kind != GW_NONE)
			put_range(t, w, &p[i]);
		if (p[i].last_kind != GW_NONE)
			put_last(t, &l->points[p[i].index], w, &p[i]);
		mqtt_text_add(t, "}");
	}
	mqtt_text_add(t, "}");
}

static void put_quality(struct mqtt_text *t, const struct gw_layout *l, const struct gw_window *w)
{
	const struct gw_window_quality *q = gw_window_qualities(w);

	if (w->qualities == 0)
		return;
	mqtt_text_member(t, "quality");
	mqtt_text_add(t, "{");
	for (uint32_t i = 0; i < w->qualities; i++) {
		if (i == 0 || q[i].index != q[i - 1].index) {
			put_point_name(t, &l->points[q[i].index]);
			mqtt_text_add(t, "{");
		}
		mqtt_text_member_u64(t, gw_reason_name(q[i].reason), q[i].n);
		if (i + 1 == w->qualities || q[i + 1].index != q[i].index)
			mqtt_text_add(t, "}");
	}
	mqtt_text_add(t, "}");
}

void mqtt_doc_window(struct mqtt_text *t, const struct gw_layout *l, const struct gw_window *w,
		     const char *boot)
{
	mqtt_text_add(t, "{");
	mqtt_text_member_u64(t, "from", w->from);
	mqtt_text_member_u64(t, "to", w->to);
	mqtt_text_member_u64(t, "count", w->readings);
	mqtt_text_member_i64(t, "ts_from", w->ts_from_ms);
	mqtt_text_member_i64(t, "ts_to", w->ts_to_ms);
	mqtt_text_member_u64(t, "window_ms", w->window_ms);
	put_points(t, l, w);
	put_quality(t, l, w);
	if (w->flags & GW_READING_UNSYNCED) {
		mqtt_text_member(t, "clock");
		mqtt_text_add(t, "\"unsynced\"");
	}
	if (w->flags & GW_READING_UNSYNCED && boot) {
		mqtt_text_member(t, "boot");
		mqtt_text_quoted(t, boot);
	}
	if (w->flags & GW_READING_UNSYNCED) {
		mqtt_text_member_i64(t, "mono_from", w->mono_from_ms);
		mqtt_text_member_i64(t, "mono_to", w->mono_to_ms);
	}
	mqtt_text_add(t, "}");
}
