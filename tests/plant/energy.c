/*
 * energy.c - a three-phase energy meter and a solar inverter.
 *
 * Meter, input registers, f32: 0 2 4 voltages L1 to L3 (V), 6 8 10 currents (A),
 * 12 14 16 active powers (W), 18 total active power (W), 20 reactive power (var),
 * 22 power factor, 24 frequency (Hz).  Holding registers: 0-1 energy taken
 * (u32, 0.01 kWh), 2-5 energy given (u64, Wh), 6 current transformer ratio.
 *
 * Inverter, holding registers: 0-7 model, 8-15 serial number (text), 16 state
 * (0 night, 1 starting, 2 running, 3 derating, 4 fault), 17 temperature (i16,
 * 0.1 Cel), 18 DC voltage (0.1 V), 19 DC current (0.01 A), 20 AC power (times ten
 * to the power of register 21, W), 22 frequency (0.01 Hz), 23 yield of today
 * (0.1 kWh), 24-25 total yield (u32, 0.1 kWh), 26 alarm bits (0 insulation, 1 fan,
 * 2 grid), 27 reactive power (i16, 10 var), 28 limit (%), writable.
 */
#include <math.h>

#include "curve.h"
#include "device.h"

/* Active power of a market hall, W. */
static const struct curve hall = { 9000, { { 8, 1.6, 21000 }, { 14, 2.4, 16000 }, { 19, 1.5, 25000 } } };
static const double phase_share[3] = { 0.36, 0.33, 0.31 };

static double grid_hz(double t)
{
	return 50 + 0.03 * noise(40, 20, t) + 0.015 * noise(41, 3, t);
}

static double grid_v(unsigned phase, double t)
{
	return 230 - 5 * curve_at(&hall, t) / 34000 + 1.6 * noise(30 + phase, 15, t);
}

static void meter(struct device *d, double t)
{
	uint16_t *in = d->words[INPUT], *held = d->words[HOLDING];
	double pf = 0.93 + 0.03 * noise(36, 90, t), total = 0;

	for (unsigned i = 0; i < 3; i++) {
		double w = curve_at(&hall, t) * phase_share[i] * (1 + 0.08 * noise(33 + i, 8, t));

		put_f32(in + 2 * i, grid_v(i, t));
		put_f32(in + 6 + 2 * i, w / pf / grid_v(i, t));
		put_f32(in + 12 + 2 * i, w);
		total += w;
	}
	put_f32(in + 18, total);
	put_f32(in + 20, total * tan(acos(pf)));
	put_f32(in + 22, pf);
	put_f32(in + 24, grid_hz(t));
	put_u32(held, 4820000 + curve_sum(&hall, t) / 10);
	put_u64(held + 2, 1250000 + curve_sum(&hall, t) * 0.02);
	held[6] = 40;
}

const struct model meter_model = {
	.kind = "meter",
	.size = { [INPUT] = 32, [HOLDING] = 8 },
	.refresh = meter,
};

enum inverter_state { NIGHT, STARTING, RUNNING, DERATING };

/* About what `sunshine` gives over a day of 50 kW. */
static const struct curve harvest = { 0, { { 11.9, 2.75, 36000 } } };

static enum inverter_state inverter_state(double sun, double limit)
{
	if (sun <= 0)
		return NIGHT;
	if (sun < 0.02)
		return STARTING;
	return sun * 100 > limit ? DERATING : RUNNING;
}

static void inverter(struct device *d, double t)
{
	uint16_t *r = d->words[HOLDING];
	double sun = sunshine(t), limit, watts;

	if (r[28] == 0)
		r[28] = 100;
	limit = r[28];
	watts = 50000 * fmin(sun, limit / 100) * (sun < 0.02 ? 0 : 1);
	put_text(r, 8, "SG-50K-VN");
	put_text(r + 8, 8, "A2305118842");
	r[16] = (uint16_t)inverter_state(sun, limit);
	r[17] = scaled_signed(27 + 30 * watts / 50000 + 3 * noise(50, 600, t), 0.1);
	r[18] = scaled(sun > 0 ? 610 + 60 * sun + 4 * noise(51, 20, t) : 0, 0.1);
	r[19] = scaled(r[18] ? watts * 1.02 / (r[18] * 0.1) : 0, 0.01);
	r[20] = scaled(watts, 10);
	r[21] = 1;
	r[22] = scaled(grid_hz(t), 0.01);
	r[23] = scaled((curve_sum(&harvest, t) - curve_sum(&harvest, floor(t / DAY_S) * DAY_S)) / 1000, 0.1);
	put_u32(r + 24, 913340 + curve_sum(&harvest, t) / 100);
	r[26] = (uint16_t)((noise(52, 900, t) > 0.85) << 1);
	r[27] = scaled_signed(-0.05 * watts + 300 * noise(53, 30, t), 10);
}

const struct model inverter_model = {
	.kind = "inverter",
	.size = { [HOLDING] = 32 },
	.writable = { { 0, 0 }, { 28, 1 } },
	.refresh = inverter,
};
