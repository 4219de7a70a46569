#include "plugins/modbus/bisect.h"

#include <stdlib.h>

enum phase { BEGINNING, ALONE, STRETCH, LENGTH, KNOWN };

struct mb_bisect {
	enum phase phase;
	unsigned low, high; /* the step looks between them */
	unsigned from, end; /* the shortest stretch that fails, so far */
	unsigned alone;     /* where the last point of that stretch begins */
	unsigned shorter;   /* the longest beginning that can be read */
	unsigned second_from, second_end; /* LENGTH: another stretch as long */
	unsigned longest_good;
	const struct mb_span *spans;
	const uint16_t *points;
	unsigned n;
	unsigned reason;
	enum mb_lesson_kind kind;
	bool gaps; /* between the points */
	unsigned nstarts, nends;
	uint32_t *starts, *ends; /* where points begin; where a beginning of them ends; each once */
};

static void append(uint32_t *list, unsigned *n, uint32_t v)
{
	if (!*n || list[*n - 1] < v)
		list[(*n)++] = v;
}

struct mb_bisect *mb_bisect_new(const struct mb_span *spans, const uint16_t *points, unsigned n,
				unsigned reason, unsigned longest_good)
{
	struct mb_bisect *b = calloc(1, sizeof(*b) + 2 * n * sizeof(uint32_t));

	if (!b)
		return NULL;
	b->starts = (uint32_t *)(b + 1);
	b->ends = b->starts + n;
	for (unsigned i = 0; i < n; i++) {
		const struct mb_span *s = &spans[points[i]];

		b->gaps |= i && s->address > b->ends[b->nends - 1];
		append(b->starts, &b->nstarts, s->address);
		append(b->ends, &b->nends, (uint32_t)s->address + s->width);
	}
	b->spans = spans;
	b->points = points;
	b->n = n;
	b->reason = reason;
	b->longest_good = longest_good;
	b->from = b->starts[0];
	b->high = b->nends - 1;
	b->end = b->ends[b->high];
	return b;
}

void mb_bisect_free(struct mb_bisect *b)
{
	free(b);
}

static bool finish(struct mb_bisect *b, enum mb_lesson_kind kind)
{
	b->kind = kind;
	b->phase = KNOWN;
	return false;
}

/* Where the last of the points begins that reach to b->end. */
static unsigned last_of_them(const struct mb_bisect *b)
{
	unsigned at = b->from;

	for (unsigned i = 0; i < b->n; i++) {
		const struct mb_span *s = &b->spans[b->points[i]];

		if ((unsigned)s->address + s->width == b->end && s->address > at)
			at = s->address;
	}
	return at;
}

static unsigned length(const struct mb_bisect *b)
{
	return b->end - b->from;
}

/* The smallest other stretch that is at least as long: from a later start to a later end. */
static bool find_second(struct mb_bisect *b)
{
	for (unsigned e = 0; e < b->nends; e++)
		for (unsigned s = b->nstarts; b->ends[e] > b->end && s-- > 1;) {
			if (b->starts[s] <= b->from || b->ends[e] < b->starts[s] + length(b))
				continue;
			b->second_from = b->starts[s];
			b->second_end = b->ends[e];
			return true;
		}
	return false;
}

/* The shortest beginning that fails is known. */
static bool next_alone(struct mb_bisect *b)
{
	b->end = b->ends[b->low];
	b->shorter = b->low ? b->ends[b->low - 1] : b->from;
	b->alone = last_of_them(b);
	if (b->alone == b->from)
		return finish(b, MB_HOLE); /* it was alone already */
	b->phase = ALONE;
	b->low = b->high = 0;
	while (b->starts[b->high] < b->alone)
		b->high++;
	return true;
}

/* Known: from starts[low] it fails, from starts[high] it does not. */
static bool next_stretch(struct mb_bisect *b)
{
	b->from = b->starts[b->low];
	if (b->high - b->low > 1)
		return true;
	if (b->low || b->gaps || length(b) <= b->longest_good || !find_second(b))
		return finish(b, MB_WALL);
	b->phase = LENGTH;
	return true;
}

static unsigned middle(const struct mb_bisect *b)
{
	/* If dropping the first point helps, it needs no more looking: try that first. */
	return b->phase == STRETCH && b->low == 0 ? 1 : (b->low + b->high) / 2;
}

bool mb_bisect_next(struct mb_bisect *b, unsigned *from, unsigned *end)
{
	if (b->phase == BEGINNING && b->low == b->high && !next_alone(b))
		return false;
	if (b->phase == KNOWN || (b->phase == STRETCH && !next_stretch(b)))
		return false;
	*from = b->phase == ALONE ? b->alone : b->from;
	*end = b->end;
	if (b->phase == BEGINNING) {
		*end = b->ends[middle(b)];
	} else if (b->phase == STRETCH) {
		*from = b->starts[middle(b)];
	} else if (b->phase == LENGTH) {
		*from = b->second_from;
		*end = b->second_end;
	}
	return true;
}

void mb_bisect_told(struct mb_bisect *b, bool good, unsigned reason)
{
	if (!good)
		b->reason = reason;
	switch (b->phase) {
	case BEGINNING:
		if (good)
			b->low = middle(b) + 1;
		else
			b->high = middle(b);
		break;
	case ALONE:
		b->from = good ? b->from : b->alone;
		if (good)
			b->phase = STRETCH;
		else
			finish(b, MB_HOLE);
		break;
	case STRETCH:
		if (good)
			b->high = middle(b);
		else
			b->low = middle(b);
		break;
	case LENGTH:
		finish(b, good ? MB_WALL : MB_LIMIT);
		break;
	case KNOWN:
		break;
	}
}

static unsigned max(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

struct mb_lesson mb_bisect_lesson(const struct mb_bisect *b)
{
	struct mb_lesson lesson = { .kind = (uint8_t)b->kind,
				    .function = mb_read_function(b->spans[b->points[0]].table),
				    .reason = (uint8_t)b->reason,
				    .address = (uint16_t)b->from,
				    .count = (uint16_t)length(b) };

	/* Without its last point the stretch can be read, and without its first. */
	if (b->kind == MB_LIMIT)
		lesson.most = (uint16_t)max(b->longest_good, max(b->shorter - b->from,
								 b->end - b->starts[1]));
	return lesson;
}
