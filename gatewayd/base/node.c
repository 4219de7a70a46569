/*
 * node.c - the tree of a configuration: lookup, copy, merge (yaml.h, node.h).
 *
 * Trees are at most GW_DEPTH_MAX deep, so recursion is bounded.  How many
 * children a map has is up to a file: what compares all with all uses an index.
 */
#include "base/node.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/yaml.h"

const struct gw_node *gw_node_get(const struct gw_node *map, const char *name)
{
	if (!map || map->kind != GW_NODE_MAP)
		return NULL;
	for (const struct gw_node *n = map->first; n; n = n->next)
		if (strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

/* FNV-1a; with bit 0x20 set letters of both cases fall together. */
static size_t hash(const char *name, bool fold)
{
	uint64_t h = 14695981039346656037u;

	for (; *name; name++)
		h = (h ^ ((unsigned char)*name | (fold ? 0x20u : 0u))) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

/* The slot where the name is or would be; the index has a free slot. */
static struct gw_node **slot(const struct gw_index *x, const char *name)
{
	size_t i = hash(name, x->fold) & (x->size - 1);

	while (x->slots[i] && (x->fold ? strcasecmp(x->slots[i]->name, name)
				       : strcmp(x->slots[i]->name, name)) != 0)
		i = (i + 1) & (x->size - 1);
	return &x->slots[i];
}

static void grow(struct gw_index *x)
{
	struct gw_index larger = { .size = x->size ? x->size * 2 : 16, .fold = x->fold };

	larger.slots = calloc(larger.size, sizeof(struct gw_node *));
	if (!larger.slots) {
		fputs("out of memory\n", stderr);
		abort();
	}
	for (size_t i = 0; i < x->size; i++)
		if (x->slots[i])
			*slot(&larger, x->slots[i]->name) = x->slots[i];
	larger.used = x->used;
	free(x->slots);
	*x = larger;
}

struct gw_node *gw_index_add(struct gw_index *x, struct gw_node *n)
{
	struct gw_node **s;

	if (x->used * 2 >= x->size)
		grow(x);
	s = slot(x, n->name);
	if (*s)
		return *s;
	*s = n;
	x->used++;
	return NULL;
}

struct gw_node *gw_index_find(const struct gw_index *x, const struct gw_node *n)
{
	return x->size ? *slot(x, n->name) : NULL;
}

void gw_index_free(struct gw_index *x)
{
	free(x->slots);
	*x = (struct gw_index){ .fold = x->fold };
}

/* The node without its children, its texts copied. */
static struct gw_node *copy_alone(struct gw_arena *a, const struct gw_node *n)
{
	struct gw_node *c = gw_arena_alloc(a, sizeof(*c));

	*c = *n;
	c->first = c->next = NULL;
	c->name = n->name ? gw_arena_strdup(a, n->name) : NULL;
	c->text = n->text ? gw_arena_strdup(a, n->text) : NULL;
	return c;
}

struct gw_node *gw_node_copy(struct gw_arena *a, const struct gw_node *n)
{
	struct gw_node *c, **tail;

	if (!n)
		return NULL;
	c = copy_alone(a, n);
	tail = &c->first;
	for (const struct gw_node *child = n->first; child; child = child->next) {
		*tail = gw_node_copy(a, child);
		tail = &(*tail)->next;
	}
	return c;
}

static void merge_children(struct gw_arena *a, const struct gw_node *base,
			   const struct gw_node *over, struct gw_node *out)
{
	struct gw_index of_over = { 0 }, of_base = { 0 };
	struct gw_node **tail = &out->first;

	for (struct gw_node *n = over->first; n; n = n->next)
		gw_index_add(&of_over, n);
	for (struct gw_node *n = base->first; n; n = n->next) {
		const struct gw_node *same = gw_index_find(&of_over, n);

		gw_index_add(&of_base, n);
		if (same && same->kind == GW_NODE_NULL)
			continue;
		*tail = gw_node_merge(a, n, same);
		tail = &(*tail)->next;
	}
	for (const struct gw_node *n = over->first; n; n = n->next) {
		if (gw_index_find(&of_base, n))
			continue;
		*tail = gw_node_copy(a, n);
		tail = &(*tail)->next;
	}
	gw_index_free(&of_over);
	gw_index_free(&of_base);
}

struct gw_node *gw_node_merge(struct gw_arena *a, const struct gw_node *base,
			      const struct gw_node *over)
{
	struct gw_node *out;

	if (!base || !over || base->kind != GW_NODE_MAP || over->kind != GW_NODE_MAP)
		return gw_node_copy(a, over ? over : base);
	out = copy_alone(a, over);
	merge_children(a, base, over, out);
	return out;
}
