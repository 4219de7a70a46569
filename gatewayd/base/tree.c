/*
 * tree.c - nodes from messages; see tree.h.  The messages come depth first, so the
 * open maps and lists are a stack.
 */
#include "base/tree.h"

#include <string.h>

#include "base/yaml.h"

enum { END_OF_NODE = 255, FILES_MAX = 4096 };

struct level {
	struct gw_node *node;
	struct gw_node **tail; /* where its next child is hung */
};

struct gw_tree {
	struct gw_arena *arena;
	const char **files;
	size_t nfiles, files_capacity;
	struct gw_node *root;
	struct level open[GW_DEPTH_MAX];
	unsigned depth;
	size_t used; /* bytes of the arena, for the bound */
};

struct gw_tree *gw_tree_new(struct gw_arena *arena)
{
	struct gw_tree *t = gw_arena_alloc(arena, sizeof(*t));

	t->arena = arena;
	return t;
}

static char *copy_text(struct gw_tree *t, struct gw_str text)
{
	t->used += (size_t)text.n + 1;
	return gw_arena_text(t->arena, text.s, text.n);
}

int gw_tree_file(struct gw_tree *t, const struct gw_msg_file *m, struct gw_err *err)
{
	if (m->number != t->nfiles || t->nfiles == FILES_MAX)
		return gw_err_set(err, GW_EPROTO, "file %u came where %zu was next (at most %d)",
				  m->number, t->nfiles, FILES_MAX);
	if (t->nfiles == t->files_capacity) {
		size_t capacity = t->files_capacity ? t->files_capacity * 2 : 8;
		const char **files = gw_arena_alloc(t->arena, capacity * sizeof(*files));

		if (t->nfiles > 0)
			memcpy(files, t->files, t->nfiles * sizeof(*files));
		t->files = files;
		t->files_capacity = capacity;
	}
	t->files[t->nfiles++] = copy_text(t, m->path);
	return 0;
}

/* What can be wrong with a node where it stands; NULL: nothing. */
static const char *misplaced(const struct gw_tree *t, const struct gw_msg_node *m)
{
	if (m->kind > GW_NODE_MAP && m->kind != END_OF_NODE)
		return "its kind does not exist";
	if (t->root && t->depth == 0)
		return "the root is closed already";
	if (m->kind == END_OF_NODE)
		return t->depth == 0 ? "there is nothing to end" : NULL;
	if (t->depth == 0 && m->kind != GW_NODE_MAP)
		return "the root is not a map";
	if (m->file >= t->nfiles && m->line > 0)
		return "its file was not announced";
	if (t->depth == GW_DEPTH_MAX && m->kind >= GW_NODE_LIST)
		return "the tree is too deep";
	if (t->used > GW_TREE_MAX)
		return "the configuration is too large";
	return NULL;
}

static struct gw_node *make_node(struct gw_tree *t, const struct gw_msg_node *m)
{
	struct gw_node *n = gw_arena_alloc(t->arena, sizeof(*n));
	const char *file = m->file < t->nfiles ? t->files[m->file] : NULL;

	t->used += sizeof(*n);
	*n = (struct gw_node){ .kind = (enum gw_node_kind)m->kind,
			       .place = { file, m->line, m->column },
			       .name_place = { file, m->name_line, m->name_column } };
	if (n->kind == GW_NODE_SCALAR)
		n->text = copy_text(t, m->text);
	if (t->depth > 0 && t->open[t->depth - 1].node->kind == GW_NODE_MAP)
		n->name = copy_text(t, m->name);
	return n;
}

int gw_tree_node(struct gw_tree *t, const struct gw_msg_node *m, struct gw_err *err)
{
	const char *wrong = misplaced(t, m);
	struct gw_node *n;

	if (wrong)
		return gw_err_set(err, GW_EPROTO, "a node of the configuration: %s", wrong);
	if (m->kind == END_OF_NODE) {
		t->depth--;
		return 0;
	}
	n = make_node(t, m);
	if (t->depth == 0) {
		t->root = n;
	} else {
		*t->open[t->depth - 1].tail = n;
		t->open[t->depth - 1].tail = &n->next;
	}
	if (n->kind >= GW_NODE_LIST)
		t->open[t->depth++] = (struct level){ n, &n->first };
	return 0;
}

int gw_tree_done(const struct gw_tree *t, const struct gw_node **root, struct gw_err *err)
{
	if (!t->root || t->depth > 0)
		return gw_err_set(err, GW_EPROTO, "the configuration ended inside a map or list");
	*root = t->root;
	return 0;
}

bool gw_tree_file_number(const struct gw_tree *t, const struct gw_place *at, uint16_t *number)
{
	for (size_t i = 0; at->file && i < t->nfiles; i++) {
		if (t->files[i] == at->file || strcmp(t->files[i], at->file) == 0) {
			*number = (uint16_t)i;
			return true;
		}
	}
	return false;
}
