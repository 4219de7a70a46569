/*
 * capacity.h - what the buffer has room for, and what it costs the flash: the arithmetic behind
 * `buffer.keep`, `buffer.write_budget`, the horizon and the time when it will be full.
 *
 * All of it follows from the poll plan as if every value changed each time (deadbands save
 * nothing), so it is what can be promised.  Nothing here keeps state or touches a file but
 * gw_disk_look().
 */
#ifndef GW_CORE_CAPACITY_H
#define GW_CORE_CAPACITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"

enum { GW_BUFFER_PAGE = 4096 };

/* How `max_size` is divided. */
struct gw_room {
	uint64_t wal;     /* bytes, for the write-ahead log */
	uint64_t reserve; /* bytes, given back when the disk is full */
	uint64_t pages;   /* of the database */
};
struct gw_room gw_room_of(uint64_t max_size);

/* Readings of one device. */
struct gw_stream {
	uint64_t an_hour;
	uint32_t bytes; /* of one, as in struct gw_reading.size */
};

/* What a set of devices brings in a day. */
struct gw_load {
	double readings;
	double bytes; /* in the pages of the database, with what is left free in them */
};
/* Packs rows as SQLite does (file format, 1.6: appended leaves, overflow pages), the devices in
 * turn by their rates.  n 0: nothing. */
struct gw_load gw_load_of(const struct gw_stream *s, size_t n);

/* How long an outage so many bytes of database hold; 0: nothing is read. */
int64_t gw_horizon_s(uint64_t bytes, const struct gw_load *l);
/* Bytes of database that `max_size` has for readings, and the max_size that has so many. */
uint64_t gw_room_for_readings(uint64_t max_size);
uint64_t gw_size_with_room(uint64_t bytes);

/*
 * Bytes written to the disk in a day: database and write-ahead log; the journal of the file
 * system comes on top.  Fitted to `make bench` (docs/performance.md): a commit costs so much,
 * a byte of database is written so often.
 */
struct gw_wear {
	double connected;    /* all sinks take what comes: only what `history` keeps is written */
	double disconnected; /* a sink is away */
};
struct gw_wear gw_wear_of(const struct gw_load *l, int64_t sync_ms, bool history);

/* The file system that a path lies on, or its nearest folder that is there. */
struct gw_disk {
	uint64_t size, free; /* bytes; free: for us */
	uint64_t present;    /* bytes that <path>, <path>-wal and <path>.reserve have of it */
	bool memory;         /* tmpfs or ramfs */
	char folder[256];
};
int gw_disk_look(const char *path, struct gw_disk *d, struct gw_err *err);

/* Bytes written in the last 24 hours, from a counter that only grows (of the process). */
struct gw_meter {
	uint64_t at[25]; /* the counter at the begin of the hour */
	int64_t hour, first; /* since some begin; first: 0 before the first call */
};
/* now_us: monotonic.  Hours that nobody asked in count as quiet. */
uint64_t gw_meter_day(struct gw_meter *m, int64_t now_us, uint64_t counter);

/* How fast a backlog grows. */
struct gw_filling {
	int64_t since_us; /* 0: it does not */
	uint64_t from, last; /* bytes */
};
/* Bytes a second since it began to grow; 0: it does not, or has for less than a minute. */
double gw_filling_note(struct gw_filling *f, int64_t now_us, uint64_t backlog);

#endif
