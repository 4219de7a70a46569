#include "plugins/modbus/factor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned numbered(const struct gw_device_config *c, const char *name)
{
	unsigned i = 0;

	while (i < c->npoints && strcmp(c->points[i].name, name) != 0)
		i++;
	return i;
}

static void say_unknown(const struct gw_device_config *c, const char *name, char *out, size_t size)
{
	const char **names = calloc(c->npoints + 1, sizeof(*names)), *near;

	if (!names)
		abort();
	for (size_t i = 0; i < c->npoints; i++)
		names[i] = c->points[i].name;
	near = gw_nearest(name, names);
	snprintf(out, size, "this device has no point '%s'%s%s%s", name, near ? "; did you mean '" : "",
		 near ? near : "", near ? "'?" : "");
	free(names);
}

static bool is_integer(const struct mb_point *p)
{
	enum gw_kind kind = mb_point_kind(p);

	return !p->counter_bits && !p->joined && (kind == GW_I64 || kind == GW_U64);
}

/* Empty: it will do. */
static void judge(const struct gw_device_config *c, const struct mb_point *points, unsigned i, unsigned from,
		  char *out, size_t size)
{
	*out = '\0';
	if (from == c->npoints)
		say_unknown(c, points[i].other, out, size);
	else if (!is_integer(&points[from]))
		snprintf(out, size, "'%s' is no plain whole number, so it cannot be a %s", points[i].other,
			 points[i].joined == MB_POWER ? "power of ten" : "number of decimals");
	else if (c->points[from].interval_ms != c->points[i].interval_ms)
		snprintf(out, size, "'%s' is read every %lld ms and this point every %lld ms; they must be read together",
			 points[i].other, (long long)c->points[from].interval_ms,
			 (long long)c->points[i].interval_ms);
}

static void link_other(const struct gw_device_config *c, const struct mb_point *points, unsigned i,
			struct mb_derive *x, struct gw_problems *to)
{
	unsigned from = numbered(c, points[i].other);
	char path[256], text[256];
	const char *key;

	judge(c, points, i, from, text, sizeof(text));
	if (!*text) {
		mb_derive_join(x, i, from, points[i].joined);
		return;
	}
	key = mb_joined_key(points[i].joined);
	snprintf(path, sizeof(path), "devices.%s.points.%s.%s", c->name, c->points[i].name, key);
	gw_problem(to, &gw_node_get(c->points[i].node, key)->place, path, "%s", text);
}

static bool is_derived(const struct mb_point *points, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any |= points[i].counter_bits || points[i].joined;
	return any;
}

struct mb_derive *mb_derive_of(struct gw_arena *arena, const struct gw_device_config *c,
			       const struct mb_point *points, struct gw_problems *to)
{
	struct mb_derive *x;

	if (!is_derived(points, c->npoints))
		return NULL;
	x = mb_derive_new(arena, c->name, (unsigned)c->npoints);
	for (unsigned i = 0; i < c->npoints; i++) {
		if (points[i].counter_bits)
			mb_derive_counter(x, i, c->points[i].name, points[i].counter_bits);
		if (points[i].joined)
			link_other(c, points, i, x, to);
	}
	return x;
}
