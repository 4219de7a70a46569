/*
 * fuzz_config.c - bytes as a configuration file, through tables of every type.
 *
 * Each tree is also merged onto itself and loaded by the common keys.  Nothing
 * may crash, leak or take long; a problem is fine, and each is one clean line.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/keys.h"
#include "base/problem.h"
#include "base/text.h"
#include "base/yaml.h"
#include "tests/base/every_type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	char line[GW_PROBLEM_LINE];

	(void)arg;
	gw_problem_line(line, sizeof(line), at, path, text);
	assert(gw_text_clean(line, strlen(line)) && strlen(line) + 1 < sizeof(line));
	assert(*text && gw_text_clean(text, strlen(text)) && gw_text_clean(path, strlen(path)));
}

static void inherit(const struct root *root)
{
	const struct source *s = root->sources.items;

	for (size_t i = 0; i < root->sources.count; i++)
		for (size_t j = 0; j < s[i].things.count; j++) {
			struct thing *t = (struct thing *)s[i].things.items + j;

			gw_config_inherit(&thing_table, t->item.node, t, &source_table, &s[i]);
			assert(t->timeout_ms > 0 || !gw_node_get(s[i].item.node, "timeout"));
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_arena *arena = gw_arena_new();
	struct gw_problems to = { .fn = check_line };
	const struct gw_node *tree =
		gw_yaml_parse(arena, "f/gw.yaml", (const char *)data, size, &to);
	struct gw_source_keys keys;
	struct root root;

	if (tree && gw_config_load(arena, &root_table, tree, "", &root, &to) == 0)
		inherit(&root);
	if (tree)
		gw_config_load(arena, &gw_source_table, gw_node_merge(arena, tree, tree),
			       "sources.x", &keys, &to);
	assert(tree || to.count);
	gw_arena_free(arena);
	return 0;
}
