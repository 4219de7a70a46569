/* one_device.h - a fleet of one device with one point: topics r/gw/m/..., number 3. */
#ifndef MQTT_TEST_ONE_DEVICE_H
#define MQTT_TEST_ONE_DEVICE_H

#include "maker.h"
#include "plugins/mqtt/fleet.h"
#include "plugins/mqtt/publish.h"

struct one_device {
	struct gw_arena *arena;
	struct mqtt_fleet *fleet;
	struct mqtt_keys keys;
	struct gw_layout *layout;
};

static inline void one_device_make(struct one_device *d)
{
	static const char *const one_point[] = { "v", NULL };
	const struct gw_gateway_info g = { .id = "gw", .boot = "b" };
	struct gw_err err;

	d->arena = gw_arena_new();
	d->keys = (struct mqtt_keys){ .root = "r", .topic = "{root}/{gateway}/{device}" };
	assert_int_equal(mqtt_fleet_new(&d->fleet, d->arena, &d->keys, &g, &err), 0);
	d->layout = maker_layout(d->arena, 3, "m", one_point);
	mqtt_fleet_layout(d->fleet, d->layout);
}

static inline void one_device_free(struct one_device *d)
{
	mqtt_fleet_free(d->fleet);
	gw_arena_free(d->arena);
}

/* One call of the core with up to 100 readings of it. */
static inline void one_device_give(const struct one_device *d, struct mqtt_publisher *p, bool live,
				   const struct gw_reading *const *readings, size_t count)
{
	const struct gw_layout *layouts[100];
	const struct mqtt_device_topics *topics[100];

	for (size_t i = 0; i < count; i++) {
		layouts[i] = d->layout;
		topics[i] = &mqtt_layout(d->layout)->topics;
	}
	mqtt_publisher_readings(p, &(struct mqtt_batch){ live, layouts, topics, readings, count, NULL, NULL });
}

#endif
