/* fold: against a straightforward reference that keeps every value; joins; the codec's check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/fold.h"

#define START INT64_C(1763760000000) /* a whole minute */

enum { POINTS = 8, MOST = 700 };

static void assert_near(double a, double b, double most)
{
	if (!(fabs(a - b) <= most))
		fail_msg("%.17g is not %.17g", a, b);
}

/* ---- readings made by hand ---- */

struct value { /* of one point in one reading */
	bool there;
	enum gw_kind kind;
	unsigned reason;
	uint64_t slot;
	char text[8];
};

struct sample {
	int64_t t; /* ms from START */
	struct value v[POINTS];
};

static uint64_t bits(double d)
{
	uint64_t u;

	memcpy(&u, &d, sizeof(u));
	return u;
}

static struct gw_reading *made(const struct sample *s, uint64_t seq)
{
	struct gw_reading *r = calloc(1, 512);
	unsigned n = 0;
	size_t text = 0;
	char *to;

	for (unsigned i = 0; i < POINTS; i++)
		r->count = (uint16_t)(r->count + s->v[i].there);
	to = gw_reading_text(r);
	for (unsigned i = 0; i < POINTS; i++) {
		const struct value *v = &s->v[i];
		uint64_t slot = v->kind == GW_TEXT ? text << 16 | strlen(v->text) : v->slot;

		if (!v->there)
			continue;
		gw_reading_tags(r)[n] = gw_tag(i, v->kind, v->reason);
		gw_reading_slots(r)[n++] = slot;
		if (v->kind == GW_TEXT) {
			memcpy(to + text, v->text, strlen(v->text));
			text += strlen(v->text);
		}
	}
	r->text_size = (uint16_t)text;
	r->size = (uint32_t)((size_t)(to - (char *)r) + ((text + 7) & ~(size_t)7));
	r->layout = 1;
	r->device = 3;
	r->boot = 1;
	r->seq = seq;
	r->ts_ms = START + s->t;
	r->mono_ms = 5000 + s->t;
	assert_null(gw_reading_check(r, r->size, POINTS));
	return r;
}

static bool add(struct gw_fold *f, const struct sample *s, uint64_t seq)
{
	struct gw_reading *r = made(s, seq);
	bool taken = gw_fold_add(f, r);

	free(r);
	return taken;
}

static struct sample number_at(int64_t t, double v)
{
	struct sample s = { .t = t };

	s.v[0] = (struct value){ true, GW_F64, GW_GOOD, bits(v), "" };
	return s;
}

static struct sample bad_at(int64_t t, unsigned reason)
{
	struct sample s = { .t = t };

	s.v[0] = (struct value){ true, GW_NONE, reason, 0, "" };
	return s;
}

static const struct gw_window_point *point_of(const struct gw_window *w, unsigned index)
{
	for (unsigned i = 0; i < w->points; i++)
		if (gw_window_points(w)[i].index == index)
			return &gw_window_points(w)[i];
	return NULL;
}

static struct gw_window *whole(struct gw_fold *f)
{
	struct gw_window *w = gw_fold_take(f);

	assert_non_null(w);
	assert_null(gw_window_check(w, w->size, POINTS));
	assert_int_equal(w->crc, gw_window_crc(w));
	return w;
}

/* ---- by hand ---- */

static void a_mean_is_weighted_by_the_time_that_values_held(void **state)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	struct sample s[] = { number_at(0, 10), number_at(1000, 20), number_at(10000, 40), number_at(20000, 50) };
	struct gw_window *w;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_true(add(f, &s[i], 100 + i));
	w = whole(f);
	assert_int_equal(w->from, 100);
	assert_int_equal(w->to, 103);
	assert_int_equal(w->readings, 4);
	assert_int_equal(w->ts_from_ms, START);
	assert_int_equal(w->ts_to_ms, START + 20000);
	assert_int_equal(point_of(w, 0)->n, 4);
	/* 10 for 1 s, 20 for 9 s, 40 for 10 s; 50 only in the last moment */
	assert_near(gw_window_mean(w, point_of(w, 0)), (10 + 180 + 400) / 20.0, 1e-9);
	free(w);
	gw_fold_free(f);
}

static void a_gap_weighs_nothing_and_what_did_not_move_holds_to_the_end(void **state)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	struct sample s[] = { number_at(0, 10), bad_at(2000, GW_TIMEOUT), bad_at(3000, GW_TIMEOUT),
			      bad_at(4000, GW_EXCEPTION_0 | 2), number_at(8000, 30), { .t = 18000 } };
	const struct gw_window_quality *q;
	struct gw_window *w;

	(void)state;
	s[5].v[1] = (struct value){ true, GW_BOOL, GW_GOOD, 1, "" }; /* point 0 had nothing to say */
	for (size_t i = 0; i < 6; i++)
		assert_true(add(f, &s[i], 1 + i));
	w = whole(f);
	q = gw_window_qualities(w);
	assert_int_equal(point_of(w, 0)->n, 2);
	assert_near(gw_window_mean(w, point_of(w, 0)), (10 * 2 + 30 * 10) / 12.0, 1e-9);
	assert_int_equal(w->qualities, 2);
	assert_string_equal(gw_reason_name(q[0].reason), "timeout");
	assert_int_equal(q[0].n, 2);
	assert_string_equal(gw_reason_name(q[1].reason), "exception_2");
	assert_int_equal(q[1].n, 1);
	free(w);
	gw_fold_free(f);
}

static void what_is_out_of_range_counts_as_a_reason_and_not_as_a_value(void **state)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	struct sample s[] = { number_at(0, 10), number_at(1000, 9999), number_at(2000, 12) };
	struct gw_window *w;

	(void)state;
	s[1].v[0].reason = GW_OUT_OF_RANGE;
	for (size_t i = 0; i < 3; i++)
		assert_true(add(f, &s[i], 1 + i));
	w = whole(f);
	assert_int_equal(point_of(w, 0)->n, 2);
	assert_int_equal(point_of(w, 0)->max, bits(12));
	assert_near(gw_window_mean(w, point_of(w, 0)), 10, 1e-9);
	assert_int_equal(gw_window_qualities(w)[0].reason, GW_OUT_OF_RANGE);
	free(w);
	gw_fold_free(f);
}

static void totals_beyond_2_to_the_53_stay_exact(void **state)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	uint64_t totals[] = { UINT64_C(9007199254740993), UINT64_C(9007199254740995), UINT64_MAX };
	struct gw_window *w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sample s = { .t = (int64_t)i * 1000 };

		s.v[0] = (struct value){ true, i < 2 ? GW_I64 : GW_U64, GW_GOOD, totals[i], "" };
		assert_true(add(f, &s, 1 + i));
	}
	w = whole(f);
	assert_int_equal(point_of(w, 0)->min, totals[0]);
	assert_int_equal(point_of(w, 0)->max, totals[2]);
	assert_int_equal(point_of(w, 0)->max_kind, GW_U64);
	assert_int_equal(point_of(w, 0)->last, totals[2]);
	free(w);
	gw_fold_free(f);
}

static void the_largest_numbers_do_not_overflow_the_mean(void **state)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	struct sample s[] = { number_at(0, 1.7e308), number_at(10000, -1.7e308), number_at(20000, 0) };
	struct gw_window *w;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_true(add(f, &s[i], 1 + i));
	w = whole(f);
	assert_true(isfinite(gw_window_mean(w, point_of(w, 0))));
	assert_true(fabs(gw_window_mean(w, point_of(w, 0))) < 1e300);
	free(w);
	gw_fold_free(f);
}

static void a_window_ends_where_its_readings_do_not_belong_together(void **state)
{
	static const struct {
		const char *what;
		int64_t ts, mono;
		uint64_t seq;
		uint32_t layout, boot;
		uint16_t flags;
		bool continues;
	} cases[] = {
		{ "the next reading", 59999, 59999, 8, 1, 1, 0, true },
		{ "the device was offline", 59999, 59999, 8, 1, 1, GW_READING_OFFLINE, true },
		{ "the next minute", 60000, 60000, 8, 1, 1, 0, false },
		{ "a clock set back", -1, 2000, 8, 1, 1, 0, false },
		{ "a number between them", 2000, 2000, 9, 1, 1, 0, false },
		{ "other names", 2000, 2000, 8, 2, 1, 0, false },
		{ "another boot", 2000, 2000, 8, 1, 2, 0, false },
		{ "no trust in the clock", 2000, 2000, 8, 1, 1, GW_READING_UNSYNCED, false },
		{ "a clock that stood still", 2000, 500000, 8, 1, 1, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
		struct sample first = number_at(1000, 1), second = number_at(2000, 2);
		struct gw_reading *r = made(&second, cases[i].seq);

		r->ts_ms = START + cases[i].ts;
		r->mono_ms = 5000 + cases[i].mono;
		r->layout = cases[i].layout;
		r->boot = cases[i].boot;
		r->flags = cases[i].flags;
		assert_true(add(f, &first, 7));
		if (gw_fold_add(f, r) != cases[i].continues)
			fail_msg("%s", cases[i].what);
		free(r);
		gw_fold_free(f);
	}
}

static void texts_that_have_no_room_are_left_out(void **state)
{
	enum { MANY = 1000, LONG = 40 };
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	struct gw_reading *r = calloc(1, GW_READING_MAX);
	struct gw_window *w;
	unsigned left = 0, out = 0;

	(void)state;
	r->count = MANY;
	r->text_size = MANY * LONG;
	for (unsigned i = 0; i < MANY; i++) {
		gw_reading_tags(r)[i] = gw_tag(i, GW_TEXT, GW_GOOD);
		gw_reading_slots(r)[i] = (uint64_t)(i * LONG) << 16 | LONG;
	}
	memset(gw_reading_text(r), 'x', MANY * LONG);
	r->size = (uint32_t)(gw_reading_text(r) + MANY * LONG - (char *)r);
	*r = (struct gw_reading){ .size = r->size, .count = MANY, .text_size = MANY * LONG, .seq = 1,
				  .ts_ms = START, .layout = 1 };
	assert_null(gw_reading_check(r, r->size, MANY));
	assert_true(gw_fold_add(f, r));
	w = gw_fold_take(f);
	assert_null(gw_window_check(w, w->size, MANY));
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(gw_window_points(w)[i].n, 1);
		left += gw_window_points(w)[i].last_kind == GW_TEXT;
		out += gw_window_points(w)[i].last_kind == GW_NONE;
	}
	assert_int_equal(left + out, MANY);
	assert_in_range(left, 200, 300);
	free(w);
	free(r);
	gw_fold_free(f);
}

/* ---- against the reference ---- */

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % sides;
}

static struct value some_value(unsigned point)
{
	static const enum gw_kind kinds[POINTS] = { GW_F64, GW_F32, GW_I64, GW_U64, GW_BOOL, GW_TEXT, GW_ENUM, GW_F64 };
	static const unsigned reasons[] = { GW_TIMEOUT, GW_CRC, GW_NOT_AVAILABLE, GW_EXCEPTION_0 | 6 };
	struct value v = { .there = dice(100) < 80, .kind = kinds[point], .reason = GW_GOOD };

	if (dice(100) < 15) {
		v.kind = GW_NONE;
		v.reason = reasons[dice(4)];
		return v;
	}
	if (v.kind == GW_F64 || v.kind == GW_F32)
		v.slot = bits((double)(float)(dice(100000) / 7.0 - 3000));
	else if (v.kind == GW_I64)
		v.slot = (uint64_t)((int64_t)dice(2000) - 1000);
	else if (v.kind == GW_BOOL)
		v.slot = dice(2);
	else if (v.kind == GW_TEXT)
		snprintf(v.text, sizeof(v.text), "t%u", dice(1000));
	else
		v.slot = dice(50);
	if (v.kind == GW_F64 && dice(100) < 5)
		v.reason = GW_OUT_OF_RANGE;
	return v;
}

static double number_of(const struct value *v)
{
	double d;

	if (v->kind == GW_I64)
		return (double)(int64_t)v->slot;
	if (v->kind == GW_U64)
		return (double)v->slot;
	memcpy(&d, &v->slot, sizeof(d));
	return d;
}

struct truth {
	unsigned n, bad[256];
	double min, max, sum, time;
	const struct value *last;
};

/* Every value, one after the other, and how long each held. */
static struct truth truth_of(const struct sample *s, size_t n, unsigned point)
{
	struct truth t = { .min = INFINITY, .max = -INFINITY };

	for (size_t i = 0; i < n; i++) {
		const struct value *v = &s[i].v[point];
		size_t next = i + 1;

		if (!v->there)
			continue;
		if (v->reason != GW_GOOD) {
			t.bad[v->reason]++;
			continue;
		}
		while (next < n - 1 && !s[next].v[point].there)
			next++;
		t.n++;
		t.last = v;
		t.min = fmin(t.min, number_of(v));
		t.max = fmax(t.max, number_of(v));
		if (next < n) {
			t.sum += number_of(v) * (double)(s[next].t - s[i].t);
			t.time += (double)(s[next].t - s[i].t);
		}
	}
	return t;
}

static void compare_last(const struct gw_window *w, const struct gw_window_point *p, const struct truth *t)
{
	assert_int_equal(p->last_kind, t->last->kind);
	if (p->last_kind != GW_TEXT) {
		assert_int_equal(p->last, t->last->slot);
		return;
	}
	assert_int_equal(p->last & 0xffff, strlen(t->last->text));
	assert_memory_equal(gw_window_text(w) + (p->last >> 16), t->last->text, p->last & 0xffff);
}

static void compare_reasons(const struct gw_window *w, unsigned point, const struct truth *t)
{
	const struct gw_window_quality *q = gw_window_qualities(w);
	unsigned found[256] = { 0 };

	for (uint32_t i = 0; i < w->qualities; i++)
		if (q[i].index == point)
			found[q[i].reason] = q[i].n;
	assert_memory_equal(found, t->bad, sizeof(found));
}

static void compare(const struct gw_window *w, const struct sample *s, size_t n)
{
	for (unsigned i = 0; i < POINTS; i++) {
		struct truth t = truth_of(s, n, i);
		const struct gw_window_point *p = point_of(w, i);

		compare_reasons(w, i, &t);
		assert_int_equal(p ? p->n : 0, t.n);
		if (t.n == 0)
			continue;
		compare_last(w, p, &t);
		if (p->min_kind == GW_NONE)
			continue;
		struct value low = { .kind = (enum gw_kind)p->min_kind, .slot = p->min };
		struct value high = { .kind = (enum gw_kind)p->max_kind, .slot = p->max };

		assert_true(number_of(&low) == t.min && number_of(&high) == t.max);
		assert_near(gw_window_mean(w, p), t.time > 0 ? t.sum / t.time : number_of(t.last), 1e-6);
	}
}

/* Up to 600 readings within ten minutes. */
static size_t some_samples(struct sample *s, int64_t span)
{
	size_t n = 0;
	int64_t t = dice(2000);

	while (t < span && n < MOST) {
		s[n].t = t;
		for (unsigned i = 0; i < POINTS; i++)
			s[n].v[i] = some_value(i);
		n++;
		t += 1 + dice(3000);
	}
	return n;
}

static void folding_agrees_with_the_reference(void **state)
{
	static struct sample s[MOST];

	(void)state;
	for (seed = 1; seed < 200000; seed += 997) {
		struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
		size_t n = some_samples(s, GW_MINUTE_MS);
		struct gw_window *w;

		for (size_t i = 0; i < n; i++)
			assert_true(add(f, &s[i], 1 + i));
		w = whole(f);
		compare(w, s, n);
		free(w);
		gw_fold_free(f);
	}
}

/* Pieces of any length, joined to minutes, joined to ten: as if all had been folded at once. */
static void joining_pieces_agrees_with_the_reference(void **state)
{
	static struct sample s[MOST];

	(void)state;
	for (seed = 3; seed < 60000; seed += 1499) {
		struct gw_fold *piece = gw_fold_new(GW_MINUTE_MS), *ten = gw_fold_new(GW_TEN_MINUTES_MS);
		size_t n = some_samples(s, GW_TEN_MINUTES_MS);
		struct gw_window *w;

		for (size_t i = 0; i < n; i++) {
			bool cut = dice(10) == 0, taken = !cut && add(piece, &s[i], 1 + i);

			if (taken)
				continue;
			w = gw_fold_take(piece);
			assert_true(!w || gw_fold_join(ten, w));
			free(w);
			assert_true(add(piece, &s[i], 1 + i));
		}
		w = whole(piece);
		assert_true(gw_fold_join(ten, w));
		free(w);
		w = whole(ten);
		assert_int_equal(w->window_ms, GW_TEN_MINUTES_MS);
		assert_int_equal(w->readings, n);
		compare(w, s, n);
		free(w);
		gw_fold_free(piece);
		gw_fold_free(ten);
	}
}

static void a_window_of_the_next_ten_minutes_does_not_join(void **state)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS), *ten = gw_fold_new(GW_TEN_MINUTES_MS);
	struct sample a = number_at(9 * GW_MINUTE_MS, 1), b = number_at(10 * GW_MINUTE_MS, 2);
	struct gw_window *w[2];

	(void)state;
	/* START is 20 minutes past an hour's ten: its slot begins there */
	assert_int_equal(START % GW_TEN_MINUTES_MS, 0);
	assert_true(add(f, &a, 1));
	w[0] = whole(f);
	assert_true(add(f, &b, 2));
	w[1] = whole(f);
	assert_true(gw_fold_join(ten, w[0]));
	assert_false(gw_fold_join(ten, w[1]));
	free(w[0]);
	free(w[1]);
	gw_fold_free(f);
	gw_fold_free(ten);
}

/* ---- foreign bytes ---- */

static void changed_bytes_are_refused_or_harmless(void **state)
{
	static struct sample s[MOST];
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS), *into = gw_fold_new(GW_MINUTE_MS);
	struct gw_window *w;
	unsigned passed = 0, refused = 0;

	(void)state;
	seed = 42;
	for (size_t i = 0, n = some_samples(s, GW_MINUTE_MS); i < n; i++)
		add(f, &s[i], 1 + i);
	w = whole(f);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned char *bytes = malloc(w->size);
		struct gw_window *copy = (struct gw_window *)(void *)bytes;

		memcpy(bytes, w, w->size);
		for (unsigned k = 0; k <= dice(3); k++)
			bytes[dice(w->size)] = (unsigned char)dice(256);
		if (gw_window_check(copy, w->size, POINTS)) {
			refused++;
		} else { /* then it must be usable, whatever it says */
			struct gw_window *again;

			passed++;
			assert_true(gw_fold_join(into, copy));
			again = gw_fold_take(into);
			for (unsigned k = 0; k < again->points; k++)
				if (gw_window_points(again)[k].min_kind != GW_NONE)
					assert_true(isfinite(gw_window_mean(again, &gw_window_points(again)[k])));
			free(again);
		}
		free(bytes);
	}
	assert_true(passed > 100 && refused > 1000);
	for (uint32_t size = 0; size < w->size; size += 8)
		assert_non_null(gw_window_check(w, size, POINTS));
	assert_string_equal(gw_window_check(w, w->size, POINTS - 1), "window has more points than its device");
	free(w);
	gw_fold_free(f);
	gw_fold_free(into);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mean_is_weighted_by_the_time_that_values_held),
		cmocka_unit_test(a_gap_weighs_nothing_and_what_did_not_move_holds_to_the_end),
		cmocka_unit_test(what_is_out_of_range_counts_as_a_reason_and_not_as_a_value),
		cmocka_unit_test(totals_beyond_2_to_the_53_stay_exact),
		cmocka_unit_test(the_largest_numbers_do_not_overflow_the_mean),
		cmocka_unit_test(a_window_ends_where_its_readings_do_not_belong_together),
		cmocka_unit_test(texts_that_have_no_room_are_left_out),
		cmocka_unit_test(folding_agrees_with_the_reference),
		cmocka_unit_test(joining_pieces_agrees_with_the_reference),
		cmocka_unit_test(a_window_of_the_next_ten_minutes_does_not_join),
		cmocka_unit_test(changed_bytes_are_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
