/*
 * views.c - what the control socket and `health` show, as JSON documents of the contract.
 * Looks only; changes nothing.
 */
#include "core/views.h"
#include "core/timekeeper.h"

#include <string.h>
#include <unistd.h>

#include "base/number.h"

/* jansson writes 17 digits for 230.1; a text that begins with \1 leaves gw_view_text() as
 * the number behind it.  No other text has control characters. */
static json_t *exact(const char *digits, size_t n)
{
	char text[GW_NUMBER_MAX + 2] = "\1";

	memcpy(text + 1, digits, n);
	return json_stringn(text, n + 1);
}

char *gw_view_text(const json_t *doc)
{
	static const char mark[] = "\"\\u0001";
	char *text = json_dumps(doc, JSON_COMPACT), *from = text, *to = text;

	while (text && *from) {
		if (strncmp(from, mark, sizeof(mark) - 1) != 0) {
			*to++ = *from++;
			continue;
		}
		for (from += sizeof(mark) - 1; *from != '"'; from++)
			*to++ = *from;
		from++;
	}
	if (text)
		*to = '\0';
	return text;
}

static json_t *real(double v)
{
	char digits[GW_NUMBER_MAX];

	return exact(digits, gw_put_f64(digits, v));
}

/* JSON readers round integers beyond 2^53: those travel as text. */
static json_t *integer(uint64_t magnitude, bool negative)
{
	char text[32];

	if (magnitude <= 1ULL << 53)
		return json_integer(negative ? -(json_int_t)magnitude : (json_int_t)magnitude);
	snprintf(text, sizeof(text), "%s%llu", negative ? "-" : "", (unsigned long long)magnitude);
	return json_string(text);
}

json_t *gw_view_value(const struct gw_device *dev, unsigned point, const struct gw_value *v)
{
	char digits[GW_NUMBER_MAX];

	switch (v->kind) {
	case GW_BOOL:
		return json_boolean(v->b);
	case GW_I64:
		return integer(v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i, v->i < 0);
	case GW_U64:
		return integer(v->u, false);
	case GW_F32:
		return exact(digits, gw_put_f32(digits, (float)v->f));
	case GW_F64:
		return real(v->f);
	case GW_TEXT:
		return json_stringn(v->text, v->length);
	case GW_ENUM:
		return json_string(gw_normaliser_label(dev->normaliser, point, v->label));
	case GW_NONE:
	case GW_KINDS:
		break;
	}
	return json_null();
}

json_t *gw_view_reading(const struct gw_device *dev, const struct gw_reading *r)
{
	json_t *values = json_object(), *quality = json_object();

	for (unsigned i = 0; i < r->count; i++) {
		unsigned point = gw_tag_index(gw_reading_ctags(r)[i]);
		struct gw_value v = gw_reading_value(r, i);
		const char *name = dev->points[point].name;

		if (v.kind != GW_NONE)
			json_object_set_new(values, name, gw_view_value(dev, point, &v));
		if (v.reason != GW_GOOD)
			json_object_set_new(quality, name, json_string(gw_reason_name(v.reason)));
	}
	json_t *doc = json_pack("{s:s, s:I, s:I, s:o}", "device", dev->name, "seq", (json_int_t)r->seq, "ts",
				(json_int_t)r->ts_ms, "values", values);

	if (json_object_size(quality))
		json_object_set_new(doc, "quality", quality);
	else
		json_decref(quality);
	return doc;
}

/* ---- sources, sinks, devices, points ---- */

static json_t *source(const struct gw_source *s)
{
	const struct gw_child_status *st = gw_child_status(s->child);
	uint32_t load = 0;

	for (size_t i = 0; i < s->ndevices; i++)
		if (s->devices[i]->load_permille > load)
			load = s->devices[i]->load_permille;
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:o, s:I}", "name", s->instance.name, "plugin",
			 s->instance.plugin, "state", gw_life_name(st->life), "pid", (int)st->pid, "restarts",
			 (int)st->restarts, "reason", st->reason, "load", real(load / 1000.0), "since",
			 (json_int_t)(gw_wall_ms() - (gw_now_us() - st->since_us) / 1000));
}

json_t *gw_view_sources(struct gw_daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->nsources; i++)
		json_array_append_new(list, source(d->sources[i]));
	return list;
}

static const char *sink_state(const struct gw_sink *s)
{
	static const char *const far[] = { "connecting", "connected", "waiting" };
	enum gw_life life = gw_child_status(s->child)->life;

	return life == GW_LIFE_RUNNING ? far[s->state] : gw_life_name(life);
}

static json_t *sink(const struct gw_sink *s)
{
	struct gw_deliver_stats st = gw_deliver_stats(s->deliver);
	const struct gw_child_status *child = gw_child_status(s->child);
	const char *reason = *s->reason ? s->reason : child->reason;
	json_t *doc = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:s, s:I, s:i, s:i}", "name",
				s->instance.name, "plugin", s->instance.plugin, "state", sink_state(s),
				"broker", s->broker, "backlog", (json_int_t)st.backlog, "in_flight",
				(json_int_t)st.in_flight, "refused", (json_int_t)s->refused, "window",
				(int)s->window, "reason", s->state == GW_FAR_CONNECTED ? "" : reason,
				"session", (json_int_t)s->session, "pid", (int)child->pid, "restarts",
				(int)child->restarts);

	if (st.backlog && s->oldest_ts_ms)
		json_object_set_new(doc, "oldest_ts", json_integer(s->oldest_ts_ms));
	if (st.parked)
		json_object_set_new(doc, "parked", json_integer(st.parked));
	return doc;
}

json_t *gw_view_sinks(struct gw_daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->nsinks; i++)
		json_array_append_new(list, sink(d->sinks[i]));
	return list;
}

static const char *device_state(const struct gw_device *dev)
{
	static const char *const names[] = { "unknown", "online", "offline" };

	return names[dev->state];
}

json_t *gw_view_devices(struct gw_daemon *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->ndevices; i++) {
		const struct gw_device *dev = d->devices[i];

		if (!dev)
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "name", dev->name,
					"source", dev->source, "state", device_state(dev), "reason",
					dev->reason, "since", (json_int_t)dev->since_ms, "last_ts",
					(json_int_t)dev->last_ts_ms, "requests", (json_int_t)dev->requests,
					"overruns", (json_int_t)(dev->overruns + dev->dropped), "title",
					dev->title));
	}
	return list;
}

static json_t *point(const struct gw_device *dev, unsigned i)
{
	const struct gw_point *p = &dev->points[i];
	struct gw_value v = { .kind = GW_NONE };
	int64_t mono_ms = 0;
	bool seen = gw_normaliser_latest(dev->normaliser, i, &v, &mono_ms);
	const char *quality = seen ? gw_reason_name(v.reason) : "starting";

	if (dev->state == GW_STATE_UNKNOWN)
		quality = dev->reason;
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:o}", "device", dev->name, "point", p->name,
			 "value", seen ? gw_view_value(dev, i, &v) : json_null(), "unit", p->unit, "symbol",
			 p->symbol, "quality", quality, "age_ms",
			 seen ? json_integer(gw_now_us() / 1000 - mono_ms) : json_null());
}

json_t *gw_view_points(struct gw_daemon *d, const struct gw_device *only)
{
	json_t *list = json_array();

	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i] && (!only || only == d->devices[i]))
			for (unsigned p = 0; p < d->devices[i]->npoints; p++)
				json_array_append_new(list, point(d->devices[i], p));
	return list;
}

json_t *gw_view_loss(const char *sink, const char *device, const struct gw_loss_row *row)
{
	static const char *const states[] = { "unsent", "sent", "acknowledged" };
	json_t *doc = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:b}", "sink", sink, "device", device, "from",
				(json_int_t)row->from, "to", (json_int_t)row->to, "count",
				(json_int_t)row->readings, "cause", gw_loss_cause_name(row->cause), "exact",
				row->exact);

	if (row->ts_from_ms)
		json_object_set_new(doc, "ts_from", json_integer(row->ts_from_ms));
	if (row->ts_to_ms)
		json_object_set_new(doc, "ts_to", json_integer(row->ts_to_ms));
	json_object_set_new(doc, "state", json_string(row->state < 3 ? states[row->state] : "unknown"));
	return doc;
}

json_t *gw_view_thinned(const char *sink, const char *device, const struct gw_loss_row *row)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:s}", "sink", sink, "device", device, "from",
			 (json_int_t)row->from, "to", (json_int_t)row->to, "count", (json_int_t)row->readings,
			 "cause", "thinned", "exact", 1, "state", "in windows");
}

/* ---- buffer, health, status ---- */

/* Readings that lie in windows, of the sink that has most. */
static uint64_t thinned(const struct gw_daemon *d)
{
	uint64_t most = 0;

	for (size_t i = 0; i < d->nsinks; i++) {
		uint64_t n = gw_deliver_stats(d->sinks[i]->deliver).thinned;

		if (n > most)
			most = n;
	}
	return most;
}

static json_t *buffer(struct gw_daemon *d)
{
	const struct gw_outlook *o = &d->outlook;
	json_t *doc = json_pack("{s:I, s:I, s:I, s:I}", "readings", (json_int_t)d->last_commit.readings,
				"bytes", (json_int_t)d->last_commit.bytes, "oldest_ts",
				(json_int_t)d->last_commit.oldest_ts_ms, "horizon_s", (json_int_t)o->horizon_s);

	json_object_set_new(doc, "thinned", json_integer((json_int_t)thinned(d)));
	if (o->exhausted_in_s)
		json_object_set_new(doc, "exhausted_at", json_integer(gw_wall_ms() + o->exhausted_in_s * 1000));
	return doc;
}

static json_int_t mib(uint64_t bytes)
{
	return (json_int_t)(bytes >> 20);
}

json_t *gw_view_buffer(struct gw_daemon *d)
{
	json_t *doc = buffer(d);
	const struct gw_buffer_settings *b = &d->core.buffer;

	json_object_update_new(
		doc, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:{s:s, s:I, s:I}, s:o, s:s}", "path", b->path,
			       "max_size", (json_int_t)b->max_size, "free",
			       (json_int_t)d->last_commit.free_bytes, "history_ms", (json_int_t)b->history_ms,
			       "sync_ms", (json_int_t)b->sync_ms, "disk_written_mib",
			       mib(d->outlook.written), "ring", "path", b->ring.path, "size",
			       (json_int_t)gw_ring_size(d->ring), "used",
			       (json_int_t)(gw_ring_head(d->ring) - gw_ring_tail(d->ring)),
			       "last_commit_ms", real((double)d->last_commit.took_us / 1000.0), "error",
			       d->store_error));
	json_object_set_new(doc, "damaged", json_integer((json_int_t)d->damaged));
	json_object_set_new(doc, "written_day_mib", json_integer(mib(d->outlook.written_day)));
	if (b->write_budget)
		json_object_set_new(doc, "write_budget_mib", json_integer(mib((uint64_t)b->write_budget)));
	return doc;
}

static long rss_kb(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%*d %ld", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static json_t *health_sources(struct gw_daemon *d)
{
	json_t *doc = json_object();

	for (size_t i = 0; i < d->nsources; i++) {
		struct gw_source *s = d->sources[i];
		json_t *one = source(s);
		uint64_t overruns = 0;

		for (size_t n = 0; n < s->ndevices; n++)
			overruns += s->devices[n]->overruns + s->devices[n]->dropped;
		json_object_set_new(doc, s->instance.name,
				    json_pack("{s:O, s:O, s:O, s:I}", "state", json_object_get(one, "state"),
					      "restarts", json_object_get(one, "restarts"), "load",
					      json_object_get(one, "load"), "overruns", (json_int_t)overruns));
		json_decref(one);
	}
	return doc;
}

static json_t *health_sinks(struct gw_daemon *d)
{
	json_t *doc = json_object();

	for (size_t i = 0; i < d->nsinks; i++) {
		json_t *one = sink(d->sinks[i]);

		json_object_del(one, "name");
		json_object_del(one, "plugin");
		json_object_set_new(doc, d->sinks[i]->instance.name, one);
	}
	return doc;
}

json_t *gw_view_health(struct gw_daemon *d)
{
	return json_pack("{s:I, s:I, s:s, s:I, s:I, s:o, s:o, s:o}", "ts", (json_int_t)gw_wall_ms(), "uptime_s",
			 (json_int_t)((gw_now_us() - d->started_us) / 1000000), "clock",
			 gw_timekeeper_trusts(d) ? "synced" : "unsynced", "rss_kb", (json_int_t)rss_kb(),
			 "disk_written_mib", mib(d->outlook.written), "buffer", buffer(d), "sources",
			 health_sources(d), "sinks", health_sinks(d));
}

json_t *gw_view_status(struct gw_daemon *d)
{
	static const char *const phases[] = { "starting", "running", "stopping" };
	int states[3] = { 0 };
	char hash[12];
	json_t *doc;

	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i])
			states[d->devices[i]->state]++;
	snprintf(hash, sizeof(hash), "%08x", d->config_hash);
	doc = json_pack("{s:s, s:s?, s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:{s:i, s:i, s:i}}", "gateway",
			 d->core.gateway.id, "title", d->core.gateway.title, "version", GW_VERSION, "uptime_s",
			 (json_int_t)((gw_now_us() - d->started_us) / 1000000), "state", phases[d->phase],
			 "config", d->file, "config_hash", hash, "clock",
			 gw_timekeeper_trusts(d) ? "synced" : "unsynced", "buffer", gw_view_buffer(d), "sources",
			 gw_view_sources(d), "sinks", gw_view_sinks(d), "devices", "online",
			 states[GW_STATE_ONLINE], "offline", states[GW_STATE_OFFLINE], "unknown",
			 states[GW_STATE_UNKNOWN]);
	if (!gw_timekeeper_trusts(d))
		json_object_set_new(doc, "clock_note",
				    json_string("nobody vouches for the time: readings are delivered, and marked "
						"until the clock is synchronised"));
	return doc;
}
