/*
 * text.h - small things about text that several rooms need.
 */
#ifndef GW_BASE_TEXT_H
#define GW_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid UTF-8 (RFC 3629: no surrogates, no overlong forms), no NUL. */
bool gw_utf8_ok(const char *s, size_t n);
/* The same, and no control characters (C0, DEL, C1). */
bool gw_text_clean(const char *s, size_t n);
/* `s` for a person's terminal or log: control characters and bad UTF-8 as \xNN,
 * cut with "..." to fit.  Always ends in NUL; returns buf. */
const char *gw_escape(char *buf, size_t size, const char *s, size_t n);
/* "500ms", "1.5s", "2m", "3h", "2d": at most two digits of detail. */
const char *gw_show_duration(char *buf, size_t size, int64_t ms);
/* "512 B", "64.0 KiB", "1.2 GiB" */
const char *gw_show_size(char *buf, size_t size, uint64_t bytes);

#endif
