/*
 * test_source.c - a source's runtime with a fake core: greeting, configuration
 * and its problems, cycles, a full link, questions, the end.
 */
#include "tests/base/fake_core.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/keys.h"

/* ---- a source for the tests ---- */

struct serial_keys {
	int64_t baud;
};
struct source_keys {
	const char *connection;
	struct serial_keys serial;
};
struct device_keys {
	int64_t unit_id;
	const char *connection;
};
struct point_keys {
	int64_t address;
	int type;
};

static const struct gw_key serial_key_list[] = {
	{ .name = "baud",
	  .type = GW_T_INT,
	  .fallback = "9600",
	  .min = 1200,
	  .max = 115200,
	  .offset = offsetof(struct serial_keys, baud),
	  .help = "Bits a second." },
};
static const struct gw_table serial_table =
	GW_TABLE("serial", struct serial_keys, serial_key_list, "A line.");
static const struct gw_key source_key_list[] = {
	{ .name = "connection",
	  .type = GW_T_TEXT,
	  .fallback = "none",
	  .offset = offsetof(struct source_keys, connection),
	  .help = "Where it is." },
	{ .name = "serial",
	  .type = GW_T_SECTION,
	  .offset = offsetof(struct source_keys, serial),
	  .table = &serial_table,
	  .help = "Its line." },
};
static const struct gw_table source_table =
	GW_TABLE("source", struct source_keys, source_key_list, "A source.");
static const struct gw_key device_key_list[] = {
	{ .name = "unit_id",
	  .type = GW_T_INT,
	  .flags = GW_REQUIRED,
	  .min = 0,
	  .max = 255,
	  .offset = offsetof(struct device_keys, unit_id),
	  .help = "Its number." },
	{ .name = "connection",
	  .type = GW_T_TEXT,
	  .flags = GW_INHERIT,
	  .offset = offsetof(struct device_keys, connection),
	  .help = "Where it is." },
};
static const struct gw_table device_table =
	GW_TABLE("device", struct device_keys, device_key_list, "A device.");
static const char *const types[] = { "u16", "text", NULL };
static const struct gw_key point_key_list[] = {
	{ .name = "address",
	  .type = GW_T_INT,
	  .flags = GW_REQUIRED,
	  .min = 0,
	  .max = 65535,
	  .offset = offsetof(struct point_keys, address),
	  .help = "Where it is." },
	{ .name = "type",
	  .type = GW_T_CHOICE,
	  .fallback = "u16",
	  .choices = types,
	  .offset = offsetof(struct point_keys, type),
	  .help = "What it is." },
};
static const struct gw_table point_table =
	GW_TABLE("point", struct point_keys, point_key_list, "A point.");

/* What the test wants of the source, and what the source saw. */
static struct seen {
	struct gw_plugin *plugin;
	const struct gw_source_config *config;
	bool keep_open; /* leave cycles open */
	bool refuse, refuse_start;
	bool many_intervals;
	struct gw_cycle *open[8];
	struct gw_question *question[80];
	unsigned nquestions, cycles, starts, stops;
	int64_t value;
	uint32_t mask;
	char remembered[256];
} seen;

static int configure(struct gw_plugin *p, const struct gw_source_config *config, void **self,
		     struct gw_err *err)
{
	seen.plugin = p;
	seen.config = config;
	*self = &seen;
	for (unsigned d = 0; d < config->ndevices; d++) {
		const struct gw_device_config *device = &config->devices[d];
		const struct device_keys *keys = device->own;

		if (keys->unit_id == 13)
			gw_problem(gw_plugin_problems(p),
				   &gw_node_get(device->node, "unit_id")->place,
				   "devices.unlucky.unit_id", "13 brings bad luck");
		for (unsigned i = 0; i < device->npoints; i++) {
			const struct point_keys *point = device->points[i].own;

			gw_source_point(p, d, i, device->points[i].name,
					point->type ? GW_TEXT : GW_I64, 16, false, "V",
					device->points[i].interval_ms +
						(seen.many_intervals ? i : 0));
		}
	}
	return seen.refuse ? gw_err_set(err, GW_EIO, "there is no bus in this machine") : 0;
}

static int start(void *self, struct gw_loop *loop, struct gw_err *err)
{
	(void)self;
	(void)loop;
	seen.starts++;
	return seen.refuse_start ? gw_err_set(err, GW_EIO, "the bus is on fire") : 0;
}

static void cycle(void *self, struct gw_cycle *c)
{
	size_t n;
	const uint16_t *due = gw_cycle_due(c, &n);

	(void)self;
	seen.cycles++;
	seen.mask = gw_cycle_mask(c);
	if (seen.keep_open) {
		seen.open[gw_cycle_device(c)] = c;
		return;
	}
	for (size_t i = 0; i < n; i++)
		gw_cycle_i64(c, due[i], ++seen.value);
	gw_cycle_close(c, GW_TIMEOUT);
}

static void ask(void *self, unsigned device, unsigned point, struct gw_question *q)
{
	(void)self;
	assert_int_equal(device, 0);
	assert_int_equal(point, 1);
	seen.question[seen.nquestions++] = q;
}

static void remembered(void *self, const char *key, const void *value, size_t size)
{
	size_t n = strlen(seen.remembered);

	(void)self;
	assert_int_equal(seen.starts, 0);
	snprintf(seen.remembered + n, sizeof(seen.remembered) - n, "%s=%.*s ", key, (int)size,
		 (const char *)value);
}

static void stop(void *self)
{
	(void)self;
	seen.stops++;
}

static const struct gw_source_plugin test_source = {
	.name = "test",
	.version = "7",
	.help = "A source for tests.",
	.source = &source_table,
	.device = &device_table,
	.point = &point_table,
	.configure = configure,
	.start = start,
	.cycle = cycle,
	.ask = ask,
	.state = remembered,
	.stop = stop,
};

static const char two_points[] =
	"plugin: test\n"
	"interval: 100ms\n"
	"connection: here\n"
	"devices:\n"
	"  pump:\n"
	"    unit_id: 3\n"
	"    points:\n"
	"      flow: {address: 1}\n"
	"      level: {address: 2, interval: 1h}\n"
	"  other: {unit_id: 4, connection: there, interval: 1h, points: {p: {address: 9}}}\n";

static int setup(void **state)
{
	static struct fake_core core;

	seen = (struct seen){ 0 };
	fake_core_source(&core, &test_source);
	*state = &core;
	return 0;
}

static int teardown(void **state)
{
	fake_core_close(*state);
	return 0;
}

static void run(struct fake_core *c)
{
	assert_int_equal(fake_core_configure(c, "pumps", two_points), 0);
	fake_core_start(c, gw_now_us());
}

static void assert_text(struct gw_str s, const char *want)
{
	char text[512];

	snprintf(text, sizeof(text), "%.*s", (int)s.n, s.n ? s.s : "");
	assert_string_equal(text, want);
}

/* ---- greeting and configuration ---- */

static void it_says_who_it_is_and_what_keys_it_has(void **state)
{
	static const char *const want[] = { "source.connection", "source.serial",
					    "serial.baud",	 "device.unit_id",
					    "device.connection", "point.address",
					    "point.type" };
	struct fake_core *c = *state;
	struct gw_message welcome = { .type = GW_MSG_WELCOME, .welcome = { .version = 1 } };
	const struct gw_message *m = fake_core_take(c, GW_MSG_HELLO);
	char path[200];

	assert_int_equal(m->hello.oldest, 1);
	assert_int_equal(m->hello.newest, 1);
	assert_int_equal(m->hello.role, 0);
	assert_text(m->hello.plugin, "test");
	assert_text(m->hello.version, "7");
	fake_core_send(c, &welcome);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		m = fake_core_take(c, GW_MSG_KEY);
		snprintf(path, sizeof(path), "%.*s.%.*s", (int)m->key.section.n, m->key.section.s,
			 (int)m->key.name.n, m->key.name.s);
		assert_string_equal(path, want[i]);
		if (i == 1)
			assert_text(m->key.table, "serial");
		if (i == 2)
			assert_int_equal(m->key.max, 115200);
	}
	assert_text(m->key.choices, "u16|text");
	assert_text(m->key.fallback, "u16");
	fake_core_take(c, GW_MSG_DESCRIBED);
	assert_null(fake_core_waiting(c, GW_MSG_KEY));
}

static void it_declares_devices_and_points(void **state)
{
	struct fake_core *c = *state;
	const struct gw_message *m;

	assert_int_equal(fake_core_configure(c, "pumps", two_points), 0);
	m = fake_core_take(c, GW_MSG_DEVICE);
	assert_int_equal(m->device.device, 0);
	assert_text(m->device.name, "pump");
	assert_text(fake_core_take(c, GW_MSG_DEVICE)->device.name, "other");
	m = fake_core_take(c, GW_MSG_POINT);
	assert_text(m->point.name, "flow");
	assert_int_equal(m->point.kind, GW_I64);
	assert_int_equal(m->point.bits, 16);
	assert_int_equal(m->point.interval_ms, 100);
	assert_text(m->point.unit, "V");
	m = fake_core_take(c, GW_MSG_POINT);
	assert_int_equal(m->point.point, 1);
	assert_int_equal(m->point.interval_ms, 3600000);
	assert_int_equal(fake_core_take(c, GW_MSG_POINT)->point.device, 1);
}

static void unset_keys_are_inherited_from_above(void **state)
{
	const struct device_keys *pump, *other;

	assert_int_equal(fake_core_configure(*state, "pumps", two_points), 0);
	assert_string_equal(seen.config->name, "pumps");
	pump = seen.config->devices[0].own;
	other = seen.config->devices[1].own;
	assert_string_equal(pump->connection, "here");
	assert_string_equal(other->connection, "there");
	assert_int_equal(seen.config->devices[0].interval_ms, 100);
	assert_int_equal(seen.config->devices[1].points[0].interval_ms, 3600000);
	assert_int_equal(((const struct source_keys *)seen.config->own)->serial.baud, 9600);
}

static const struct {
	const char *yaml;
	const char *want[4];
} wrong[] = {
	{ "plugin: test\ndevices:\n  pump: {unit_id: 300, points: {p: {address: 1}}}\n",
	  { "gw.yaml:3:19: devices.pump.unit_id: '300' is outside 0 to 255" } },
	{ "plugin: test\ndevices:\n  pump: {unit-id: 3}\n",
	  { "gw.yaml:3:10: devices.pump: unknown key 'unit-id'; did you mean 'unit_id'?",
	    "gw.yaml:3:3: devices.pump: required key 'unit_id' is missing" } },
	/* a device with a problem keeps configure() from nothing but itself */
	{ "plugin: test\ndevices:\n  pump: {unit_id: 1, points: {p: {adress: 1}}}\n"
	  "  unlucky: {unit_id: 13, points: {p: {address: 1}}}\n",
	  { "gw.yaml:3:35: devices.pump.points.p: unknown key 'adress'; did you mean 'address'?",
	    "gw.yaml:3:31: devices.pump.points.p: required key 'address' is missing",
	    "gw.yaml:4:22: devices.unlucky.unit_id: 13 brings bad luck" } },
	{ "plugin: test\nserial: {baud: 1}\ndevices: {pump: {unit_id: 13}}\n",
	  { "gw.yaml:2:16: serial.baud: '1' is outside 1200 to 115200" } },
};

static void each_problem_comes_once_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct fake_core c;
		unsigned n = 0;

		while (n < 4 && wrong[i].want[n])
			n++;
		seen = (struct seen){ 0 };
		fake_core_source(&c, &test_source);
		assert_int_equal(fake_core_configure(&c, "pumps", wrong[i].yaml), n);
		assert_int_equal(c.nproblems, n);
		for (unsigned j = 0; j < n; j++)
			assert_string_equal(c.problems[j], wrong[i].want[j]);
		fake_core_close(&c);
	}
}

static void a_plugin_that_cannot_go_on_says_why_where_people_look(void **state)
{
	struct fake_core *c = *state;

	seen.refuse = true;
	assert_int_equal(fake_core_configure(c, "pumps", two_points), 1);
	assert_string_equal(c->problems[0], "gw.yaml:1:1: : there is no bus in this machine");
}

static void too_many_intervals_are_a_problem_of_their_device(void **state)
{
	struct fake_core *c = *state;
	char yaml[4096] = "plugin: test\ndevices:\n  pump:\n    unit_id: 1\n    points:\n";

	for (int i = 0; i < 40; i++)
		snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml),
			 "      p%d: {address: %d}\n", i, i);
	seen.many_intervals = true;
	assert_int_equal(fake_core_configure(c, "pumps", yaml), 1);
	assert_string_equal(
		c->problems[0],
		"gw.yaml:3:3: devices.pump: its points have more than 32 different intervals");
}

/* ---- running ---- */

static bool overran(void *arg)
{
	struct fake_core *c = arg;
	const struct gw_message *m;

	while ((m = fake_core_waiting(c, GW_MSG_COUNTERS)))
		if (m->counters.device == 0 && m->counters.overruns > 0)
			return true;
	return false;
}

static void readings_come_by_the_interval(void **state)
{
	struct fake_core *c = *state;
	int64_t before_ms = gw_wall_ms();
	const struct gw_reading *r;

	run(c);
	r = fake_core_reading(c);
	assert_int_equal(r->device, 0);
	assert_int_equal(r->count, 2); /* the first tick has everything */
	assert_int_equal(r->seq, 0);
	assert_true(r->ts_ms >= before_ms && r->ts_ms <= gw_wall_ms());
	assert_true(r->mono_ms <= gw_now_us() / 1000);
	assert_int_equal(gw_reading_value(r, 1).i, 2);
	do {
		r = fake_core_reading(c);
		assert_int_equal(r->count, 1); /* the point of every hour is not due again */
	} while (r->device == 0);
	assert_int_equal(r->device, 1); /* its hour does not keep it from a first reading */
	assert_int_equal(seen.starts, 1);
}

static void a_cycle_that_stays_open_is_an_overrun_and_never_doubled(void **state)
{
	struct fake_core *c = *state;

	seen.keep_open = true;
	run(c);
	assert_true(fake_core_until(c, overran, c));
	assert_int_equal(seen.cycles, 2); /* one of each device */
	assert_null(fake_core_waiting(c, GW_MSG_READING));
	seen.keep_open = false;
	gw_cycle_close(seen.open[0], GW_TIMEOUT);
	assert_int_equal(gw_reading_value(fake_core_reading(c), 0).reason, GW_TIMEOUT);
	assert_int_equal(gw_reading_value(fake_core_reading(c), 0).reason, GW_GOOD);
}

static bool eight_cycles_without_a_reading(void *arg)
{
	(void)arg;
	return seen.cycles >= 8;
}

/* Fill the link to the brim with what the plugin says. */
static void plug(struct fake_core *c)
{
	static const char rest[GW_MESSAGE_MAX / 2];
	struct gw_err err;

	c->deaf = true;
	for (size_t size = sizeof(rest); size >= 8; size /= 2)
		while (gw_link_send_rest(c->fds[0], GW_MSG_ACKS, rest, size, &err) > 0)
			;
}

static void a_full_link_keeps_the_newest_and_counts_the_rest(void **state)
{
	struct fake_core *c = *state;
	const struct gw_message *m;
	const struct gw_reading *r;

	assert_int_equal(fake_core_configure(c, "pumps", two_points), 0);
	plug(c);
	fake_core_start(c, gw_now_us());
	assert_true(fake_core_until(c, eight_cycles_without_a_reading, c));
	c->deaf = false;
	r = fake_core_reading(c);
	assert_int_equal(r->device, 0);
	assert_true(gw_reading_value(r, 0).i >= 8); /* 1 to 3 went with the first tick */
	do
		m = fake_core_take(c, GW_MSG_COUNTERS);
	while (m->counters.device != 0 || m->counters.dropped == 0);
	assert_true(m->counters.dropped >= 6);
}

static void requests_and_load_are_passed_on(void **state)
{
	struct fake_core *c = *state;
	const struct gw_message *m;

	run(c);
	gw_source_requests(seen.plugin, 1, 42);
	gw_source_load(seen.plugin, 1, 300);
	m = fake_core_take(c, GW_MSG_COUNTERS);
	assert_int_equal(m->counters.device, 1);
	assert_int_equal(m->counters.requests, 42);
	assert_int_equal(m->counters.load_permille, 300);
}

/* ---- questions ---- */

static void put_question(struct fake_core *c, uint32_t number, uint16_t point)
{
	struct gw_message m = { .type = GW_MSG_ASK, .ask = { .number = number, .point = point } };

	fake_core_send(c, &m);
}

static bool asked(void *arg)
{
	return seen.nquestions >= *(unsigned *)arg;
}

static void fake_core_remember(struct fake_core *c, const char *key, const char *value)
{
	struct gw_message m = { .type = GW_MSG_STATE };

	m.state.key = gw_str(key);
	m.state.value = gw_str(value);
	fake_core_send(c, &m);
}

static void what_was_put_before_comes_before_the_start(void **state)
{
	struct fake_core *c = *state;

	assert_int_equal(fake_core_configure(c, "pumps", two_points), 0);
	fake_core_remember(c, "total", "1234");
	fake_core_remember(c, "holes", "5,6");
	fake_core_start(c, gw_now_us());
	fake_core_reading(c);
	assert_string_equal(seen.remembered, "total=1234 holes=5,6 ");
	assert_int_equal(seen.starts, 1);
}

static void what_is_put_is_sent_and_what_is_too_large_is_not(void **state)
{
	struct fake_core *c = *state;
	static char big[GW_STATE_VALUE_MAX + 1], key[GW_STATE_KEY_MAX + 2];
	const struct gw_msg_state_put *put;

	assert_int_equal(fake_core_configure(c, "pumps", two_points), 0);
	fake_core_start(c, gw_now_us());
	fake_core_reading(c);
	memset(key, 'k', sizeof(key) - 1);
	gw_state_put(seen.plugin, "", "1", 1);
	gw_state_put(seen.plugin, key, "1", 1);
	gw_state_put(seen.plugin, "big", big, sizeof(big));
	gw_state_put(seen.plugin, key + 1, big, sizeof(big) - 1);
	gw_state_put(seen.plugin, "gone", NULL, 0);
	put = &fake_core_take(c, GW_MSG_STATE_PUT)->state_put;
	assert_int_equal(put->key.n, GW_STATE_KEY_MAX);
	assert_int_equal(put->value.n, GW_STATE_VALUE_MAX);
	put = &fake_core_take(c, GW_MSG_STATE_PUT)->state_put;
	assert_text(put->key, "gone");
	assert_int_equal(put->value.n, 0);
}

static void a_question_gets_its_answer(void **state)
{
	struct fake_core *c = *state;
	const struct gw_value number = { .kind = GW_U64, .u = 77 },
			      text = { .kind = GW_TEXT, .text = "on  ", .length = 4 },
			      bad = { .kind = GW_I64, .reason = GW_CRC, .i = 5 };
	const struct gw_value *answers[] = { &number, &text, &bad };
	unsigned want = 3;
	const struct gw_message *m;

	run(c);
	for (uint32_t i = 0; i < want; i++)
		put_question(c, 100 + i, 1);
	assert_true(fake_core_until(c, asked, &want));
	for (unsigned i = want; i-- > 0;)
		gw_answer_value(seen.question[i], answers[i]);
	m = fake_core_take(c, GW_MSG_ANSWER);
	assert_int_equal(m->answer.number, 102);
	assert_int_equal(m->answer.kind, GW_NONE);
	assert_int_equal(m->answer.reason, GW_CRC);
	assert_int_equal(m->answer.slot, 0);
	assert_text(fake_core_take(c, GW_MSG_ANSWER)->answer.text, "on");
	assert_int_equal(fake_core_take(c, GW_MSG_ANSWER)->answer.slot, 77);
}

static void what_cannot_be_asked_is_answered_at_once(void **state)
{
	struct fake_core *c = *state;
	const struct gw_message *m;

	run(c);
	put_question(c, 1, 500); /* no such point */
	m = fake_core_take(c, GW_MSG_ANSWER);
	assert_int_equal(m->answer.reason, GW_NOT_AVAILABLE);
	for (uint32_t i = 0; i < 65; i++)
		put_question(c, i, 1);
	m = fake_core_take(c, GW_MSG_ANSWER); /* 64 may be open */
	assert_int_equal(m->answer.number, 64);
	assert_int_equal(m->answer.reason, GW_NOT_AVAILABLE);
	assert_int_equal(seen.nquestions, 64);
}

/* ---- the end ---- */

static void a_ping_is_answered(void **state)
{
	struct fake_core *c = *state;
	struct gw_message ping = { .type = GW_MSG_PING, .ping = { .number = 9 } };

	run(c);
	fake_core_send(c, &ping);
	assert_int_equal(fake_core_take(c, GW_MSG_PONG)->pong.number, 9);
}

static bool both_open(void *arg)
{
	(void)arg;
	return seen.open[0] && seen.open[1];
}

static bool stopped(void *arg)
{
	(void)arg;
	return seen.stops > 0;
}

static void stop_waits_for_open_cycles_and_begins_no_others(void **state)
{
	struct fake_core *c = *state;
	struct gw_message ping = { .type = GW_MSG_PING };

	seen.keep_open = true;
	run(c);
	assert_true(fake_core_until(c, both_open, NULL));
	fake_core_say(c, GW_MSG_STOP);
	fake_core_send(c, &ping);
	fake_core_take(c, GW_MSG_PONG);
	assert_int_equal(seen.stops, 0);
	gw_cycle_close(seen.open[0], GW_TIMEOUT);
	gw_cycle_close(seen.open[1], GW_TIMEOUT);
	assert_int_equal(fake_core_exit_code(c), 0);
	fake_core_receive(c);
	assert_int_equal(fake_core_reading(c)->device, 0);
	assert_int_equal(fake_core_reading(c)->device, 1);
	assert_int_equal(seen.stops, 1);
	assert_int_equal(seen.cycles, 2);
}

static void stop_does_not_wait_for_ever(void **state)
{
	struct fake_core *c = *state;
	int64_t before_us;

	seen.keep_open = true;
	run(c);
	assert_true(fake_core_until(c, both_open, NULL));
	before_us = gw_now_us();
	fake_core_say(c, GW_MSG_STOP);
	assert_true(fake_core_until(c, stopped, NULL));
	assert_int_equal(fake_core_exit_code(c), 0);
	assert_true(gw_now_us() - before_us >= 2000000);
	assert_int_equal(seen.stops, 1);
}

static void end_of_file_ends_at_once(void **state)
{
	struct fake_core *c = *state;

	seen.keep_open = true;
	run(c);
	assert_true(fake_core_until(c, both_open, NULL));
	fake_core_hang_up(c);
	assert_int_equal(fake_core_exit_code(c), 0);
	assert_int_equal(seen.stops, 1);
}

static void a_check_touches_nothing_and_ends_in_order(void **state)
{
	struct fake_core *c = *state;

	assert_int_equal(fake_core_configure(c, "pumps", two_points), 0);
	fake_core_hang_up(c);
	assert_int_equal(fake_core_exit_code(c), 0);
	assert_int_equal(seen.starts + seen.stops, 0);
}

static void a_source_that_cannot_start_ends_with_1(void **state)
{
	struct fake_core *c = *state;

	seen.refuse_start = true;
	run(c);
	assert_int_equal(fake_core_exit_code(c), 1);
	assert_int_equal(seen.stops, 0);
}

static void a_core_that_breaks_the_protocol_is_left_with_1(void **state)
{
	static const struct gw_message lies[] = {
		{ .type = GW_MSG_START },
		{ .type = GW_MSG_CONFIGURED },
		{ .type = GW_MSG_LIVE },
		{ .type = GW_MSG_WELCOME, .welcome = { .version = 2 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fake_core c;

		fake_core_source(&c, &test_source);
		fake_core_send(&c, &lies[i]);
		assert_int_equal(fake_core_exit_code(&c), 1);
		fake_core_close(&c);
	}
}

static void a_tree_that_lies_is_refused(void **state)
{
	enum { MAP = GW_NODE_MAP, SCALAR = GW_NODE_SCALAR, END = 255 };
	static const struct {
		uint8_t kinds[24];
		size_t n;
	} trees[] = {
		{ { SCALAR }, 1 },
		{ { END }, 1 },
		{ { MAP, END, MAP }, 3 },
		{ { MAP, END, END }, 3 },
		{ { 77 }, 1 },
		{ { MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP, MAP,
		    MAP },
		  17 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct gw_arena *a = gw_arena_new();
		struct gw_tree *t = gw_tree_new(a);
		struct gw_err err = { 0 };
		int result = 0;

		for (size_t k = 0; k < trees[i].n; k++) {
			struct gw_msg_node m = { .kind = trees[i].kinds[k] };

			assert_int_equal(result, 0); /* only the last is wrong */
			result = gw_tree_node(t, &m, &err);
		}
		assert_int_equal(result, -1);
		assert_int_equal(err.code, GW_EPROTO);
		gw_arena_free(a);
	}
}

/* ---- as a program ---- */

static int dance(int argc, char *argv[])
{
	printf("%s %s\n", argv[0], argc > 1 ? argv[1] : "");
	return 42;
}

static const struct gw_tool tools[] = {
	{ "dance STYLE", "Moves.", dance },
	{ NULL, NULL, NULL },
};

/* What the program writes, and its exit code behind it. */
static const char *by_hand(int argc, char *argv[])
{
	static char text[4096];
	struct gw_source_plugin def = test_source;
	int fds[2], status;
	size_t n = 0;
	ssize_t got;

	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();

	if (pid == 0) {
		def.tools = tools;
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		status = gw_source_main(&def, argc, argv);
		fflush(stdout);
		_exit(status);
	}
	close(fds[1]);
	while ((got = read(fds[0], text + n, sizeof(text) - 16 - n)) > 0)
		n += (size_t)got;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	snprintf(text + n, sizeof(text) - n, "= %d", WEXITSTATUS(status));
	return text;
}

#define USAGE "Usage:\n  test --help | --version\n  test dance STYLE\n      Moves.\n"

static void by_hand_it_explains_itself(void **state)
{
	char *help[] = { "test", "--help", NULL }, *version[] = { "test", "--version", NULL },
	     *none[] = { "test", NULL }, *unknown[] = { "test", "sing", NULL },
	     *tool[] = { "test", "dance", "tango", NULL };

	(void)state;
	assert_string_equal(
		by_hand(2, help),
		"test 7 - A source for tests.\n\n"
		"A plugin of gatewayd: the daemon starts it where the configuration says\n"
		"`plugin: test`.  By hand it only runs its tools.\n\n" USAGE "\nKeys of a source:\n"
		"  connection         text, default none\n"
		"                     Where it is.\n"
		"  serial             section\n"
		"                     Its line.\n"
		"\nKeys of a serial:\n"
		"  baud               integer, default 9600\n"
		"                     Bits a second.\n"
		"\nKeys of a device:\n"
		"  unit_id            integer, required\n"
		"                     Its number.\n"
		"  connection         text\n"
		"                     Where it is.\n"
		"\nKeys of a point:\n"
		"  address            integer, required\n"
		"                     Where it is.\n"
		"  type               u16|text, default u16\n"
		"                     What it is.\n"
		"= 0");
	assert_string_equal(by_hand(2, version), "test 7\n= 0");
	assert_string_equal(by_hand(1, none), USAGE "= 2");
	assert_string_equal(by_hand(2, unknown), "test: there is no tool 'sing'\n" USAGE "= 2");
	assert_string_equal(by_hand(3, tool), "dance tango\n= 42");
}

static void a_wrong_link_is_an_error_and_no_crash(void **state)
{
	char *none[] = { "test", NULL };

	(void)state;
	setenv("GATEWAYD_LINK", "three", 1);
	assert_string_equal(by_hand(1, none),
			    "<3>GATEWAYD_LINK: 'three' is not a whole number\n= 1");
	setenv("GATEWAYD_LINK", "77", 1);
	assert_string_equal(by_hand(1, none),
			    "<3>GATEWAYD_LINK: descriptor 77: Bad file descriptor\n= 1");
	unsetenv("GATEWAYD_LINK");
}

/* The whole program over a real process: main() to the end. */
static void a_process_with_a_link_ends_with_its_core(void **state)
{
	struct fake_core c;
	char *argv[] = { "test", NULL }, number[16];
	int status;
	pid_t pid;

	(void)state;
	seen = (struct seen){ 0 };
	fake_core_open(&c);
	pid = fork();
	if (pid == 0) {
		close(c.fds[1]);
		snprintf(number, sizeof(number), "%d", c.fds[0]);
		setenv("GATEWAYD_LINK", number, 1);
		_exit(gw_source_main(&test_source, 1, argv));
	}
	assert_int_equal(fake_core_configure(&c, "pumps", two_points), 0);
	kill(pid, SIGINT); /* is not for us */
	fake_core_start(&c, gw_now_us());
	assert_int_equal(fake_core_reading(&c)->count, 2);
	close(c.fds[0]);
	c.fds[0] = open("/dev/null", O_RDONLY);
	fake_core_hang_up(&c);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fake_core_close(&c);
}

#define WITH_CORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CORE(it_says_who_it_is_and_what_keys_it_has),
		WITH_CORE(it_declares_devices_and_points),
		WITH_CORE(unset_keys_are_inherited_from_above),
		cmocka_unit_test(each_problem_comes_once_with_its_place),
		WITH_CORE(a_plugin_that_cannot_go_on_says_why_where_people_look),
		WITH_CORE(too_many_intervals_are_a_problem_of_their_device),
		WITH_CORE(readings_come_by_the_interval),
		WITH_CORE(a_cycle_that_stays_open_is_an_overrun_and_never_doubled),
		WITH_CORE(a_full_link_keeps_the_newest_and_counts_the_rest),
		WITH_CORE(requests_and_load_are_passed_on),
		WITH_CORE(what_was_put_before_comes_before_the_start),
		WITH_CORE(what_is_put_is_sent_and_what_is_too_large_is_not),
		WITH_CORE(a_question_gets_its_answer),
		WITH_CORE(what_cannot_be_asked_is_answered_at_once),
		WITH_CORE(a_ping_is_answered),
		WITH_CORE(stop_waits_for_open_cycles_and_begins_no_others),
		WITH_CORE(stop_does_not_wait_for_ever),
		WITH_CORE(end_of_file_ends_at_once),
		WITH_CORE(a_check_touches_nothing_and_ends_in_order),
		WITH_CORE(a_source_that_cannot_start_ends_with_1),
		cmocka_unit_test(a_core_that_breaks_the_protocol_is_left_with_1),
		cmocka_unit_test(a_tree_that_lies_is_refused),
		cmocka_unit_test(by_hand_it_explains_itself),
		cmocka_unit_test(a_wrong_link_is_an_error_and_no_crash),
		cmocka_unit_test(a_process_with_a_link_ends_with_its_core),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
