/*
 * backoff.h - how long to wait before connecting again: full jitter under a
 * ceiling of 1 s that doubles to 60 s, so that a broker that comes back is not
 * met by all gateways at once.  Pure.
 */
#ifndef MQTT_BACKOFF_H
#define MQTT_BACKOFF_H

#include <stdint.h>

enum { MQTT_BACKOFF_FIRST_MS = 1000, MQTT_BACKOFF_LAST_MS = 60000, MQTT_BACKOFF_LEAST_MS = 50 };

struct mqtt_backoff {
	int64_t ceiling_ms; /* 0: as new */
};

static inline int64_t mqtt_backoff_next_ms(struct mqtt_backoff *b, uint32_t random)
{
	int64_t next = b->ceiling_ms ? b->ceiling_ms * 2 : MQTT_BACKOFF_FIRST_MS, wait;

	b->ceiling_ms = next < MQTT_BACKOFF_LAST_MS ? next : MQTT_BACKOFF_LAST_MS;
	wait = b->ceiling_ms * (int64_t)random / UINT32_MAX;
	return wait > MQTT_BACKOFF_LEAST_MS ? wait : MQTT_BACKOFF_LEAST_MS;
}

#endif
