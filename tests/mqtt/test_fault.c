/* test_fault.c - the sink against a broker that misbehaves on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core.h"
#include "fake_broker.h"

enum { SHORTEST = 1 };
static uint32_t dice = SHORTEST;

/* In the place of the C library's: what a session throws when it is to wait. */
ssize_t getrandom(void *out, size_t size, unsigned flags)
{
	if (size != sizeof(dice))
		return syscall(SYS_getrandom, out, size, flags);
	memcpy(out, &dice, size);
	return (ssize_t)size;
}

static const char *const one_point[] = { "v", NULL };

struct fixture {
	struct fake_broker broker;
	struct gw_plugin *core;
	struct gw_layout *layout;
	char url[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->core = core_new(f->url);
	f->layout = maker_layout(f->core->arena, 3, "m-1", one_point);
	fake_start(&f->broker, f->core->loop);
	snprintf(f->url, sizeof(f->url), "mqtt://127.0.0.1:%d", f->broker.port);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	mqtt_sink.stop(f->core->self);
	assert_true(core_until(f->core, f->core->stopped));
	fake_stop(&f->broker);
	core_free(f->core);
	free(f);
	return 0;
}

static void start(struct fixture *f)
{
	core_start(f->core, &f->layout, 1);
}

static void start_and_connect(struct fixture *f)
{
	start(f);
	assert_true(core_until(f->core, f->core->state == GW_FAR_CONNECTED));
}

static void a_broker_that_never_acknowledges_is_left(void **state)
{
	struct fixture *f = *state;

	f->broker.no_puback = true;
	f->core->keys.ack_timeout_ms = 1000;
	start_and_connect(f);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
	assert_string_equal(f->core->reason, "the broker acknowledged nothing for 1s");
	f->broker.no_puback = false;
	assert_true(core_until(f->core, f->core->connections == 2));
	assert_true(f->broker.will_disconnect); /* so that subscribers learn of it */
	assert_false(f->broker.normal_disconnect);
}

static void at_the_end_the_will_speaks_when_the_last_word_finds_no_room(void **state)
{
	struct fixture *f = *state;

	f->core->keys.window = 2;
	start_and_connect(f);
	f->broker.no_puback = true;
	for (uint64_t seq = 1; seq <= 3; seq++)
		core_live(f->core, f->layout, seq, 1);
	mqtt_sink.stop(f->core->self);
	assert_true(core_until(f->core, f->core->stopped));
	assert_true(f->broker.will_disconnect);
	assert_false(f->broker.normal_disconnect);
}

static void a_full_quota_makes_it_wait_and_come_again(void **state)
{
	struct fixture *f = *state;

	f->broker.puback_topic = "m-1/data";
	f->broker.puback_reason = 0x97;
	start_and_connect(f);
	core_live(f->core, f->layout, 1, 1);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
	assert_string_equal(f->core->reason, "the broker refused a message: quota exceeded (0x97)");
	assert_int_equal(f->core->nacks, 0);
	f->broker.puback_reason = 0;
	assert_true(core_until(f->core, f->core->connections == 2));
	core_live(f->core, f->layout, 1, 1);
	assert_true(core_until(f->core, f->core->nacks == 1));
	assert_int_equal(f->core->acks[0].outcome, GW_DONE);
}

static void an_array_that_is_too_large_is_halved_until_one_is_left(void **state)
{
	struct fixture *f = *state;

	f->broker.puback_topic = "m-1/replay";
	f->broker.puback_reason = 0x95;
	start_and_connect(f);
	core_replay(f->core, f->layout, 1, 1, 5);
	assert_true(core_until(f->core, f->core->credits == 1));
	assert_int_equal(f->core->nacks, 5);
	unsigned seen = 0;
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(f->core->acks[i].outcome, GW_TOO_LARGE);
		assert_int_equal(f->core->acks[i].from, f->core->acks[i].to);
		assert_int_equal(f->core->acks[i].credit, i == 4);
		seen |= 1U << f->core->acks[i].from;
	}
	assert_int_equal(seen, 0x3e); /* 1 to 5, in whatever order */
	assert_int_equal(f->core->connections, 1);
}

static void a_packet_that_ends_the_connection_is_not_sent_again(void **state)
{
	struct fixture *f = *state;

	f->broker.puback_topic = "m-1/replay";
	f->broker.after_publish = FAKE("\xe0\2\x95\0");
	start_and_connect(f);
	core_replay(f->core, f->layout, 1, 1, 15);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
	assert_string_equal(f->core->reason,
			    "the broker closed the connection: packet too large (0x95)");
	f->broker.after_publish = FAKE("");
	assert_true(core_until(f->core, f->core->connections == 2));
	assert_int_equal(f->broker.special, 1);
	core_replay(f->core, f->layout, 1, 1, 15);
	assert_true(core_until(f->core, f->core->credits == 1));
	assert_int_equal(f->broker.special, 3);
}

/* Milliseconds from the loss of this connection to the next attempt. */
static int64_t taken_over_after_ms(struct fixture *f, uint64_t seq)
{
	unsigned connections = f->core->connections;
	int64_t since;

	core_live(f->core, f->layout, seq, 1);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
	since = gw_now_us();
	assert_string_equal(f->core->reason,
			    "session taken over (0x8e): another client uses the client_id 'gw-1'");
	assert_true(core_until(f->core, f->core->state != GW_FAR_WAITING));
	since = gw_now_us() - since;
	assert_true(core_until(f->core, f->core->connections == connections + 1));
	return since / 1000;
}

/* Else two of one identifier would throw each other out as fast as they can. */
static void a_session_that_is_taken_over_says_so_and_waits_longer_each_time(void **state)
{
	static const int64_t least_ms[] = { 140, 240, 440, 840 }; /* a thirtieth of 3, 6, 12, 24 s */
	struct fixture *f = *state;

	f->broker.puback_topic = "m-1/data";
	f->broker.after_publish = FAKE("\xe0\2\x8e\0");
	dice = UINT32_MAX / 30;
	start_and_connect(f);
	for (size_t i = 0; i < sizeof(least_ms) / sizeof(least_ms[0]); i++)
		assert_true(taken_over_after_ms(f, i + 1) >= least_ms[i]);
	dice = SHORTEST;
}

static void a_host_name_that_nobody_knows_is_named(void **state)
{
	struct fixture *f = *state;

	snprintf(f->url, sizeof(f->url), "mqtt://no-such-host.invalid:1883");
	start(f);
	assert_true(core_until(f->core,
			       strstr(f->core->reasons,
				      "host name no-such-host.invalid cannot be resolved: ")));
	assert_int_equal(f->core->connections, 0);
}

static unsigned times(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

/* Each is tried many times; what was found is said once, of the broker that it was found of. */
static void each_of_two_brokers_that_are_away_is_named_once(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	FILE *log = tmpfile();
	int err = dup(STDERR_FILENO);

	f->core->brokers[0] = "mqtt://127.0.0.1:1"; /* nobody listens there */
	f->core->brokers[1] = "mqtt://127.0.0.1:2";
	f->core->keys.broker.count = 2;
	dup2(fileno(log), STDERR_FILENO);
	start(f);
	assert_true(core_until(f->core, times(f->core->reasons, "127.0.0.1 port 2: Connection refused\n") >= 4));
	dup2(err, STDERR_FILENO);
	close(err);
	rewind(log);
	text[fread(text, 1, sizeof(text) - 1, log)] = '\0';
	fclose(log);
	assert_string_equal(text, "warning: mqtt://127.0.0.1:1: 127.0.0.1 port 1: Connection refused\n"
				  "warning: mqtt://127.0.0.1:2: 127.0.0.1 port 2: Connection refused\n");
}

static void a_refused_connection_says_why(void **state)
{
	struct fixture *f = *state;

	f->broker.connack = FAKE("\x20\3\0\x87\0");
	start(f);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
	assert_string_equal(f->core->reason,
			    "the broker refused the connection: not authorised (0x87)");
	f->broker.connack = FAKE("\x20\3\0\0\0");
	assert_true(core_until(f->core, f->core->connections == 1));
}

static void a_refused_connection_over_3_1_1_says_why(void **state)
{
	struct fixture *f = *state;

	f->core->keys.protocol = MQTT_PROTOCOL_311;
	f->broker.connack_old = FAKE("\x20\2\0\5");
	start(f);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
	assert_string_equal(f->core->reason,
			    "the broker refused the connection: not authorised (0x05)");
	f->broker.connack_old = FAKE("\x20\2\0\0");
	assert_true(core_until(f->core, f->core->connections == 1));
}

static void auto_falls_back_when_5_is_not_supported(void **state)
{
	struct fixture *f = *state;

	f->core->keys.protocol = MQTT_PROTOCOL_AUTO;
	f->broker.connack = FAKE("\x20\3\0\x84\0");
	start_and_connect(f);
	assert_int_equal(f->broker.version, 4);
	assert_int_equal(f->broker.connects, 2);
}

static void auto_falls_back_when_an_old_broker_answers(void **state)
{
	struct fixture *f = *state;

	f->core->keys.protocol = MQTT_PROTOCOL_AUTO;
	f->broker.connack = FAKE("\x20\2\0\1");
	start_and_connect(f);
	assert_int_equal(f->broker.version, 4);
}

static void without_auto_an_old_broker_is_refused(void **state)
{
	struct fixture *f = *state;

	f->broker.connack = FAKE("\x20\3\0\x84\0");
	start(f);
	assert_true(core_until(f->core, f->core->waits == 2));
	assert_string_equal(
		f->core->reason,
		"the broker refused the connection: protocol version not supported (0x84)");
	assert_int_equal(f->broker.version, 5);
}

/* Properties: Receive Maximum 3, Maximum Packet Size 300, Server Keep Alive 7. */
static void the_limits_of_the_broker_are_kept(void **state)
{
	struct fixture *f = *state;

	f->broker.puback_topic = "m-1/replay";
	f->broker.connack = FAKE("\x20\x0e\0\0\x0b\x21\0\3\x27\0\0\1\x2c\x13\0\7");
	start_and_connect(f);
	assert_int_equal(f->core->window, 3);
	assert_int_equal(f->broker.connects, 2); /* once more with the broker's keep-alive */
	core_replay(f->core, f->layout, 1, 1, 30);
	assert_true(core_until(f->core, f->core->credits == 1));
	assert_int_equal(f->broker.special, 6); /* 5 readings fit into 300 bytes */
	assert_true(f->core->in_flight_most <= 3);
}

static void a_stop_does_not_wait_for_acknowledgements_for_ever(void **state)
{
	struct fixture *f = *state;
	int64_t begun;

	f->broker.no_puback = true;
	start_and_connect(f);
	begun = gw_now_us();
	mqtt_sink.stop(f->core->self);
	assert_true(core_until(f->core, f->core->stopped));
	assert_true(gw_now_us() - begun < 6000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_broker_that_never_acknowledges_is_left),
		T(at_the_end_the_will_speaks_when_the_last_word_finds_no_room),
		T(a_full_quota_makes_it_wait_and_come_again),
		T(an_array_that_is_too_large_is_halved_until_one_is_left),
		T(a_packet_that_ends_the_connection_is_not_sent_again),
		T(a_session_that_is_taken_over_says_so_and_waits_longer_each_time),
		T(a_host_name_that_nobody_knows_is_named),
		T(each_of_two_brokers_that_are_away_is_named_once),
		T(a_refused_connection_says_why),
		T(a_refused_connection_over_3_1_1_says_why),
		T(auto_falls_back_when_5_is_not_supported),
		T(auto_falls_back_when_an_old_broker_answers),
		T(without_auto_an_old_broker_is_refused),
		T(the_limits_of_the_broker_are_kept),
		T(a_stop_does_not_wait_for_acknowledgements_for_ever),
	};

	return cmocka_run_group_tests_name("mqtt fault", tests, NULL, NULL);
}
