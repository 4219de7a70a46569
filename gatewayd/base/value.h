/*
 * value.h - scalars of a configuration: text to C value, and limits to text.
 */
#ifndef GW_BASE_VALUE_H
#define GW_BASE_VALUE_H

#include "gatewayd/config.h"

/* Any scalar type as its C type. */
union gw_scalar {
	bool flag;
	int64_t integer;
	struct gw_decimal decimal;
	double number;
	const char *text; /* the text given, not a copy */
	int choice;
};

/* Text by the rules of the key (type, range, choices, secrecy); -1 with *err,
 * whose text shows the value.  The key's type is a scalar. */
int gw_value_parse(const struct gw_key *key, const char *text, union gw_scalar *out,
		   struct gw_err *err);

/* Finite double by the same grammar as gw_parse_decimal(); -1 with *err. */
int gw_parse_number(const char *text, double *out, struct gw_err *err);

/* *err is "'text' ...", GW_EINPUT; the text is escaped and cut.  Returns -1. */
int gw_wrong_value(struct gw_err *err, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Bytes that one value of the key takes in a struct (of a list: one item). */
size_t gw_value_size(const struct gw_key *key);

/* Has the key limits?  Both 0: none. */
bool gw_value_limited(const struct gw_key *key);
/* A limit of the key in the syntax of the file: "30s", "64KiB", "-5". */
const char *gw_value_show(const struct gw_key *key, int64_t limit, char *buf, size_t size);

/* Longest text that the key takes, in bytes. */
int64_t gw_value_longest(const struct gw_key *key);

/* What the key takes, in a few words: "1s to 1h", "json, sparkplug", "text of at
 * most 64 bytes".  Cut to size; returns buf. */
const char *gw_value_describe(const struct gw_key *key, char *buf, size_t size);

/* Words of a NULL-terminated list with ", " between, cut with "..." to size. */
const char *gw_join_words(char *buf, size_t size, const char *const *words);

#endif
