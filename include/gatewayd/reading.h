/*
 * reading.h - one reading: what one cycle of one device gave, in the binary
 * form that travels on the link, lies in the ring and is stored in the buffer.
 *
 * A reading is one block of memory, aligned to 8 bytes, in the byte order of
 * the machine (it never leaves it; little-endian only, checked at build time):
 *
 *	struct gw_reading     48 bytes
 *	uint32_t tag[count]   padded with zero to a multiple of 8
 *	uint64_t slot[count]
 *	text                  padded with zero to a multiple of 8
 *
 * tag = point index (bits 0-15) | kind (16-23) | reason (24-31).  The slot
 * holds the value by kind; for text it is offset << 16 | length into `text`.
 * A source fills it with raw values; the core normalises it in place
 * (scale, range, enumeration), so slot and kind change and the shape does not.
 */
#ifndef GATEWAYD_READING_H
#define GATEWAYD_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GW_POINTS_MAX = 1000,        /* points of a device */
	GW_READING_MAX = 64 * 1024 - 8, /* bytes: one link message less its header */
};

enum gw_kind {
	GW_NONE, /* no value: the reason says why */
	GW_BOOL, /* 0 or 1 */
	GW_I64,
	GW_U64,
	GW_F32,  /* slot holds a double that a float32 represents exactly */
	GW_F64,
	GW_TEXT, /* UTF-8, no control characters */
	GW_ENUM, /* normalised only: index into the labels of the layout's point */
	GW_KINDS,
};

/* Why a point has no good value; the names are those of the data format. */
enum gw_reason {
	GW_GOOD,
	GW_TIMEOUT,
	GW_NO_CONNECTION,
	GW_CRC,
	GW_PROTOCOL,
	GW_NOT_AVAILABLE,
	GW_OUT_OF_RANGE, /* the value is there too: uncertain */
	GW_OVERFLOW,
	GW_NOT_IN_ENUM,
	GW_BAD_TEXT,
	GW_PLUGIN,
	GW_EXCEPTION_128, /* beyond the range below: some devices' "not permitted" */
	GW_REASONS,
	GW_EXCEPTION_0 = 0x80, /* | exception code of the device, 0 to 127 */
};

enum {
	GW_READING_UNSYNCED = 1 << 0, /* the system clock was not synchronised */
	GW_READING_OFFLINE = 1 << 1,  /* the device answered nothing in this cycle */
};

struct gw_reading {
	uint32_t size;    /* bytes of the whole block, a multiple of 8 */
	uint32_t crc;     /* zlib CRC-32 of all that follows this member; the core's */
	uint32_t layout;  /* names, types and units it was made under; the core's */
	uint16_t device;  /* on a source's link: index in the source; else the core's index */
	uint16_t count;   /* points */
	uint64_t seq;     /* the core's; 0 before */
	int64_t ts_ms;    /* UTC, of the last good answer; the core's, made of mono_ms */
	int64_t mono_ms;  /* CLOCK_BOOTTIME of the last good answer */
	uint32_t boot;    /* small number of the boot that mono_ms belongs to; the core's */
	uint16_t flags;
	uint16_t text_size; /* bytes of text without the padding */
};
_Static_assert(sizeof(struct gw_reading) == 48, "part of the link protocol");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "readings are little-endian");

struct gw_value {
	enum gw_kind kind;
	enum gw_reason reason;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		uint32_t label;
	};
	const char *text; /* GW_TEXT: not terminated, borrowed from the reading */
	size_t length;
};

static inline uint32_t gw_tag(unsigned index, enum gw_kind kind, unsigned reason)
{
	return (uint32_t)index | (uint32_t)kind << 16 | (uint32_t)reason << 24;
}
static inline unsigned gw_tag_index(uint32_t tag) { return tag & 0xffff; }
static inline enum gw_kind gw_tag_kind(uint32_t tag) { return (enum gw_kind)(tag >> 16 & 0xff); }
static inline unsigned gw_tag_reason(uint32_t tag) { return tag >> 24; }

static inline size_t gw_reading_tags_size(unsigned count) { return ((size_t)count * 4 + 7) & ~(size_t)7; }
static inline uint32_t *gw_reading_tags(struct gw_reading *r) { return (uint32_t *)(r + 1); }
static inline uint64_t *gw_reading_slots(struct gw_reading *r)
{
	return (uint64_t *)(void *)((char *)(r + 1) + gw_reading_tags_size(r->count));
}
static inline char *gw_reading_text(struct gw_reading *r) { return (char *)(gw_reading_slots(r) + r->count); }
static inline const uint32_t *gw_reading_ctags(const struct gw_reading *r) { return (const uint32_t *)(r + 1); }
static inline const uint64_t *gw_reading_cslots(const struct gw_reading *r)
{
	return (const uint64_t *)(const void *)((const char *)(r + 1) + gw_reading_tags_size(r->count));
}

/* Value of the i-th entry (0 <= i < count). */
struct gw_value gw_reading_value(const struct gw_reading *r, unsigned i);

/*
 * Is the block of `available` bytes at r one whole, well-formed reading?  All
 * sizes agree, kinds and reasons are known, indices grow strictly and are below
 * `points`, text lies inside and is clean UTF-8.  For bytes from a plugin,
 * the ring or the disk; nothing else may be called on r before.  NULL: yes;
 * else what is wrong, a static text.
 */
const char *gw_reading_check(const struct gw_reading *r, size_t available, unsigned points);

uint32_t gw_reading_crc(const struct gw_reading *r);

/* "timeout", "exception_2", ...; "good" for GW_GOOD.  Never NULL. */
const char *gw_reason_name(unsigned reason);
/* Is it a reason that says the device did not answer (contract, Offline)? */
bool gw_reason_is_silence(unsigned reason);

#endif
