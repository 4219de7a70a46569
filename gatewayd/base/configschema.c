/*
 * configschema.c - a JSON schema of the configuration, for editors (configdoc.h).
 *
 * It is as strict as JSON schema allows without refusing what the reader takes:
 * quotes never matter there, so a text may look like a number and the reverse.
 */
#include <inttypes.h>
#include <string.h>

#include "base/configdoc.h"
#include "base/value.h"

#define NAME_PATTERN "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"

struct json {
	FILE *out;
	int depth;
	bool some; /* the open object or array has a member already */
};

static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20)
			fprintf(out, "\\u%04x", (unsigned)*text);
		else
			fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	}
	fputc('"', out);
}

/* Begin a member; name NULL: an item of an array. */
static void member(struct json *j, const char *name)
{
	fprintf(j->out, "%s\n%*s", j->some ? "," : "", j->depth * 2, "");
	j->some = true;
	if (name) {
		put_string(j->out, name);
		fputs(": ", j->out);
	}
}

static void open_in(struct json *j, const char *name, char bracket)
{
	member(j, name);
	fputc(bracket, j->out);
	j->depth++;
	j->some = false;
}

static void close_with(struct json *j, char bracket)
{
	j->depth--;
	if (j->some)
		fprintf(j->out, "\n%*s", j->depth * 2, "");
	fputc(bracket, j->out);
	j->some = true;
}

static void text(struct json *j, const char *name, const char *value)
{
	member(j, name);
	put_string(j->out, value);
}

/* A member whose value is JSON already. */
static void raw(struct json *j, const char *name, const char *value)
{
	member(j, name);
	fputs(value, j->out);
}

static void number(struct json *j, const char *name, int64_t value)
{
	member(j, name);
	fprintf(j->out, "%" PRId64, value);
}

static void limits(struct json *j, const struct gw_key *k)
{
	if (!gw_value_limited(k))
		return;
	number(j, "minimum", k->min);
	if (k->max != INT64_MAX)
		number(j, "maximum", k->max);
}

static void write_object(struct json *j, const struct gw_table *table);

/* ---- members of the schema of one value, by type ---- */

static void of_bool(struct json *j, const struct gw_key *k)
{
	(void)k;
	raw(j, "enum", "[true, false, \"true\", \"false\"]");
}

static void of_int(struct json *j, const struct gw_key *k)
{
	raw(j, "type", "[\"integer\", \"string\"]");
	limits(j, k);
	text(j, "pattern", "^-?(0|[1-9][0-9]*|0[xX][0-9A-Fa-f]+)$");
}

static void of_duration(struct json *j, const struct gw_key *k)
{
	(void)k;
	text(j, "type", "string");
	text(j, "pattern", "^-?(0|[1-9][0-9]*)(ms|s|m|h|d)$");
}

static void of_size(struct json *j, const struct gw_key *k)
{
	(void)k;
	text(j, "type", "string");
	text(j, "pattern", "^(0|[1-9][0-9]*)(B|KiB|MiB|GiB)$");
}

static void of_number(struct json *j, const struct gw_key *k)
{
	raw(j, "type", "[\"number\", \"string\"]");
	limits(j, k);
	text(j, "pattern", "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?$");
}

static void of_text(struct json *j, const struct gw_key *k)
{
	raw(j, "type", "[\"string\", \"number\", \"boolean\"]");
	if (k->min > 0 || k->flags & GW_PATH)
		number(j, "minLength", 1);
	number(j, "maxLength", gw_value_longest(k));
}

static void of_name(struct json *j, const struct gw_key *k)
{
	(void)k;
	raw(j, "type", "[\"string\", \"integer\"]");
	text(j, "pattern", NAME_PATTERN);
}

/* A word that looks like a number or a boolean may stand without quotes. */
static bool looks_typed(const char *word)
{
	struct gw_decimal d;
	struct gw_err err;

	return strcmp(word, "true") == 0 || strcmp(word, "false") == 0 ||
	       gw_parse_decimal(word, &d, &err) == 0;
}

static void of_choice(struct json *j, const struct gw_key *k)
{
	open_in(j, "enum", '[');
	for (size_t i = 0; k->choices[i]; i++) {
		text(j, NULL, k->choices[i]);
		if (looks_typed(k->choices[i]))
			raw(j, NULL, k->choices[i]);
	}
	close_with(j, ']');
}

static void of_section(struct json *j, const struct gw_key *k)
{
	write_object(j, k->table);
}

static void of_map(struct json *j, const struct gw_key *k)
{
	text(j, "type", "object");
	if (k->max > 0)
		number(j, "maxProperties", k->max);
	open_in(j, "propertyNames", '{');
	text(j, "pattern", NAME_PATTERN);
	close_with(j, '}');
	open_in(j, "additionalProperties", '{');
	open_in(j, "anyOf", '[');
	open_in(j, NULL, '{');
	write_object(j, k->table);
	close_with(j, '}');
	raw(j, NULL, "{ \"type\": \"null\" }");
	close_with(j, ']');
	close_with(j, '}');
}

static void of_node(struct json *j, const struct gw_key *k)
{
	(void)j;
	(void)k;
}

static void (*const forms[])(struct json *j, const struct gw_key *k) = {
	[GW_T_BOOL] = of_bool,	     [GW_T_INT] = of_int,	 [GW_T_DURATION] = of_duration,
	[GW_T_SIZE] = of_size,	     [GW_T_DECIMAL] = of_number, [GW_T_NUMBER] = of_number,
	[GW_T_TEXT] = of_text,	     [GW_T_NAME] = of_name,	 [GW_T_CHOICE] = of_choice,
	[GW_T_SECTION] = of_section, [GW_T_MAP] = of_map,	 [GW_T_NODE] = of_node,
};

/* One value, or a list of such values. */
static void write_list(struct json *j, const struct gw_key *k)
{
	open_in(j, "anyOf", '[');
	open_in(j, NULL, '{');
	forms[k->type](j, k);
	close_with(j, '}');
	open_in(j, NULL, '{');
	text(j, "type", "array");
	open_in(j, "items", '{');
	forms[k->type](j, k);
	close_with(j, '}');
	close_with(j, '}');
	close_with(j, ']');
}

static void write_key(struct json *j, const struct gw_key *k)
{
	open_in(j, k->name, '{');
	if (k->help)
		text(j, "description", k->help);
	if (k->fallback)
		text(j, "default", k->fallback);
	if (k->flags & GW_LIST)
		write_list(j, k);
	else
		forms[k->type](j, k);
	close_with(j, '}');
}

static void write_required(struct json *j, const struct gw_table *table)
{
	open_in(j, "required", '[');
	for (; table; table = table->also)
		for (size_t i = 0; i < table->count; i++)
			if (table->keys[i].flags & GW_REQUIRED)
				text(j, NULL, table->keys[i].name);
	close_with(j, ']');
}

/* A map of keys. */
static void write_object(struct json *j, const struct gw_table *table)
{
	text(j, "type", "object");
	open_in(j, "properties", '{');
	for (const struct gw_table *t = table; t; t = t->also)
		for (size_t i = 0; i < t->count; i++)
			write_key(j, &t->keys[i]);
	close_with(j, '}');
	write_required(j, table);
	raw(j, "additionalProperties", "false");
}

void gw_schema_write(FILE *out, const struct gw_table *table, const char *title)
{
	struct json j = { .out = out, .depth = 1 };

	fputc('{', out);
	text(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
	text(&j, "title", title);
	if (table->help)
		text(&j, "description", table->help);
	write_object(&j, table);
	fputs("\n}\n", out);
}
