/*
 * link.h - one connection to a broker: one Paho handle from CONNECT to its end.
 *
 * A handle is never used twice: Paho keeps unsent messages over a reconnect and
 * sends them before ours.  mqtt_link_open() and mqtt_link_close() may block and
 * belong on the worker; send and subscribe are for the loop, and only between
 * MQTT_E_CONNECTED and the close.  Everything else comes as events that carry
 * the connection's epoch.
 */
#ifndef MQTT_LINK_H
#define MQTT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events.h"
#include "publish.h"

enum { MQTT_CONNECT_S = 10 };

struct mqtt_link_options {
	struct mqtt_events *events;
	uint32_t epoch;
	const char *uri, *client_id, *username; /* username NULL: none */
	const char *password;
	size_t password_size;
	bool v5, tls;
	const char *ca, *cert, *key; /* NULL: system store, none, none */
	int keepalive_s;
	unsigned window;
	const char *status_topic;  /* of the will */
	const char *command_topic; /* NULL: no commands */
	const char *will;
	size_t will_size;
};

struct mqtt_link;

struct mqtt_link *mqtt_link_new(const struct mqtt_link_options *o); /* copies all but `events` */
void mqtt_link_open(struct mqtt_link *l); /* MQTT_E_CONNECTED or MQTT_E_REFUSED follows */
enum mqtt_send mqtt_link_send(struct mqtt_link *l, const struct mqtt_document *d, int *token);
/* To the status topic and that of commands; -1: it could not be sent. */
int mqtt_link_subscribe(struct mqtt_link *l);

enum mqtt_goodbye {
	MQTT_BYE_NONE,	    /* never connected, or already lost */
	MQTT_BYE_NORMAL,    /* the broker discards the will */
	MQTT_BYE_WITH_WILL, /* MQTT 5: the broker publishes the will */
};
/* Disconnects (2 s at most), destroys the handle, pushes MQTT_E_CLOSED, frees. */
void mqtt_link_close(struct mqtt_link *l, enum mqtt_goodbye how);

#endif
