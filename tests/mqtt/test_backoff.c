/* test_backoff.c - what a broker meets when it comes back: ten thousand gateways, one after another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/mqtt/backoff.h"

enum { GATEWAYS = 10000, SECONDS = 400 };

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

/* The most that come within one second, and when the last one is back. */
static unsigned busiest_second(int64_t back_ms, int64_t *last_ms)
{
	unsigned count[SECONDS] = { 0 }, most = 0;

	*last_ms = 0;
	for (unsigned i = 0; i < GATEWAYS; i++) {
		int64_t at = returns_ms(back_ms), second = (at - back_ms) / 1000;

		assert_in_range(second, 0, SECONDS - 1);
		if (++count[second] > most)
			most = count[second];
		if (at - back_ms > *last_ms)
			*last_ms = at - back_ms;
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
		{ 10000, 2000, 60000 },
		{ 60000, 1000, 60000 },
		{ 600000, 500, 60000 },
	};

	(void)state;
	state64 = 20261122;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t last;
		unsigned most = busiest_second(cases[i].away_ms, &last);

		print_message("away %lld s: at most %u in a second, the last after %lld s\n",
			      (long long)cases[i].away_ms / 1000, most, (long long)last / 1000);
		assert_true(most < cases[i].most);
		assert_true(last <= cases[i].last_ms);
	}
}

static void a_wait_is_anything_between_nothing_and_a_ceiling_that_doubles_to_a_minute(void **state)
{
	static const int64_t ceilings[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
	struct mqtt_backoff low = { 0 }, high = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
		assert_int_equal(mqtt_backoff_next_ms(&low, 0), MQTT_BACKOFF_LEAST_MS);
		assert_int_equal(mqtt_backoff_next_ms(&high, UINT32_MAX), ceilings[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_gateways_do_not_come_back_at_once),
		cmocka_unit_test(a_wait_is_anything_between_nothing_and_a_ceiling_that_doubles_to_a_minute),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
