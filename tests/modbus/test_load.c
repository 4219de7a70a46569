#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plugins/modbus/load.h"

enum { MS = 1000, S = 1000 * MS };

static void load_is_the_busy_share_of_ten_seconds(void **state)
{
	struct mb_load l = { .since_us = 100 * S };

	(void)state;
	for (int64_t t = 100 * S; t < 130 * S; t += 100 * MS)
		mb_load_add(&l, t, t + 25 * MS);
	assert_int_equal(mb_load_permille(&l, 130 * S - 1), 250);
	assert_int_equal(mb_load_permille(&l, 135 * S - 1), 125);
	assert_int_equal(mb_load_permille(&l, 150 * S), 0);
}

static void load_counts_from_the_start_at_first(void **state)
{
	struct mb_load l = { .since_us = 100 * S };

	(void)state;
	assert_int_equal(mb_load_permille(&l, 100 * S), 0);
	mb_load_add(&l, 100 * S, 100 * S + 500 * MS);
	assert_int_equal(mb_load_permille(&l, 101 * S), 500);
}

static void a_transaction_of_a_minute_is_a_full_load(void **state)
{
	struct mb_load l = { .since_us = 100 * S };

	(void)state;
	mb_load_add(&l, 100 * S, 160 * S);
	assert_int_equal(mb_load_permille(&l, 160 * S - 1), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_is_the_busy_share_of_ten_seconds),
		cmocka_unit_test(load_counts_from_the_start_at_first),
		cmocka_unit_test(a_transaction_of_a_minute_is_a_full_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
