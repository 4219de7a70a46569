/*
 * store_salvage.c - the readings of a damaged database that was put aside are moved into the new
 * one, while that is in use: a few pages at a time, when nothing else is to be done.
 *
 * Each row that carries its CRC and was committed goes on under its old id, so the order stays.
 * What is due goes in any case; the rest only while it is young enough and there is plenty of room.
 * Which database is being read stands in `meta` (salvage), so a restart begins it again; rows that
 * were moved are not moved twice.  On a full disk the pages that were moved are given back.
 */
#include "core/store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 600, PAGES_A_SLICE = 256, SMALLEST_SLICE = 8 };

struct slice {
	struct gw_db *d;
	int64_t cutoff;
	bool roomy; /* for what is only history */
	int rc;
	uint64_t moved;
};

bool gw_salvage_runs(const struct gw_db *d)
{
	return d->salvage.image != NULL;
}

static void end(struct gw_db *d)
{
	gw_image_close(d->salvage.image);
	if (d->salvage.fd >= 0)
		close(d->salvage.fd);
	d->salvage = (struct gw_salvage){ .fd = -1 };
}

void gw_salvage_free(struct gw_db *d)
{
	end(d);
}

int gw_salvage_from(struct gw_db *d, const char *aside, int fd, bool wal, struct gw_err *err)
{
	char name[PATH_SIZE];

	end(d);
	snprintf(d->salvage.aside, sizeof(d->salvage.aside), "%s", aside);
	d->salvage.fd = fd;
	gw_path_with(name, sizeof(name), aside, GW_FOREIGN_WAL);
	d->salvage.mixed = wal && access(name, F_OK) == 0;
	if (!d->salvage.mixed)
		gw_path_with(name, sizeof(name), aside, "-wal");
	else if (gw_wal_of(aside, GW_FOREIGN_WAL) == GW_WAL_OF_ANOTHER)
		wal = false;
	if (gw_image_open(&d->salvage.image, fd, wal ? name : NULL, err) == 0)
		return 0;
	end(d);
	return -1;
}

/* ---- one row ---- */

static bool is_reading(const struct gw_image_row *row)
{
	static const enum gw_image_type type[] = { GW_IMAGE_NULL, GW_IMAGE_INTEGER, GW_IMAGE_INTEGER,
						   GW_IMAGE_INTEGER, GW_IMAGE_BLOB };

	if (!row->has_id || row->id < 1 || row->n != sizeof(type) / sizeof(type[0]))
		return false;
	for (unsigned i = 0; i < row->n; i++) {
		if (row->column[i].type != type[i])
			return false;
	}
	return row->column[1].integer >= 1 && row->column[1].integer <= UINT16_MAX &&
	       row->column[4].size >= sizeof(struct gw_reading) && row->column[4].size <= GW_READING_MAX;
}

static bool is_wanted(const struct slice *s, const struct gw_device_row *device, uint64_t seq, int64_t ts_ms)
{
	if (!device || seq < device->first || seq >= device->next)
		return false;
	return gw_db_is_due(s->d, 0, device->number, seq) || (s->roomy && ts_ms >= s->cutoff);
}

static int insert(struct slice *s, struct gw_device_row *device, const struct gw_reading *r, int64_t id)
{
	int rc = gw_db_run(s->d, GW_SQL_INSERT_OLD, "iiiib", id, (int64_t)r->device, (int64_t)r->seq, r->ts_ms,
			   (const void *)r, (size_t)r->size);

	if (rc == SQLITE_OK && sqlite3_changes(s->d->sql) > 0) {
		device->pending_readings++;
		s->moved++;
	}
	return rc;
}

static void on_row(void *arg, const struct gw_image_row *row)
{
	static _Thread_local _Alignas(8) unsigned char body[GW_READING_MAX]; /* pages are not aligned */
	const struct gw_reading *r = (const struct gw_reading *)(const void *)body;
	struct slice *s = arg;
	struct gw_device_row *device;

	if (s->rc != SQLITE_OK || !is_reading(row) || (uint64_t)row->id >= s->d->salvage.below)
		return;
	device = gw_db_device(s->d, (uint16_t)row->column[1].integer);
	if (!is_wanted(s, device, (uint64_t)row->column[2].integer, row->column[3].integer))
		return;
	memcpy(body, row->column[4].bytes, row->column[4].size);
	if (gw_row_is_whole(r, row->column[4].size, (uint16_t)row->column[1].integer,
			    (uint64_t)row->column[2].integer))
		s->rc = insert(s, device, r, row->id);
}

/* ---- a slice ---- */

int gw_counts_put(struct gw_db *d)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < d->ndevices && rc == SQLITE_OK; i++) {
		const struct gw_device_row *row = &d->device[i];

		if (row->pending_readings)
			rc = gw_db_run(d, GW_SQL_DEVICE_SET, "iii", (int64_t)row->number, (int64_t)row->next,
				       (int64_t)row->readings + row->pending_readings);
	}
	return rc;
}

void gw_counts_settle(struct gw_db *d, bool committed)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		if (committed)
			d->device[i].readings =
				(uint64_t)((int64_t)d->device[i].readings + d->device[i].pending_readings);
		d->device[i].pending_readings = 0;
	}
}

static void look_for_room(struct slice *s)
{
	uint64_t used = UINT64_MAX;

	s->rc = gw_db_pages(s->d, &used);
	s->roomy = s->d->history_ms > 0 && used < gw_db_ceiling(s->d) / 2;
	s->cutoff = gw_store_wall_ms() - s->d->history_ms;
}

static int move(struct slice *s)
{
	struct gw_db *d = s->d;
	struct gw_salvage *v = &d->salvage;
	uint64_t upto = v->at + (v->slice ? v->slice : PAGES_A_SLICE);

	s->rc = gw_db_begin(d);
	if (s->rc == SQLITE_OK)
		look_for_room(s);
	for (; s->rc == SQLITE_OK && v->at < upto && v->at < gw_image_pages(v->image); v->at++)
		gw_image_scan(v->image, v->at, on_row, s);
	if (s->rc == SQLITE_OK)
		s->rc = gw_counts_put(d);
	return s->rc == SQLITE_OK ? gw_db_end(d) : s->rc;
}

/* ---- a full disk ---- */

/* Of the pages below v->at: their rows are in the new database.  Those on which rows go on are none
 * of them.  False: no page was given back. */
static bool give_back_pages(struct gw_salvage *v)
{
	uint64_t pages = gw_image_wal_begins(v->image), given = 0;
	int fd = *v->aside ? open(v->aside, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;

	for (; fd >= 0 && v->given < v->at && v->given < pages; v->given++) {
		if (gw_image_is_leaf(v->image, v->given) &&
		    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)(v->given * GW_BUFFER_PAGE), GW_BUFFER_PAGE) == 0)
			given++;
	}
	if (fd >= 0)
		close(fd);
	return given > 0;
}

/* What was moved is given back; then smaller slices, at last the reserve.  False: there is no room. */
static bool find_room(struct gw_db *d)
{
	struct gw_salvage *v = &d->salvage;
	bool disk = gw_disk_is_full(d->path, d->wal_room);

	if (disk && give_back_pages(v))
		return true;
	v->slice = (v->slice ? v->slice : PAGES_A_SLICE) / 2;
	if (v->slice >= SMALLEST_SLICE)
		return true;
	v->slice = SMALLEST_SLICE;
	return disk && gw_reserve_release(d);
}

/* Commits on a full disk let the file grow no more; we give back as much as we take. */
static int move_on_full_disk(struct slice *s)
{
	uint64_t pages = s->d->disk_pages, now;
	int rc;

	if (pages)
		gw_db_stop_growth(s->d, 0);
	rc = move(s);
	if (pages && gw_db_number(s->d, GW_SQL_PAGES, &now) == SQLITE_OK)
		gw_db_stop_growth(s->d, now > pages ? now : pages);
	return rc;
}

/* ---- the end ---- */

/* The damaged file stays for people to look at, if that takes no room from the buffer. */
static void remove_if_crowded(struct gw_db *d)
{
	uint64_t used = 0;

	if (gw_db_pages(d, &used) == SQLITE_OK && used < d->max_pages &&
	    gw_disk_is_full(d->path, (d->max_pages - used) * GW_BUFFER_PAGE))
		gw_aside_remove(d->salvage.aside);
}

/* When that fails the next start looks once more, and finds nothing that is not there. */
static void forget_aside(struct gw_db *d)
{
	int rc = gw_db_begin(d);

	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_META_PUT, "tt", "salvage", "");
	gw_db_end_or_undo(d, rc);
}

static void finish(struct gw_db *d, bool full)
{
	struct gw_store_event e = { .kind = GW_STORE_SALVAGED, .rows = d->salvage.rows, .full = full,
				    .exact = d->salvage.due_known };

	snprintf(e.aside, sizeof(e.aside), "%s", d->salvage.aside);
	forget_aside(d);
	remove_if_crowded(d);
	end(d);
	d->purge.again = true; /* rows with old ids lie behind its cursor */
	gw_db_tell(d, &e);
}

/* On a disk that is nearly full what was moved is given back at once: the WAL must be moved too. */
static void moved(struct gw_db *d, uint64_t rows)
{
	d->salvage.rows += rows;
	if (gw_disk_is_full(d->path, d->wal_room))
		give_back_pages(&d->salvage);
}

bool gw_salvage_go_on(struct gw_db *d)
{
	struct slice s = { .d = d };
	uint64_t at = d->salvage.at;
	int rc = move_on_full_disk(&s);

	if (rc != SQLITE_OK && !sqlite3_get_autocommit(d->sql))
		gw_db_run(d, GW_SQL_ROLLBACK, "");
	gw_counts_settle(d, rc == SQLITE_OK);
	if (rc == SQLITE_OK)
		moved(d, s.moved);
	if (gw_db_rc_is(rc, SQLITE_FULL))
		d->salvage.at = at;
	if (gw_db_rc_is(rc, SQLITE_FULL) && !find_room(d))
		finish(d, true);
	else if (gw_db_rc_is(rc, SQLITE_FULL))
		gw_db_judge(d, rc); /* once more */
	else if (rc != SQLITE_OK)
		d->salvage.at = 0; /* once more when the disk works again */
	else if (d->salvage.at >= gw_image_pages(d->salvage.image))
		finish(d, false);
	gw_db_judge(d, rc);
	return rc == SQLITE_OK || gw_db_rc_is(rc, SQLITE_FULL);
}

/* ---- after a restart ---- */

static int64_t meta_number(struct gw_db *d, const char *key, int64_t otherwise, int *rc)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_META, "t", key);

	*rc = sqlite3_step(stmt);
	if (*rc == SQLITE_ROW)
		otherwise = sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	return otherwise;
}

/* Ids above those of the old rows, although few of these may have been moved yet. */
static int restore(struct gw_db *d)
{
	uint64_t below;
	int rc;

	below = (uint64_t)meta_number(d, "salvage_below", (int64_t)d->next_id, &rc);
	if (d->next_id < below)
		d->next_id = below;
	d->salvage.below = below;
	d->sinks_forgotten = d->nsinks == 0;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		d->salvage.due_known = meta_number(d, "salvage_exact", 0, &rc) == 1;
	return rc;
}

bool gw_salvage_due_was_known(struct gw_db *d)
{
	int rc;

	return meta_number(d, "salvage_exact", 1, &rc) == 1;
}

int gw_salvage_resume(struct gw_db *d)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_META, "t", "salvage");
	char aside[sizeof(d->salvage.aside)] = "";
	int rc = sqlite3_step(stmt), fd;
	struct gw_err ignored; /* it is gone: what it had is found missing */

	if (rc == SQLITE_ROW)
		snprintf(aside, sizeof(aside), "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_reset(stmt);
	fd = *aside ? open(aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd >= 0 && gw_salvage_from(d, aside, fd, true, &ignored) < 0)
		close(fd);
	if (gw_salvage_runs(d))
		rc = restore(d);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}
