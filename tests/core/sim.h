/*
 * sim.h - the world that a simulated gateway lives in: one thread, time that is a number, and a
 * schedule that is drawn from a seed.  What the parts of it share.
 *
 *	sim_loop.h    the event loop and the clocks, in the place of base/loop.c
 *	sim_child.h   plugin processes, in the place of core/child.c
 *	sim_disk.h    the store's worker, kills, power cuts, a disk that fails or is full
 *	sim_ledger.h  what was produced, and what each subscriber has heard: the judge
 *	sim_plan.h    configuration, and what happens next
 *
 * All else is the daemon as it is, from gw_daemon_run() on.
 */
#ifndef GW_TESTS_SIM_H
#define GW_TESTS_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/apply.h"
#include "core/timekeeper.h"

enum { SIM_DEVICES = 3, SIM_SINKS = 2, SIM_BOOTS = 64, SIM_NOTES = 80, SIM_NOTE = 160 };

struct sim {
	uint64_t seed, random;
	/* time */
	int64_t mono_us, utc_us;   /* since the boot, and true */
	int64_t clock_error_us;    /* of the system clock while nobody vouches for it */
	bool vouched;
	unsigned boot;             /* counts from 1 */
	int64_t offset_us[SIM_BOOTS]; /* utc - mono, by boot */
	/* the daemon; NULL: none runs */
	struct gw_daemon *d;
	struct gw_loop *loop;
	const struct gw_device *reads; /* its reading comes in just now */
	uint64_t next_at_end, reserved_at_end; /* and so far its numbers went when the daemon was killed then */
	size_t commit_bytes;           /* so that commits are cut, too; or 0 */
	bool killed;               /* what it does from now on nobody sees */
	/* the last steps, for people */
	char note[SIM_NOTES][SIM_NOTE];
	size_t notes;
	uint64_t steps;
	FILE *report;
};

static struct sim sim;

/* ---- chance ---- */

static uint64_t sim_random(void)
{
	uint64_t x = sim.random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* 0 to n - 1 */
static unsigned sim_below(unsigned n)
{
	return (unsigned)(sim_random() % n);
}

static bool sim_one_in(unsigned n)
{
	return n && sim_below(n) == 0;
}

/* ---- for people ---- */

static void sim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void sim_note(const char *fmt, ...)
{
	char *line = sim.note[sim.notes++ % SIM_NOTES];
	int n = snprintf(line, SIM_NOTE, "%6" PRIu64 " %9.3f s  ", sim.steps, (double)sim.mono_us / 1e6);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, (size_t)(SIM_NOTE - n), fmt, ap);
	va_end(ap);
}

static void sim_show_notes(void)
{
	size_t from = sim.notes > SIM_NOTES ? sim.notes - SIM_NOTES : 0;

	for (size_t i = from; i < sim.notes; i++)
		fprintf(sim.report, "%s\n", sim.note[i % SIM_NOTES]);
}

static void sim_show_log(void); /* test_simulation.c */

static void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void sim_fail(const char *fmt, ...)
{
	va_list ap;

	sim_show_log();
	sim_show_notes();
	fprintf(sim.report, "SEED=%" PRIu64 " fails at step %" PRIu64 ": ", sim.seed, sim.steps);
	va_start(ap, fmt);
	vfprintf(sim.report, fmt, ap);
	va_end(ap);
	fprintf(sim.report, "\n");
	fflush(sim.report);
	_exit(1);
}

#endif
