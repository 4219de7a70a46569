/*
 * ranges.c - sets of sequence numbers (ranges.h).
 *
 * One search (the first range that ends at or behind a number) and one splice
 * carry every call.  Sequence numbers start at 1, so a count of numbers never
 * overflows.
 */
#include "core/ranges.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ranges are stored as they lie in memory");
_Static_assert(sizeof(struct gw_range) == 16, "ranges are stored as they lie in memory");

void gw_ranges_free(struct gw_ranges *s)
{
	free(s->r);
	*s = (struct gw_ranges){ 0 };
}

/* Index of the first range with to >= seq; s->n when there is none. */
static uint32_t first_reaching(const struct gw_ranges *s, uint64_t seq)
{
	uint32_t low = 0, high = s->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->r[middle].to < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void make_room(struct gw_ranges *s, uint32_t n)
{
	if (n <= s->capacity)
		return;
	while (s->capacity < n)
		s->capacity = s->capacity ? s->capacity * 2 : 4;
	s->r = realloc(s->r, s->capacity * sizeof(*s->r));
	if (!s->r)
		abort();
}

/* Put the n ranges at `with` in the place of [at, end); returns the numbers that left. */
static uint64_t splice(struct gw_ranges *s, uint32_t at, uint32_t end, const struct gw_range *with, uint32_t n)
{
	uint64_t before = s->total;

	for (uint32_t i = at; i < end; i++)
		s->total -= s->r[i].to - s->r[i].from + 1;
	for (uint32_t i = 0; i < n; i++)
		s->total += with[i].to - with[i].from + 1;
	make_room(s, s->n - (end - at) + n);
	assert(s->r || s->n == 0);
	if (s->r)
		memmove(s->r + at + n, s->r + end, (s->n - end) * sizeof(*s->r));
	for (uint32_t i = 0; i < n; i++)
		s->r[at + i] = with[i];
	s->n += n - (end - at);
	return before - s->total;
}

uint64_t gw_ranges_add(struct gw_ranges *s, uint64_t from, uint64_t to)
{
	struct gw_range all = { from, to };
	uint32_t at, end;

	assert(from >= 1 && from <= to);
	at = end = first_reaching(s, from - 1); /* a neighbour that ends just before melts in */
	while (end < s->n && (to == UINT64_MAX || s->r[end].from <= to + 1))
		end++;
	if (end > at) {
		all.from = s->r[at].from < from ? s->r[at].from : from;
		all.to = s->r[end - 1].to > to ? s->r[end - 1].to : to;
	}
	return 0 - splice(s, at, end, &all, 1);
}

uint64_t gw_ranges_remove(struct gw_ranges *s, uint64_t from, uint64_t to)
{
	struct gw_range rest[2];
	uint32_t at, end, n = 0;

	assert(from >= 1 && from <= to);
	at = end = first_reaching(s, from);
	while (end < s->n && s->r[end].from <= to)
		end++;
	if (end == at)
		return 0;
	if (s->r[at].from < from)
		rest[n++] = (struct gw_range){ s->r[at].from, from - 1 };
	if (s->r[end - 1].to > to)
		rest[n++] = (struct gw_range){ to + 1, s->r[end - 1].to };
	return splice(s, at, end, rest, n);
}

bool gw_ranges_has(const struct gw_ranges *s, uint64_t seq)
{
	uint32_t at = first_reaching(s, seq);

	return at < s->n && s->r[at].from <= seq;
}

bool gw_ranges_overlap(const struct gw_ranges *s, uint64_t from, uint64_t to, struct gw_range *out)
{
	uint32_t at = first_reaching(s, from);

	if (from > to || at == s->n || s->r[at].from > to)
		return false;
	out->from = s->r[at].from > from ? s->r[at].from : from;
	out->to = s->r[at].to < to ? s->r[at].to : to;
	return true;
}

void gw_ranges_copy(struct gw_ranges *to, const struct gw_ranges *from)
{
	make_room(to, from->n);
	if (from->n)
		memcpy(to->r, from->r, from->n * sizeof(*to->r));
	to->n = from->n;
	to->total = from->total;
}

void gw_ranges_add_all(struct gw_ranges *s, const struct gw_ranges *more)
{
	for (uint32_t i = 0; i < more->n; i++)
		gw_ranges_add(s, more->r[i].from, more->r[i].to);
}

void gw_ranges_remove_all(struct gw_ranges *s, const struct gw_ranges *less)
{
	for (uint32_t i = 0; i < less->n; i++)
		gw_ranges_remove(s, less->r[i].from, less->r[i].to);
}

void gw_ranges_keep_common(struct gw_ranges *s, const struct gw_ranges *with)
{
	struct gw_ranges rest = { 0 };

	gw_ranges_copy(&rest, s);
	gw_ranges_remove_all(&rest, with);
	gw_ranges_remove_all(s, &rest);
	gw_ranges_free(&rest);
}

uint64_t gw_ranges_first(const struct gw_ranges *s)
{
	return s->n ? s->r[0].from : 0;
}

bool gw_ranges_decode(struct gw_ranges *s, const void *bytes, size_t size)
{
	const char *p = bytes;
	uint64_t behind = 0; /* the last number of the range before */
	struct gw_range r;

	gw_ranges_free(s);
	if (size % sizeof(r) || size / sizeof(r) > UINT32_MAX / 4)
		return false;
	for (size_t at = 0; at < size; at += sizeof(r)) {
		memcpy(&r, p + at, sizeof(r));
		if (r.from > r.to || r.from <= behind || (at && r.from == behind + 1)) {
			gw_ranges_free(s);
			return false;
		}
		splice(s, s->n, s->n, &r, 1);
		behind = r.to;
	}
	return true;
}
