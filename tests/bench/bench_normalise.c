/*
 * bench_normalise.c - what one reading costs on its way through normalise.
 * Prints one line for each kind of device; the first is the common case.
 */
#include <stdio.h>
#include <string.h>

#include "core/normalise.h"
#include "gatewayd/loop.h"

enum { POINTS = 100, ROUNDS = 200000 };

struct shape {
	const char *name;
	struct gw_point_spec spec;
	double value; /* of float points; integers count up from it */
};

static void fill(struct gw_reading *r, const struct shape *s, unsigned round)
{
	memset(r, 0, sizeof(*r));
	r->count = POINTS;
	r->mono_ms = round;
	r->size = sizeof(*r) + POINTS * 12;
	for (unsigned i = 0; i < POINTS; i++) {
		double d = (double)(float)(s->value + round % 100);

		gw_reading_tags(r)[i] = gw_tag(i, s->spec.kind, GW_GOOD);
		gw_reading_slots(r)[i] = (uint64_t)s->value + (round + i) % 1000;
		if (s->spec.kind >= GW_F32)
			memcpy(&gw_reading_slots(r)[i], &d, sizeof(d));
	}
}

static double time_of(const struct shape *s, struct gw_normaliser *n)
{
	union { struct gw_reading r; uint64_t room[256]; } b;
	int64_t filling, from = gw_now_us();

	for (unsigned i = 0; i < ROUNDS; i++) {
		fill(&b.r, s, i);
		__asm__ volatile("" : : "r"(&b) : "memory");
	}
	filling = gw_now_us() - from;
	from = gw_now_us();
	for (unsigned i = 0; i < ROUNDS; i++) {
		fill(&b.r, s, i);
		gw_normalise(n, &b.r, false);
	}
	return (double)(gw_now_us() - from - filling) * 1000 / ROUNDS;
}

int main(void)
{
	const struct gw_decimal one = { 1, 0 }, tenth = { 1, 1 };
	const struct shape shapes[] = {
		{ "u16 x 0.1", { .kind = GW_U64, .scale = tenth }, 2301 },
		{ "u16 as it is", { .kind = GW_U64, .scale = one }, 2301 },
		{ "u16 x 0.1, deadband", { .kind = GW_U64, .scale = tenth, .has_deadband = true,
					   .deadband = { 500, 0 }, .max_silence_ms = 60000 }, 2301 },
		{ "f32 as it is", { .kind = GW_F32, .scale = one }, 230.1 },
		{ "f32 x 1000", { .kind = GW_F32, .scale = { 1000, 0 } }, 230.1 },
		{ "f32 x 0.1", { .kind = GW_F32, .scale = tenth }, 230.1 },
		{ "u64 x 0.001 beyond 2^53", { .kind = GW_U64, .scale = { 1, 3 } }, 0x1p60 },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct gw_point_spec specs[POINTS];
		struct gw_normaliser *n;

		for (unsigned k = 0; k < POINTS; k++)
			specs[k] = shapes[i].spec;
		n = gw_normaliser_new(specs, POINTS);
		printf("normalise 100 points, %-24s %7.0f ns\n", shapes[i].name, time_of(&shapes[i], n));
		gw_normaliser_free(n);
	}
	return 0;
}
