/*
 * fleet.h - the gateway and its devices as subscribers see them: topics, and
 * which documents wait to be published.
 *
 * A document is state, so only its newest text matters: a change marks it, and
 * the text is made when it is sent.  No queue grows while the broker is away, and
 * a new connection marks everything.  No network and no clock; one thread.
 */
#ifndef MQTT_FLEET_H
#define MQTT_FLEET_H

#include "build.h"
#include "gatewayd/plugin.h"
#include "json.h"
#include "keys.h"
#include "publish.h"

/* What layout->own points to. */
struct mqtt_layout {
	struct mqtt_json_layout json; /* first: see json.h */
	struct mqtt_device_topics topics;
	const char *prefix; /* <device> of the contract */
};

static inline const struct mqtt_layout *mqtt_layout(const struct gw_layout *l)
{
	return l->own;
}

struct mqtt_fleet;

/* Copies *g into the arena.  -1: a name that the topic template needs is not set. */
int mqtt_fleet_new(struct mqtt_fleet **out, struct gw_arena *a, const struct mqtt_keys *k,
		   const struct gw_gateway_info *g, struct gw_err *err);
void mqtt_fleet_free(struct mqtt_fleet *f);

const struct gw_gateway_info *mqtt_fleet_gateway(const struct mqtt_fleet *f);
const char *mqtt_fleet_status_topic(const struct mqtt_fleet *f);
const char *mqtt_fleet_command_topic(const struct mqtt_fleet *f);
const char *mqtt_fleet_reply_topic(const struct mqtt_fleet *f);
int mqtt_fleet_find(const struct mqtt_fleet *f, const char *device); /* the core's number, -1: none */
const char *mqtt_fleet_clock_topic(const struct mqtt_fleet *f);
void mqtt_fleet_will(const struct mqtt_fleet *f, uint64_t session, struct mqtt_text *out);

/* Each marks what changed. */
/* After a reload: topics move when province or site are in them and changed. */
void mqtt_fleet_changed(struct mqtt_fleet *f, const struct gw_gateway_info *g);
void mqtt_fleet_layout(struct mqtt_fleet *f, struct gw_layout *l); /* prepares l->own */
void mqtt_fleet_state(struct mqtt_fleet *f, unsigned device, enum gw_device_state state,
		      int64_t ts_ms, const char *reason);
void mqtt_fleet_gone(struct mqtt_fleet *f, const char *name);
void mqtt_fleet_progress(struct mqtt_fleet *f, unsigned device, const struct gw_progress *p);
void mqtt_fleet_health(struct mqtt_fleet *f, const char *json, size_t size);
void mqtt_fleet_connected(struct mqtt_fleet *f, uint64_t session); /* everything retained */
void mqtt_fleet_answer(struct mqtt_fleet *f);	/* the gateway's status once more */
void mqtt_fleet_stopping(struct mqtt_fleet *f); /* from now on only the last status */

/* The next that waits, in the order gateway status and directory, device directories,
 * states, emptied topics, progress, health.  Valid until the next call. */
bool mqtt_fleet_document(struct mqtt_fleet *f, int64_t now_ms, struct mqtt_document *d);
void mqtt_fleet_sent(struct mqtt_fleet *f); /* the one that was given last */

#endif
