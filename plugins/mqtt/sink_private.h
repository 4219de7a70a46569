/*
 * sink_private.h - what the files of the sink share: sink.c (the core's calls), sink_far.c
 * (the calls of publisher and session) and sink_turn.c (what is due after each turn).
 */
#ifndef MQTT_SINK_PRIVATE_H
#define MQTT_SINK_PRIVATE_H

#include "commands.h"
#include "fleet.h"
#include "refusals.h"
#include "session.h"

struct sink {
	struct gw_plugin *plugin;
	const struct mqtt_keys *keys;
	struct mqtt_fleet *fleet;
	struct mqtt_session *session;
	struct mqtt_publisher *publisher;
	struct mqtt_commands *commands;
	bool reply_given; /* the document given last was a reply */
	struct gw_watch *timer, *after;
	struct gw_layout **early; /* given before start() */
	size_t nearly;
	unsigned window;
	bool up, announced, stopping, finished;
	int64_t answer_at_us, answered_us, leave_at_us, goodbye_at_us, end_at_us; /* INT64_MAX: never */
	unsigned told_in_flight;
	uint64_t told_refused;
	struct mqtt_refusals refusals;
};

/* sink_far.c: `arg` of both is the sink. */
extern const struct mqtt_publisher_ops mqtt_sink_publisher_ops;
extern const struct mqtt_session_ops mqtt_sink_session_ops;
void mqtt_sink_tell_state(struct sink *s, enum gw_link_state state, unsigned window, const char *reason);

/* sink_turn.c: for gw_after_turn(); at the end it tells the runtime and releases what the sink holds. */
void mqtt_sink_after_turn(void *sink);
/* From now on: goodbye, and an end whether the broker lets us go or not. */
void mqtt_sink_begin_goodbye(struct sink *s, int64_t now_us);

#endif
