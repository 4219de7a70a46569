/*
 * sink_far.c - what publisher and session ask of the sink and tell it: documents to send,
 * acknowledgements for the core, the connection coming and going, what others published.
 */
#include <string.h>

#include "reason.h"
#include "sink_private.h"

enum { ANSWER_EVERY_US = 10 * 1000000 }; /* a false status is put right no more often */

/* ---- the publisher's far side ---- */

static enum mqtt_send do_send(void *arg, const struct mqtt_document *d, int *token)
{
	return mqtt_session_send(((struct sink *)arg)->session, d, token);
}

static bool next_document(void *arg, struct mqtt_document *d)
{
	struct sink *s = arg;

	s->reply_given = false;
	if (mqtt_fleet_document(s->fleet, gw_wall_ms(), d))
		return true;
	s->reply_given = !s->stopping && mqtt_commands_reply(s->commands, d);
	return s->reply_given;
}

static void document_sent(void *arg)
{
	struct sink *s = arg;

	if (s->reply_given)
		mqtt_commands_sent(s->commands);
	else
		mqtt_fleet_sent(s->fleet);
}

static void ack(void *arg, unsigned device, uint64_t from, uint64_t to, enum gw_outcome o,
		unsigned credit)
{
	struct sink *s = arg;

	if (o == GW_DONE)
		mqtt_commands_acked(s->commands, device, from, to);
	gw_sink_ack(s->plugin, device, from, to, o, credit);
}

static void ack_loss(void *arg, uint64_t id, enum gw_outcome o, unsigned credit)
{
	gw_sink_ack_loss(((struct sink *)arg)->plugin, id, o, credit);
}

static void ack_window(void *arg, uint64_t id, enum gw_outcome o, unsigned credit)
{
	gw_sink_ack_window(((struct sink *)arg)->plugin, id, o, credit);
}

static void ack_correction(void *arg, uint64_t id, enum gw_outcome o, unsigned credit)
{
	gw_sink_ack_correction(((struct sink *)arg)->plugin, id, o, credit);
}

static void refused(void *arg, const char *topic, unsigned reason)
{
	mqtt_refusals_tell(&((struct sink *)arg)->refusals, topic, reason);
}

static void trouble(void *arg, const char *why)
{
	mqtt_session_drop(((struct sink *)arg)->session, why);
}

const struct mqtt_publisher_ops mqtt_sink_publisher_ops = {
	.send = do_send,
	.document = next_document,
	.document_sent = document_sent,
	.ack = ack,
	.ack_loss = ack_loss,
	.ack_window = ack_window,
	.ack_correction = ack_correction,
	.refused = refused,
	.trouble = trouble,
};

/* ---- the session's far side ---- */

static void make_will(void *arg, uint64_t number, struct mqtt_text *out)
{
	mqtt_fleet_will(((struct sink *)arg)->fleet, number, out);
}

void mqtt_sink_tell_state(struct sink *s, enum gw_link_state state, unsigned window, const char *reason)
{
	gw_sink_state(s->plugin, state, window, mqtt_session_number(s->session),
		      mqtt_session_broker(s->session), reason);
}

static void on_state(void *arg, enum gw_link_state state, const char *reason)
{
	mqtt_sink_tell_state(arg, state, 0, reason);
}

static void on_up(void *arg, const struct mqtt_limits *l)
{
	struct sink *s = arg;

	s->up = true;
	s->window = l->window;
	mqtt_fleet_connected(s->fleet, mqtt_session_number(s->session));
	mqtt_publisher_open(s->publisher, l, gw_now_us());
	mqtt_publisher_wake(s->publisher);
}

static void on_down(void *arg, unsigned reason)
{
	struct sink *s = arg;

	if (reason == MQTT_R_TOO_LARGE)
		mqtt_publisher_learn_size(s->publisher);
	mqtt_publisher_close(s->publisher);
	s->up = s->announced = false;
	s->answer_at_us = INT64_MAX;
}

static void on_acked(void *arg, int token, unsigned reason)
{
	mqtt_publisher_acked(((struct sink *)arg)->publisher, token, reason, gw_now_us());
}

/* An old will that came late, or somebody else: while we are here we are online. */
static void on_status_seen(void *arg, const char *payload, size_t size)
{
	static const char offline[] = "\"offline\"";
	struct sink *s = arg;
	int64_t earliest = s->answered_us + ANSWER_EVERY_US, now = gw_now_us();

	if (s->stopping || (size && !memmem(payload, size, offline, sizeof(offline) - 1)))
		return;
	if (s->answer_at_us == INT64_MAX)
		s->answer_at_us = s->answered_us && earliest > now ? earliest : now;
}

static void on_command(void *arg, const char *payload, size_t size, size_t whole, bool retained)
{
	struct sink *s = arg;

	if (s->stopping)
		return;
	mqtt_commands_arrived(s->commands, &(struct mqtt_arrival){ payload, size, whole, retained, gw_now_us() },
			      gw_wall_ms());
	mqtt_publisher_wake(s->publisher);
}

static void on_closed(void *arg)
{
	((struct sink *)arg)->finished = true;
}

const struct mqtt_session_ops mqtt_sink_session_ops = {
	.will = make_will,
	.state = on_state,
	.up = on_up,
	.down = on_down,
	.acked = on_acked,
	.status_seen = on_status_seen,
	.command = on_command,
	.closed = on_closed,
};
