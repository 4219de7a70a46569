/*
 * window.c - the binary form of a window: its means, and the check that foreign bytes
 * are one.  The check trusts no count, index or offset before it has compared it.
 */
#include "gatewayd/window.h"

#include <string.h>
#include <zlib.h>

#include "base/text.h"

static double as_double(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, sizeof(d));
	return d;
}

static bool is_integer(unsigned kind)
{
	return kind == GW_I64 || kind == GW_U64;
}

static bool is_number(unsigned kind)
{
	return is_integer(kind) || kind == GW_F32 || kind == GW_F64;
}

static double number(unsigned kind, uint64_t slot)
{
	if (kind == GW_I64)
		return (double)(int64_t)slot;
	return kind == GW_U64 ? (double)slot : as_double(slot);
}

/* A convex combination: it cannot overflow. */
double gw_window_mean(const struct gw_window *w, const struct gw_window_point *p)
{
	double last = number(p->last_kind, p->last), before = p->weight_ms, held = 0;

	if (p->flags & GW_WINDOW_OPEN)
		held = (double)(w->mono_to_ms - w->mono_from_ms - p->last_ms);
	if (before + held <= 0)
		return last;
	return p->mean * (before / (before + held)) + last * (held / (before + held));
}

/* ---- the check ---- */

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static const char *check_shape(const struct gw_window *w, size_t available, unsigned points)
{
	size_t whole;

	if (available < sizeof(*w))
		return "window is shorter than its header";
	if (w->size != available || available > GW_WINDOW_MAX)
		return "size of the window disagrees with its bytes";
	if (w->points > GW_POINTS_MAX || w->points > points)
		return "window has more points than its device";
	if (w->qualities > GW_WINDOW_MAX / sizeof(struct gw_window_quality))
		return "size of the window disagrees with its counts";
	whole = sizeof(*w) + w->points * sizeof(struct gw_window_point) +
		w->qualities * sizeof(struct gw_window_quality) + padded(w->text_size);
	if (whole != available)
		return "size of the window disagrees with its counts";
	return NULL;
}

static const char *check_header(const struct gw_window *w)
{
	if (w->from == 0 || w->to < w->from || w->readings != w->to - w->from + 1)
		return "numbers of the window are no range";
	if (w->flags & ~GW_READING_UNSYNCED || w->reserved || !w->window_ms)
		return "window has unknown flags";
	if (w->mono_to_ms < w->mono_from_ms || w->mono_to_ms - w->mono_from_ms > UINT32_MAX)
		return "times of the window are no range";
	for (const char *p = gw_window_text(w) + w->text_size, *end = (const char *)w + w->size; p < end; p++)
		if (*p)
			return "padding of the window is not zero";
	return NULL;
}

static bool finite_bits(uint64_t slot)
{
	return (slot >> 52 & 0x7ff) != 0x7ff;
}

static bool is_sound_number(unsigned kind, uint64_t slot)
{
	if (is_integer(kind))
		return true;
	if (!finite_bits(slot))
		return false;
	return kind != GW_F32 || (double)(float)as_double(slot) == as_double(slot);
}

static const char *check_numbers(const struct gw_window_point *p)
{
	uint64_t mean;

	memcpy(&mean, &p->mean, sizeof(mean));
	if (!finite_bits(mean))
		return "mean of a point is not finite";
	if (p->min_kind == GW_NONE && p->max_kind == GW_NONE)
		return is_number(p->last_kind) ? "point of a window has a number and no range" : NULL;
	if (!is_number(p->min_kind) || !is_number(p->max_kind) || !is_number(p->last_kind) ||
	    is_integer(p->min_kind) != is_integer(p->last_kind) ||
	    is_integer(p->max_kind) != is_integer(p->last_kind))
		return "kind of a point of a window is unknown";
	if (!is_sound_number(p->min_kind, p->min) || !is_sound_number(p->max_kind, p->max) ||
	    !is_sound_number(p->last_kind, p->last))
		return "number of a point of a window is not finite";
	return NULL;
}

/* `spent`: texts may not share bytes. */
static const char *check_last(const struct gw_window *w, const struct gw_window_point *p, size_t *spent)
{
	uint64_t at = p->last >> 16, length = p->last & 0xffff;

	if (p->last_kind == GW_BOOL)
		return p->last > 1 ? "boolean of a window is neither 0 nor 1" : NULL;
	if (p->last_kind == GW_ENUM)
		return p->last > UINT32_MAX ? "label of a window is out of range" : NULL;
	if (p->last_kind == GW_TEXT) {
		*spent += length;
		if (at > w->text_size || length > w->text_size - at || *spent > w->text_size)
			return "text of a window lies outside";
		return gw_text_clean(gw_window_text(w) + at, length) ? NULL : "text of a window is not clean UTF-8";
	}
	return is_number(p->last_kind) || p->last_kind == GW_NONE ? NULL : "kind of a point of a window is unknown";
}

static const char *check_point(const struct gw_window *w, const struct gw_window_point *p, size_t *spent)
{
	uint32_t span = (uint32_t)(w->mono_to_ms - w->mono_from_ms);
	const char *wrong = check_numbers(p);

	if (wrong)
		return wrong;
	if (p->zero || p->flags & ~GW_WINDOW_OPEN || p->first_ms > p->last_ms || p->last_ms > span ||
	    p->weight_ms > span)
		return "times of a point lie outside its window";
	if (p->n == 0 && p->last_kind != GW_NONE)
		return "point of a window has a value and no count";
	return check_last(w, p, spent);
}

static const char *check_qualities(const struct gw_window *w)
{
	const struct gw_window_quality *q = gw_window_qualities(w);
	const struct gw_window_point *p = gw_window_points(w);
	uint32_t next = 0; /* the smallest index and reason that may follow */
	unsigned at = 0;

	for (uint32_t i = 0; i < w->qualities; i++) {
		uint32_t key = (uint32_t)q[i].index << 8 | q[i].reason;

		while (at < w->points && p[at].index < q[i].index)
			at++;
		if (key < next || at == w->points || p[at].index != q[i].index || q[i].zero ||
		    q[i].reason == GW_GOOD)
			return "reasons of a window do not grow or have no point";
		if (q[i].reason >= GW_REASONS && q[i].reason < GW_EXCEPTION_0)
			return "reason of a window is unknown";
		next = key + 1;
	}
	return NULL;
}

const char *gw_window_check(const struct gw_window *w, size_t available, unsigned points)
{
	const char *wrong = check_shape(w, available, points);
	const struct gw_window_point *p;
	unsigned next = 0;
	size_t spent = 0;

	if (!wrong)
		wrong = check_header(w);
	if (wrong)
		return wrong;
	p = gw_window_points(w);
	for (unsigned i = 0; i < w->points && !wrong; i++) {
		if (p[i].index < next || p[i].index >= points)
			return "point numbers of a window do not grow or are beyond the device's";
		next = p[i].index + 1u;
		wrong = check_point(w, &p[i], &spent);
	}
	return wrong ? wrong : check_qualities(w);
}

uint32_t gw_window_crc(const struct gw_window *w)
{
	size_t skip = offsetof(struct gw_window, layout);

	return (uint32_t)crc32_z(0, (const unsigned char *)w + skip, w->size - skip);
}
