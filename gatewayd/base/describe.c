/*
 * describe.c - the keys of a plugin's tables, one by one: for KEY messages and
 * for --help.
 */
#include "base/plugin_private.h"

#include <assert.h>
#include <string.h>

enum { TABLES_MAX = 64 }; /* tables of one plugin, those inside tables too */

struct visit {
	const struct gw_table *seen[TABLES_MAX];
	size_t nseen;
	gw_key_fn *fn;
	void *arg;
};

static bool seen_before(struct visit *v, const struct gw_table *table)
{
	for (size_t i = 0; i < v->nseen; i++)
		if (v->seen[i] == table)
			return true;
	assert(v->nseen < TABLES_MAX);
	v->seen[v->nseen++] = table;
	return false;
}

/* Tables inside this one follow it, so that a section is in one piece. */
static void visit_table(struct visit *v, const char *section, const struct gw_table *table)
{
	if (seen_before(v, table))
		return;
	for (size_t i = 0; i < table->count; i++)
		v->fn(v->arg, section, &table->keys[i]);
	for (size_t i = 0; i < table->count; i++)
		if (table->keys[i].table)
			visit_table(v, table->keys[i].table->name, table->keys[i].table);
}

void gw_describe(const struct gw_describe_section *sections, size_t n, gw_key_fn *fn, void *arg)
{
	struct visit v = { .fn = fn, .arg = arg };

	for (size_t i = 0; i < n; i++)
		if (sections[i].table)
			visit_table(&v, sections[i].name, sections[i].table);
}

const char *gw_choices_text(const struct gw_key *key, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; key->choices && key->choices[i]; i++) {
		size_t n = strlen(key->choices[i]);

		assert(used + n + 2 <= size);
		if (i > 0)
			buf[used++] = '|';
		memcpy(buf + used, key->choices[i], n + 1);
		used += n;
	}
	return buf;
}
