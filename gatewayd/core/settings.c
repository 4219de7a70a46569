/*
 * settings.c - reads the configuration files and checks what the core knows.
 * See settings.h; a plugin's part is checked in settings_check.c.
 */
#include "core/settings_private.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/problem.h"
#include "base/yaml.h"

/* ---- problems ---- */

struct gw_found {
	struct gw_place at;
	char *path, *text;
	bool warning;
};

static void keep(struct gw_settings *s, const struct gw_place *at, const char *path, const char *text, bool warning)
{
	struct gw_found *f;

	if ((s->nfound & (s->nfound + 1)) == 0) { /* full at 1, 3, 7, ...: double */
		struct gw_found *more =
			gw_arena_alloc(s->arena, (s->nfound * 2 + 2) * sizeof(*more));

		if (s->nfound)
			memcpy(more, s->found, s->nfound * sizeof(*more));
		s->found = more;
	}
	f = &s->found[s->nfound++];
	f->at = at ? *at : (struct gw_place){ s->file, 0, 0 };
	if (!f->at.file)
		f->at.file = s->file;
	f->path = gw_arena_strdup(s->arena, path ? path : "");
	f->text = gw_arena_strdup(s->arena, text);
	f->warning = warning;
}

static void found(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	keep(arg, at, path, text, false);
}

static void found_warning(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	keep(arg, at, path, text, true);
}

static int by_place(const void *a, const void *b)
{
	const struct gw_found *x = a, *y = b;
	int c = strcmp(x->at.file, y->at.file);

	if (c == 0)
		c = (x->at.line > y->at.line) - (x->at.line < y->at.line);
	if (c == 0)
		c = (x->at.column > y->at.column) - (x->at.column < y->at.column);
	if (c == 0)
		c = strcmp(x->path, y->path);
	return c ? c : strcmp(x->text, y->text);
}

/* The next one, by place; NULL: that was the last.  What a profile that several devices have brings
 * comes once. */
static const struct gw_found *next_found(const struct gw_settings *s, size_t *at)
{
	if (*at == 0 && s->nfound)
		qsort(s->found, s->nfound, sizeof(*s->found), by_place);
	while (*at < s->nfound) {
		const struct gw_found *f = &s->found[(*at)++];

		if (f == s->found || by_place(f, f - 1) != 0)
			return f;
	}
	return NULL;
}

void gw_settings_each(const struct gw_settings *s, void (*fn)(void *arg, const char *line), void *arg)
{
	char line[GW_PROBLEM_LINE], text[1100];
	const struct gw_found *f;

	for (size_t at = 0; (f = next_found(s, &at)) != NULL;) {
		snprintf(text, sizeof(text), "%s%s", f->warning ? "warning: " : "", f->text);
		fn(arg, gw_problem_line(line, sizeof(line), &f->at, f->path, text));
	}
}

void gw_settings_log(const struct gw_settings *s)
{
	char line[GW_PROBLEM_LINE];
	const struct gw_found *f;

	for (size_t at = 0; (f = next_found(s, &at)) != NULL;)
		gw_log(f->warning ? GW_WARNING : GW_ERROR, "%s",
		       gw_problem_line(line, sizeof(line), &f->at, f->path, f->text));
}

static void print_line(void *arg, const char *line)
{
	fprintf(arg, "%s\n", line);
}

void gw_settings_report(const struct gw_settings *s, FILE *out)
{
	gw_settings_each(s, print_line, out);
}

/* ---- folders relative to the program ---- */

const char *gw_settings_beside(struct gw_arena *a, const char *relative)
{
	char self[1024], path[2048];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dirname(self), relative);
	return access(path, R_OK) == 0 ? gw_arena_strdup(a, path) : NULL;
}

static void default_folders(struct gw_settings *s)
{
	static const char *const plugins[] = { "plugins", "../lib/gatewayd/plugins", NULL };
	static const char *const profiles[] = { "../../conf/profiles", "../share/gatewayd/profiles", NULL };

	for (int i = 0; plugins[i] && !s->core.plugins.path; i++)
		s->core.plugins.path = gw_settings_beside(s->arena, plugins[i]);
	if (!s->core.plugins.path)
		s->core.plugins.path = "/usr/lib/gatewayd/plugins";
	if (s->core.profiles.path.count)
		return;
	s->core.profiles.path.items = gw_arena_alloc(s->arena, 3 * sizeof(char *));
	const char **folder = s->core.profiles.path.items;
	size_t n = 0;

	folder[n++] = "/etc/gatewayd/profiles";
	for (int i = 0; profiles[i]; i++)
		if (n < 2 && (folder[n] = gw_settings_beside(s->arena, profiles[i])) != NULL)
			n++;
	s->core.profiles.path.count = n;
}

static void default_ring(struct gw_settings *s)
{
	const char *runtime = getenv("RUNTIME_DIRECTORY");
	char path[1100];
	uint32_t h = 2166136261u;

	if (s->core.buffer.ring.path)
		return;
	if (runtime && *runtime) {
		snprintf(path, sizeof(path), "%.*s/ring", (int)strcspn(runtime, ":"), runtime);
	} else { /* one name for one buffer */
		for (const char *p = s->core.buffer.path; p && *p; p++)
			h = (h ^ (uint8_t)*p) * 16777619u;
		snprintf(path, sizeof(path), "/dev/shm/gatewayd-%08x.ring", h);
	}
	s->core.buffer.ring.path = gw_arena_strdup(s->arena, path);
}

/* ---- sources and sinks: which plugin ---- */

static bool plugin_name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= 32 && name[n] == '\0' && name[0] != '-';
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "modbus, mqtt" of what is in the folder; and the nearest to `name`. */
static const char *plugins_there(struct gw_settings *s, const char *name, const char **near)
{
	const char *names[65] = { NULL };
	char list[1024] = "";
	size_t n = 0;
	DIR *d = opendir(s->core.plugins.path);

	for (struct dirent *e; d && n < 64 && (e = readdir(d)) != NULL;)
		if (plugin_name_ok(e->d_name) && faccessat(dirfd(d), e->d_name, X_OK, 0) == 0)
			names[n++] = gw_arena_strdup(s->arena, e->d_name);
	if (d)
		closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", names[i]);
	*near = gw_nearest(name, names);
	return gw_arena_strdup(s->arena, list);
}

static void find_program(struct gw_settings *s, struct gw_instance *i, const struct gw_node *value,
			 const char *path)
{
	char program[1200];
	struct stat st;
	const char *near = NULL, *there;

	snprintf(program, sizeof(program), "%s/%s", s->core.plugins.path, i->plugin);
	if (stat(program, &st) == 0 && S_ISREG(st.st_mode) && access(program, X_OK) == 0) {
		i->program = gw_arena_strdup(s->arena, program);
		return;
	}
	if (stat(program, &st) == 0) {
		gw_problem(&s->problems, &value->place, path, "%s is not a program that can be run", program);
		return;
	}
	there = plugins_there(s, i->plugin, &near);
	gw_problem(&s->problems, &value->place, path, "there is no plugin '%s' in %s, only: %s%s%s%s", i->plugin,
		   s->core.plugins.path, *there ? there : "nothing", near ? "; did you mean '" : "",
		   near ? near : "", near ? "'?" : "");
}

static void add_instance(struct gw_settings *s, const struct gw_node *node, bool sink)
{
	struct gw_instance *i = &s->instances[s->ninstances];
	char path[200];
	const struct gw_node *plugin;

	snprintf(path, sizeof(path), "%s.%s", sink ? "sinks" : "sources", node->name);
	if (!gw_name_ok(node->name)) {
		gw_problem(&s->problems, &node->name_place, path,
			   "'%.64s' is not a name: letters, digits, - and _, at most 64, a letter or digit first",
			   node->name);
		return;
	}
	if (node->kind == GW_NODE_NULL)
		return;
	if (node->kind != GW_NODE_MAP) {
		gw_problem(&s->problems, &node->place, path, "takes a map of keys, the first of them 'plugin'");
		return;
	}
	*i = (struct gw_instance){ .name = node->name, .sink = sink, .node = node, .stream = -1,
				   .replay_rate = -1 };
	plugin = gw_node_get(node, "plugin");
	if (!plugin) {
		gw_problem(&s->problems, &node->name_place, path, "required key 'plugin' is missing");
		return;
	}
	snprintf(path + strlen(path), sizeof(path) - strlen(path), ".plugin");
	if (plugin->kind != GW_NODE_SCALAR || !plugin_name_ok(plugin->text)) {
		gw_problem(&s->problems, &plugin->place, path,
			   "the name of a plugin has 1 to 32 small letters, digits and '-'");
		return;
	}
	i->plugin = plugin->text;
	s->ninstances++;
	find_program(s, i, plugin, path);
}

static void same_name(struct gw_settings *s, const struct gw_node *map)
{
	char path[200];

	for (const struct gw_node *a = map->first; a; a = a->next)
		for (const struct gw_node *b = map->first; b != a; b = b->next)
			if (strcasecmp(a->name, b->name) == 0) {
				snprintf(path, sizeof(path), "%s.%s", map->name, a->name);
				gw_problem(&s->problems, &a->name_place, path,
					   "'%s' differs only in case from '%s' at %s:%u", a->name, b->name,
					   b->name_place.file, b->name_place.line);
			}
}

static size_t count(const struct gw_node *map)
{
	size_t n = 0;

	for (const struct gw_node *c = map ? map->first : NULL; c; c = c->next)
		n++;
	return n;
}

static void add_instances(struct gw_settings *s, const struct gw_node *root)
{
	static const char *const maps[] = { "sinks", "sources" };
	size_t n = count(gw_node_get(root, "sinks")) + count(gw_node_get(root, "sources"));

	s->instances = gw_arena_alloc(s->arena, (n + 1) * sizeof(*s->instances));
	for (int m = 0; m < 2; m++) {
		const struct gw_node *map = gw_node_get(root, maps[m]);

		if (!map || map->kind == GW_NODE_NULL)
			continue;
		if (map->kind != GW_NODE_MAP) {
			gw_problem(&s->problems, &map->place, maps[m], "takes a map of names");
			continue;
		}
		same_name(s, map);
		for (const struct gw_node *c = map->first; c; c = c->next)
			add_instance(s, c, m == 0);
	}
}

struct gw_settings *gw_settings_read(const char *file)
{
	struct gw_arena *a = gw_arena_new();
	struct gw_settings *s = gw_arena_alloc(a, sizeof(*s));
	struct gw_node *root;

	s->arena = a;
	s->file = gw_arena_strdup(a, file);
	s->problems = (struct gw_problems){ .fn = found, .arg = s, .warn = found_warning };
	root = gw_yaml_read_all(a, s->file, &s->problems);
	if (!root)
		return s;
	if (root->kind != GW_NODE_MAP) {
		gw_problem(&s->problems, &root->place, "", "the file is not a map of keys");
		return s;
	}
	s->root = root;
	gw_config_load(a, &gw_root_table, root, "", &s->core, &s->problems);
	if (gw_node_get(root, "gateway"))
		s->located = gw_node_get(gw_node_get(root, "gateway"), "location") != NULL;
	s->hash = gw_settings_hash(root, (const char *const[]){ "sinks", "sources", NULL });
	default_folders(s);
	default_ring(s);
	add_instances(s, root);
	return s;
}

const struct gw_place *gw_settings_buffer_place(const struct gw_settings *s, const char *key)
{
	const struct gw_node *buffer = s->root ? gw_node_get(s->root, "buffer") : NULL;
	const struct gw_node *value = buffer && buffer->kind == GW_NODE_MAP ? gw_node_get(buffer, key) : NULL;

	return value ? &value->place : NULL;
}

void gw_settings_free(struct gw_settings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->ninstances; i++)
		if (s->instances[i].stream >= 0)
			close(s->instances[i].stream);
	gw_arena_free(s->arena);
}
