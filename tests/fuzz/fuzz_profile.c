/*
 * fuzz_profile.c - bytes as a profile: its points through the common keys, through every
 * quantity their unit converts to, and some raw values through what comes of it.
 *
 * Nothing may crash or leak, whatever the digits; a value is finite or has a reason.
 */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/yaml.h"
#include "core/normalise.h"
#include "core/quantities.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	(void)arg;
	(void)at;
	(void)path;
	(void)text;
}

static void convert(const struct gw_point_spec *spec)
{
	static const int64_t raws[] = { 0, 1, -1, 2301, 65535, INT64_MIN, INT64_MAX };
	struct gw_normaliser *n = gw_normaliser_new(spec, 1);

	assert(n);
	for (size_t i = 0; i < sizeof(raws) / sizeof(raws[0]); i++) {
		struct gw_value v = { .kind = spec->kind, .i = raws[i] };

		if (spec->kind == GW_F64)
			v.f = (double)raws[i] / 7;
		gw_normalise_one(n, 0, &v);
		assert(v.kind != GW_F64 || isfinite(v.f));
		assert(v.kind != GW_NONE || v.reason != GW_GOOD);
	}
	gw_normaliser_free(n);
}

static void publish(const struct gw_point_keys *k, const struct gw_quantity *q)
{
	static const enum gw_kind kinds[] = { GW_I64, GW_U64, GW_F64 };
	struct gw_published p;
	const char *key;
	struct gw_err err;

	if (gw_published_make(k, q, &p, &key, &err) != 0)
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		convert(&(struct gw_point_spec){
			.name = "p",
			.kind = kinds[i],
			.bits = 64,
			.scale = p.scale,
			.offset = p.offset,
			.has_min = p.has_min,
			.has_max = p.has_max,
			.has_deadband = true,
			.min = p.min,
			.max = p.max,
			.deadband = p.deadband,
			.divisor = p.divisor,
		});
}

static void take_point(struct gw_arena *a, const struct gw_node *map, struct gw_problems *to)
{
	static const char *const units[] = { "W",   "kW.h", "Cel", "m/s", "m3/h",
					     "hPa", "%",    "deg", "s",	  "1" };
	struct gw_point_keys k;

	if (map->kind != GW_NODE_MAP)
		return;
	gw_config_load(a, &gw_point_table, map, "points.p", &k,
		       to); /* a plugin's keys are unknown here */
	k.item.node = map;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		publish(&k, &(struct gw_quantity){
				    .item = { .name = "q" },
				    .unit = units[i],
				    .symbol = "",
				    .min = { -1, 1 },
				    .max = { INT64_MAX, 3 },
				    .has_min = true,
				    .has_max = true,
			    });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_arena *arena = gw_arena_new();
	struct gw_problems to = { .fn = ignore };
	const struct gw_node *tree = gw_yaml_parse(arena, "profile", (const char *)data, size, &to),
			     *points;

	points = tree && tree->kind == GW_NODE_MAP ? gw_node_get(tree, "points") : NULL;
	if (points && points->kind == GW_NODE_MAP)
		for (const struct gw_node *c = points->first; c; c = c->next)
			take_point(arena, c, &to);
	gw_arena_free(arena);
	return 0;
}
