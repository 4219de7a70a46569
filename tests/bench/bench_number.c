/*
 * bench_number.c - nanoseconds for one number as text, for the values that the
 * field sends.  Prints one line for each; not a test.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/number.h"

enum { VALUES = 4096, PASSES = 400 };

static double values[VALUES];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t put_f64(char *out, double v)
{
	return gw_put_f64(out, v);
}

static size_t put_f32(char *out, double v)
{
	return gw_put_f32(out, (float)v);
}

static size_t put_printf(char *out, double v)
{
	return (size_t)snprintf(out, GW_NUMBER_MAX, "%.17g", v);
}

static void measure(const char *what, size_t (*put)(char *out, double v))
{
	char out[GW_NUMBER_MAX];
	size_t bytes = 0;
	double start = now_ns(), n = (double)VALUES * PASSES;

	for (int pass = 0; pass < PASSES; pass++)
		for (int i = 0; i < VALUES; i++)
			bytes += put(out, values[i]);
	printf("%-32s %7.1f ns  %4.1f bytes\n", what, (now_ns() - start) / n, (double)bytes / n);
}

static void constant(double v)
{
	for (int i = 0; i < VALUES; i++)
		values[i] = v;
}

/* range * [0, 1) in steps of 1/scale; 0: any double */
static void spread(double range, double scale)
{
	for (int i = 0; i < VALUES; i++) {
		values[i] = drand48() * range;
		if (scale > 0)
			values[i] = (double)(int64_t)(values[i] * scale) / scale;
	}
}

int main(void)
{
	constant(230.1);
	measure("f64 230.1", put_f64);
	constant(49.98);
	measure("f64 49.98", put_f64);
	constant(1234567);
	measure("f64 1234567", put_f64);
	spread(10000, 1000);
	measure("f64 random, 3 places", put_f64);
	measure("f32 random, 3 places", put_f32);
	spread(500, 0);
	measure("f32 random", put_f32);
	measure("f64 random, 17 digits", put_f64);
	measure("printf %.17g of the same", put_printf);
	constant(1.2345e-12);
	measure("f64 1.2345e-12", put_f64);
	constant(1.2345678912345678e-12);
	measure("f64 1.2345678912345678e-12", put_f64);
	return 0;
}
