/* test_topic.c - topic templates, broker addresses, keys and back-off: what is taken,
 * and the exact words with which the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugins/mqtt/backoff.h"
#include "plugins/mqtt/broker.h"
#include "plugins/mqtt/keys.h"
#include "plugins/mqtt/topic.h"

static const struct mqtt_names station = { .root = "goc/79",
					   .gateway = "gw-1",
					   .province = "79",
					   .site = "An Phú/1",
					   .domain = "",
					   .device = "pump-1" };

static void templates_become_topics(void **state)
{
	static const struct {
		const char *text, *topic;
	} cases[] = {
		{ "{root}/{gateway}/{device}", "goc/79/gw-1/pump-1" },
		{ "{gateway}/{device}", "gw-1/pump-1" },
		{ "vn/{province}/{site}/{gateway}/x-{device}", "vn/79/An_Phú_1/gw-1/x-pump-1" },
		{ "{domain}/{gateway}/{device}", "other/gw-1/pump-1" },
	};
	char out[MQTT_TOPIC_MAX];
	struct gw_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mqtt_template_check(cases[i].text, &err), 0);
		assert_int_equal(mqtt_topic_device(cases[i].text, &station, out, &err), 0);
		assert_string_equal(out, cases[i].topic);
	}
}

static void bad_templates_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "{root}/{device}", "'{root}/{device}' must contain {gateway}, or gateways would "
				     "overwrite each other" },
		{ "{gateway}/data",
		  "'{gateway}/data' must end in {device}, or devices would overwrite each other" },
		{ "{gateway}/{device}/x", "'{gateway}/{device}/x' must end in {device}, or devices "
					  "would overwrite each other" },
		{ "{gateway}/{name}/{device}", "{name} is unknown; allowed are {root} {gateway} "
					       "{device} {province} {site} {domain}" },
		{ "{gateway/{device}", "'{gateway/{device}' has a brace without its partner" },
		{ "gateway}/{device}", "'gateway}/{device}' has a brace without its partner" },
		{ "{gateway}/{device", "'{gateway}/{device' has a brace without its partner" },
		{ "/{gateway}/{device}", "'/{gateway}/{device}' has an empty level" },
		{ "{gateway}//{device}", "'{gateway}//{device}' has an empty level" },
		{ "+/{gateway}/{device}", "'+/{gateway}/{device}' has '+' in it; not allowed in a "
					  "topic here: + # . and blanks" },
		{ "a.b/{gateway}/{device}", "'a.b/{gateway}/{device}' has '.' in it; not allowed "
					    "in a topic here: + # . and blanks" },
		{ "$SYS/{gateway}/{device}",
		  "'$SYS/{gateway}/{device}' begins with $, which belongs to the broker" },
		{ "", "is empty" },
	};
	struct gw_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mqtt_template_check(cases[i].text, &err), -1);
		assert_string_equal(err.msg, cases[i].why);
	}
	assert_int_equal(mqtt_root_check("goc/{site}", &err), -1);
	assert_string_equal(err.msg, "'goc/{site}': placeholders belong in `topic`, not in `root`");
	assert_int_equal(mqtt_root_check("goc/79", &err), 0);
}

static void a_name_that_is_used_must_be_set(void **state)
{
	struct mqtt_names n = station;
	char out[MQTT_TOPIC_MAX];
	struct gw_err err;

	(void)state;
	n.site = "";
	assert_int_equal(mqtt_topic_device("{site}/{gateway}/{device}", &n, out, &err), -1);
	assert_string_equal(err.msg, "topic: {site} is used, but gateway.site is not set");
}

static void a_topic_that_is_too_long_is_an_error(void **state)
{
	char text[1200] = "", out[MQTT_TOPIC_MAX];
	struct gw_err err;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "abcd/");
	strcat(text, "{gateway}/{device}-{device}-{device}");
	assert_int_equal(mqtt_topic_device(text, &station, out, &err), -1);
	assert_string_equal(err.msg, "topic: longer than 1023 bytes");
}

static void broker_addresses_are_understood(void **state)
{
	static const struct {
		const char *text, *uri, *host, *port;
		bool tls;
	} cases[] = {
		{ "mqtt://10.0.0.1", "tcp://10.0.0.1:1883", "10.0.0.1", "1883", false },
		{ "mqtts://goc-1.example.gov.vn:8884", "ssl://goc-1.example.gov.vn:8884",
		  "goc-1.example.gov.vn", "8884", true },
		{ "mqtts://[::1]", "ssl://[::1]:8883", "::1", "8883", true },
		{ "ws://h/mqtt", "ws://h:80/mqtt", "h", "80", false },
		{ "wss://h:444/x", "wss://h:444/x", "h", "444", true },
	};
	struct mqtt_broker b;
	struct gw_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mqtt_broker_parse(&b, cases[i].text, &err), 0);
		assert_string_equal(b.uri, cases[i].uri);
		assert_string_equal(b.host, cases[i].host);
		assert_string_equal(b.port, cases[i].port);
		assert_int_equal(b.tls, cases[i].tls);
	}
}

static void bad_broker_addresses_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "tcp://h", "'tcp://h' is not a broker; allowed are mqtt://HOST[:PORT], mqtts://, "
			     "ws:// and wss://" },
		{ "mqtt://", "'mqtt://' has no usable host name or address" },
		{ "mqtt://[::1", "'mqtt://[::1' has no usable host name or address" },
		{ "mqtt://a b", "'mqtt://a b' has no usable host name or address" },
		{ "mqtt://h:0", "'mqtt://h:0': a port is a number from 1 to 65535" },
		{ "mqtt://h:65536", "'mqtt://h:65536': a port is a number from 1 to 65535" },
		{ "mqtt://h:1/x", "'mqtt://h:1/x': '/x' behind the host is not understood" },
		{ "mqtt://u:p@h",
		  "a broker address has no user in it; use `username` and `password_file`" },
	};
	struct mqtt_broker b;
	struct gw_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(mqtt_broker_parse(&b, cases[i].text, &err), -1);
		assert_string_equal(err.msg, cases[i].why);
	}
}

static void collect(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	char *all = arg;

	(void)at;
	strcat(strcat(strcat(strcat(all, path), ": "), text), "\n");
}

static void keys_say_what_is_wrong_beyond_the_table(void **state)
{
	const char *brokers[] = { "mqtt://h", "tcp://h" };
	struct mqtt_keys k = { .broker = { brokers, 2 },
			       .root = "a//b",
			       .topic = "{device}",
			       .format = 1,
			       .cert = "/c",
			       .password_file = "/p" };
	const char *writable[] = { "pump-1/setpoint" };
	char all[2048] = "";
	struct gw_problems to = { .fn = collect, .arg = all };

	(void)state;
	k.commands.write = (struct gw_list){ writable, 1 };
	mqtt_keys_check(&k, NULL, &to);
	assert_string_equal(
		all,
		"broker: 'tcp://h' is not a broker; allowed are mqtt://HOST[:PORT], mqtts://, "
		"ws:// and wss://\n"
		"root: 'a//b' has an empty level\n"
		"topic: '{device}' must contain {gateway}, or gateways would overwrite each other\n"
		"format: sparkplug is not available yet; allowed is json\n"
		"cert: cert and key go together; one of them is missing\n"
		"password_file: a password needs a `username`\n"
		"commands: `write` is not available yet over MQTT; leave it out\n");
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_password_comes_from_the_credentials_first(void **state)
{
	char folder[] = "/tmp/gatewayd-test-XXXXXX", path[64], credential[64], out[16];
	struct gw_err err;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/password", folder);
	snprintf(credential, sizeof(credential), "%s/c", folder);
	assert_int_equal(mqtt_password_read(path, out, sizeof(out), &err), -1);
	write_file(path, "secret\n");
	setenv("CREDENTIALS_DIRECTORY", credential, 1);
	assert_int_equal(mqtt_password_read(path, out, sizeof(out), &err), 6);
	assert_string_equal(out, "secret");
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	assert_int_equal(mqtt_password_read("/nowhere/password", out, sizeof(out), &err), 6);
	unsetenv("CREDENTIALS_DIRECTORY");
	write_file(path, "\n");
	assert_int_equal(mqtt_password_read(path, out, sizeof(out), &err), -1);
	assert_non_null(strstr(err.msg, "is empty"));
	write_file(path, "0123456789abcdef");
	assert_int_equal(mqtt_password_read(path, out, sizeof(out), &err), -1);
	assert_non_null(strstr(err.msg, "longer than a password may be"));
	unlink(path);
	rmdir(folder);
}

static void waiting_doubles_to_a_minute_and_is_spread(void **state)
{
	static const int64_t ceilings[] = { 3000, 6000, 12000, 24000, 48000, 60000, 60000 };
	struct mqtt_backoff b = { 0 }, half = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
		assert_int_equal(mqtt_backoff_next_ms(&b, UINT32_MAX), ceilings[i]);
		assert_int_equal(mqtt_backoff_next_ms(&half, UINT32_MAX / 2), (ceilings[i] + MQTT_BACKOFF_LEAST_MS) / 2 - 1);
	}
	assert_int_equal(mqtt_backoff_next_ms(&b, 0), MQTT_BACKOFF_LEAST_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_become_topics),
		cmocka_unit_test(bad_templates_are_refused_with_a_reason),
		cmocka_unit_test(a_name_that_is_used_must_be_set),
		cmocka_unit_test(a_topic_that_is_too_long_is_an_error),
		cmocka_unit_test(broker_addresses_are_understood),
		cmocka_unit_test(bad_broker_addresses_are_refused_with_a_reason),
		cmocka_unit_test(keys_say_what_is_wrong_beyond_the_table),
		cmocka_unit_test(a_password_comes_from_the_credentials_first),
		cmocka_unit_test(waiting_doubles_to_a_minute_and_is_spread),
	};

	return cmocka_run_group_tests_name("mqtt topic", tests, NULL, NULL);
}
