/*
 * configdoc.c - the sample file, from the tables (configdoc.h).
 *
 * A value is written as the table gives it where that reads back as meant, and
 * in quotes otherwise: the YAML reader itself is asked.
 */
#include "base/configdoc.h"

#include <stdlib.h>
#include <string.h>

#include "base/value.h"
#include "base/yaml.h"

enum { WIDTH = 92 };

struct sample {
	FILE *out;
	unsigned level;
	bool off; /* inside of something that is commented out */
};

static void write_table(struct sample *s, const struct gw_table *table);

static void indent(const struct sample *s)
{
	fprintf(s->out, "%*s", (int)s->level * 2, "");
}

/* A comment, broken between words. */
static void comment(const struct sample *s, const char *text)
{
	size_t room = WIDTH - 2 * (size_t)s->level;

	while (*text) {
		size_t n = strlen(text), cut;

		for (cut = n > room ? room : n; n > room && cut && text[cut] != ' ';)
			cut--;
		if (cut == 0)
			cut = strcspn(text, " ");
		indent(s);
		fprintf(s->out, "# %.*s\n", (int)cut, text);
		text += cut;
		text += strspn(text, " ");
	}
}

static void explain(const struct sample *s, const struct gw_key *k)
{
	char form[256], text[1024];
	bool ranged = k->type == GW_T_CHOICE ||
		      (gw_value_limited(k) && k->type != GW_T_MAP && k->type != GW_T_TEXT);

	snprintf(text, sizeof(text), "%s%s%s%s", k->help ? k->help : "", ranged ? " Allowed: " : "",
		 ranged ? gw_value_describe(k, form, sizeof(form)) : "", ranged ? "." : "");
	comment(s, text);
}

/* Does `raw` behind "key: " read back as the value that is meant? */
static bool reads_back(const struct gw_key *k, const char *raw)
{
	struct gw_problems to = { 0 };
	struct gw_arena *a = gw_arena_new();
	char *text = gw_arena_alloc(a, strlen(raw) + 8);
	const struct gw_node *n;
	bool ok;

	sprintf(text, "k: %s\n", raw);
	n = gw_node_get(gw_yaml_parse(a, NULL, text, strlen(text), &to), "k");
	ok = to.count == 0 && n && n->kind != GW_NODE_NULL &&
	     (n->kind == GW_NODE_SCALAR ? *raw == '"' || *raw == '\'' || strcmp(n->text, raw) == 0
					: k->type == GW_T_NODE || k->flags & GW_LIST);
	gw_arena_free(a);
	return ok;
}

static void put_value(FILE *out, const struct gw_key *k, const char *raw)
{
	if (reads_back(k, raw)) {
		fputs(raw, out);
		return;
	}
	fputc('"', out);
	for (; *raw; raw++)
		fprintf(out, "%s%c", *raw == '"' || *raw == '\\' ? "\\" : "", *raw);
	fputc('"', out);
}

/* Some value of the type, for a key that has neither default nor example. */
static const char *any_value(const struct gw_key *k, char *buf, size_t size)
{
	static const char *const any[] = {
		[GW_T_BOOL] = "true", [GW_T_DECIMAL] = "0", [GW_T_NUMBER] = "0",
		[GW_T_TEXT] = "text", [GW_T_NAME] = "name", [GW_T_SECTION] = "{}",
		[GW_T_MAP] = "{}",    [GW_T_NODE] = "{}",
	};

	if (k->type == GW_T_CHOICE)
		return k->choices[0];
	return any[k->type] ? any[k->type] : gw_value_show(k, k->min, buf, size);
}

static const char *value_of(const struct gw_key *k, char *buf, size_t size)
{
	const char *first = k->flags & GW_REQUIRED ? k->example : k->fallback;
	const char *second = k->flags & GW_REQUIRED ? k->fallback : k->example;

	return first ? first : second ? second : any_value(k, buf, size);
}

/* "[{from: 0, to: 10}]": a list of maps is shown on one line. */
static void put_list_of_maps(FILE *out, const struct gw_table *table)
{
	char buf[32];

	fputs("[{", out);
	for (size_t i = 0; i < table->count; i++) {
		fprintf(out, "%s%s: ", i ? ", " : "", table->keys[i].name);
		put_value(out, &table->keys[i], value_of(&table->keys[i], buf, sizeof(buf)));
	}
	fputs("}]", out);
}

static void explain_list_of_maps(const struct sample *s, const struct gw_table *table)
{
	char text[1024];

	for (size_t i = 0; i < table->count; i++) {
		snprintf(text, sizeof(text), "%s: %s", table->keys[i].name, table->keys[i].help);
		comment(s, text);
	}
}

static void write_scalar(struct sample *s, const struct gw_key *k)
{
	bool maps = k->type == GW_T_SECTION && !k->example;
	char buf[32];

	if (maps)
		explain_list_of_maps(s, k->table);
	indent(s);
	fprintf(s->out, "%s%s: ", s->off || !(k->flags & GW_REQUIRED) ? "#" : "", k->name);
	if (maps)
		put_list_of_maps(s->out, k->table);
	else
		put_value(s->out, k, value_of(k, buf, sizeof(buf)));
	fputc('\n', s->out);
}

static bool is_group(const struct gw_key *k)
{
	return (k->type == GW_T_SECTION || k->type == GW_T_MAP) && !(k->flags & GW_LIST);
}

/* Does the map have a key that is not commented out? */
static bool has_active(const struct gw_table *table)
{
	for (; table; table = table->also)
		for (size_t i = 0; i < table->count; i++) {
			const struct gw_key *k = &table->keys[i];

			if (is_group(k) ? (k->type == GW_T_MAP || k->flags & GW_REQUIRED) &&
						  has_active(k->table)
					: (k->flags & GW_REQUIRED) != 0)
				return true;
		}
	return false;
}

static void open_line(struct sample *s, const char *name, const char *rest)
{
	indent(s);
	fprintf(s->out, "%s%s:%s\n", s->off ? "#" : "", name, rest);
	s->level++;
}

/* A section or a map of named things with one entry. */
static void write_group(struct sample *s, const struct gw_key *k)
{
	struct sample below = *s;
	bool required = k->flags & GW_REQUIRED, active = has_active(k->table);

	below.off = s->off || !(required || (k->type == GW_T_MAP && active));
	open_line(&below, k->name, !below.off && !active ? " {}" : "");
	if (k->type == GW_T_MAP) {
		comment(&below, k->table->help ? k->table->help : "");
		open_line(&below, k->example ? k->example : "name", "");
	}
	write_table(&below, k->table);
}

static void write_table(struct sample *s, const struct gw_table *table)
{
	const struct gw_key *before = NULL;

	for (; table; table = table->also)
		for (size_t i = 0; i < table->count; i++) {
			const struct gw_key *k = &table->keys[i];

			if (before && (s->level == 0 || is_group(k) || is_group(before)))
				fputc('\n', s->out);
			before = k;
			explain(s, k);
			if (is_group(k))
				write_group(s, k);
			else
				write_scalar(s, k);
		}
}

void gw_sample_write(FILE *out, const struct gw_table *table, unsigned level)
{
	struct sample s = { .out = out, .level = level };

	write_table(&s, table);
}
