/* refusals.c - see refusals.h. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "gatewayd/plugin.h"
#include "reason.h"
#include "refusals.h"

static bool is_news(struct mqtt_refusals *r, const char *topic)
{
	size_t size = strlen(topic) + 1;

	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->topics[i], topic))
			return false;
	if (r->count == MQTT_REFUSALS_MAX)
		return false;
	r->topics = mqtt_grow(r->topics, (r->count + 1) * sizeof(*r->topics));
	r->topics[r->count++] = memcpy(mqtt_grow(NULL, size), topic, size);
	return true;
}

void mqtt_refusals_tell(struct mqtt_refusals *r, const char *topic, unsigned reason)
{
	if (!is_news(r, topic))
		return;
	if (reason == MQTT_R_TOO_LARGE)
		gw_log(GW_WARNING, "a message on %s is larger than the broker takes: given up",
		       topic);
	else
		gw_log(GW_ERROR,
		       "the broker takes nothing on %s: %s (0x%02x); this gateway's user needs "
		       "the right to publish there",
		       topic, mqtt_reason(reason), reason);
}

void mqtt_refusals_free(struct mqtt_refusals *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->topics[i]);
	free(r->topics);
	*r = (struct mqtt_refusals){ 0 };
}
