/*
 * normalise.h - raw values to published values: a pure function over a table
 * built at start.  No clock, no I/O, no allocation after gw_normaliser_new().
 *
 * For each point in this order: the source's reason stands; enumeration (a raw value
 * without a label is not_in_enum, no value); scale and offset (exact decimals, the
 * result correctly rounded: 2301 x 0.1 is the double nearest to 230.1; float32
 * points round to float32; integer raw values with whole scale and offset stay exact
 * integers, beyond 64 bits `overflow`; a float result that is not finite is
 * `overflow`); min and max (out_of_range, value kept); deadband with maximum silence.
 */
#ifndef GW_CORE_NORMALISE_H
#define GW_CORE_NORMALISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/config.h"
#include "gatewayd/plugin.h"
#include "gatewayd/reading.h"

struct gw_label {
	int64_t raw;
	const char *text;
};

struct gw_point_spec { /* copied by gw_normaliser_new() */
	const char *name;
	enum gw_kind kind; /* of the raw value */
	unsigned bits;
	struct gw_decimal scale, offset; /* scale 1, offset 0: nothing to do */
	bool has_min, has_max, has_deadband;
	struct gw_decimal min, max, deadband;
	uint64_t divisor; /* all five decimals are meant over it (core/convert.h); 0 is 1 */
	int64_t max_silence_ms; /* with a deadband */
	const struct gw_label *labels; /* sorted by raw; NULL: not an enumeration */
	unsigned nlabels;
};

struct gw_normaliser;

struct gw_normaliser *gw_normaliser_new(const struct gw_point_spec *points, unsigned n);
void gw_normaliser_free(struct gw_normaliser *n); /* NULL is allowed */

/* What is published for the point: bool, integer, number or text, and the kind of its slot. */
enum gw_point_type gw_normaliser_type(const struct gw_normaliser *n, unsigned point);

enum gw_verdict {
	GW_SAY,     /* publish the reading */
	GW_NOTHING, /* nothing to say: deadband, or still offline for the same reason */
	GW_LIES,    /* kinds disagree with what was declared: the plugin broke its word */
};

/*
 * One reading, already checked by gw_reading_check() against the number of points.
 * Rewritten in place: values, kinds, and the points that have nothing to say taken
 * out (size and count shrink).  `full`: deadbands are ignored (first after a start, a
 * reload, a reconnect).  mono_ms of the reading is the time.
 *
 * Silence (contract, Offline): when every point's reason says that the device answered
 * nothing, the first such reading is published with flag GW_READING_OFFLINE, the next
 * ones only when the reason (of the first point) changes.
 */
enum gw_verdict gw_normalise(struct gw_normaliser *n, struct gw_reading *r, bool full);

/* Of the device, as of the last reading: GW_STATE_UNKNOWN before the first. */
enum gw_device_state gw_normaliser_state(const struct gw_normaliser *n, unsigned *reason);
/* The plugin went away: state unknown, every point's latest reason is GW_PLUGIN, and the next reading is full. */
void gw_normaliser_lost(struct gw_normaliser *n);

/* Latest of a point, also what the deadband held back: value as normalised (text: a copy
 * kept inside), mono_ms of it; false: never seen. */
bool gw_normaliser_latest(const struct gw_normaliser *n, unsigned point, struct gw_value *v, int64_t *mono_ms);
/* One raw value through the same rules, without deadband and without touching any state
 * (gatewayctl read).  `v` in: raw; out: normalised. */
void gw_normalise_one(const struct gw_normaliser *n, unsigned point, struct gw_value *v);
const char *gw_normaliser_label(const struct gw_normaliser *n, unsigned point, unsigned label);

#endif
