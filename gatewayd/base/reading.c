/*
 * reading.c - the binary form of a reading: values out of it, and the check
 * that foreign bytes are one.
 *
 * The check runs once for every reading on every way in (link, ring, disk), so
 * it is one pass over tags and slots without a call for plain numbers.  It may
 * not trust any length, index or offset before it has compared it.
 */
#include "gatewayd/reading.h"

#include <string.h>
#include <zlib.h>

#include "base/text.h"

enum { KNOWN_FLAGS = GW_READING_UNSYNCED | GW_READING_OFFLINE };

static double as_double(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, sizeof(d));
	return d;
}

/* ---- values ---- */

static void set_text(struct gw_value *v, const struct gw_reading *r, uint64_t slot)
{
	const char *text = (const char *)(gw_reading_cslots(r) + r->count);

	v->text = text + (slot >> 16);
	v->length = slot & 0xffff;
}

struct gw_value gw_reading_value(const struct gw_reading *r, unsigned i)
{
	uint32_t tag = gw_reading_ctags(r)[i];
	uint64_t slot = gw_reading_cslots(r)[i];
	struct gw_value v = { .kind = gw_tag_kind(tag),
			      .reason = (enum gw_reason)gw_tag_reason(tag) };

	switch (v.kind) {
	case GW_BOOL:
		v.b = slot != 0;
		break;
	case GW_I64:
		v.i = (int64_t)slot;
		break;
	case GW_U64:
		v.u = slot;
		break;
	case GW_F32:
	case GW_F64:
		v.f = as_double(slot);
		break;
	case GW_TEXT:
		set_text(&v, r, slot);
		break;
	case GW_ENUM:
		v.label = (uint32_t)slot;
		break;
	case GW_NONE:
	case GW_KINDS:
	default:
		break;
	}
	return v;
}

/* ---- the check ---- */

static bool zeros(const char *from, const char *to)
{
	while (from < to)
		if (*from++)
			return false;
	return true;
}

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static const char *check_shape(const struct gw_reading *r, size_t available, unsigned points)
{
	size_t whole;

	if (available < sizeof(*r))
		return "reading is shorter than its header";
	if (r->size != available)
		return "size of the reading disagrees with its bytes";
	if (available > GW_READING_MAX)
		return "reading is too large";
	if (r->count > GW_POINTS_MAX || r->count > points)
		return "reading has more points than its device";
	whole = sizeof(*r) + gw_reading_tags_size(r->count) + (size_t)r->count * 8 +
		padded(r->text_size);
	if (whole != available)
		return "size of the reading disagrees with its points and text";
	if (r->flags & ~KNOWN_FLAGS)
		return "reading has an unknown flag";
	return NULL;
}

static const char *check_padding(const struct gw_reading *r)
{
	const char *slots = (const char *)gw_reading_cslots(r);
	const char *text = slots + (size_t)r->count * 8;

	if (!zeros((const char *)(gw_reading_ctags(r) + r->count), slots) ||
	    !zeros(text + r->text_size, (const char *)r + r->size))
		return "padding of the reading is not zero";
	return NULL;
}

/* `spent` adds up: texts may not share bytes, or a thousand points with one long
 * text would cost a thousand checks of it. */
static const char *check_text(const struct gw_reading *r, uint64_t slot, size_t *spent)
{
	uint64_t offset = slot >> 16, length = slot & 0xffff;

	*spent += length;
	if (offset > r->text_size || length > r->text_size - offset || *spent > r->text_size)
		return "text of a point lies outside the reading";
	if (!gw_text_clean((const char *)(gw_reading_cslots(r) + r->count) + offset, length))
		return "text of a point is not clean UTF-8";
	return NULL;
}

static const char *check_float(uint64_t slot, enum gw_kind kind)
{
	double d = as_double(slot);

	if ((slot >> 52 & 0x7ff) == 0x7ff)
		return "number of a point is not finite";
	if (kind == GW_F32 && (double)(float)d != d)
		return "number of a point is no float32";
	return NULL;
}

static const char *check_value(const struct gw_reading *r, uint32_t tag, uint64_t slot,
			       size_t *spent)
{
	enum gw_kind kind = gw_tag_kind(tag);

	switch (kind) {
	case GW_NONE:
		return gw_tag_reason(tag) == GW_GOOD ? "point without value has no reason" : NULL;
	case GW_BOOL:
		return slot > 1 ? "boolean of a point is neither 0 nor 1" : NULL;
	case GW_I64:
	case GW_U64:
		return NULL;
	case GW_F32:
	case GW_F64:
		return check_float(slot, kind);
	case GW_TEXT:
		return check_text(r, slot, spent);
	case GW_ENUM:
		return slot > UINT32_MAX ? "label of a point is out of range" : NULL;
	case GW_KINDS:
	default:
		return "kind of a point is unknown";
	}
}

const char *gw_reading_check(const struct gw_reading *r, size_t available, unsigned points)
{
	const char *wrong = check_shape(r, available, points);
	const uint32_t *tags;
	const uint64_t *slots;
	unsigned next = 0; /* the smallest index that may follow */
	size_t spent = 0;

	if (!wrong)
		wrong = check_padding(r);
	if (wrong)
		return wrong;
	tags = gw_reading_ctags(r);
	slots = gw_reading_cslots(r);
	for (unsigned i = 0; i < r->count && !wrong; i++) {
		unsigned index = gw_tag_index(tags[i]), reason = gw_tag_reason(tags[i]);

		if (index < next || index >= points)
			return "point numbers do not grow or are beyond the device's";
		if (reason >= GW_REASONS && reason < GW_EXCEPTION_0)
			return "reason of a point is unknown";
		next = index + 1;
		wrong = check_value(r, tags[i], slots[i], &spent);
	}
	return wrong;
}

uint32_t gw_reading_crc(const struct gw_reading *r)
{
	size_t skip = offsetof(struct gw_reading, layout);

	return (uint32_t)crc32_z(0, (const unsigned char *)r + skip, r->size - skip);
}

/* ---- reasons ---- */

#define ONE(n) "exception_" #n
#define TEN(t) ONE(t##0), ONE(t##1), ONE(t##2), ONE(t##3), ONE(t##4), \
	ONE(t##5), ONE(t##6), ONE(t##7), ONE(t##8), ONE(t##9)
static const char *const exceptions[128] = {
	TEN(), TEN(1), TEN(2), TEN(3), TEN(4), TEN(5), TEN(6), TEN(7), TEN(8), TEN(9),
	TEN(10), TEN(11), ONE(120), ONE(121), ONE(122), ONE(123), ONE(124), ONE(125),
	ONE(126), ONE(127),
};
#undef TEN
#undef ONE

static const char *const reasons[GW_REASONS] = {
	[GW_GOOD] = "good",
	[GW_TIMEOUT] = "timeout",
	[GW_NO_CONNECTION] = "no_connection",
	[GW_CRC] = "crc",
	[GW_PROTOCOL] = "protocol",
	[GW_NOT_AVAILABLE] = "not_available",
	[GW_OUT_OF_RANGE] = "out_of_range",
	[GW_OVERFLOW] = "overflow",
	[GW_NOT_IN_ENUM] = "not_in_enum",
	[GW_BAD_TEXT] = "bad_text",
	[GW_PLUGIN] = "plugin",
	[GW_EXCEPTION_128] = "exception_128",
};

const char *gw_reason_name(unsigned reason)
{
	if (reason < GW_REASONS)
		return reasons[reason];
	if (reason >= GW_EXCEPTION_0 && reason < GW_EXCEPTION_0 + 128)
		return exceptions[reason - GW_EXCEPTION_0];
	return "unknown";
}

bool gw_reason_is_silence(unsigned reason)
{
	/* 10 and 11 are a Modbus gateway's words for a device behind it that is silent. */
	return (reason >= GW_TIMEOUT && reason <= GW_PROTOCOL) ||
	       reason == (GW_EXCEPTION_0 | 10) || reason == (GW_EXCEPTION_0 | 11);
}
