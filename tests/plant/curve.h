/*
 * curve.h - what the demo plant's values are made of: daily curves and smooth
 * noise, all pure functions of the time of day.
 */
#ifndef PLANT_CURVE_H
#define PLANT_CURVE_H

#include <stddef.h>
#include <stdint.h>

enum { DAY_S = 86400 };

/* A day as a base and humps: base + sum of height * exp(-((h - hour) / width)^2 / 2). */
struct hump {
	double hour, width, height;
};
struct curve {
	double base;
	struct hump humps[3];
};
double curve_at(const struct curve *c, double day_s);
/* Its integral over time from day 0, in units of the curve times hours: grows for ever. */
double curve_sum(const struct curve *c, double day_s);

/* Smooth noise between -1 and 1 that changes in about `period_s`; `seed` tells series apart. */
double noise(unsigned seed, double period_s, double day_s);

double hour_of(double day_s);               /* 0 to 24 */
double daylight_at(double day_s);           /* 0 at night to 1 at noon, clouds not counted */
double sunshine(double day_s);              /* daylight with clouds */

void put_u32(uint16_t *words, double v);    /* high word first; wraps as counters do */
void put_u64(uint16_t *words, double v);
void put_f32(uint16_t *words, double v);
void put_text(uint16_t *words, size_t registers, const char *text); /* padded with NUL */
uint16_t scaled(double v, double step);     /* v / step, rounded, within u16 */
uint16_t scaled_signed(double v, double step);

#endif
