/*
 * yaml_file.c - configuration files, and the files they include (yaml.h).
 *
 * Only regular files are read, and opening never blocks (a FIFO or a serial
 * port would).  An included file is read once, whatever patterns name it; what
 * cannot be read is a problem, never "no file": a gateway must not lose half its
 * devices to a wrong permission.
 */
#include "base/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/node.h"

/* Of a file that was read: a second name of it is no second file. */
struct identity {
	dev_t device;
	ino_t inode;
};

struct all {
	struct gw_arena *arena;
	struct gw_problems *to;
	struct gw_node *root;
	struct identity *files;
	size_t count, room;
};

/* Whole content, to be freed, or NULL with a problem; one byte over the cap is enough to see it. */
static char *read_open(int fd, const struct gw_place *at, size_t *size, struct gw_problems *to)
{
	size_t room = GW_FILE_MAX + 1, used = 0;
	char *text = malloc(room);
	ssize_t n = 1;

	while (text && used < room && n != 0) {
		n = read(fd, text + used, room - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		used += (size_t)n;
	}
	if (!text || n < 0) {
		gw_problem(to, at, NULL, "cannot be read: %s", strerror(errno));
		free(text);
		return NULL;
	}
	*size = used;
	return text;
}

static int open_regular(const struct gw_place *at, struct identity *id, struct gw_problems *to)
{
	int fd = open(at->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0) {
		gw_problem(to, at, NULL, "cannot be opened: %s", strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		gw_problem(to, at, NULL, "is not a regular file");
		close(fd);
		return -1;
	}
	*id = (struct identity){ st.st_dev, st.st_ino };
	return fd;
}

static struct gw_node *read_file(struct gw_arena *a, const char *path, struct identity *id,
				 struct gw_problems *to)
{
	struct gw_place at = { .file = gw_arena_strdup(a, path) };
	struct gw_node *root = NULL;
	size_t size = 0;
	int fd = open_regular(&at, id, to);
	char *text;

	if (fd < 0)
		return NULL;
	text = read_open(fd, &at, &size, to);
	close(fd);
	if (text)
		root = gw_yaml_parse(a, at.file, text, size, to);
	free(text);
	return root;
}

struct gw_node *gw_yaml_read(struct gw_arena *a, const char *path, struct gw_problems *to)
{
	struct identity id;

	return read_file(a, path, &id, to);
}

/* ---- merging ---- */

static void conflict(struct all *all, const char *path, const struct gw_node *first,
		     const struct gw_node *second)
{
	gw_problem(all->to, &second->name_place, path, "is set twice, first at %s:%u",
		   first->name_place.file, first->name_place.line);
}

/* Append the children of `from` to the map `into`; maps of one name become one. */
static void absorb(struct all *all, const char *path, struct gw_node *into, struct gw_node *from)
{
	struct gw_index names = { 0 };
	struct gw_node **tail = &into->first, *next, *same;
	char below[512];

	for (; *tail; tail = &(*tail)->next)
		gw_index_add(&names, *tail);
	for (struct gw_node *n = from->first; n; n = next) {
		next = n->next;
		same = gw_index_add(&names, n);
		snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", n->name);
		if (!same) {
			n->next = NULL;
			*tail = n;
			tail = &n->next;
		} else if (same->kind == GW_NODE_MAP && n->kind == GW_NODE_MAP) {
			absorb(all, below, same, n);
		} else {
			conflict(all, below, same, n);
		}
	}
	gw_index_free(&names);
}

/* ---- including ---- */

static bool is_new(struct all *all, const struct identity *id)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->files[i].device == id->device && all->files[i].inode == id->inode)
			return false;
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 16;
		struct identity *larger = realloc(all->files, room * sizeof(*larger));

		if (!larger) {
			fputs("out of memory\n", stderr);
			abort();
		}
		all->files = larger;
		all->room = room;
	}
	all->files[all->count++] = *id;
	return true;
}

/* Take the child `name` out of a map. */
static struct gw_node *take(struct gw_node *map, const char *name)
{
	for (struct gw_node **link = &map->first; *link; link = &(*link)->next)
		if (strcmp((*link)->name, name) == 0) {
			struct gw_node *n = *link;

			*link = n->next;
			n->next = NULL;
			return n;
		}
	return NULL;
}

static bool is_map(struct all *all, const struct gw_node *root)
{
	if (root->kind == GW_NODE_MAP)
		return true;
	gw_problem(all->to, &root->place, NULL, "a configuration is a map of keys");
	return false;
}

/* Read and merge one file; `pattern`: more than one entry of `include` may name it. */
static void include_file(struct all *all, const char *path, const struct gw_node *asked,
			 bool pattern)
{
	struct identity id;
	struct stat st;
	struct gw_node *root, *inner;

	if (stat(path, &st) != 0) {
		gw_problem(all->to, &asked->place, "include", "'%s': %s", path, strerror(errno));
		return;
	}
	if (!is_new(all, &(struct identity){ st.st_dev, st.st_ino })) {
		if (!pattern)
			gw_problem(all->to, &asked->place, "include", "'%s' is included twice",
				   path);
		return;
	}
	root = read_file(all->arena, path, &id, all->to);
	if (!root || !is_map(all, root))
		return;
	inner = take(root, "include");
	if (inner)
		gw_problem(all->to, &inner->name_place, "include",
			   "an included file includes nothing");
	absorb(all, "", all->root, root);
}

/* Directory part of the including file with its slash, then the name; to be freed.
 * For glob() what stands before the pattern is taken literally. */
static char *beside(const char *file, const char *name, bool pattern)
{
	const char *slash = strrchr(file, '/');
	size_t n = name[0] == '/' || !slash ? 0 : (size_t)(slash - file) + 1;
	char *path = malloc(2 * n + strlen(name) + 1), *out = path;

	if (!path) {
		fputs("out of memory\n", stderr);
		abort();
	}
	for (size_t i = 0; i < n; i++) {
		if (pattern && strchr("*?[\\", file[i]))
			*out++ = '\\';
		*out++ = file[i];
	}
	strcpy(out, name);
	return path;
}

/* glob() goes on after what is not there and stops at what it may not read. */
static int on_glob_error(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static void include_pattern(struct all *all, const char *path, const struct gw_node *asked)
{
	glob_t found = { 0 };
	int result = glob(path, GLOB_MARK, on_glob_error, &found);

	if (result != 0 && result != GLOB_NOMATCH)
		gw_problem(all->to, &asked->place, "include", "'%s': cannot read the folder: %s",
			   asked->text, strerror(errno));
	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
		include_file(all, found.gl_pathv[i], asked, true);
	globfree(&found);
}

static void include_entry(struct all *all, const struct gw_node *asked)
{
	bool pattern;
	char *path;

	if (asked->kind != GW_NODE_SCALAR || !*asked->text) {
		gw_problem(all->to, &asked->place, "include", "takes names of files and patterns");
		return;
	}
	pattern = strpbrk(asked->text, "*?[") != NULL;
	path = beside(asked->place.file, asked->text, pattern);
	if (pattern)
		include_pattern(all, path, asked);
	else
		include_file(all, path, asked, false);
	free(path);
}

static void include_all(struct all *all, const struct gw_node *include)
{
	if (!include || include->kind == GW_NODE_NULL)
		return;
	if (include->kind != GW_NODE_LIST) {
		include_entry(all, include);
		return;
	}
	for (const struct gw_node *n = include->first; n; n = n->next)
		include_entry(all, n);
}

struct gw_node *gw_yaml_read_all(struct gw_arena *a, const char *path, struct gw_problems *to)
{
	struct all all = { .arena = a, .to = to };
	struct identity id;

	all.root = read_file(a, path, &id, to);
	if (!all.root || !is_map(&all, all.root))
		return NULL;
	is_new(&all, &id);
	include_all(&all, take(all.root, "include"));
	free(all.files);
	return all.root;
}
