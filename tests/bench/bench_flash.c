/*
 * bench_flash.c - what the flash sees: bytes that the store has written, by the kernel's own
 * counter (write_bytes of /proc/self/io, proc(5)), for each commit and each 1,000 readings, with
 * the link up, down and draining.  One line for each load; capacity.c computes what --check
 * says from figures fitted to these, and prints beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../core/some_store.h"

enum { DEVICES_MAX = 200, COMMITS = 300 };

enum phase { UP, UP_NO_HISTORY, DOWN, DRAINING };

struct load {
	unsigned devices, points, a_commit; /* readings of each device in a commit */
};

struct run {
	struct shop s;
	struct load load;
	struct gw_registration r[DEVICES_MAX];
	char name[DEVICES_MAX][16];
	struct gw_ranges due[DEVICES_MAX];
	uint64_t next[DEVICES_MAX];
	uint64_t bytes, readings; /* handed to the store */
};

static uint64_t written(void)
{
	char line[128];
	uint64_t value = 0;
	FILE *f = fopen("/proc/self/io", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "write_bytes: %lu", &value) == 1)
			break;
	if (f)
		fclose(f);
	return value;
}

static void begin(struct run *w, struct load load, enum phase phase)
{
	struct gw_sink_registration sink = { .name = "goc" };

	memset(w, 0, sizeof(*w));
	w->load = load;
	shop_new(&w->s);
	w->s.opts.max_size = 1 << 30;
	w->s.opts.history_ms = phase == UP_NO_HISTORY ? 0 : 86400000;
	shop_open(&w->s);
	for (unsigned i = 0; i < load.devices; i++) {
		snprintf(w->name[i], sizeof(w->name[i]), "device-%u", i);
		w->r[i] = (struct gw_registration){ .name = w->name[i], .layout = "l", .layout_size = 1,
						    .rate = 3600 };
	}
	shop_register(&w->s, w->r, load.devices, &sink, 1);
	for (unsigned i = 0; i < load.devices; i++)
		w->next[i] = w->r[i].next_seq;
}

static void end(struct run *w)
{
	for (unsigned i = 0; i < w->load.devices; i++)
		gw_ranges_free(&w->due[i]);
	shop_free(&w->s);
}

/* What the sink has due of a device after this commit. */
static void settle(struct run *w, unsigned i, enum phase phase)
{
	uint64_t n = w->load.a_commit;

	if (phase == DRAINING && w->due[i].n)
		gw_ranges_remove(&w->due[i], w->due[i].r[0].from, w->due[i].r[0].from + n - 1);
	if (phase == DRAINING)
		return;
	gw_ranges_add(&w->due[i], w->next[i] - n, w->next[i] - 1);
	if (phase == UP) /* what is not acknowledged yet is the newest */
		gw_ranges_remove(&w->due[i], 1, w->next[i] - 2);
	if (phase == UP_NO_HISTORY)
		gw_ranges_remove(&w->due[i], 1, w->next[i] - 1);
}

static void commit(struct run *w, enum phase phase)
{
	static union { struct gw_reading r; uint64_t room[200]; } memory[DEVICES_MAX * 10];
	static const struct gw_reading *readings[DEVICES_MAX * 10];
	static struct gw_due_row due[DEVICES_MAX];
	static struct gw_next_row next[DEVICES_MAX];
	struct gw_commit c = { .readings = readings, .due = due, .next = next };

	for (unsigned i = 0; i < w->load.devices; i++) {
		for (unsigned n = 0; n < w->load.a_commit && phase != DRAINING; n++) {
			struct gw_reading *r = some_reading_into(&memory[c.nreadings], w->r[i].device,
								 w->next[i]++, gw_wall_ms(), w->load.points);

			if (phase != UP_NO_HISTORY)
				readings[c.nreadings++] = r;
			w->bytes += r->size;
		}
		w->readings += w->load.a_commit;
		settle(w, i, phase);
		due[c.ndue++] = (struct gw_due_row){ 1, w->r[i].device, &w->due[i] };
		if (phase != DRAINING)
			next[c.nnext++] = (struct gw_next_row){ w->r[i].device, w->next[i] };
	}
	if (shop_commit(&w->s, &c) != 0)
		abort();
}

static void measure(struct load load, enum phase phase)
{
	static const char *const name[] = { "up", "up, history 0", "down", "draining" };
	static struct run w;
	uint64_t before;

	begin(&w, load, phase);
	if (phase == DRAINING) {
		for (unsigned i = 0; i < COMMITS; i++)
			commit(&w, DOWN);
		w.readings = w.bytes = 0;
	}
	before = written();
	for (unsigned i = 0; i < COMMITS; i++)
		commit(&w, phase);
	before = written() - before;
	printf("%-14s %3u devices x %3u points, %u a commit: %8.1f KiB a commit, %8.1f KiB per 1,000 readings",
	       name[phase], load.devices, load.points, load.a_commit,
	       (double)before / 1024 / COMMITS, (double)before / 1024 * 1000 / (double)w.readings);
	if (w.bytes)
		printf(", %.2f of their size", (double)before / (double)w.bytes);
	putchar('\n');
	end(&w);
}

int main(void)
{
	static const struct load loads[] = {
		{ 1, 10, 1 }, { 10, 10, 1 }, { 10, 100, 1 }, { 100, 10, 1 }, { 100, 100, 1 }, { 100, 100, 10 },
	};

	for (enum phase p = UP; p <= DRAINING; p++)
		for (unsigned i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
			measure(loads[i], p);
	return 0;
}
