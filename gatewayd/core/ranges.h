/*
 * ranges.h - a set of sequence numbers as sorted, disjoint, never touching
 * inclusive ranges: what a sink has not acknowledged.
 *
 * Usually one or two ranges; all calls are a binary search plus a memmove.
 * Memory grows by doubling and aborts when it is out (a set is capped by its
 * owner).  A zeroed struct is an empty set.
 */
#ifndef GW_CORE_RANGES_H
#define GW_CORE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_range {
	uint64_t from, to;
};

struct gw_ranges {
	struct gw_range *r;
	uint32_t n, capacity;
	uint64_t total; /* how many numbers are in the set */
};

void gw_ranges_free(struct gw_ranges *s); /* leaves an empty set */
uint64_t gw_ranges_add(struct gw_ranges *s, uint64_t from, uint64_t to);    /* how many were new */
uint64_t gw_ranges_remove(struct gw_ranges *s, uint64_t from, uint64_t to); /* how many were there */
bool gw_ranges_has(const struct gw_ranges *s, uint64_t seq);
/* First range that overlaps [from, to], cut to it; false: none.  Nothing overlaps from > to. */
bool gw_ranges_overlap(const struct gw_ranges *s, uint64_t from, uint64_t to, struct gw_range *out);
void gw_ranges_copy(struct gw_ranges *to, const struct gw_ranges *from);
/* The same as one number after the other; the two are not the same set. */
void gw_ranges_add_all(struct gw_ranges *s, const struct gw_ranges *more);
void gw_ranges_remove_all(struct gw_ranges *s, const struct gw_ranges *less);
void gw_ranges_keep_common(struct gw_ranges *s, const struct gw_ranges *with); /* what is in both stays */
/* Smallest number in the set; 0 when empty. */
uint64_t gw_ranges_first(const struct gw_ranges *s);

/* As bytes for the store: n pairs of little-endian u64.  decode: false when malformed. */
bool gw_ranges_decode(struct gw_ranges *s, const void *bytes, size_t size);

#endif
