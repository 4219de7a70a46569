/*
 * utf8.h - one character of UTF-8 at a time.
 */
#ifndef GW_BASE_UTF8_H
#define GW_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the character at s (1 to 4) with its code point in *code, or 0 when
 * the n bytes there do not begin with a valid one (RFC 3629: no surrogates, no
 * overlong form).  NUL is a valid character here.  n must not be 0.
 */
size_t gw_utf8_next(const char *s, size_t n, uint32_t *code);

#endif
