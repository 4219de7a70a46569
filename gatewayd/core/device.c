/*
 * device.c - see device.h.
 */
#include "core/device.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/normalise_number.h"
#include "core/quantities.h"
#include "core/units.h"

enum { A_TEXT = 64 }; /* bytes of a text in a reading: how long they are nobody has said */

static const char *keep(struct gw_arena *a, const char *text)
{
	return text && *text ? gw_arena_strdup(a, text) : "";
}

static int by_raw(const void *a, const void *b)
{
	const struct gw_label *x = a, *y = b;

	return (x->raw > y->raw) - (x->raw < y->raw);
}

static void take_labels(struct gw_arena *a, struct gw_point *p, const struct gw_node *map)
{
	struct gw_label *labels;
	struct gw_err err;
	unsigned n = 0;

	for (const struct gw_node *c = map->first; c; c = c->next)
		n++;
	labels = gw_arena_alloc(a, (n + 1) * sizeof(*labels));
	for (const struct gw_node *c = map->first; c; c = c->next, p->nlabels++) {
		gw_parse_int(c->name, INT64_MIN, INT64_MAX, &labels[p->nlabels].raw, &err);
		labels[p->nlabels].text = gw_arena_strdup(a, c->text);
	}
	qsort(labels, n, sizeof(*labels), by_raw);
	p->labels = labels;
}

static const struct gw_point_keys *keys_of(const struct gw_device_keys *device, size_t hint, const char *name)
{
	const struct gw_point_keys *k = device ? device->points.items : NULL;
	size_t n = device ? device->points.count : 0;

	if (hint < n && strcmp(k[hint].item.name, name) == 0)
		return &k[hint];
	for (size_t i = 0; i < n; i++)
		if (strcmp(k[i].item.name, name) == 0)
			return &k[i];
	return NULL;
}

/* As configured, in `unit`. */
static struct gw_published as_configured(const struct gw_point_keys *k)
{
	const char *symbol = k->unit ? gw_unit_symbol(k->unit) : NULL;

	return (struct gw_published){
		.unit = k->unit, .symbol = symbol, .divisor = 1, .scale = k->scale, .offset = k->offset,
		.min = k->min, .max = k->max, .deadband = k->deadband,
		.has_min = gw_node_get(k->item.node, "min") != NULL,
		.has_max = gw_node_get(k->item.node, "max") != NULL,
	};
}

static bool is_number(const struct gw_point_spec *spec, const struct gw_point_keys *k)
{
	return spec->kind != GW_TEXT && spec->kind != GW_BOOL && !k->labels;
}

static void take_limits(struct gw_point *p, const struct gw_point_spec *spec)
{
	p->has_min = spec->has_min;
	p->has_max = spec->has_max;
	p->has_deadband = spec->has_deadband;
	p->min = gw_decimal_round_over(spec->min, spec->divisor, GW_DOUBLE);
	p->max = gw_decimal_round_over(spec->max, spec->divisor, GW_DOUBLE);
	p->deadband = gw_decimal_round_over(spec->deadband, spec->divisor, GW_DOUBLE);
	p->max_silence_ms = p->has_deadband ? spec->max_silence_ms : 0;
}

static void take_keys(struct gw_arena *a, struct gw_point *p, struct gw_point_spec *spec,
		      const struct gw_point_keys *k)
{
	bool measured = k->published && is_number(spec, k); /* what is no number has no unit */
	struct gw_published how = measured ? *k->published : as_configured(k);

	spec->scale = how.scale;
	spec->offset = how.offset;
	spec->min = how.min;
	spec->max = how.max;
	spec->deadband = how.deadband;
	spec->divisor = how.divisor;
	spec->max_silence_ms = k->max_silence_ms;
	spec->has_min = how.has_min;
	spec->has_max = how.has_max;
	spec->has_deadband = gw_node_get(k->item.node, "deadband") != NULL;
	take_limits(p, spec);
	if (how.unit && *how.unit)
		p->unit = keep(a, how.unit);
	if (how.symbol)
		p->symbol = keep(a, how.symbol);
	p->quantity = keep(a, k->quantity);
	if (k->labels) {
		take_labels(a, p, k->labels);
		spec->labels = p->labels;
		spec->nlabels = p->nlabels;
	}
}

static void take_points(struct gw_device *d, const struct gw_device_keys *keys,
			const struct gw_declared_device *declared, struct gw_point_spec *specs)
{
	d->interval_ms = INT64_MAX;
	for (unsigned i = 0; i < d->npoints; i++) {
		const struct gw_declared_point *from = &declared->points[i];
		const struct gw_point_keys *k = keys_of(keys, i, from->name);
		struct gw_point *p = &d->points[i];

		p->name = gw_arena_strdup(d->arena, from->name);
		p->unit = keep(d->arena, from->unit);
		p->quantity = "";
		p->writable = from->writable;
		p->interval_ms = from->interval_ms;
		specs[i] = (struct gw_point_spec){ .name = p->name, .kind = from->kind, .bits = from->bits,
						   .scale = { 1, 0 } };
		if (k)
			take_keys(d->arena, p, &specs[i], k);
		if (!p->symbol && *p->unit)
			p->symbol = gw_unit_symbol(p->unit);
		if (!p->symbol)
			p->symbol = p->unit; /* a plugin's own */
		if (p->interval_ms < d->interval_ms)
			d->interval_ms = p->interval_ms;
		d->ntexts += from->kind == GW_TEXT;
	}
	if (d->npoints == 0)
		d->interval_ms = 1000;
}

/* ---- layout ---- */

static void add(struct gw_layout_body *b, const struct gw_message *m)
{
	static _Alignas(8) unsigned char buf[GW_MESSAGE_MAX];
	uint32_t n = (uint32_t)gw_message_encode(m, buf);

	b->bytes = realloc(b->bytes, b->size + 4 + n);
	assert(b->bytes && n);
	memcpy(b->bytes + b->size, &n, 4);
	memcpy(b->bytes + b->size + 4, buf, n);
	b->size += 4 + n;
}

static void label_text(char *out, size_t size, const struct gw_point *p)
{
	size_t n = 0;

	*out = '\0';
	for (unsigned i = 0; i < p->nlabels && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "\n" : "", p->labels[i].text);
}

static void make_layout(struct gw_device *d)
{
	struct gw_message m = { .type = GW_MSG_LAYOUT };
	char labels[16 * 1024];

	m.layout.name = gw_str(d->name);
	m.layout.title = gw_str(d->title);
	m.layout.profile = gw_str(d->profile);
	m.layout.domain = gw_str(d->domain);
	m.layout.points = (uint16_t)d->npoints;
	add(&d->body, &m);
	for (unsigned i = 0; i < d->npoints; i++) {
		const struct gw_point *p = &d->points[i];

		m = (struct gw_message){ .type = GW_MSG_LAYOUT_POINT };
		label_text(labels, sizeof(labels), p);
		m.layout_point.point = (uint16_t)i;
		m.layout_point.name = gw_str(p->name);
		m.layout_point.type = (uint8_t)gw_normaliser_type(d->normaliser, i);
		m.layout_point.unit = gw_str(p->unit);
		m.layout_point.symbol = gw_str(p->symbol);
		m.layout_point.quantity = gw_str(p->quantity);
		m.layout_point.interval_ms = p->interval_ms;
		m.layout_point.writable = p->writable;
		m.layout_point.limits =
			(uint8_t)(p->has_min | (unsigned)p->has_max << 1 | (unsigned)p->has_deadband << 2);
		m.layout_point.min = p->min;
		m.layout_point.max = p->max;
		m.layout_point.deadband = p->deadband;
		m.layout_point.max_silence_ms = p->max_silence_ms;
		m.layout_point.labels = gw_str(labels);
		add(&d->body, &m);
	}
}

/* ---- */

static uint64_t readings_an_hour(const struct gw_device *d)
{
	uint64_t distinct = 0; /* an upper bound: every interval ticks alone */

	for (unsigned i = 0; i < d->npoints; i++) {
		bool seen = false;

		for (unsigned j = 0; j < i && !seen; j++)
			seen = d->points[j].interval_ms == d->points[i].interval_ms;
		if (!seen)
			distinct += (uint64_t)(3600000 / d->points[i].interval_ms + 1);
	}
	return distinct;
}

static const struct gw_device_keys *find(const struct gw_source_keys *source, const char *name)
{
	const struct gw_device_keys *k = source->devices.items;

	for (size_t i = 0; i < source->devices.count; i++)
		if (strcmp(k[i].item.name, name) == 0)
			return &k[i];
	return NULL;
}

static bool any_writable(const struct gw_device *d)
{
	for (unsigned i = 0; i < d->npoints; i++)
		if (d->points[i].writable)
			return true;
	return false;
}

struct gw_device *gw_device_new(const struct gw_source_keys *source, const char *source_name,
				const struct gw_declared_device *declared)
{
	const struct gw_device_keys *keys = find(source, declared->name);
	struct gw_device *d = calloc(1, sizeof(*d));

	assert(d);
	d->arena = gw_arena_new();
	d->name = gw_arena_strdup(d->arena, declared->name);
	d->source = gw_arena_strdup(d->arena, source_name);
	d->title = keep(d->arena, keys ? keys->title : NULL);
	d->profile = keep(d->arena, keys ? keys->profile : NULL);
	d->domain = keep(d->arena, keys ? keys->domain : NULL);
	d->npoints = (unsigned)declared->npoints;
	d->points = gw_arena_alloc(d->arena, (d->npoints + 1) * sizeof(*d->points));
	d->specs = calloc(d->npoints + 1, sizeof(*d->specs));
	assert(d->specs);
	take_points(d, keys, declared, d->specs);
	d->normaliser = gw_normaliser_new(d->specs, d->npoints);
	if (!any_writable(d)) {
		free(d->specs);
		d->specs = NULL;
	}
	make_layout(d);
	d->rate = readings_an_hour(d);
	d->full = true;
	snprintf(d->reason, sizeof(d->reason), "starting");
	d->since_ms = gw_wall_ms();
	return d;
}

void gw_device_free(struct gw_device *d)
{
	if (!d)
		return;
	gw_normaliser_free(d->normaliser);
	free(d->specs);
	gw_arena_free(d->arena);
	free(d->body.bytes);
	free(d->newest);
	free(d);
}

void gw_device_drop(struct gw_device *d)
{
	if (d && d->reserving)
		d->dropped_off = true;
	else
		gw_device_free(d);
}

void gw_device_keep_newest(struct gw_device *d, const struct gw_reading *r)
{
	if (r->size > d->newest_capacity) {
		d->newest = realloc(d->newest, r->size);
		assert(d->newest);
		d->newest_capacity = r->size;
	}
	memcpy(d->newest, r, r->size);
}

int64_t gw_device_live_us(const struct gw_device *d)
{
	int64_t two = 2 * d->interval_ms * 1000;

	return two > 5000000 ? two : 5000000;
}

uint64_t gw_device_rate(const struct gw_device *d)
{
	return d->rate;
}

struct gw_stream gw_device_stream(const struct gw_device *d)
{
	size_t bytes = sizeof(struct gw_reading) + gw_reading_tags_size(d->npoints) + 8 * (size_t)d->npoints;

	return (struct gw_stream){ .an_hour = d->rate, .bytes = (uint32_t)(bytes + d->ntexts * A_TEXT) };
}

struct gw_load gw_devices_load(struct gw_device *const *devices, size_t n)
{
	struct gw_stream *s = calloc(n + 1, sizeof(*s));
	struct gw_load l;

	assert(s);
	for (size_t i = 0; i < n; i++)
		if (devices[i])
			s[i] = gw_device_stream(devices[i]);
	l = gw_load_of(s, n);
	free(s);
	return l;
}
