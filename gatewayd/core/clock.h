/*
 * clock.h - may the system clock be believed, and what is the true time of a reading that was
 * made while it could not be.
 *
 * Each reading carries the time since boot (CLOCK_BOOTTIME: it counts on in a suspend, as the
 * true time does, and nobody can set it) and the number of the boot; nothing but a restart of the
 * machine makes it start again.  So offset = UTC - time since boot is one number, and a boot whose
 * offset was learned once gives every reading of it its true time: ts = mono + offset.
 *
 * A stretch is a time without trust in which readings were made.  It begins with the first of them,
 * outlives the process, and ends when the kernel vouches for the clock: that is a correction.  It
 * counts from the moment it is kept on disk, so that a power cut cannot bring a reading out once
 * with one time and once with another.  While it is on its way there, nobody knows which time counts:
 * what it covers waits.  A stretch of a boot that ended before is never corrected.
 *
 * No clock and no I/O in it: what was seen is a parameter.  Looking allocates nothing unless a
 * stretch ends.
 */
#ifndef GW_CORE_CLOCK_H
#define GW_CORE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GW_CORRECTIONS_MAX = 1000, /* the oldest is forgotten */
	GW_CLOCK_STEP_MS = 500,    /* a change from one look to the next that no slewing explains */
};

/* Readings of `boot` made from from_ms to to_ms after its start: ts = mono + offset_ms. */
struct gw_correction {
	uint64_t id; /* grows by 1 */
	int64_t from_ms, to_ms, offset_ms;
	int64_t sent_ms; /* what was made up to then may have been sent, and keeps the time that it had */
	uint32_t boot, zero;
};

/* What a look found. */
struct gw_clock_news {
	int64_t stepped_ms;                     /* the clock was set by so much; 0: it was not */
	bool trusted, lost;                     /* since this look */
	const struct gw_correction *correction; /* a stretch ended; valid until the next look.  NULL: none */
	uint64_t forgotten;                     /* id of a correction that had to go for it; 0: none */
};

struct gw_clock;

struct gw_clock *gw_clock_new(uint32_t boot); /* number of this boot */
void gw_clock_free(struct gw_clock *c);       /* NULL is allowed */

/* --- at the start, what a former process kept --- */
void gw_clock_restore(struct gw_clock *c, const struct gw_correction *k); /* by growing id */
void gw_clock_restore_stretch(struct gw_clock *c, uint32_t boot, int64_t from_ms, int64_t sent_ms);
/*
 * What former processes of this boot sent is not known any more: whatever they made, and no kept
 * correction has given its time, may be out with another.  It is a stretch, up to mono_ms, that gets
 * its correction and is not stamped again.
 */
void gw_clock_lost(struct gw_clock *c, int64_t mono_ms);

/* Looks at the clock: `vouched` by the kernel, and the two times of one moment.  Before the first,
 * nothing is trusted and UTC is the time since boot. */
struct gw_clock_news gw_clock_look(struct gw_clock *c, bool vouched, int64_t mono_us, int64_t wall_us);
bool gw_clock_trusted(const struct gw_clock *c);
/* UTC of a moment of this boot as the clock says now; not below 0. */
int64_t gw_clock_ts_ms(const struct gw_clock *c, int64_t mono_ms);

/* A reading was made without trust.  True: the stretch begins, or begins earlier: to be kept. */
bool gw_clock_made(struct gw_clock *c, int64_t mono_ms);
/* Begin of the stretch that is open; -1: none is. */
int64_t gw_clock_stretch_ms(const struct gw_clock *c);
int64_t gw_clock_sent_ms(const struct gw_clock *c); /* of that stretch, as in its correction; 0: nothing */

/* True time of a moment of a stretch whose correction is kept; false: it is not known. */
bool gw_clock_true_ts(const struct gw_clock *c, uint32_t boot, int64_t mono_ms, int64_t *ts_ms);
/* The same of one that goes out; false also for what may have been sent with another time. */
bool gw_clock_new_ts(const struct gw_clock *c, uint32_t boot, int64_t mono_ms, int64_t *ts_ms);
/* The correction for that moment is in the commit that runs, or in one that failed and may have reached the
 * disk all the same. */
bool gw_clock_deciding(const struct gw_clock *c, uint32_t boot, int64_t mono_ms);

/* --- corrections --- */
void gw_clock_commit_begins(struct gw_clock *c); /* all there are go with it */
void gw_clock_committed(struct gw_clock *c, bool done);
uint64_t gw_clock_kept(const struct gw_clock *c); /* id of the newest that is kept; 0: none */
const struct gw_correction *gw_clock_correction(const struct gw_clock *c, uint64_t id); /* NULL: forgotten */

#endif
