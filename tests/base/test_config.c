/*
 * test_config.c - a struct from a file by its tables: values, defaults, and the
 * very line a person reads for each mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/keys.h"
#include "base/yaml.h"
#include "tests/base/collect.h"
#include "tests/base/every_type.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One load of text by root_table, in memory that lives until the next test. */
struct fixture {
	struct gw_arena *arena;
	struct lines lines;
	struct gw_problems to;
	struct gw_node *tree;
	struct root root;
};

static int begin(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .arena = gw_arena_new() };
	f.to = (struct gw_problems){ .fn = collect, .arg = &f.lines };
	*state = &f;
	return 0;
}

static int end(void **state)
{
	gw_arena_free(((struct fixture *)*state)->arena);
	return 0;
}

static unsigned load_as(struct fixture *f, const char *file, const char *text)
{
	unsigned before = f->to.count;

	f->tree = gw_yaml_parse(f->arena, file, text, strlen(text), &f->to);
	if (f->tree)
		gw_config_load(f->arena, &root_table, f->tree, "", &f->root, &f->to);
	return f->to.count - before;
}

static unsigned load(struct fixture *f, const char *text)
{
	return load_as(f, "gw.yaml", text);
}

#define ID   "gateway:\n  id: g\n"
#define POOL ID "sources:\n  pool:\n    plugin: modbus\n"
#define PUMP POOL "    things:\n      pump:\n        unit_id: 1\n"

static const struct {
	const char *yaml;
	const char *want[LINES_MAX];
} wrong[] = {
	/* keys */
	{ ID "  keepalvie: 30s\n",
	  { "gw.yaml:3:3: gateway: unknown key 'keepalvie'; did you mean 'keepalive'?" } },
	{ ID "  KEEPALIVE: 30s\n",
	  { "gw.yaml:3:3: gateway: unknown key 'KEEPALIVE'; did you mean 'keepalive'?" } },
	{ ID "  colour: red\n", { "gw.yaml:3:3: gateway: unknown key 'colour'" } },
	{ ID "gatway: {}\n", { "gw.yaml:3:1: unknown key 'gatway'; did you mean 'gateway'?" } },
	{ ID "x: 1\n", { "gw.yaml:3:1: unknown key 'x'; allowed: gateway, sources" } },
	{ PUMP "        serial: {bits: 8}\n",
	  { "gw.yaml:9:18: sources.pool.things.pump.serial: unknown key 'bits'; allowed: baud, parity" } },
	{ PUMP "        \"a\\nb\": 8\n",
	  { "gw.yaml:9:9: sources.pool.things.pump: unknown key 'a\\x0ab'" } },
	{ PUMP "        writeable: true\n",
	  { "gw.yaml:9:9: sources.pool.things.pump: unknown key 'writeable'; did you mean 'writable'?" } },
	{ "sources: {}\n", { "gw.yaml:1:1: required key 'gateway' is missing" } },
	{ "gateway: null\n", { "gw.yaml:1:1: required key 'gateway' is missing" } },
	{ "gateway: {}\n", { "gw.yaml:1:1: gateway: required key 'id' is missing" } },
	{ "gateway: {id: null}\n", { "gw.yaml:1:1: gateway: required key 'id' is missing" } },
	{ ID "sources:\n  pool:\n    timeout: 1s\n",
	  { "gw.yaml:4:3: sources.pool: required key 'plugin' is missing" } },
	{ ID "sources:\n  pool:\n    timeout: 5\n    plgin: a\n",
	  { "gw.yaml:5:14: sources.pool.timeout: '5' needs a unit: ms, s, m, h or d, for example 5s",
	    "gw.yaml:6:5: sources.pool: unknown key 'plgin'; did you mean 'plugin'?",
	    "gw.yaml:4:3: sources.pool: required key 'plugin' is missing" } },
	{ ID "  port: 1\n  port: 2\n", { "gw.yaml:4:3: gateway.port: is set twice, first at line 3" } },

	/* kinds */
	{ "gateway: g\n", { "gw.yaml:1:10: gateway: takes a map of keys, not one value" } },
	{ "gateway: [g]\n", { "gw.yaml:1:10: gateway: takes a map of keys, not a list" } },
	{ "- a\n", { "gw.yaml:1:1: takes a map of keys, not a list" } },
	{ ID "sources: [a]\n", { "gw.yaml:3:10: sources: takes a map of names, not a list" } },
	{ ID "sources: a\n", { "gw.yaml:3:10: sources: takes a map of names, not one value" } },
	{ ID "  port: [1]\n", { "gw.yaml:3:9: gateway.port: takes one value, not a list" } },
	{ ID "  port: {a: 1}\n", { "gw.yaml:3:9: gateway.port: takes one value, not a map" } },
	{ ID "  broker: [a, [b]]\n", { "gw.yaml:3:15: gateway.broker: takes one value, not a list" } },
	{ ID "  broker: {a: b}\n", { "gw.yaml:3:11: gateway.broker: takes one value, not a map" } },
	{ ID "  broker: [a, null]\n", { "gw.yaml:3:15: gateway.broker: takes one value, not null" } },

	/* booleans */
	{ ID "  enabled: yes\n", { "gw.yaml:3:12: gateway.enabled: 'yes' is not true or false" } },
	{ ID "  enabled: no\n", { "gw.yaml:3:12: gateway.enabled: 'no' is not true or false" } },
	{ ID "  enabled: True\n", { "gw.yaml:3:12: gateway.enabled: 'True' is not true or false" } },
	{ ID "  enabled: 1\n", { "gw.yaml:3:12: gateway.enabled: '1' is not true or false" } },
	{ ID "  enabled: ''\n", { "gw.yaml:3:12: gateway.enabled: '' is not true or false" } },

	/* integers */
	{ ID "  port: 0\n", { "gw.yaml:3:9: gateway.port: '0' is outside 1 to 65535" } },
	{ ID "  port: 65536\n", { "gw.yaml:3:9: gateway.port: '65536' is outside 1 to 65535" } },
	{ ID "  port: -1\n", { "gw.yaml:3:9: gateway.port: '-1' is outside 1 to 65535" } },
	{ ID "  port: 99999999999999999999\n",
	  { "gw.yaml:3:9: gateway.port: '99999999999999999999' is outside 1 to 65535" } },
	{ ID "  port: 0x10000\n", { "gw.yaml:3:9: gateway.port: '0x10000' is outside 1 to 65535" } },
	{ ID "  port: 010\n",
	  { "gw.yaml:3:9: gateway.port: '010' begins with 0: write 10 for decimal or 0x10 for hexadecimal" } },
	{ ID "  port: 00\n", { "gw.yaml:3:9: gateway.port: '00' begins with 0: write it without" } },
	{ ID "  port: 1.10\n", { "gw.yaml:3:9: gateway.port: '1.10' is not a whole number" } },
	{ ID "  port: 12:30:45\n", { "gw.yaml:3:9: gateway.port: '12:30:45' is not a whole number" } },
	{ ID "  port: 1e3\n", { "gw.yaml:3:9: gateway.port: '1e3' is not a whole number" } },
	{ ID "  port: 1_000\n", { "gw.yaml:3:9: gateway.port: '1_000' is not a whole number" } },
	{ ID "  port: +5\n", { "gw.yaml:3:9: gateway.port: '+5' is not a whole number" } },
	{ ID "  port: 0x\n", { "gw.yaml:3:9: gateway.port: '0x' is not a whole number" } },
	{ ID "  port: 0xfg\n", { "gw.yaml:3:9: gateway.port: '0xfg' is not a whole number" } },
	{ ID "  port: '- 5'\n", { "gw.yaml:3:9: gateway.port: '- 5' is not a whole number" } },
	{ ID "  port: eighty\n", { "gw.yaml:3:9: gateway.port: 'eighty' is not a whole number" } },
	{ ID "  big: 9223372036854775808\n",
	  { "gw.yaml:3:8: gateway.big: '9223372036854775808' is outside -9223372036854775808 to "
	    "9223372036854775807" } },
	{ PUMP "        no_value: [1, 70000, 07]\n",
	  { "gw.yaml:9:23: sources.pool.things.pump.no_value: '70000' is outside -32768 to 65535",
	    "gw.yaml:9:30: sources.pool.things.pump.no_value: '07' begins with 0: write 7 for decimal "
	    "or 0x7 for hexadecimal" } },

	/* durations and sizes */
	{ ID "  keepalive: 30\n",
	  { "gw.yaml:3:14: gateway.keepalive: '30' needs a unit: ms, s, m, h or d, for example 30s" } },
	{ ID "  keepalive: \"30\"\n",
	  { "gw.yaml:3:14: gateway.keepalive: '30' needs a unit: ms, s, m, h or d, for example 30s" } },
	{ ID "  keepalive: 2h\n", { "gw.yaml:3:14: gateway.keepalive: '2h' is outside 1s to 1h" } },
	{ ID "  keepalive: 999ms\n", { "gw.yaml:3:14: gateway.keepalive: '999ms' is outside 1s to 1h" } },
	{ ID "  keepalive: -5s\n", { "gw.yaml:3:14: gateway.keepalive: '-5s' is outside 1s to 1h" } },
	{ ID "  keepalive: 106751991168d\n",
	  { "gw.yaml:3:14: gateway.keepalive: '106751991168d' is outside 1s to 1h" } },
	{ ID "  keepalive: 30sec\n",
	  { "gw.yaml:3:14: gateway.keepalive: '30sec' has no known unit: ms, s, m, h or d, for example 30s" } },
	{ ID "  keepalive: 30S\n",
	  { "gw.yaml:3:14: gateway.keepalive: '30S' has no known unit: ms, s, m, h or d, for example 30s" } },
	{ ID "  keepalive: 1.5s\n",
	  { "gw.yaml:3:14: gateway.keepalive: '1.5s' is not a duration: a whole number and ms, s, m, h or "
	    "d, for example 30s" } },
	{ ID "  keepalive: long\n",
	  { "gw.yaml:3:14: gateway.keepalive: 'long' is not a duration: a whole number and ms, s, m, h or "
	    "d, for example 30s" } },
	{ ID "  keepalive: 030s\n",
	  { "gw.yaml:3:14: gateway.keepalive: '030s' begins with 0: write it without" } },
	{ ID "  max_size: 64\n",
	  { "gw.yaml:3:13: gateway.max_size: '64' needs a unit: B, KiB, MiB or GiB, for example 64MiB" } },
	{ ID "  max_size: 64MB\n",
	  { "gw.yaml:3:13: gateway.max_size: '64MB' has no known unit: B, KiB, MiB or GiB, for example 30MiB" } },
	{ ID "  max_size: 64KiB\n",
	  { "gw.yaml:3:13: gateway.max_size: '64KiB' is outside 1MiB to 1024GiB" } },

	/* decimals and numbers */
	{ PUMP "        scale: a\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: 'a' is not a number, for example 0.1" } },
	{ PUMP "        scale: 0,1\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '0,1' is not a number, for example 0.1" } },
	{ PUMP "        scale: .5\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '.5' is not a number, for example 0.1" } },
	{ PUMP "        scale: 5.\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '5.' is not a number, for example 0.1" } },
	{ PUMP "        scale: .nan\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '.nan' is not a number, for example 0.1" } },
	{ PUMP "        scale: 01.5\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '01.5' begins with 0: write it without" } },
	{ PUMP "        scale: 1e-19\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '1e-19' is too fine: 18 decimal places are kept" } },
	{ PUMP "        scale: 1e19\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '1e19' is too large: 18 digits are kept" } },
	{ PUMP "        scale: 12345678901234567890\n",
	  { "gw.yaml:9:16: sources.pool.things.pump.scale: '12345678901234567890' has too many digits: "
	    "18 are kept" } },
	{ PUMP "        ranges: [{from: 0, to: 10.01}, {to: -10.5}]\n",
	  { "gw.yaml:9:32: sources.pool.things.pump.ranges.to: '10.01' is outside -10 to 10",
	    "gw.yaml:9:45: sources.pool.things.pump.ranges.to: '-10.5' is outside -10 to 10",
	    "gw.yaml:9:40: sources.pool.things.pump.ranges: required key 'from' is missing" } },
	{ PUMP "        ranges: 5\n",
	  { "gw.yaml:9:17: sources.pool.things.pump.ranges: takes a map of keys, not one value" } },
	{ ID "  lat: 90.5\n", { "gw.yaml:3:8: gateway.lat: '90.5' is outside -90 to 90" } },
	{ ID "  lat: 1e999\n", { "gw.yaml:3:8: gateway.lat: '1e999' is too large" } },
	{ ID "  lat: inf\n", { "gw.yaml:3:8: gateway.lat: 'inf' is not a number, for example 0.1" } },

	/* words and texts */
	{ ID "  format: mqq\n", { "gw.yaml:3:11: gateway.format: 'mqq' is not one of json, sparkplug" } },
	{ ID "  format: JSON\n", { "gw.yaml:3:11: gateway.format: 'JSON' is not one of json, sparkplug" } },
	{ "gateway: {id: a.b}\n",
	  { "gw.yaml:1:15: gateway.id: 'a.b' is not a name: letters, digits, - and _, at most 64, a letter "
	    "or digit first" } },
	{ "gateway: {id: -a}\n",
	  { "gw.yaml:1:15: gateway.id: '-a' is not a name: letters, digits, - and _, at most 64, a letter "
	    "or digit first" } },
	{ ID "  title: x\n",
	  { "gw.yaml:3:10: gateway.title: 'x' is too short: 1 of at least 2 bytes" } },
	{ ID "  title: Trạm bơm An Phú 2\n",
	  { "gw.yaml:3:10: gateway.title: 'Trạm bơm An Phú 2' is too long: 21 of at most 20 bytes" } },
	{ ID "  title: ''\n", { "gw.yaml:3:10: gateway.title: is empty" } },
	{ ID "  title: \"a\\tb\"\n",
	  { "gw.yaml:3:10: gateway.title: 'a\\x09b' holds a control character" } },
	{ ID "  title: |\n    ab\n", { "gw.yaml:3:10: gateway.title: 'ab\\x0a' holds a control character" } },
	{ ID "  ca: ''\n", { "gw.yaml:3:7: gateway.ca: is empty" } },
	{ ID "  password: hush\n",
	  { "gw.yaml:3:13: gateway.password: the value (not shown) is no text of 8 to 12 bytes" } },

	/* names of things */
	{ ID "sources:\n  Bơm số 1:\n    plugin: modbus\n",
	  { "gw.yaml:4:3: sources.Bơm số 1: 'Bơm số 1' is not a name: letters, digits, - and _, at most "
	    "64, a letter or digit first" } },
	{ ID "sources:\n  Goc: {plugin: a}\n  goc: {plugin: b}\n",
	  { "gw.yaml:5:3: sources.goc: 'goc' differs only in case from 'Goc' at gw.yaml:4" } },
	{ ID "sources:\n  goc: {plugin: a}\n  goc: {plugin: b}\n",
	  { "gw.yaml:5:3: sources.goc: is set twice, first at line 4" } },
	{ POOL "    things: {a: {unit_id: 1}, b: {unit_id: 2}, c: {unit_id: 3}, d: {unit_id: 4}, e: {unit_id: 5}}\n",
	  { "gw.yaml:6:5: sources.pool.things: has 5 entries; at most 4 are allowed" } },
	{ POOL "    things: {a: 1}\n",
	  { "gw.yaml:6:17: sources.pool.things.a: takes a map of keys, not one value" } },

	/* keys of another reader */
	{ PUMP "        writable: maybe\n",
	  { "gw.yaml:9:19: sources.pool.things.pump.writable: 'maybe' is not true or false" } },
	{ PUMP "        interval: 5ms\n",
	  { "gw.yaml:9:19: sources.pool.things.pump.interval: '5ms' is outside 10ms to 30d" } },
};

static void each_mistake_has_its_line(void **state)
{
	struct fixture *f = *state;
	unsigned n;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		end(state);
		begin(state);
		n = load(f, wrong[i].yaml);
		assert_int_equal(n, f->lines.count);
		assert_lines(&f->lines, wrong[i].want);
	}
}

static void all_mistakes_of_a_file_are_shown_at_once(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = {
		"gw.yaml:3:9: gateway.port: '0' is outside 1 to 65535",
		"gw.yaml:4:12: gateway.enabled: 'on' is not true or false",
		"gw.yaml:5:3: gateway: unknown key 'titel'; did you mean 'title'?",
		"gw.yaml:7:3: sources.pool: required key 'plugin' is missing",
	};

	assert_int_equal(load(f, ID "  port: 0\n  enabled: on\n  titel: x\nsources:\n  pool: {}\n"), 4);
	assert_lines(&f->lines, want);
}

static void defaults_fill_what_the_file_leaves_out(void **state)
{
	struct fixture *f = *state;
	const struct gateway *g = &f->root.gateway;

	assert_int_equal(load(f, ID), 0);
	assert_string_equal(g->id, "g");
	assert_null(g->title);
	assert_true(g->max_size == 1LL << 30);
	assert_int_equal(g->keepalive_ms, 30000);
	assert_int_equal(g->port, 8883);
	assert_int_equal(g->big, 0);
	assert_int_equal(g->brokers.count, 0);
	assert_int_equal(g->paths.count, 2);
	assert_string_equal(((const char **)g->paths.items)[1], "/b/c");
	assert_int_equal(g->format, 0);
	assert_true(g->enabled);
	assert_string_equal(g->topic, "{root}/{gateway}");
	assert_int_equal(f->root.sources.count, 0);
}

static void every_type_reaches_its_member(void **state)
{
	struct fixture *f = *state;
	const struct gateway *g = &f->root.gateway;

	assert_int_equal(load(f, ID "  title: Trạm bơm\n  lat: -1.5e1\n  max_size: 512MiB\n"
				    "  keepalive: 5m\n  port: 0x50\n  big: -0x10\n  broker: [a, b]\n"
				    "  format: sparkplug\n  enabled: false\n  topic: \"{x}\"\n"),
			 0);
	assert_string_equal(g->title, "Trạm bơm");
	assert_true(g->lat == -15.0);
	assert_true(g->max_size == 512LL << 20);
	assert_int_equal(g->keepalive_ms, 300000);
	assert_int_equal(g->port, 80);
	assert_int_equal(g->big, -16);
	assert_int_equal(g->brokers.count, 2);
	assert_string_equal(((const char **)g->brokers.items)[0], "a");
	assert_string_equal(((const char **)g->brokers.items)[1], "b");
	assert_int_equal(g->format, 1);
	assert_false(g->enabled);
	assert_string_equal(g->topic, "{x}");
}

static void quotes_never_matter(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "'gateway':\n  'id': '79'\n  port: '80'\n  enabled: \"true\"\n"
				 "  title: \"null\"\n  keepalive: '7s'\n"),
			 0);
	assert_string_equal(f->root.gateway.id, "79");
	assert_int_equal(f->root.gateway.port, 80);
	assert_int_equal(f->root.gateway.keepalive_ms, 7000);
	assert_string_equal(f->root.gateway.title, "null");
	assert_int_equal(load(f, "gateway: {id: 79}\n"), 0);
	assert_string_equal(f->root.gateway.id, "79");
}

static void one_value_is_a_list_of_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, ID "  broker: mqtt://h:1883\n  paths: []\n"), 0);
	assert_int_equal(f->root.gateway.brokers.count, 1);
	assert_string_equal(((const char **)f->root.gateway.brokers.items)[0], "mqtt://h:1883");
	assert_int_equal(f->root.gateway.paths.count, 0);
}

static void null_is_as_if_the_key_were_not_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, ID "  port: null\n  title: null\nsources: {a: null, b: {plugin: x}}\n"), 0);
	assert_int_equal(f->root.gateway.port, 8883);
	assert_null(f->root.gateway.title);
	assert_int_equal(f->root.sources.count, 1);
	assert_string_equal(((struct source *)f->root.sources.items)[0].item.name, "b");
}

static void paths_are_relative_to_the_file_that_holds_them(void **state)
{
	static const struct {
		const char *file, *value, *want;
	} cases[] = {
		{ "/etc/gatewayd/gatewayd.yaml", "tls/ca.pem", "/etc/gatewayd/tls/ca.pem" },
		{ "/etc/gatewayd/gatewayd.yaml", "/run/ca.pem", "/run/ca.pem" },
		{ "/g.yaml", "ca.pem", "/ca.pem" },
		{ "conf/g.yaml", "ca.pem", "conf/ca.pem" },
		{ "g.yaml", "../ca.pem", "../ca.pem" },
	};
	struct fixture *f = *state;
	char text[200];

	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "gateway: {id: g, ca: '%s', paths: ['%s']}\n", cases[i].value,
			 cases[i].value);
		assert_int_equal(load_as(f, cases[i].file, text), 0);
		assert_string_equal(f->root.gateway.ca, cases[i].want);
		assert_string_equal(((const char **)f->root.gateway.paths.items)[0], cases[i].want);
	}
}

static void things_keep_their_names_nodes_and_order(void **state)
{
	struct fixture *f = *state;
	const struct source *s;
	const struct thing *t;

	assert_int_equal(load(f, PUMP "        enum: {0: off, 1: on}\n        no_value: [0x7FFF, -1]\n"
				      "        ranges:\n          - from: 0.50\n          - {from: -3, to: 2e-3}\n"
				      "      b: {unit_id: 2, writable: true}\n"),
			 0);
	s = f->root.sources.items;
	assert_string_equal(s->item.name, "pool");
	assert_int_equal(s->item.node->place.line, 5);
	assert_int_equal(s->things.count, 2);
	t = s->things.items;
	assert_string_equal(t[0].item.name, "pump");
	assert_string_equal(t[1].item.name, "b");
	assert_int_equal(t[1].unit_id, 2);
	assert_string_equal(gw_node_get(t[0].labels, "1")->text, "on");
	assert_int_equal(((int64_t *)t[0].no_value.items)[0], 0x7fff);
	assert_int_equal(((int64_t *)t[0].no_value.items)[1], -1);
	assert_int_equal(t[0].ranges.count, 2);
	assert_int_equal(((struct range *)t[0].ranges.items)[0].from.mantissa, 5);
	assert_int_equal(((struct range *)t[0].ranges.items)[0].from.places, 1);
	assert_int_equal(((struct range *)t[0].ranges.items)[0].to.mantissa, 10);
	assert_int_equal(((struct range *)t[0].ranges.items)[1].to.mantissa, 2);
	assert_int_equal(((struct range *)t[0].ranges.items)[1].to.places, 3);
}

static void unset_keys_inherit_from_one_level_up(void **state)
{
	struct fixture *f = *state;
	const struct source *s;
	struct thing *t;

	assert_int_equal(load(f, POOL "    timeout: 3s\n    serial: {baud: 19200}\n    things:\n"
				      "      a: {unit_id: 1}\n"
				      "      b: {unit_id: 2, timeout: 5s, serial: {parity: even}, tags: z,\n"
				      "          exact: false, order: null}\n"),
			 0);
	s = f->root.sources.items;
	t = s->things.items;
	assert_int_equal(t[0].timeout_ms, 0);
	assert_int_equal(t[0].serial.baud, 0);
	for (size_t i = 0; i < s->things.count; i++)
		gw_config_inherit(&thing_table, t[i].item.node, &t[i], &source_table, s);
	assert_int_equal(t[0].timeout_ms, 3000);
	assert_int_equal(t[0].serial.baud, 19200);
	assert_true(t[0].exact);
	assert_int_equal(t[0].order, 1);
	assert_int_equal(t[0].tags.count, 2);
	assert_string_equal(((const char **)t[0].tags.items)[1], "y");
	assert_int_equal(t[1].timeout_ms, 5000);
	assert_int_equal(t[1].serial.baud, 19200); /* what a section of its own leaves out */
	assert_int_equal(t[1].serial.parity, 1);
	assert_false(t[1].exact);
	assert_int_equal(t[1].order, 1);
	assert_int_equal(t[1].tags.count, 1);
}

static void a_table_of_size_0_checks_and_stores_nothing(void **state)
{
	struct fixture *f = *state;
	struct gw_table check = root_table;
	const char *text = ID "  port: 0\nsources:\n  pool: {plugin: a}\n  Pool: {plugin: b}\n";
	static const char *const want[LINES_MAX] = {
		"gw.yaml:3:9: x.gateway.port: '0' is outside 1 to 65535",
		"gw.yaml:6:3: x.sources.Pool: 'Pool' differs only in case from 'pool' at gw.yaml:5",
	};

	check.size = 0;
	f->tree = gw_yaml_parse(f->arena, "gw.yaml", text, strlen(text), &f->to);
	assert_int_equal(gw_config_load(f->arena, &check, f->tree, "x", NULL, &f->to), 2);
	assert_lines(&f->lines, want);
}

static void a_json_file_is_a_configuration(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, "{\n\t\"gateway\": {\"id\":\"g\",\"port\":80,\"enabled\":false,\"title\":null,\n"
				 "\t\t\"topic\":\"a\\/b\\u0041\", \"broker\":[\"x\",\"y\"]},\n\t\"sources\": {}\n}"),
			 0);
	assert_int_equal(f->root.gateway.port, 80);
	assert_false(f->root.gateway.enabled);
	assert_string_equal(f->root.gateway.topic, "a/bA");
	assert_int_equal(f->root.gateway.brokers.count, 2);
}

static void too_many_problems_are_counted_but_not_shown(void **state)
{
	struct fixture *f = *state;
	char text[8000] = ID "  broker:\n";

	for (int i = 0; i < 500; i++)
		strcat(text, "  - [x]\n");
	assert_int_equal(load(f, text), 500);
	assert_int_equal(f->lines.count, GW_PROBLEMS_SHOWN + 1);
}

static void a_map_of_a_hundred_thousand_unknown_keys_takes_no_time(void **state)
{
	struct fixture *f = *state;
	size_t size = GW_FILE_MAX, n = 0;
	char *text = malloc(size);

	while (n + 16 < size)
		n += (size_t)sprintf(text + n, "%zx: 1\n", n);
	f->tree = gw_yaml_parse(f->arena, "gw.yaml", text, n, &f->to);
	free(text);
	assert_int_equal(f->to.count, 0);
	gw_config_load(f->arena, &root_table, f->tree, "", &f->root, &f->to);
	assert_true(f->to.count > 100000);
	assert_int_equal(f->lines.count, GW_PROBLEMS_SHOWN + 1);
}

static void decimals_are_exact(void **state)
{
	static const struct {
		const char *text;
		int64_t mantissa;
		int places;
	} cases[] = {
		{ "0", 0, 0 }, { "-0", 0, 0 }, { "0.000", 0, 0 }, { "0e-99", 0, 0 }, { "1", 1, 0 },
		{ "-12", -12, 0 }, { "0.1", 1, 1 }, { "1.50", 15, 1 }, { "1.5e-3", 15, 4 },
		{ "1.5E+3", 1500, 0 }, { "150e-1", 15, 0 }, { "100e-20", 1, 18 }, { "1e18", 1000000000000000000, 0 },
		{ "9223372036854775807", INT64_MAX, 0 }, { "-9223372036854775808", INT64_MIN, 0 },
		{ "0.000000000000000001", 1, 18 }, { "-0.00000000000000000100", -1, 18 },
	};
	struct gw_decimal d;
	struct gw_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(gw_parse_decimal(cases[i].text, &d, &err), 0);
		assert_true(d.mantissa == cases[i].mantissa);
		assert_int_equal(d.places, cases[i].places);
	}
	assert_int_equal(gw_parse_decimal("9223372036854775808", &d, &err), -1);
	assert_string_equal(err.msg, "'9223372036854775808' has too many digits: 18 are kept");
}

static void integers_reach_their_limits(void **state)
{
	struct gw_err err = { 0 };
	int64_t v = 0;

	(void)state;
	assert_int_equal(gw_parse_int("-9223372036854775808", INT64_MIN, INT64_MAX, &v, &err), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(gw_parse_int("0x7fffFFFFffffFFFF", INT64_MIN, INT64_MAX, &v, &err), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(gw_parse_int("-0", 0, 0, &v, &err), 0);
	assert_int_equal(gw_parse_int("", 0, 9, &v, &err), -1);
	assert_string_equal(err.msg, "'' is not a whole number");
	assert_int_equal(err.code, GW_EINPUT);
}

static void the_nearest_name_is_one_that_was_meant(void **state)
{
	static const char *const names[] = { "id", "port", "keepalive", "max_size", "ack_timeout", NULL };

	(void)state;
	assert_string_equal(gw_nearest("keepalvie", names), "keepalive");
	assert_string_equal(gw_nearest("maxSize", names), "max_size");
	assert_string_equal(gw_nearest("max-size", names), "max_size");
	assert_string_equal(gw_nearest("prot", names), "port");
	assert_string_equal(gw_nearest("ID", names), "id");
	assert_null(gw_nearest("xx", names));
	assert_null(gw_nearest("topic", names));
	assert_null(gw_nearest("", names));
	assert_null(gw_nearest("a_very_long_name_that_goes_on_and_on_beyond_all_that_is_reasonable_for_a_key",
			       names));
}

static void names_are_letters_digits_dash_and_underscore(void **state)
{
	char longest[66];

	(void)state;
	assert_true(gw_name_ok("a") && gw_name_ok("79-an-phu-01") && gw_name_ok("A_b"));
	assert_false(gw_name_ok("") || gw_name_ok("-a") || gw_name_ok("_a") || gw_name_ok("a.b") ||
		     gw_name_ok("a b") || gw_name_ok("é"));
	memset(longest, 'a', sizeof(longest));
	longest[64] = '\0';
	assert_true(gw_name_ok(longest));
	longest[64] = 'a';
	longest[65] = '\0';
	assert_false(gw_name_ok(longest));
}

static void the_common_keys_load(void **state)
{
	struct fixture *f = *state;
	const char *text = "plugin: modbus\ninterval: 5s\ndevices:\n  pump:\n    title: Bơm số 1\n    interval: 500ms\n"
			   "    points:\n      f: {scale: 0.1, unit: Hz, quantity: frequency, deadband: 0.05, min: 0, max: 60,\n"
			   "          enum: {0: off}, writable: true, interval: 30d}\n      g: {}\n";
	struct gw_source_keys s;
	struct gw_device_keys *d;
	struct gw_point_keys *p;

	f->tree = gw_yaml_parse(f->arena, "gw.yaml", text, strlen(text), &f->to);
	assert_int_equal(gw_config_load(f->arena, &gw_source_table, f->tree, "sources.x", &s, &f->to), 0);
	d = s.devices.items;
	p = d->points.items;
	assert_int_equal(s.interval_ms, 5000);
	assert_int_equal(d->interval_ms, 500);
	assert_int_equal(d->points.count, 2);
	assert_int_equal(p[0].scale.places, 1);
	assert_int_equal(p[0].max.mantissa, 60);
	assert_string_equal(p[0].unit, "Hz");
	assert_true(p[0].writable);
	assert_int_equal(p[1].scale.mantissa, 1);
	assert_int_equal(p[1].max_silence_ms, 60000);
	assert_int_equal(p[1].interval_ms, 0);
	gw_config_inherit(&gw_point_table, p[1].item.node, &p[1], &gw_device_table, d);
	assert_int_equal(p[1].interval_ms, 500);
}

static void wrong_common_keys_have_their_lines(void **state)
{
	struct fixture *f = *state;
	const char *text = "devices:\n  pump:\n    interval: 5ms\n    points:\n      a b: {deadband: -1, interval: 31d}\n";
	static const char *const want[LINES_MAX] = {
		"gw.yaml:3:15: s.devices.pump.interval: '5ms' is outside 10ms to 30d",
		("gw.yaml:5:7: s.devices.pump.points.a b: 'a b' is not a name: letters, digits, - and _, at "
		 "most 64, a letter or digit first"),
		"gw.yaml:5:23: s.devices.pump.points.a b.deadband: '-1' is below 0",
		"gw.yaml:5:37: s.devices.pump.points.a b.interval: '31d' is outside 10ms to 30d",
		"gw.yaml:1:1: s: required key 'plugin' is missing",
	};
	struct gw_source_keys s;

	f->tree = gw_yaml_parse(f->arena, "gw.yaml", text, strlen(text), &f->to);
	assert_int_equal(gw_config_load(f->arena, &gw_source_table, f->tree, "s", &s, &f->to), 5);
	assert_lines(&f->lines, want);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(each_mistake_has_its_line),
		T(all_mistakes_of_a_file_are_shown_at_once),
		T(defaults_fill_what_the_file_leaves_out),
		T(every_type_reaches_its_member),
		T(quotes_never_matter),
		T(one_value_is_a_list_of_one),
		T(null_is_as_if_the_key_were_not_there),
		T(paths_are_relative_to_the_file_that_holds_them),
		T(things_keep_their_names_nodes_and_order),
		T(unset_keys_inherit_from_one_level_up),
		T(a_table_of_size_0_checks_and_stores_nothing),
		T(a_json_file_is_a_configuration),
		T(too_many_problems_are_counted_but_not_shown),
		T(a_map_of_a_hundred_thousand_unknown_keys_takes_no_time),
		T(decimals_are_exact),
		T(integers_reach_their_limits),
		T(the_nearest_name_is_one_that_was_meant),
		T(names_are_letters_digits_dash_and_underscore),
		T(the_common_keys_load),
		T(wrong_common_keys_have_their_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
