/*
 * collect.h - problems of a configuration as lines, for tests.
 */
#ifndef TESTS_BASE_COLLECT_H
#define TESTS_BASE_COLLECT_H

#include <string.h>

#include "base/problem.h"

enum { LINES_MAX = 8 };

struct lines {
	char line[LINES_MAX][GW_PROBLEM_LINE];
	unsigned count;
};

static inline void collect(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	struct lines *to = arg;

	if (to->count < LINES_MAX)
		gw_problem_line(to->line[to->count], GW_PROBLEM_LINE, at, path, text);
	to->count++;
}

/* Fails the test, showing both, unless the lines are exactly those of `want`. */
#define assert_lines(got, want)                                                                    \
	do {                                                                                       \
		unsigned n_ = 0;                                                                   \
		for (; n_ < LINES_MAX && (want)[n_]; n_++)                                         \
			assert_string_equal(n_ < (got)->count ? (got)->line[n_] : "", (want)[n_]); \
		if ((got)->count > n_)                                                             \
			fail_msg("one more: %s", (got)->line[n_]);                                 \
	} while (0)

#endif
