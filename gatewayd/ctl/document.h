/*
 * document.h - JSON as text: whole, for --json, and value by value, for people.
 *
 * Numbers are written as they are: shortest decimal, whole numbers without a
 * point.  (jansson would print 230.1 with seventeen digits.)
 */
#ifndef GW_CTL_DOCUMENT_H
#define GW_CTL_DOCUMENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* How a value is shown to people. */
enum form {
	FORM_PLAIN,   /* text, number, true, false; lists with commas; "-" for none */
	FORM_AGE,     /* milliseconds: 1.2s */
	FORM_SINCE,   /* milliseconds UTC: how long ago */
	FORM_SECONDS, /* seconds: 3h */
	FORM_SIZE,    /* bytes: 1.2 GiB */
	FORM_SHARE,   /* 0.41: 41% */
};

/* Compact, on one line, without the line feed. */
void document_write(FILE *out, const json_t *j);

/* Value at a path with dots ("ring.used") or NULL when absent or null. */
const json_t *document_get(const json_t *object, const char *path);
/* As text for a terminal: control characters escaped, cut with "...".  Returns buf. */
const char *document_text(char *buf, size_t size, const json_t *value, enum form form);

#endif
