/*
 * derive.h - points of a device whose value is more than what lies in their registers: counters that
 * become totals (counter.h), and values that are joined with another point: a power of ten (SunSpec's
 * scale factors) or a number of decimals.  A joined value waits until the cycle ends, as the other may
 * come later.
 *
 * Totals are remembered by way of the plugin's state: read back with mb_derive_remember(), put
 * when they have changed with mb_derive_save(), which the owner calls once a minute and at its end.
 */
#ifndef MODBUS_DERIVE_H
#define MODBUS_DERIVE_H

#include "gatewayd/config.h"
#include "gatewayd/reading.h"
#include "plugins/modbus/counter.h"

enum { MB_NO_POINT = 0xffff };

struct mb_derive;

/* What the other point is to a value. */
enum mb_joined {
	MB_ALONE,
	MB_POWER,    /* the power of ten to multiply with: -10 to 10 */
	MB_DECIMALS, /* the number of decimals: 0 to 10 */
};

/* Of one device with so many points; belongs to the arena. */
struct mb_derive *mb_derive_new(struct gw_arena *arena, const char *device, unsigned npoints);
void mb_derive_counter(struct mb_derive *x, unsigned point, const char *name, unsigned bits);
void mb_derive_join(struct mb_derive *x, unsigned point, unsigned other, enum mb_joined how);
unsigned mb_derive_other(const struct mb_derive *x, unsigned point); /* MB_NO_POINT: none */

void mb_derive_begin(struct mb_derive *x); /* of a cycle */
/* A decoded value, or GW_NONE with its reason; a counter's becomes its total.  True: the value waits for
 * mb_derive_end() and is not to be put now. */
bool mb_derive_take(struct mb_derive *x, unsigned point, struct gw_value *v);
typedef void mb_derived_fn(void *arg, unsigned point, const struct gw_value *v);
void mb_derive_end(struct mb_derive *x, mb_derived_fn *put, void *arg); /* of a cycle: those that waited */

/* value * 10^factor, or value / 10^decimals, as the nearest double.  When the other has no value, or is
 * out of its range (SunSpec's 0x8000 is "none"), GW_NONE. */
struct gw_value mb_join(enum mb_joined how, const struct gw_value *v, const struct gw_value *other);
/* The same for a point of the device; not MB_ALONE. */
struct gw_value mb_derive_joined(const struct mb_derive *x, unsigned point, const struct gw_value *v,
				 const struct gw_value *other);

/* True: the key was of one of this device's totals. */
bool mb_derive_remember(struct mb_derive *x, const char *key, const void *value, size_t size);
typedef void mb_remember_fn(void *arg, const char *key, const void *value, size_t size);
void mb_derive_save(struct mb_derive *x, mb_remember_fn *put, void *arg);

#endif
