/*
 * convert.c - see convert.h.
 *
 * A unit is mantissa * 10^exponent / divisor of its dimension's base unit; those with
 * another zero have it in hundredths over the same divisor.  Values are UCUM's: a mean
 * Julian month and year, the international inch, the calorie of 4.184 J.
 */
#include "core/convert.h"

#include <stddef.h>
#include <string.h>

__extension__ typedef __int128 i128;

enum { PLACES_MAX = 18 };

enum dimension {
	RATIO,
	VOLTAGE,
	CURRENT,
	POWER,
	APPARENT,
	REACTIVE,
	ENERGY,
	APPARENT_ENERGY,
	REACTIVE_ENERGY,
	CHARGE,
	RESISTANCE,
	CONDUCTANCE,
	CAPACITANCE,
	INDUCTANCE,
	FLUX_DENSITY,
	CONDUCTIVITY,
	FREQUENCY,
	RATE,
	VEHICLES,
	TIME,
	TEMPERATURE,
	LENGTH,
	AREA,
	VOLUME,
	FLOW,
	SPEED,
	ACCELERATION,
	MASS,
	MASS_FLOW,
	DENSITY,
	MASS_RATIO,
	AMOUNT,
	PRESSURE,
	FORCE,
	TORQUE,
	VISCOSITY,
	LIGHT,
	IRRADIANCE,
	IRRADIATION,
	PHOTONS,
	ANGLE,
	ROTATION,
	DATA,
	DATA_RATE,
};

struct measure {
	const char *code;
	enum dimension dimension;
	int64_t mantissa;
	int exponent;
	int64_t divisor, zero;
};

#define UNIT(code, dimension, mantissa, exponent)                                                  \
	{                                                                                          \
		code, dimension, mantissa, exponent, 1, 0                                          \
	}
#define OVER(code, dimension, mantissa, exponent, divisor)                                         \
	{                                                                                          \
		code, dimension, mantissa, exponent, divisor, 0                                    \
	}
static const struct measure measures[] = {
	UNIT("1", RATIO, 1, 0),
	UNIT("%", RATIO, 1, -2),
	UNIT("%{RH}", RATIO, 1, -2),
	UNIT("[ppth]", RATIO, 1, -3),
	UNIT("[ppm]", RATIO, 1, -6),
	UNIT("[ppb]", RATIO, 1, -9),
	UNIT("V", VOLTAGE, 1, 0),
	UNIT("mV", VOLTAGE, 1, -3),
	UNIT("uV", VOLTAGE, 1, -6),
	UNIT("kV", VOLTAGE, 1, 3),
	UNIT("A", CURRENT, 1, 0),
	UNIT("mA", CURRENT, 1, -3),
	UNIT("uA", CURRENT, 1, -6),
	UNIT("kA", CURRENT, 1, 3),
	UNIT("W", POWER, 1, 0),
	UNIT("mW", POWER, 1, -3),
	UNIT("kW", POWER, 1, 3),
	UNIT("MW", POWER, 1, 6),
	UNIT("GW", POWER, 1, 9),
	UNIT("[HP]", POWER, 74569987158227022, -14),
	OVER("[Btu_IT]/h", POWER, 105505585262, -8, 3600),
	UNIT("V.A", APPARENT, 1, 0),
	UNIT("kV.A", APPARENT, 1, 3),
	UNIT("MV.A", APPARENT, 1, 6),
	UNIT("V.A{reactive}", REACTIVE, 1, 0),
	UNIT("kV.A{reactive}", REACTIVE, 1, 3),
	UNIT("MV.A{reactive}", REACTIVE, 1, 6),
	UNIT("J", ENERGY, 1, 0),
	UNIT("kJ", ENERGY, 1, 3),
	UNIT("MJ", ENERGY, 1, 6),
	UNIT("GJ", ENERGY, 1, 9),
	UNIT("W.h", ENERGY, 36, 2),
	UNIT("kW.h", ENERGY, 36, 5),
	UNIT("MW.h", ENERGY, 36, 8),
	UNIT("GW.h", ENERGY, 36, 11),
	UNIT("kcal", ENERGY, 4184, 0),
	UNIT("[Btu_IT]", ENERGY, 105505585262, -8),
	UNIT("V.A.h", APPARENT_ENERGY, 1, 0),
	UNIT("kV.A.h", APPARENT_ENERGY, 1, 3),
	UNIT("MV.A.h", APPARENT_ENERGY, 1, 6),
	UNIT("V.A.h{reactive}", REACTIVE_ENERGY, 1, 0),
	UNIT("kV.A.h{reactive}", REACTIVE_ENERGY, 1, 3),
	UNIT("MV.A.h{reactive}", REACTIVE_ENERGY, 1, 6),
	UNIT("C", CHARGE, 1, 0),
	UNIT("A.h", CHARGE, 36, 2),
	UNIT("mA.h", CHARGE, 36, -1),
	UNIT("kA.h", CHARGE, 36, 5),
	UNIT("Ohm", RESISTANCE, 1, 0),
	UNIT("mOhm", RESISTANCE, 1, -3),
	UNIT("kOhm", RESISTANCE, 1, 3),
	UNIT("MOhm", RESISTANCE, 1, 6),
	UNIT("S", CONDUCTANCE, 1, 0),
	UNIT("mS", CONDUCTANCE, 1, -3),
	UNIT("uS", CONDUCTANCE, 1, -6),
	UNIT("F", CAPACITANCE, 1, 0),
	UNIT("uF", CAPACITANCE, 1, -6),
	UNIT("nF", CAPACITANCE, 1, -9),
	UNIT("H", INDUCTANCE, 1, 0),
	UNIT("mH", INDUCTANCE, 1, -3),
	UNIT("T", FLUX_DENSITY, 1, 0),
	UNIT("mT", FLUX_DENSITY, 1, -3),
	UNIT("uT", FLUX_DENSITY, 1, -6),
	UNIT("S/m", CONDUCTIVITY, 1, 0),
	UNIT("mS/m", CONDUCTIVITY, 1, -3),
	UNIT("mS/cm", CONDUCTIVITY, 1, -1),
	UNIT("uS/cm", CONDUCTIVITY, 1, -4),
	UNIT("dS/m", CONDUCTIVITY, 1, -1),
	UNIT("Hz", FREQUENCY, 1, 0),
	UNIT("mHz", FREQUENCY, 1, -3),
	UNIT("kHz", FREQUENCY, 1, 3),
	UNIT("MHz", FREQUENCY, 1, 6),
	UNIT("GHz", FREQUENCY, 1, 9),
	/* not Hz: 50 Hz of a motor are not 3,000 turns a minute */
	UNIT("/s", RATE, 1, 0),
	OVER("/min", RATE, 1, 0, 60),
	OVER("1/min", RATE, 1, 0, 60),
	OVER("{rotations}/min", RATE, 1, 0, 60),
	OVER("/h", RATE, 1, 0, 3600),
	OVER("/d", RATE, 1, 0, 86400),
	UNIT("{vehicles}/min", VEHICLES, 60, 0),
	UNIT("{vehicles}/h", VEHICLES, 1, 0),
	OVER("{vehicles}/d", VEHICLES, 1, 0, 24),
	UNIT("s", TIME, 1, 0),
	UNIT("ms", TIME, 1, -3),
	UNIT("us", TIME, 1, -6),
	UNIT("ns", TIME, 1, -9),
	UNIT("min", TIME, 60, 0),
	UNIT("h", TIME, 3600, 0),
	UNIT("d", TIME, 86400, 0),
	UNIT("wk", TIME, 604800, 0),
	UNIT("mo", TIME, 2629800, 0),
	UNIT("a", TIME, 31557600, 0),
	UNIT("K", TEMPERATURE, 1, 0),
	{ "Cel", TEMPERATURE, 1, 0, 1, 27315 },
	{ "[degF]", TEMPERATURE, 5, 0, 9, 229835 },
	UNIT("m", LENGTH, 1, 0),
	UNIT("mm", LENGTH, 1, -3),
	UNIT("cm", LENGTH, 1, -2),
	UNIT("km", LENGTH, 1, 3),
	UNIT("um", LENGTH, 1, -6),
	UNIT("nm", LENGTH, 1, -9),
	UNIT("[in_i]", LENGTH, 254, -4),
	UNIT("[ft_i]", LENGTH, 3048, -4),
	UNIT("[mi_i]", LENGTH, 1609344, -3),
	UNIT("L/m2", LENGTH, 1, -3), /* rain */
	UNIT("m2", AREA, 1, 0),
	UNIT("cm2", AREA, 1, -4),
	UNIT("mm2", AREA, 1, -6),
	UNIT("km2", AREA, 1, 6),
	UNIT("har", AREA, 1, 4),
	UNIT("m3", VOLUME, 1, 0),
	UNIT("dm3", VOLUME, 1, -3),
	UNIT("cm3", VOLUME, 1, -6),
	UNIT("L", VOLUME, 1, -3),
	UNIT("mL", VOLUME, 1, -6),
	UNIT("hL", VOLUME, 1, -1),
	UNIT("[gal_us]", VOLUME, 3785411784, -12),
	UNIT("m3/s", FLOW, 1, 0),
	OVER("m3/min", FLOW, 1, 0, 60),
	OVER("m3/h", FLOW, 1, 0, 3600),
	OVER("m3/d", FLOW, 1, 0, 86400),
	UNIT("L/s", FLOW, 1, -3),
	OVER("L/min", FLOW, 1, -3, 60),
	OVER("L/h", FLOW, 1, -3, 3600),
	OVER("L/d", FLOW, 1, -3, 86400),
	OVER("mL/min", FLOW, 1, -6, 60),
	UNIT("m/s", SPEED, 1, 0),
	OVER("m/min", SPEED, 1, 0, 60),
	OVER("m/h", SPEED, 1, 0, 3600),
	OVER("km/h", SPEED, 1, 3, 3600),
	UNIT("cm/s", SPEED, 1, -2),
	UNIT("mm/s", SPEED, 1, -3),
	OVER("mm/min", SPEED, 1, -3, 60),
	OVER("mm/h", SPEED, 1, -3, 3600),
	OVER("mm/d", SPEED, 1, -3, 86400),
	OVER("[kn_i]", SPEED, 1852, 0, 3600),
	OVER("[mi_i]/h", SPEED, 1609344, -3, 3600),
	UNIT("m/s2", ACCELERATION, 1, 0),
	UNIT("mm/s2", ACCELERATION, 1, -3),
	UNIT("[g]", ACCELERATION, 980665, -5),
	UNIT("g", MASS, 1, 0),
	UNIT("mg", MASS, 1, -3),
	UNIT("ug", MASS, 1, -6),
	UNIT("kg", MASS, 1, 3),
	UNIT("t", MASS, 1, 6),
	UNIT("kg/s", MASS_FLOW, 1, 0),
	OVER("kg/min", MASS_FLOW, 1, 0, 60),
	OVER("kg/h", MASS_FLOW, 1, 0, 3600),
	OVER("t/h", MASS_FLOW, 1, 3, 3600),
	UNIT("kg/m3", DENSITY, 1, 0),
	UNIT("g/m3", DENSITY, 1, -3),
	UNIT("mg/m3", DENSITY, 1, -6),
	UNIT("ug/m3", DENSITY, 1, -9),
	UNIT("kg/L", DENSITY, 1, 3),
	UNIT("g/L", DENSITY, 1, 0),
	UNIT("mg/L", DENSITY, 1, -3),
	UNIT("ug/L", DENSITY, 1, -6),
	UNIT("g/cm3", DENSITY, 1, 3),
	UNIT("g/kg", MASS_RATIO, 1, -3),
	UNIT("mg/kg", MASS_RATIO, 1, -6),
	UNIT("mol/m3", AMOUNT, 1, 0),
	UNIT("mol/L", AMOUNT, 1, 3),
	UNIT("mmol/L", AMOUNT, 1, 0),
	UNIT("Pa", PRESSURE, 1, 0),
	UNIT("hPa", PRESSURE, 1, 2),
	UNIT("kPa", PRESSURE, 1, 3),
	UNIT("MPa", PRESSURE, 1, 6),
	UNIT("bar", PRESSURE, 1, 5),
	UNIT("mbar", PRESSURE, 1, 2),
	UNIT("atm", PRESSURE, 101325, 0),
	OVER("[psi]", PRESSURE, 44482216152605, -5, 64516),
	UNIT("mm[Hg]", PRESSURE, 133322, -3),
	UNIT("mm[H2O]", PRESSURE, 980665, -5),
	UNIT("cm[H2O]", PRESSURE, 980665, -4),
	UNIT("m[H2O]", PRESSURE, 980665, -2),
	UNIT("N", FORCE, 1, 0),
	UNIT("kN", FORCE, 1, 3),
	UNIT("N.m", TORQUE, 1, 0),
	UNIT("kN.m", TORQUE, 1, 3),
	UNIT("Pa.s", VISCOSITY, 1, 0),
	UNIT("mPa.s", VISCOSITY, 1, -3),
	UNIT("lx", LIGHT, 1, 0),
	UNIT("klx", LIGHT, 1, 3),
	UNIT("W/m2", IRRADIANCE, 1, 0),
	UNIT("kW/m2", IRRADIANCE, 1, 3),
	UNIT("J/m2", IRRADIATION, 1, 0),
	UNIT("MJ/m2", IRRADIATION, 1, 6),
	UNIT("W.h/m2", IRRADIATION, 36, 2),
	UNIT("kW.h/m2", IRRADIATION, 36, 5),
	UNIT("umol/(m2.s)", PHOTONS, 1, 0),
	UNIT("umol/m2/s", PHOTONS, 1, 0),
	UNIT("deg", ANGLE, 1, 0),
	UNIT("rad", ANGLE, 5729577951308232, -14),
	UNIT("deg/s", ROTATION, 1, 0),
	UNIT("rad/s", ROTATION, 5729577951308232, -14),
	UNIT("bit", DATA, 1, 0),
	UNIT("By", DATA, 8, 0),
	UNIT("kBy", DATA, 8, 3),
	UNIT("MBy", DATA, 8, 6),
	UNIT("GBy", DATA, 8, 9),
	UNIT("bit/s", DATA_RATE, 1, 0),
	UNIT("kbit/s", DATA_RATE, 1, 3),
	UNIT("Mbit/s", DATA_RATE, 1, 6),
	UNIT("By/s", DATA_RATE, 8, 0),
};

static const struct measure *find(const char *code)
{
	for (size_t i = 0; i < sizeof(measures) / sizeof(measures[0]); i++)
		if (strcmp(measures[i].code, code) == 0)
			return &measures[i];
	return NULL;
}

/* (value * factor * 10^exponent + offset * 10^offset_exponent) / divisor */
struct ratio {
	i128 factor, offset, divisor;
	int exponent, offset_exponent;
};

static i128 common(i128 a, i128 b)
{
	while (b) {
		i128 rest = a % b;

		a = b;
		b = rest;
	}
	return a < 0 ? -a : a;
}

static void reduce(struct ratio *r)
{
	i128 c = common(common(r->factor, r->offset), r->divisor);

	r->factor /= c;
	r->offset /= c;
	r->divisor /= c;
}

/* What a decimal can say goes out of the divisor: 1 / (2 * 9) is 0.5 / 9. */
static void strip(struct ratio *r, int prime, int other)
{
	while (r->divisor % prime == 0) {
		r->divisor /= prime;
		r->factor *= other;
		r->offset *= other;
		r->exponent--;
		r->offset_exponent--;
	}
}

static bool decimal_of(i128 mantissa, int exponent, struct gw_decimal *out)
{
	while (mantissa && mantissa % 10 == 0 && exponent < 0) {
		mantissa /= 10;
		exponent++;
	}
	if (!mantissa)
		exponent = 0;
	for (; exponent > 0 && mantissa <= INT64_MAX && mantissa >= INT64_MIN; exponent--)
		mantissa *= 10;
	if (mantissa > INT64_MAX || mantissa < INT64_MIN || exponent > 0 || exponent < -PLACES_MAX)
		return false;
	*out = (struct gw_decimal){ (int64_t)mantissa, -exponent };
	return true;
}

static bool between(const struct measure *a, const struct measure *b, struct gw_conversion *out)
{
	struct ratio r = {
		.factor = (i128)a->mantissa * b->divisor,
		.exponent = a->exponent - b->exponent,
		.offset = (i128)a->zero * b->divisor - (i128)b->zero * a->divisor,
		.offset_exponent = -2 - b->exponent,
		.divisor = (i128)a->divisor * b->mantissa,
	};

	reduce(&r);
	strip(&r, 2, 5);
	strip(&r, 5, 2);
	if (r.divisor > INT64_MAX)
		return false;
	out->divisor = (uint64_t)r.divisor;
	return decimal_of(r.factor, r.exponent, &out->factor) &&
	       decimal_of(r.offset, r.offset_exponent, &out->offset);
}

bool gw_convert(const char *from, const char *to, struct gw_conversion *out)
{
	const struct measure *a = find(from), *b = find(to);

	*out = (struct gw_conversion){ { 1, 0 }, { 0, 0 }, 1 };
	if (strcmp(from, to) == 0)
		return true;
	return a && b && a->dimension == b->dimension && between(a, b, out);
}

static bool multiplied(struct gw_decimal *d, struct gw_decimal by)
{
	return decimal_of((i128)d->mantissa * by.mantissa, -d->places - by.places, d);
}

/* Mantissa with `places` places, which are no fewer than its own. */
static bool widened(struct gw_decimal d, int places, i128 *out)
{
	*out = d.mantissa;
	for (; d.places < places; d.places++)
		if (__builtin_mul_overflow(*out, (i128)10, out))
			return false;
	return true;
}

static bool added(struct gw_decimal *d, struct gw_decimal by)
{
	int places = d->places > by.places ? d->places : by.places;
	i128 a, b;

	return widened(*d, places, &a) && widened(by, places, &b) &&
	       !__builtin_add_overflow(a, b, &a) && decimal_of(a, -places, d);
}

bool gw_convert_span(const struct gw_conversion *c, struct gw_decimal *d)
{
	return multiplied(d, c->factor);
}

bool gw_convert_level(const struct gw_conversion *c, struct gw_decimal *d)
{
	return multiplied(d, c->factor) && added(d, c->offset);
}

bool gw_convert_over(const struct gw_conversion *c, struct gw_decimal *d)
{
	return multiplied(d, (struct gw_decimal){ (int64_t)c->divisor, 0 });
}
