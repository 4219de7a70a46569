/*
 * water.c - a pump station with a well, and a soil and weather station.
 *
 * Pump station, holding registers: 0 level (0.001 m), 1 inflow, 2 outflow
 * (0.1 m3/h), 3 pressure (0.01 bar), 4 5 power of pumps 1 and 2 (0.1 kW), 6-7
 * volume (u32, m3), 8-9 hours of pump 1 (u32, 0.1 h), 10 set point of the level
 * (0.01 m), 11 mode (0 off, 1 manual, 2 auto), 12 alarm bits (0 high, 1 low, 3 dry;
 * bits 4-7 starts in the last hour), 13 frequency (0.1 Hz).  Coils 0 1: pumps in
 * manual mode.  Discrete inputs: 0 1 pumps run, 2 float high, 3 float low, 4 door.
 *
 * Soil and weather station, input registers: 0-2 soil moisture at 10, 30, 60 cm
 * (0.1 %), 3-5 soil temperature (i16, 0.1 Cel), 6-8 conductivity (uS/cm), 9 air
 * temperature (i16, 0.1 Cel), 10 humidity (0.1 %), 11 pressure (0.1 hPa), 12 wind
 * (0.1 m/s), 13 wind direction (degrees), 14 rain of today (0.1 mm), 15-16 light
 * (u32, lx), 17 battery (0.01 V), 18 radiation (W/m2), 19 leaf wetness (%, 0x7FFF: no sensor).
 */
#include <math.h>

#include "curve.h"
#include "device.h"

enum mode { OFF, MANUAL, AUTO };

/* m3/h that flow in. */
static const struct curve inflow = { 60, { { 7, 1.2, 70 }, { 12, 1.5, 40 }, { 19, 1.6, 80 } } };

/* The level swings about the set point in turns of 20 minutes: it rises for 12, then pumps
 * empty the well for 8.  Returns -1 to 1 and whether pumps are on. */
static double swing(double t, bool *pumping)
{
	double at = fmod(t, 1200);

	*pumping = at >= 720;
	return *pumping ? 1 - (at - 720) / 240 : at / 360 - 1;
}

static void pumps_run(struct device *d, bool pumping, double t)
{
	uint16_t *held = d->words[HOLDING], *coils = d->words[COIL], *in = d->words[DISCRETE];
	bool second = curve_at(&inflow, t) > 110;

	in[0] = held[11] == AUTO ? pumping : held[11] == MANUAL && coils[0];
	in[1] = held[11] == AUTO ? pumping && second : held[11] == MANUAL && coils[1];
}

static void first_settings(uint16_t *held)
{
	if (held[10])
		return;
	held[10] = 240;
	held[11] = AUTO;
}

static uint16_t alarms(double level, bool running)
{
	return (uint16_t)((level > 3.2) | (level < 1.2) << 1 | (running && level < 0.8) << 3 | 3 << 4);
}

static void pump_station(struct device *d, double t)
{
	uint16_t *held = d->words[HOLDING], *in = d->words[DISCRETE];
	bool pumping;
	double s = swing(t, &pumping), level, out;

	first_settings(held);
	pumps_run(d, pumping, t);
	level = held[10] * 0.01 + 0.55 * s + 0.01 * noise(60, 2, t);
	out = (in[0] + 0.8 * in[1]) * (165 + 4 * noise(61, 5, t));
	held[0] = scaled(level, 0.001);
	held[1] = scaled(curve_at(&inflow, t) * (1 + 0.05 * noise(62, 30, t)), 0.1);
	held[2] = scaled(out, 0.1);
	held[3] = scaled(0.4 + out / 120, 0.01);
	held[4] = scaled(in[0] ? 14.5 + 0.4 * noise(63, 4, t) : 0, 0.1);
	held[5] = scaled(in[1] ? 11.2 + 0.4 * noise(64, 4, t) : 0, 0.1);
	put_u32(held + 6, 402100 + curve_sum(&inflow, t));
	put_u32(held + 8, 81240 + t / 3600 * 4);
	held[12] = alarms(level, in[0] || in[1]);
	held[13] = scaled(in[0] ? 46 + 2 * noise(65, 12, t) : 0, 0.1);
	in[2] = level > 3.2;
	in[3] = level < 1.2;
	in[4] = noise(66, 1800, t) > 0.9;
}

const struct model pump_model = {
	.kind = "pump",
	.size = { [COIL] = 8, [DISCRETE] = 16, [HOLDING] = 16 },
	.writable = { { 0, 2 }, { 10, 2 } },
	.refresh = pump_station,
};

static double air_cel(double t)
{
	static const struct curve day = { 24, { { 14, 3.5, 9.5 } } };

	return curve_at(&day, t) + 0.6 * noise(80, 300, t);
}

static void soil(uint16_t *in, double t)
{
	static const double wet[3] = { 31, 36, 41 }, swing_cel[3] = { 4, 1.6, 0.5 };

	for (unsigned i = 0; i < 3; i++) {
		double lag = t - 7200 * (i + 1.0);

		in[i] = scaled(wet[i] - 4 * daylight_at(lag) / (i + 1) + 0.3 * noise(81 + i, 900, t), 0.1);
		in[3 + i] = scaled_signed(27.5 + swing_cel[i] * (air_cel(lag > 0 ? lag : t) - 27) / 6, 0.1);
		in[6 + i] = scaled(620 + 110 * i + 25 * noise(85 + i, 3600, t), 1);
	}
}

static void field(struct device *d, double t)
{
	static const struct curve shower = { 0, { { 15.5, 0.4, 9 } } };
	uint16_t *in = d->words[INPUT];
	double sun = sunshine(t), air = air_cel(t);

	soil(in, t);
	in[9] = scaled_signed(air, 0.1);
	in[10] = scaled(fmin(150 - 2.6 * air + 3 * noise(90, 600, t), 100), 0.1);
	in[11] = scaled(1009 + 2.5 * cos((hour_of(t) - 10) / 6 * acos(-1)) + 1.5 * noise(91, 14400, t), 0.1);
	in[12] = scaled(fabs(1.8 + 1.6 * daylight_at(t) + 1.7 * noise(92, 8, t)), 0.1);
	in[13] = scaled(fmod(140 + 45 * noise(93, 60, t) + 360, 360), 1);
	in[14] = scaled(curve_sum(&shower, fmod(t, DAY_S)), 0.1);
	put_u32(in + 15, sun * 98000);
	in[17] = scaled(12.4 + 1.6 * (sun > 0.1) * fmin(sun * 2, 1), 0.01);
	in[18] = scaled(sun * 1020, 1);
	in[19] = 0x7fff;
}

const struct model field_model = {
	.kind = "field",
	.size = { [INPUT] = 32 },
	.refresh = field,
};
