/*
 * source_config.c - nodes to struct gw_source_config; see source_config.h.
 *
 * A map holds keys of two owners: those every source has (keys.h) and the
 * plugin's.  The first load walks the common tables with the plugin's beside
 * them and reports; the plugin's own structs are then filled silently.
 */
#include "base/source_config.h"

#include <string.h>

#include "base/keys.h"

/* Common tables that know the plugin's keys and one another. */
struct joined {
	struct gw_table source, device, point;
};

/* Copy of `common` with `also` beside it and `inner` as the table of its key `map`. */
static struct gw_table join(struct gw_arena *a, const struct gw_table *common,
			    const struct gw_table *also, const char *map,
			    const struct gw_table *inner)
{
	struct gw_table joined = *common;
	struct gw_key *keys = gw_arena_alloc(a, common->count * sizeof(*keys));

	memcpy(keys, common->keys, common->count * sizeof(*keys));
	for (size_t i = 0; map && i < common->count; i++)
		if (strcmp(keys[i].name, map) == 0)
			keys[i].table = inner;
	joined.keys = keys;
	joined.also = also;
	return joined;
}

static struct joined *join_tables(struct gw_arena *a, const struct gw_source_plugin *def)
{
	struct joined *j = gw_arena_alloc(a, sizeof(*j));

	j->point = join(a, &gw_point_table, def->point, NULL, NULL);
	j->device = join(a, &gw_device_table, def->device, "points", &j->point);
	j->source = join(a, &gw_source_table, def->source, "devices", &j->device);
	return j;
}

static void ignore(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	(void)arg;
	(void)at;
	(void)path;
	(void)text;
}

static unsigned load_silently(struct gw_arena *a, const struct gw_table *table,
			      const struct gw_node *map, void *object)
{
	struct gw_problems silent = { .fn = ignore };

	return gw_config_load(a, table, map, "", object, &silent);
}

/* The plugin's struct from a map that was checked before; NULL when it has no table. */
static void *load_own(struct gw_arena *a, const struct gw_table *own, const struct gw_table *common,
		      const struct gw_node *map)
{
	struct gw_table table;
	void *object;

	if (!own)
		return NULL;
	table = *own;
	table.also = common;
	object = gw_arena_alloc(a, own->size ? own->size : 1);
	load_silently(a, &table, map, object);
	return object;
}

static void *inherit(void *object, const struct gw_table *own, const struct gw_node *map,
		     const struct gw_table *above_table, const void *above)
{
	if (object && above)
		gw_config_inherit(own, map, object, above_table, above);
	return object;
}

static void fill_points(struct gw_arena *a, const struct gw_source_plugin *def,
			const struct gw_device_keys *keys, struct gw_device_config *d)
{
	const struct gw_point_keys *k = keys->points.items;

	d->npoints = keys->points.count;
	d->points = gw_arena_alloc(a, (d->npoints + 1) * sizeof(d->points[0]));
	for (size_t i = 0; i < d->npoints; i++, k++) {
		void *own = load_own(a, def->point, &gw_point_table, k->item.node);

		d->points[i] = (struct gw_point_config){
			.name = gw_arena_strdup(a, k->item.name),
			.node = k->item.node,
			.interval_ms = k->interval_ms ? k->interval_ms : d->interval_ms,
			.own = inherit(own, def->point, k->item.node, def->device, d->own),
		};
	}
}

static void fill_device(struct gw_arena *a, const struct gw_source_plugin *def, const void *source,
			int64_t source_interval_ms, const struct gw_device_keys *keys,
			struct gw_device_config *d)
{
	void *own = load_own(a, def->device, &gw_device_table, keys->item.node);

	*d = (struct gw_device_config){
		.name = gw_arena_strdup(a, keys->item.name),
		.node = keys->item.node,
		.interval_ms = keys->interval_ms ? keys->interval_ms : source_interval_ms,
		.own = inherit(own, def->device, keys->item.node, def->source, source),
	};
	fill_points(a, def, keys, d);
}

/* Problems inside each device, added up; devices that have some are taken out of the list. */
static unsigned leave_out(struct gw_arena *a, const struct gw_table *device,
			  struct gw_list *devices)
{
	struct gw_device_keys *keys = devices->items, scratch;
	unsigned problems = 0;
	size_t kept = 0;

	for (size_t i = 0; i < devices->count; i++) {
		unsigned n = load_silently(a, device, keys[i].item.node, &scratch);

		problems += n;
		if (n == 0)
			keys[kept++] = keys[i];
	}
	devices->count = kept;
	return problems;
}

bool gw_source_config(struct gw_arena *scratch, struct gw_arena *a,
		      const struct gw_source_plugin *def, const char *name,
		      const struct gw_node *root, struct gw_source_config *out,
		      struct gw_problems *to)
{
	const struct joined *j = join_tables(scratch, def);
	struct gw_source_keys keys;
	unsigned problems = gw_config_load(scratch, &j->source, root, "", &keys, to);
	const struct gw_device_keys *device = keys.devices.items;

	if (problems > 0 && problems != leave_out(scratch, &j->device, &keys.devices))
		return false;
	*out = (struct gw_source_config){ .name = name,
					  .node = root,
					  .ndevices = keys.devices.count };
	out->own = load_own(a, def->source, &gw_source_table, root);
	out->devices = gw_arena_alloc(a, (out->ndevices + 1) * sizeof(out->devices[0]));
	for (size_t i = 0; i < out->ndevices; i++)
		fill_device(a, def, out->own, keys.interval_ms, &device[i], &out->devices[i]);
	return true;
}
