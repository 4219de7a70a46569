/*
 * The whole plugin: the runtime with a fake core on one side, a scripted server
 * on the other, all on one loop.
 */
#include "tests/base/fake_core.h"

#include "plugins/modbus/source.h"
#include "tests/modbus/scripted_server.h"

struct plant {
	struct fake_core core;
	struct server *server;
};

static void answer_all(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	server_right(s, request);
}

/* The source with this list of devices, all at the server, and started. */
static void open_plant(struct plant *p, script_fn *script, const char *devices)
{
	char yaml[32 * 1024];

	fake_core_source(&p->core, &mb_source);
	p->server = server_new(p->core.loop, 0, script);
	snprintf(yaml, sizeof(yaml),
		 "plugin: modbus\nconnection: tcp://127.0.0.1:%u\ntimeout: 60ms\nretries: 0\n"
		 "interval: 100ms\ndevices:\n%s", p->server->port, devices);
	if (fake_core_configure(&p->core, "pump-house", yaml))
		fail_msg("%s", p->core.problems[0]);
	fake_core_start(&p->core, gw_now_us());
}

static void close_plant(struct plant *p)
{
	server_free(p->server);
	p->server = NULL;
	fake_core_say(&p->core, GW_MSG_STOP);
	assert_int_equal(fake_core_exit_code(&p->core), 0);
	fake_core_close(&p->core);
}

static struct gw_value value(const struct gw_reading *r, unsigned point)
{
	for (unsigned i = 0; i < r->count; i++)
		if (gw_tag_index(gw_reading_ctags(r)[i]) == point)
			return gw_reading_value(r, i);
	fail_msg("point %u is not in the reading", point);
	return (struct gw_value){ 0 };
}

static void a_cycle_gives_a_reading_of_all_tables_and_types(void **state)
{
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_plant(&p, answer_all,
		   "  d:\n    unit_id: 1\n    points:\n"
		   "      a: {address: 7}\n"
		   "      b: {address: 8, type: u32}\n"
		   "      c: {reference: \"00002\"}\n"
		   "      d: {address: 2, table: discrete}\n"
		   "      e: {address: 0x4120, type: f32, word_order: little}\n"
		   "      f: {reference: 316707, type: string, length: 2}\n"
		   "      g: {address: 5, bit: 2}\n"
		   "      h: {address: 65535, type: i16}\n");
	r = fake_core_reading(&p.core);
	assert_int_equal(r->count, 8);
	assert_int_equal(value(r, 0).u, 7);
	assert_int_equal(value(r, 1).u, 8 << 16 | 9);
	assert_true(value(r, 2).b);
	assert_false(value(r, 3).b);
	assert_int_equal(value(r, 4).kind, GW_F32);
	assert_int_equal(value(r, 5).length, 4);
	assert_memory_equal(value(r, 5).text, "ABAC", 4);
	assert_true(value(r, 6).b);
	assert_int_equal(value(r, 7).i, -1);
	assert_true(gw_now_us() / 1000 - r->mono_ms < 1000);
	close_plant(&p);
}

/* A number that says its own order keeps it, and so does a text. */
static void a_word_order_of_the_device_is_that_of_its_numbers(void **state)
{
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_plant(&p, answer_all,
		   "  d:\n    unit_id: 1\n    word_order: little\n    points:\n"
		   "      a: {address: 8, type: u32}\n"
		   "      b: {address: 8, type: u32, word_order: big}\n"
		   "      c: {address: 16706, type: string, length: 2}\n"
		   "      d: {address: 16706, type: string, length: 2, word_order: little}\n");
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 0).u, 9 << 16 | 8);
	assert_int_equal(value(r, 1).u, 8 << 16 | 9);
	assert_memory_equal(value(r, 2).text, "ABAC", 4);
	assert_memory_equal(value(r, 3).text, "ACAB", 4);
	close_plant(&p);
}

static void a_hundred_registers_cost_one_request_a_cycle(void **state)
{
	char devices[16 * 1024];
	size_t n = 0;
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	n += (size_t)snprintf(devices, sizeof(devices), "  d:\n    unit_id: 1\n    points:\n");
	for (unsigned i = 0; i < 100; i++)
		n += (size_t)snprintf(devices + n, sizeof(devices) - n, "      p%u: {address: %u}\n", i, i);
	open_plant(&p, answer_all, devices);
	for (unsigned cycle = 1; cycle <= 3; cycle++) {
		r = fake_core_reading(&p.core);
		assert_int_equal(r->count, 100);
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(value(r, i).u, i);
		assert_int_equal(p.server->requests, cycle);
	}
	close_plant(&p);
}

static void silence_is_a_reading_of_timeouts(void **state)
{
	static const char *const devices = "  d: {unit_id: 1, points: {a: {address: 0}, b: {address: 9}}}\n";
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_plant(&p, answer_all, devices);
	fake_core_reading(&p.core);
	server_close(p.server, false);
	gw_watch_stop(p.server->on_listener);
	p.server->on_listener = NULL;
	do {
		r = fake_core_reading(&p.core);
	} while (value(r, 0).reason == GW_GOOD);
	assert_string_equal(gw_reason_name(value(r, 0).reason), "timeout");
	assert_string_equal(gw_reason_name(value(r, 1).reason), "timeout");
	close_plant(&p);
}

/* Unit 1 never answers, unit 2 always. */
static void answer_unit_two(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (request[6] == 2)
		server_right(s, request);
}

static void a_dead_unit_never_stops_its_neighbour_on_the_line(void **state)
{
	struct plant p;
	unsigned good[2] = { 0 }, bad[2] = { 0 };

	(void)state;
	open_plant(&p, answer_unit_two,
		   "  dead: {unit_id: 1, points: {a: {address: 0}, b: {address: 9}}}\n"
		   "  alive: {unit_id: 2, points: {a: {address: 0}}}\n");
	while (good[1] < 5) {
		const struct gw_reading *r = fake_core_reading(&p.core);

		good[r->device] += value(r, 0).reason == GW_GOOD;
		bad[r->device] += value(r, 0).reason != GW_GOOD;
	}
	assert_int_equal(good[0], 0);
	assert_int_equal(bad[1], 0);
	assert_true(bad[0] >= 4);
	close_plant(&p);
}

static void points_of_their_own_interval_come_when_they_are_due(void **state)
{
	struct plant p;
	unsigned with = 0, without = 0;

	(void)state;
	open_plant(&p, answer_all,
		   "  d: {unit_id: 1, points: {a: {address: 0}, b: {address: 1, interval: 300ms}}}\n");
	while (with < 3) {
		const struct gw_reading *r = fake_core_reading(&p.core);

		assert_int_equal(value(r, 0).reason, GW_GOOD);
		with += r->count == 2;
		without += r->count == 1;
	}
	/* All at the first tick, at 100 ms; then 200, both at 300, 400, 500, both at 600. */
	assert_in_range(without, 2, 3); /* one may be an overrun on a busy machine */
	close_plant(&p);
}

static void a_question_is_answered_from_the_device(void **state)
{
	struct gw_message ask = { .type = GW_MSG_ASK, .ask = { .number = 5, .device = 0, .point = 1 } };
	const struct gw_message *m;
	struct plant p;

	(void)state;
	open_plant(&p, answer_all,
		   "  d: {unit_id: 1, interval: 1h, points: {a: {address: 0}, b: {address: 4711}}}\n");
	fake_core_reading(&p.core);
	fake_core_send(&p.core, &ask);
	m = fake_core_take(&p.core, GW_MSG_ANSWER);
	assert_int_equal(m->answer.number, 5);
	assert_int_equal(m->answer.reason, GW_GOOD);
	assert_int_equal(m->answer.kind, GW_U64);
	assert_int_equal(m->answer.slot, 4711);
	close_plant(&p);
}

static void requests_and_load_are_counted(void **state)
{
	const struct gw_message *m;
	struct plant p;

	(void)state;
	open_plant(&p, answer_all, "  d: {unit_id: 1, points: {a: {address: 0}, b: {address: 9}}}\n");
	m = fake_core_take(&p.core, GW_MSG_COUNTERS);
	assert_true(m->counters.requests >= 2 && m->counters.requests % 2 == 0);
	assert_true(m->counters.load_permille < 1000);
	close_plant(&p);
}

static void answer_nothing(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)s;
	(void)request;
	(void)seen;
}

/* The runtime gives open cycles two seconds; a cut one is no reading. */
static void it_ends_in_the_middle_of_a_cycle_and_a_question(void **state)
{
	struct gw_message ask = { .type = GW_MSG_ASK };
	struct plant p;

	(void)state;
	open_plant(&p, answer_nothing,
		   "  d: {unit_id: 1, timeout: 5m, interval: 1h, points: {a: {address: 0}}}\n");
	fake_core_send(&p.core, &ask);
	while (!p.server->requests)
		fake_core_turn(&p.core);
	fake_core_say(&p.core, GW_MSG_STOP);
	assert_int_equal(fake_core_take(&p.core, GW_MSG_ANSWER)->answer.reason, GW_PLUGIN);
	assert_int_equal(fake_core_exit_code(&p.core), 0);
	assert_null(fake_core_waiting(&p.core, GW_MSG_READING));
	server_free(p.server);
	fake_core_close(&p.core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cycle_gives_a_reading_of_all_tables_and_types),
		cmocka_unit_test(a_word_order_of_the_device_is_that_of_its_numbers),
		cmocka_unit_test(a_hundred_registers_cost_one_request_a_cycle),
		cmocka_unit_test(silence_is_a_reading_of_timeouts),
		cmocka_unit_test(a_dead_unit_never_stops_its_neighbour_on_the_line),
		cmocka_unit_test(points_of_their_own_interval_come_when_they_are_due),
		cmocka_unit_test(a_question_is_answered_from_the_device),
		cmocka_unit_test(requests_and_load_are_counted),
		cmocka_unit_test(it_ends_in_the_middle_of_a_cycle_and_a_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
