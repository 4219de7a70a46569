/* batch.c - see batch.h. */
#include <string.h>

#include "batch.h"
#include "json.h"

/* Fixed header 5, topic with its length, packet identifier 2, no properties 1 (MQTT 5, 3.3). */
size_t mqtt_payload_max(size_t packet_max, const char *topic)
{
	size_t around = 5 + 2 + strlen(topic) + 2 + 1;

	return packet_max > around ? packet_max - around : 0;
}

static bool fits(const struct mqtt_message *m, size_t more, size_t limit)
{
	return m->count < MQTT_ARRAY_READINGS && m->text.n + more + 2 <= limit;
}

struct building {
	struct mqtt_pool *pool;
	struct mqtt_text *scratch;
	size_t packet_max;
	const struct mqtt_batch *batch;
	struct mqtt_message *first, **tail, *now;
	struct mqtt_call *call;
};

static const char *topic_of(const struct mqtt_batch *batch, size_t i)
{
	return batch->live ? batch->topics[i]->data : batch->topics[i]->replay;
}

static void end(struct building *b)
{
	if (b->now)
		mqtt_message_end(b->now);
}

static void begin(struct building *b, size_t i)
{
	struct mqtt_message *m = mqtt_message_new(b->pool, b->batch->live ? MQTT_M_LIVE : MQTT_M_REPLAY,
						  topic_of(b->batch, i));

	end(b);
	m->device = b->batch->layouts[i]->device;
	m->call = b->call;
	m->call->left++;
	mqtt_message_begin(m);
	*b->tail = m;
	b->tail = &m->next;
	b->now = m;
}

static size_t limit_of(const struct building *b, size_t i)
{
	size_t limit = mqtt_payload_max(b->packet_max, topic_of(b->batch, i));

	return limit > MQTT_ARRAY_BYTES && !b->batch->live ? MQTT_ARRAY_BYTES : limit;
}

static void add_reading(struct building *b, size_t i)
{
	const struct mqtt_batch *batch = b->batch;
	const struct gw_reading *r = batch->readings[i];
	struct mqtt_json_extra extra = { .replay = !batch->live,
					 .boot = batch->boots ? batch->boots[i] : NULL,
					 .request = batch->requests ? batch->requests[i] : NULL };
	char *json;
	size_t size;

	b->scratch->n = 0;
	json = mqtt_text_room(b->scratch, mqtt_json_bound(batch->layouts[i], r));
	size = mqtt_json_reading(json, batch->layouts[i], r, &extra);
	if (!b->now || b->now->topic != topic_of(batch, i) || !fits(b->now, size, limit_of(b, i)))
		begin(b, i);
	mqtt_message_add(b->now, r->seq, json, size);
}

struct mqtt_message *mqtt_batch_messages(struct mqtt_pool *pool, struct mqtt_text *scratch, size_t packet_max,
					 const struct mqtt_batch *batch)
{
	struct building b = { .pool = pool, .scratch = scratch, .packet_max = packet_max, .batch = batch,
			      .tail = &b.first, .call = mqtt_call_new(pool) };

	for (size_t i = 0; i < batch->count; i++)
		add_reading(&b, i);
	end(&b);
	return b.first;
}
