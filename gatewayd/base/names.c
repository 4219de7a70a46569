/*
 * names.c - names that people type: what is one, and which one they meant.
 */
#include <string.h>

#include "gatewayd/config.h"

enum { LONGEST = 64 };

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool gw_name_ok(const char *name)
{
	size_t n = 0;

	if (!is_letter_or_digit(name[0]))
		return false;
	while (n <= LONGEST && (is_letter_or_digit(name[n]) || name[n] == '_' || name[n] == '-'))
		n++;
	return n <= LONGEST && !name[n];
}

static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * How many letters have to be inserted, dropped, changed or swapped with their
 * neighbour to make b of a (optimal string alignment); the case of letters does
 * not count.  Both at most LONGEST long.
 */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned rows[3][LONGEST + 1], *before = rows[0], *above = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= nb; j++)
		above[j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[nb];
}

/* As many mistakes as a word of so many letters may have and still be meant. */
static unsigned tolerance(size_t n)
{
	return n < 3 ? 0 : n < 5 ? 1 : n < 9 ? 2 : 3;
}

const char *gw_nearest(const char *name, const char *const *names)
{
	size_t n = strlen(name);
	unsigned best = tolerance(n) + 1;
	const char *near = NULL;

	for (size_t i = 0; n <= LONGEST && names[i]; i++) {
		size_t m = strlen(names[i]);
		unsigned d = m <= LONGEST ? distance(name, n, names[i], m) : best;

		if (d < best && d <= tolerance(m)) {
			best = d;
			near = names[i];
		}
	}
	return near;
}
