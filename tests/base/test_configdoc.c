/*
 * test_configdoc.c - sample, reference and schema say what the tables say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/configdoc.h"
#include "base/keys.h"
#include "base/yaml.h"
#include "tests/base/collect.h"
#include "tests/base/every_type.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct gw_table *const tables[] = { &root_table,	   &gateway_table,
						 &source_table,	   &gw_source_table,
						 &gw_device_table, &gw_point_table,
						 &gw_sink_table };

/* What `write` prints, to be freed. */
static char *printed(void (*write)(FILE *out, const void *arg), const void *arg)
{
	static char *text; /* static: gcc 12 takes the address of a local for the text itself */
	static size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	write(out, arg);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void sample(FILE *out, const void *table)
{
	gw_sample_write(out, table, 0);
}

static void deeper_sample(FILE *out, const void *table)
{
	gw_sample_write(out, table, 2);
}

static void reference(FILE *out, const void *table)
{
	gw_reference_write(out, table, "");
}

static void schema(FILE *out, const void *table)
{
	gw_schema_write(out, table, "A \"thing\"");
}

static void assert_loads(const struct gw_table *table, const char *text)
{
	struct gw_arena *a = gw_arena_new();
	struct lines lines = { .count = 0 };
	struct gw_problems to = { .fn = collect, .arg = &lines };
	const struct gw_node *root = gw_yaml_parse(a, "sample.yaml", text, strlen(text), &to);
	void *object = gw_arena_alloc(a, table->size);

	if (root)
		gw_config_load(a, table, root, "", object, &to);
	gw_arena_free(a);
	if (to.count)
		fail_msg("%s\nin\n%s", lines.line[0], text);
}

/* Take the mark from before each key that is commented out. */
static void uncomment(char *text)
{
	char *to = text;

	for (const char *c = text; *c; c++)
		if (c[0] != '#' || c[1] == ' ')
			*to++ = *c;
	*to = '\0';
}

static bool only_comments(const char *text)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += strspn(line, " \n");
		if (*line && *line != '#')
			return false;
	}
	return true;
}

static void a_sample_loads_as_it_is_and_with_everything_in_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(tables); i++) {
		char *text = printed(sample, tables[i]);

		if (!only_comments(text))
			assert_loads(tables[i], text);
		uncomment(text);
		assert_loads(tables[i], text);
		free(text);
	}
}

static void a_sample_explains_each_key(void **state)
{
	char *text = printed(deeper_sample, &source_table);

	(void)state;
	assert_memory_equal(text,
			    "    # Its program.\n"
			    "    plugin: modbus\n"
			    "    # Deadline | limit. Allowed: 1ms to 1m.\n"
			    "    #timeout: 1s\n"
			    "\n"
			    "    # Serial line.\n"
			    "    #serial:\n"
			    "      # Bits per second. Allowed: 300 to 921600.\n"
			    "      #baud: 9600\n"
			    "      # Parity bit. Allowed: none, even, odd.\n"
			    "      #parity: none\n"
			    "\n"
			    "    # No gaps.\n"
			    "    #exact: true\n",
			    265);
	assert_non_null(strstr(text, "    # Things by name.\n"
				     "    things:\n"
				     "      # One thing.\n"
				     "      pump-1:\n"
				     "        # Unit identifier. Allowed: 0 to 255.\n"
				     "        unit_id: 1\n"));
	assert_non_null(strstr(text, "        #ranges: [{from: 0, to: 10}]\n"));
	free(text);
}

static void a_sample_quotes_what_would_be_read_otherwise(void **state)
{
	char *text = printed(sample, &gateway_table);

	(void)state;
	assert_non_null(strstr(text, "#topic: \"{root}/{gateway}\"\n"));
	assert_non_null(strstr(text, "#broker: [mqtt://a:1883, mqtt://b:1883]\n"));
	free(text);
}

static unsigned times(const char *text, const char *part)
{
	unsigned n = 0;

	for (text = strstr(text, part); text; text = strstr(text + 1, part))
		n++;
	return n;
}

static void the_reference_lists_each_key_once(void **state)
{
	static const char *const rows[] = {
		"| `gateway` | map of keys | required | no | Who this is. |\n",
		"## `sources.NAME.things.NAME`\n\nOne thing.\n\n| key | value | default | reload | "
		"meaning "
		"|\n|---|---|---|---|---|\n| `unit_id` | 0 to 255 | required | no | Unit "
		"identifier. Example: "
		"`1`. |\n",
		"| `timeout` | 1ms to 1m | `1s` | yes | Deadline \\| limit. |\n",
		"| `tags` | list: name | `[x, y]` | no | Marks. |\n",
		"| `interval` | 10ms to 30d | `1s` | no | How often. |\n",
		"| `exact` | true, false | from one level up | no | No gaps. Example: `true`. |\n",
	};
	char *text = printed(reference, &root_table);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (times(text, rows[i]) != 1)
			fail_msg("not there once: %s", rows[i]);
	free(text);
}

/* The text at a path of keys in the schema, with "." between. */
static const char *at(const struct gw_node *n, const char *path)
{
	char copy[200], *key, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((key = strsep(&rest, ".")))
		n = gw_node_get(n, key);
	return n && n->text ? n->text : "(none)";
}

static void the_schema_is_json_and_says_what_the_tables_say(void **state)
{
	struct gw_arena *a = gw_arena_new();
	struct lines lines = { .count = 0 };
	struct gw_problems to = { .fn = collect, .arg = &lines };
	char *text = printed(schema, &thing_table);
	const struct gw_node *root = gw_yaml_parse(a, "schema", text, strlen(text), &to);

	(void)state;
	free(text);
	assert_string_equal(lines.line[0], "");
	assert_string_equal(at(root, "$schema"), "https://json-schema.org/draft/2020-12/schema");
	assert_string_equal(at(root, "title"), "A \"thing\"");
	assert_string_equal(at(root, "type"), "object");
	assert_string_equal(at(root, "additionalProperties"), "false");
	assert_string_equal(gw_node_get(root, "required")->first->text, "unit_id");
	assert_null(gw_node_get(root, "required")->first->next);
	assert_string_equal(at(root, "properties.unit_id.maximum"), "255");
	assert_string_equal(at(root, "properties.unit_id.description"), "Unit identifier.");
	assert_string_equal(at(root, "properties.timeout.pattern"),
			    "^-?(0|[1-9][0-9]*)(ms|s|m|h|d)$");
	assert_string_equal(at(root, "properties.serial.properties.baud.minimum"), "300");
	assert_string_equal(at(root, "properties.writable.default"), "false");
	assert_string_equal(
		gw_node_get(gw_node_get(gw_node_get(root, "properties"), "order"), "enum")
			->first->text,
		"big");
	gw_arena_free(a);
}

static void the_same_tables_give_the_same_bytes(void **state)
{
	char *one = printed(schema, &root_table), *two = printed(schema, &root_table);

	(void)state;
	assert_string_equal(one, two);
	free(one);
	free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_loads_as_it_is_and_with_everything_in_it),
		cmocka_unit_test(a_sample_explains_each_key),
		cmocka_unit_test(a_sample_quotes_what_would_be_read_otherwise),
		cmocka_unit_test(the_reference_lists_each_key_once),
		cmocka_unit_test(the_schema_is_json_and_says_what_the_tables_say),
		cmocka_unit_test(the_same_tables_give_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
