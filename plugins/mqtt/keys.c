/* keys.c - see keys.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "keys.h"
#include "topic.h"

static const char *const formats[] = { "json", "sparkplug", NULL };
static const char *const protocols[] = { "5", "3.1.1", "auto", NULL };

static const struct gw_key command_keys[] = {
	{ .name = "write",
	  .type = GW_T_TEXT,
	  .flags = GW_LIST,
	  .offset = offsetof(struct mqtt_command_keys, write),
	  .max = 129,
	  .help = "DEVICE/POINT that may be written; not available yet, so leave it out.",
	  .example = "[pump-1/setpoint]" },
	{ .name = "replay",
	  .type = GW_T_BOOL,
	  .offset = offsetof(struct mqtt_command_keys, replay),
	  .fallback = "false",
	  .help = "Stored readings are sent again on request.",
	  .example = "true" },
};
static const struct gw_table command_table =
	GW_TABLE("commands", struct mqtt_command_keys, command_keys,
		 "What is taken from the broker; without it nothing.");

#define KEY(member) .offset = offsetof(struct mqtt_keys, member)

static const struct gw_key keys[] = {
	{ .name = "broker",
	  .type = GW_T_TEXT,
	  .flags = GW_REQUIRED | GW_LIST,
	  KEY(broker),
	  .max = 300,
	  .help = "Brokers, tried in turn: mqtt://HOST[:PORT], mqtts://, ws:// or wss://.",
	  .example = "[mqtts://goc-1.example.gov.vn:8883, mqtts://goc-2.example.gov.vn:8883]" },
	{ .name = "client_id",
	  .type = GW_T_TEXT,
	  KEY(client_id),
	  .min = 1,
	  .max = 256,
	  .help = "MQTT client identifier; without it gateway.id.",
	  .example = "79-an-phu-01" },
	{ .name = "root",
	  .type = GW_T_TEXT,
	  KEY(root),
	  .fallback = "goc",
	  .min = 1,
	  .max = 128,
	  .help = "First levels of every topic.",
	  .example = "goc/79" },
	{ .name = "topic",
	  .type = GW_T_TEXT,
	  KEY(topic),
	  .fallback = "{root}/{gateway}/{device}",
	  .min = 1,
	  .max = 256,
	  .help = "Topic of a device, from {root} {gateway} {device} {province} {site} {domain}; "
		  "contains {gateway} and ends in {device}." },
	{ .name = "format",
	  .type = GW_T_CHOICE,
	  KEY(format),
	  .fallback = "json",
	  .choices = formats,
	  .help = "How readings are written." },
	{ .name = "protocol",
	  .type = GW_T_CHOICE,
	  KEY(protocol),
	  .fallback = "5",
	  .choices = protocols,
	  .help = "MQTT version; over 3.1.1 a broker cannot say that it refused a message; auto: "
		  "5, "
		  "then 3.1.1 when the broker does not know 5." },
	{ .name = "ca",
	  .type = GW_T_TEXT,
	  .flags = GW_PATH,
	  KEY(ca),
	  .help = "File with the certificates that may sign the broker's; without it those of the "
		  "system.",
	  .example = "/etc/gatewayd/tls/ca.pem" },
	{ .name = "cert",
	  .type = GW_T_TEXT,
	  .flags = GW_PATH,
	  KEY(cert),
	  .help = "File with this gateway's certificate.",
	  .example = "/etc/gatewayd/tls/gateway.pem" },
	{ .name = "key",
	  .type = GW_T_TEXT,
	  .flags = GW_PATH,
	  KEY(key),
	  .help = "File with the key of `cert`.",
	  .example = "/etc/gatewayd/tls/gateway.key" },
	{ .name = "username",
	  .type = GW_T_TEXT,
	  KEY(username),
	  .max = 256,
	  .help = "User at the broker.",
	  .example = "gw" },
	{ .name = "password_file",
	  .type = GW_T_TEXT,
	  .flags = GW_PATH,
	  KEY(password_file),
	  .help = "File with the password; a file of its name in $CREDENTIALS_DIRECTORY goes "
		  "first.",
	  .example = "/etc/gatewayd/password" },
	{ .name = "keepalive",
	  .type = GW_T_DURATION,
	  KEY(keepalive_ms),
	  .fallback = "30s",
	  .min = 5000,
	  .max = 3600000,
	  .help = "Silence after which the connection is tested." },
	{ .name = "ack_timeout",
	  .type = GW_T_DURATION,
	  KEY(ack_timeout_ms),
	  .fallback = "20s",
	  .min = 1000,
	  .max = 600000,
	  .help = "No acknowledgement for so long while messages wait: connect again." },
	{ .name = "window",
	  .type = GW_T_INT,
	  KEY(window),
	  .fallback = "50",
	  .min = 1,
	  .max = 1000,
	  .help = "Unacknowledged messages in flight, never above the broker's Receive Maximum." },
	{ .name = "replay_rate",
	  .type = GW_T_INT,
	  KEY(replay_rate),
	  .fallback = "1000",
	  .min = 0,
	  .max = 1000000,
	  .help = "Backlog readings per second that the core hands over; 0: no cap." },
	{ .name = "commands",
	  .type = GW_T_SECTION,
	  KEY(commands),
	  .help = "What is taken from the broker; without it nothing.",
	  .table = &command_table },
};

const struct gw_table mqtt_table =
	GW_TABLE("mqtt sink", struct mqtt_keys, keys, "Publishes readings to an MQTT broker.");

static void report(struct gw_problems *to, const struct gw_node *map, const char *key,
		   const char *text)
{
	const struct gw_node *at = map ? gw_node_get(map, key) : NULL;

	gw_problem(to, at ? &at->place : map ? &map->place : NULL, key, "%s", text);
}

static void check_brokers(const struct mqtt_keys *k, const struct gw_node *map,
			  struct gw_problems *to)
{
	const char *const *list = k->broker.items;

	for (size_t i = 0; i < k->broker.count; i++) {
		struct mqtt_broker b;
		struct gw_err err;

		if (mqtt_broker_parse(&b, list[i], &err))
			report(to, map, "broker", err.msg);
	}
}

void mqtt_keys_check(const struct mqtt_keys *k, const struct gw_node *map, struct gw_problems *to)
{
	struct gw_err err;

	check_brokers(k, map, to);
	if (k->root && mqtt_root_check(k->root, &err))
		report(to, map, "root", err.msg);
	if (k->topic && mqtt_template_check(k->topic, &err))
		report(to, map, "topic", err.msg);
	if (k->format != 0)
		report(to, map, "format", "sparkplug is not available yet; allowed is json");
	if (!k->cert != !k->key)
		report(to, map, k->cert ? "cert" : "key",
		       "cert and key go together; one of them is missing");
	if (k->password_file && !k->username)
		report(to, map, "password_file", "a password needs a `username`");
	if (k->commands.write.count)
		report(to, map, "commands",
		       "`write` is not available yet over MQTT; leave it out");
}

static int open_password(const char *file)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY"), *slash = strrchr(file, '/');
	char path[4096];
	int fd = -1;

	if (folder && snprintf(path, sizeof(path), "%s/%s", folder, slash ? slash + 1 : file) <
			      (int)sizeof(path))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : open(file, O_RDONLY | O_CLOEXEC);
}

int mqtt_password_read(const char *file, char *out, size_t size, struct gw_err *err)
{
	int fd = open_password(file);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size);
	int saved = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return gw_err_sys(err, saved, "password_file %s", file);
	if (n && out[n - 1] == '\n')
		n--;
	if (!n || (size_t)n >= size)
		return gw_err_set(err, GW_EINPUT, "password_file %s: %s", file,
				  n ? "longer than a password may be" : "is empty");
	out[n] = '\0';
	return (int)n;
}
