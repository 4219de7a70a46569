/*
 * device.h - one Modbus device in a source: what its keys say, the plans for its
 * points, the cycle in flight, what was learned of it and what it counts.
 *
 * Belongs to the plugin's arena.  Nothing here decides about time: the runtime says
 * when a cycle is due, the line when a request ends.
 */
#ifndef MODBUS_DEVICE_H
#define MODBUS_DEVICE_H

#include "gatewayd/plugin.h"
#include "plugins/modbus/connect.h"

struct mb_device;

/* What the devices of a source share; it outlives them. */
struct mb_host {
	struct gw_plugin *plugin;
	struct mb_connections *connections;
	bool stopping; /* the plugin ends: answers go nowhere, no new request */
};

/*
 * Reads and checks the keys of device `number` and of its points; every problem is
 * reported to the plugin at the key it lies in.  Joins the connection it shares.
 */
struct mb_device *mb_device_new(const struct mb_host *host, unsigned number,
				const struct gw_source_config *source, const struct gw_device_config *c);
void mb_device_free(struct mb_device *d); /* what the arena does not */

const struct mb_connection *mb_device_connection(const struct mb_device *d); /* NULL: was reported */
struct mb_demand mb_device_demand(const struct mb_device *d); /* borrows from the device */

/* The rest needs an open line.  A cycle ends with gw_cycle_close(). */
void mb_device_cycle(struct mb_device *d, struct gw_cycle *c);
void mb_device_ask(struct mb_device *d, unsigned point, struct gw_question *q);
void mb_device_write(struct mb_device *d, unsigned point, const struct gw_value *v, struct gw_write *w);

/* Something kept for the source by the core.  True: it was this device's alone. */
bool mb_device_recall(struct mb_device *d, const char *key, const void *value, size_t size);
void mb_device_save(struct mb_device *d); /* put the totals of its counters */

#endif
