/* test_command.c - commands from the broker: what is taken, answered, remembered and forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core.h"
#include "plugins/mqtt/commands.h"
#include "plugins/mqtt/events.h"

#define NOW 1795348800000LL
#define DAY 86400000LL

static const char *const one_point[] = { "v", NULL };

struct fixture {
	struct gw_plugin *core;
	struct mqtt_fleet *fleet;
	struct mqtt_commands *commands;
	int64_t mono_us;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct gw_err err;

	f->core = core_new("mqtt://127.0.0.1:1");
	assert_int_equal(mqtt_fleet_new(&f->fleet, f->core->arena, &f->core->keys, &f->core->gateway, &err), 0);
	mqtt_fleet_layout(f->fleet, maker_layout(f->core->arena, 3, "m-1", one_point));
	f->commands = mqtt_commands_new(f->core);
	mqtt_commands_start(f->commands, f->fleet);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	mqtt_commands_free(f->commands);
	mqtt_fleet_free(f->fleet);
	f->core->stopped = true; /* it was never started */
	core_free(f->core);
	free(f);
	return 0;
}

static void arrive(struct fixture *f, const char *text, int64_t now_ms)
{
	f->mono_us += 100000; /* no faster than is allowed */
	mqtt_commands_arrived(f->commands, &(struct mqtt_arrival){ text, strlen(text), strlen(text), false, f->mono_us },
			      now_ms);
}

static void arrive_id(struct fixture *f, const char *id, int64_t now_ms)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"id\":\"%s\",\"op\":\"replay\",\"device\":\"m-1\",\"expires\":%lld,\"from\":5,\"to\":9}", id,
		 (long long)(now_ms + 1));
	arrive(f, text, now_ms);
}

static void found(struct fixture *f, uint64_t readings, const char *reason)
{
	mqtt_commands_found(f->commands,
			    &(struct gw_again){ f->core->asked_number, reason, readings, 5, 9 }, NOW);
}

/* The only reply that waits; NULL: there must be none. */
static void expect_reply(struct fixture *f, const char *text)
{
	struct mqtt_document d;

	if (!text) {
		assert_false(mqtt_commands_reply(f->commands, &d));
		return;
	}
	assert_true(mqtt_commands_reply(f->commands, &d));
	assert_string_equal(d.topic, "goc/gw-1/reply");
	assert_false(d.retained);
	assert_int_equal(d.size, strlen(text));
	assert_string_equal(d.text, text);
	mqtt_commands_sent(f->commands);
	assert_false(mqtt_commands_reply(f->commands, &d));
}

#define ACCEPTED "{\"id\":\"c1\",\"result\":\"accepted\",\"readings\":5,\"ts\":1795348800000}"

static void a_replay_is_asked_of_the_core_and_answered_when_it_is_found(void **state)
{
	struct fixture *f = *state;

	arrive_id(f, "c1", NOW);
	expect_reply(f, NULL);
	assert_int_equal(f->core->asked.device, 3);
	assert_int_equal(f->core->asked.from, 5);
	assert_int_equal(f->core->asked.to, 9);
	assert_false(f->core->asked.by_time);
	arrive_id(f, "c1", NOW); /* impatient */
	assert_int_equal(f->core->asks, 1);
	found(f, 5, "");
	expect_reply(f, ACCEPTED);
	found(f, 5, ""); /* nobody waits for it any more */
	expect_reply(f, NULL);
	assert_string_equal(f->core->put_key, "id/c1");
	assert_string_equal(f->core->put_value, "1795348800000 " ACCEPTED);
}

static void an_identifier_gets_its_first_reply_for_a_day_also_from_the_next_process(void **state)
{
	static const char kept[] = "1795348800000 " ACCEPTED;
	struct fixture *f = *state;

	mqtt_commands_state(f->commands, "id/c1", kept, sizeof(kept) - 1);
	mqtt_commands_state(f->commands, "other", kept, sizeof(kept) - 1);
	mqtt_commands_state(f->commands, "id/bad", "1", 1);
	arrive_id(f, "c1", NOW + DAY - 1);
	expect_reply(f, ACCEPTED);
	assert_int_equal(f->core->asks, 0);
	arrive_id(f, "c1", NOW + DAY);
	assert_int_equal(f->core->asks, 1);
	assert_string_equal(f->core->put_key, "id/c1");
	assert_string_equal(f->core->put_value, ""); /* forgotten */
}

static void readings_carry_the_identifier_until_all_are_acknowledged(void **state)
{
	struct fixture *f = *state;

	arrive_id(f, "c1", NOW);
	found(f, 4, ""); /* of 5 to 9, one is not there */
	assert_null(mqtt_commands_request(f->commands, 3, 4));
	assert_null(mqtt_commands_request(f->commands, 4, 5));
	assert_string_equal(mqtt_commands_request(f->commands, 3, 5), "c1");
	assert_string_equal(mqtt_commands_request(f->commands, 3, 9), "c1");
	mqtt_commands_acked(f->commands, 3, 1, 6);
	mqtt_commands_acked(f->commands, 4, 7, 9);
	mqtt_commands_acked(f->commands, 3, 8, 8);
	assert_string_equal(mqtt_commands_request(f->commands, 3, 9), "c1");
	mqtt_commands_acked(f->commands, 3, 9, 20);
	assert_null(mqtt_commands_request(f->commands, 3, 9));
}

static void what_the_core_cannot_do_may_be_asked_again(void **state)
{
	struct fixture *f = *state;

	arrive_id(f, "c1", NOW);
	found(f, 0, "gatewayd is stopping");
	expect_reply(f, "{\"id\":\"c1\",\"result\":\"failed\",\"reason\":\"gatewayd is stopping\","
			"\"ts\":1795348800000}");
	assert_int_equal(f->core->puts, 0);
	arrive_id(f, "c1", NOW);
	assert_int_equal(f->core->asks, 2);
}

static void more_at_a_time_than_the_core_is_asked_for_are_refused_but_not_for_ever(void **state)
{
	struct fixture *f = *state;
	char id[16];

	for (int i = 0; i < MQTT_COMMANDS_OPEN; i++) {
		snprintf(id, sizeof(id), "a%d", i);
		arrive_id(f, id, NOW);
	}
	arrive_id(f, "c1", NOW);
	expect_reply(f, "{\"id\":\"c1\",\"result\":\"refused\",\"reason\":\"too many commands at a time\","
			"\"ts\":1795348800000}");
	found(f, 1, "");
	assert_int_equal(f->core->asks, MQTT_COMMANDS_OPEN);
	arrive_id(f, "c1", NOW);
	assert_int_equal(f->core->asks, MQTT_COMMANDS_OPEN + 1);
}

static void a_thousand_a_day_are_remembered_and_no_more_are_taken(void **state)
{
	struct fixture *f = *state;
	struct mqtt_document d;
	char id[16];

	for (int i = 0; i < MQTT_COMMANDS_KEPT; i++) {
		snprintf(id, sizeof(id), "a%d", i);
		arrive_id(f, id, NOW);
		found(f, 1, "");
		assert_true(mqtt_commands_reply(f->commands, &d));
		mqtt_commands_sent(f->commands);
	}
	arrive_id(f, "c1", NOW + 1);
	assert_int_equal(f->core->asks, MQTT_COMMANDS_KEPT);
	expect_reply(f, "{\"id\":\"c1\",\"result\":\"refused\",\"reason\":\"too many commands within a day\","
			"\"ts\":1795348800001}");
	arrive_id(f, "c1", NOW + DAY);
	assert_int_equal(f->core->asks, MQTT_COMMANDS_KEPT + 1);
	/* the tags of the last ones only: each of the same reading, the oldest of them is named */
	assert_string_equal(mqtt_commands_request(f->commands, 3, 5), "a968");
}

static void what_has_no_identifier_gets_no_reply(void **state)
{
	static const char *const cases[] = { "", "x", "[]", "{}", "{\"id\":1}", "{\"id\":\"\"}",
					     "{\"id\":\"a\",\"id\":\"b\"}" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		arrive(f, cases[i], NOW);
		expect_reply(f, NULL);
	}
	mqtt_commands_arrived(f->commands, &(struct mqtt_arrival){ "{\"id\":\"a\"", 9, 5000, false, f->mono_us }, NOW);
	expect_reply(f, NULL);
}

/* A client that publishes a thousand commands a second, each with an identifier of its own. */
static void a_flood_is_answered_no_faster_than_ten_a_second(void **state)
{
	struct fixture *f = *state;
	struct mqtt_document d;
	unsigned replies = 0;
	char text[32];

	for (int i = 0; i < 10000; i++) {
		int n = snprintf(text, sizeof(text), "{\"id\":\"f%d\"}", i);

		mqtt_commands_arrived(f->commands, &(struct mqtt_arrival){ text, (size_t)n, (size_t)n, false, i * 1000 },
				      NOW);
		for (; mqtt_commands_reply(f->commands, &d); replies++)
			mqtt_commands_sent(f->commands);
	}
	assert_in_range(replies, MQTT_COMMANDS_BURST + 99, MQTT_COMMANDS_BURST + 100);
	f->mono_us = 20000000;
	arrive_id(f, "c1", NOW); /* the next one, after the flood */
	assert_int_equal(f->core->asks, 1);
}

static void what_a_clock_in_the_future_remembered_is_forgotten_a_day_after_it_was_put_right(void **state)
{
	static const char kept[] = "4102444800000 " ACCEPTED; /* the year 2100 */
	struct fixture *f = *state;

	mqtt_commands_state(f->commands, "id/c1", kept, sizeof(kept) - 1);
	arrive_id(f, "c1", NOW);
	expect_reply(f, ACCEPTED);
	assert_string_equal(f->core->put_key, "id/c1");
	assert_string_equal(f->core->put_value, "1795348800000 " ACCEPTED); /* for the next process too */
	arrive_id(f, "c1", NOW + DAY - 1);
	expect_reply(f, ACCEPTED);
	arrive_id(f, "c1", NOW + DAY);
	expect_reply(f, NULL);
	assert_int_equal(f->core->asks, 1);
}

static void strangers_fill_a_small_room_and_take_nobody_elses(void **state)
{
	struct mqtt_events *q;
	struct gw_err err;
	unsigned acks = 0;
	size_t count;

	(void)state;
	assert_int_equal(mqtt_events_new(&q, &err), 0);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++) {
			mqtt_events_push(q, &(struct mqtt_event){ .kind = MQTT_E_COMMAND }, "{}", 2);
			mqtt_events_push(q, &(struct mqtt_event){ .kind = MQTT_E_ACKED }, NULL, 0);
		}
		mqtt_events_push(q, &(struct mqtt_event){ .kind = MQTT_E_ARRIVED }, "{}", 2);
		const struct mqtt_event *e = mqtt_events_take(q, &count);
		for (size_t i = 0; i < count; i++)
			acks += e[i].kind == MQTT_E_ACKED;
		assert_int_equal(count, MQTT_EVENTS_FOREIGN_MAX + 1000 + 1);
	}
	assert_int_equal(acks, 2000);
	mqtt_events_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_replay_is_asked_of_the_core_and_answered_when_it_is_found),
		T(an_identifier_gets_its_first_reply_for_a_day_also_from_the_next_process),
		T(readings_carry_the_identifier_until_all_are_acknowledged),
		T(what_the_core_cannot_do_may_be_asked_again),
		T(more_at_a_time_than_the_core_is_asked_for_are_refused_but_not_for_ever),
		T(a_thousand_a_day_are_remembered_and_no_more_are_taken),
		T(what_has_no_identifier_gets_no_reply),
		T(a_flood_is_answered_no_faster_than_ten_a_second),
		T(what_a_clock_in_the_future_remembered_is_forgotten_a_day_after_it_was_put_right),
		cmocka_unit_test(strangers_fill_a_small_room_and_take_nobody_elses),
	};

	return cmocka_run_group_tests_name("mqtt command", tests, NULL, NULL);
}
