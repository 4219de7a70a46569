/*
 * quantities.c - see quantities.h.
 */
#include "core/quantities.h"

#include <stdio.h>
#include <string.h>

#include "base/yaml.h"
#include "core/convert.h"
#include "core/units.h"

enum { QUANTITIES_MAX = 4096 };

#define AT(member) offsetof(struct gw_quantity, member)
static const struct gw_key quantity_keys[] = {
	{ .name = "unit",
	  .type = GW_T_TEXT,
	  .flags = GW_REQUIRED,
	  .min = 1,
	  .max = 64,
	  .offset = AT(unit),
	  .help = "UCUM code of the unit in which the quantity is published.",
	  .example = "V" },
	{ .name = "symbol",
	  .type = GW_T_TEXT,
	  .max = 64,
	  .offset = AT(symbol),
	  .help = "What people read instead of the code; default: as usual for the unit.",
	  .example = "V" },
	{ .name = "min",
	  .type = GW_T_DECIMAL,
	  .offset = AT(min),
	  .help = "Least plausible value.",
	  .example = "0" },
	{ .name = "max",
	  .type = GW_T_DECIMAL,
	  .offset = AT(max),
	  .help = "Greatest plausible value.",
	  .example = "500" },
	{ .name = "domain",
	  .type = GW_T_NAME,
	  .offset = AT(domain),
	  .help = "Field of use.",
	  .example = "energy" },
	{ .name = "meaning",
	  .type = GW_T_TEXT,
	  .max = 200,
	  .offset = AT(meaning),
	  .help = "What is measured, in words.",
	  .example = "voltage of phase L1" },
};
#undef AT
static const struct gw_table quantity_table =
	GW_TABLE("quantity", struct gw_quantity, quantity_keys, "What is measured.");

static const struct gw_key file_keys[] = {
	{ .name = "quantities",
	  .type = GW_T_MAP,
	  .flags = GW_REQUIRED,
	  .max = QUANTITIES_MAX,
	  .offset = offsetof(struct gw_quantities, list),
	  .table = &quantity_table,
	  .help = "Quantities by name.",
	  .example = "voltage" },
};
const struct gw_table gw_quantities_table =
	GW_TABLE("vocabulary", struct gw_quantities, file_keys, "The vocabulary of quantities.");

static void check(struct gw_quantity *q, struct gw_problems *to)
{
	const struct gw_node *unit = gw_node_get(q->item.node, "unit");
	const char *symbol = q->unit ? gw_unit_symbol(q->unit) : "";
	char path[128];

	q->has_min = gw_node_get(q->item.node, "min") != NULL;
	q->has_max = gw_node_get(q->item.node, "max") != NULL;
	snprintf(path, sizeof(path), "quantities.%s.unit", q->item.name);
	if (!symbol)
		gw_problem(to, &unit->place, path, "'%s' is not a known UCUM code", q->unit);
	if (!q->symbol)
		q->symbol = symbol;
}

const struct gw_quantities *gw_quantities_read(struct gw_arena *a, const char *file,
					       struct gw_problems *to)
{
	struct gw_quantities *q = gw_arena_alloc(a, sizeof(*q));
	const struct gw_node *root = gw_yaml_read(a, file, to);
	struct gw_quantity *at;
	unsigned before = to->count;

	if (!root || root->kind != GW_NODE_MAP) {
		if (root)
			gw_problem(to, &root->place, "", "the file is not a map of keys");
		return NULL;
	}
	if (gw_config_load(a, &gw_quantities_table, root, "", q, to) != 0)
		return NULL;
	at = q->list.items;
	for (size_t i = 0; i < q->list.count; i++)
		check(&at[i], to);
	return to->count == before ? q : NULL;
}

static const char *nearest(const struct gw_quantity *q, size_t n, const char *name)
{
	const char *names[QUANTITIES_MAX + 1] = { NULL };

	for (size_t i = 0; i < n; i++)
		names[i] = q[i].item.name;
	return gw_nearest(name, names);
}

const struct gw_quantity *gw_quantity_find(const struct gw_quantities *q, const char *name,
					   const char **near)
{
	const struct gw_quantity *at = q->list.items;

	*near = NULL;
	for (size_t i = 0; i < q->list.count; i++)
		if (strcmp(at[i].item.name, name) == 0)
			return &at[i];
	*near = nearest(at, q->list.count, name);
	return NULL;
}

/* ---- what becomes of a point ---- */

/* a > b, for decimals over one divisor */
static bool above(struct gw_decimal a, struct gw_decimal b)
{
	__extension__ __int128 x = a.mantissa, y = b.mantissa;

	for (; a.places < b.places; a.places++)
		x *= 10;
	for (; b.places < a.places; b.places++)
		y *= 10;
	return x > y;
}

/* A limit of the vocabulary holds where the point has none, and never against the point's own. */
static void take_limits(const struct gw_quantity *q, const struct gw_conversion *c,
			struct gw_published *out)
{
	struct gw_decimal min = q->min, max = q->max;

	if (!out->has_min && q->has_min && gw_convert_over(c, &min) &&
	    !(out->has_max && above(min, out->max))) {
		out->has_min = true;
		out->min = min;
	}
	if (!out->has_max && q->has_max && gw_convert_over(c, &max) &&
	    !(out->has_min && above(out->min, max))) {
		out->has_max = true;
		out->max = max;
	}
}

typedef bool convert_fn(const struct gw_conversion *c, struct gw_decimal *d);

static int convert_all(const struct gw_conversion *c, const char *from, const struct gw_quantity *q,
		       struct gw_published *out, const char **key, struct gw_err *err)
{
	const struct {
		const char *key;
		struct gw_decimal *d;
		convert_fn *convert;
	} parts[] = {
		{ "scale", &out->scale, gw_convert_span },
		{ "offset", &out->offset, gw_convert_level },
		{ "min", &out->min, gw_convert_level },
		{ "max", &out->max, gw_convert_level },
		{ "deadband", &out->deadband, gw_convert_span },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (parts[i].convert(c, parts[i].d))
			continue;
		*key = parts[i].key;
		return gw_err_set(err, GW_EINPUT,
				  "has too many digits to convert it from %s to %s exactly", from,
				  q->unit);
	}
	return 0;
}

int gw_published_make(const struct gw_point_keys *k, const struct gw_quantity *q,
		      struct gw_published *out, const char **key, struct gw_err *err)
{
	const char *from = k->unit ? k->unit : q->unit;
	struct gw_conversion c;

	*out = (struct gw_published){
		.unit = q->unit,
		.symbol = q->symbol,
		.scale = k->scale,
		.offset = k->offset,
		.min = k->min,
		.max = k->max,
		.deadband = k->deadband,
		.has_min = gw_node_get(k->item.node, "min") != NULL,
		.has_max = gw_node_get(k->item.node, "max") != NULL,
	};
	*key = "unit";
	if (!gw_convert(from, q->unit, &c))
		return gw_err_set(err, GW_EINPUT,
				  "'%s' does not convert to the unit of quantity '%s' (%s)", from,
				  q->item.name, q->unit);
	out->divisor = c.divisor;
	if (convert_all(&c, from, q, out, key, err) != 0)
		return -1;
	take_limits(q, &c, out);
	return 0;
}
