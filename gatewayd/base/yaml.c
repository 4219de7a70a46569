/*
 * yaml.c - YAML text as a tree of nodes with places (yaml.h).
 *
 * The tree is built from libyaml's events one at a time and the parser is left
 * at the first event that goes too deep, so that libyaml never scans far ahead.
 * A stack of GW_DEPTH_MAX open nodes replaces recursion.  What the parser meets
 * here is only its own problem: keys and values are judged by config.c.
 */
#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/node.h"
#include "base/yaml_check.h"

/* A map or list that is still open. */
struct level {
	struct gw_node *node, **tail;
	const char *name; /* key that waits for its value, or NULL */
	struct gw_place name_place;
	bool lost; /* that key was refused: its value is not kept */
};

struct parse {
	struct gw_arena *arena;
	const char *file;
	struct gw_problems *to;
	struct gw_node *root;
	struct level levels[GW_DEPTH_MAX];
	int depth;
	unsigned documents;
	bool stop, done;
};

static struct level *top(struct parse *p)
{
	return p->depth ? &p->levels[p->depth - 1] : NULL;
}

/* Key path of what is being read, into buf. */
static const char *path(struct parse *p, char *buf, size_t size)
{
	size_t used = 0;

	*buf = '\0';
	for (int i = 0; i < p->depth && used < size; i++)
		if (p->levels[i].name)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? "." : "",
						 p->levels[i].name);
	return buf;
}

__attribute__((format(printf, 3, 4))) static void
problem(struct parse *p, const struct gw_place *at, const char *fmt, ...)
{
	char where[512], text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gw_problem(p->to, at, path(p, where, sizeof(where)), "%s", text);
}

static struct gw_place place(const struct parse *p, const yaml_event_t *e)
{
	return (struct gw_place){ p->file, (uint32_t)e->start_mark.line + 1,
				  (uint32_t)e->start_mark.column + 1 };
}

/* Does a key come next? */
static bool wants_key(struct parse *p)
{
	struct level *l = top(p);

	return l && l->node->kind == GW_NODE_MAP && !l->name;
}

/* A new node as the value of the open key, item of the open list, or root. */
static struct gw_node *add(struct parse *p, const yaml_event_t *e, enum gw_node_kind kind)
{
	struct gw_node *n = gw_arena_alloc(p->arena, sizeof(*n));
	struct level *l = top(p);

	n->kind = kind;
	n->place = place(p, e);
	if (!l) {
		p->root = n;
		return n;
	}
	n->name = l->name;
	n->name_place = l->name_place;
	if (!l->lost) {
		*l->tail = n;
		l->tail = &n->next;
	}
	return n;
}

/* The value of the open key is complete. */
static void next_key(struct parse *p)
{
	struct level *l = top(p);

	if (l) {
		l->name = NULL;
		l->lost = false;
	}
}

static void on_document(struct parse *p, const yaml_event_t *e)
{
	struct gw_place at = place(p, e);

	if (++p->documents == 1)
		return;
	problem(p, &at, "a second document begins here: a file is one document");
	p->stop = true;
}

static void refuse_properties(struct parse *p, const struct gw_place *at, const yaml_char_t *anchor,
			      const yaml_char_t *tag)
{
	if (anchor)
		problem(p, at, "anchors ('&%.64s') are not supported", (const char *)anchor);
	if (tag)
		problem(p, at, "tags ('%.64s') are not supported", (const char *)tag);
}

static void on_alias(struct parse *p, const yaml_event_t *e)
{
	struct gw_place at = place(p, e);

	p->stop = wants_key(p);
	problem(p, &at,
		"aliases ('*%.64s') are not supported; a text that begins with * needs quotes",
		(const char *)e->data.alias.anchor);
	if (p->stop)
		return;
	add(p, e, GW_NODE_NULL);
	next_key(p);
}

/* Why this text cannot be a key, or NULL. */
static const char *bad_key(const char *text, size_t size, bool plain)
{
	if (size == 0)
		return "the key is empty";
	if (size > GW_SCALAR_MAX)
		return "the key is longer than 16 KiB";
	if (strlen(text) != size)
		return "the key holds a NUL character";
	if (plain && strcmp(text, "<<") == 0)
		return "merge keys ('<<') are not supported";
	return NULL;
}

static void on_key(struct parse *p, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	const char *why = bad_key(text, e->data.scalar.length,
				  e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
	struct gw_place at = place(p, e);

	if (why)
		problem(p, &at, "%s", why);
	top(p)->name = why ? "" : gw_arena_strdup(p->arena, text);
	top(p)->name_place = at;
	top(p)->lost = why != NULL;
}

/* Why this text cannot be a value, or NULL. */
static const char *bad_value(const char *text, size_t size, bool plain)
{
	if (plain && size == 0)
		return "has no value: write one, take the key out, or write null";
	if (plain && strcmp(text, "~") == 0)
		return "'~' is not a value: write null";
	if (size > GW_SCALAR_MAX)
		return "is longer than 16 KiB";
	if (strlen(text) != size)
		return "holds a NUL character";
	return NULL;
}

static void on_value(struct parse *p, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	const char *why = bad_value(text, e->data.scalar.length, plain);
	bool null = why || (plain && strcmp(text, "null") == 0);
	struct gw_place at = place(p, e);
	struct gw_node *n;

	if (why)
		problem(p, &at, "%s", why);
	n = add(p, e, null ? GW_NODE_NULL : GW_NODE_SCALAR);
	if (!null)
		n->text = gw_arena_strdup(p->arena, text);
	next_key(p);
}

static void on_scalar(struct parse *p, const yaml_event_t *e)
{
	struct gw_place at = place(p, e);

	refuse_properties(p, &at, e->data.scalar.anchor, e->data.scalar.tag);
	if (wants_key(p))
		on_key(p, e);
	else
		on_value(p, e);
}

static void open_node(struct parse *p, const yaml_event_t *e, enum gw_node_kind kind)
{
	struct gw_place at = place(p, e);
	struct gw_node *n;

	p->stop = true;
	if (wants_key(p)) {
		problem(p, &at, "a key is one text, not a %s",
			kind == GW_NODE_MAP ? "map" : "list");
		return;
	}
	if (p->depth == GW_DEPTH_MAX) {
		problem(p, &at, "is nested deeper than %d levels", GW_DEPTH_MAX);
		return;
	}
	p->stop = false;
	n = add(p, e, kind);
	p->levels[p->depth++] = (struct level){ .node = n, .tail = &n->first };
}

static void on_map(struct parse *p, const yaml_event_t *e)
{
	struct gw_place at = place(p, e);

	refuse_properties(p, &at, e->data.mapping_start.anchor, e->data.mapping_start.tag);
	open_node(p, e, GW_NODE_MAP);
}

static void on_list(struct parse *p, const yaml_event_t *e)
{
	struct gw_place at = place(p, e);

	refuse_properties(p, &at, e->data.sequence_start.anchor, e->data.sequence_start.tag);
	open_node(p, e, GW_NODE_LIST);
}

/* Of keys that are set twice the first stays. */
static void drop_repeats(struct parse *p, struct gw_node *map)
{
	struct gw_index seen = { 0 };
	struct gw_node **link = &map->first;

	while (*link) {
		struct gw_node *n = *link, *first = gw_index_add(&seen, n);

		if (!first) {
			link = &n->next;
			continue;
		}
		top(p)->name = n->name;
		problem(p, &n->name_place, "is set twice, first at line %u",
			first->name_place.line);
		*link = n->next;
	}
	gw_index_free(&seen);
}

static void on_end(struct parse *p, const yaml_event_t *e)
{
	(void)e;
	if (top(p)->node->kind == GW_NODE_MAP)
		drop_repeats(p, top(p)->node);
	p->depth--;
	next_key(p);
}

static void on_stream_end(struct parse *p, const yaml_event_t *e)
{
	(void)e;
	p->done = true;
}

/* One entry for each event type that means something here. */
static void (*const handlers[])(struct parse *p, const yaml_event_t *e) = {
	[YAML_DOCUMENT_START_EVENT] = on_document, [YAML_ALIAS_EVENT] = on_alias,
	[YAML_SCALAR_EVENT] = on_scalar,	   [YAML_SEQUENCE_START_EVENT] = on_list,
	[YAML_MAPPING_START_EVENT] = on_map,	   [YAML_SEQUENCE_END_EVENT] = on_end,
	[YAML_MAPPING_END_EVENT] = on_end,	   [YAML_STREAM_END_EVENT] = on_stream_end,
};

/* Feed events until the end or a problem after which the rest has no meaning. */
static void run(struct parse *p, yaml_parser_t *parser, const char *text, size_t size)
{
	yaml_event_t event;

	while (!p->stop && !p->done) {
		if (!yaml_parser_parse(parser, &event)) {
			gw_yaml_syntax_problem(parser, p->file, text, size, p->to);
			p->stop = true;
			return;
		}
		if ((size_t)event.type < sizeof(handlers) / sizeof(handlers[0]) &&
		    handlers[event.type])
			handlers[event.type](p, &event);
		yaml_event_delete(&event);
	}
}

struct gw_node *gw_yaml_parse(struct gw_arena *a, const char *file, const char *text, size_t size,
			      struct gw_problems *to)
{
	struct parse p = { .arena = a, .file = file ? gw_arena_strdup(a, file) : NULL, .to = to };
	struct gw_place whole = { .file = p.file };
	yaml_parser_t parser;

	if (!gw_yaml_precheck(p.file, text, size, to))
		return NULL;
	if (!yaml_parser_initialize(&parser)) {
		gw_problem(to, &whole, NULL, "out of memory");
		return NULL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	run(&p, &parser, text, size);
	yaml_parser_delete(&parser);
	if (!p.stop && !p.root)
		gw_problem(to, &whole, NULL, "holds nothing, or only comments");
	return p.stop ? NULL : p.root;
}
