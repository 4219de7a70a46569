/*
 * backoff.h - how long to wait before connecting again: full jitter under a
 * ceiling of 3 s that doubles to 60 s, so that a broker that comes back is not
 * met by all gateways at once, however short it was away: with 2 s an outage of 1 s
 * would still bring 6 of 10 back within one second.  Pure.
 */
#ifndef MQTT_BACKOFF_H
#define MQTT_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum {
	MQTT_BACKOFF_FIRST_MS = 3000,
	MQTT_BACKOFF_LAST_MS = 60000,
	MQTT_BACKOFF_LEAST_MS = 50,
	MQTT_BACKOFF_LIVED_MS = 30000, /* a connection that lasted */
};

struct mqtt_backoff {
	int64_t ceiling_ms; /* 0: as new */
};

static inline int64_t mqtt_backoff_next_ms(struct mqtt_backoff *b, uint32_t random)
{
	int64_t next = b->ceiling_ms ? b->ceiling_ms * 2 : MQTT_BACKOFF_FIRST_MS;

	b->ceiling_ms = next < MQTT_BACKOFF_LAST_MS ? next : MQTT_BACKOFF_LAST_MS;
	return MQTT_BACKOFF_LEAST_MS +
	       (b->ceiling_ms - MQTT_BACKOFF_LEAST_MS) * (int64_t)random / UINT32_MAX;
}

/* A connection was lost after so long: one that lasted starts anew.  Not when another client took it
 * over: two of one identifier would throw each other out for ever, at the pace of the first wait. */
static inline void mqtt_backoff_lost(struct mqtt_backoff *b, int64_t lived_ms, bool taken_over)
{
	if (lived_ms >= MQTT_BACKOFF_LIVED_MS && !taken_over)
		b->ceiling_ms = 0;
}

#endif
