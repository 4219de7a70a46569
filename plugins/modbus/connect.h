/*
 * connect.h - from the keys of a device to the line it is on: which connection,
 * how that is set, who shares it, and whether its time suffices.  Reports what is
 * wrong at the key it lies in; touches nothing outside.
 */
#ifndef MODBUS_CONNECT_H
#define MODBUS_CONNECT_H

#include "gatewayd/plugin.h"
#include "plugins/modbus/budget.h"
#include "plugins/modbus/keys.h"
#include "plugins/modbus/line.h"

/* One for all devices with the same connection. */
struct mb_connection {
	struct mb_url url;
	bool timed; /* its baud rate is known, so its time can be counted */
	const char *first; /* name of the device that named it first */
	const struct gw_node *node; /* where that one says so */
	int64_t timeout_us, delay_us; /* the longest of its devices */
	struct mb_line *line;
};

struct mb_connections {
	struct mb_connection *items; /* room for one for each device */
	size_t count;
};

/* Keys of the source that are no device's to check. */
void mb_connect_source(const struct gw_source_config *c, struct gw_problems *to);

/* The connection of a device; NULL when it was reported that it has none. */
struct mb_connection *mb_connect_device(struct mb_connections *all, const struct gw_source_config *c,
					const struct gw_device_config *device, struct gw_problems *to);

/* Can the longest answer be there before the device's timeout? */
void mb_connect_timeout(const struct mb_connection *line, const struct gw_device_config *device,
			const struct mb_demand *demand, struct gw_problems *to);

/* Is there time for these demands on the line?  Too little is a problem, little a warning. */
void mb_connect_budget(const struct mb_connection *line, const struct mb_demand *demands, unsigned n,
		       struct gw_problems *to);

#endif
