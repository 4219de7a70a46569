/*
 * command.h - a command as it comes from the broker (contract: `command`).  Pure.
 *
 * The bytes are a stranger's: anything that is not exactly a command known here is refused in
 * words that help who sent it.
 */
#ifndef MQTT_COMMAND_H
#define MQTT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"

enum { MQTT_ID_MAX = 60, MQTT_COMMAND_MAX = 1024 };

struct mqtt_command {
	char id[MQTT_ID_MAX + 1]; /* "": none that could be answered */
	int64_t expires_ms;	  /* UTC */
	char device[65];
	bool by_time;	  /* from and to are UTC in milliseconds, else numbers of readings */
	int64_t from, to; /* both included */
};

/* -1 with the reason in err->msg; id is set then too, if there was one. */
int mqtt_command_parse(const char *text, size_t size, struct mqtt_command *c, struct gw_err *err);

#endif
