/*
 * json.h - a reading as JSON, version 1 of the contract: the hot path.
 *
 * A layout is prepared once: each point's `"name":` and the labels of an
 * enumeration are kept as finished text in layout->own and point->own.  Writing
 * 100 values then takes a few microseconds, without allocation or checks, since
 * mqtt_json_bound() has said how much room it can need.
 */
#ifndef MQTT_JSON_H
#define MQTT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/plugin.h"

struct mqtt_span {
	const char *s;
	uint32_t n;
};

struct mqtt_json_point {
	struct mqtt_span key;	  /* "voltage_l1": */
	struct mqtt_span *labels; /* quoted and escaped, as many as the point has */
};

/* First member of what layout->own points to. */
struct mqtt_json_layout {
	size_t bound; /* bytes of a reading with every point in it, less its texts */
};

/* Fills *own and each point's own; memory from the arena. */
void mqtt_json_prepare(struct gw_arena *a, struct gw_layout *l, struct mqtt_json_layout *own);

/* The most bytes that mqtt_json_reading() writes. */
size_t mqtt_json_bound(const struct gw_layout *l, const struct gw_reading *r);

/*
 * {"seq":1,"ts":2,"values":{...},"quality":{...}} into out; returns the size.
 * replay adds "replay":true.  boot (NULL: left out) goes beside "clock":"unsynced", with the
 * time since that boot.
 * request (NULL: left out, at most MQTT_REQUEST_BYTES) is added as "request".
 */
enum { MQTT_REQUEST_BYTES = 60 };
struct mqtt_json_extra {
	bool replay;
	const char *boot, *request;
};
size_t mqtt_json_reading(char *out, const struct gw_layout *l, const struct gw_reading *r,
			 const struct mqtt_json_extra *x);

#endif
