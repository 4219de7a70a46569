/*
 * keys.c - the keys that every source, device, point and sink has (keys.h).
 */
#include "base/keys.h"

enum { TITLE_MAX = 200, UNIT_MAX = 64, POINTS_MAX = 1000, DEVICES_MAX = 65535 };

#define SECOND 1000LL
#define DAY    (24 * 3600 * SECOND)

#define INTERVAL_MIN 10
#define INTERVAL_MAX (30 * DAY)

static const struct gw_key point_keys[] = {
	{ .name = "title",
	  .type = GW_T_TEXT,
	  .flags = GW_RELOAD,
	  .max = TITLE_MAX,
	  .offset = offsetof(struct gw_point_keys, title),
	  .example = "Tần số ra",
	  .help = "What people read instead of the name." },
	{ .name = "interval",
	  .type = GW_T_DURATION,
	  .flags = GW_RELOAD | GW_INHERIT,
	  .min = INTERVAL_MIN,
	  .max = INTERVAL_MAX,
	  .example = "1h",
	  .offset = offsetof(struct gw_point_keys, interval_ms),
	  .help = "How often the point is read, if not as often as its device." },
	{ .name = "scale",
	  .type = GW_T_DECIMAL,
	  .flags = GW_RELOAD,
	  .fallback = "1",
	  .example = "0.1",
	  .offset = offsetof(struct gw_point_keys, scale),
	  .help = "Factor: the value is raw * scale + offset, in `unit`." },
	{ .name = "offset",
	  .type = GW_T_DECIMAL,
	  .flags = GW_RELOAD,
	  .fallback = "0",
	  .example = "-40",
	  .offset = offsetof(struct gw_point_keys, offset),
	  .help = "Added after scaling: the value is raw * scale + offset, in `unit`." },
	{ .name = "unit",
	  .type = GW_T_TEXT,
	  .flags = GW_RELOAD,
	  .min = 1,
	  .max = UNIT_MAX,
	  .offset = offsetof(struct gw_point_keys, unit),
	  .example = "Hz",
	  .help = "Unit of the scaled value as UCUM code: kW.h, Cel, m3/h, [pH]." },
	{ .name = "quantity",
	  .type = GW_T_NAME,
	  .flags = GW_RELOAD,
	  .example = "frequency",
	  .offset = offsetof(struct gw_point_keys, quantity),
	  .help = "What is measured, from the vocabulary: the value is published in the unit of "
		  "the "
		  "quantity.  Without it nothing is converted." },
	{ .name = "deadband",
	  .type = GW_T_DECIMAL,
	  .flags = GW_RELOAD,
	  .max = INT64_MAX,
	  .offset = offsetof(struct gw_point_keys, deadband),
	  .example = "0.05",
	  .help = "Smallest change worth sending, in `unit`.  Without it every value is sent." },
	{ .name = "max_silence",
	  .type = GW_T_DURATION,
	  .flags = GW_RELOAD,
	  .fallback = "60s",
	  .min = INTERVAL_MIN,
	  .max = INTERVAL_MAX,
	  .offset = offsetof(struct gw_point_keys, max_silence_ms),
	  .help = "With a deadband: a value is sent at least so often, changed or not." },
	{ .name = "min",
	  .type = GW_T_DECIMAL,
	  .flags = GW_RELOAD,
	  .example = "0",
	  .offset = offsetof(struct gw_point_keys, min),
	  .help = "Least plausible value, in `unit`; below it the value is marked out of range." },
	{ .name = "max",
	  .type = GW_T_DECIMAL,
	  .flags = GW_RELOAD,
	  .example = "60",
	  .offset = offsetof(struct gw_point_keys, max),
	  .help = "Greatest plausible value, in `unit`; above it the value is marked out of "
		  "range." },
	{ .name = "enum",
	  .type = GW_T_NODE,
	  .flags = GW_RELOAD,
	  .offset = offsetof(struct gw_point_keys, labels),
	  .example = "{0: off, 1: manual, 2: auto}",
	  .help = "Labels of raw values, published in place of the number." },
	{ .name = "writable",
	  .type = GW_T_BOOL,
	  .flags = GW_RELOAD,
	  .fallback = "false",
	  .offset = offsetof(struct gw_point_keys, writable),
	  .help = "Commands may write the point, between min and max." },
};

const struct gw_table gw_point_table =
	GW_TABLE("point", struct gw_point_keys, point_keys, "One value of a device.");

static const struct gw_key device_keys[] = {
	{ .name = "title",
	  .type = GW_T_TEXT,
	  .flags = GW_RELOAD,
	  .max = TITLE_MAX,
	  .offset = offsetof(struct gw_device_keys, title),
	  .example = "Bơm số 1",
	  .help = "What people read instead of the name." },
	{ .name = "domain",
	  .type = GW_T_NAME,
	  .flags = GW_RELOAD,
	  .example = "water",
	  .offset = offsetof(struct gw_device_keys, domain),
	  .help = "Field of use: energy, agriculture, traffic, environment, water and so on; the "
		  "profile's if it is not given." },
	{ .name = "profile",
	  .type = GW_T_NAME,
	  .flags = GW_RELOAD,
	  .example = "eastron-sdm630",
	  .offset = offsetof(struct gw_device_keys, profile),
	  .help = "Type of the device: points and limits come from the profile of that name." },
	{ .name = "interval",
	  .type = GW_T_DURATION,
	  .flags = GW_RELOAD | GW_INHERIT,
	  .min = INTERVAL_MIN,
	  .max = INTERVAL_MAX,
	  .example = "500ms",
	  .offset = offsetof(struct gw_device_keys, interval_ms),
	  .help = "How often the device is read, if not as often as its source says." },
	{ .name = "points",
	  .type = GW_T_MAP,
	  .flags = GW_RELOAD,
	  .max = POINTS_MAX,
	  .offset = offsetof(struct gw_device_keys, points),
	  .table = &gw_point_table,
	  .example = "frequency",
	  .help = "Values of the device by name; they override and extend the profile's, and null "
		  "takes one out." },
};

const struct gw_table gw_device_table =
	GW_TABLE("device", struct gw_device_keys, device_keys, "One device in the field.");

static const struct gw_key source_keys[] = {
	{ .name = "plugin",
	  .type = GW_T_NAME,
	  .flags = GW_REQUIRED | GW_RELOAD,
	  .example = "modbus",
	  .offset = offsetof(struct gw_source_keys, plugin),
	  .help = "Program that reads the devices." },
	{ .name = "interval",
	  .type = GW_T_DURATION,
	  .flags = GW_RELOAD,
	  .fallback = "1s",
	  .min = INTERVAL_MIN,
	  .max = INTERVAL_MAX,
	  .offset = offsetof(struct gw_source_keys, interval_ms),
	  .help = "How often devices and points are read that say nothing else." },
	{ .name = "devices",
	  .type = GW_T_MAP,
	  .flags = GW_RELOAD,
	  .max = DEVICES_MAX,
	  .offset = offsetof(struct gw_source_keys, devices),
	  .table = &gw_device_table,
	  .example = "pump-1",
	  .help = "Devices by name; a name is used once in the whole gateway." },
};

const struct gw_table gw_source_table =
	GW_TABLE("source", struct gw_source_keys, source_keys, "One process that reads devices.");

static const struct gw_key sink_keys[] = {
	{ .name = "plugin",
	  .type = GW_T_NAME,
	  .flags = GW_REQUIRED | GW_RELOAD,
	  .example = "mqtt",
	  .offset = offsetof(struct gw_sink_keys, plugin),
	  .help = "Program that delivers the readings." },
};

const struct gw_table gw_sink_table = GW_TABLE("sink", struct gw_sink_keys, sink_keys,
					       "One far end that readings are delivered to.");
