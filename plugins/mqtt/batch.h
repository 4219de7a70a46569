/*
 * batch.h - the messages that a call of the core becomes: one for each live reading, arrays of
 * one device for a replay, none larger than the broker takes.
 */
#ifndef MQTT_BATCH_H
#define MQTT_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "gatewayd/plugin.h"
#include "message.h"

enum {
	MQTT_ARRAY_READINGS = 100, /* contract: replay */
	MQTT_ARRAY_BYTES = 64 * 1024,
};

/* Where readings of a layout go; the texts live as long as the publisher. */
struct mqtt_device_topics {
	const char *data, *replay, *loss, *window;
};

struct mqtt_batch {
	bool live;
	const struct gw_layout *const *layouts;
	const struct mqtt_device_topics *const *topics;
	const struct gw_reading *const *readings;
	size_t count;
	const char *const *boots; /* for "boot" of a reading without a trusted time; NULL: none */
	const char *const *requests; /* of each: who asked for it, or NULL; NULL: nobody for any */
};

/* Bytes of payload that fit a packet of packet_max bytes on this topic. */
size_t mqtt_payload_max(size_t packet_max, const char *topic);
/* All of them, in order, counted in one call; the caller owns them.  A reading too large for the
 * broker is a message of its own.  scratch: room for one reading. */
struct mqtt_message *mqtt_batch_messages(struct mqtt_pool *pool, struct mqtt_text *scratch, size_t packet_max,
					 const struct mqtt_batch *batch);

#endif
