/*
 * settings_check.c - a source's or sink's part of the configuration against the union of the
 * common tables and those its plugin described, with profiles merged in (settings_profile.c).
 */
#include "core/settings_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/text.h"
#include "core/quantities.h"
#include "core/units.h"

/* ---- what a plugin described ---- */

enum { SECTIONS_MAX = 32, KEYS_MAX = 128, CHOICES_MAX = 32 };

struct section {
	struct gw_table table;
	struct gw_key keys[KEYS_MAX];
};

struct gw_described {
	struct gw_arena *arena;
	struct section *sections[SECTIONS_MAX];
	unsigned n;
};

struct gw_described *gw_described_new(void)
{
	struct gw_arena *a = gw_arena_new();
	struct gw_described *d = gw_arena_alloc(a, sizeof(*d));

	d->arena = a;
	return d;
}

void gw_described_free(struct gw_described *d)
{
	if (d)
		gw_arena_free(d->arena);
}

static char *copy(struct gw_described *d, struct gw_str s)
{
	char *p = gw_arena_alloc(d->arena, (size_t)s.n + 1);

	if (s.n)
		memcpy(p, s.s, s.n);
	return p;
}

static const char *copy_or_null(struct gw_described *d, struct gw_str s)
{
	return s.n ? copy(d, s) : NULL;
}

static struct section *section(struct gw_described *d, const char *name, bool make)
{
	for (unsigned i = 0; i < d->n; i++)
		if (strcmp(d->sections[i]->table.name, name) == 0)
			return d->sections[i];
	if (!make || d->n == SECTIONS_MAX)
		return NULL;
	struct section *s = gw_arena_alloc(d->arena, sizeof(*s));

	s->table = (struct gw_table){ .name = gw_arena_strdup(d->arena, name), .keys = s->keys };
	d->sections[d->n++] = s;
	return s;
}

static const char *const *choices(struct gw_described *d, struct gw_str s)
{
	const char **list = gw_arena_alloc(d->arena, (CHOICES_MAX + 1) * sizeof(*list));
	char *text = copy(d, s), *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(text, "|", &save); w && n < CHOICES_MAX; w = strtok_r(NULL, "|", &save))
		list[n++] = w;
	return list;
}

int gw_described_key(struct gw_described *d, const struct gw_msg_key *k, struct gw_err *err)
{
	struct section *s = section(d, copy(d, k->section), true), *t;
	struct gw_key *key;

	if (!s || s->table.count == KEYS_MAX)
		return gw_err_set(err, GW_EPROTO, "describes more than %d sections or %d keys",
				  SECTIONS_MAX, KEYS_MAX);
	if (k->kind > GW_T_NODE)
		return gw_err_set(err, GW_EPROTO, "describes a key of an unknown type (%u)", k->kind);
	key = &s->keys[s->table.count++];
	*key = (struct gw_key){
		.name = copy(d, k->name), .type = (enum gw_type)k->kind, .flags = k->flags,
		.fallback = copy_or_null(d, k->fallback), .help = copy(d, k->help),
		.example = copy_or_null(d, k->example), .choices = choices(d, k->choices),
		.min = k->min, .max = k->max,
	};
	if (key->type == GW_T_SECTION || key->type == GW_T_MAP) {
		t = section(d, copy(d, k->table), true);
		if (!t)
			return gw_err_set(err, GW_EPROTO, "describes more than %d sections", SECTIONS_MAX);
		key->table = &t->table;
	}
	return 0;
}

static const struct gw_table *described(const struct gw_described *d, const char *name)
{
	for (unsigned i = 0; d && i < d->n; i++)
		if (strcmp(d->sections[i]->table.name, name) == 0)
			return &d->sections[i]->table;
	return NULL;
}

/* Copy of a common table with the plugin's keys beside it and `nested` in place of its map. */
static struct gw_table *joined(struct gw_arena *a, const struct gw_table *common, const char *map,
			       const struct gw_table *nested, const struct gw_table *also)
{
	struct gw_table *t = gw_arena_alloc(a, sizeof(*t));
	struct gw_key *keys = gw_arena_alloc(a, common->count * sizeof(*keys));

	memcpy(keys, common->keys, common->count * sizeof(*keys));
	for (size_t i = 0; i < common->count; i++)
		if (map && strcmp(keys[i].name, map) == 0)
			keys[i].table = nested;
	*t = *common;
	t->keys = keys;
	t->also = also;
	return t;
}

/* ---- what tables cannot say ---- */

struct place {
	struct gw_settings *s;
	const struct gw_node *map;
	char path[300];
};

__attribute__((format(printf, 3, 4))) static void wrong(struct place *p, const char *key, const char *fmt, ...)
{
	const struct gw_node *n = gw_node_get(p->map, key);
	char path[400], text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), "%s.%s", p->path, key);
	gw_problem(&p->s->problems, n ? &n->place : &p->map->place, path, "%s", text);
}

static double value_of(struct gw_decimal d)
{
	double v = (double)d.mantissa;

	for (int i = 0; i < d.places; i++)
		v /= 10;
	return v;
}

static bool check_unit(struct place *p, const struct gw_point_keys *k)
{
	const char *meant;

	if (!k->unit || gw_unit_symbol(k->unit))
		return true;
	meant = gw_unit_meant(k->unit);
	if (meant)
		wrong(p, "unit", "'%s' is how people write it; the UCUM code is '%s'", k->unit, meant);
	else
		wrong(p, "unit", "'%s' is not a known UCUM code (such as V, A, W, kW.h, Cel, m3/h, %%)", k->unit);
	return false;
}

/* What is published of a point that names a quantity. */
static void measure(struct place *p, struct gw_point_keys *k)
{
	const struct gw_quantities *all = gw_settings_quantities(p->s);
	struct gw_published *out = gw_arena_alloc(p->s->arena, sizeof(*out));
	const struct gw_quantity *q;
	const char *near, *key;
	struct gw_err err;

	if (!all)
		return;
	q = gw_quantity_find(all, k->quantity, &near);
	if (!q)
		wrong(p, "quantity", "there is no quantity '%s'%s%s%s", k->quantity,
		      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	else if (k->labels && strcmp(q->unit, "1") != 0)
		wrong(p, "quantity", "an enumeration has no unit, but quantity '%s' is in %s", k->quantity,
		      q->unit);
	else if (gw_published_make(k, q, out, &key, &err) != 0)
		wrong(p, key, "%s", err.msg);
	else
		k->published = out;
}

static void check_labels(struct place *p, const struct gw_node *labels)
{
	struct gw_err err;
	int64_t raw;

	if (labels->kind != GW_NODE_MAP || !labels->first) {
		wrong(p, "enum", "takes a map of raw values to words, for example {0: off, 1: on}");
		return;
	}
	for (const struct gw_node *c = labels->first; c; c = c->next) {
		if (gw_parse_int(c->name, INT64_MIN, INT64_MAX, &raw, &err) != 0)
			wrong(p, "enum", "%s", err.msg);
		else if (c->kind != GW_NODE_SCALAR || !*c->text || strlen(c->text) > 64 ||
			 !gw_text_clean(c->text, strlen(c->text)))
			wrong(p, "enum", "the word for %s has 1 to 64 printable characters", c->name);
	}
}

static void check_point(struct place *p, struct gw_point_keys *k)
{
	bool has_min = gw_node_get(p->map, "min") != NULL, has_max = gw_node_get(p->map, "max") != NULL;

	if (check_unit(p, k) && k->quantity)
		measure(p, k);
	if (k->scale.mantissa == 0)
		wrong(p, "scale", "0 would make every value the same");
	if (has_min && has_max && value_of(k->min) > value_of(k->max))
		wrong(p, "max", "'%s' is below min, '%s'", gw_node_get(p->map, "max")->text,
		      gw_node_get(p->map, "min")->text);
	if (gw_node_get(p->map, "deadband") && k->deadband.mantissa < 0)
		wrong(p, "deadband", "is below 0");
	if (gw_node_get(p->map, "max_silence") && !gw_node_get(p->map, "deadband"))
		wrong(p, "max_silence", "has a meaning only with a deadband");
	if (k->labels)
		check_labels(p, k->labels);
	if (k->labels && gw_node_get(p->map, "unit"))
		wrong(p, "unit", "an enumeration has no unit");
}

static void check_points(struct gw_settings *s, const struct gw_instance *i)
{
	const struct gw_device_keys *d = i->source.devices.items;
	struct place p = { .s = s };

	for (size_t n = 0; n < i->source.devices.count; n++, d++) {
		struct gw_point_keys *k = d->points.items;

		if (d->points.count > 1000) {
			snprintf(p.path, sizeof(p.path), "sources.%s.devices.%s", i->name, d->item.name);
			p.map = d->item.node;
			wrong(&p, "points", "a device has at most 1000 points, this one has %zu", d->points.count);
		}
		for (size_t m = 0; m < d->points.count; m++, k++) {
			snprintf(p.path, sizeof(p.path), "sources.%s.devices.%s.points.%s", i->name,
				 d->item.name, k->item.name);
			p.map = k->item.node;
			check_point(&p, k);
		}
	}
}

/* ---- one instance, all instances ---- */

static void check_source(struct gw_settings *s, struct gw_instance *i, const struct gw_described *d,
			 const char *path)
{
	struct gw_table *point = joined(s->arena, &gw_point_table, NULL, NULL, described(d, "point"));
	struct gw_table *device =
		joined(s->arena, &gw_device_table, "points", point, described(d, "device"));
	struct gw_table *source =
		joined(s->arena, &gw_source_table, "devices", device, described(d, "source"));

	i->node = gw_settings_with_profiles(s, i);
	gw_config_load(s->arena, source, i->node, path, &i->source, &s->problems);
	check_points(s, i);
}

static void check_sink(struct gw_settings *s, struct gw_instance *i, const struct gw_described *d,
		       const char *path)
{
	struct gw_table *sink = joined(s->arena, &gw_sink_table, NULL, NULL, described(d, "sink"));
	const struct gw_node *rate;
	struct gw_sink_keys keys;
	struct gw_err err;

	gw_config_load(s->arena, sink, i->node, path, &keys, &s->problems);
	rate = gw_node_get(i->node, "replay_rate");
	if (rate && rate->kind == GW_NODE_SCALAR &&
	    gw_parse_int(rate->text, 0, INT64_MAX, &i->replay_rate, &err) != 0)
		i->replay_rate = -1; /* the table has said it */
}

static uint32_t mix(uint32_t hash, const void *bytes, size_t n)
{
	return (uint32_t)crc32(hash, bytes, (unsigned)n);
}

static uint32_t mix_published(uint32_t hash, const struct gw_published *p)
{
	const struct gw_decimal *d[] = { &p->scale, &p->offset, &p->min, &p->max };
	const unsigned char limits[] = { p->has_min, p->has_max };

	hash = mix(hash, p->unit, strlen(p->unit) + 1);
	hash = mix(hash, p->symbol, strlen(p->symbol) + 1);
	for (size_t i = 0; i < sizeof(d) / sizeof(d[0]); i++) {
		hash = mix(hash, &d[i]->mantissa, sizeof(d[i]->mantissa));
		hash = mix(hash, &d[i]->places, sizeof(d[i]->places));
	}
	hash = mix(hash, &p->divisor, sizeof(p->divisor));
	return mix(hash, limits, sizeof(limits));
}

/* The vocabulary is not in the stream, but a reload must notice when it changed. */
static uint32_t mix_vocabulary(uint32_t hash, const struct gw_source_keys *source)
{
	const struct gw_device_keys *d = source->devices.items;

	for (size_t n = 0; n < source->devices.count; n++) {
		const struct gw_point_keys *k = d[n].points.items;

		for (size_t m = 0; m < d[n].points.count; m++)
			if (k[m].published)
				hash = mix_published(hash, k[m].published);
	}
	return hash;
}

unsigned gw_settings_check(struct gw_settings *s, struct gw_instance *i, const struct gw_described *d)
{
	unsigned before = s->problems.count;
	char path[200];
	struct gw_err err;

	snprintf(path, sizeof(path), "%s.%s", i->sink ? "sinks" : "sources", i->name);
	if (i->sink)
		check_sink(s, i, d, path);
	else
		check_source(s, i, d, path);
	if (s->problems.count == before && gw_settings_stream(i, i->node, &err) != 0)
		gw_problem(&s->problems, &i->node->place, path, "%s", err.msg);
	i->hash = mix_vocabulary(i->hash, &i->source);
	return s->problems.count - before;
}

static void same_device(struct gw_settings *s, const struct gw_instance *a, const struct gw_device_keys *x,
			const struct gw_instance *b, const struct gw_device_keys *y)
{
	const struct gw_place *at = &x->item.node->name_place;
	char path[300];

	if (strcasecmp(x->item.name, y->item.name) != 0)
		return;
	snprintf(path, sizeof(path), "sources.%s.devices.%s", b->name, y->item.name);
	gw_problem(&s->problems, &y->item.node->name_place, path,
		   "source '%s' has a device '%s' too, at %s:%u: a name is used once, whatever its case",
		   a->name, x->item.name, at->file, at->line);
}

/* Its profiles are in it: their texts lie in the streams. */
static void hash_all(struct gw_settings *s)
{
	for (size_t i = 0; i < s->ninstances; i++) {
		const struct gw_instance *one = &s->instances[i];

		s->hash = (uint32_t)crc32(s->hash, (const unsigned char *)&one->hash, sizeof(one->hash));
		s->hash = (uint32_t)crc32(s->hash, (const unsigned char *)one->name,
					  (unsigned)strlen(one->name) + 1);
	}
}

void gw_settings_check_all(struct gw_settings *s)
{
	hash_all(s);
	for (size_t a = 0; a < s->ninstances; a++)
		for (size_t b = a + 1; b < s->ninstances; b++) {
			const struct gw_instance *i = &s->instances[a], *j = &s->instances[b];
			const struct gw_device_keys *x = i->source.devices.items;

			for (size_t m = 0; m < i->source.devices.count; m++, x++) {
				const struct gw_device_keys *y = j->source.devices.items;

				for (size_t n = 0; n < j->source.devices.count; n++, y++)
					same_device(s, i, x, j, y);
			}
		}
}

void gw_settings_problem(struct gw_settings *s, const struct gw_instance *i, const struct gw_msg_problem *p)
{
	const char *file = gw_settings_file(i, p->file);
	struct gw_place at = { file ? gw_arena_strdup(s->arena, file) : s->file, p->line, p->column };
	char path[600];

	snprintf(path, sizeof(path), "%s.%s%s%.*s", i->sink ? "sinks" : "sources", i->name,
		 p->path.n ? "." : "", (int)p->path.n, p->path.n ? p->path.s : "");
	(p->warning ? gw_warning : gw_problem)(&s->problems, &at, path, "%.*s", (int)p->text.n,
					       p->text.s ? p->text.s : "");
}
