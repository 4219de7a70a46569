/* test_sink.c - the whole sink against a real mosquitto, seen by a second client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker.h"
#include "core.h"

static const char *const one_point[] = { "v", NULL };

struct fixture {
	struct test_broker broker;
	struct test_subscriber sub;
	struct gw_plugin *core;
	struct gw_layout *layouts[2];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	broker_folder(&f->broker);
	f->core = core_new(f->broker.url);
	f->layouts[0] = maker_layout(f->core->arena, 3, "m-1", one_point);
	f->layouts[1] = maker_layout(f->core->arena, 4, "m-2", one_point);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->sub.pid)
		subscriber_stop(&f->sub);
	core_free(f->core);
	broker_stop(&f->broker);
	free(f);
	return 0;
}

static void connect_sink(struct fixture *f)
{
	core_start(f->core, f->layouts, 2);
	assert_true(core_until(f->core, f->core->state == GW_FAR_CONNECTED));
}

static void watch(struct fixture *f)
{
	subscriber_start(&f->sub, f->broker.port, "#");
	assert_true(core_until(f->core, subscriber_saw(&f->sub, "/status ")));
}

#define assert_seen(f, text) assert_true(core_until((f)->core, subscriber_saw(&(f)->sub, (text))))

static void check_whole_conversation(struct fixture *f)
{
	const struct gw_loss loss = {
		.id = 77, .from = 1, .to = 9, .readings = 9, .cause = "expired", .exact = true
	};
	const struct gw_correction_news correction = {
		.id = 78, .boot = "boot-1", .from_ms = 1, .to_ms = 9, .offset_ms = 1000
	};
	const struct gw_progress progress = { 1, 20, 21, 99 };

	mqtt_sink.device_state(f->core->self, f->layouts[0], GW_STATE_OFFLINE, 12, "timeout");
	mqtt_sink.progress(f->core->self, f->layouts[0], &progress);
	mqtt_sink.health(f->core->self, "{\"ts\":1}", 8);
	core_live(f->core, f->layouts[0], 20, 230.1);
	core_replay(f->core, f->layouts[1], 5, 1, 2);
	mqtt_sink.loss(f->core->self, f->layouts[0], &loss);
	mqtt_sink.correction(f->core->self, &correction);
	assert_true(core_until(f->core, f->core->credits == 4));
	assert_seen(
		f,
		"1 goc/gw-1/m-1/status {\"state\":\"offline\",\"ts\":12,\"reason\":\"timeout\"}\n");
	assert_seen(f, "1 goc/gw-1/m-1/progress "
		       "{\"first_seq\":1,\"complete_to\":20,\"last\":21,\"ts\":99}\n");
	assert_seen(f, "0 goc/gw-1/health {\"ts\":1}\n");
	assert_seen(
		f,
		"0 goc/gw-1/m-1/data {\"seq\":20,\"ts\":1763760000020,\"values\":{\"v\":230.1}}\n");
	assert_seen(
		f,
		"0 goc/gw-1/m-2/replay [{\"seq\":5,\"ts\":5,\"values\":{\"v\":0},\"replay\":true},"
		"{\"seq\":6,\"ts\":5,\"values\":{\"v\":1},\"replay\":true}]\n");
	assert_seen(f, "0 goc/gw-1/m-1/loss "
		       "{\"from\":1,\"to\":9,\"count\":9,\"cause\":\"expired\",\"exact\":true}\n");
	assert_int_equal(f->core->lost_id, 77);
	assert_seen(f, "0 goc/gw-1/clock "
		       "{\"boot\":\"boot-1\",\"mono_from\":1,\"mono_to\":9,\"offset\":1000,\"ts\":1009}\n");
	assert_int_equal(f->core->corrected_id, 78);
	assert_int_equal(f->core->acks[0].outcome, GW_DONE);
}

static void everything_arrives_as_the_contract_says(void **state)
{
	struct fixture *f = *state;

	broker_start(&f->broker, "");
	connect_sink(f);
	assert_int_equal(f->core->window, 20); /* mosquitto's Receive Maximum */
	assert_int_equal(f->core->session, 7);
	watch(f);
	assert_seen(f, "1 goc/gw-1/directory "
		       "{\"schema\":1,\"gateway\":\"gw-1\",\"province\":\"79\",\"devices\":["
		       "{\"name\":\"m-1\",\"topic\":\"goc/gw-1/"
		       "m-1\"},{\"name\":\"m-2\",\"topic\":\"goc/gw-1/m-2\"}]}\n");
	assert_seen(f, "1 goc/gw-1/m-2/directory {\"schema\":1,\"device\":\"m-2\"");
	assert_seen(f, "\"version\":\"1\",\"config\":\"c\",\"boot\":\"boot-1\",\"session\":7,"
		       "\"buffer\":\"f\"}\n");
	check_whole_conversation(f);
}

static void mqtt_3_1_1_carries_the_same(void **state)
{
	struct fixture *f = *state;

	broker_start(&f->broker, "");
	f->core->keys.protocol = MQTT_PROTOCOL_311;
	connect_sink(f);
	assert_int_equal(f->core->window, 50);
	watch(f);
	check_whole_conversation(f);
}

static void a_device_taken_out_leaves_no_retained_topics(void **state)
{
	struct fixture *f = *state;
	const struct gw_progress progress = { 1, 20, 21, 99 };

	broker_start(&f->broker, "");
	connect_sink(f);
	watch(f);
	mqtt_sink.device_state(f->core->self, f->layouts[0], GW_STATE_ONLINE, 12, "");
	mqtt_sink.progress(f->core->self, f->layouts[0], &progress);
	assert_seen(f, "m-1/progress {");
	mqtt_sink.device_gone(f->core->self, "m-1");
	assert_seen(f, "goc/gw-1/m-1/directory \n");
	assert_seen(f, "goc/gw-1/m-1/status \n");
	assert_seen(f, "goc/gw-1/m-1/progress \n");
	assert_seen(f, "\"devices\":[{\"name\":\"m-2\",\"topic\":\"goc/gw-1/m-2\"}]}\n");
}

static void another_title_after_a_reload_is_told_at_once(void **state)
{
	struct fixture *f = *state;
	struct gw_gateway_info changed = f->core->gateway;

	broker_start(&f->broker, "");
	connect_sink(f);
	watch(f);
	changed.title = "An Phú";
	changed.config = "d";
	mqtt_sink.gateway(f->core->self, &changed);
	assert_seen(f, "{\"schema\":1,\"gateway\":\"gw-1\",\"title\":\"An Phú\",\"province\":\"79\",");
	assert_seen(f, "\"version\":\"1\",\"config\":\"d\",\"boot\":\"boot-1\",\"session\":7,");
	assert_int_equal(f->core->connections, 1);
}

static void topics_move_with_the_province_that_is_in_them(void **state)
{
	struct fixture *f = *state;
	struct gw_gateway_info changed = f->core->gateway;

	broker_start(&f->broker, "");
	f->core->keys.topic = "{root}/{province}/{gateway}/{device}";
	connect_sink(f);
	watch(f);
	assert_seen(f, "goc/79/gw-1/m-1/directory {");
	changed.province = "80";
	mqtt_sink.gateway(f->core->self, &changed);
	assert_seen(f, "goc/80/gw-1/m-1/directory {");
	assert_seen(f, "goc/79/gw-1/m-1/directory \n");
	core_live(f->core, f->layouts[0], 1, 1);
	assert_seen(f, "goc/80/gw-1/m-1/data {\"seq\":1,");
	changed.province = ""; /* cannot be: the topic needs one */
	mqtt_sink.gateway(f->core->self, &changed);
	core_live(f->core, f->layouts[0], 2, 1);
	assert_seen(f, "goc/80/gw-1/m-1/data {\"seq\":2,");
}

static void an_orderly_stop_says_so(void **state)
{
	struct fixture *f = *state;

	broker_start(&f->broker, "");
	connect_sink(f);
	watch(f);
	mqtt_sink.stop(f->core->self);
	assert_true(core_until(f->core, f->core->stopped));
	assert_seen(f, "1 goc/gw-1/status {\"state\":\"offline\",\"reason\":\"stopped\",\"ts\":");
	assert_null(strstr(f->sub.seen, "{\"state\":\"offline\",\"boot\""));
}

/* In a child that is killed, as only that closes the socket without a word. */
static pid_t run_sink_in_a_child(struct fixture *f)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct gw_plugin *core = core_new(f->broker.url); /* a loop does not survive a fork */
	core_start(core, f->layouts, 2);
	for (;;)
		core_turn(core, 1000000);
}

static void a_replay_tells_the_boot_before_anything_was_live(void **state)
{
	struct fixture *f = *state;
	const struct gw_layout *l = f->layouts[0];
	struct gw_reading *r;

	broker_start(&f->broker, "");
	connect_sink(f);
	watch(f);
	for (uint32_t boot = 2; boot <= 3; boot++) { /* 3 is this one */
		maker_f64(&f->core->maker, 0, GW_F64, GW_GOOD, 1);
		r = maker_done(&f->core->maker, boot, 5);
		r->flags = GW_READING_UNSYNCED;
		r->boot = boot;
		mqtt_sink.readings(f->core->self, false, &l, &(const struct gw_reading *){ r }, 1);
	}
	assert_seen(f, "[{\"seq\":2,\"ts\":5,\"values\":{\"v\":1},\"clock\":\"unsynced\",\"replay\":true}]\n");
	assert_seen(f, "[{\"seq\":3,\"ts\":5,\"values\":{\"v\":1},\"clock\":\"unsynced\","
		       "\"boot\":\"boot-1\",\"mono\":0,\"replay\":true}]\n");
}

static void a_killed_sink_leaves_its_will(void **state)
{
	struct fixture *f = *state;

	broker_start(&f->broker, "");
	pid_t pid = run_sink_in_a_child(f);
	subscriber_start(&f->sub, f->broker.port, "goc/gw-1/status");
	assert_seen(f, "1 goc/gw-1/status {\"state\":\"online\"");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_seen(
		f, "1 goc/gw-1/status {\"state\":\"offline\",\"boot\":\"boot-1\",\"session\":7}\n");
	core_start(f->core, f->layouts, 2);
}

static void the_window_of_the_broker_is_never_exceeded(void **state)
{
	struct fixture *f = *state;

	broker_start(&f->broker, "max_inflight_messages 5\n");
	connect_sink(f);
	assert_int_equal(f->core->window, 5);
	for (uint64_t seq = 1; seq <= 400; seq++) {
		core_live(f->core, f->layouts[seq % 2], seq, 1);
		assert_true(core_until(f->core, seq - f->core->credits < 5));
	}
	assert_true(core_until(f->core, f->core->credits == 400));
	assert_int_equal(f->core->in_flight_most, 5);
	assert_int_equal(f->core->connections, 1);
	assert_int_equal(f->core->waits, 0);
}

static void a_restarted_broker_is_found_again(void **state)
{
	struct fixture *f = *state;
	char expected[128];

	broker_start(&f->broker, "");
	connect_sink(f);
	broker_kill(&f->broker, SIGKILL);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
	assert_string_equal(f->core->reason, "connection lost");
	snprintf(expected, sizeof(expected), "127.0.0.1 port %d: Connection refused",
		 f->broker.port);
	assert_true(core_until(f->core, strstr(f->core->reasons, expected)));
	broker_up(&f->broker);
	assert_true(core_until(f->core, f->core->connections == 2));
	assert_true(f->core->session > 7);
	watch(f);
	assert_seen(f, "goc/gw-1/m-2/directory {");
	core_live(f->core, f->layouts[0], 1, 1);
	assert_true(core_until(f->core, f->core->nacks == 1));
}

static void the_second_broker_is_tried_when_the_first_is_away(void **state)
{
	struct fixture *f = *state;
	char away[64];

	snprintf(away, sizeof(away), "mqtt://127.0.0.1:%d", free_port());
	f->core->brokers[1] = f->core->brokers[0];
	f->core->brokers[0] = away;
	f->core->keys.broker.count = 2;
	broker_start(&f->broker, "");
	connect_sink(f);
	assert_int_equal(f->core->session, 8);
}

static void write_acl(const struct fixture *f)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/acl", f->broker.folder);
	FILE *file = fopen(path, "w");
	fputs("topic readwrite goc/gw-1/status\ntopic write goc/gw-1/directory\ntopic write "
	      "goc/gw-1/m-1/#\n"
	      "topic read #\n",
	      file);
	fclose(file);
}

static void a_refused_topic_parks_its_device_only(void **state)
{
	struct fixture *f = *state;

	write_acl(f);
	broker_start(&f->broker, "acl_file @/acl\n");
	connect_sink(f);
	core_live(f->core, f->layouts[1], 1, 1);
	core_live(f->core, f->layouts[0], 2, 1);
	core_replay(f->core, f->layouts[1], 5, 1, 3);
	assert_true(core_until(f->core, f->core->credits == 3));
	for (size_t i = 0; i < f->core->nacks; i++)
		assert_int_equal(f->core->acks[i].outcome,
				 f->core->acks[i].device == 4 ? GW_REFUSED : GW_DONE);
	assert_int_equal(f->core->connections, 1);
	assert_true(core_until(f->core, f->core->refused >= 3));
}

static void a_false_offline_is_put_right(void **state)
{
	struct fixture *f = *state;
	char command[256];

	broker_start(&f->broker, "");
	connect_sink(f);
	watch(f);
	snprintf(command, sizeof(command),
		 "mosquitto_pub -h 127.0.0.1 -p %d -V 5 -q 1 -r -t goc/gw-1/status -m "
		 "'{\"state\":\"offline\",\"session\":3}'",
		 f->broker.port);
	run(command);
	assert_seen(f, "{\"state\":\"offline\",\"session\":3}\n");
	assert_true(core_until(
		f->core, (subscriber_read(&f->sub),
			  strstr(strstr(f->sub.seen, "\"session\":3}"), "{\"state\":\"online\""))));
}

static void a_replay_that_is_too_large_for_the_broker_is_split(void **state)
{
	struct fixture *f = *state;

	broker_start(&f->broker, "max_packet_size 1000\n");
	connect_sink(f);
	watch(f);
	core_replay(f->core, f->layouts[0], 1, 1, 100);
	assert_true(core_until(f->core, f->core->credits == 1));
	uint64_t acked = 0;
	for (size_t i = 0; i < f->core->nacks; i++)
		acked += f->core->acks[i].to - f->core->acks[i].from + 1;
	assert_int_equal(acked, 100);
	assert_true(f->core->nacks > 5);
	assert_int_equal(f->core->connections, 1);
	assert_seen(f, "{\"seq\":100,\"ts\":5,\"values\":{\"v\":99},\"replay\":true}]\n");
}

/* As when its configuration is checked, or the link breaks before the start. */
static void a_sink_that_is_never_started_leaves_nothing_behind(void **state)
{
	struct gw_plugin *core = core_new("mqtt://127.0.0.1:1");
	const struct gw_sink_config config = { "goc", NULL, &core->keys };
	struct gw_err err;

	(void)state;
	assert_int_equal(mqtt_sink.configure(core, &config, &core->self, &err), 0);
	core->stopped = true; /* what LeakSanitizer finds at the end is the sink's */
	core_free(core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(everything_arrives_as_the_contract_says),
		T(mqtt_3_1_1_carries_the_same),
		T(a_device_taken_out_leaves_no_retained_topics),
		T(another_title_after_a_reload_is_told_at_once),
		T(topics_move_with_the_province_that_is_in_them),
		T(an_orderly_stop_says_so),
		T(a_replay_tells_the_boot_before_anything_was_live),
		T(a_killed_sink_leaves_its_will),
		T(the_window_of_the_broker_is_never_exceeded),
		T(a_restarted_broker_is_found_again),
		T(the_second_broker_is_tried_when_the_first_is_away),
		T(a_refused_topic_parks_its_device_only),
		T(a_false_offline_is_put_right),
		T(a_replay_that_is_too_large_for_the_broker_is_split),
		cmocka_unit_test(a_sink_that_is_never_started_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("mqtt sink", tests, NULL, NULL);
}
