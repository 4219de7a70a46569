/*
 * keys.h - configuration of the MQTT sink: its table and what tables cannot say.
 */
#ifndef MQTT_KEYS_H
#define MQTT_KEYS_H

#include "gatewayd/config.h"

enum { MQTT_PROTOCOL_5, MQTT_PROTOCOL_311, MQTT_PROTOCOL_AUTO };

struct mqtt_command_keys {
	struct gw_list write; /* const char * */
	bool replay;
};

struct mqtt_keys {
	struct gw_list broker; /* const char * */
	const char *client_id; /* NULL: gateway.id */
	const char *root, *topic;
	int format, protocol;
	const char *ca, *cert, *key, *username, *password_file;
	int64_t keepalive_ms, ack_timeout_ms, window, replay_rate;
	struct mqtt_command_keys commands;
};

extern const struct gw_table mqtt_table;

/* Reports what is wrong beyond the table; `map` is the sink's node, for places. */
void mqtt_keys_check(const struct mqtt_keys *k, const struct gw_node *map, struct gw_problems *to);

/*
 * The password: from $CREDENTIALS_DIRECTORY/NAME when that exists, NAME being the
 * last part of `file`, else from `file`.  One line feed at the end is cut.
 * Returns the length, at most size - 1 (a NUL follows), or -1 with *err.
 */
int mqtt_password_read(const char *file, char *out, size_t size, struct gw_err *err);

#endif
