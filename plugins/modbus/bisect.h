/*
 * bisect.h - why does a request fail?  Pure but for one allocation.
 *
 * The caller reads the stretch that mb_bisect_next() names and reports with
 * mb_bisect_told().  First the shortest beginning that fails is looked for (halving
 * the question each time); the point at its end is tried alone: if that fails it
 * is a hole.  Otherwise the end of a stretch is looked for that fails as a whole, and
 * one more stretch of that length decides whether it is the length alone.
 */
#ifndef MODBUS_BISECT_H
#define MODBUS_BISECT_H

#include "plugins/modbus/learned.h"
#include "plugins/modbus/plan.h"

struct mb_bisect;

/* The points' spans are of one table and sorted by address; together they failed. */
struct mb_bisect *mb_bisect_new(const struct mb_span *spans, const uint16_t *points, unsigned n,
				unsigned reason, unsigned longest_good);
void mb_bisect_free(struct mb_bisect *b); /* NULL is allowed */

/* What to read next, [*from, *end); false: it is known. */
bool mb_bisect_next(struct mb_bisect *b, unsigned *from, unsigned *end);
void mb_bisect_told(struct mb_bisect *b, bool good, unsigned reason);
/* After the last step. */
struct mb_lesson mb_bisect_lesson(const struct mb_bisect *b);

#endif
