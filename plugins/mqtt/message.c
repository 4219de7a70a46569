/* message.c - see message.h. */
#include <stdlib.h>

#include "message.h"

enum { KEEP_BYTES = 32 * 1024 }; /* a recycled message keeps no more */

struct mqtt_message *mqtt_message_new(struct mqtt_pool *pool, enum mqtt_message_kind kind,
				      const char *topic)
{
	struct mqtt_message *m = pool->messages;

	if (m) {
		pool->messages = m->next;
	} else {
		m = mqtt_grow(NULL, sizeof(*m));
		*m = (struct mqtt_message){ 0 };
	}
	m->next = NULL;
	m->kind = kind;
	m->topic = topic;
	m->text.n = 0;
	m->count = 0;
	m->call = NULL;
	return m;
}

void mqtt_message_release(struct mqtt_pool *pool, struct mqtt_message *m)
{
	if (m->text.size > KEEP_BYTES)
		mqtt_text_free(&m->text);
	m->next = pool->messages;
	pool->messages = m;
}

struct mqtt_call *mqtt_call_new(struct mqtt_pool *pool)
{
	struct mqtt_call *c = pool->calls;

	if (c)
		pool->calls = c->next;
	else
		c = mqtt_grow(NULL, sizeof(*c));
	*c = (struct mqtt_call){ 0 };
	return c;
}

void mqtt_call_release(struct mqtt_pool *pool, struct mqtt_call *c)
{
	c->next = pool->calls;
	pool->calls = c;
}

void mqtt_pool_free(struct mqtt_pool *pool)
{
	while (pool->messages) {
		struct mqtt_message *m = pool->messages;

		pool->messages = m->next;
		mqtt_text_free(&m->text);
		free(m->elements);
		free(m);
	}
	while (pool->calls) {
		struct mqtt_call *c = pool->calls;

		pool->calls = c->next;
		free(c);
	}
}

void mqtt_queue_push(struct mqtt_queue *q, struct mqtt_message *m)
{
	m->next = NULL;
	if (q->head)
		q->last->next = m;
	else
		q->head = m;
	q->last = m;
	q->n++;
}

void mqtt_queue_push_front(struct mqtt_queue *q, struct mqtt_message *m)
{
	m->next = q->head;
	if (!q->head)
		q->last = m;
	q->head = m;
	q->n++;
}

struct mqtt_message *mqtt_queue_pop(struct mqtt_queue *q)
{
	struct mqtt_message *m = q->head;

	q->head = m->next;
	q->n--;
	return m;
}

void mqtt_message_begin(struct mqtt_message *m)
{
	if (m->kind == MQTT_M_REPLAY)
		mqtt_text_put(&m->text, "[", 1);
}

void mqtt_message_add(struct mqtt_message *m, uint64_t seq, const char *json, size_t size)
{
	if (m->count == m->room) {
		m->room = m->room ? m->room * 4 : 1;
		m->elements = mqtt_grow(m->elements, m->room * sizeof(*m->elements));
	}
	if (m->count)
		mqtt_text_put(&m->text, ",", 1);
	mqtt_text_put(&m->text, json, size);
	m->elements[m->count++] = (struct mqtt_element){ seq, (uint32_t)m->text.n };
}

void mqtt_message_end(struct mqtt_message *m)
{
	if (m->kind == MQTT_M_REPLAY)
		mqtt_text_put(&m->text, "]", 1);
}

struct mqtt_message *mqtt_message_split(struct mqtt_pool *pool, struct mqtt_message *m)
{
	struct mqtt_message *second = mqtt_message_new(pool, m->kind, m->topic);
	unsigned half = m->count / 2;
	uint32_t at = m->elements[half - 1].end;

	second->device = m->device;
	second->call = m->call;
	mqtt_message_begin(second);
	for (unsigned i = half; i < m->count; i++) {
		const struct mqtt_element *e = &m->elements[i];

		mqtt_message_add(second, e->seq, m->text.s + at + 1, e->end - at - 1);
		at = e->end;
	}
	mqtt_message_end(second);
	m->count = half;
	m->text.n = m->elements[half - 1].end;
	mqtt_message_end(m);
	return second;
}
