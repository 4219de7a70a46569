/*
 * refusals.h - topics on which the broker takes nothing, so that each is named in
 * the log once and not with every message.
 */
#ifndef MQTT_REFUSALS_H
#define MQTT_REFUSALS_H

#include <stddef.h>

enum { MQTT_REFUSALS_MAX = 1000 }; /* topics; what comes after is counted, not logged */

struct mqtt_refusals {
	char **topics;
	size_t count;
};

void mqtt_refusals_tell(struct mqtt_refusals *r, const char *topic, unsigned reason);
void mqtt_refusals_free(struct mqtt_refusals *r);

#endif
