/*
 * configref.c - the reference of the configuration as Markdown (configdoc.h).
 */
#include <string.h>

#include "base/configdoc.h"
#include "base/value.h"

/* Text in a cell: a bar would end it. */
static void put_cell(FILE *out, const char *text)
{
	for (; *text; text++)
		fprintf(out, "%s%c", *text == '|' ? "\\" : "", *text == '\n' ? ' ' : *text);
}

static void put_form(FILE *out, const struct gw_key *k)
{
	char form[512];

	if (k->flags & GW_LIST)
		fputs("list: ", out);
	put_cell(out, gw_value_describe(k, form, sizeof(form)));
}

static void put_default(FILE *out, const struct gw_key *k)
{
	if (k->flags & GW_REQUIRED) {
		fputs("required", out);
	} else if (k->flags & GW_INHERIT) {
		fputs("from one level up", out);
	} else if (k->fallback) {
		fputc('`', out);
		put_cell(out, k->fallback);
		fputc('`', out);
	}
}

static void put_row(FILE *out, const struct gw_key *k)
{
	fprintf(out, "| `%s` | ", k->name);
	put_form(out, k);
	fputs(" | ", out);
	put_default(out, k);
	fprintf(out, " | %s | ", k->flags & GW_RELOAD ? "yes" : "no");
	put_cell(out, k->help ? k->help : "");
	if (k->example && k->type != GW_T_MAP) {
		fputs(" Example: `", out);
		put_cell(out, k->example);
		fputs("`.", out);
	}
	fputs(" |\n", out);
}

static void put_below(FILE *out, const struct gw_table *table, const char *path)
{
	char below[512];

	for (; table; table = table->also)
		for (size_t i = 0; i < table->count; i++) {
			const struct gw_key *k = &table->keys[i];

			if (k->type != GW_T_SECTION && k->type != GW_T_MAP)
				continue;
			snprintf(below, sizeof(below), "%s%s%s%s", path, *path ? "." : "", k->name,
				 k->type == GW_T_MAP ? ".NAME" : "");
			gw_reference_write(out, k->table, below);
		}
}

void gw_reference_write(FILE *out, const struct gw_table *table, const char *path)
{
	if (*path)
		fprintf(out, "## `%s`\n\n", path);
	if (table->help)
		fprintf(out, "%s\n\n", table->help);
	fputs("| key | value | default | reload | meaning |\n|---|---|---|---|---|\n", out);
	for (const struct gw_table *t = table; t; t = t->also)
		for (size_t i = 0; i < t->count; i++)
			put_row(out, &t->keys[i]);
	fputc('\n', out);
	put_below(out, table, path);
}
