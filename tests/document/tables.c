/* tables.c - see tables.h. */
#include "tables.h"

#include <string.h>

#include "core/settings.h"
#include "plugins/modbus/keys.h"
#include "plugins/mqtt/keys.h"

/* A copy of `table` with keys that may be changed. */
static struct gw_table *copy_of(struct gw_arena *a, const struct gw_table *table)
{
	struct gw_table *t = gw_arena_alloc(a, sizeof(*t));
	struct gw_key *keys = gw_arena_alloc(a, table->count * sizeof(*keys));

	*t = *table;
	memcpy(keys, table->keys, table->count * sizeof(*keys));
	t->keys = keys;
	return t;
}

static struct gw_key *key_of(struct gw_table *t, const char *name)
{
	struct gw_key *keys = (struct gw_key *)t->keys; /* copy_of() made them */

	for (size_t i = 0; i < t->count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* `common` with the plugin's keys behind it and `nested` as what its map `map` holds. */
static struct gw_table *joined(struct gw_arena *a, const struct gw_table *common,
			       const struct gw_table *own, const char *map,
			       const struct gw_table *nested)
{
	struct gw_table *t = copy_of(a, common);

	t->also = own;
	if (map)
		key_of(t, map)->table = nested;
	return t;
}

static struct gw_table *with_required(struct gw_arena *a, const struct gw_table *table,
				      const char *name)
{
	struct gw_table *t = copy_of(a, table);

	key_of(t, name)->flags |= GW_REQUIRED;
	return t;
}

/* A sink whose keys changed is started again, so a reload may change each of them. */
static struct gw_table *reloadable(struct gw_arena *a, const struct gw_table *table)
{
	struct gw_table *t = copy_of(a, table);

	for (size_t i = 0; i < t->count; i++)
		key_of(t, t->keys[i].name)->flags |= GW_RELOAD;
	return t;
}

/* `include` is the YAML reader's own: it is gone before a table sees the file. */
static const struct gw_key instance_keys[] = {
	{ .name = "sinks", .type = GW_T_MAP, .flags = GW_RELOAD, .example = "goc",
	  .help = "Where readings go, by name." },
	{ .name = "sources", .type = GW_T_MAP, .flags = GW_RELOAD, .example = "pump-house",
	  .help = "Where readings come from, by name." },
	{ .name = "include", .type = GW_T_TEXT, .flags = GW_RELOAD | GW_LIST,
	  .example = "[devices.d/*.yaml]",
	  .help = "Further files, relative to this one: maps are merged, a value given twice is an "
		  "error." },
};
static const struct gw_table instance_table = {
	.name = "instances",
	.keys = instance_keys,
	.count = sizeof(instance_keys) / sizeof(instance_keys[0]),
};

static const struct gw_table *root(struct gw_arena *a, const struct gw_table *mb_source,
				   const struct gw_table *mb_point)
{
	struct gw_table *sink = joined(a, &gw_sink_table, reloadable(a, &mqtt_table), NULL, NULL);
	struct gw_table *point = joined(a, &gw_point_table, mb_point, NULL, NULL);
	struct gw_table *device =
		joined(a, &gw_device_table, &mb_device_table, "points", point);
	struct gw_table *source = joined(a, &gw_source_table, mb_source, "devices", device);
	struct gw_table *instances = copy_of(a, &instance_table);

	key_of(instances, "sinks")->table = sink;
	key_of(instances, "sources")->table = source;
	return joined(a, &gw_root_table, instances, NULL, NULL);
}

const struct gw_table *document_tables(struct gw_arena *a)
{
	return root(a, &mb_source_table, &mb_point_table);
}

const struct gw_table *document_sample_tables(struct gw_arena *a)
{
	return root(a, with_required(a, &mb_source_table, "connection"),
		    with_required(a, &mb_point_table, "address"));
}
