/*
 * test_quantities.c - the vocabulary: the file of the tree, files that are wrong, and what
 * becomes of a point that names a quantity.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/yaml.h"
#include "core/normalise.h"
#include "core/quantities.h"

struct heard {
	char text[4096];
};

static void hear(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "%u:%u: %s: %s\n", at->line, at->column, path,
		 text);
}

static const struct gw_quantities *vocabulary(struct gw_arena *a, const char *yaml, struct heard *h)
{
	char file[] = "/tmp/test_quantities.XXXXXX";
	int fd = mkstemp(file);
	struct gw_problems to = { .fn = hear, .arg = h };
	const struct gw_quantities *q;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	h->text[0] = '\0';
	q = gw_quantities_read(a, file, &to);
	unlink(file);
	return q;
}

static void the_vocabulary_of_the_tree_is_right(void **state)
{
	struct gw_arena *a = gw_arena_new();
	struct heard h = { "" };
	struct gw_problems to = { .fn = hear, .arg = &h };
	const struct gw_quantities *q = gw_quantities_read(a, "conf/quantities.yaml", &to);
	const struct gw_quantity *one;
	const char *near;

	(void)state;
	assert_string_equal(h.text, "");
	assert_true(q->list.count > 400);
	one = gw_quantity_find(q, "soil_ph", &near);
	assert_string_equal(one->unit, "[pH]");
	assert_string_equal(one->symbol, "pH");
	assert_true(one->has_min && one->has_max && one->max.mantissa == 14);
	assert_null(gw_quantity_find(q, "voltage_l1", &near));
	assert_string_equal(near, "voltage_l1_n");
	gw_arena_free(a);
}

static void what_is_wrong_with_a_vocabulary_is_said_with_its_place(void **state)
{
	static const struct {
		const char *yaml, *said;
	} cases[] = {
		{ "quantities: {power: {unit: kWh}}",
		  "1:28: quantities.power.unit: 'kWh' is not a known UCUM code\n" },
		{ "quantities: {power: {min: 0}}",
		  "1:14: quantities.power: required key 'unit' is missing\n" },
		{ "- 1", "1:1: : the file is not a map of keys\n" },
	};
	struct gw_arena *a = gw_arena_new();
	struct heard h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(vocabulary(a, cases[i].yaml, &h));
		assert_string_equal(h.text, cases[i].said);
	}
	gw_arena_free(a);
}

/* A point as the configuration would give it. */
static struct gw_point_keys point(struct gw_arena *a, const char *yaml)
{
	static struct gw_problems none;
	struct gw_point_keys k = { 0 };
	const struct gw_node *map = gw_yaml_parse(a, "test", yaml, strlen(yaml), &none);

	assert_int_equal(gw_config_load(a, &gw_point_table, map, "p", &k, &none), 0);
	k.item.node = map;
	return k;
}

static const char words[] = "quantities:\n"
			    "  power: {unit: W, min: -1000, max: 5000}\n"
			    "  warmth: {unit: Cel, symbol: degrees, min: -50, max: 80}\n"
			    "  length: {unit: mm}\n";

static struct gw_published published(struct gw_arena *a, const char *quantity, const char *yaml)
{
	struct heard h;
	struct gw_point_keys k = point(a, yaml);
	const struct gw_quantities *q = vocabulary(a, words, &h);
	struct gw_published out;
	const char *near, *key;
	struct gw_err err;

	assert_int_equal(
		gw_published_make(&k, gw_quantity_find(q, quantity, &near), &out, &key, &err), 0);
	return out;
}

static double value(const struct gw_published *how, enum gw_kind kind, uint64_t raw,
		    unsigned *reason)
{
	struct gw_point_spec spec = {
		.name = "p",
		.kind = kind,
		.bits = 16,
		.scale = how->scale,
		.offset = how->offset,
		.min = how->min,
		.max = how->max,
		.has_min = how->has_min,
		.has_max = how->has_max,
		.divisor = how->divisor,
	};
	struct gw_normaliser *n = gw_normaliser_new(&spec, 1);
	struct gw_value v = { .kind = kind, .u = raw };
	double d;

	gw_normalise_one(n, 0, &v);
	*reason = v.reason;
	d = v.kind == GW_F64 ? v.f : v.kind == GW_I64 ? (double)v.i : (double)v.u;
	gw_normaliser_free(n);
	return d;
}

static void a_value_comes_out_in_the_unit_of_its_quantity(void **state)
{
	static const struct {
		const char *quantity, *yaml;
		uint64_t raw;
		double expected;
		unsigned reason;
	} cases[] = {
		{ "power", "{unit: kW, scale: 0.1}", 23, 2300, GW_GOOD },
		{ "power", "{unit: kW, scale: 0.001}", 1234, 1234, GW_GOOD },
		{ "power", "{}", 77, 77, GW_GOOD },
		{ "power", "{unit: kW}", 6, 6000, GW_OUT_OF_RANGE },
		{ "power", "{unit: kW, max: 10}", 6, 6000, GW_GOOD },
		{ "power", "{unit: kW, min: 7}", 6, 6000, GW_OUT_OF_RANGE },
		{ "power", "{unit: kW, min: 7}", 8, 8000,
		  GW_GOOD }, /* 5000 W would contradict the 7 kW */
		{ "warmth", "{unit: '[degF]', scale: 0.1}", 986, 37, GW_GOOD },
		{ "warmth", "{unit: '[degF]', scale: 0.1}", 1000, 340.0 / 9, GW_GOOD },
		{ "warmth", "{unit: '[degF]', scale: 0.1}", 1760, 80, GW_GOOD },
		{ "warmth", "{unit: '[degF]', scale: 0.1}", 1761, 7205.0 / 90, GW_OUT_OF_RANGE },
		{ "warmth", "{unit: '[degF]', max: 100}", 101, 115.0 / 3, GW_OUT_OF_RANGE },
		{ "warmth", "{unit: K, scale: 0.01}", 30015, 27, GW_GOOD },
		{ "length", "{unit: m, scale: 0.01, offset: -1}", 350, 2500, GW_GOOD },
	};
	struct gw_arena *a = gw_arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_published how = published(a, cases[i].quantity, cases[i].yaml);
		unsigned reason;
		double d = value(&how, GW_U64, cases[i].raw, &reason);

		if (d != cases[i].expected || reason != cases[i].reason)
			fail_msg("%s %s: %.17g, reason %u", cases[i].quantity, cases[i].yaml, d,
				 reason);
	}
	gw_arena_free(a);
}

static void whole_numbers_stay_whole(void **state)
{
	struct gw_point_spec spec = { .name = "p", .kind = GW_U64, .bits = 64 };
	struct gw_arena *a = gw_arena_new();
	struct gw_published how = published(a, "power", "{unit: kW}");
	struct gw_normaliser *n;

	(void)state;
	spec.scale = how.scale;
	spec.divisor = how.divisor;
	n = gw_normaliser_new(&spec, 1);
	assert_int_equal(gw_normaliser_type(n, 0), GW_TYPE_INTEGER);
	gw_normaliser_free(n);
	gw_arena_free(a);
}

static void people_read_the_symbol_of_the_quantity(void **state)
{
	struct gw_arena *a = gw_arena_new();
	struct gw_published how = published(a, "warmth", "{unit: K}");

	(void)state;
	assert_string_equal(how.unit, "Cel");
	assert_string_equal(how.symbol, "degrees");
	assert_string_equal(published(a, "length", "{}").symbol, "mm");
	gw_arena_free(a);
}

static void what_does_not_convert_is_an_error(void **state)
{
	static const struct {
		const char *quantity, *yaml, *key, *said;
	} cases[] = {
		{ "power", "{unit: A}", "unit",
		  "'A' does not convert to the unit of quantity 'power' (W)" },
		{ "power", "{unit: V.A}", "unit",
		  "'V.A' does not convert to the unit of quantity 'power' (W)" },
		{ "power", "{unit: mW, scale: 0.0000000000000001}", "scale",
		  "has too many digits to convert it from mW to W exactly" },
		{ "power", "{unit: kW, max: 9000000000000000000}", "max",
		  "has too many digits to convert it from kW to W exactly" },
	};
	struct gw_arena *a = gw_arena_new();
	struct heard h;
	const struct gw_quantities *q = vocabulary(a, words, &h);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_point_keys k = point(a, cases[i].yaml);
		struct gw_published out;
		const char *near, *key;
		struct gw_err err;

		assert_int_equal(gw_published_make(&k,
						   gw_quantity_find(q, cases[i].quantity, &near),
						   &out, &key, &err),
				 -1);
		assert_string_equal(key, cases[i].key);
		assert_string_equal(err.msg, cases[i].said);
	}
	gw_arena_free(a);
}

static void a_deadband_moves_with_its_unit(void **state)
{
	struct gw_arena *a = gw_arena_new();
	struct gw_published how =
		published(a, "warmth", "{unit: '[degF]', scale: 0.1, deadband: 0.9}");
	struct gw_point_spec spec = {
		.name = "p",
		.kind = GW_U64,
		.bits = 16,
		.scale = how.scale,
		.offset = how.offset,
		.has_deadband = true,
		.deadband = how.deadband,
		.max_silence_ms = 60000,
		.divisor = how.divisor,
	};
	static const uint64_t raws[] = { 986, 994, 995, 1003, 1004 }; /* said: 986, 995, 1004 */
	static const bool said[] = { true, false, true, false, true };
	struct gw_normaliser *n = gw_normaliser_new(&spec, 1);
	_Alignas(8) unsigned char block[256];
	struct gw_reading *r = (struct gw_reading *)block;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		memset(block, 0, sizeof(block));
		r->count = 1;
		r->size = (uint32_t)(sizeof(*r) + 16);
		r->mono_ms = (int64_t)i;
		gw_reading_tags(r)[0] = gw_tag(0, GW_U64, GW_GOOD);
		gw_reading_slots(r)[0] = raws[i];
		assert_int_equal(gw_normalise(n, r, false), said[i] ? GW_SAY : GW_NOTHING);
	}
	gw_normaliser_free(n);
	gw_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vocabulary_of_the_tree_is_right),
		cmocka_unit_test(what_is_wrong_with_a_vocabulary_is_said_with_its_place),
		cmocka_unit_test(a_value_comes_out_in_the_unit_of_its_quantity),
		cmocka_unit_test(whole_numbers_stay_whole),
		cmocka_unit_test(people_read_the_symbol_of_the_quantity),
		cmocka_unit_test(what_does_not_convert_is_an_error),
		cmocka_unit_test(a_deadband_moves_with_its_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
