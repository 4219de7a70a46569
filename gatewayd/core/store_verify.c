/*
 * store_verify.c - readings and windows are looked at before they are needed: all at once for a
 * person, in slices for itself.  Both ways take a damaged reading out, and tell.
 *
 * A whole walk of its own also shows which layouts no reading refers to any more.  A layout goes
 * when it was superseded before two whole walks that did not meet it, with a commit between them and
 * none that failed: so nothing that waits in the ring is of it either.
 */
#include "core/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOWS_A_TURN = 256 * 1024 }; /* bytes on the disk */
enum { SUPERSEDED = 1, MET = 2, MISSED = 4 }; /* of a layout, in a walk; MISSED in the one before */

/* ---- damaged rows ---- */

static int delete_rows(struct gw_db *d, const struct gw_rows *rows)
{
	int rc = gw_db_begin(d);

	for (size_t i = 0; i < rows->damaged && rc == SQLITE_OK; i++) {
		struct gw_device_row *row = gw_db_device(d, rows->damaged_rows[i].device);

		rc = gw_db_run(d, GW_SQL_DELETE, "ii", (int64_t)rows->damaged_rows[i].id,
			       (int64_t)rows->damaged_rows[i].id);
		if (row && sqlite3_changes(d->sql) > 0)
			row->pending_readings--;
	}
	if (rc == SQLITE_OK)
		rc = gw_counts_put(d);
	return rc == SQLITE_OK ? gw_db_end(d) : rc;
}

static int take_out(struct gw_db *d, const struct gw_rows *rows)
{
	struct gw_store_event e = { .kind = GW_STORE_DAMAGED_ROWS, .n = rows->damaged, .row = rows->damaged_rows };
	int rc;

	if (!rows->damaged)
		return SQLITE_OK;
	rc = delete_rows(d, rows);
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(d->sql))
		gw_db_run(d, GW_SQL_ROLLBACK, "");
	gw_counts_settle(d, rc == SQLITE_OK);
	if (rc == SQLITE_OK)
		gw_db_tell(d, &e);
	return rc;
}

/* The caller ends the rows. */
static int look(struct gw_db *d, uint64_t from_id, struct gw_rows **rows)
{
	struct gw_rows_query q = { .from_id = from_id, .max_rows = GW_ROWS_A_TURN, .max_bytes = 1 << 20 };
	int rc = gw_db_collect(d, &q, rows);

	return rc == SQLITE_OK ? take_out(d, *rows) : rc;
}

/* ---- windows ---- */

static int look_at_windows(struct gw_db *d, struct gw_verify_at *at, struct gw_verify *v)
{
	struct gw_windows_query q = { .damaged = true, .from_id = at->id, .max_bytes = WINDOWS_A_TURN };
	struct gw_windows *found;
	int rc = gw_db_collect_windows(d, &q, &found);
	struct gw_store_event e = { .kind = GW_STORE_DAMAGED_WINDOWS, .n = found->n, .window = found->rows };

	if (found->n)
		gw_db_tell(d, &e);
	v->windows += found->looked_at;
	v->damaged_windows += found->n;
	*at = (struct gw_verify_at){ .id = found->end ? 0 : found->next_id, .windows = !found->end };
	gw_windows_free(found);
	return rc;
}

/* ---- for a person ---- */

static int check_all(struct gw_db *d, struct gw_verify *v, struct gw_err *err)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_CHECK, "");
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW) {
		snprintf(v->text, sizeof(v->text), "%s", (const char *)sqlite3_column_text(stmt, 0));
		v->integrity_ok = strcmp(v->text, "ok") == 0;
		if (v->integrity_ok)
			v->text[0] = 0;
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW ? 0 : gw_db_err(d, rc, "check", err);
}

static int look_at_rows(struct gw_db *d, struct gw_verify_at *at, struct gw_verify *v)
{
	struct gw_rows *rows;
	int rc = look(d, at->id, &rows);

	v->readings += rows->n + rows->damaged;
	v->damaged += rows->damaged;
	*at = (struct gw_verify_at){ .id = rows->end ? 0 : rows->next_id, .windows = rows->end };
	gw_rows_free(rows);
	return rc;
}

/* A page that cannot be read ends the walk; SQLite's own check then says which. */
int gw_db_verify(struct gw_db *d, struct gw_verify_at *at, struct gw_verify *v, struct gw_err *err)
{
	bool last = at->windows;
	int rc = at->windows ? look_at_windows(d, at, v) : look_at_rows(d, at, v), result;

	if (rc == SQLITE_OK && (!last || at->windows))
		return 1;
	result = check_all(d, v, err);
	gw_db_judge(d, v->integrity_ok ? rc : SQLITE_CORRUPT);
	return result;
}

/* ---- layouts ---- */

static uint8_t *flags_of(struct gw_walk *w, uint32_t layout)
{
	if (layout >= w->nlayouts) {
		size_t n = (size_t)layout + 16;

		w->layout = gw_must(realloc(w->layout, n));
		memset(w->layout + w->nlayouts, 0, n - w->nlayouts);
		w->nlayouts = n;
	}
	return &w->layout[layout];
}

static int note_superseded(struct gw_db *d)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_LAYOUTS_OLD, "");
	int rc;

	for (size_t i = 0; i < d->walk.nlayouts; i++)
		d->walk.layout[i] &= MISSED;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		*flags_of(&d->walk, (uint32_t)sqlite3_column_int64(stmt, 0)) |= SUPERSEDED;
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void note_met(struct gw_walk *w, const struct gw_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		if (rows->readings[i]->layout < w->nlayouts)
			w->layout[rows->readings[i]->layout] |= MET;
	}
}

/* Windows have layouts too, and none is taken from them. */
static bool has_windows(struct gw_db *d)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_WINDOW_RANGES, "");
	bool any = sqlite3_step(stmt) != SQLITE_DONE;

	sqlite3_reset(stmt);
	return any;
}

/* Between the ends of the two walks everything that waited was committed. */
static bool was_quiet(struct gw_db *d)
{
	return d->commits > d->walk.commits && d->failed_commits == d->walk.failed_commits && !has_windows(d);
}

static int prune_layouts(struct gw_db *d)
{
	bool quiet = was_quiet(d);
	int rc = gw_db_begin(d);

	for (size_t i = 0; i < d->walk.nlayouts && rc == SQLITE_OK; i++) {
		bool missed = (d->walk.layout[i] & (SUPERSEDED | MET)) == SUPERSEDED;

		if (missed && quiet && (d->walk.layout[i] & MISSED))
			rc = gw_db_run(d, GW_SQL_LAYOUT_DELETE, "i", (int64_t)i);
		d->walk.layout[i] = missed ? MISSED : 0;
	}
	d->walk.commits = d->commits;
	d->walk.failed_commits = d->failed_commits;
	return gw_db_end_or_undo(d, rc);
}

/* ---- for itself ---- */

static int verify_rows(struct gw_db *d)
{
	struct gw_rows *rows;
	int rc = look(d, d->walk.at.id, &rows);

	d->walk.at = (struct gw_verify_at){ .id = rows->end ? 0 : rows->next_id, .windows = rows->end };
	note_met(&d->walk, rows);
	if (rc == SQLITE_OK && rows->end)
		rc = prune_layouts(d);
	gw_rows_free(rows);
	return rc;
}

int gw_db_verify_slice(struct gw_db *d)
{
	struct gw_verify seen = { 0 };
	int rc = SQLITE_OK;

	if (!d->walk.at.windows && d->walk.at.id == 0)
		rc = note_superseded(d);
	if (rc == SQLITE_OK && !d->walk.at.windows)
		rc = verify_rows(d);
	if (rc == SQLITE_OK && d->walk.at.windows)
		rc = look_at_windows(d, &d->walk.at, &seen);
	return rc;
}
