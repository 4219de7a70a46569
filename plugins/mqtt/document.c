/* document.c - see document.h. */
#include <string.h>

#include "document.h"

static void put_text(struct mqtt_text *t, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	mqtt_text_member(t, name);
	mqtt_text_quoted(t, value);
}

static void put_f64(struct mqtt_text *t, const char *name, double value)
{
	mqtt_text_member(t, name);
	mqtt_text_f64(t, value);
}

static void put_bool(struct mqtt_text *t, const char *name, bool value)
{
	mqtt_text_member(t, name);
	mqtt_text_add(t, value ? "true" : "false");
}

static void open_member(struct mqtt_text *t, const char *name, const char *bracket)
{
	mqtt_text_member(t, name);
	mqtt_text_add(t, bracket);
}

void mqtt_doc_status(struct mqtt_text *t, const struct gw_gateway_info *g,
		     const struct mqtt_status *s)
{
	mqtt_text_add(t, "{");
	put_text(t, "state", s->online ? "online" : "offline");
	put_text(t, "reason", s->stopped ? "stopped" : NULL);
	if (s->ts_ms)
		mqtt_text_member_i64(t, "ts", s->ts_ms);
	if (s->online) {
		put_text(t, "version", g->version);
		put_text(t, "config", g->config);
	}
	put_text(t, "boot", g->boot);
	mqtt_text_member_u64(t, "session", s->session);
	if (s->online)
		put_text(t, "buffer", g->buffer);
	mqtt_text_add(t, "}");
}

void mqtt_doc_gateway(struct mqtt_text *t, const struct gw_gateway_info *g,
		      const struct mqtt_named_topic *devices, size_t count)
{
	mqtt_text_add(t, "{\"schema\":1");
	put_text(t, "gateway", g->id);
	put_text(t, "title", g->title);
	put_text(t, "province", g->province);
	put_text(t, "site", g->site);
	if (g->located) {
		open_member(t, "location", "{");
		put_f64(t, "lat", g->lat);
		put_f64(t, "lon", g->lon);
		mqtt_text_add(t, "}");
	}
	open_member(t, "devices", "[");
	for (size_t i = 0; i < count; i++) {
		mqtt_text_add(t, i ? ",{" : "{");
		put_text(t, "name", devices[i].name);
		put_text(t, "topic", devices[i].topic);
		mqtt_text_add(t, "}");
	}
	mqtt_text_add(t, "]}");
}

static void put_point(struct mqtt_text *t, const struct gw_layout_point *p)
{
	static const char *const types[] = { "bool", "integer", "number", "text" };

	open_member(t, p->name, "{");
	put_text(t, "type", types[p->type]);
	put_text(t, "unit", p->unit);
	put_text(t, "symbol", p->symbol);
	put_text(t, "quantity", p->quantity);
	mqtt_text_member_i64(t, "interval_ms", p->interval_ms);
	put_bool(t, "writable", p->writable);
	if (p->has_min)
		put_f64(t, "min", p->min);
	if (p->has_max)
		put_f64(t, "max", p->max);
	if (p->has_deadband) {
		put_f64(t, "deadband", p->deadband);
		mqtt_text_member_i64(t, "max_silence_ms", p->max_silence_ms);
	}
	mqtt_text_add(t, "}");
}

void mqtt_doc_device(struct mqtt_text *t, const struct gw_layout *l)
{
	mqtt_text_add(t, "{\"schema\":1");
	put_text(t, "device", l->name);
	put_text(t, "title", l->title);
	put_text(t, "profile", l->profile);
	put_text(t, "domain", l->domain);
	mqtt_text_member_u64(t, "first_seq", l->first_seq);
	mqtt_text_member_u64(t, "from_seq", l->from_seq);
	open_member(t, "points", "{");
	for (unsigned i = 0; i < l->npoints; i++)
		put_point(t, &l->points[i]);
	mqtt_text_add(t, "}}");
}

void mqtt_doc_state(struct mqtt_text *t, enum gw_device_state state, int64_t ts_ms,
		    const char *reason)
{
	static const char *const states[] = { "unknown", "online", "offline" };

	mqtt_text_add(t, "{");
	put_text(t, "state", states[state]);
	mqtt_text_member_i64(t, "ts", ts_ms);
	put_text(t, "reason", reason);
	mqtt_text_add(t, "}");
}

void mqtt_doc_loss(struct mqtt_text *t, const struct gw_loss *l)
{
	mqtt_text_add(t, "{");
	mqtt_text_member_u64(t, "from", l->from);
	mqtt_text_member_u64(t, "to", l->to);
	mqtt_text_member_u64(t, "count", l->readings);
	put_text(t, "cause", l->cause);
	put_bool(t, "exact", l->exact);
	if (l->ts_from_ms)
		mqtt_text_member_i64(t, "ts_from", l->ts_from_ms);
	if (l->ts_to_ms)
		mqtt_text_member_i64(t, "ts_to", l->ts_to_ms);
	mqtt_text_add(t, "}");
}

void mqtt_doc_correction(struct mqtt_text *t, const struct gw_correction_news *c)
{
	mqtt_text_add(t, "{");
	put_text(t, "boot", c->boot);
	mqtt_text_member_i64(t, "mono_from", c->from_ms);
	mqtt_text_member_i64(t, "mono_to", c->to_ms);
	mqtt_text_member_i64(t, "offset", c->offset_ms);
	mqtt_text_member_i64(t, "ts", c->to_ms + c->offset_ms);
	mqtt_text_add(t, "}");
}

void mqtt_doc_progress(struct mqtt_text *t, const struct gw_progress *p)
{
	mqtt_text_add(t, "{");
	mqtt_text_member_u64(t, "first_seq", p->first_seq);
	mqtt_text_member_u64(t, "complete_to", p->complete_to);
	mqtt_text_member_u64(t, "last", p->last);
	mqtt_text_member_i64(t, "ts", p->ts_ms);
	mqtt_text_add(t, "}");
}
