/*
 * curve.c - daily curves, smooth noise, and values as registers.
 */
#include "curve.h"

#include <math.h>
#include <string.h>

double hour_of(double day_s)
{
	return fmod(day_s, DAY_S) / 3600;
}

double curve_at(const struct curve *c, double day_s)
{
	double h = hour_of(day_s), sum = c->base;

	for (size_t i = 0; i < 3 && c->humps[i].width > 0; i++) {
		double x = (h - c->humps[i].hour) / c->humps[i].width;

		sum += c->humps[i].height * exp(-x * x / 2);
	}
	return sum;
}

/* Integral of one hump from midnight to hour h. */
static double hump_sum(const struct hump *u, double h)
{
	double root = u->width * sqrt(2);

	return u->height * u->width * sqrt(acos(-1) / 2) * (erf((h - u->hour) / root) + erf(u->hour / root));
}

static double sum_to(const struct curve *c, double h)
{
	double sum = c->base * h;

	for (size_t i = 0; i < 3 && c->humps[i].width > 0; i++)
		sum += hump_sum(&c->humps[i], h);
	return sum;
}

double curve_sum(const struct curve *c, double day_s)
{
	return floor(day_s / DAY_S) * sum_to(c, 24) + sum_to(c, hour_of(day_s));
}

/* -1 to 1 for each whole number: an integer hash (xorshift-multiply). */
static double speck(unsigned seed, int64_t n)
{
	uint64_t x = (uint64_t)n * 0x9e3779b97f4a7c15u + seed * 0xd1b54a32d192ed03u;

	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
	x ^= x >> 32;
	return (double)(x & 0xffffffff) / 2147483647.5 - 1;
}

double noise(unsigned seed, double period_s, double day_s)
{
	double at = day_s / period_s, whole = floor(at), f = at - whole;
	double a = speck(seed, (int64_t)whole), b = speck(seed, (int64_t)whole + 1);

	return a + (b - a) * f * f * (3 - 2 * f);
}

double daylight_at(double day_s)
{
	double up = sin((hour_of(day_s) - 5.7) / 12.4 * acos(-1)); /* sunrise 05:42, sunset 18:06 */

	return up > 0 && hour_of(day_s) > 5.7 && hour_of(day_s) < 18.1 ? up : 0;
}

double sunshine(double day_s)
{
	double cloud = 0.3 + 0.35 * noise(71, 5400, day_s) + 0.15 * noise(72, 240, day_s);

	return daylight_at(day_s) * (1 - 0.7 * fmin(fmax(cloud, 0), 1));
}

void put_u32(uint16_t *words, double v)
{
	uint32_t n = (uint32_t)fmod(v, 4294967296.0);

	words[0] = (uint16_t)(n >> 16);
	words[1] = (uint16_t)n;
}

void put_u64(uint16_t *words, double v)
{
	uint64_t n = (uint64_t)v;

	for (int i = 0; i < 4; i++)
		words[i] = (uint16_t)(n >> (48 - 16 * i));
}

void put_f32(uint16_t *words, double v)
{
	float f = (float)v;
	uint32_t n;

	memcpy(&n, &f, sizeof(n));
	words[0] = (uint16_t)(n >> 16);
	words[1] = (uint16_t)n;
}

void put_text(uint16_t *words, size_t registers, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < registers; i++) {
		unsigned high = 2 * i < n ? (unsigned char)text[2 * i] : 0;
		unsigned low = 2 * i + 1 < n ? (unsigned char)text[2 * i + 1] : 0;

		words[i] = (uint16_t)(high << 8 | low);
	}
}

uint16_t scaled(double v, double step)
{
	return (uint16_t)lround(fmin(fmax(v / step, 0), 65535));
}

uint16_t scaled_signed(double v, double step)
{
	return (uint16_t)(int16_t)lround(fmin(fmax(v / step, -32768), 32767));
}
