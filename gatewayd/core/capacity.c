/*
 * capacity.c - see capacity.h.
 */
#include "core/capacity.h"

#include <assert.h>
#include <errno.h>
#include <linux/magic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

enum {
	KIB = 1024,
	MIB = 1024 * KIB,
	SPARE_PAGES = 96,       /* books, and what a commit needs beside its readings */
	PACK_ROWS = 4096,       /* looked at for the average */
	A_DAY_S = 86400,
	A_MINUTE_US = 60000000,
	COMMIT_BYTES = 20 * KIB, /* one with readings, beside them */
	BOOKS_BYTES = 9 * KIB,   /* one without: what is due, and which numbers were given */
	COMMIT_READINGS = 1000, /* so many do not wait for `sync` */
};
static const double times_written = 2.2; /* once to the log, once to its place; split pages */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct gw_room gw_room_of(uint64_t max_size)
{
	struct gw_room r = { .wal = smaller(4 * MIB, max_size / 4),
			     .reserve = smaller(4 * MIB, max_size / 8) / GW_BUFFER_PAGE * GW_BUFFER_PAGE };

	r.pages = (max_size - r.wal - r.reserve) / GW_BUFFER_PAGE;
	return r;
}

uint64_t gw_room_for_readings(uint64_t max_size)
{
	uint64_t pages = gw_room_of(max_size).pages;

	return pages > SPARE_PAGES ? (pages - SPARE_PAGES) * GW_BUFFER_PAGE : 0;
}

uint64_t gw_size_with_room(uint64_t bytes)
{
	uint64_t size = bytes + (uint64_t)(SPARE_PAGES + 1) * GW_BUFFER_PAGE + 8 * (uint64_t)MIB;

	while (size > MIB && gw_room_for_readings(size - MIB) >= bytes)
		size -= MIB;
	return size;
}

/* ---- how rows lie in pages: SQLite's file format, sections 1.6 and 2 ---- */

struct packer {
	uint64_t pages;
	uint32_t left; /* in the last leaf */
};

enum {
	LEAF = GW_BUFFER_PAGE - 8,     /* behind the header of a leaf */
	LONGEST = GW_BUFFER_PAGE - 35, /* payload that is not divided */
	SHORTEST = (GW_BUFFER_PAGE - 12) * 32 / 255 - 23, /* of one that is */
	OVERFLOW = GW_BUFFER_PAGE - 4,
	COLUMNS = 21, /* record header, device, seq and time before the body */
	FRAME = 9,    /* length, rowid and the pointer to the cell */
};

static void pack(struct packer *p, uint32_t bytes)
{
	uint32_t payload = bytes + COLUMNS, here = payload;

	if (payload > LONGEST) {
		here = SHORTEST + (payload - SHORTEST) % OVERFLOW;
		if (here > LONGEST)
			here = SHORTEST;
		p->pages += (payload - here + OVERFLOW - 1) / OVERFLOW;
	}
	if (here + FRAME > p->left) {
		p->pages++;
		p->left = LEAF;
	}
	p->left -= here + FRAME;
}

/* Pages of PACK_ROWS rows: the devices in turn, each as often as its rate asks (credit: n of them). */
static uint64_t pack_in_turn(const struct gw_stream *s, size_t n, double *credit)
{
	struct packer p = { 0 };
	uint64_t fastest = 0;
	unsigned rows = 0;

	for (size_t i = 0; i < n; i++)
		fastest = s[i].an_hour > fastest ? s[i].an_hour : fastest;
	assert(fastest > 0);
	for (size_t i = 0; rows < PACK_ROWS; i = (i + 1) % n) {
		credit[i] += (double)s[i].an_hour / (double)fastest;
		if (credit[i] < 1)
			continue;
		credit[i] -= 1;
		pack(&p, s[i].bytes);
		rows++;
	}
	return p.pages;
}

/* The same in an order that follows nothing: the golden ratio spreads any rates evenly. */
static uint64_t pack_scattered(const struct gw_stream *s, size_t n, double an_hour)
{
	struct packer p = { 0 };

	for (unsigned row = 0; row < PACK_ROWS; row++) {
		double turn = fmod(row * 0.61803398875, 1) * an_hour;
		size_t i = 0;

		while (i + 1 < n && turn >= (double)s[i].an_hour)
			turn -= (double)s[i++].an_hour;
		pack(&p, s[i].bytes);
	}
	return p.pages;
}

struct gw_load gw_load_of(const struct gw_stream *s, size_t n)
{
	double an_hour = 0, *credit;
	uint64_t pages, others;

	for (size_t i = 0; i < n; i++)
		an_hour += (double)s[i].an_hour;
	if (an_hour <= 0)
		return (struct gw_load){ 0 };
	credit = calloc(n + 1, sizeof(*credit));
	assert(credit);
	pages = pack_in_turn(s, n, credit);
	others = pack_scattered(s, n, an_hour);
	free(credit);
	if (others > pages)
		pages = others;
	return (struct gw_load){ .readings = an_hour * 24,
				 .bytes = (double)pages * GW_BUFFER_PAGE / PACK_ROWS * an_hour * 24 };
}

int64_t gw_horizon_s(uint64_t bytes, const struct gw_load *l)
{
	return l->bytes > 0 ? (int64_t)((double)bytes / l->bytes * A_DAY_S) : 0;
}

/* ---- the flash ---- */

struct gw_wear gw_wear_of(const struct gw_load *l, int64_t sync_ms, bool history)
{
	/* readings and then their acknowledgements: each begins a wait of `sync` */
	double commits = 2 * l->readings, written;

	if (sync_ms > 0)
		commits = fmin(commits, A_DAY_S * 1000.0 / (double)sync_ms);
	commits = fmax(commits, l->readings / COMMIT_READINGS);
	written = commits * COMMIT_BYTES + l->bytes * times_written;
	return (struct gw_wear){ .connected = history ? written : commits * BOOKS_BYTES,
				 .disconnected = written };
}

/* ---- the disk ---- */

/* The folder of the path, or the nearest above it that is there. */
static void folder_of(const char *path, char folder[256])
{
	struct stat s;
	char *slash;

	snprintf(folder, 256, "%.255s", path);
	while ((slash = strrchr(folder, '/')) != NULL && slash != folder) {
		*slash = '\0';
		if (stat(folder, &s) == 0)
			return;
	}
	snprintf(folder, 256, "%s", slash ? "/" : ".");
}

static uint64_t on_disk(const char *path, const char *suffix)
{
	char name[4096];
	struct stat s;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &s) == 0 ? (uint64_t)s.st_blocks * 512 : 0;
}

int gw_disk_look(const char *path, struct gw_disk *d, struct gw_err *err)
{
	struct statfs s;

	*d = (struct gw_disk){ .present = on_disk(path, "") + on_disk(path, "-wal") + on_disk(path, ".reserve") };
	folder_of(path, d->folder);
	if (statfs(d->folder, &s) < 0)
		return gw_err_sys(err, errno, "%s", d->folder);
	d->size = (uint64_t)s.f_blocks * (uint64_t)s.f_bsize;
	d->free = (uint64_t)s.f_bavail * (uint64_t)s.f_bsize;
	d->memory = s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC;
	return 0;
}

/* ---- what was written ---- */

uint64_t gw_meter_day(struct gw_meter *m, int64_t now_us, uint64_t counter)
{
	int64_t hour = now_us / 3600000000 + 1, from;

	if (m->first == 0) {
		m->first = m->hour = hour;
		m->at[hour % 25] = counter;
	}
	while (m->hour < hour)
		m->at[++m->hour % 25] = counter;
	from = hour - 24 > m->first ? hour - 24 : m->first;
	return counter - m->at[from % 25];
}

double gw_filling_note(struct gw_filling *f, int64_t now_us, uint64_t backlog)
{
	int64_t took_us = now_us - f->since_us;

	if (f->since_us == 0 || backlog < f->last || (backlog == f->last && took_us < A_MINUTE_US))
		*f = (struct gw_filling){ .since_us = now_us, .from = backlog };
	f->last = backlog;
	took_us = now_us - f->since_us;
	return took_us >= A_MINUTE_US ? (double)(backlog - f->from) / ((double)took_us / 1e6) : 0;
}
