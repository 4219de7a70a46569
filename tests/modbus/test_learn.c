#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/learn.h"

enum { POINTS_MAX = 300, ILLEGAL = GW_EXCEPTION_0 | 2 };
#define HOUR_US (INT64_C(3600) * 1000 * 1000)

/* A device that refuses what touches a forbidden register, or is too long, or crosses. */
struct fake {
	unsigned forbidden[8], nforbidden;
	unsigned most;      /* registers in one answer; 0: 125 */
	unsigned crossing;  /* no request may contain this address and the one before; 0: none */
	unsigned refusal;   /* reason it refuses with; 0: ILLEGAL */
	unsigned always;    /* every request ends with it; 0: none */
	unsigned asked, refused;
};

static unsigned ask(struct fake *f, const struct mb_request *r)
{
	unsigned no = f->refusal ? f->refusal : ILLEGAL, end = r->address + (unsigned)r->count;

	f->asked++;
	if (f->always)
		return f->always;
	f->refused++;
	for (unsigned i = 0; i < f->nforbidden; i++)
		if (f->forbidden[i] >= r->address && f->forbidden[i] < end)
			return no;
	if (r->count > (f->most ? f->most : 125) || (r->address < f->crossing && f->crossing < end))
		return no;
	f->refused--;
	return GW_GOOD;
}

struct bench {
	struct gw_arena *arena;
	struct mb_span spans[POINTS_MAX];
	uint16_t due[POINTS_MAX];
	unsigned n;
	struct mb_limits limits;
	struct mb_rules rules;
	struct mb_learner *learner;
	struct mb_plan *plan;
	int64_t now_us;
	unsigned reasons[POINTS_MAX];
};

static void open_bench(struct bench *b)
{
	b->arena = gw_arena_new();
	b->limits = (struct mb_limits){ 125, 2000, b->limits.max_gap, false };
	for (unsigned i = 0; i < b->n; i++)
		b->due[i] = (uint16_t)i;
	b->plan = mb_plan_new(b->arena, b->n);
	b->learner = mb_learner_new(b->arena, b->spans, b->n, &b->limits, &b->rules);
}

static void run_of(struct bench *b, unsigned n)
{
	*b = (struct bench){ .n = n };
	for (unsigned i = 0; i < n; i++)
		b->spans[i] = (struct mb_span){ MB_HOLDING, (uint16_t)i, 1 };
	open_bench(b);
}

static void close_bench(struct bench *b)
{
	mb_learner_free(b->learner);
	gw_arena_free(b->arena);
}

static void run_plan(struct bench *b, struct fake *f, const struct mb_plan *plan)
{
	for (unsigned i = 0; i < plan->nskips; i++)
		b->reasons[plan->skips[i].point] = plan->skips[i].reason;
	for (unsigned i = 0; i < plan->nrequests; i++) {
		const struct mb_request *r = &plan->requests[i];
		unsigned reason = ask(f, r);

		mb_learner_result(b->learner, plan, i, reason);
		for (unsigned k = r->first; k < r->first + (unsigned)r->places; k++)
			if (!reason || !mb_learner_has(b->learner, plan->places[k].point))
				b->reasons[plan->places[k].point] = reason;
	}
}

/* A cycle, as the source does it. */
static void cycle(struct bench *b, struct fake *f)
{
	const struct mb_plan *plan;

	f->asked = f->refused = 0;
	mb_learner_begin(b->learner, b->due, b->n);
	plan = mb_learner_careful(b->learner);
	if (!plan) {
		mb_plan_fill(b->plan, &(struct mb_wish){ b->spans, b->due, b->n, &b->limits, &b->rules });
		plan = b->plan;
	}
	do {
		struct mb_plan now = *plan; /* the next one may use the same memory */

		run_plan(b, f, &now);
		plan = mb_learner_next(b->learner, b->now_us);
	} while (plan);
	b->now_us += 1000 * 1000;
}

static bool is_legal(const struct fake *f, const struct mb_span *s)
{
	struct fake copy = *f;

	return ask(&copy, &(struct mb_request){ .function = 3, .address = s->address,
						.count = s->width }) == GW_GOOD;
}

static void assert_legal_points_are_good(const struct bench *b, const struct fake *f)
{
	for (unsigned i = 0; i < b->n; i++) {
		unsigned want = is_legal(f, &b->spans[i]) ? GW_GOOD : ILLEGAL;

		if (b->reasons[i] != want)
			print_error("point %u: %s\n", i, gw_reason_name(b->reasons[i]));
		assert_int_equal(b->reasons[i], want);
	}
}

static unsigned log2_up(unsigned n)
{
	unsigned k = 0;

	while (1U << k < n)
		k++;
	return k;
}

static void a_hole_costs_at_most_log2_of_n_refusals_and_then_nothing(void **state)
{
	(void)state;
	for (unsigned n = 1; n <= 125; n += n < 20 ? 1 : 21)
		for (unsigned hole = 0; hole < n; hole++) {
			struct fake f = { .forbidden = { hole }, .nforbidden = 1 };
			struct bench b;

			run_of(&b, n);
			cycle(&b, &f);
			assert_legal_points_are_good(&b, &f);
			assert_true(f.refused <= 1 + log2_up(n));
			assert_true(f.asked <= 1 + log2_up(n) + 2);
			cycle(&b, &f);
			assert_legal_points_are_good(&b, &f);
			assert_int_equal(f.asked, n == 1 || hole == 0 || hole == n - 1 ? 1 : 2);
			assert_int_equal(f.refused, n == 1);
			close_bench(&b);
		}
}

static void several_holes_are_each_found(void **state)
{
	static const struct {
		struct fake f;
		unsigned n, requests;
	} cases[] = {
		{ { .forbidden = { 3, 40, 41, 99 }, .nforbidden = 4 }, 100, 3 },
		{ { .forbidden = { 0, 1, 2, 124 }, .nforbidden = 4 }, 125, 1 },
		{ { .forbidden = { 1, 3, 5, 7 }, .nforbidden = 4 }, 9, 5 },
		{ { .forbidden = { 130, 260 }, .nforbidden = 2 }, 300, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake f = cases[i].f;
		struct bench b;

		run_of(&b, cases[i].n);
		cycle(&b, &f);
		assert_legal_points_are_good(&b, &f);
		assert_true(f.refused <= f.nforbidden * (1 + log2_up(cases[i].n)));
		cycle(&b, &f);
		assert_legal_points_are_good(&b, &f);
		assert_int_equal(f.asked, cases[i].requests);
		assert_int_equal(f.refused, 0);
		close_bench(&b);
	}
}

static void the_longest_block_is_found(void **state)
{
	(void)state;
	for (unsigned most = 1; most < 60; most++) {
		struct fake f = { .most = most, .refusal = GW_EXCEPTION_0 | 3 };
		struct bench b;

		run_of(&b, 120);
		cycle(&b, &f);
		assert_legal_points_are_good(&b, &f);
		assert_true(f.refused <= 2 + log2_up(120));
		assert_int_equal(mb_learner_learned(b.learner)->count, 1);
		assert_int_equal(mb_learner_learned(b.learner)->lessons[0].kind, MB_LIMIT);
		assert_int_equal(mb_learner_learned(b.learner)->lessons[0].most, most);
		cycle(&b, &f);
		assert_int_equal(f.asked, (120 + most - 1) / most);
		assert_int_equal(f.refused, 0);
		close_bench(&b);
	}
}

static void a_limit_and_holes_together_are_learned(void **state)
{
	struct fake f = { .most = 16, .forbidden = { 5, 50 }, .nforbidden = 2 };
	struct bench b;

	(void)state;
	run_of(&b, 100);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	assert_int_equal(f.refused, 0);
	/* 0-4, 6-21, 22-37, 38-49, 51-66, 67-82, 83-98, 99 */
	assert_int_equal(f.asked, 8);
	close_bench(&b);
}

static void a_place_that_cannot_be_crossed_is_no_hole(void **state)
{
	struct fake f = { .crossing = 60 };
	struct bench b;

	(void)state;
	run_of(&b, 100);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	assert_int_equal(f.asked, 2);
	assert_int_equal(f.refused, 0);
	assert_int_equal(mb_learner_learned(b.learner)->lessons[0].kind, MB_WALL);
	close_bench(&b);
}

static void a_hole_between_points_is_read_around(void **state)
{
	struct fake f = { .forbidden = { 5 }, .nforbidden = 1 };
	struct bench b = { .n = 10, .limits = { .max_gap = 4 } };

	(void)state;
	for (unsigned i = 0; i < b.n; i++)
		b.spans[i] = (struct mb_span){ MB_HOLDING, (uint16_t)(i * 2), 1 };
	open_bench(&b);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	assert_int_equal(f.asked, 2);
	close_bench(&b);
}

static void wide_and_overlapping_points_are_told_apart(void **state)
{
	struct fake f = { .forbidden = { 5 }, .nforbidden = 1 };
	/* 4-7 has the hole, 4 alone does not; the bits of 5 are all gone */
	struct bench b = { .n = 9,
			   .spans = { { MB_HOLDING, 0, 2 }, { MB_HOLDING, 2, 2 }, { MB_HOLDING, 4, 4 },
				      { MB_HOLDING, 4, 1 }, { MB_HOLDING, 5, 1 }, { MB_HOLDING, 5, 1 },
				      { MB_HOLDING, 5, 1 }, { MB_HOLDING, 6, 2 }, { MB_HOLDING, 8, 2 } } };

	(void)state;
	open_bench(&b);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	assert_int_equal(f.asked, 2);
	assert_int_equal(f.refused, 0);
	close_bench(&b);
}

static void every_small_device_is_learned(void **state)
{
	(void)state;
	for (unsigned map = 0; map < 1U << 10; map++)
		for (unsigned most = 1; most <= 10; most++) {
			struct fake f = { .most = most };
			struct bench b;
			unsigned legal = 0;

			for (unsigned i = 0; i < 10; i++)
				if (map >> i & 1 && f.nforbidden < 8)
					f.forbidden[f.nforbidden++] = i;
			run_of(&b, 10);
			cycle(&b, &f);
			assert_legal_points_are_good(&b, &f);
			cycle(&b, &f);
			assert_legal_points_are_good(&b, &f);
			for (unsigned i = 0; i < 10; i++)
				legal += is_legal(&f, &b.spans[i]);
			if (legal)
				assert_int_equal(f.refused, 0);
			close_bench(&b);
		}
}

static void other_failures_teach_nothing(void **state)
{
	static const unsigned reasons[] = { GW_EXCEPTION_0 | 1, GW_EXCEPTION_0 | 4, GW_EXCEPTION_0 | 6,
					    GW_EXCEPTION_0 | 11, GW_CRC, GW_PROTOCOL, GW_NO_CONNECTION };

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct fake f = { .always = reasons[i] };
		struct bench b;

		run_of(&b, 100);
		for (int k = 0; k < 2; k++) {
			cycle(&b, &f);
			assert_int_equal(f.asked, 1);
		}
		assert_int_equal(mb_learner_learned(b.learner)->count, 0);
		close_bench(&b);
	}
}

/* Two blocks; the second holds an address that is refused as if the function were unknown. */
static void an_unknown_function_is_learned_as_a_hole_where_it_has_worked(void **state)
{
	struct fake f = { .forbidden = { 205 }, .nforbidden = 1, .refusal = GW_EXCEPTION_0 | 1 };
	struct bench b = { .n = 20 };

	(void)state;
	for (unsigned i = 0; i < b.n; i++)
		b.spans[i] = (struct mb_span){ MB_HOLDING, (uint16_t)(i < 10 ? i : 190 + i), 1 };
	open_bench(&b);
	cycle(&b, &f);
	for (unsigned i = 0; i < b.n; i++)
		assert_int_equal(b.reasons[i], i == 15 ? GW_EXCEPTION_0 | 1 : GW_GOOD);
	cycle(&b, &f);
	assert_int_equal(f.refused, 0);
	assert_int_equal(f.asked, 3);
	close_bench(&b);
}

static void a_dead_device_is_asked_one_request_and_learned_nothing_of(void **state)
{
	struct fake f = { .always = GW_TIMEOUT };
	struct bench b;

	(void)state;
	run_of(&b, 100);
	for (int k = 0; k < 10; k++)
		cycle(&b, &f);
	assert_int_equal(mb_learner_learned(b.learner)->count, 0);
	f.always = 0;
	cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	cycle(&b, &f);
	assert_int_equal(f.asked, 1);
	close_bench(&b);
}

static void silence_on_a_long_request_is_learned_when_short_ones_are_answered(void **state)
{
	struct fake f = { .most = 60, .refusal = GW_TIMEOUT };
	struct bench b;

	(void)state;
	run_of(&b, 80);
	for (int k = 0; k < 6; k++)
		cycle(&b, &f);
	assert_legal_points_are_good(&b, &f);
	cycle(&b, &f);
	assert_int_equal(f.asked, 2);
	assert_int_equal(f.refused, 0);
	close_bench(&b);
}

static void what_was_learned_is_tried_again_after_an_hour_then_daily(void **state)
{
	struct fake f = { .forbidden = { 7 }, .nforbidden = 1 };
	struct bench b;
	int64_t begun;

	(void)state;
	run_of(&b, 20);
	cycle(&b, &f);
	begun = b.now_us - 1000 * 1000;
	b.now_us = begun + HOUR_US - 1;
	cycle(&b, &f);
	assert_int_equal(f.asked, 2);
	cycle(&b, &f); /* an hour has passed */
	assert_int_equal(f.asked, 3);
	assert_legal_points_are_good(&b, &f);
	b.now_us = begun + 24 * HOUR_US;
	cycle(&b, &f);
	assert_int_equal(f.asked, 2);
	b.now_us = begun + 26 * HOUR_US;
	f.nforbidden = 0;
	cycle(&b, &f);
	assert_int_equal(f.asked, 3);
	assert_legal_points_are_good(&b, &f);
	cycle(&b, &f);
	assert_int_equal(f.asked, 1);
	close_bench(&b);
}

static void barriers_and_exact_blocks_are_kept(void **state)
{
	static const int64_t barriers[] = { 4, 6 };
	struct fake f = { 0 };
	struct bench b;

	(void)state;
	run_of(&b, 10);
	b.rules.barriers = barriers;
	b.rules.nbarriers = 2;
	cycle(&b, &f);
	assert_int_equal(f.asked, 3);
	assert_int_equal(b.plan->requests[1].address, 4);
	assert_int_equal(b.plan->requests[1].count, 2);
	b.rules.nbarriers = 0;
	b.rules.exact = true;
	b.spans[1] = b.spans[0];
	cycle(&b, &f);
	assert_int_equal(f.asked, 9);
	assert_int_equal(b.plan->requests[0].places, 2);
	close_bench(&b);
}

static void what_was_learned_survives_as_bytes(void **state)
{
	struct fake f = { .most = 16, .forbidden = { 5, 50 }, .nforbidden = 2 };
	uint8_t bytes[MB_LEARNED_BYTES];
	struct bench a, b;
	size_t n;

	(void)state;
	run_of(&a, 100);
	run_of(&b, 100);
	cycle(&a, &f);
	n = mb_learned_encode(mb_learner_learned(a.learner), bytes);
	assert_int_equal(n, 2 + 3 * 9);
	assert_int_equal(mb_learned_decode(mb_learner_learned(b.learner), bytes, n, 0), 0);
	cycle(&b, &f);
	assert_int_equal(f.asked, 8);
	assert_int_equal(f.refused, 0);
	assert_legal_points_are_good(&b, &f);
	close_bench(&a);
	close_bench(&b);
}

static void bytes_that_are_not_ours_teach_nothing(void **state)
{
	static const uint8_t good[] = { 1, 1, MB_HOLE, 3, ILLEGAL, 0, 5, 0, 1, 0, 0 };
	static const struct {
		size_t at;
		uint8_t value;
	} lies[] = { { 0, 2 }, { 1, 2 }, { 2, 3 }, { 3, 0 }, { 3, 5 }, { 4, 0 }, { 4, GW_CRC },
		     { 8, 0 }, { 8, 126 }, { 10, 1 }, { 2, MB_LIMIT } };
	struct mb_learned l = { 0 };

	(void)state;
	assert_int_equal(mb_learned_decode(&l, good, sizeof(good), 0), 0);
	assert_int_equal(l.count, 1);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint8_t bad[sizeof(good)];

		memcpy(bad, good, sizeof(good));
		bad[lies[i].at] = lies[i].value;
		assert_int_equal(mb_learned_decode(&l, bad, sizeof(bad), 0), -1);
		assert_int_equal(l.count, 0);
	}
	for (size_t n = 0; n < sizeof(good); n++)
		assert_int_equal(mb_learned_decode(&l, good, n, 0), -1);
	mb_learned_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hole_costs_at_most_log2_of_n_refusals_and_then_nothing),
		cmocka_unit_test(several_holes_are_each_found),
		cmocka_unit_test(the_longest_block_is_found),
		cmocka_unit_test(a_limit_and_holes_together_are_learned),
		cmocka_unit_test(a_place_that_cannot_be_crossed_is_no_hole),
		cmocka_unit_test(a_hole_between_points_is_read_around),
		cmocka_unit_test(wide_and_overlapping_points_are_told_apart),
		cmocka_unit_test(every_small_device_is_learned),
		cmocka_unit_test(other_failures_teach_nothing),
		cmocka_unit_test(an_unknown_function_is_learned_as_a_hole_where_it_has_worked),
		cmocka_unit_test(a_dead_device_is_asked_one_request_and_learned_nothing_of),
		cmocka_unit_test(silence_on_a_long_request_is_learned_when_short_ones_are_answered),
		cmocka_unit_test(what_was_learned_is_tried_again_after_an_hour_then_daily),
		cmocka_unit_test(barriers_and_exact_blocks_are_kept),
		cmocka_unit_test(what_was_learned_survives_as_bytes),
		cmocka_unit_test(bytes_that_are_not_ours_teach_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
