/* moment: what people write for a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "core/moment.h"

#define NOON 1795348800000LL /* 2026-11-22T12:00:00Z */

static void a_moment_has_many_spellings(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "2026-11-22T12:00:00Z", NOON },	{ "2026-11-22 12:00Z", NOON },
		{ "2026-11-22T19:00:00+07:00", NOON },	{ "2026-11-22T08:30:00-03:30", NOON },
		{ "2026-11-22T12:00:00.25Z", NOON + 250 }, { "2026-11-22T12:00:00.0019Z", NOON + 1 },
		{ "2026-11-22 19:00", NOON },		{ "2024-02-29T00:00Z", 1709164800000 },
	};

	(void)state;
	setenv("TZ", "ICT-7", 1);
	tzset();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = -1;

		assert_true(gw_moment_parse(cases[i].text, &ms));
		assert_int_equal(ms, cases[i].ms);
	}
}

static void what_is_no_moment_is_refused(void **state)
{
	static const char *const cases[] = {
		"", "now", "1763760000000", "2026-11-22", "2026-11-22T", "2026-11-22T12", "2026-11-22T12:00:",
		"2026-11-22T12:00:60Z", "2026-11-22T24:00Z", "2026-13-01T00:00Z", "2026-00-01T00:00Z",
		"2026-11-31T00:00Z", "2026-02-29T00:00Z", "2026-11-22T12:00z", "2026-11-22T12:00+7",
		"2026-11-22T12:00+07:00x", "2026-11-22T12:00:00.Z", "1960-01-01T00:00Z", "-026-11-22T12:00Z",
		"2026-11-22T12:00 ", "26-11-22T12:00Z",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms;

		if (gw_moment_parse(cases[i], &ms))
			fail_msg("'%s' was taken", cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_moment_has_many_spellings),
		cmocka_unit_test(what_is_no_moment_is_refused),
	};

	return cmocka_run_group_tests_name("moment", tests, NULL, NULL);
}
