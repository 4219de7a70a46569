/*
 * text.c - checks and display forms of text (text.h, utf8.h).
 *
 * Everything here works on bytes from outside: nothing is assumed about them,
 * and nothing is read beyond the given length.
 */
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

size_t gw_utf8_next(const char *s, size_t n, uint32_t *code)
{
	/* smallest code point that needs so many bytes: below it is overlong */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s;
	size_t size = u[0] < 0x80	  ? 1
		      : u[0] >> 5 == 0x6  ? 2
		      : u[0] >> 4 == 0xe  ? 3
		      : u[0] >> 3 == 0x1e ? 4
					  : 0;
	uint32_t c = size == 1 ? u[0] : u[0] & (0x7fu >> size);

	if (size == 0 || size > n)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[size] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return size;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

bool gw_utf8_ok(const char *s, size_t n)
{
	uint32_t c;

	for (size_t i = 0, size; i < n; i += size) {
		size = gw_utf8_next(s + i, n - i, &c);
		if (size == 0 || c == 0)
			return false;
	}
	return true;
}

bool gw_text_clean(const char *s, size_t n)
{
	uint32_t c;

	for (size_t i = 0, size; i < n; i += size) {
		size = gw_utf8_next(s + i, n - i, &c);
		if (size == 0 || is_control(c))
			return false;
	}
	return true;
}

/* One character, or its bytes as \xNN, into piece (17 bytes); returns bytes taken. */
static size_t escape_one(char *piece, const char *s, size_t n)
{
	uint32_t c = 0;
	size_t size = gw_utf8_next(s, n, &c);
	size_t raw = size ? size : 1;

	if (size && !is_control(c)) {
		memcpy(piece, s, size);
		piece[size] = '\0';
		return size;
	}
	for (size_t i = 0; i < raw; i++)
		snprintf(piece + 4 * i, 5, "\\x%02x", (unsigned char)s[i]);
	return raw;
}

const char *gw_escape(char *buf, size_t size, const char *s, size_t n)
{
	size_t used = 0, safe = 0; /* safe: where "..." still fits */
	char piece[17];

	if (size == 0)
		return buf;
	for (size_t i = 0; i < n;) {
		size_t length;

		i += escape_one(piece, s + i, n - i);
		length = strlen(piece);
		if (used + length >= size) {
			snprintf(buf + safe, size - safe, "...");
			return buf;
		}
		memcpy(buf + used, piece, length);
		used += length;
		if (used + 4 <= size)
			safe = used;
	}
	buf[used] = '\0';
	return buf;
}

/* Units of a display form, smallest first; `full` of one make one of the next. */
struct unit {
	const char *name;
	int64_t size;
};

const char *gw_show_duration(char *buf, size_t size, int64_t ms)
{
	static const struct unit units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }
	};
	const char *sign = ms < 0 ? "-" : "";
	uint64_t v = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	size_t i = 0;

	/* half a digit below the next unit rounds up into it: 59.7 s is 1m */
	while (i + 1 < sizeof(units) / sizeof(units[0]) &&
	       v + (uint64_t)units[i].size / 2 >= (uint64_t)units[i + 1].size)
		i++;
	uint64_t unit = (uint64_t)units[i].size;
	uint64_t tenths = v / unit * 10 + (v % unit * 10 + unit / 2) / unit;

	if (i == 0 || tenths % 10 == 0)
		snprintf(buf, size, "%s%" PRIu64 "%s", sign, tenths / 10, units[i].name);
	else if (tenths < 100)
		snprintf(buf, size, "%s%" PRIu64 ".%" PRIu64 "%s", sign, tenths / 10, tenths % 10,
			 units[i].name);
	else
		snprintf(buf, size, "%s%" PRIu64 "%s", sign,
			 v / unit + (v % unit >= unit - v % unit), units[i].name);
	return buf;
}

const char *gw_show_size(char *buf, size_t size, uint64_t bytes)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(buf, size, "%" PRIu64 " B", bytes);
		return buf;
	}
	for (; v >= 1023.95 && i + 1 < sizeof(names) / sizeof(names[0]); i++)
		v /= 1024;
	snprintf(buf, size, "%.1f %s", v, names[i]);
	return buf;
}
