/*
 * every_type.h - tables with a key of every type and flag, for the tests and the
 * fuzz target of the configuration.  A made-up gateway: sinks, sources, devices.
 */
#ifndef TESTS_BASE_EVERY_TYPE_H
#define TESTS_BASE_EVERY_TYPE_H

#include "gatewayd/config.h"

struct serial {
	int64_t baud;
	int parity;
};

struct range {
	struct gw_decimal from, to;
};

struct thing {
	struct gw_item item;
	int64_t unit_id, timeout_ms;
	struct serial serial;
	bool exact;
	int order;
	struct gw_decimal scale;
	const char *title;
	const struct gw_node *labels;
	struct gw_list no_value; /* int64_t */
	struct gw_list tags;	 /* const char * */
	struct gw_list ranges;	 /* struct range */
};

struct source {
	struct gw_item item;
	const char *plugin;
	int64_t timeout_ms;
	struct serial serial;
	bool exact;
	int order;
	struct gw_list tags;
	struct gw_list things; /* struct thing */
};

struct gateway {
	const char *id, *title, *ca, *password;
	double lat;
	int64_t max_size, keepalive_ms, port, big;
	struct gw_list brokers; /* const char * */
	struct gw_list paths;	/* const char *, paths */
	int format;
	bool enabled;
	const char *topic;
};

struct root {
	struct gateway gateway;
	struct gw_list sources; /* struct source */
};

static const char *const formats[] = { "json", "sparkplug", NULL };
static const char *const orders[] = { "big", "little", NULL };
static const char *const parities[] = { "none", "even", "odd", NULL };

#define AT(s, m) .offset = offsetof(struct s, m)

static const struct gw_key serial_keys[] = {
	{ .name = "baud",
	  .type = GW_T_INT,
	  .fallback = "9600",
	  .min = 300,
	  .max = 921600,
	  AT(serial, baud),
	  .help = "Bits per second." },
	{ .name = "parity",
	  .type = GW_T_CHOICE,
	  .fallback = "none",
	  .choices = parities,
	  AT(serial, parity),
	  .help = "Parity bit." },
};
static const struct gw_table serial_table =
	GW_TABLE("serial", struct serial, serial_keys, "A serial line.");

static const struct gw_key range_keys[] = {
	{ .name = "from",
	  .type = GW_T_DECIMAL,
	  .flags = GW_REQUIRED,
	  AT(range, from),
	  .example = "0",
	  .help = "First value." },
	{ .name = "to",
	  .type = GW_T_DECIMAL,
	  .fallback = "10",
	  .min = -10,
	  .max = 10,
	  AT(range, to),
	  .help = "Last value." },
};
static const struct gw_table range_table = GW_TABLE("range", struct range, range_keys, "A range.");

/* What another reader of a thing stores. */
static const struct gw_key other_keys[] = {
	{ .name = "writable", .type = GW_T_BOOL, .fallback = "false", .help = "May be written." },
	{ .name = "interval",
	  .type = GW_T_DURATION,
	  .min = 10,
	  .max = 2592000000,
	  .fallback = "1s",
	  .help = "How often." },
};
static const struct gw_table other_table = {
	.name = "other", .help = "Of another reader.", .keys = other_keys, .count = 2
};

static const struct gw_key thing_keys[] = {
	{ .name = "unit_id",
	  .type = GW_T_INT,
	  .flags = GW_REQUIRED,
	  .max = 255,
	  .example = "1",
	  AT(thing, unit_id),
	  .help = "Unit identifier." },
	{ .name = "timeout",
	  .type = GW_T_DURATION,
	  .flags = GW_INHERIT,
	  .min = 1,
	  .max = 60000,
	  AT(thing, timeout_ms),
	  .example = "500ms",
	  .help = "Deadline." },
	{ .name = "serial",
	  .type = GW_T_SECTION,
	  .flags = GW_INHERIT,
	  .table = &serial_table,
	  AT(thing, serial),
	  .help = "Serial line." },
	{ .name = "exact",
	  .type = GW_T_BOOL,
	  .flags = GW_INHERIT,
	  AT(thing, exact),
	  .example = "true",
	  .help = "No gaps." },
	{ .name = "order",
	  .type = GW_T_CHOICE,
	  .flags = GW_INHERIT,
	  .choices = orders,
	  AT(thing, order),
	  .example = "little",
	  .help = "Order of words." },
	{ .name = "scale",
	  .type = GW_T_DECIMAL,
	  .fallback = "1",
	  AT(thing, scale),
	  .help = "Factor." },
	{ .name = "title",
	  .type = GW_T_TEXT,
	  .max = 40,
	  AT(thing, title),
	  .example = "Bơm số 1",
	  .help = "For people." },
	{ .name = "enum",
	  .type = GW_T_NODE,
	  AT(thing, labels),
	  .example = "{0: off, 1: on}",
	  .help = "Labels." },
	{ .name = "no_value",
	  .type = GW_T_INT,
	  .flags = GW_LIST,
	  .min = -32768,
	  .max = 65535,
	  AT(thing, no_value),
	  .example = "[0x7FFF, -1]",
	  .help = "Values that are none." },
	{ .name = "tags",
	  .type = GW_T_NAME,
	  .flags = GW_LIST | GW_INHERIT,
	  AT(thing, tags),
	  .example = "[a, b]",
	  .help = "Marks." },
	{ .name = "ranges",
	  .type = GW_T_SECTION,
	  .flags = GW_LIST,
	  .table = &range_table,
	  AT(thing, ranges),
	  .help = "Ranges." },
};
static const struct gw_table thing_table = { .name = "thing",
					     .help = "One thing.",
					     .keys = thing_keys,
					     .count = sizeof(thing_keys) / sizeof(thing_keys[0]),
					     .size = sizeof(struct thing),
					     .also = &other_table };

static const struct gw_key source_keys[] = {
	{ .name = "plugin",
	  .type = GW_T_NAME,
	  .flags = GW_REQUIRED,
	  AT(source, plugin),
	  .example = "modbus",
	  .help = "Its program." },
	{ .name = "timeout",
	  .type = GW_T_DURATION,
	  .fallback = "1s",
	  .min = 1,
	  .max = 60000,
	  .flags = GW_RELOAD,
	  AT(source, timeout_ms),
	  .help = "Deadline | limit." },
	{ .name = "serial",
	  .type = GW_T_SECTION,
	  .table = &serial_table,
	  AT(source, serial),
	  .help = "Serial line." },
	{ .name = "exact",
	  .type = GW_T_BOOL,
	  .fallback = "true",
	  AT(source, exact),
	  .help = "No gaps." },
	{ .name = "order",
	  .type = GW_T_CHOICE,
	  .fallback = "little",
	  .choices = orders,
	  AT(source, order),
	  .help = "Order of words." },
	{ .name = "tags",
	  .type = GW_T_NAME,
	  .flags = GW_LIST,
	  .fallback = "[x, y]",
	  AT(source, tags),
	  .help = "Marks." },
	{ .name = "things",
	  .type = GW_T_MAP,
	  .table = &thing_table,
	  .max = 4,
	  AT(source, things),
	  .example = "pump-1",
	  .help = "Things by name." },
};
static const struct gw_table source_table =
	GW_TABLE("source", struct source, source_keys, "One source.");

static const struct gw_key gateway_keys[] = {
	{ .name = "id",
	  .type = GW_T_NAME,
	  .flags = GW_REQUIRED,
	  AT(gateway, id),
	  .example = "gw-1",
	  .help = "Its name." },
	{ .name = "title",
	  .type = GW_T_TEXT,
	  .min = 2,
	  .max = 20,
	  AT(gateway, title),
	  .flags = GW_RELOAD,
	  .example = "Trạm bơm",
	  .help = "For people." },
	{ .name = "lat",
	  .type = GW_T_NUMBER,
	  .min = -90,
	  .max = 90,
	  AT(gateway, lat),
	  .example = "10.98",
	  .help = "Degrees." },
	{ .name = "max_size",
	  .type = GW_T_SIZE,
	  .fallback = "1GiB",
	  .min = 1 << 20,
	  .max = 1LL << 40,
	  AT(gateway, max_size),
	  .help = "Hard bound." },
	{ .name = "keepalive",
	  .type = GW_T_DURATION,
	  .fallback = "30s",
	  .min = 1000,
	  .max = 3600000,
	  .flags = GW_RELOAD,
	  AT(gateway, keepalive_ms),
	  .help = "Longest silence." },
	{ .name = "port",
	  .type = GW_T_INT,
	  .fallback = "8883",
	  .min = 1,
	  .max = 65535,
	  AT(gateway, port),
	  .help = "TCP port." },
	{ .name = "big",
	  .type = GW_T_INT,
	  AT(gateway, big),
	  .example = "7",
	  .help = "Any number." },
	{ .name = "broker",
	  .type = GW_T_TEXT,
	  .flags = GW_LIST,
	  .min = 1,
	  AT(gateway, brokers),
	  .example = "[mqtt://a:1883, mqtt://b:1883]",
	  .help = "Tried in turn." },
	{ .name = "ca",
	  .type = GW_T_TEXT,
	  .flags = GW_PATH,
	  AT(gateway, ca),
	  .example = "/etc/ca.pem",
	  .help = "Certificates." },
	{ .name = "paths",
	  .type = GW_T_TEXT,
	  .flags = GW_PATH | GW_LIST,
	  .fallback = "[/a, /b/c]",
	  AT(gateway, paths),
	  .help = "Where to look." },
	{ .name = "password",
	  .type = GW_T_TEXT,
	  .flags = GW_SECRET,
	  .min = 8,
	  .max = 12,
	  AT(gateway, password),
	  .example = "changeme",
	  .help = "Secret." },
	{ .name = "format",
	  .type = GW_T_CHOICE,
	  .fallback = "json",
	  .choices = formats,
	  AT(gateway, format),
	  .help = "Encoding." },
	{ .name = "enabled",
	  .type = GW_T_BOOL,
	  .fallback = "true",
	  AT(gateway, enabled),
	  .help = "At all." },
	{ .name = "topic",
	  .type = GW_T_TEXT,
	  .fallback = "{root}/{gateway}",
	  AT(gateway, topic),
	  .help = "Topic." },
};
static const struct gw_table gateway_table =
	GW_TABLE("gateway", struct gateway, gateway_keys, "Who this is.");

static const struct gw_key root_keys[] = {
	{ .name = "gateway",
	  .type = GW_T_SECTION,
	  .flags = GW_REQUIRED,
	  .table = &gateway_table,
	  AT(root, gateway),
	  .help = "Who this is." },
	{ .name = "sources",
	  .type = GW_T_MAP,
	  .table = &source_table,
	  AT(root, sources),
	  .example = "pump-house",
	  .help = "Sources by name." },
};
static const struct gw_table root_table = GW_TABLE("root", struct root, root_keys, "All.");

#undef AT
#endif
