/*
 * test_sink.c - a sink's runtime with a fake core: layouts before the start,
 * readings checked, acknowledgements gathered, the end.
 */
#include "tests/base/fake_core.h"

#include "base/acks.h"

/* ---- a sink for the tests ---- */

struct sink_keys {
	const char *broker;
};
static const struct gw_key sink_key_list[] = {
	{ .name = "broker",
	  .type = GW_T_TEXT,
	  .flags = GW_REQUIRED,
	  .offset = offsetof(struct sink_keys, broker),
	  .help = "Where it goes." },
};
static const struct gw_table sink_table =
	GW_TABLE("sink", struct sink_keys, sink_key_list, "A sink.");

static struct seen {
	struct gw_plugin *plugin;
	const char *broker;
	struct gw_gateway_info gateway;
	unsigned starts, stops, calls, layouts, gone, losses;
	bool silent_stop; /* stop() does not say gw_sink_stopped() */
	bool live;
	size_t count;
	uint64_t seqs[100];
	const struct gw_layout *layout[100], *last_layout, *old;
	char text[200]; /* of the last news */
} seen;

static int configure(struct gw_plugin *p, const struct gw_sink_config *config, void **self,
		     struct gw_err *err)
{
	(void)err;
	seen.plugin = p;
	seen.broker = ((const struct sink_keys *)config->own)->broker;
	*self = &seen;
	return 0;
}

static int start(void *self, struct gw_loop *loop, const struct gw_gateway_info *g,
		 struct gw_err *err)
{
	(void)self;
	(void)loop;
	(void)err;
	seen.starts++;
	seen.gateway = *g;
	return 0;
}

static void layout(void *self, struct gw_layout *l)
{
	(void)self;
	seen.layouts++;
	seen.old = seen.last_layout;
	seen.last_layout = l;
}

static void readings(void *self, bool live, const struct gw_layout *const *layouts,
		     const struct gw_reading *const *r, size_t count)
{
	(void)self;
	seen.calls++;
	seen.live = live;
	seen.count = count;
	for (size_t i = 0; i < count; i++) {
		seen.seqs[i] = r[i]->seq;
		seen.layout[i] = layouts[i];
	}
}

static void device_state(void *self, const struct gw_layout *current, enum gw_device_state state,
			 int64_t ts_ms, const char *reason)
{
	(void)self;
	snprintf(seen.text, sizeof(seen.text), "%s %d %lld %s", current->name, (int)state,
		 (long long)ts_ms, reason);
}

static void device_gone(void *self, const char *name)
{
	(void)self;
	seen.gone++;
	snprintf(seen.text, sizeof(seen.text), "%s is gone", name);
}

static void loss(void *self, const struct gw_layout *current, const struct gw_loss *l)
{
	(void)self;
	seen.losses++;
	snprintf(seen.text, sizeof(seen.text), "%s %llu-%llu %s", current->name,
		 (unsigned long long)l->from, (unsigned long long)l->to, l->cause);
}

static void correction(void *self, const struct gw_correction_news *n)
{
	(void)self;
	snprintf(seen.text, sizeof(seen.text), "boot %s from %lld to %lld: %lld", n->boot,
		 (long long)n->from_ms, (long long)n->to_ms, (long long)n->offset_ms);
	gw_sink_ack_correction(seen.plugin, n->id, GW_DONE, 1);
}

static void progress(void *self, const struct gw_layout *current, const struct gw_progress *p)
{
	(void)self;
	snprintf(seen.text, sizeof(seen.text), "%s up to %llu", current->name,
		 (unsigned long long)p->complete_to);
}

static void health(void *self, const char *json, size_t size)
{
	(void)self;
	snprintf(seen.text, sizeof(seen.text), "%.*s", (int)size, json);
}

static void stop(void *self)
{
	(void)self;
	seen.stops++;
	if (!seen.silent_stop)
		gw_sink_stopped(seen.plugin);
}

static const struct gw_sink_plugin test_sink = {
	.name = "test",
	.version = "7",
	.help = "A sink for tests.",
	.sink = &sink_table,
	.configure = configure,
	.start = start,
	.layout = layout,
	.device_state = device_state,
	.device_gone = device_gone,
	.readings = readings,
	.loss = loss,
	.correction = correction,
	.progress = progress,
	.health = health,
	.stop = stop,
};

/* ---- the core's side ---- */

static int setup(void **state)
{
	static struct fake_core core;

	seen = (struct seen){ 0 };
	fake_core_sink(&core, &test_sink);
	*state = &core;
	return 0;
}

static int teardown(void **state)
{
	fake_core_close(*state);
	return 0;
}

/* Everything sent so far has been taken in. */
static void settle(struct fake_core *c)
{
	struct gw_message ping = { .type = GW_MSG_PING };

	fake_core_send(c, &ping);
	fake_core_take(c, GW_MSG_PONG);
}

static void send_gateway(struct fake_core *c, uint16_t devices)
{
	struct gw_message m = { .type = GW_MSG_GATEWAY };

	m.gateway.id = gw_str("79-an-phu-01");
	m.gateway.title = gw_str("Trạm bơm");
	m.gateway.session = 41;
	m.gateway.devices = devices;
	fake_core_send(c, &m);
}

/* A layout of two points: a number and an enumeration. */
static void send_layout(struct fake_core *c, uint32_t number, uint16_t device, bool current,
			unsigned points)
{
	struct gw_message m = { .type = GW_MSG_LAYOUT };

	m.layout = (struct gw_msg_layout){ .layout = number,
					   .device = device,
					   .current = current,
					   .name = gw_str(device ? "pump-1" : "meter-1"),
					   .points = 2 };
	fake_core_send(c, &m);
	m = (struct gw_message){ .type = GW_MSG_LAYOUT_POINT };
	for (uint16_t i = 0; i < points; i++) {
		m.layout_point = (struct gw_msg_layout_point){
			.layout = number,
			.point = i,
			.name = gw_str(i ? "mode" : "level"),
			.type = i ? GW_TYPE_TEXT : GW_TYPE_NUMBER,
			.limits = 5,
			.min = 1.5,
			.deadband = 0.25,
			.labels = gw_str(i ? "off\nmanual\nauto" : NULL),
		};
		fake_core_send(c, &m);
	}
}

static void run(struct fake_core *c)
{
	assert_int_equal(fake_core_configure(c, "goc", "plugin: test\nbroker: here\n"), 0);
	fake_core_start(c, 0);
	send_gateway(c, 2);
	send_layout(c, 10, 0, true, 2);
	send_layout(c, 11, 1, true, 2);
	settle(c);
}

enum { ONE = 48 + 8 + 16 }; /* bytes of a reading with both points */

static struct gw_reading *make_reading(void *at, uint32_t layout_number, uint16_t device,
				       uint64_t seq, uint64_t label)
{
	struct gw_reading *r = at;

	*r = (struct gw_reading){
		.size = ONE, .layout = layout_number, .device = device, .count = 2, .seq = seq
	};
	gw_reading_tags(r)[0] = gw_tag(0, GW_F64, GW_GOOD);
	gw_reading_tags(r)[1] = gw_tag(1, GW_ENUM, GW_GOOD);
	gw_reading_slots(r)[0] = 0;
	gw_reading_slots(r)[1] = label;
	return r;
}

static void send_block(struct fake_core *c, enum gw_message_type type, const void *block,
		       size_t size)
{
	struct gw_err err;

	assert_int_equal(gw_link_send_rest(c->fds[1], type, block, size, &err), 1);
}

/* ---- start ---- */

static void it_describes_itself_and_checks_its_keys(void **state)
{
	struct fake_core *c = *state;

	assert_int_equal(fake_core_configure(c, "goc", "plugin: test\nbrokr: x\n"), 2);
	assert_string_equal(c->problems[0],
			    "gw.yaml:2:1: : unknown key 'brokr'; did you mean 'broker'?");
	assert_string_equal(c->problems[1], "gw.yaml:1:1: : required key 'broker' is missing");
	assert_null(seen.plugin);
}

static void it_starts_when_all_devices_are_known(void **state)
{
	struct fake_core *c = *state;

	assert_int_equal(fake_core_configure(c, "goc", "plugin: test\nbroker: here\n"), 0);
	assert_string_equal(seen.broker, "here");
	fake_core_start(c, 0);
	send_gateway(c, 2);
	send_layout(c, 9, 0, false, 2); /* an old one does not count */
	send_layout(c, 10, 0, true, 2);
	settle(c);
	assert_int_equal(seen.layouts, 2);
	assert_int_equal(seen.starts, 0);
	send_layout(c, 11, 1, true, 2);
	settle(c);
	assert_int_equal(seen.starts, 1);
	assert_string_equal(seen.gateway.id, "79-an-phu-01");
	assert_string_equal(seen.gateway.title, "Trạm bơm");
	assert_string_equal(seen.gateway.site, "");
	assert_int_equal(seen.gateway.session, 41);
}

static void a_gateway_without_devices_starts_at_once(void **state)
{
	struct fake_core *c = *state;

	assert_int_equal(fake_core_configure(c, "goc", "plugin: test\nbroker: here\n"), 0);
	fake_core_start(c, 0);
	send_gateway(c, 0);
	settle(c);
	assert_int_equal(seen.starts, 1);
}

static void a_layout_is_what_the_core_said(void **state)
{
	const struct gw_layout *l;

	run(*state);
	l = seen.last_layout;
	assert_int_equal(l->number, 11);
	assert_int_equal(l->device, 1);
	assert_true(l->current);
	assert_string_equal(l->name, "pump-1");
	assert_string_equal(l->title, "");
	assert_int_equal(l->npoints, 2);
	assert_string_equal(l->points[0].name, "level");
	assert_true(l->points[0].has_min && !l->points[0].has_max && l->points[0].has_deadband);
	assert_true(l->points[0].min == 1.5 && l->points[0].deadband == 0.25);
	assert_null(l->points[0].labels);
	assert_int_equal(l->points[1].nlabels, 3);
	assert_string_equal(l->points[1].labels[0], "off");
	assert_string_equal(l->points[1].labels[2], "auto");
}

/* ---- readings ---- */

static void live_and_backlog_come_with_their_layouts(void **state)
{
	struct fake_core *c = *state;
	_Alignas(8) char block[3 * ONE];

	run(c);
	send_layout(c, 12, 0, true, 2); /* after a reload */
	settle(c);
	assert_int_equal(seen.last_layout->number, 12);
	make_reading(block, 12, 0, 100, 2);
	send_block(c, GW_MSG_LIVE, block, ONE);
	settle(c);
	assert_true(seen.live);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.seqs[0], 100);
	assert_ptr_equal(seen.layout[0], seen.last_layout);
	for (uint32_t i = 0; i < 3; i++)
		make_reading(block + i * ONE, i < 2 ? 10 : 12, 0, 50 + i, 0);
	send_block(c, GW_MSG_REPLAY, block, sizeof(block));
	settle(c);
	assert_false(seen.live);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.seqs[2], 52);
	assert_int_equal(seen.layout[1]->number, 10);
	assert_false(seen.layout[1]->current);
	assert_ptr_equal(seen.layout[2], seen.last_layout);
}

/* Each breaks one thing in a good reading of pump-1. */
static void wrong_layout(struct gw_reading *r)
{
	r->layout = 99;
}
static void wrong_device(struct gw_reading *r)
{
	r->device = 0;
}
static void wrong_label(struct gw_reading *r)
{
	gw_reading_slots(r)[1] = 3;
}
static void wrong_index(struct gw_reading *r)
{
	gw_reading_tags(r)[1] = gw_tag(2, GW_ENUM, GW_GOOD);
}
static void wrong_size(struct gw_reading *r)
{
	r->size = ONE + 8;
}
static void no_size(struct gw_reading *r)
{
	r->size = 0;
}

static void a_reading_that_does_not_fit_ends_the_sink_with_1(void **state)
{
	static void (*const breaks[])(struct gw_reading *) = { wrong_layout, wrong_device,
							       wrong_label,  wrong_index,
							       wrong_size,   no_size };
	_Alignas(8) char block[ONE];

	(void)state;
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		struct fake_core c;

		seen = (struct seen){ 0 };
		fake_core_sink(&c, &test_sink);
		run(&c);
		breaks[i](make_reading(block, 11, 1, 1, 2));
		send_block(&c, GW_MSG_REPLAY, block, ONE);
		assert_int_equal(fake_core_exit_code(&c), 1);
		assert_int_equal(seen.calls, 0);
		fake_core_close(&c);
	}
}

/* ---- windows ---- */

struct small_window { /* one point, the label of pump-1 */
	struct gw_window w;
	struct gw_window_point p;
};

static struct small_window good_window(void)
{
	struct small_window b = {
		.w = { .size = sizeof(b), .layout = 11, .device = 1, .from = 5, .to = 6, .readings = 2,
		       .window_ms = 60000, .points = 1 },
		.p = { .index = 1, .last_kind = GW_ENUM, .n = 2, .last = 2 },
	};

	return b;
}

static void other_layout(struct small_window *b)
{
	b->w.layout = 99;
}
static void other_device(struct small_window *b)
{
	b->w.device = 0;
}
static void other_label(struct small_window *b)
{
	b->p.last = 3;
}
static void other_index(struct small_window *b)
{
	b->p.index = 2;
}
static void other_size(struct small_window *b)
{
	b->w.size += 8;
}

static void send_window(struct fake_core *c, const struct small_window *b)
{
	struct gw_message m = { .type = GW_MSG_WINDOW, .window = { .id = 3 } };

	m.window.block = (struct gw_str){ (const char *)b, sizeof(*b) };
	fake_core_send(c, &m);
}

static void a_window_nobody_takes_is_acknowledged(void **state)
{
	struct small_window b = good_window();
	struct gw_ack ack;

	run(*state);
	send_window(*state, &b);
	settle(*state);
	memcpy(&ack, fake_core_take(*state, GW_MSG_ACKS)->acks.block.s, sizeof(ack));
	assert_int_equal(ack.what, GW_ACK_WINDOW);
	assert_int_equal(ack.from, 3);
}

static void a_window_that_does_not_fit_ends_the_sink_with_1(void **state)
{
	static void (*const breaks[])(struct small_window *) = { other_layout, other_device, other_label,
								 other_index, other_size };

	(void)state;
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		struct small_window b = good_window();
		struct fake_core c;

		seen = (struct seen){ 0 };
		fake_core_sink(&c, &test_sink);
		run(&c);
		breaks[i](&b);
		send_window(&c, &b);
		assert_int_equal(fake_core_exit_code(&c), 1);
		fake_core_close(&c);
	}
}

static void a_live_message_holds_one_reading(void **state)
{
	struct fake_core *c = *state;
	_Alignas(8) char block[2 * ONE];

	run(c);
	make_reading(block, 11, 1, 1, 0);
	make_reading(block + ONE, 11, 1, 2, 0);
	send_block(c, GW_MSG_LIVE, block, sizeof(block));
	assert_int_equal(fake_core_exit_code(c), 1);
}

static void news_of_devices_come_with_their_layout(void **state)
{
	struct fake_core *c = *state;
	struct gw_message m = { .type = GW_MSG_DEVICE_STATE };

	run(c);
	m.device_state = (struct gw_msg_device_state){
		.device = 1, .state = 2, .ts_ms = 5, .reason = gw_str("timeout")
	};
	fake_core_send(c, &m);
	settle(c);
	assert_string_equal(seen.text, "pump-1 2 5 timeout");
	m = (struct gw_message){ .type = GW_MSG_LOSS };
	m.loss = (struct gw_msg_loss){
		.id = 8, .device = 0, .from = 1, .to = 9, .cause = GW_LOSS_POWER_CUT
	};
	fake_core_send(c, &m);
	settle(c);
	assert_string_equal(seen.text, "meter-1 1-9 power_cut");
	m = (struct gw_message){ .type = GW_MSG_PROGRESS,
				 .progress = { .device = 1, .complete_to = 77 } };
	fake_core_send(c, &m);
	settle(c);
	assert_string_equal(seen.text, "pump-1 up to 77");
	send_block(c, GW_MSG_HEALTH, "{}", 2);
	settle(c);
	assert_string_equal(seen.text, "{}");
	m = (struct gw_message){ .type = GW_MSG_DEVICE_GONE,
				 .device_gone = { .name = gw_str("pump-1") } };
	fake_core_send(c, &m);
	settle(c);
	assert_string_equal(seen.text, "pump-1 is gone");
	assert_false(seen.last_layout->current);
}

static void corrections_and_boots_come_by_name(void **state)
{
	struct fake_core *c = *state;
	struct gw_message m = { .type = GW_MSG_BOOT };
	struct gw_ack ack;

	run(c);
	m.boot.number = 70;
	m.boot.id = gw_str("b-70");
	fake_core_send(c, &m);
	m.boot.id = gw_str("another"); /* the first word counts: texts live on */
	fake_core_send(c, &m);
	settle(c);
	assert_string_equal(gw_sink_boot(seen.plugin, 70), "b-70");
	assert_null(gw_sink_boot(seen.plugin, 71));
	m = (struct gw_message){ .type = GW_MSG_CORRECTION };
	m.correction = (struct gw_msg_correction){
		.id = 5, .boot = gw_str("b-70"), .from_ms = 1, .to_ms = 9, .offset_ms = -3
	};
	fake_core_send(c, &m);
	settle(c);
	assert_string_equal(seen.text, "boot b-70 from 1 to 9: -3");
	memcpy(&ack, fake_core_take(c, GW_MSG_ACKS)->acks.block.s, sizeof(ack));
	assert_int_equal(ack.what, GW_ACK_CORRECTION);
	assert_int_equal(ack.from, 5);
	assert_int_equal(ack.credit, 1);
}

/* ---- acknowledgements ---- */

static void assert_ack(struct gw_ack got, unsigned device, uint64_t from, uint64_t to,
		       unsigned result, unsigned credit)
{
	assert_int_equal(got.device, device);
	assert_int_equal(got.from, from);
	assert_int_equal(got.to, to);
	assert_int_equal(got.result, result);
	assert_int_equal(got.credit, credit);
}

static void neighbouring_acknowledgements_become_one(void **state)
{
	struct fake_core *c = *state;
	struct gw_ack acks[8];
	const struct gw_message *m;

	run(c);
	gw_sink_ack(seen.plugin, 1, 5, 5, GW_DONE, 1);
	gw_sink_ack(seen.plugin, 0, 7, 9, GW_DONE, 1);
	gw_sink_ack(seen.plugin, 1, 6, 8, GW_DONE, 1);	  /* behind the first */
	gw_sink_ack(seen.plugin, 1, 3, 4, GW_DONE, 0);	  /* before it */
	gw_sink_ack(seen.plugin, 1, 9, 9, GW_REFUSED, 1); /* another outcome */
	gw_sink_ack(seen.plugin, 1, 10, 10, GW_DONE, 1);
	gw_sink_ack(seen.plugin, 0, 11, 11, GW_DONE, 1); /* a gap */
	gw_sink_ack_loss(seen.plugin, 12, GW_DONE, 1);	 /* no neighbour of 11 */
	settle(c);
	m = fake_core_take(c, GW_MSG_ACKS);
	assert_int_equal(m->acks.block.n, 6 * sizeof(acks[0]));
	memcpy(acks, m->acks.block.s, m->acks.block.n);
	assert_ack(acks[0], 1, 3, 8, GW_ACK_DONE, 2);
	assert_ack(acks[1], 0, 7, 9, GW_ACK_DONE, 1);
	assert_ack(acks[2], 1, 9, 9, GW_ACK_REFUSED, 1);
	assert_ack(acks[3], 1, 10, 10, GW_ACK_DONE, 1);
	assert_ack(acks[4], 0, 11, 11, GW_ACK_DONE, 1);
	assert_ack(acks[5], 0, 12, 12, GW_ACK_DONE, 1);
	assert_int_equal(acks[5].what, GW_ACK_LOSS);
	gw_sink_ack(seen.plugin, 1, 11, 11, GW_DONE, 1); /* a new turn begins anew */
	settle(c);
	assert_int_equal(fake_core_take(c, GW_MSG_ACKS)->acks.block.n, sizeof(acks[0]));
}

static void more_than_a_message_of_acknowledgements_is_split(void **state)
{
	struct fake_core *c = *state;
	size_t bytes = 0;

	run(c);
	for (uint64_t i = 0; i < 3000; i++)
		gw_sink_ack(seen.plugin, 1, i * 2, i * 2, GW_DONE, 1);
	while (bytes < 3000 * sizeof(struct gw_ack))
		bytes += fake_core_take(c, GW_MSG_ACKS)->acks.block.n;
	assert_int_equal(bytes, 3000 * sizeof(struct gw_ack));
}

static void a_lost_connection_never_overtakes_acknowledgements(void **state)
{
	struct fake_core *c = *state;
	const struct gw_message *m;

	run(c);
	gw_sink_state(seen.plugin, GW_FAR_CONNECTED, 50, 42, "mqtt://b:1883", NULL);
	gw_sink_ack(seen.plugin, 1, 1, 1, GW_DONE, 1);
	gw_sink_state(seen.plugin, GW_FAR_WAITING, 0, 42, "mqtt://b:1883", "refused\n");
	gw_sink_state(seen.plugin, GW_FAR_WAITING, 0, 42, "mqtt://b:1883",
		      "refused\n"); /* no change */
	gw_sink_ack(seen.plugin, 1, 2, 2, GW_DONE, 1);
	fake_core_receive(c);
	while (fake_core_waiting(c, GW_MSG_KEY))
		;
	m = fake_core_take(c, GW_MSG_SINK_STATE);
	assert_int_equal(m->sink_state.state, 1);
	assert_int_equal(m->sink_state.window, 50);
	assert_int_equal(m->sink_state.session, 42);
	assert_non_null(c->first); /* what comes next in order */
	assert_int_equal(((const uint16_t *)(const void *)c->first->bytes)[0], GW_MSG_ACKS);
	m = fake_core_take(c, GW_MSG_SINK_STATE);
	assert_int_equal(m->sink_state.state, 2);
	assert_int_equal(m->sink_state.reason.n, strlen("refused\\x0a"));
	settle(c);
	assert_null(fake_core_waiting(c, GW_MSG_SINK_STATE));
}

static void send_live(struct fake_core *c, uint64_t seq)
{
	static _Alignas(8) char block[ONE];

	make_reading(block, 11, 1, seq, 2);
	send_block(c, GW_MSG_LIVE, block, ONE);
}

static void the_core_knows_of(struct fake_core *c, uint64_t session)
{
	fake_core_send(c, &(struct gw_message){ .type = GW_MSG_SESSION, .session = { .session = session } });
}

static void what_was_sent_for_another_session_is_not_published_in_this_one(void **state)
{
	struct fake_core *c = *state;

	run(c);
	gw_sink_state(seen.plugin, GW_FAR_CONNECTED, 50, 42, "b", "");
	send_live(c, 1);
	settle(c);
	assert_int_equal(seen.calls, 0);
	the_core_knows_of(c, 42);
	send_live(c, 2);
	settle(c);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.seqs[0], 2);
	gw_sink_state(seen.plugin, GW_FAR_CONNECTED, 60, 42, "b", ""); /* the same session */
	send_live(c, 3);
	settle(c);
	assert_int_equal(seen.calls, 2);
	gw_sink_state(seen.plugin, GW_FAR_WAITING, 0, 42, "b", "lost");
	send_live(c, 4);
	settle(c);
	gw_sink_state(seen.plugin, GW_FAR_CONNECTED, 50, 43, "b", "");
	send_live(c, 4);
	the_core_knows_of(c, 42); /* late */
	send_live(c, 5);
	settle(c);
	assert_int_equal(seen.calls, 2);
	the_core_knows_of(c, 43);
	send_live(c, 6);
	settle(c);
	assert_int_equal(seen.calls, 3);
	assert_int_equal(seen.seqs[0], 6);
}

static void counts_follow_within_a_second_or_two(void **state)
{
	struct fake_core *c = *state;
	const struct gw_message *m;

	run(c);
	gw_sink_state(seen.plugin, GW_FAR_CONNECTED, 50, 42, "b", "");
	fake_core_take(c, GW_MSG_SINK_STATE);
	gw_sink_counts(seen.plugin, 7, 3);
	m = fake_core_take(c, GW_MSG_SINK_STATE);
	assert_int_equal(m->sink_state.in_flight, 7);
	assert_int_equal(m->sink_state.refused, 3);
	assert_int_equal(m->sink_state.window, 50);
}

/* ---- the end ---- */

static void stop_sends_the_last_acknowledgements(void **state)
{
	struct fake_core *c = *state;

	run(c);
	gw_sink_ack(seen.plugin, 1, 1, 1, GW_DONE, 1);
	fake_core_say(c, GW_MSG_STOP);
	assert_int_equal(fake_core_exit_code(c), 0);
	assert_int_equal(seen.stops, 1);
	fake_core_receive(c);
	assert_non_null(fake_core_waiting(c, GW_MSG_ACKS));
}

static void a_far_end_that_never_answers_is_left_after_5_s(void **state)
{
	struct fake_core *c = *state;
	int64_t before_us = gw_now_us();

	seen.silent_stop = true;
	run(c);
	fake_core_say(c, GW_MSG_STOP);
	assert_int_equal(fake_core_exit_code(c), 0);
	assert_true(gw_now_us() - before_us >= 5000000);
}

static void without_a_core_there_is_no_goodbye(void **state)
{
	struct fake_core *c = *state;

	run(c);
	fake_core_hang_up(c);
	assert_int_equal(fake_core_exit_code(c), 0);
	assert_int_equal(seen.stops, 0);
}

static void a_sink_that_never_started_stops_at_once(void **state)
{
	struct fake_core *c = *state;

	assert_int_equal(fake_core_configure(c, "goc", "plugin: test\nbroker: here\n"), 0);
	fake_core_start(c, 0);
	fake_core_say(c, GW_MSG_STOP);
	assert_int_equal(fake_core_exit_code(c), 0);
	assert_int_equal(seen.stops, 0);
}

static void send_point_out_of_turn(struct fake_core *c)
{
	struct gw_message m = { .type = GW_MSG_LAYOUT_POINT,
				.layout_point = { .layout = 10, .point = 5 } };

	fake_core_send(c, &m);
}

static void send_layout_inside_a_layout(struct fake_core *c)
{
	send_layout(c, 20, 0, true, 1);
	send_layout(c, 21, 0, true, 0);
}

static void send_state_of_a_stranger(struct fake_core *c)
{
	struct gw_message m = { .type = GW_MSG_DEVICE_STATE, .device_state = { .device = 9 } };

	fake_core_send(c, &m);
}

static void send_reading_early(struct fake_core *c)
{
	_Alignas(8) char block[ONE];

	make_reading(block, 10, 0, 1, 0);
	send_block(c, GW_MSG_LIVE, block, ONE);
}

static void send_what_is_for_a_source(struct fake_core *c)
{
	fake_core_say(c, GW_MSG_ASK);
}

static void news_out_of_turn_end_the_sink_with_1(void **state)
{
	static void (*const lies[])(struct fake_core *) = {
		send_point_out_of_turn, send_layout_inside_a_layout, send_state_of_a_stranger,
		send_reading_early,	send_what_is_for_a_source,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fake_core c;

		fake_core_sink(&c, &test_sink);
		assert_int_equal(fake_core_configure(&c, "goc", "plugin: test\nbroker: here\n"), 0);
		fake_core_start(&c, 0);
		lies[i](&c);
		assert_int_equal(fake_core_exit_code(&c), 1);
		fake_core_close(&c);
	}
}

#define WITH_CORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CORE(it_describes_itself_and_checks_its_keys),
		WITH_CORE(it_starts_when_all_devices_are_known),
		WITH_CORE(a_gateway_without_devices_starts_at_once),
		WITH_CORE(a_layout_is_what_the_core_said),
		WITH_CORE(live_and_backlog_come_with_their_layouts),
		cmocka_unit_test(a_reading_that_does_not_fit_ends_the_sink_with_1),
		WITH_CORE(a_window_nobody_takes_is_acknowledged),
		cmocka_unit_test(a_window_that_does_not_fit_ends_the_sink_with_1),
		WITH_CORE(a_live_message_holds_one_reading),
		WITH_CORE(news_of_devices_come_with_their_layout),
		WITH_CORE(corrections_and_boots_come_by_name),
		WITH_CORE(neighbouring_acknowledgements_become_one),
		WITH_CORE(more_than_a_message_of_acknowledgements_is_split),
		WITH_CORE(a_lost_connection_never_overtakes_acknowledgements),
		WITH_CORE(what_was_sent_for_another_session_is_not_published_in_this_one),
		WITH_CORE(counts_follow_within_a_second_or_two),
		WITH_CORE(stop_sends_the_last_acknowledgements),
		WITH_CORE(a_far_end_that_never_answers_is_left_after_5_s),
		WITH_CORE(without_a_core_there_is_no_goodbye),
		WITH_CORE(a_sink_that_never_started_stops_at_once),
		cmocka_unit_test(news_out_of_turn_end_the_sink_with_1),
	};

	return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
