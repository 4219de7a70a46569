/*
 * session.h - being connected: brokers in turn, back-off, session numbers.
 *
 * Owns the worker, the events and the present connection; everything of Paho
 * ends here.  All calls and callbacks belong to the loop.  A connection has a
 * new Paho handle and a new session number; events of an older one are ignored.
 */
#ifndef MQTT_SESSION_H
#define MQTT_SESSION_H

#include <stdint.h>

#include "build.h"
#include "gatewayd/loop.h"
#include "gatewayd/plugin.h"
#include "keys.h"
#include "publish.h"

struct mqtt_session_options {
	struct gw_loop *loop;
	const struct mqtt_keys *keys; /* borrowed, like the texts */
	const char *client_id, *status_topic;
	const char *command_topic; /* NULL: no commands */
	uint64_t number; /* of the last session; the first of this one is one more */
};

struct mqtt_session_ops {
	/* The will of session `number`, onto out. */
	void (*will)(void *arg, uint64_t number, struct mqtt_text *out);
	/* Connecting or waiting (never connected: see up). */
	void (*state)(void *arg, enum gw_link_state state, const char *reason);
	void (*up)(void *arg, const struct mqtt_limits *l);
	/* No longer connected; reason: of the broker's DISCONNECT or 0.  state() follows. */
	void (*down)(void *arg, unsigned reason);
	void (*acked)(void *arg, int token, unsigned reason);
	/* Something was published on our own status topic. */
	void (*status_seen)(void *arg, const char *payload, size_t size);
	/* Something was published on the command topic; `whole` is its size, `size` what is given. */
	void (*command)(void *arg, const char *payload, size_t size, size_t whole, bool retained);
	void (*closed)(void *arg); /* after mqtt_session_stop(): all is over, quiet */
};

struct mqtt_session;

int mqtt_session_new(struct mqtt_session **out, const struct mqtt_session_options *o,
		     const struct mqtt_session_ops *ops, void *arg, struct gw_err *err);
/* Waits for Paho unless it is quiet. */
void mqtt_session_free(struct mqtt_session *s);

void mqtt_session_connect(struct mqtt_session *s);
/* Between up() and down() only. */
enum mqtt_send mqtt_session_send(struct mqtt_session *s, const struct mqtt_document *d, int *token);
/* Subscribe to our own status topic, for what others write there, and to commands. */
void mqtt_session_listen(struct mqtt_session *s);
/* Give this connection up, letting the will speak, and connect again. */
void mqtt_session_drop(struct mqtt_session *s, const char *why);
/* said: the last word was handed over; else the will speaks. */
void mqtt_session_stop(struct mqtt_session *s, bool said);

/* Would mqtt_session_free() return at once? */
bool mqtt_session_is_quiet(const struct mqtt_session *s);

uint64_t mqtt_session_number(const struct mqtt_session *s);
const char *mqtt_session_broker(const struct mqtt_session *s); /* as configured */

#endif
