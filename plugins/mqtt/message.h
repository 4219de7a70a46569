/*
 * message.h - one PUBLISH that waits or is in flight, and the call of the core
 * it belongs to.
 *
 * A call of the core may become several messages (split by size); its credit
 * goes back with the last of them.  Messages and calls are recycled, so that a
 * running sink soon allocates nothing.
 */
#ifndef MQTT_MESSAGE_H
#define MQTT_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "build.h"

struct mqtt_call {
	struct mqtt_call *next;
	unsigned left; /* messages not settled */
};

enum mqtt_message_kind {
	MQTT_M_LIVE,
	MQTT_M_REPLAY,
	MQTT_M_LOSS,
	MQTT_M_WINDOW,
	MQTT_M_CORRECTION,
	MQTT_M_DOCUMENT
};

struct mqtt_element {
	uint64_t seq;
	uint32_t end; /* offset behind it in the text of the message */
};

struct mqtt_message {
	struct mqtt_message *next;
	enum mqtt_message_kind kind;
	unsigned device;
	const char *topic;
	struct mqtt_text text;	       /* arrays: "[", elements with "," between, "]" */
	struct mqtt_element *elements; /* readings in it, at most MQTT_ARRAY_READINGS */
	unsigned count, room;
	uint64_t id; /* of a loss, a window or a correction */
	struct mqtt_call *call; /* NULL: a document */
	int token;
	size_t sent_size; /* bytes of payload in flight */
	size_t flight;	  /* with those that were before it */
	int64_t sent_us;
};

struct mqtt_queue { /* of messages, in order; they belong to whoever put them there */
	struct mqtt_message *head, *last;
	unsigned n;
};

struct mqtt_pool {
	struct mqtt_message *messages;
	struct mqtt_call *calls;
};

struct mqtt_message *mqtt_message_new(struct mqtt_pool *pool, enum mqtt_message_kind kind,
				      const char *topic);
void mqtt_message_release(struct mqtt_pool *pool, struct mqtt_message *m); /* not its call */
struct mqtt_call *mqtt_call_new(struct mqtt_pool *pool);
void mqtt_call_release(struct mqtt_pool *pool, struct mqtt_call *c);
void mqtt_pool_free(struct mqtt_pool *pool);

void mqtt_queue_push(struct mqtt_queue *q, struct mqtt_message *m);
void mqtt_queue_push_front(struct mqtt_queue *q, struct mqtt_message *m);
struct mqtt_message *mqtt_queue_pop(struct mqtt_queue *q); /* not of an empty one */

/* Append a reading; the text must have been opened with mqtt_message_begin(). */
void mqtt_message_begin(struct mqtt_message *m);
void mqtt_message_add(struct mqtt_message *m, uint64_t seq, const char *json, size_t size);
void mqtt_message_end(struct mqtt_message *m);
/* Two messages from one of two readings or more; m keeps the first half. */
struct mqtt_message *mqtt_message_split(struct mqtt_pool *pool, struct mqtt_message *m);

#endif
