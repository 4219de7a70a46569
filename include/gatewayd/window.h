/*
 * window.h - readings of one device that were thinned to one window of time: the
 * binary form that is stored in the buffer and travels to sinks.
 *
 * One block of memory, aligned to 8 bytes, in the byte order of the machine:
 *
 *	struct gw_window           96 bytes
 *	struct gw_window_point     56 bytes each, by growing index
 *	struct gw_window_quality   8 bytes each, by growing index, then reason
 *	text                       padded with zero to a multiple of 8
 *
 * All readings of a window are consecutive numbers made under one layout in one boot
 * with one trust in the clock, and their times lie in one slot of window_ms.  A point's
 * numbers are of its good values only; what was not good is counted by reason.
 *
 * The mean is weighted by time: a value counts until the point's next value or until
 * the point is not good any more, the last one until the last reading of the window.
 */
#ifndef GATEWAYD_WINDOW_H
#define GATEWAYD_WINDOW_H

#include "gatewayd/reading.h"

enum { GW_WINDOW_MAX = 64 * 1024 - 16 }; /* bytes: one link message less its header and id */

enum { GW_WINDOW_OPEN = 1 }; /* the last value still held when the window ended */

struct gw_window_point {
	uint16_t index;
	uint8_t min_kind, max_kind; /* numbers: I64, U64, F32, F64; else NONE */
	uint8_t last_kind;          /* NONE: there was no good value, or its text had no room */
	uint8_t flags;
	uint16_t zero;
	uint32_t n;                 /* good values */
	uint32_t weight_ms;         /* of `mean`: without what the last value still held */
	uint32_t first_ms, last_ms; /* first and last word about the point, from mono_from_ms */
	uint64_t min, max, last;    /* slots as in a reading */
	double mean;                /* over weight_ms; see gw_window_mean() */
};
_Static_assert(sizeof(struct gw_window_point) == 56, "part of the link protocol");

struct gw_window_quality {
	uint16_t index;
	uint8_t reason, zero;
	uint32_t n;
};
_Static_assert(sizeof(struct gw_window_quality) == 8, "part of the link protocol");

struct gw_window {
	uint32_t size; /* bytes of the whole block, a multiple of 8 */
	uint32_t crc;  /* zlib CRC-32 of all that follows this member */
	uint32_t layout;
	uint16_t device; /* the core's number */
	uint16_t flags;  /* of its readings: GW_READING_UNSYNCED or 0 */
	uint64_t from, to; /* seq, inclusive, every number between them */
	uint64_t readings; /* to - from + 1 */
	int64_t ts_from_ms, ts_to_ms;     /* UTC of the first and of the last reading */
	int64_t mono_from_ms, mono_to_ms; /* CLOCK_BOOTTIME of the same */
	uint32_t boot;
	uint32_t window_ms;
	uint16_t points;
	uint16_t text_size; /* without the padding */
	uint32_t qualities;
	uint64_t reserved; /* 0 */
};
_Static_assert(sizeof(struct gw_window) == 96, "part of the link protocol");

static inline const struct gw_window_point *gw_window_points(const struct gw_window *w)
{
	return (const struct gw_window_point *)(const void *)(w + 1);
}
static inline const struct gw_window_quality *gw_window_qualities(const struct gw_window *w)
{
	return (const struct gw_window_quality *)(const void *)(gw_window_points(w) + w->points);
}
static inline const char *gw_window_text(const struct gw_window *w)
{
	return (const char *)(gw_window_qualities(w) + w->qualities);
}

/* Of a point with numbers (min_kind is not NONE), to the end of the window.  Finite. */
double gw_window_mean(const struct gw_window *w, const struct gw_window_point *p);

/*
 * Is the block of `available` bytes at w one whole, well-formed window of a device of
 * `points` points?  For bytes from the link or the disk; nothing else may be called on w
 * before.  NULL: yes; else what is wrong, a static text.
 */
const char *gw_window_check(const struct gw_window *w, size_t available, unsigned points);

uint32_t gw_window_crc(const struct gw_window *w);

#endif
