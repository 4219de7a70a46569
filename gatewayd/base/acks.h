/*
 * acks.h - acknowledgements of one turn, gathered: neighbouring ranges of one
 * device with one result become one entry.  Pure; a merge costs one comparison.
 */
#ifndef GW_BASE_ACKS_H
#define GW_BASE_ACKS_H

#include <stddef.h>

#include "base/messages.h"

struct gw_acks {
	struct gw_ack *entries;
	size_t count, capacity;
	uint32_t *last; /* by device: number of its last entry here, from 1; 0 none */
	size_t ndevices;
};

/* A zeroed struct is empty.  Aborts when memory is out. */
void gw_acks_add(struct gw_acks *a, const struct gw_ack *ack);
void gw_acks_clear(struct gw_acks *a); /* keeps the memory */
void gw_acks_free(struct gw_acks *a);

#endif
