/*
 * store_renew.c - a database that cannot be used any more, at the start or under way: it is put
 * aside, a new one begun, and its books taken over (store_books.c).  Its readings follow while
 * the new one is in use (store_salvage.c).
 *
 * A file that was removed while it was in use lives on in its descriptor until it has been read.
 */
#include "core/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* As a power of two: more than any gateway reads; and ids stay far below 2^47 (store_window.c). */
enum { IDS_A_SECOND = 15 };

/* SQLite may look at what lies aside, and leaves it as it is. */
static sqlite3 *open_aside(const char *aside)
{
	sqlite3 *sql = NULL;

	if (sqlite3_open_v2(aside, &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		sqlite3_close(sql);
		return NULL;
	}
	sqlite3_db_config(sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_exec(sql, "PRAGMA query_only=ON; PRAGMA trusted_schema=OFF", NULL, NULL, NULL);
	return sql;
}

/* SQLite takes an empty file for a new database, and drops the WAL beside it. */
static bool has_content(int fd)
{
	char magic[16];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && memcmp(magic, "SQLite format 3", 16) == 0;
}

/* Of the file that `aside` is now; one without a file has nothing to read. */
static int open_file(const char *aside)
{
	int fd = open(aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int gw_renew_begin(struct gw_db *d, char aside[512], struct gw_err *err)
{
	int fd;

	if (gw_put_aside(d, true, aside, err) < 0)
		return -1;
	fd = open_file(aside);
	if (fd < 0)
		return gw_err_sys(err, errno, "%s", aside);
	if (gw_salvage_from(d, aside, fd, true, err) < 0)
		return -1;
	d->renewing = true;
	return 0;
}

/* The database is what an orderly stop has left: so it says what was due then. */
static int was_stopped_in_order(struct gw_db *d, bool *so)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_DEVICES, "");
	uint64_t bound;
	int rc;

	*so = true;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		*so &= gw_seqfile_get(d->seq, (const char *)sqlite3_column_text(stmt, 1), &bound) &&
		       bound == (uint64_t)sqlite3_column_int64(stmt, 3);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int gw_renew_books(struct gw_db *d)
{
	sqlite3 *from = d->former;
	int rc;

	if (!from && has_content(d->salvage.fd))
		from = open_aside(d->salvage.aside);
	rc = gw_books_take(d, from, d->running);
	if (rc == SQLITE_OK && d->salvage.mixed && d->salvage.due_known && !d->running)
		rc = was_stopped_in_order(d, &d->salvage.due_known);
	sqlite3_close(from);
	d->former = NULL;
	return rc;
}

/* Above all that the old one can have given; known exactly while it was in use. */
static void choose_ids(struct gw_db *d)
{
	int64_t now = gw_store_wall_ms(), from = now > d->build_ms ? now : d->build_ms;
	uint64_t next = (uint64_t)(from / 1000) << IDS_A_SECOND;

	if (!d->running && d->next_id < next)
		d->next_id = next;
	d->salvage.below = d->next_id;
}

/* Once the small tables are in memory. */
int gw_renew_end(struct gw_db *d)
{
	int rc = gw_db_begin(d);

	choose_ids(d);
	d->sinks_forgotten = !d->salvage.sinks_known && d->nsinks == 0;
	d->salvage.due_known = d->salvage.due_known && !d->sinks_forgotten;
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_META_PUT, "ti", "salvage_below", (int64_t)d->salvage.below);
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_META_PUT, "ti", "salvage_exact", (int64_t)d->salvage.due_known);
	for (size_t i = 0; !d->salvage.due_known && i < d->nsinks && rc == SQLITE_OK; i++) {
		if (d->sink[i].present)
			rc = gw_books_assume_due(d, d->sink[i].number);
	}
	if (rc == SQLITE_OK)
		rc = gw_db_end(d);
	if (rc == SQLITE_OK)
		rc = gw_aside_finish(d);
	if (rc == SQLITE_OK && *d->salvage.aside)
		d->old_removed = gw_aside_remove_old(d->path, d->salvage.aside);
	d->purge = (struct gw_purge){ 0 };
	d->renewing = rc != SQLITE_OK;
	return rc;
}

/* ---- under way ---- */

/* Everything into the file itself, which is held by its descriptor; the connection still reads it. */
static int move_wal(struct gw_db *d)
{
	int rc;

	gw_db_finalize(d);
	rc = gw_wal_move(d);
	if (gw_db_rc_is(rc, SQLITE_FULL) && gw_reserve_release(d))
		rc = gw_wal_move(d);
	return rc;
}

/* On a full disk again, until there is room: nobody else has what is in the WAL. */
static int take_removed(struct gw_db *d, char aside[512], struct gw_err *err)
{
	int rc = d->sql ? move_wal(d) : SQLITE_OK;
	int fd = gw_db_rc_is(rc, SQLITE_FULL) ? -1 : dup(d->file);

	if (gw_db_rc_is(rc, SQLITE_FULL))
		return gw_db_err(d, rc, "begin it anew", err);
	if (fd < 0)
		return gw_err_sys(err, errno, "buffer %s", d->path);
	if (d->sql) {
		sqlite3_db_config(d->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		d->former = d->sql;
		d->sql = NULL;
		d->wal = (struct gw_wal){ 0 };
	}
	if (gw_put_aside(d, false, aside, err) < 0) {
		close(fd);
		return -1;
	}
	if (gw_salvage_from(d, "", fd, false, err) < 0) /* what lies aside is somebody else's */
		return -1;
	d->renewing = true;
	return 0;
}

static int new_file(struct gw_db *d, struct gw_err *err)
{
	int rc = gw_db_begin_again(d, err);

	if (gw_db_rc_is(rc, SQLITE_FULL) && gw_reserve_release(d))
		rc = gw_db_begin_again(d, err);
	return rc;
}

int gw_db_renew(struct gw_db *d, enum gw_store_why why, struct gw_err *err)
{
	struct gw_store_event e = { .kind = GW_STORE_PUT_ASIDE, .why = why };
	int rc;

	if (!d->renewing && (why == GW_STORE_REMOVED ? take_removed(d, e.aside, err) :
						       gw_renew_begin(d, e.aside, err)) < 0)
		return -1;
	if (d->salvage.mixed)
		e.why = GW_STORE_MIXED;
	rc = new_file(d, err);
	if (rc != SQLITE_OK)
		return gw_db_err(d, rc, "begin it anew", err);
	d->damaged = false;
	e.old_removed = d->old_removed;
	if (*e.aside == 0)
		snprintf(e.aside, sizeof(e.aside), "%s", d->salvage.aside);
	gw_db_tell(d, &e);
	return 0;
}
