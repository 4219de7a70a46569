/*
 * sink.c - the MQTT sink: ties session, publisher and fleet to the core's calls.
 *
 * Decides nothing about the network (session.c), the window (publish.c) or texts
 * (fleet.c, json.c).  Its own are the order of things at connect and at the end,
 * and the watchdog that Paho lacks: acknowledgements that never come.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "commands.h"
#include "document.h"
#include "fleet.h"
#include "reason.h"
#include "refusals.h"
#include "session.h"
#include "sink.h"
#include "window.h"

enum {
	SECOND_US = 1000000,
	ANSWER_EVERY_US = 10 * SECOND_US, /* a false status is put right no more often */
	GOODBYE_US = 4500000,		  /* for what is in flight at the end */
	END_US = 4900000,		  /* then without Paho's consent */
	END_AWAY_US = SECOND_US,	  /* the same when there is no connection */
	BATCH_MAX = 100,
};

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
	int64_t answer_at_us, answered_us, goodbye_at_us, end_at_us; /* INT64_MAX: never */
	unsigned told_in_flight;
	uint64_t told_refused;
	struct mqtt_refusals refusals;
};

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

static const struct mqtt_publisher_ops publisher_ops = {
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

static void tell_state(struct sink *s, enum gw_link_state state, unsigned window,
		       const char *reason)
{
	gw_sink_state(s->plugin, state, window, mqtt_session_number(s->session),
		      mqtt_session_broker(s->session), reason);
}

static void on_state(void *arg, enum gw_link_state state, const char *reason)
{
	tell_state(arg, state, 0, reason);
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

static const struct mqtt_session_ops session_ops = {
	.will = make_will,
	.state = on_state,
	.up = on_up,
	.down = on_down,
	.acked = on_acked,
	.status_seen = on_status_seen,
	.command = on_command,
	.closed = on_closed,
};

/* ---- after each turn ---- */

static void watch_silence(struct sink *s, int64_t now)
{
	int64_t since = mqtt_publisher_silent_since_us(s->publisher);
	char text[32], why[80];

	if (!s->up || since == INT64_MAX || now - since < s->keys->ack_timeout_ms * 1000)
		return;
	snprintf(why, sizeof(why), "the broker acknowledged nothing for %s",
		 gw_show_duration(text, sizeof(text), s->keys->ack_timeout_ms));
	mqtt_session_drop(s->session, why);
}

static void answer_false_status(struct sink *s, int64_t now)
{
	if (now < s->answer_at_us)
		return;
	gw_log(GW_WARNING, "%s said offline while this gateway is connected: put right",
	       mqtt_fleet_status_topic(s->fleet));
	s->answer_at_us = INT64_MAX;
	s->answered_us = now;
	mqtt_fleet_answer(s->fleet);
	mqtt_publisher_wake(s->publisher);
}

/* Status and directories are on their way: from here on readings may follow. */
static void announce(struct sink *s)
{
	if (!s->up || s->announced || s->stopping || !mqtt_publisher_documents_sent(s->publisher))
		return;
	s->announced = true;
	mqtt_session_listen(s->session);
	tell_state(s, GW_FAR_CONNECTED, s->window, "");
}

static void say_goodbye(struct sink *s, int64_t now)
{
	if (!s->stopping || s->finished || s->goodbye_at_us == INT64_MAX)
		return;
	if (s->up && !mqtt_publisher_idle(s->publisher) && now < s->goodbye_at_us)
		return;
	s->goodbye_at_us = INT64_MAX;
	mqtt_session_stop(s->session);
}

static void tell_counts(struct sink *s)
{
	unsigned in_flight = mqtt_publisher_in_flight(s->publisher);
	uint64_t count = mqtt_publisher_refused(s->publisher);

	if (in_flight == s->told_in_flight && count == s->told_refused)
		return;
	s->told_in_flight = in_flight;
	s->told_refused = count;
	gw_sink_counts(s->plugin, in_flight, count);
}

static void release(struct sink *s)
{
	gw_watch_stop(s->timer);
	gw_watch_stop(s->after);
	if (mqtt_session_is_quiet(
		    s->session)) /* else its thread still needs it, and the process ends */
		mqtt_session_free(s->session);
	mqtt_publisher_free(s->publisher);
	mqtt_fleet_free(s->fleet);
	mqtt_commands_free(s->commands);
	mqtt_refusals_free(&s->refusals);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_us(const struct sink *s)
{
	int64_t since = mqtt_publisher_silent_since_us(s->publisher),
		at = mqtt_publisher_next_us(s->publisher);

	if (since != INT64_MAX)
		at = earlier(at, since + s->keys->ack_timeout_ms * 1000);
	at = earlier(at, s->answer_at_us);
	return earlier(earlier(at, s->goodbye_at_us), s->end_at_us);
}

static void set_timer(struct sink *s)
{
	int64_t next = next_us(s);

	if (next == INT64_MAX)
		gw_timer_off(s->timer);
	else
		gw_timer_at(s->timer, next);
}

static void after_turn(void *arg)
{
	struct sink *s = arg;
	int64_t now = gw_now_us();

	watch_silence(s, now);
	answer_false_status(s, now);
	mqtt_publisher_pump(s->publisher, now);
	announce(s);
	tell_counts(s);
	say_goodbye(s, now);
	if (s->finished || now >= s->end_at_us) {
		gw_sink_stopped(s->plugin);
		release(s);
		return;
	}
	set_timer(s);
}

static void on_timer(void *arg)
{
	(void)arg; /* after_turn() does what is due */
}

/* ---- the core's calls ---- */

static int configure(struct gw_plugin *p, const struct gw_sink_config *config, void **self,
		     struct gw_err *err)
{
	struct sink *s = gw_arena_alloc(gw_plugin_arena(p), sizeof(*s));

	(void)err;
	s->plugin = p;
	s->keys = config->own;
	s->answer_at_us = s->goodbye_at_us = s->end_at_us = INT64_MAX;
	s->commands = mqtt_commands_new(p);
	mqtt_keys_check(s->keys, config->node, gw_plugin_problems(p));
	*self = s;
	return 0;
}

static void take_early_layouts(struct sink *s)
{
	for (size_t i = 0; i < s->nearly; i++)
		mqtt_fleet_layout(s->fleet, s->early[i]);
	free(s->early);
	s->early = NULL;
	s->nearly = 0;
}

/*
 * Paho hands each message from thread to thread under one mutex.  On one processor they take
 * turns; on two they wait for each other: a quarter more CPU a message (docs/performance.md).
 * The loop never needs more than one.  Where it is forbidden it stays as it is.
 */
static void stay_on_one_processor(void)
{
	cpu_set_t one;
	int here = sched_getcpu();

	if (here < 0 || here >= CPU_SETSIZE)
		return;
	CPU_ZERO(&one);
	CPU_SET((size_t)here, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static int start(void *self, struct gw_loop *loop, const struct gw_gateway_info *g,
		 struct gw_err *err)
{
	struct sink *s = self;

	stay_on_one_processor();
	if (mqtt_fleet_new(&s->fleet, gw_plugin_arena(s->plugin), s->keys, g, err))
		return -1;
	mqtt_commands_start(s->commands, s->fleet);
	const char *id = s->keys->client_id ? s->keys->client_id : mqtt_fleet_gateway(s->fleet)->id;
	s->publisher = mqtt_publisher_new(&publisher_ops, s);
	if (mqtt_session_new(&s->session,
			     &(struct mqtt_session_options){
				     .loop = loop,
				     .keys = s->keys,
				     .client_id = id,
				     .status_topic = mqtt_fleet_status_topic(s->fleet),
				     .command_topic = s->keys->commands.replay
							      ? mqtt_fleet_command_topic(s->fleet)
							      : NULL,
				     .number = g->session },
			     &session_ops, s, err))
		return -1;
	s->timer = gw_on_timer(loop, on_timer, s, err);
	s->after = s->timer ? gw_after_turn(loop, after_turn, s, err) : NULL;
	if (!s->after)
		return -1;
	take_early_layouts(s);
	mqtt_session_connect(s->session);
	return 0;
}

static void take_gateway(void *self, const struct gw_gateway_info *g)
{
	struct sink *s = self;

	if (s->stopping || !s->fleet)
		return;
	mqtt_fleet_changed(s->fleet, g);
	mqtt_publisher_wake(s->publisher);
}

static void take_layout(void *self, struct gw_layout *l)
{
	struct sink *s = self;

	if (!s->fleet) {
		s->early = mqtt_grow(s->early, (s->nearly + 1) * sizeof(*s->early));
		s->early[s->nearly++] = l;
	}
	if (s->stopping || !s->fleet)
		return;
	mqtt_fleet_layout(s->fleet, l);
	mqtt_publisher_wake(s->publisher);
}

static void take_device_state(void *self, const struct gw_layout *current,
			      enum gw_device_state state, int64_t ts_ms, const char *reason)
{
	struct sink *s = self;

	if (s->stopping || !s->fleet)
		return;
	mqtt_fleet_state(s->fleet, current->device, state, ts_ms, reason);
	mqtt_publisher_wake(s->publisher);
}

static void take_device_gone(void *self, const char *name)
{
	struct sink *s = self;

	if (s->stopping || !s->fleet)
		return;
	mqtt_fleet_gone(s->fleet, name);
	mqtt_publisher_wake(s->publisher);
}

static void take_readings(void *self, bool live, const struct gw_layout *const *layouts,
			  const struct gw_reading *const *readings, size_t count)
{
	const struct mqtt_device_topics *topics[BATCH_MAX];
	const char *requests[BATCH_MAX];
	const char *boots[BATCH_MAX];
	struct sink *s = self;

	if (s->stopping || count > BATCH_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		topics[i] = &mqtt_layout(layouts[i])->topics;
		requests[i] = live ? NULL
				   : mqtt_commands_request(s->commands, readings[i]->device,
							   readings[i]->seq);
		boots[i] = readings[i]->flags & GW_READING_UNSYNCED ?
				   gw_sink_boot(s->plugin, readings[i]->boot) :
				   NULL;
	}
	mqtt_publisher_readings(s->publisher, &(struct mqtt_batch){ live, layouts, topics, readings,
								    count, boots, requests });
}

static void take_loss(void *self, const struct gw_layout *current, const struct gw_loss *loss)
{
	struct sink *s = self;
	struct mqtt_text t = { 0 };

	if (s->stopping)
		return;
	mqtt_doc_loss(&t, loss);
	mqtt_publisher_record(s->publisher, MQTT_LOSS, mqtt_layout(current)->topics.loss, loss->id, t.s, t.n);
	mqtt_text_free(&t);
}

static void take_window(void *self, const struct gw_layout *layout, uint64_t id,
			const struct gw_window *w)
{
	struct sink *s = self;
	struct mqtt_text t = { 0 };

	if (s->stopping)
		return;
	mqtt_doc_window(&t, layout, w, gw_sink_boot(s->plugin, w->boot));
	mqtt_publisher_record(s->publisher, MQTT_WINDOW, mqtt_layout(layout)->topics.window, id, t.s, t.n);
	mqtt_text_free(&t);
}

static void take_correction(void *self, const struct gw_correction_news *c)
{
	struct sink *s = self;
	struct mqtt_text t = { 0 };

	if (s->stopping)
		return;
	mqtt_doc_correction(&t, c);
	mqtt_publisher_record(s->publisher, MQTT_CORRECTION, mqtt_fleet_clock_topic(s->fleet), c->id,
			      t.s, t.n);
	mqtt_text_free(&t);
}

static void take_progress(void *self, const struct gw_layout *current, const struct gw_progress *p)
{
	struct sink *s = self;

	if (s->stopping || !s->fleet)
		return;
	mqtt_fleet_progress(s->fleet, current->device, p);
	mqtt_publisher_wake(s->publisher);
}

static void take_health(void *self, const char *json, size_t size)
{
	struct sink *s = self;

	if (s->stopping || !s->up)
		return;
	mqtt_fleet_health(s->fleet, json, size);
	mqtt_publisher_wake(s->publisher);
}

static void take_again(void *self, const struct gw_again *a)
{
	struct sink *s = self;

	mqtt_commands_found(s->commands, a, gw_wall_ms());
	mqtt_publisher_wake(s->publisher);
}

static void take_state(void *self, const char *key, const void *value, size_t size)
{
	mqtt_commands_state(((struct sink *)self)->commands, key, value, size);
}

static void stop(void *self)
{
	struct sink *s = self;
	int64_t now = gw_now_us();

	if (s->stopping)
		return;
	s->stopping = true;
	s->answer_at_us = INT64_MAX;
	s->goodbye_at_us = now + GOODBYE_US;
	s->end_at_us = now + (s->up ? END_US : END_AWAY_US);
	mqtt_fleet_stopping(s->fleet);
	mqtt_publisher_drain(s->publisher);
	if (s->up)
		mqtt_publisher_wake(s->publisher);
}

const struct gw_sink_plugin mqtt_sink = {
	.name = "mqtt",
	.version = GW_VERSION,
	.help = "Publishes readings as JSON to an MQTT broker.",
	.sink = &mqtt_table,
	.configure = configure,
	.start = start,
	.gateway = take_gateway,
	.layout = take_layout,
	.device_state = take_device_state,
	.device_gone = take_device_gone,
	.readings = take_readings,
	.loss = take_loss,
	.window = take_window,
	.correction = take_correction,
	.progress = take_progress,
	.health = take_health,
	.again = take_again,
	.state = take_state,
	.stop = stop,
};
