/*
 * sink.c - the MQTT sink: the core's calls, handed to fleet, publisher and commands.
 *
 * Decides nothing about the network (session.c), the window (publish.c) or texts
 * (fleet.c, json.c).
 */
#include <sched.h>
#include <stdlib.h>

#include "document.h"
#include "sink.h"
#include "sink_private.h"
#include "window.h"

enum { BATCH_MAX = 100 };

static int configure(struct gw_plugin *p, const struct gw_sink_config *config, void **self,
		     struct gw_err *err)
{
	struct sink *s = gw_arena_alloc(gw_plugin_arena(p), sizeof(*s));

	(void)err;
	s->plugin = p;
	s->keys = config->own;
	s->answer_at_us = s->leave_at_us = s->goodbye_at_us = s->end_at_us = INT64_MAX;
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

static void on_timer(void *arg)
{
	(void)arg; /* what is due is done after each turn */
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
	s->publisher = mqtt_publisher_new(&mqtt_sink_publisher_ops, s);
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
			     &mqtt_sink_session_ops, s, err))
		return -1;
	s->timer = gw_on_timer(loop, on_timer, s, err);
	s->after = s->timer ? gw_after_turn(loop, mqtt_sink_after_turn, s, err) : NULL;
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

	if (s->stopping)
		return;
	s->stopping = true;
	s->answer_at_us = INT64_MAX;
	mqtt_sink_begin_goodbye(s, gw_now_us());
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
