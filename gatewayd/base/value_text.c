/*
 * value_text.c - what a key takes, in words: for error texts and the reference.
 */
#include "base/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1024 }; /* bytes of a text whose key says nothing */

int64_t gw_value_longest(const struct gw_key *key)
{
	return key->max ? key->max : TEXT_MAX;
}

const char *gw_join_words(char *buf, size_t size, const char *const *words)
{
	size_t used = 0;

	*buf = '\0';
	for (size_t i = 0; words[i]; i++) {
		if (used + strlen(words[i]) + sizeof(", , ...") > size) {
			snprintf(buf + used, size - used, ", ...");
			break;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "", words[i]);
	}
	return buf;
}

static void describe_range(const struct gw_key *k, const char *without, char *buf, size_t size)
{
	char low[32], high[32];

	if (!gw_value_limited(k))
		snprintf(buf, size, "%s", without);
	else if (k->max == INT64_MAX)
		snprintf(buf, size, "%s or more", gw_value_show(k, k->min, low, sizeof(low)));
	else
		snprintf(buf, size, "%s to %s", gw_value_show(k, k->min, low, sizeof(low)),
			 gw_value_show(k, k->max, high, sizeof(high)));
}

static void describe_text(const struct gw_key *k, char *buf, size_t size)
{
	if (k->flags & GW_PATH)
		snprintf(buf, size, "path");
	else if (k->min > 0)
		snprintf(buf, size, "text of %" PRId64 " to %" PRId64 " bytes", k->min,
			 gw_value_longest(k));
	else if (k->max)
		snprintf(buf, size, "text of at most %" PRId64 " bytes", k->max);
	else
		snprintf(buf, size, "text");
}

const char *gw_value_describe(const struct gw_key *key, char *buf, size_t size)
{
	static const char *const plain[] = {
		[GW_T_BOOL] = "true, false",
		[GW_T_INT] = "whole number",
		[GW_T_DURATION] = "duration",
		[GW_T_SIZE] = "size",
		[GW_T_DECIMAL] = "decimal number",
		[GW_T_NUMBER] = "number",
		[GW_T_NAME] = "name",
		[GW_T_SECTION] = "map of keys",
		[GW_T_MAP] = "map of names",
		[GW_T_NODE] = "map, list or value",
	};

	if (key->type == GW_T_CHOICE)
		return gw_join_words(buf, size, key->choices);
	if (key->type == GW_T_TEXT)
		describe_text(key, buf, size);
	else if (key->type == GW_T_MAP || key->type == GW_T_NODE || key->type == GW_T_SECTION)
		snprintf(buf, size, "%s", plain[key->type]);
	else
		describe_range(key, plain[key->type], buf, size);
	return buf;
}
