/*
 * ring.h - what a killed process had not committed yet, in memory that
 * outlives it.
 *
 * A circular log in a shared mapping of a file on tmpfs, locked (flock) by its
 * one user.  A record is appended whole or not at all: the head moves after the
 * bytes are there, which is enough against a kill at any instruction (the page
 * cache outlives the process; a power cut takes the ring, and the boot id in the
 * header says so).  Positions only grow (u64), place = position % size; a record never
 * wraps (a skip record fills the end).  Appending costs a copy, a CRC is the
 * reading's own; no system call.
 */
#ifndef GW_CORE_RING_H
#define GW_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"
#include "gatewayd/reading.h"

struct gw_ring;

enum gw_ring_kind { GW_RING_READING = 1, GW_RING_ACK = 2, GW_RING_SKIP = 3, GW_RING_TOLD = 4 };

/* A sink's acknowledgement, or that a range was declared lost: no longer due.  Of sink 0: these
 * numbers were given, and their readings are of no use to any sink any more; with `lost`, for all sinks. */
/* Or GW_RING_TOLD: it was told these readings without a trusted time. */
struct gw_ring_ack {
	uint16_t sink, device; /* the store's numbers */
	uint8_t lost;          /* given up: enum gw_loss_cause + 1; 0: acknowledged */
	uint8_t unsure;        /* given up after it was sent: it may have come */
	uint16_t zero;
	uint64_t from, to;
};

enum { GW_RING_NOTE = 32 }; /* bytes in the ring of an ack or told */

struct gw_ring_options {
	const char *path;      /* folder must exist; tmpfs is the caller's concern */
	uint64_t size;         /* bytes, 1 MiB at least; rounded up to pages */
	const char *boot;      /* boot id of this boot */
	const char *buffer;    /* identifier of the buffer it belongs to */
};

/*
 * Open or create.  *found is what a former process left: true when the file has
 * the same boot, buffer and size and was readable (records can be walked), false
 * when it was made anew (absent, other boot, other buffer, damaged header: then
 * *why, a static text, says which; NULL when absent).
 * GW_EFULL with "in use by process N" when another process has it.
 */
int gw_ring_open(struct gw_ring **out, const struct gw_ring_options *opts, bool *found, const char **why,
		 struct gw_err *err);
/* Unmaps and unlocks; the file stays (unlink: also removed, after an orderly stop). NULL is allowed. */
void gw_ring_close(struct gw_ring *r, bool unlink);

/* Walk from the tail: *at starts at gw_ring_tail().  Returns false at the head or at
 * a record that is damaged (the walk ends there; *damaged).  For a reading *reading points into the
 * ring (checked with gw_reading_check and its CRC); for an ack or told *ack is filled. */
bool gw_ring_next(struct gw_ring *r, uint64_t *at, enum gw_ring_kind *kind, const struct gw_reading **reading,
		  struct gw_ring_ack *ack, bool *damaged);

/* Copies the finished reading (crc set by the caller) in.  NULL: no room.  The
 * pointer stays valid until the tail passes *at. */
const struct gw_reading *gw_ring_append(struct gw_ring *r, const struct gw_reading *reading, uint64_t *at);
bool gw_ring_append_ack(struct gw_ring *r, const struct gw_ring_ack *ack); /* false: no room */
/* Also says where it lies; from there to the tail's passing its `to` may grow. */
bool gw_ring_append_note(struct gw_ring *r, const struct gw_ring_ack *ack, uint64_t *at);
void gw_ring_grow_note(struct gw_ring *r, uint64_t at, uint64_t to);
bool gw_ring_append_told(struct gw_ring *r, const struct gw_ring_ack *told); /* the same; `lost` is 0 */

uint64_t gw_ring_tail(const struct gw_ring *r);
uint64_t gw_ring_head(const struct gw_ring *r);
void gw_ring_release(struct gw_ring *r, uint64_t to); /* tail moves up to `to`, a record's position or the head */
/* A new one takes the place of one that may have been lost: it is whole when the store knows what follows
 * from that, and its user says so. */
bool gw_ring_is_whole(const struct gw_ring *r);
void gw_ring_set_whole(struct gw_ring *r);
/* So many bytes are left free by all that is appended, until another number is set; 0 at the open. */
void gw_ring_reserve(struct gw_ring *r, uint64_t bytes);
uint64_t gw_ring_room(const struct gw_ring *r);       /* bytes that can still be appended, about */
uint64_t gw_ring_size(const struct gw_ring *r);

#endif
