/*
 * device.h - a device as the core knows it: its points with all that the directory says of
 * them, its normaliser, its numbers, and the layout its readings are made under.
 *
 * Built from the configuration and what the plugin declared; copies what it keeps.
 */
#ifndef GW_CORE_DEVICE_H
#define GW_CORE_DEVICE_H

#include "core/capacity.h"
#include "core/normalise.h"
#include "core/plan.h"

struct gw_point {
	const char *name, *unit, *symbol, *quantity; /* "" when none */
	int64_t interval_ms, max_silence_ms;
	bool writable, has_min, has_max, has_deadband;
	double min, max, deadband;
	const struct gw_label *labels;
	unsigned nlabels;
};

struct gw_layout_body { /* LAYOUT and LAYOUT_POINT messages, each preceded by its u32 size */
	unsigned char *bytes;
	size_t size;
};

struct gw_device {
	struct gw_arena *arena;
	const char *name, *title, *profile, *domain, *source;
	struct gw_point *points;
	unsigned npoints, ntexts; /* of them texts */
	int64_t interval_ms; /* shortest of its points */
	uint64_t rate;       /* readings an hour, at most */
	struct gw_normaliser *normaliser;
	struct gw_point_spec *specs; /* what it was made of, when a point is writable; else NULL */
	struct gw_layout_body body;

	/* from the store */
	uint16_t number;
	uint32_t layout;
	uint64_t first_seq, from_seq, next_seq, reserved;
	uint64_t stored_next; /* numbers below are in the store, or were never meant to be */
	/* Lost last for want of room in the ring, or of numbers, and where the note of that lies in it. */
	uint64_t lost_from, lost_to, lost_note;
	uint64_t dropped_to;  /* from there to this one, taken by all, they left the ring before a commit; or 0 */
	uint64_t asked;  /* so many while `reserving` */
	bool reserving; /* the store owes an answer */
	struct {
		uint64_t n;
		int64_t ts_from_ms, ts_to_ms; /* of those whose time is known; or 0 */
	} unnumbered; /* lost, and the ring had no room to say so; they get their numbers as soon as it has */
	uint64_t out_of_numbers; /* lost since the reserved numbers came to an end */
	bool dropped_off; /* nobody's any more: freed by that answer */

	/* what is known of it now */
	enum gw_device_state state;
	char reason[24]; /* why not online */
	int64_t since_ms, since_mono_ms, last_ts_ms, last_mono_ms;
	bool since_unsynced; /* since_ms is as good as the clock was */
	uint64_t requests, overruns, dropped;
	uint32_t load_permille;
	bool full;                 /* the next reading ignores deadbands */
	bool next_changed;         /* next_seq differs from what the store knows */
	struct gw_reading *newest; /* copy of the last one published; NULL: none in this process */
	size_t newest_capacity;
};

/* `keys`: its configuration, or NULL when the plugin made the device up.  */
struct gw_device *gw_device_new(const struct gw_source_keys *source, const char *source_name,
				const struct gw_declared_device *d);
void gw_device_free(struct gw_device *d); /* NULL is allowed */
void gw_device_drop(struct gw_device *d); /* the same, or later when the store owes it an answer */
void gw_device_keep_newest(struct gw_device *d, const struct gw_reading *r);
/* A reading is live for so long after the answer (contract, Live). */
int64_t gw_device_live_us(const struct gw_device *d);
/* Readings an hour, at most. */
uint64_t gw_device_rate(const struct gw_device *d);
/* What it brings at most: each reading full, each text of 64 bytes. */
struct gw_stream gw_device_stream(const struct gw_device *d);
struct gw_load gw_devices_load(struct gw_device *const *devices, size_t n); /* NULLs are left out */

#endif
