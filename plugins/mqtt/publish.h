/*
 * publish.h - the window: which PUBLISH goes when, and what its acknowledgement means.
 *
 * Paho itself sleeps up to a second when its own window or the broker's Receive
 * Maximum is full, so the window is kept here and Paho never sees more.  Waking
 * Paho for one message costs as much as for five: messages are handed over in
 * bursts, at most one in 20 ms, unless ten or a whole window are waiting.
 *
 * What is live, declared or corrected goes first, in order; backlog (readings of the past and windows)
 * behind it, with three quarters of the window and no more bytes in flight than pace.h allows.
 *
 * No clock, no network and no core in it: the time is a parameter and the rest
 * are the calls below.  One thread.
 */
#ifndef MQTT_PUBLISH_H
#define MQTT_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "batch.h"
#include "gatewayd/plugin.h"

enum {
	MQTT_BURST_US = 20000,
	MQTT_BURST_FULL = 10, /* messages worth a wake-up at any time */
	MQTT_WINDOW_MAX = 1000,
};

struct mqtt_limits {
	unsigned window;   /* PUBLISH packets in flight */
	size_t packet_max; /* bytes of a whole packet that the broker takes */
};

/* A document: state of which only the newest matters (status, directory, ...). */
struct mqtt_document {
	const char *topic, *text; /* text of size 0 with retained empties the topic */
	size_t size;
	bool retained;
};

enum mqtt_send { MQTT_SENT, MQTT_SEND_FULL, MQTT_SEND_BROKEN };

struct mqtt_publisher_ops {
	/* Hand one PUBLISH with QoS 1 to Paho; *token names it in mqtt_publisher_acked(). */
	enum mqtt_send (*send)(void *arg, const struct mqtt_document *d, int *token);
	/* The next document that waits, borrowed until document_sent(); false: none. */
	bool (*document)(void *arg, struct mqtt_document *d);
	void (*document_sent)(void *arg);
	void (*ack)(void *arg, unsigned device, uint64_t from, uint64_t to, enum gw_outcome o,
		    unsigned credit);
	void (*ack_loss)(void *arg, uint64_t id, enum gw_outcome o, unsigned credit);
	void (*ack_window)(void *arg, uint64_t id, enum gw_outcome o, unsigned credit);
	void (*ack_correction)(void *arg, uint64_t id, enum gw_outcome o, unsigned credit);
	/* The broker does not take messages on this topic (MQTT 5 reason code). */
	void (*refused)(void *arg, const char *topic, unsigned reason);
	/* It cannot go on over this connection. */
	void (*trouble)(void *arg, const char *why);
};

struct mqtt_publisher;

struct mqtt_publisher *mqtt_publisher_new(const struct mqtt_publisher_ops *ops, void *arg);
void mqtt_publisher_free(struct mqtt_publisher *p);

/* Connected: messages may go.  Before and after everything given is dropped, as
 * the core counts it as not sent. */
void mqtt_publisher_open(struct mqtt_publisher *p, const struct mqtt_limits *l, int64_t now_us);
void mqtt_publisher_close(struct mqtt_publisher *p);
/* Nothing new any more; what waits and what is in flight still goes, and the documents are the last word. */
void mqtt_publisher_drain(struct mqtt_publisher *p);
/* What waits of it is not sent: the store has it. */
void mqtt_publisher_drop_backlog(struct mqtt_publisher *p);
/* The broker closed because a packet was too large (reason 0x95): from the next
 * connection on nothing as large as the largest in flight is sent. */
void mqtt_publisher_learn_size(struct mqtt_publisher *p);

void mqtt_publisher_readings(struct mqtt_publisher *p, const struct mqtt_batch *b);
/* A loss, a window or a correction of that id. */
enum mqtt_record { MQTT_LOSS, MQTT_WINDOW, MQTT_CORRECTION };
void mqtt_publisher_record(struct mqtt_publisher *p, enum mqtt_record what, const char *topic,
			   uint64_t id, const char *text, size_t size);
void mqtt_publisher_wake(struct mqtt_publisher *p); /* ops->document has something */

/* reason: 0 or an MQTT 5 PUBACK reason code. */
void mqtt_publisher_acked(struct mqtt_publisher *p, int token, unsigned reason, int64_t now_us);
void mqtt_publisher_pump(struct mqtt_publisher *p, int64_t now_us);
int64_t mqtt_publisher_next_us(const struct mqtt_publisher *p); /* when to pump again; INT64_MAX:
								   not before something happens */

bool mqtt_publisher_documents_sent(
	const struct mqtt_publisher *p); /* none waits since the last wake */
unsigned mqtt_publisher_in_flight(const struct mqtt_publisher *p);
bool mqtt_publisher_idle(const struct mqtt_publisher *p); /* nothing waits, nothing in flight */
/* Since when nothing was acknowledged although messages are in flight; INT64_MAX: none are. */
int64_t mqtt_publisher_silent_since_us(const struct mqtt_publisher *p);
uint64_t mqtt_publisher_refused(const struct mqtt_publisher *p);

#endif
