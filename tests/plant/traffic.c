/*
 * traffic.c - a vehicle counter at a signalled crossing with four lanes.
 *
 * Input registers: 0-7 vehicles of lanes 1 to 4 (u32), 8-11 average speed
 * (0.1 km/h), 12-15 occupancy (0.1 %), 16-23 motorbikes, cars, buses, trucks
 * (u32), 24 phase (0 red, 1 amber, 2 green, 3 flashing), 25 seconds to the next
 * phase, 26 queue (m).  Discrete inputs: 0-2 red, amber, green northbound, 3-5
 * eastbound, 6 pedestrian call, 7 cabinet door.  Coil 0: flashing mode.
 * Holding registers: 0 plan, 1 cycle (s).
 */
#include <math.h>

#include "curve.h"
#include "device.h"

enum { LANES = 4, CLASSES = 4 };
enum phase { RED, AMBER, GREEN, FLASHING };

/* Vehicles an hour of lane 1; the others carry a share of it. */
static const struct curve flow = { 90, { { 7.4, 0.9, 1500 }, { 12, 2.5, 500 }, { 17.6, 1.1, 1700 } } };
static const double lane_share[LANES] = { 1, 0.86, 0.62, 0.55 };
static const double class_share[CLASSES] = { 0.74, 0.19, 0.02, 0.05 };

static void lanes(uint16_t *in, double t)
{
	for (unsigned i = 0; i < LANES; i++) {
		double load = curve_at(&flow, t) * lane_share[i] / 1800;
		double stop = 1 + 0.12 * noise(10 + i, 45, t);

		put_u32(in + 2 * i, 1000 + curve_sum(&flow, t) * lane_share[i]);
		in[8 + i] = scaled((52 - 34 * load * load) * stop, 0.1);
		in[12 + i] = scaled((2 + 46 * load) * stop, 0.1);
	}
}

static void classes(uint16_t *in, double t)
{
	double all = 0;

	for (unsigned i = 0; i < LANES; i++)
		all += 1000 + curve_sum(&flow, t) * lane_share[i];
	for (unsigned i = 0; i < CLASSES; i++)
		put_u32(in + 16 + 2 * i, all * class_share[i]);
}

/* Phase of an approach whose green begins at `from` of a cycle. */
static enum phase phase_at(double cycle_s, double from, double t, double *left_s)
{
	double at = fmod(t - from + cycle_s, cycle_s), green = cycle_s / 2 - 7;

	if (at < green) {
		*left_s = green - at;
		return GREEN;
	}
	*left_s = (at < green + 3 ? green + 3 : cycle_s) - at;
	return at < green + 3 ? AMBER : RED;
}

static void lamps(uint16_t *bits, enum phase p, double t)
{
	bits[0] = p == RED;
	bits[1] = p == AMBER || (p == FLASHING && fmod(t, 1) < 0.5);
	bits[2] = p == GREEN;
}

static void crossing(struct device *d, double t)
{
	static const uint16_t cycles[] = { 90, 70, 90, 110 };
	uint16_t *in = d->words[INPUT], *plan = d->words[HOLDING];
	double left = 0, ignored;
	enum phase north, east;

	plan[1] = cycles[plan[0] & 3];
	north = phase_at(plan[1], 0, t, &left);
	east = phase_at(plan[1], plan[1] / 2.0, t, &ignored);
	if (d->words[COIL][0]) {
		north = east = FLASHING;
		left = 0;
	}
	lanes(in, t);
	classes(in, t);
	in[24] = (uint16_t)north;
	in[25] = scaled(left, 1);
	in[26] = scaled(north == RED ? curve_at(&flow, t) / 3600 * (plan[1] - left) * 3 : 0, 1);
	lamps(d->words[DISCRETE], north, t);
	lamps(d->words[DISCRETE] + 3, east, t);
	d->words[DISCRETE][6] = noise(20, 30, t) > 0.4;
	d->words[DISCRETE][7] = noise(21, 1800, t) > 0.9;
}

const struct model crossing_model = {
	.kind = "crossing",
	.size = { [COIL] = 8, [DISCRETE] = 16, [INPUT] = 32, [HOLDING] = 8 },
	.writable = { { 0, 1 }, { 0, 1 } },
	.refresh = crossing,
};
