#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "plugins/modbus/plan.h"

enum { POINTS_MAX = 300 };

static const struct mb_limits standard = { .max_registers = 125, .max_bits = 2000 };

/* "3:0+100 3:100+30": function, address and count of each request. */
static const char *show(const struct mb_plan *plan)
{
	static char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < plan->nrequests; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u:%u+%u", i ? " " : "",
				      plan->requests[i].function, plan->requests[i].address,
				      plan->requests[i].count);
	return text;
}

/* Each point is read whole, once, by a request of its table, and within the limits. */
static void assert_covers(const struct mb_plan *plan, const struct mb_span *spans, unsigned n,
			  const struct mb_limits *l)
{
	static const unsigned functions[] = { 1, 2, 4, 3 };
	unsigned seen[POINTS_MAX] = { 0 }, places = 0;

	for (unsigned i = 0; i < plan->nrequests; i++) {
		const struct mb_request *r = &plan->requests[i];

		assert_int_equal(r->first, places);
		assert_true(r->count <= (r->function < 3 ? l->max_bits : l->max_registers));
		for (unsigned k = 0; k < r->places; k++) {
			const struct mb_place *at = &plan->places[places++];
			const struct mb_span *s = &spans[at->point];

			seen[at->point]++;
			assert_int_equal(functions[s->table], r->function);
			assert_int_equal(r->address + at->offset, s->address);
			assert_true(at->offset + s->width <= r->count);
		}
	}
	assert_int_equal(places, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(seen[i], 1);
}

static void check(const struct mb_span *spans, unsigned n, const struct mb_limits *l, const char *want)
{
	struct gw_arena *arena = gw_arena_new();
	uint16_t due[POINTS_MAX];
	const struct mb_plan *plan;

	for (unsigned i = 0; i < n; i++)
		due[i] = (uint16_t)i;
	plan = mb_plan_make(arena, spans, due, n, l);
	assert_string_equal(show(plan), want);
	assert_covers(plan, spans, n, l);
	gw_arena_free(arena);
}

static void check_run(unsigned registers, const char *want)
{
	struct mb_span spans[POINTS_MAX];

	for (unsigned i = 0; i < registers; i++)
		spans[i] = (struct mb_span){ MB_HOLDING, (uint16_t)i, 1 };
	check(spans, registers, &standard, want);
}

static void a_hundred_registers_are_one_request(void **state)
{
	(void)state;
	check_run(1, "3:0+1");
	check_run(100, "3:0+100");
	check_run(125, "3:0+125");
}

static void a_hundred_and_thirty_registers_are_two(void **state)
{
	(void)state;
	check_run(126, "3:0+125 3:125+1");
	check_run(130, "3:0+125 3:125+5");
	check_run(250, "3:0+125 3:125+125");
	check_run(251, "3:0+125 3:125+125 3:250+1");
}

#define CASE(limits_, want_, ...)                                                        \
	{                                                                                \
		.spans = { __VA_ARGS__ }, .limits = limits_, .want = want_,              \
		.n = sizeof((struct mb_span[]){ __VA_ARGS__ }) / sizeof(struct mb_span), \
	}
#define LIMITS(registers, bits, gap) { .max_registers = registers, .max_bits = bits, .max_gap = gap }

static void requests_are_as_few_as_tables_gaps_and_limits_allow(void **state)
{
	static const struct {
		struct mb_span spans[6];
		struct mb_limits limits;
		const char *want;
		unsigned n;
	} cases[] = {
		/* four tables never share */
		CASE(LIMITS(125, 2000, 0), "1:0+1 2:0+1 4:0+1 3:0+1", { MB_HOLDING, 0, 1 }, { MB_COIL, 0, 1 },
		     { MB_INPUT, 0, 1 }, { MB_DISCRETE, 0, 1 }),
		/* the order of the file does not matter */
		CASE(LIMITS(125, 2000, 0), "3:5+4", { MB_HOLDING, 8, 1 }, { MB_HOLDING, 5, 2 }, { MB_HOLDING, 7, 1 }),
		/* duplicates and overlaps */
		CASE(LIMITS(125, 2000, 0), "3:5+4", { MB_HOLDING, 5, 4 }, { MB_HOLDING, 5, 1 }, { MB_HOLDING, 6, 2 },
		     { MB_HOLDING, 5, 4 }),
		/* a gap is not read along unless allowed */
		CASE(LIMITS(125, 2000, 0), "3:0+1 3:2+1", { MB_HOLDING, 0, 1 }, { MB_HOLDING, 2, 1 }),
		CASE(LIMITS(125, 2000, 1), "3:0+3", { MB_HOLDING, 0, 1 }, { MB_HOLDING, 2, 1 }),
		CASE(LIMITS(125, 2000, 1), "3:0+1 3:3+1", { MB_HOLDING, 0, 1 }, { MB_HOLDING, 3, 1 }),
		/* the limit of the device */
		CASE(LIMITS(2, 2000, 0), "3:0+2 3:2+1", { MB_HOLDING, 0, 1 }, { MB_HOLDING, 1, 1 },
		     { MB_HOLDING, 2, 1 }),
		CASE(LIMITS(125, 2, 0), "1:0+2 1:2+2 1:4+1", { MB_COIL, 0, 1 }, { MB_COIL, 4, 1 },
		     { MB_COIL, 1, 1 }, { MB_COIL, 3, 1 }, { MB_COIL, 2, 1 }),
		/* a value is never divided */
		CASE(LIMITS(5, 2000, 0), "3:0+4 3:4+4", { MB_HOLDING, 0, 4 }, { MB_HOLDING, 4, 4 }),
		CASE(LIMITS(125, 2000, 0), "3:0+124 3:124+4", { MB_HOLDING, 0, 120 }, { MB_HOLDING, 120, 4 },
		     { MB_HOLDING, 124, 4 }),
		CASE(LIMITS(125, 2000, 0), "3:0+125 3:125+125", { MB_HOLDING, 0, 125 }, { MB_HOLDING, 125, 125 }),
		/* a short one inside a long one that had to wait for the next request */
		CASE(LIMITS(10, 2000, 0), "3:0+5 3:5+10", { MB_HOLDING, 0, 5 }, { MB_HOLDING, 5, 10 },
		     { MB_HOLDING, 6, 1 }),
		/* the end of the address space */
		CASE(LIMITS(125, 2000, 0), "3:65531+5", { MB_HOLDING, 65535, 1 }, { MB_HOLDING, 65531, 4 }),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(cases[i].spans, cases[i].n, &cases[i].limits, cases[i].want);
}

static void two_thousand_coils_are_one_request(void **state)
{
	struct mb_span spans[] = { { MB_COIL, 0, 1 }, { MB_COIL, 1999, 1 }, { MB_COIL, 2000, 1 } };
	struct mb_limits gaps = { 125, 2000, 2000, false };

	(void)state;
	check(spans, 2, &gaps, "1:0+2000");
	check(spans, 3, &gaps, "1:0+2000 1:2000+1");
}

static void only_points_that_are_due_are_planned(void **state)
{
	struct mb_span spans[] = { { MB_HOLDING, 0, 1 }, { MB_HOLDING, 1, 1 }, { MB_HOLDING, 2, 1 } };
	struct gw_arena *arena = gw_arena_new();
	const struct mb_plan *plan = mb_plan_make(arena, spans, (uint16_t[]){ 0, 2 }, 2, &standard);

	(void)state;
	assert_string_equal(show(plan), "3:0+1 3:2+1");
	assert_int_equal(plan->places[1].point, 2);
	assert_string_equal(show(mb_plan_make(arena, spans, NULL, 0, &standard)), "");
	gw_arena_free(arena);
}

static void a_single_point_is_a_request_of_its_own(void **state)
{
	struct mb_request r = mb_plan_single(&(struct mb_span){ MB_INPUT, 30, 4 });

	(void)state;
	assert_int_equal(r.function, 4);
	assert_int_equal(r.address, 30);
	assert_int_equal(r.count, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_registers_are_one_request),
		cmocka_unit_test(a_hundred_and_thirty_registers_are_two),
		cmocka_unit_test(requests_are_as_few_as_tables_gaps_and_limits_allow),
		cmocka_unit_test(two_thousand_coils_are_one_request),
		cmocka_unit_test(only_points_that_are_due_are_planned),
		cmocka_unit_test(a_single_point_is_a_request_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
