/*
 * learned.h - what a device has taught us about its map: addresses it does not
 * have, stretches that cannot be read in one request, the longest request it
 * takes.  Pure, the time is a parameter.  A request is allowed when it contains no
 * stretch that is known to fail and is not too long; so a part of an allowed
 * request is allowed.  Whatever was learned is tried again after an hour, then daily.
 */
#ifndef MODBUS_LEARNED_H
#define MODBUS_LEARNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MB_LESSONS_MAX = 256 }; /* of one device; what comes after is learned again each time */

enum mb_lesson_kind {
	MB_HOLE,  /* cannot be read at all */
	MB_WALL,  /* its two halves can be read, the whole cannot */
	MB_LIMIT, /* no request longer than `most`; the stretch is one that failed */
	MB_LESSON_KINDS,
};

struct mb_lesson {
	uint8_t kind, function, reason; /* function 1 to 4; reason of reading.h */
	uint16_t address, count;        /* the stretch that fails */
	uint16_t most;                  /* MB_LIMIT */
	int64_t retest_us;
};

struct mb_learned {
	struct mb_lesson *lessons;
	unsigned count;
	unsigned generation;   /* changes whenever plans made before are out of date */
	unsigned longest[5];   /* good answer of each function so far */
};

void mb_learned_free(struct mb_learned *l); /* what it holds */

/* May [from, end) be asked for? */
bool mb_learned_allows(const struct mb_learned *l, unsigned function, unsigned from, unsigned end);
/* The reason when [from, end) contains a hole, else 0. */
unsigned mb_learned_hole(const struct mb_learned *l, unsigned function, unsigned from, unsigned end);

/* Keep a lesson; its first retest is an hour after now.  false: no room. */
bool mb_learned_add(struct mb_learned *l, struct mb_lesson lesson, int64_t now_us);
/* A lesson that is to be tried again, or NULL. */
struct mb_lesson *mb_learned_due(const struct mb_learned *l, int64_t now_us);
/* It was tried: forget it, or keep it for another day. */
void mb_learned_retested(struct mb_learned *l, struct mb_lesson *lesson, bool good, int64_t now_us);

/*
 * As bytes for gw_state_put(): a version, then each lesson.  Returns the size, at most
 * MB_LEARNED_BYTES.  Reading back checks everything; -1 and nothing learned when the bytes
 * are not ours.
 */
enum { MB_LEARNED_BYTES = 2 + MB_LESSONS_MAX * 9 };
size_t mb_learned_encode(const struct mb_learned *l, uint8_t *out);
int mb_learned_decode(struct mb_learned *l, const uint8_t *bytes, size_t n, int64_t now_us);

#endif
