/*
 * some_reading.h - readings for the tests of the ring and the store: any number
 * of points, values that follow from device and seq, CRC set.
 */
#ifndef GW_TESTS_SOME_READING_H
#define GW_TESTS_SOME_READING_H

#include <stdlib.h>
#include <string.h>

#include "gatewayd/reading.h"

/* Into memory of at least 48 + 12 * points + 8 bytes, aligned to 8. */
static inline struct gw_reading *some_reading_into(void *memory, uint16_t device, uint64_t seq, int64_t ts_ms,
						   unsigned points)
{
	struct gw_reading *r = memory;
	size_t size = sizeof(*r) + gw_reading_tags_size(points) + (size_t)points * 8;

	memset(memory, 0, size);
	*r = (struct gw_reading){ .size = (uint32_t)size, .layout = 1, .device = device,
				  .count = (uint16_t)points, .seq = seq, .ts_ms = ts_ms, .boot = 1 };
	for (unsigned i = 0; i < points; i++) {
		gw_reading_tags(r)[i] = gw_tag(i, GW_U64, GW_GOOD);
		gw_reading_slots(r)[i] = seq * 1000 + i;
	}
	r->crc = gw_reading_crc(r);
	return r;
}

/* The caller frees it. */
static inline struct gw_reading *some_reading(uint16_t device, uint64_t seq, int64_t ts_ms, unsigned points)
{
	return some_reading_into(calloc(1, 64 + (size_t)points * 12), device, seq, ts_ms, points);
}

#endif
