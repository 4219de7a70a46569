/* test_backoff.c - what a broker meets when it comes back: ten thousand gateways, one after another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/mqtt/backoff.h"

enum { GATEWAYS = 10000, SECONDS = 400, SLICES = 10 /* of a second */ };

static uint64_t state64;

static uint32_t dice(void)
{
	state64 = state64 * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state64 >> 32);
}

/* When a gateway that was cut off at 0 connects to a broker that is back at `back_ms`. */
static int64_t returns_ms(int64_t back_ms)
{
	struct mqtt_backoff b = { 0 };
	int64_t now = 0;

	do
		now += mqtt_backoff_next_ms(&b, dice());
	while (now < back_ms);
	return now;
}

/* The most that come within any one second, and when the last one is back. */
static unsigned busiest_second(int64_t back_ms, int64_t *last_ms)
{
	unsigned count[SECONDS * SLICES] = { 0 }, second = 0, most = 0;

	*last_ms = 0;
	for (unsigned i = 0; i < GATEWAYS; i++) {
		int64_t after_ms = returns_ms(back_ms) - back_ms;

		assert_in_range(after_ms, 0, SECONDS * 1000 - 1);
		count[after_ms * SLICES / 1000]++;
		if (after_ms > *last_ms)
			*last_ms = after_ms;
	}
	for (unsigned i = 0; i < SECONDS * SLICES; i++) {
		second += count[i] - (i >= SLICES ? count[i - SLICES] : 0);
		if (second > most)
			most = second;
	}
	return most;
}

static void ten_thousand_gateways_do_not_come_back_at_once(void **state)
{
	static const struct {
		int64_t away_ms;
		unsigned most;	 /* in one second */
		int64_t last_ms; /* then all are back */
	} cases[] = {
		{ 0, 5000, 3000 }, /* cut off, and back at once */
		{ 900, 5000, 60000 },
		{ 2000, 5000, 60000 },
		{ 3000, 3000, 60000 },
		{ 10000, 2000, 60000 },
		{ 60000, 1000, 60000 },
		{ 600000, 500, 60000 },
	};

	(void)state;
	state64 = 20261122;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t last;
		unsigned most = busiest_second(cases[i].away_ms, &last);

		print_message("away %lld ms: at most %u in a second, the last after %lld ms\n",
			      (long long)cases[i].away_ms, most, (long long)last);
		assert_true(most < cases[i].most);
		assert_true(last <= cases[i].last_ms);
	}
}

static void a_wait_is_anything_between_nothing_and_a_ceiling_that_doubles_to_a_minute(void **state)
{
	static const int64_t ceilings[] = { 3000, 6000, 12000, 24000, 48000, 60000, 60000 };
	struct mqtt_backoff low = { 0 }, high = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
		assert_int_equal(mqtt_backoff_next_ms(&low, 0), MQTT_BACKOFF_LEAST_MS);
		assert_int_equal(mqtt_backoff_next_ms(&high, UINT32_MAX), ceilings[i]);
	}
}

/* Each connection ends the other one; both came in with nothing behind them. */
static void two_clients_of_one_identifier_do_not_throw_each_other_out_all_day(void **state)
{
	enum { DAY_MS = 24 * 3600 * 1000 };
	struct mqtt_backoff b[2] = { { 0 }, { 0 } };
	int64_t at[2] = { 0, 1 }, since = 0;
	unsigned taken = 0;

	(void)state;
	state64 = 20261122;
	for (unsigned who = 0, owner = 1;; owner = who) {
		who = at[0] < at[1] ? 0 : 1;
		if (at[who] >= DAY_MS)
			break;
		taken++;
		mqtt_backoff_lost(&b[owner], at[who] - since, true);
		at[owner] = at[who] + mqtt_backoff_next_ms(&b[owner], dice());
		since = at[who];
		at[who] = INT64_MAX; /* connected */
	}
	print_message("taken over %u times in a day\n", taken);
	assert_in_range(taken, 2000, 3500); /* each half a minute, not each second */
}

static void a_connection_that_lasted_starts_the_waiting_anew(void **state)
{
	static const struct {
		int64_t lived_ms;
		bool taken_over;
		int64_t next_ms; /* the longest wait after it */
	} cases[] = {
		{ MQTT_BACKOFF_LIVED_MS - 1, false, 6000 },
		{ MQTT_BACKOFF_LIVED_MS, false, 3000 },
		{ MQTT_BACKOFF_LIVED_MS, true, 6000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mqtt_backoff b = { 0 };

		mqtt_backoff_next_ms(&b, 0);
		mqtt_backoff_lost(&b, cases[i].lived_ms, cases[i].taken_over);
		assert_int_equal(mqtt_backoff_next_ms(&b, UINT32_MAX), cases[i].next_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_gateways_do_not_come_back_at_once),
		cmocka_unit_test(two_clients_of_one_identifier_do_not_throw_each_other_out_all_day),
		cmocka_unit_test(a_connection_that_lasted_starts_the_waiting_anew),
		cmocka_unit_test(a_wait_is_anything_between_nothing_and_a_ceiling_that_doubles_to_a_minute),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
