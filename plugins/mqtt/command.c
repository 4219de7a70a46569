/* command.c - see command.h. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "command.h"

static int take_text(const json_t *map, const char *key, char *out, size_t size, struct gw_err *err)
{
	const json_t *v = json_object_get(map, key);
	size_t n = json_string_length(v);

	if (!json_is_string(v) || !n || n >= size || memchr(json_string_value(v), '\0', n))
		return gw_err_set(err, GW_EINPUT, "`%s` must be a text of 1 to %zu bytes", key, size - 1);
	snprintf(out, size, "%s", json_string_value(v));
	return 0;
}

static int take_integer(const json_t *map, const char *key, int64_t *out, struct gw_err *err)
{
	const json_t *v = json_object_get(map, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return gw_err_set(err, GW_EINPUT, "`%s` is required: a whole number, not negative", key);
	*out = json_integer_value(v);
	return 0;
}

static int take_span(const json_t *map, struct mqtt_command *c, struct gw_err *err)
{
	bool number = json_object_get(map, "from") || json_object_get(map, "to");

	c->by_time = json_object_get(map, "ts_from") || json_object_get(map, "ts_to");
	if (number == c->by_time)
		return gw_err_set(err, GW_EINPUT, "either `from` and `to`, or `ts_from` and `ts_to`");
	if (take_integer(map, c->by_time ? "ts_from" : "from", &c->from, err) ||
	    take_integer(map, c->by_time ? "ts_to" : "to", &c->to, err))
		return -1;
	if (c->from > c->to)
		return gw_err_set(err, GW_EINPUT, "it begins behind its end");
	return 0;
}

static int take_replay(const json_t *map, struct mqtt_command *c, struct gw_err *err)
{
	if (take_text(map, "device", c->device, sizeof(c->device), err))
		return -1;
	return take_span(map, c, err);
}

static int take(const json_t *map, struct mqtt_command *c, struct gw_err *err)
{
	char op[32];

	if (take_text(map, "id", c->id, sizeof(c->id), err) ||
	    take_integer(map, "expires", &c->expires_ms, err) ||
	    take_text(map, "op", op, sizeof(op), err))
		return -1;
	if (strcmp(op, "write") == 0)
		return gw_err_set(err, GW_EINPUT, "this gateway takes no writes over MQTT");
	if (strcmp(op, "replay") != 0)
		return gw_err_set(err, GW_EINPUT, "unknown op '%s'; allowed is replay", op);
	return take_replay(map, c, err);
}

int mqtt_command_parse(const char *text, size_t size, struct mqtt_command *c, struct gw_err *err)
{
	json_error_t wrong;
	json_t *map = json_loadb(text, size, JSON_REJECT_DUPLICATES, &wrong);
	int rc;

	*c = (struct mqtt_command){ 0 };
	if (!json_is_object(map)) {
		json_decref(map);
		return gw_err_set(err, GW_EINPUT, "not a JSON object");
	}
	rc = take(map, c, err);
	json_decref(map);
	return rc;
}
