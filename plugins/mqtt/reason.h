/*
 * reason.h - reason codes of MQTT 5 (2.4) and return codes of a 3.1.1 CONNACK
 * (3.2.2.3) in plain words, and what they mean for a connection.
 */
#ifndef MQTT_REASON_H
#define MQTT_REASON_H

#include <stddef.h>

enum {
	MQTT_R_OLD_VERSION = 1, /* of 3.1.1 */
	MQTT_R_VERSION = 0x84,
	MQTT_R_NOT_AUTHORISED = 0x87,
	MQTT_R_TAKEN_OVER = 0x8e,
	MQTT_R_TOO_LARGE = 0x95,
};

const char *mqtt_reason(unsigned code); /* never NULL */

/* Onto out, which is returned: why there is no connection. */
const char *mqtt_why_refused(char *out, size_t size, unsigned code);
/* Code 0: the broker said nothing. */
const char *mqtt_why_lost(char *out, size_t size, unsigned code, const char *client_id);

#endif
