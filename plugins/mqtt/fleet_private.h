/*
 * fleet_private.h - between fleet.c (what is, and what changed) and fleet_documents.c (what
 * waits to be published).  A change sets a mark, a document that was sent clears it.
 */
#ifndef MQTT_FLEET_PRIVATE_H
#define MQTT_FLEET_PRIVATE_H

#include "fleet.h"
#include "topic.h"

enum { DIRECTORY = 1, STATE = 2, PROGRESS = 4, STATUS = 8, HEALTH = 16 };

struct device {
	const struct gw_layout *current; /* NULL: none, or taken out */
	unsigned marks;			 /* DIRECTORY, STATE, PROGRESS */
	bool state_known, progress_known;
	enum gw_device_state state;
	int64_t since_ms;
	char reason[64];
	struct gw_progress progress;
};

/* Topics of a device that was taken out or moved: to be emptied. */
struct leaver {
	struct leaver *next;
	const char *prefix;
	unsigned marks;
};

struct mqtt_fleet {
	struct gw_arena *arena;
	const struct mqtt_keys *keys;
	struct gw_gateway_info g;
	char *status_topic, *directory_topic, *health_topic, *command_topic, *reply_topic, *clock_topic;
	struct device *devices; /* by the core's number */
	size_t room;
	struct leaver *leavers;
	unsigned marks; /* STATUS, DIRECTORY, HEALTH */
	uint64_t session;
	bool stopping;
	struct mqtt_text health, text;
	struct mqtt_named_topic *list;
	char topic[MQTT_TOPIC_MAX + 16];
	unsigned *given_marks, given; /* of the document given last */
};

#endif
