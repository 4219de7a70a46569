/*
 * test_normalise.c - raw values to published values, by table and by chance.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/normalise.h"

#define D(m, p) { (m), (p) }
#define ONE .scale = D(1, 0)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- readings by hand ---- */

struct entry {
	unsigned index;
	enum gw_kind kind;
	unsigned reason;
	uint64_t slot;
	const char *text;
};

union block {
	struct gw_reading r;
	uint64_t room[1024];
};

static uint64_t bits(double d)
{
	uint64_t u;

	memcpy(&u, &d, sizeof(u));
	return u;
}

static double number(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, sizeof(d));
	return d;
}

static struct gw_reading *build(union block *b, int64_t mono_ms, const struct entry *e, unsigned n)
{
	struct gw_reading *r = &b->r;
	size_t text = 0;

	memset(b, 0, sizeof(*b));
	r->count = (uint16_t)n;
	r->mono_ms = mono_ms;
	for (unsigned i = 0; i < n; i++) {
		size_t length = e[i].text ? strlen(e[i].text) : 0;

		gw_reading_tags(r)[i] = gw_tag(e[i].index, e[i].kind, e[i].reason);
		gw_reading_slots(r)[i] = e[i].text ? text << 16 | length : e[i].slot;
		if (length)
			memcpy(gw_reading_text(r) + text, e[i].text, length);
		text += length;
	}
	r->text_size = (uint16_t)text;
	r->size = (uint32_t)(gw_reading_text(r) + ((text + 7) & ~(size_t)7) - (char *)r);
	assert_null(gw_reading_check(r, r->size, GW_POINTS_MAX));
	return r;
}

static void assert_entry(const struct gw_reading *r, unsigned i, unsigned index, enum gw_kind kind,
			 unsigned reason, uint64_t slot)
{
	assert_null(gw_reading_check(r, r->size, GW_POINTS_MAX));
	assert_true(i < r->count);
	assert_int_equal(gw_tag_index(gw_reading_ctags(r)[i]), index);
	assert_int_equal(gw_tag_kind(gw_reading_ctags(r)[i]), kind);
	assert_int_equal(gw_tag_reason(gw_reading_ctags(r)[i]), reason);
	assert_int_equal(gw_reading_cslots(r)[i], slot);
}

static struct gw_normaliser *make(const struct gw_point_spec *specs, unsigned n)
{
	struct gw_normaliser *nm = gw_normaliser_new(specs, n);

	assert_non_null(nm);
	return nm;
}

static enum gw_verdict feed(struct gw_normaliser *nm, union block *b, int64_t ms, unsigned index,
			    enum gw_kind kind, unsigned reason, uint64_t slot)
{
	struct entry e = { index, kind, reason, slot, NULL };

	return gw_normalise(nm, build(b, ms, &e, 1), false);
}

/* ---- values ---- */

static const struct gw_label modes[] = { { -1, "fault" }, { 0, "off" }, { 1, "manual" }, { 7, "auto" } };

struct value_case {
	struct gw_point_spec spec;
	uint64_t raw;
	enum gw_kind kind;
	unsigned reason;
	uint64_t slot;
};

static void each_value_comes_out_exactly(void **state)
{
	const struct gw_point_spec deci = { .kind = GW_U64, .bits = 16, .scale = D(1, 1) };
	const struct value_case cases[] = {
		/* decimals are the doubles nearest to what people write */
		{ deci, 2301, GW_F64, GW_GOOD, bits(230.1) },
		{ deci, 3, GW_F64, GW_GOOD, bits(0.3) },
		{ deci, 0, GW_F64, GW_GOOD, bits(0.0) },
		{ deci, UINT64_MAX, GW_F64, GW_GOOD, bits(1844674407370955161.5) },
		{ deci, ((uint64_t)1 << 53) + 1, GW_F64, GW_GOOD, bits(900719925474099.3) },
		{ { .kind = GW_I64, .scale = D(1, 1), .offset = D(-27315, 2) }, 2931, GW_F64, GW_GOOD, bits(19.95) },
		{ { .kind = GW_I64, .scale = D(-1, 1) }, 0, GW_F64, GW_GOOD, bits(0.0) },
		{ { .kind = GW_I64, .scale = D(1, 3) }, (uint64_t)INT64_MIN, GW_F64, GW_GOOD, bits(-9223372036854775.808) },
		{ { .kind = GW_I64, .scale = D(1, 18) }, (uint64_t)-7, GW_F64, GW_GOOD, bits(-7e-18) },
		{ { .kind = GW_U64, .scale = D(INT64_MAX, 18), .offset = D(INT64_MIN, 0) }, 3, GW_F64, GW_GOOD,
		  bits(-9223372036854775780.329883889435672579) },
		{ { .kind = GW_U64, .scale = D(55555555556, 12) }, 18, GW_F64, GW_GOOD, bits(1.000000000008) },
		/* whole numbers stay exact integers */
		{ { .kind = GW_U64, ONE }, UINT64_MAX, GW_U64, GW_GOOD, UINT64_MAX },
		{ { .kind = GW_I64, ONE }, (uint64_t)INT64_MIN, GW_I64, GW_GOOD, (uint64_t)INT64_MIN },
		{ { .kind = GW_U64, .scale = D(1000, 0) }, 65535, GW_U64, GW_GOOD, 65535000 },
		{ { .kind = GW_U64, .scale = D(20, 1) }, 21, GW_U64, GW_GOOD, 42 },
		{ { .kind = GW_U64, ONE, .offset = D(-10, 0) }, 3, GW_I64, GW_GOOD, (uint64_t)-7 },
		{ { .kind = GW_I64, ONE, .offset = D(1, 0) }, INT64_MAX, GW_U64, GW_GOOD, (uint64_t)INT64_MAX + 1 },
		{ { .kind = GW_U64, .scale = D(-1, 0) }, (uint64_t)1 << 63, GW_I64, GW_GOOD, (uint64_t)INT64_MIN },
		{ { .kind = GW_U64, .scale = D(2, 0) }, (uint64_t)1 << 63, GW_NONE, GW_OVERFLOW, 0 },
		{ { .kind = GW_U64, .scale = D(-1, 0) }, UINT64_MAX, GW_NONE, GW_OVERFLOW, 0 },
		{ { .kind = GW_U64, .scale = D(INT64_MIN, 0), .offset = D(INT64_MIN, 0) }, UINT64_MAX, GW_NONE, GW_OVERFLOW, 0 },
		/* booleans */
		{ { .kind = GW_BOOL, ONE }, 1, GW_BOOL, GW_GOOD, 1 },
		{ { .kind = GW_BOOL, .scale = D(-1, 0), .offset = D(1, 0) }, 1, GW_U64, GW_GOOD, 0 },
		/* floats */
		{ { .kind = GW_F32, ONE }, bits((double)230.1f), GW_F32, GW_GOOD, bits((double)230.1f) },
		{ { .kind = GW_F32, ONE }, bits(-0.0), GW_F32, GW_GOOD, bits(-0.0) },
		{ { .kind = GW_F32, .scale = D(1, 1) }, bits(-0.0), GW_F32, GW_GOOD, bits(-0.0) },
		{ { .kind = GW_F32, .scale = D(1, 1), .offset = D(5, 1) }, bits(-0.0), GW_F32, GW_GOOD, bits(0.5) },
		{ { .kind = GW_F32, .scale = D(1000, 0) }, bits((double)1.1f), GW_F32, GW_GOOD, bits((double)1100.0f) },
		{ { .kind = GW_F32, .scale = D(1, 1) }, bits(2301), GW_F32, GW_GOOD, bits((double)230.1f) },
		{ { .kind = GW_F32, .scale = D(2, 0) }, bits((double)FLT_MAX), GW_NONE, GW_OVERFLOW, 0 },
		{ { .kind = GW_F32, .scale = D(1, 1) }, bits((double)FLT_MAX), GW_F32, GW_GOOD, bits((double)3.4028235e37f) },
		{ { .kind = GW_F32, .scale = D(5, 1) }, bits((double)FLT_TRUE_MIN), GW_F32, GW_GOOD, bits(0.0) },
		{ { .kind = GW_F32, .scale = D(15, 1) }, bits((double)FLT_TRUE_MIN), GW_F32, GW_GOOD, bits(2 * (double)FLT_TRUE_MIN) },
		{ { .kind = GW_F64, .scale = D(5, 1) }, bits(3 * DBL_TRUE_MIN), GW_F64, GW_GOOD, bits(2 * DBL_TRUE_MIN) },
		{ { .kind = GW_F64, .scale = D(1, 18) }, bits(-DBL_TRUE_MIN), GW_F64, GW_GOOD, bits(-0.0) },
		{ { .kind = GW_F64, .scale = D(1, 1) }, bits(1e22), GW_F64, GW_GOOD, bits(1e21) },
		{ { .kind = GW_F64, ONE, .offset = D(INT64_MAX, 0) }, bits(DBL_MAX), GW_F64, GW_GOOD, bits(DBL_MAX) },
		{ { .kind = GW_F64, .scale = D(11, 1) }, bits(DBL_MAX), GW_NONE, GW_OVERFLOW, 0 },
		{ { .kind = GW_F64, ONE, .offset = D(1, 1) }, bits(-DBL_MAX), GW_F64, GW_GOOD, bits(-DBL_MAX) },
		{ { .kind = GW_F64, ONE, .offset = D(-1, 1) }, bits(0.1), GW_F64, GW_GOOD, bits(5.551115123125783e-18) },
		{ { .kind = GW_F64, ONE }, bits((double)NAN), GW_NONE, GW_NOT_AVAILABLE, 0 },
		{ { .kind = GW_F64, ONE }, bits(-(double)INFINITY), GW_NONE, GW_NOT_AVAILABLE, 0 },
		/* enumerations */
		{ { .kind = GW_U64, ONE, .labels = modes, .nlabels = 4 }, 7, GW_ENUM, GW_GOOD, 3 },
		{ { .kind = GW_U64, ONE, .labels = modes, .nlabels = 4 }, 2, GW_NONE, GW_NOT_IN_ENUM, 0 },
		{ { .kind = GW_U64, ONE, .labels = modes, .nlabels = 4 }, UINT64_MAX, GW_NONE, GW_NOT_IN_ENUM, 0 },
		{ { .kind = GW_I64, ONE, .labels = modes, .nlabels = 4 }, UINT64_MAX, GW_ENUM, GW_GOOD, 0 },
		{ { .kind = GW_BOOL, ONE, .labels = modes, .nlabels = 4 }, 1, GW_ENUM, GW_GOOD, 2 },
		{ { .kind = GW_F32, ONE, .labels = modes, .nlabels = 4 }, bits(7), GW_ENUM, GW_GOOD, 3 },
		{ { .kind = GW_F32, ONE, .labels = modes, .nlabels = 4 }, bits(7.5), GW_NONE, GW_NOT_IN_ENUM, 0 },
		{ { .kind = GW_F64, ONE, .labels = modes, .nlabels = 4 }, bits((double)NAN), GW_NONE, GW_NOT_IN_ENUM, 0 },
		/* limits: the value stays */
		{ { .kind = GW_U64, .scale = D(1, 1), .has_max = true, .max = D(60, 0) }, 600, GW_F64, GW_GOOD, bits(60) },
		{ { .kind = GW_U64, .scale = D(1, 1), .has_max = true, .max = D(60, 0) }, 601, GW_F64, GW_OUT_OF_RANGE, bits(60.1) },
		{ { .kind = GW_U64, .scale = D(1, 1), .has_min = true, .min = D(1, 1) }, 0, GW_F64, GW_OUT_OF_RANGE, bits(0) },
		{ { .kind = GW_F32, ONE, .has_max = true, .max = D(1, 1) }, bits((double)0.1f), GW_F32, GW_GOOD, bits((double)0.1f) },
		{ { .kind = GW_U64, ONE, .has_max = true, .max = D(105, 1) }, 10, GW_U64, GW_GOOD, 10 },
		{ { .kind = GW_U64, ONE, .has_max = true, .max = D(105, 1) }, 11, GW_U64, GW_OUT_OF_RANGE, 11 },
		{ { .kind = GW_I64, ONE, .has_min = true, .min = D(-105, 1) }, (uint64_t)-10, GW_I64, GW_GOOD, (uint64_t)-10 },
		{ { .kind = GW_I64, ONE, .has_min = true, .min = D(-105, 1) }, (uint64_t)-11, GW_I64, GW_OUT_OF_RANGE, (uint64_t)-11 },
		{ { .kind = GW_I64, ONE, .has_max = true, .max = D(-105, 1) }, (uint64_t)-10, GW_I64, GW_OUT_OF_RANGE, (uint64_t)-10 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct value_case *c = &cases[i];
		struct gw_normaliser *nm = make(&c->spec, 1);
		struct gw_value one = { .kind = c->spec.kind, .u = c->raw };
		union block b;

		gw_normalise_one(nm, 0, &one);
		if (one.kind != c->kind || (unsigned)one.reason != c->reason || one.u != c->slot)
			fail_msg("case %zu: kind %d reason %d slot %016jx (%.17g), wanted %016jx (%.17g)", i,
				 one.kind, one.reason, (uintmax_t)one.u, number(one.u), (uintmax_t)c->slot,
				 number(c->slot));
		if (!(c->spec.kind >= GW_F32 && !isfinite(number(c->raw)))) {
			assert_int_equal(feed(nm, &b, 5, 0, c->spec.kind, GW_GOOD, c->raw), GW_SAY);
			assert_entry(&b.r, 0, 0, c->kind, c->reason, c->slot);
		}
		gw_normaliser_free(nm);
	}
}

/* ---- types ---- */

static void each_point_tells_what_it_publishes(void **state)
{
	const struct gw_point_spec specs[] = {
		{ .kind = GW_BOOL, ONE }, { .kind = GW_U64, ONE }, { .kind = GW_I64, .scale = D(10, 1) },
		{ .kind = GW_U64, .scale = D(1, 1) }, { .kind = GW_I64, ONE, .offset = D(5, 1) },
		{ .kind = GW_F32, ONE }, { .kind = GW_F64, ONE }, { .kind = GW_TEXT, ONE },
		{ .kind = GW_U64, ONE, .labels = modes, .nlabels = 4 },
	};
	const enum gw_point_type types[] = {
		GW_TYPE_BOOL, GW_TYPE_INTEGER, GW_TYPE_NUMBER, GW_TYPE_NUMBER, GW_TYPE_NUMBER,
		GW_TYPE_NUMBER, GW_TYPE_NUMBER, GW_TYPE_TEXT, GW_TYPE_TEXT,
	};
	struct gw_normaliser *nm = make(specs, COUNT(specs));

	(void)state;
	assert_int_equal(gw_normaliser_type(nm, 2), GW_TYPE_INTEGER);
	for (unsigned i = 0; i < COUNT(specs); i++)
		if (i != 2)
			assert_int_equal(gw_normaliser_type(nm, i), types[i]);
	assert_string_equal(gw_normaliser_label(nm, 8, 1), "off");
	assert_null(gw_normaliser_label(nm, 8, 4));
	assert_null(gw_normaliser_label(nm, 0, 0));
	gw_normaliser_free(nm);
}

/* ---- deadband ---- */

struct step {
	int64_t ms;
	unsigned reason;
	uint64_t slot;
	enum gw_verdict verdict;
};

static void walk(const struct gw_point_spec *spec, const struct step *steps, size_t n)
{
	struct gw_normaliser *nm = make(spec, 1);
	union block b;

	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		bool valued = s->reason == GW_GOOD || s->reason == GW_OUT_OF_RANGE;
		enum gw_verdict v = feed(nm, &b, s->ms, 0, valued ? spec->kind : GW_NONE, s->reason, s->slot);

		if (v != s->verdict)
			fail_msg("step %zu: verdict %d, wanted %d", i, v, s->verdict);
	}
	gw_normaliser_free(nm);
}

static void a_change_of_the_deadband_is_said_and_less_is_not(void **state)
{
	const struct gw_point_spec deci = { .kind = GW_U64, .scale = D(1, 1), .has_deadband = true,
					    .deadband = D(1, 1), .max_silence_ms = 60000 };
	const struct step one_step[] = {
		{ 0, 0, 2301, GW_SAY },      { 1000, 0, 2301, GW_NOTHING }, { 2000, 0, 2302, GW_SAY },
		{ 3000, 0, 2302, GW_NOTHING }, { 4000, 0, 2300, GW_SAY },   { 5000, 0, 2299, GW_SAY },
	};
	const struct gw_point_spec half = { .kind = GW_I64, .scale = D(1, 1), .has_deadband = true,
					    .deadband = D(5, 1), .max_silence_ms = 60000 };
	const struct step creeping[] = { /* against what was sent, not what was seen */
		{ 0, 0, 0, GW_SAY },           { 1, 0, 4, GW_NOTHING },  { 2, 0, (uint64_t)-4, GW_NOTHING },
		{ 3, 0, (uint64_t)-5, GW_SAY }, { 4, 0, (uint64_t)-1, GW_NOTHING }, { 5, 0, 0, GW_SAY },
	};
	const struct gw_point_spec f32 = { .kind = GW_F32, ONE, .has_deadband = true, .deadband = D(1, 1),
					   .max_silence_ms = 60000 };
	const struct step floats[] = {
		{ 0, 0, bits((double)230.1f), GW_SAY },
		{ 1, 0, bits((double)230.15f), GW_NOTHING },
		{ 2, 0, bits((double)230.2f), GW_SAY },
		{ 3, 0, bits((double)230.2f), GW_NOTHING },
	};
	const struct gw_point_spec any = { .kind = GW_F64, ONE, .has_deadband = true, .max_silence_ms = 60000 };
	const struct step zero[] = { { 0, 0, bits(1), GW_SAY }, { 1, 0, bits(1), GW_NOTHING }, { 2, 0, bits(1 + 1e-12), GW_SAY } };
	const struct gw_point_spec flag = { .kind = GW_BOOL, ONE, .has_deadband = true, .deadband = D(5, 0), .max_silence_ms = 60000 };
	const struct step flips[] = { { 0, 0, 1, GW_SAY }, { 1, 0, 1, GW_NOTHING }, { 2, 0, 0, GW_SAY } };
	const struct gw_point_spec mode = { .kind = GW_U64, ONE, .labels = modes, .nlabels = 4,
					    .has_deadband = true, .deadband = D(5, 0), .max_silence_ms = 60000 };
	const struct step switches[] = { { 0, 0, 0, GW_SAY }, { 1, 0, 0, GW_NOTHING }, { 2, 0, 1, GW_SAY },
					 { 3, 0, 5, GW_SAY }, { 4, 0, 6, GW_NOTHING } };

	(void)state;
	walk(&deci, one_step, COUNT(one_step));
	walk(&half, creeping, COUNT(creeping));
	walk(&f32, floats, COUNT(floats));
	walk(&any, zero, COUNT(zero));
	walk(&flag, flips, COUNT(flips));
	walk(&mode, switches, COUNT(switches));
}

static void silence_lasts_no_longer_than_allowed(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(10, 0),
					    .max_silence_ms = 60000 };
	const struct step steps[] = {
		{ 0, 0, 5, GW_SAY }, { 59999, 0, 5, GW_NOTHING }, { 60000, 0, 5, GW_SAY },
		{ 119999, 0, 6, GW_NOTHING }, { 120000, 0, 6, GW_SAY },
	};

	(void)state;
	walk(&spec, steps, COUNT(steps));
}

static void a_change_of_quality_is_always_said(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(10, 0),
					    .max_silence_ms = 60000, .has_max = true, .max = D(50, 0) };
	const struct step steps[] = {
		{ 0, 0, 49, GW_SAY },
		{ 1, 0, 51, GW_SAY }, /* out of range */
		{ 2, 0, 52, GW_NOTHING },
		{ 3, GW_EXCEPTION_0 | 2, 0, GW_SAY },
		{ 4, GW_EXCEPTION_0 | 2, 0, GW_NOTHING },
		{ 5, GW_NOT_AVAILABLE, 0, GW_SAY },
		{ 6, 0, 52, GW_SAY },
		{ 7, 0, 50, GW_SAY },
		{ 60007, GW_NOT_AVAILABLE, 0, GW_SAY },
		{ 120006, GW_NOT_AVAILABLE, 0, GW_NOTHING },
		{ 120007, GW_NOT_AVAILABLE, 0, GW_SAY },
	};

	(void)state;
	walk(&spec, steps, COUNT(steps));
}

static void a_point_without_deadband_is_always_said(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE };
	const struct step steps[] = { { 0, 0, 5, GW_SAY }, { 0, 0, 5, GW_SAY }, { 0, GW_BAD_TEXT, 0, GW_SAY },
				      { 0, GW_BAD_TEXT, 0, GW_SAY } };

	(void)state;
	walk(&spec, steps, COUNT(steps));
}

static void what_has_nothing_to_say_is_taken_out(void **state)
{
	const struct gw_point_spec specs[] = {
		{ .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(5, 0), .max_silence_ms = 1000 },
		{ .kind = GW_TEXT, ONE, .has_deadband = true, .max_silence_ms = 1000 },
		{ .kind = GW_U64, .scale = D(1, 1) },
		{ .kind = GW_TEXT, ONE },
	};
	struct entry e[] = { { 0, GW_U64, 0, 7, NULL }, { 1, GW_TEXT, 0, 0, "máy bơm" },
			     { 2, GW_U64, 0, 15, NULL }, { 3, GW_TEXT, 0, 0, "xyz" } };
	struct gw_normaliser *nm = make(specs, COUNT(specs));
	struct gw_value v;
	union block b;
	int64_t ms;

	(void)state;
	assert_int_equal(gw_normalise(nm, build(&b, 10, e, 4), false), GW_SAY);
	assert_int_equal(b.r.count, 4);
	e[0].slot = 8;
	assert_int_equal(gw_normalise(nm, build(&b, 20, e, 4), false), GW_SAY);
	assert_int_equal(b.r.count, 2);
	assert_entry(&b.r, 0, 2, GW_F64, GW_GOOD, bits(1.5));
	v = gw_reading_value(&b.r, 1);
	assert_int_equal(v.length, 3);
	assert_memory_equal(v.text, "xyz", 3);
	assert_true(gw_normaliser_latest(nm, 0, &v, &ms)); /* seen, though not said */
	assert_int_equal(v.u, 8);
	assert_int_equal(ms, 20);

	e[1].text = "máy bơn";
	assert_int_equal(gw_normalise(nm, build(&b, 30, e, 3), false), GW_SAY);
	assert_int_equal(b.r.count, 2);
	v = gw_reading_value(&b.r, 0);
	assert_memory_equal(v.text, "máy bơn", v.length);
	assert_int_equal(gw_normalise(nm, build(&b, 40, e, 3), false), GW_SAY);
	assert_int_equal(b.r.count, 1);
	assert_int_equal(b.r.text_size, 0);
	assert_int_equal(b.r.size, sizeof(b.r) + 8 + 8);
	assert_entry(&b.r, 0, 2, GW_F64, GW_GOOD, bits(1.5));
	assert_int_equal(gw_normalise(nm, build(&b, 50, e, 2), false), GW_NOTHING);
	assert_int_equal(gw_normalise(nm, build(&b, 50, e, 0), false), GW_NOTHING);
	gw_normaliser_free(nm);
}

static void full_says_each_point_once_more_even_one_that_is_due_later(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(5, 0),
					    .max_silence_ms = 60000 };
	const struct gw_point_spec specs[] = { spec, spec };
	struct entry e[] = { { 0, GW_U64, 0, 7, NULL }, { 1, GW_U64, 0, 7, NULL } };
	struct gw_normaliser *nm = make(specs, 2);
	union block b;

	(void)state;
	assert_int_equal(gw_normalise(nm, build(&b, 0, e, 2), false), GW_SAY);
	assert_int_equal(gw_normalise(nm, build(&b, 1, e, 2), false), GW_NOTHING);
	assert_int_equal(gw_normalise(nm, build(&b, 2, e, 1), true), GW_SAY);
	assert_int_equal(gw_normalise(nm, build(&b, 3, e, 2), false), GW_SAY);
	assert_int_equal(b.r.count, 1);
	assert_entry(&b.r, 0, 1, GW_U64, GW_GOOD, 7);
	gw_normaliser_free(nm);
}

/* ---- offline ---- */

static void a_silent_device_is_said_once_for_each_reason(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(5, 0),
					    .max_silence_ms = 60000 };
	const struct step steps[] = {
		{ 0, GW_TIMEOUT, 0, GW_SAY },        { 1, GW_TIMEOUT, 0, GW_NOTHING },
		{ 99999, GW_TIMEOUT, 0, GW_NOTHING }, { 100000, GW_CRC, 0, GW_SAY },
		{ 100001, GW_EXCEPTION_0 | 11, 0, GW_SAY }, { 100002, GW_EXCEPTION_0 | 11, 0, GW_NOTHING },
		{ 100003, GW_EXCEPTION_0 | 2, 0, GW_SAY }, /* an answer */
		{ 100004, GW_NO_CONNECTION, 0, GW_SAY },  { 100005, GW_GOOD, 3, GW_SAY },
		{ 100006, GW_GOOD, 3, GW_NOTHING },
	};

	(void)state;
	walk(&spec, steps, COUNT(steps));
}

static void offline_carries_every_reason_and_the_answer_after_it_is_full(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(5, 0),
					    .max_silence_ms = 60000 };
	const struct gw_point_spec specs[] = { spec, spec, spec };
	const struct entry good[] = { { 0, GW_U64, 0, 7, NULL }, { 1, GW_U64, 0, 8, NULL }, { 2, GW_U64, 0, 9, NULL } };
	const struct entry dead[] = { { 0, GW_NONE, GW_TIMEOUT, 0, NULL }, { 1, GW_NONE, GW_PROTOCOL, 0, NULL } };
	const struct entry half[] = { { 0, GW_NONE, GW_TIMEOUT, 0, NULL }, { 1, GW_U64, 0, 8, NULL } };
	struct gw_normaliser *nm = make(specs, 3);
	struct gw_value v;
	unsigned reason;
	int64_t ms;
	union block b;

	(void)state;
	assert_int_equal(gw_normaliser_state(nm, &reason), GW_STATE_UNKNOWN);
	assert_int_equal(gw_normalise(nm, build(&b, 0, good, 3), false), GW_SAY);
	assert_int_equal(gw_normaliser_state(nm, &reason), GW_STATE_ONLINE);
	assert_int_equal(reason, GW_GOOD);

	build(&b, 1, dead, 2)->flags = GW_READING_UNSYNCED;
	assert_int_equal(gw_normalise(nm, &b.r, false), GW_SAY);
	assert_int_equal(b.r.flags, GW_READING_UNSYNCED | GW_READING_OFFLINE);
	assert_int_equal(b.r.count, 2);
	assert_entry(&b.r, 0, 0, GW_NONE, GW_TIMEOUT, 0);
	assert_entry(&b.r, 1, 1, GW_NONE, GW_PROTOCOL, 0);
	assert_int_equal(gw_normaliser_state(nm, &reason), GW_STATE_OFFLINE);
	assert_int_equal(reason, GW_TIMEOUT);
	assert_true(gw_normaliser_latest(nm, 1, &v, &ms));
	assert_int_equal(v.kind, GW_NONE);
	assert_int_equal(v.reason, GW_PROTOCOL);
	assert_int_equal(gw_normalise(nm, build(&b, 2, dead, 2), false), GW_NOTHING);

	build(&b, 3, half, 2)->flags = GW_READING_OFFLINE; /* not the source's to say */
	assert_int_equal(gw_normalise(nm, &b.r, false), GW_SAY);
	assert_int_equal(b.r.flags, 0);
	assert_int_equal(gw_normaliser_state(nm, &reason), GW_STATE_ONLINE);
	assert_int_equal(gw_normalise(nm, build(&b, 4, good, 3), false), GW_SAY);
	assert_int_equal(b.r.count, 2); /* 0: its quality; 2: not said since the silence */
	assert_entry(&b.r, 0, 0, GW_U64, GW_GOOD, 7);
	assert_entry(&b.r, 1, 2, GW_U64, GW_GOOD, 9);
	gw_normaliser_free(nm);
}

static void full_does_not_repeat_an_offline_but_is_kept_for_the_answer(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(5, 0),
					    .max_silence_ms = 60000 };
	const struct entry dead = { 0, GW_NONE, GW_TIMEOUT, 0, NULL };
	struct gw_normaliser *nm = make(&spec, 1);
	union block b;

	(void)state;
	assert_int_equal(gw_normalise(nm, build(&b, 0, &dead, 1), false), GW_SAY);
	assert_int_equal(gw_normalise(nm, build(&b, 1, &dead, 1), true), GW_NOTHING);
	assert_int_equal(feed(nm, &b, 2, 0, GW_U64, 0, 5), GW_SAY);
	gw_normaliser_free(nm);
}

static void a_full_that_met_silence_also_says_what_stays_silent(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(5, 0),
					    .max_silence_ms = 60000 };
	const struct gw_point_spec specs[] = { spec, spec };
	const struct entry dead[] = { { 0, GW_NONE, GW_TIMEOUT, 0, NULL }, { 1, GW_NONE, GW_TIMEOUT, 0, NULL } };
	const struct entry half[] = { { 0, GW_NONE, GW_TIMEOUT, 0, NULL }, { 1, GW_U64, 0, 8, NULL } };
	struct gw_normaliser *nm = make(specs, 2);
	union block b;

	(void)state;
	assert_int_equal(gw_normalise(nm, build(&b, 0, dead, 2), false), GW_SAY);
	assert_int_equal(gw_normalise(nm, build(&b, 1, dead, 2), true), GW_NOTHING);
	assert_int_equal(gw_normalise(nm, build(&b, 2, half, 2), false), GW_SAY);
	assert_int_equal(b.r.count, 2);
	assert_int_equal(gw_normalise(nm, build(&b, 3, half, 2), false), GW_NOTHING);
	gw_normaliser_free(nm);
}

static void a_lost_plugin_makes_all_unknown_and_the_next_reading_full(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE, .has_deadband = true, .deadband = D(5, 0),
					    .max_silence_ms = 60000 };
	const struct gw_point_spec specs[] = { spec, spec };
	struct gw_normaliser *nm = make(specs, 2);
	struct gw_value v;
	unsigned reason;
	int64_t ms;
	union block b;

	(void)state;
	assert_int_equal(feed(nm, &b, 1, 0, GW_U64, 0, 5), GW_SAY);
	assert_false(gw_normaliser_latest(nm, 1, &v, &ms));
	gw_normaliser_lost(nm);
	assert_int_equal(gw_normaliser_state(nm, &reason), GW_STATE_UNKNOWN);
	assert_int_equal(reason, GW_PLUGIN);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(gw_normaliser_latest(nm, i, &v, &ms));
		assert_int_equal(v.kind, GW_NONE);
		assert_int_equal(v.reason, GW_PLUGIN);
	}
	assert_int_equal(feed(nm, &b, 2, 0, GW_U64, 0, 5), GW_SAY);
	assert_int_equal(gw_normaliser_state(nm, &reason), GW_STATE_ONLINE);
	gw_normaliser_free(nm);
}

/* ---- foreign bytes ---- */

static void a_reading_that_lies_changes_nothing(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, ONE };
	const struct gw_point_spec specs[] = { spec, { .kind = GW_ENUM, ONE } };
	struct gw_normaliser *nm = make(specs, 2);
	const struct entry kinds[] = { { 0, GW_I64, 0, 1, NULL }, { 0, GW_TEXT, 0, 0, "a" },
				       { 0, GW_ENUM, 0, 0, NULL }, { 1, GW_ENUM, 0, 0, NULL }, { 2, GW_U64, 0, 0, NULL } };
	struct gw_value v = { .kind = GW_TEXT, .text = "a", .length = 1 };
	unsigned reason;
	int64_t ms;
	union block b;

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++)
		assert_int_equal(gw_normalise(nm, build(&b, 1, &kinds[i], 1), false), GW_LIES);
	gw_normalise_one(nm, 0, &v);
	assert_int_equal(v.kind, GW_NONE);
	assert_int_equal(v.reason, GW_PROTOCOL);
	assert_null(v.text);
	assert_int_equal(gw_normaliser_state(nm, &reason), GW_STATE_UNKNOWN);
	assert_false(gw_normaliser_latest(nm, 0, &v, &ms));
	gw_normaliser_free(nm);
}

static void a_reason_from_the_source_stands_and_takes_the_value_away(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_U64, .scale = D(1, 1), .has_max = true, .max = D(100, 0) };
	struct gw_normaliser *nm = make(&spec, 1);
	union block b;

	(void)state;
	assert_int_equal(feed(nm, &b, 1, 0, GW_U64, GW_NOT_AVAILABLE, 77), GW_SAY);
	assert_entry(&b.r, 0, 0, GW_NONE, GW_NOT_AVAILABLE, 0);
	assert_int_equal(feed(nm, &b, 1, 0, GW_U64, GW_OUT_OF_RANGE, 77), GW_SAY);
	assert_entry(&b.r, 0, 0, GW_F64, GW_OUT_OF_RANGE, bits(7.7));
	gw_normaliser_free(nm);
}

static void a_long_text_is_kept_up_to_a_whole_character(void **state)
{
	const struct gw_point_spec spec = { .kind = GW_TEXT, ONE };
	struct gw_normaliser *nm = make(&spec, 1);
	struct entry e = { 0, GW_TEXT, 0, 0, NULL };
	char text[304];
	struct gw_value v;
	int64_t ms;
	union block b;

	(void)state;
	for (int i = 0; i < 300; i += 3)
		memcpy(text + 1 + i, "ờ", 3);
	text[0] = 'T';
	text[301] = '\0';
	e.text = text;
	assert_int_equal(gw_normalise(nm, build(&b, 1, &e, 1), false), GW_SAY);
	assert_int_equal(gw_reading_value(&b.r, 0).length, 301);
	assert_true(gw_normaliser_latest(nm, 0, &v, &ms));
	assert_int_equal(v.length, 253);
	assert_memory_equal(v.text, text, 253);
	gw_normaliser_free(nm);
}

static uint64_t chance(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Any reading that passes the check comes out as one that passes it again. */
static void whatever_comes_in_a_checked_reading_comes_out(void **state)
{
	const enum gw_kind kinds[] = { GW_BOOL, GW_I64, GW_U64, GW_F32, GW_F64, GW_TEXT };
	const char *const texts[] = { "", "a", "Trạm bơm An Phú", "0123456789" };
	struct gw_point_spec specs[24];
	uint64_t seed = 1234567;
	struct gw_normaliser *nm;

	(void)state;
	for (unsigned i = 0; i < COUNT(specs); i++)
		specs[i] = (struct gw_point_spec){ .kind = kinds[i % 6], .scale = D((int64_t)(i % 5) + 1, (int)(i % 4)),
						   .has_deadband = i % 3 == 0, .deadband = D(1, 0), .max_silence_ms = 50,
						   .labels = i == 7 ? modes : NULL, .nlabels = i == 7 ? 4 : 0 };
	nm = make(specs, COUNT(specs));
	for (int64_t round = 0; round < 100000; round++) {
		struct entry e[COUNT(specs)];
		unsigned n = 0;
		union block b;

		for (unsigned i = 0; i < COUNT(specs); i++) {
			enum gw_kind kind = chance(&seed) % 8 ? specs[i].kind : GW_NONE;
			uint64_t slot = chance(&seed) >> chance(&seed) % 64;

			if (chance(&seed) % 4 == 0)
				continue;
			if (kind == GW_BOOL)
				slot &= 1;
			else if (kind == GW_F32)
				slot = bits((double)(float)(slot % 1000) * 1e30);
			else if (kind == GW_F64)
				slot = bits(ldexp((double)slot, (int)(slot % 900)));
			if (kind == GW_F32)
				slot = bits((double)(float)number(slot));
			e[n++] = (struct entry){ i, kind, kind ? 0 : GW_TIMEOUT, slot,
						 kind == GW_TEXT ? texts[chance(&seed) % 4] : NULL };
		}
		if (gw_normalise(nm, build(&b, round, e, n), round % 100 == 0) == GW_SAY)
			assert_null(gw_reading_check(&b.r, b.r.size, COUNT(specs)));
	}
	gw_normaliser_free(nm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_value_comes_out_exactly),
		cmocka_unit_test(each_point_tells_what_it_publishes),
		cmocka_unit_test(a_change_of_the_deadband_is_said_and_less_is_not),
		cmocka_unit_test(silence_lasts_no_longer_than_allowed),
		cmocka_unit_test(a_change_of_quality_is_always_said),
		cmocka_unit_test(a_point_without_deadband_is_always_said),
		cmocka_unit_test(what_has_nothing_to_say_is_taken_out),
		cmocka_unit_test(full_says_each_point_once_more_even_one_that_is_due_later),
		cmocka_unit_test(a_silent_device_is_said_once_for_each_reason),
		cmocka_unit_test(offline_carries_every_reason_and_the_answer_after_it_is_full),
		cmocka_unit_test(full_does_not_repeat_an_offline_but_is_kept_for_the_answer),
		cmocka_unit_test(a_full_that_met_silence_also_says_what_stays_silent),
		cmocka_unit_test(a_lost_plugin_makes_all_unknown_and_the_next_reading_full),
		cmocka_unit_test(a_reading_that_lies_changes_nothing),
		cmocka_unit_test(a_reason_from_the_source_stands_and_takes_the_value_away),
		cmocka_unit_test(a_long_text_is_kept_up_to_a_whole_character),
		cmocka_unit_test(whatever_comes_in_a_checked_reading_comes_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
