/*
 * commands.h - what the far end asks for, and what it is answered.
 *
 * Each command gets one reply.  An identifier that was seen within a day gets its first reply
 * again, also from the next process: the core remembers them.  Replayed readings carry the
 * identifier until as many of them were acknowledged as were found.  What comes faster than
 * MQTT_COMMANDS_A_SECOND is neither read nor answered: a flood of commands must not become a flood of
 * replies.  The time is a parameter; one thread.
 */
#ifndef MQTT_COMMANDS_H
#define MQTT_COMMANDS_H

#include "command.h"
#include "fleet.h"
#include "gatewayd/plugin.h"
#include "publish.h"

enum {
	MQTT_COMMANDS_KEPT = 1000, /* within a day; more are refused */
	MQTT_COMMANDS_OPEN = 8,	   /* the core is looking for them */
	MQTT_REQUESTS = 32,	   /* replays whose readings carry an identifier; the oldest goes */
	MQTT_REPLIES = 64,	   /* that wait to be sent */
	MQTT_COMMANDS_BURST = 64,  /* that may come at once; then so many a second: */
	MQTT_COMMANDS_A_SECOND = 10,
};

struct mqtt_commands;

/* In the plugin's arena: one that is configured and never started leaves nothing behind. */
struct mqtt_commands *mqtt_commands_new(struct gw_plugin *p);
void mqtt_commands_free(struct mqtt_commands *c); /* NULL is allowed */

/* What a former process put: before the first command. */
void mqtt_commands_state(struct mqtt_commands *c, const char *key, const void *value, size_t size);
/* Devices and topics; before the first command. */
void mqtt_commands_start(struct mqtt_commands *c, const struct mqtt_fleet *f);

/* `whole` is the size it had, `size` what there is of it. */
struct mqtt_arrival {
	const char *text;
	size_t size, whole;
	bool retained;
	int64_t mono_us; /* when it came; now_ms is the wall clock's and may be wrong */
};
void mqtt_commands_arrived(struct mqtt_commands *c, const struct mqtt_arrival *a, int64_t now_ms);
void mqtt_commands_found(struct mqtt_commands *c, const struct gw_again *a, int64_t now_ms);

/* The reply that waits longest, borrowed until _sent(); false: none. */
bool mqtt_commands_reply(struct mqtt_commands *c, struct mqtt_document *d);
void mqtt_commands_sent(struct mqtt_commands *c);

/* The command that asked for this reading, or NULL. */
const char *mqtt_commands_request(const struct mqtt_commands *c, unsigned device, uint64_t seq);
void mqtt_commands_acked(struct mqtt_commands *c, unsigned device, uint64_t from, uint64_t to);

#endif
