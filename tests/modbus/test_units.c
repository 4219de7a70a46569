/*
 * Back-off and line time on a simulated clock: hours of a line with dead units
 * in milliseconds, and loads counted by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/budget.h"
#include "plugins/modbus/units.h"

enum { MS = 1000, PERIOD_US = 30000 * MS, UNITS = 32, TIMEOUT_US = 1000 * MS };
#define HOUR_US (3600LL * 1000 * MS)

/* Unit 1 to UNITS, polled one after another without a rest; twenty registers each at 9600 baud. */
struct line {
	struct mb_units units;
	int64_t now_us, answer_us;
	bool dead[UNITS + 1];
	unsigned asked[UNITS + 1];
	int64_t asked_us[UNITS + 1], longest_us[UNITS + 1]; /* between two requests */
	unsigned retries;
};

static void begin(struct line *l, unsigned ndead)
{
	struct mb_demand d = { .turnaround_us = 5 * MS };
	struct mb_request r = { .function = 3, .count = 20 };

	*l = (struct line){ .now_us = 5 * MS, .retries = 1 };
	l->units.period_us = PERIOD_US;
	l->answer_us = mb_budget_request_us(&mb_serial_default, &d, &r, true);
	for (unsigned i = 0; i < ndead; i++)
		l->dead[UNITS - i] = true;
}

static void ask(struct line *l, uint8_t unit)
{
	enum mb_turn turn = mb_units_turn(&l->units, unit, l->now_us);
	int64_t cost_us = turn == MB_PROBE ? TIMEOUT_US : (int64_t)(1 + l->retries) * TIMEOUT_US;

	if (turn == MB_PASS)
		return;
	l->asked[unit]++;
	if (l->asked_us[unit] && l->now_us - l->asked_us[unit] > l->longest_us[unit])
		l->longest_us[unit] = l->now_us - l->asked_us[unit];
	l->asked_us[unit] = l->now_us;
	if (!l->dead[unit]) {
		l->now_us += l->answer_us;
		mb_units_answered(&l->units, unit, l->now_us);
		return;
	}
	l->now_us += cost_us;
	mb_units_silent(&l->units, unit, GW_TIMEOUT, l->now_us, cost_us, TIMEOUT_US);
}

static void cycle(struct line *l)
{
	for (uint8_t unit = 1; unit <= UNITS; unit++)
		ask(l, unit);
	l->now_us += MS; /* a line of dead units only would stand still */
}

static unsigned cycles_in(struct line *l, int64_t span_us)
{
	int64_t until_us = l->now_us + span_us;
	unsigned n = 0;

	for (; l->now_us < until_us; n++)
		cycle(l);
	return n;
}

/* How much longer the cycle of the living ones takes with `ndead` beside them, in permille. */
static unsigned slower(unsigned ndead)
{
	struct line with, without;
	int64_t spent_us;
	unsigned n;

	begin(&with, ndead);
	cycles_in(&with, HOUR_US / 30);
	spent_us = with.now_us;
	n = cycles_in(&with, HOUR_US);
	spent_us = with.now_us - spent_us;
	begin(&without, 0);
	without.answer_us = without.answer_us * (UNITS - ndead) / UNITS;
	without.now_us = 0;
	for (unsigned i = 0; i < n; i++)
		cycle(&without);
	return (unsigned)(spent_us * 1000 / without.now_us) - 1000;
}

static void thirty_one_units_are_slowed_by_a_dead_one_by_five_percent_at_most(void **state)
{
	(void)state;
	assert_in_range(slower(1), 10, 50);
}

static void nor_by_three_or_ten_dead_ones(void **state)
{
	(void)state;
	assert_in_range(slower(3), 10, 50);
	assert_in_range(slower(10), 10, 50);
}

static void recovery_is_noticed_within_a_probe_period(void **state)
{
	struct line l;
	int64_t alive_us;

	(void)state;
	for (int64_t after_us = 0; after_us < 60000 * MS; after_us += 1700 * MS) {
		begin(&l, 1);
		cycles_in(&l, HOUR_US / 60 + after_us);
		l.dead[UNITS] = false;
		alive_us = l.now_us;
		while (l.units.unit[UNITS].silent)
			cycle(&l);
		assert_in_range(l.now_us - alive_us, 0, PERIOD_US);
	}
}

static void of_many_dead_units_none_is_forgotten(void **state)
{
	struct line l;

	(void)state;
	begin(&l, 10);
	cycles_in(&l, HOUR_US);
	/* Ten probes of a second, each with 24 times as long between: 250 s, and a cycle's time each. */
	for (unsigned unit = UNITS - 9; unit <= UNITS; unit++)
		assert_in_range(l.longest_us[unit], 200 * TIMEOUT_US, 300 * TIMEOUT_US);
}

static void a_line_that_was_dead_as_a_whole_is_back_at_once(void **state)
{
	struct line l;
	int64_t alive_us;

	(void)state;
	begin(&l, UNITS);
	cycles_in(&l, HOUR_US);
	for (unsigned unit = 1; unit <= UNITS; unit++)
		l.dead[unit] = false;
	alive_us = l.now_us;
	while (l.asked_us[UNITS] < alive_us || l.units.unit[UNITS].silent || l.units.unit[1].silent)
		cycle(&l);
	assert_in_range(l.now_us - alive_us, 0, PERIOD_US + 5000 * MS);
}

static void a_unit_alone_on_its_line_is_always_asked(void **state)
{
	static struct mb_units u = { .period_us = PERIOD_US };

	(void)state;
	for (int64_t now_us = 0; now_us < HOUR_US; now_us += TIMEOUT_US) {
		assert_int_equal(mb_units_turn(&u, 7, now_us), MB_ASK);
		mb_units_silent(&u, 7, GW_TIMEOUT, now_us, TIMEOUT_US, TIMEOUT_US);
	}
}

static void lines_know_nothing_of_each_other(void **state)
{
	struct line a, b;

	(void)state;
	begin(&a, 1);
	begin(&b, 0);
	cycles_in(&a, HOUR_US);
	cycle(&b);
	assert_int_equal(b.asked[UNITS], 1);
	assert_int_equal(mb_units_turn(&b.units, UNITS, b.now_us), MB_ASK);
	assert_int_equal(mb_units_reason(&a.units, UNITS), GW_TIMEOUT);
}

/* ---- late answers ---- */

static void after_a_timeout_only_the_same_is_asked_until_a_late_answer_must_have_come(void **state)
{
	static struct mb_units u = { .period_us = PERIOD_US };
	struct mb_request asked = { .function = 3, .address = 10, .count = 2 };
	struct mb_request other = { .function = 3, .address = 20, .count = 2 };
	struct mb_request coils = { .function = 1, .address = 10, .count = 2 };

	(void)state;
	assert_int_equal(mb_units_hold(&u, 1, &other), 0);
	mb_units_owes(&u, 1, &asked, 1000 * MS, 1100 * MS);
	assert_int_equal(mb_units_hold(&u, 1, &asked), 0);
	assert_int_equal(mb_units_hold(&u, 1, &coils), 0);
	assert_int_equal(mb_units_hold(&u, 2, &other), 0);
	assert_int_equal(mb_units_hold(&u, 1, &other), 1200 * MS);
	/* Asked again at 1110, answered at 1150: if that was the first, the second comes at 1260. */
	mb_units_paid(&u, 1, 1110 * MS, 1150 * MS);
	assert_int_equal(mb_units_hold(&u, 1, &other), 1297500);
	assert_false(mb_units_is_late(&u, 1, &asked, 1250 * MS));
	assert_true(mb_units_is_late(&u, 1, &coils, 1260 * MS));
	assert_int_equal(mb_units_hold(&u, 1, &other), 0);
	assert_false(mb_units_is_late(&u, 1, NULL, 1261 * MS));
}

/* ---- line time ---- */

static void the_silence_between_frames_is_rounded_up(void **state)
{
	static const struct {
		unsigned baud, stop_bits;
		enum mb_parity parity;
		int64_t gap_us, frame_us; /* frame of 8 characters */
	} cases[] = {
		{ 9600, 1, MB_PARITY_NONE, 3646, 8334 },   /* 35 bits, 80 bits */
		{ 9600, 1, MB_PARITY_EVEN, 4063, 9167 },   /* 38.5 -> 39 bits, 88 bits */
		{ 19200, 2, MB_PARITY_NONE, 2032, 4584 },  /* 39 bits, 88 bits */
		{ 38400, 1, MB_PARITY_NONE, 1750, 2084 },  /* fixed above 19200 */
		{ 115200, 1, MB_PARITY_EVEN, 1750, 764 },
		{ 1200, 1, MB_PARITY_NONE, 29167, 66667 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mb_serial s = { .baud = cases[i].baud, .data_bits = 8,
				       .stop_bits = cases[i].stop_bits, .parity = cases[i].parity };

		assert_int_equal(mb_serial_gap_us(&s), cases[i].gap_us);
		assert_int_equal(mb_serial_bytes_us(&s, 8), cases[i].frame_us);
	}
}

static const struct mb_limits limits = { .max_registers = 125, .max_bits = 2000 };

/* At 9600 8N1 two registers take 8334 + 3646 + 5000 + 9 characters 9375 + 3646 = 30001 us. */
enum { TWO_US = 30001 };

static void loads_are_those_counted_by_hand(void **state)
{
	static const struct mb_span spans[] = { { MB_HOLDING, 0, 2 }, { MB_HOLDING, 50, 2 },
						{ MB_HOLDING, 2, 2 }, { MB_COIL, 0, 1 } };
	static const struct {
		const char *what;
		unsigned npoints;
		int64_t interval_ms[4], permille, need_us, pause_us;
	} cases[] = {
		{ "one request a second", 1, { 1000 }, 30, TWO_US, 0 },
		{ "two a second", 2, { 1000, 1000 }, 60, 2 * TWO_US, 0 },
		{ "a pause instead of 3.646 ms", 1, { 1000 }, 126, TWO_US - 3646 + 100000, 100000 },
		{ "one a second, one each 10 s", 2, { 1000, 10000 }, 33, TWO_US + TWO_US / 10, 0 },
		/* Together one request of four registers, 34168 us, in place of two. */
		{ "neighbours, one each 2 s", 3, { 1000, 1000, 2000 }, 62, 62086, 0 },
		{ "neither divides the other", 2, { 2000, 3000 }, 25, 50002, 0 },
		/* A coil: 8334 + 3646 + 5000 + 6 characters 6250 + 3646 = 26876 us. */
		{ "and a coil", 4, { 1000, 1000, 1000, 1000 }, 91, 34168 + TWO_US + 26876, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mb_demand d = { .spans = spans, .interval_ms = cases[i].interval_ms,
				       .npoints = cases[i].npoints, .limits = &limits,
				       .turnaround_us = 5 * MS, .pause_us = cases[i].pause_us };
		struct mb_budget b = mb_budget_make(&mb_serial_default, &d, 1);

		if (b.permille != cases[i].permille || llabs(b.need_us - cases[i].need_us) > 1)
			fail_msg("%s: %d permille, %d us", cases[i].what, (int)b.permille, (int)b.need_us);
	}
}

static void a_change_of_unit_costs_its_pause_only_when_there_are_several(void **state)
{
	static const struct mb_span span = { MB_HOLDING, 0, 2 };
	static const int64_t interval_ms = 1000;
	struct mb_demand d = { .spans = &span, .interval_ms = &interval_ms, .npoints = 1,
			       .limits = &limits, .turnaround_us = 5 * MS, .unit_pause_us = 200 * MS };
	struct mb_demand two[2] = { d, d };

	(void)state;
	assert_int_equal(mb_budget_make(&mb_serial_default, two, 1).need_us, TWO_US);
	assert_int_equal(mb_budget_make(&mb_serial_default, two, 2).need_us, 2 * (TWO_US - 3646 + 200 * MS));
}

static void a_guard_is_counted_for_each_request(void **state)
{
	static const struct mb_span spans[] = { { MB_HOLDING, 0, 2 }, { MB_HOLDING, 50, 2 } };
	static const int64_t interval_ms[] = { 1000, 1000 };
	struct mb_demand d = { .spans = spans, .interval_ms = interval_ms, .npoints = 2, .limits = &limits,
			       .turnaround_us = 5 * MS, .guard_us = 50 * MS, .pause_us = 20 * MS };

	(void)state;
	assert_int_equal(mb_budget_make(&mb_serial_default, &d, 1).need_us, 2 * (TWO_US - 3646 + 50 * MS));
}

static void nothing_asked_is_no_load(void **state)
{
	(void)state;
	assert_int_equal(mb_budget_make(&mb_serial_default, NULL, 0).permille, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thirty_one_units_are_slowed_by_a_dead_one_by_five_percent_at_most),
		cmocka_unit_test(nor_by_three_or_ten_dead_ones),
		cmocka_unit_test(recovery_is_noticed_within_a_probe_period),
		cmocka_unit_test(of_many_dead_units_none_is_forgotten),
		cmocka_unit_test(a_line_that_was_dead_as_a_whole_is_back_at_once),
		cmocka_unit_test(a_unit_alone_on_its_line_is_always_asked),
		cmocka_unit_test(lines_know_nothing_of_each_other),
		cmocka_unit_test(after_a_timeout_only_the_same_is_asked_until_a_late_answer_must_have_come),
		cmocka_unit_test(the_silence_between_frames_is_rounded_up),
		cmocka_unit_test(loads_are_those_counted_by_hand),
		cmocka_unit_test(a_change_of_unit_costs_its_pause_only_when_there_are_several),
		cmocka_unit_test(a_guard_is_counted_for_each_request),
		cmocka_unit_test(nothing_asked_is_no_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
