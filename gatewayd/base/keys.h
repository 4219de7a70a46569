/*
 * keys.h - the configuration keys that every source, device, point and sink
 * has, whatever its plugin.  The core stores them; the plugin runtime reads the
 * intervals from them.
 */
#ifndef GW_BASE_KEYS_H
#define GW_BASE_KEYS_H

#include "gatewayd/config.h"

struct gw_point_keys {
	struct gw_item item;
	const char *title;
	int64_t interval_ms; /* 0: the device's */
	struct gw_decimal scale, offset;
	const char *unit, *quantity;
	struct gw_decimal deadband, min, max; /* in `unit`; given when the node has them */
	int64_t max_silence_ms;
	const struct gw_node *labels; /* `enum`: map of raw value to label */
	bool writable;
	/* the core's: how a point with a quantity is published (core/quantities.h); NULL: as configured */
	const struct gw_published *published;
};

struct gw_device_keys {
	struct gw_item item;
	const char *title, *domain, *profile;
	int64_t interval_ms; /* 0: the source's */
	struct gw_list points; /* struct gw_point_keys */
};

struct gw_source_keys {
	struct gw_item item;
	const char *plugin;
	int64_t interval_ms;
	struct gw_list devices; /* struct gw_device_keys */
};

struct gw_sink_keys {
	struct gw_item item;
	const char *plugin;
};

extern const struct gw_table gw_source_table, gw_device_table, gw_point_table, gw_sink_table;

#endif
