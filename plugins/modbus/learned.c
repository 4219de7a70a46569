#include "plugins/modbus/learned.h"

#include <stdlib.h>
#include <string.h>

#include "gatewayd/reading.h"

enum { VERSION = 1, LESSON_BYTES = 9 };
#define HOUR_US (INT64_C(3600) * 1000 * 1000)

void mb_learned_free(struct mb_learned *l)
{
	free(l->lessons);
	*l = (struct mb_learned){ .generation = l->generation + 1 };
}

static bool contains(unsigned from, unsigned end, const struct mb_lesson *k)
{
	return from <= k->address && (unsigned)k->address + k->count <= end;
}

bool mb_learned_allows(const struct mb_learned *l, unsigned function, unsigned from, unsigned end)
{
	for (unsigned i = 0; i < l->count; i++) {
		const struct mb_lesson *k = &l->lessons[i];

		if (k->function != function)
			continue;
		if (k->kind == MB_LIMIT ? end - from > k->most : contains(from, end, k))
			return false;
	}
	return true;
}

unsigned mb_learned_hole(const struct mb_learned *l, unsigned function, unsigned from, unsigned end)
{
	for (unsigned i = 0; i < l->count; i++) {
		const struct mb_lesson *k = &l->lessons[i];

		if (k->kind == MB_HOLE && k->function == function && contains(from, end, k))
			return k->reason;
	}
	return 0;
}

bool mb_learned_add(struct mb_learned *l, struct mb_lesson lesson, int64_t now_us)
{
	struct mb_lesson *grown;

	if (l->count == MB_LESSONS_MAX)
		return false;
	grown = reallocarray(l->lessons, l->count + 1, sizeof(*grown));
	if (!grown)
		return false;
	lesson.retest_us = now_us + HOUR_US;
	grown[l->count++] = lesson;
	l->lessons = grown;
	l->generation++;
	return true;
}

struct mb_lesson *mb_learned_due(const struct mb_learned *l, int64_t now_us)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->lessons[i].retest_us <= now_us)
			return &l->lessons[i];
	return NULL;
}

void mb_learned_retested(struct mb_learned *l, struct mb_lesson *lesson, bool good, int64_t now_us)
{
	lesson->retest_us = now_us + 24 * HOUR_US;
	if (!good)
		return;
	*lesson = l->lessons[--l->count];
	l->generation++;
}

/* ---- memory ---- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

size_t mb_learned_encode(const struct mb_learned *l, uint8_t *out)
{
	uint8_t *p = out + 2;

	out[0] = VERSION;
	out[1] = (uint8_t)(l->count & 0xff); /* 256 lessons are 0: the size tells */
	for (unsigned i = 0; i < l->count; i++, p += LESSON_BYTES) {
		const struct mb_lesson *k = &l->lessons[i];

		p[0] = k->kind;
		p[1] = k->function;
		p[2] = k->reason;
		put16(p + 3, k->address);
		put16(p + 5, k->count);
		put16(p + 7, k->most);
	}
	return (size_t)(p - out);
}

static bool is_a_reason(unsigned reason)
{
	return reason == GW_TIMEOUT || reason == (GW_EXCEPTION_0 | 2) || reason == (GW_EXCEPTION_0 | 3);
}

static bool read_lesson(const uint8_t *p, struct mb_lesson *out)
{
	unsigned most_of_all = p[1] < 3 ? 2000 : 125;

	*out = (struct mb_lesson){ .kind = p[0], .function = p[1], .reason = p[2],
				   .address = get16(p + 3), .count = get16(p + 5),
				   .most = get16(p + 7) };
	return p[0] < MB_LESSON_KINDS && p[1] >= 1 && p[1] <= 4 && is_a_reason(p[2]) &&
	       out->count >= 1 && out->count <= most_of_all &&
	       (unsigned)out->address + out->count <= 65536 &&
	       (p[0] == MB_LIMIT ? out->most >= 1 && out->most < out->count : out->most == 0);
}

int mb_learned_decode(struct mb_learned *l, const uint8_t *bytes, size_t n, int64_t now_us)
{
	struct mb_lesson lesson;

	mb_learned_free(l);
	if (n < 2 || n > MB_LEARNED_BYTES || bytes[0] != VERSION || (n - 2) % LESSON_BYTES ||
	    ((n - 2) / LESSON_BYTES & 0xff) != bytes[1])
		return -1;
	for (size_t at = 2; at < n; at += LESSON_BYTES) {
		if (read_lesson(bytes + at, &lesson) && mb_learned_add(l, lesson, now_us))
			continue;
		mb_learned_free(l);
		return -1;
	}
	return 0;
}
