/*
 * events.h - from Paho's threads to the loop.
 *
 * Paho calls back on its own threads with a mutex held that stops every
 * connection of the process: a callback may only push an event here.  The loop
 * is woken through a descriptor and takes them all at once.
 */
#ifndef MQTT_EVENTS_H
#define MQTT_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"

enum mqtt_event_kind {
	MQTT_E_CONNECTED, /* token: MQTT version; reason: Receive Maximum; size: Maximum Packet Size
			   */
	MQTT_E_REFUSED,	  /* connecting failed; reason: CONNACK code or 0; text */
	MQTT_E_LOST,	  /* reason: of the broker's DISCONNECT or 0; text */
	MQTT_E_ACKED,	  /* token; reason: of the PUBACK */
	MQTT_E_NOT_SENT,  /* token: Paho gave it up */
	MQTT_E_SUBSCRIBED, /* reason: of the SUBACK; token 1: to the commands */
	MQTT_E_ARRIVED,	   /* text, size: payload on our own status topic */
	MQTT_E_COMMAND,	   /* text, size: payload on the command topic; token: the size it had; reason 1:
			      retained */
	MQTT_E_DIAGNOSED,  /* text: why connecting failed, in plain words */
	MQTT_E_CLOSED,	   /* the connection is gone for good */
};

enum {
	MQTT_EVENT_TEXT_MAX = 1024,
	MQTT_EVENTS_FOREIGN_MAX = 256, /* ARRIVED or COMMAND that wait; more are dropped */
};

struct mqtt_event {
	enum mqtt_event_kind kind;
	uint32_t epoch; /* which connection */
	int token;
	unsigned reason;
	char *text; /* NUL-terminated or NULL; freed by the taker's next take */
	size_t size;
	unsigned keepalive_s; /* CONNECTED: Server Keep Alive, 0 none */
};

struct mqtt_events;

int mqtt_events_new(struct mqtt_events **out, struct gw_err *err);
void mqtt_events_free(struct mqtt_events *q); /* no thread may push any more */
int mqtt_events_fd(const struct mqtt_events *q);

/* From any thread.  `text` is copied, cut at MQTT_EVENT_TEXT_MAX; NULL is allowed.  What anybody may
 * publish is dropped when too much of it waits: strangers never decide how much memory this takes. */
void mqtt_events_push(struct mqtt_events *q, const struct mqtt_event *e, const char *text,
		      size_t size);
/* From the loop: all there are; valid until the next take. */
const struct mqtt_event *mqtt_events_take(struct mqtt_events *q, size_t *count);

#endif
