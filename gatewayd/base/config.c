/*
 * config.c - a struct from a map of the configuration, by its table.
 *
 * Problems come in the order of the file, then what is missing.  A null stands
 * for a key that is not there.  Defaults take the same way as values of the file.
 * Depth is bounded by the tables and the tree, so recursion is.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/node.h"
#include "base/value.h"
#include "base/yaml.h"
#include "gatewayd/config.h"

enum { PATH_SIZE = 512, FEW_KEYS = 12, KEYS_MAX = 256 };

static const char *const kinds[] = { [GW_NODE_NULL] = "null",
				     [GW_NODE_SCALAR] = "one value",
				     [GW_NODE_LIST] = "a list",
				     [GW_NODE_MAP] = "a map" };

struct load {
	struct gw_arena *arena;
	struct gw_problems *to;
};

static void load_map(struct load *l, const struct gw_table *table, const struct gw_node *map,
		     const char *path, void *object, bool missing_counts);

static const char *join(char *buf, const char *path, const char *name)
{
	snprintf(buf, PATH_SIZE, "%s%s%s", path, *path ? "." : "", name);
	return buf;
}

static bool is_set(const struct gw_node *map, const char *name)
{
	const struct gw_node *n = gw_node_get(map, name);

	return n && n->kind != GW_NODE_NULL;
}

/* ---- scalars ---- */

/* Text of a GW_PATH key: relative to the file that holds it. */
static const char *resolve(struct load *l, const char *file, const char *text)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	size_t folder = text[0] == '/' || !slash ? 0 : (size_t)(slash - file) + 1;
	char *path = gw_arena_alloc(l->arena, folder + strlen(text) + 1);

	memcpy(path, file ? file : "", folder);
	strcpy(path + folder, text);
	return path;
}

static void store(struct load *l, const struct gw_key *k, const struct gw_node *n,
		  union gw_scalar *v, void *at)
{
	if (k->flags & GW_PATH)
		v->text = resolve(l, n->place.file, v->text);
	else if (k->type == GW_T_TEXT || k->type == GW_T_NAME)
		v->text = gw_arena_strdup(l->arena, v->text);
	memcpy(at, v, gw_value_size(k));
}

static void load_scalar(struct load *l, const struct gw_key *k, const struct gw_node *n,
			const char *path, void *at)
{
	union gw_scalar v;
	struct gw_err err;

	if (n->kind != GW_NODE_SCALAR)
		gw_problem(l->to, &n->place, path, "takes one value, not %s", kinds[n->kind]);
	else if (gw_value_parse(k, n->text, &v, &err) != 0)
		gw_problem(l->to, &n->place, path, "%s", err.msg);
	else if (at)
		store(l, k, n, &v, at);
}

/* ---- maps of named things ---- */

/* The map itself must be one: `what` says of which things. */
static bool check_map(struct load *l, const struct gw_node *n, const char *path, const char *what)
{
	if (n->kind == GW_NODE_MAP)
		return true;
	gw_problem(l->to, &n->place, path, "takes a map of %s, not %s", what, kinds[n->kind]);
	return false;
}

/* Entries that are there: a null takes an entry out. */
static size_t count_entries(const struct gw_node *map)
{
	size_t count = 0;

	for (const struct gw_node *n = map->first; n; n = n->next)
		count += n->kind != GW_NODE_NULL;
	return count;
}

static void check_name(struct load *l, struct gw_index *names, struct gw_node *n, const char *path)
{
	const struct gw_node *other;

	if (!gw_name_ok(n->name)) {
		gw_problem(l->to, &n->name_place, path,
			   "'%.64s' is not a name: letters, digits, - and _, at most 64, "
			   "a letter or digit first",
			   n->name);
		return;
	}
	other = gw_index_add(names, n);
	if (!other)
		return;
	if (strcmp(other->name, n->name) == 0)
		gw_problem(l->to, &n->name_place, path, "is set twice, first at %s:%u",
			   other->name_place.file, other->name_place.line);
	else
		gw_problem(l->to, &n->name_place, path,
			   "'%s' differs only in case from '%s' at %s:%u", n->name, other->name,
			   other->name_place.file, other->name_place.line);
}

static void load_entry(struct load *l, const struct gw_key *k, const struct gw_node *n,
		       const char *path, void *object)
{
	load_map(l, k->table, n, path, object, true);
	if (object)
		*(struct gw_item *)object =
			(struct gw_item){ gw_arena_strdup(l->arena, n->name), n };
}

static void load_entries(struct load *l, const struct gw_key *k, const struct gw_node *map,
			 const char *path, struct gw_list *list)
{
	struct gw_index names = { .fold = true };
	size_t count, i = 0, size = k->table->size;
	char below[PATH_SIZE];
	char *items = NULL;

	if (!check_map(l, map, path, "names"))
		return;
	count = count_entries(map);
	if (k->max > 0 && count > (size_t)k->max)
		gw_problem(l->to, &map->name_place, path,
			   "has %zu entries; at most %zu are allowed", count, (size_t)k->max);
	if (list && size && count)
		items = gw_arena_alloc(l->arena, count * size);
	for (struct gw_node *n = map->first; n; n = n->next) {
		if (n->kind == GW_NODE_NULL)
			continue;
		check_name(l, &names, n, join(below, path, n->name));
		load_entry(l, k, n, below, items ? items + i++ * size : NULL);
	}
	gw_index_free(&names);
	if (list)
		*list = (struct gw_list){ items, items ? count : 0 };
}

/* ---- one key ---- */

static void load_one(struct load *l, const struct gw_key *k, const struct gw_node *n,
		     const char *path, void *at)
{
	if (k->type == GW_T_SECTION)
		load_map(l, k->table, n, path, at, true);
	else if (k->type == GW_T_MAP)
		load_entries(l, k, n, path, at);
	else if (k->type != GW_T_NODE)
		load_scalar(l, k, n, path, at);
	else if (at)
		memcpy(at, &n, sizeof(n));
}

/* A list, or one value as a list of one. */
static void load_list(struct load *l, const struct gw_key *k, const struct gw_node *n,
		      const char *path, struct gw_list *list)
{
	bool single = n->kind != GW_NODE_LIST;
	size_t count = single, i = 0, size = gw_value_size(k);
	char *items = NULL;

	for (const struct gw_node *item = single ? NULL : n->first; item; item = item->next)
		count++;
	if (list && size && count)
		items = gw_arena_alloc(l->arena, count * size);
	for (const struct gw_node *item = single ? n : n->first; item; item = item->next) {
		load_one(l, k, item, path, items ? items + i++ * size : NULL);
		if (single)
			break;
	}
	if (count == 0 && (k->flags & GW_REQUIRED))
		gw_problem(l->to, &n->place, path, "is an empty list");
	if (list)
		*list = (struct gw_list){ items, items ? count : 0 };
}

static void load_key(struct load *l, const struct gw_key *k, const struct gw_node *n,
		     const char *path, void *object)
{
	void *at = object ? (char *)object + k->offset : NULL;

	if (k->flags & GW_LIST)
		load_list(l, k, n, path, at);
	else
		load_one(l, k, n, path, at);
}

/* ---- defaults ---- */

/* The default as a node: YAML where it is a list or in quotes, else the text itself, in *plain. */
static const struct gw_node *fallback_node(struct load *l, const struct gw_key *k, struct gw_node *plain)
{
	bool yaml = (k->flags & GW_LIST && k->fallback[0] == '[') || k->fallback[0] == '"';

	if (yaml)
		return gw_yaml_parse(l->arena, NULL, k->fallback, strlen(k->fallback), l->to);
	*plain = (struct gw_node){ .kind = GW_NODE_SCALAR, .text = k->fallback };
	return plain;
}

static void set_default(struct load *l, const struct gw_key *k, const char *path, void *object)
{
	const struct gw_node *n;
	struct gw_node plain;

	if (k->flags & GW_INHERIT)
		return;
	if (k->type == GW_T_SECTION && !(k->flags & GW_LIST)) {
		load_map(l, k->table, NULL, path, (char *)object + k->offset, false);
		return;
	}
	n = k->fallback ? fallback_node(l, k, &plain) : NULL;
	if (n)
		load_key(l, k, n, path, object);
}

static void set_defaults(struct load *l, const struct gw_table *table, const struct gw_node *map,
			 const char *path, void *object)
{
	char below[PATH_SIZE];

	memset(object, 0, table->size);
	for (size_t i = 0; i < table->count; i++)
		if (!is_set(map, table->keys[i].name))
			set_default(l, &table->keys[i], join(below, path, table->keys[i].name),
				    object);
}

/* ---- a map of keys ---- */

static const struct gw_key *find(const struct gw_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->keys[i].name, name) == 0)
			return &table->keys[i];
	return NULL;
}

/* Key names of the table and those beside it, as a NULL-terminated list. */
static size_t list_keys(const struct gw_table *table, const char *names[KEYS_MAX + 1])
{
	size_t n = 0;

	for (; table; table = table->also)
		for (size_t i = 0; i < table->count && n < KEYS_MAX; i++)
			names[n++] = table->keys[i].name;
	names[n] = NULL;
	return n;
}

static void unknown_key(struct load *l, const struct gw_table *table, const struct gw_node *n,
			const char *path)
{
	const char *names[KEYS_MAX + 1], *near;
	size_t count = list_keys(table, names);
	char words[384];

	near = gw_nearest(n->name, names);
	if (near)
		gw_problem(l->to, &n->name_place, path, "unknown key '%.64s'; did you mean '%s'?",
			   n->name, near);
	else if (count > 0 && count <= FEW_KEYS)
		gw_problem(l->to, &n->name_place, path, "unknown key '%.64s'; allowed: %s", n->name,
			   gw_join_words(words, sizeof(words), names));
	else
		gw_problem(l->to, &n->name_place, path, "unknown key '%.64s'", n->name);
}

/* Is the key there a second time?  Files are checked while they are read; this
 * is for trees that were put together otherwise. */
static bool repeated(struct load *l, const struct gw_node *map, const struct gw_node *n,
		     const char *path)
{
	const struct gw_node *first = gw_node_get(map, n->name);

	if (first == n)
		return false;
	gw_problem(l->to, &n->name_place, path, "is set twice, first at line %u",
		   first->name_place.line);
	return true;
}

/* One entry of the file.  Keys of `table` are stored, those of `also` only checked. */
static void load_pair(struct load *l, const struct gw_table *table, const struct gw_node *map,
		      const struct gw_node *n, const char *path, void *object)
{
	const struct gw_key *k = NULL;
	const struct gw_table *t = table;
	char below[PATH_SIZE];

	while (t && !(k = find(t, n->name)))
		t = t->also;
	if (!k)
		unknown_key(l, table, n, path);
	else if (!repeated(l, map, n, join(below, path, k->name)) && n->kind != GW_NODE_NULL)
		load_key(l, k, n, below, t == table ? object : NULL);
}

static void check_required(struct load *l, const struct gw_table *table, const struct gw_node *map,
			   const char *path)
{
	const struct gw_place *at = map ? &map->place : NULL;

	if (map && map->name_place.line)
		at = &map->name_place;
	for (; table; table = table->also)
		for (size_t i = 0; i < table->count; i++)
			if (table->keys[i].flags & GW_REQUIRED && !is_set(map, table->keys[i].name))
				gw_problem(l->to, at, path, "required key '%s' is missing",
					   table->keys[i].name);
}

/* map NULL: nothing is set.  missing_counts: report required keys that are missing. */
static void load_map(struct load *l, const struct gw_table *table, const struct gw_node *map,
		     const char *path, void *object, bool missing_counts)
{
	void *target = table->size ? object : NULL;

	if (target)
		set_defaults(l, table, map, path, target);
	if (map && !check_map(l, map, path, "keys"))
		return;
	for (const struct gw_node *n = map ? map->first : NULL; n; n = n->next)
		load_pair(l, table, map, n, path, target);
	if (missing_counts)
		check_required(l, table, map, path);
}

unsigned gw_config_load(struct gw_arena *arena, const struct gw_table *table,
			const struct gw_node *map, const char *path, void *object,
			struct gw_problems *to)
{
	struct load l = { arena, to };
	unsigned before = to->count;

	load_map(&l, table, map && map->kind == GW_NODE_NULL ? NULL : map, path ? path : "", object,
		 true);
	return to->count - before;
}

/* ---- inheritance ---- */

static void copy_key(const struct gw_key *to, void *object, const struct gw_key *from,
		     const void *above)
{
	size_t size = to->flags & GW_LIST ? sizeof(struct gw_list) : gw_value_size(to);

	memcpy((char *)object + to->offset, (const char *)above + from->offset, size);
}

/* A section that is set in part takes the rest of its keys from above. */
static void inherit_rest(const struct gw_table *section, const struct gw_node *map, void *object,
			 const void *above)
{
	for (size_t i = 0; i < section->count; i++)
		if (!is_set(map, section->keys[i].name))
			copy_key(&section->keys[i], object, &section->keys[i], above);
}

static void inherit_key(const struct gw_key *k, const struct gw_node *map, void *object,
			const struct gw_table *above_table, const void *above)
{
	const struct gw_key *from = find(above_table, k->name);

	assert(from && from->type == k->type && !((from->flags ^ k->flags) & GW_LIST));
	if (!is_set(map, k->name))
		copy_key(k, object, from, above);
	else if (k->type == GW_T_SECTION && !(k->flags & GW_LIST) && k->table == from->table)
		inherit_rest(k->table, gw_node_get(map, k->name), (char *)object + k->offset,
			     (const char *)above + from->offset);
}

void gw_config_inherit(const struct gw_table *table, const struct gw_node *map, void *object,
		       const struct gw_table *above_table, const void *above)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->keys[i].flags & GW_INHERIT)
			inherit_key(&table->keys[i], map, object, above_table, above);
}
