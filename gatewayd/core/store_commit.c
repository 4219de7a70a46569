/*
 * store_commit.c - the group commit: books, purge and readings in one
 * transaction, and what is tried when there is no room.
 *
 * The memory of the thread (due sets, counts, where the purge stands) is ahead
 * of the disk only while the transaction is open; settle() or undo() ends that.
 */
#include "core/store_private.h"

#include <errno.h>
#include <time.h>

enum { SPARE_PAGES = 64 }; /* for what an insert needs besides the bytes of its readings */

static int64_t monotonic_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- the steps of the transaction, in order ---- */

static int begin(struct gw_db *d, struct gw_commit_work *w)
{
	(void)w;
	return gw_db_begin(d);
}

static uint64_t pages_wanted(const struct gw_commit_work *w)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < w->c.nreadings; i++)
		bytes += w->c.readings[i]->size;
	for (size_t i = 0; i < w->c.nstates; i++)
		bytes += w->c.states[i].size;
	for (size_t i = 0; i < w->c.nwindows; i++)
		bytes += w->c.windows[i].window->size;
	return bytes / GW_BUFFER_PAGE * 3 / 2 + w->c.nreadings / 4 + SPARE_PAGES;
}

/* First, so that all that follows finds free pages. */
static int purge(struct gw_db *d, struct gw_commit_work *w)
{
	return gw_db_purge(d, w->ceiling, w->ceiling ? pages_wanted(w) : 0);
}

static int put_due(struct gw_db *d, struct gw_commit_work *w)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < w->c.ndue && rc == SQLITE_OK; i++) {
		const struct gw_ranges *set = gw_db_due(d, w->due[i].sink, w->due[i].device);

		rc = gw_db_run(d, GW_SQL_DUE_PUT, "iib", (int64_t)w->due[i].sink, (int64_t)w->due[i].device,
			       (const void *)set->r, set->n * sizeof(*set->r));
	}
	return rc;
}

static int put_losses(struct gw_db *d, struct gw_commit_work *w)
{
	uint64_t newest = 0;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < w->c.nlosses && rc == SQLITE_OK; i++) {
		const struct gw_loss_row *l = &w->c.losses[i];

		rc = gw_db_run(d, GW_SQL_LOSS_PUT, "iiiiiiiiiii", (int64_t)l->id, (int64_t)l->sink,
			       (int64_t)l->device, (int64_t)l->from, (int64_t)l->to, (int64_t)l->readings,
			       (int64_t)l->cause, (int64_t)l->exact, l->ts_from_ms, l->ts_to_ms,
			       (int64_t)l->state);
		if (newest < l->id)
			newest = l->id;
	}
	if (rc == SQLITE_OK && newest > GW_LOSSES_KEPT)
		rc = gw_db_run(d, GW_SQL_LOSS_FORGET, "i", (int64_t)(newest - GW_LOSSES_KEPT));
	return rc;
}

static int put_windows(struct gw_db *d, struct gw_commit_work *w)
{
	return gw_db_put_windows(d, &w->c);
}

static int put_sinks(struct gw_db *d, struct gw_commit_work *w)
{
	int rc = SQLITE_OK;

	(void)w;
	for (size_t i = 0; i < d->nsinks && rc == SQLITE_OK; i++) {
		const struct gw_sink_row *s = &d->sink[i];

		if (s->changed)
			rc = gw_db_run(d, GW_SQL_SINK_PUT, "itii", (int64_t)s->number, s->name,
				       (int64_t)s->session, (int64_t)s->present);
	}
	return rc;
}

static int put_states(struct gw_db *d, struct gw_commit_work *w)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < w->c.nstates && rc == SQLITE_OK; i++) {
		const struct gw_state_row *s = &w->c.states[i];

		if (s->size)
			rc = gw_db_run(d, GW_SQL_STATE_PUT, "ttb", s->owner, s->key, s->value, s->size);
		else
			rc = gw_db_run(d, GW_SQL_STATE_DELETE, "tt", s->owner, s->key);
	}
	return rc;
}

static int insert(sqlite3_stmt *stmt, uint64_t id, const struct gw_reading *r)
{
	sqlite3_bind_int64(stmt, 1, (int64_t)id);
	sqlite3_bind_int64(stmt, 2, r->device);
	sqlite3_bind_int64(stmt, 3, (int64_t)r->seq);
	sqlite3_bind_int64(stmt, 4, r->ts_ms);
	sqlite3_bind_blob(stmt, 5, r, (int)r->size, SQLITE_STATIC);
	sqlite3_step(stmt);
	return sqlite3_reset(stmt);
}

static int put_readings(struct gw_db *d, struct gw_commit_work *w)
{
	sqlite3_stmt *stmt = d->stmt[GW_SQL_INSERT];
	int rc = SQLITE_OK;

	for (size_t i = 0; i < w->c.nreadings && rc == SQLITE_OK; i++) {
		const struct gw_reading *r = w->c.readings[i];
		struct gw_device_row *row = gw_db_device(d, r->device);

		rc = insert(stmt, d->next_id + i, r);
		if (row)
			row->pending_readings++;
	}
	sqlite3_clear_bindings(stmt); /* lets go of the ring */
	return rc;
}

static int put_devices(struct gw_db *d, struct gw_commit_work *w)
{
	int rc = SQLITE_OK;

	(void)w;
	for (size_t i = 0; i < d->ndevices && rc == SQLITE_OK; i++) {
		const struct gw_device_row *row = &d->device[i];

		if (row->pending_readings || row->pending_next != row->next)
			rc = gw_db_run(d, GW_SQL_DEVICE_SET, "iii", (int64_t)row->number,
				       (int64_t)row->pending_next,
				       (int64_t)row->readings + row->pending_readings);
	}
	return rc;
}

/* SQLite's own bound is of no use when the file was larger once. */
static int measure(struct gw_db *d, struct gw_commit_work *w)
{
	uint64_t used = 0, ceiling = gw_db_ceiling(d);
	int rc = gw_db_pages(d, &used);

	w->result.bytes = used * GW_BUFFER_PAGE;
	w->result.free_bytes = used < ceiling ? (ceiling - used) * GW_BUFFER_PAGE : 0;
	w->result.disk_free = gw_disk_free(d->path);
	return rc == SQLITE_OK && used > ceiling && w->c.nreadings ? SQLITE_FULL : rc;
}

static int find_oldest(struct gw_db *d, struct gw_commit_work *w)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_OLDEST, "");
	int rc = sqlite3_step(stmt);

	w->result.oldest_id = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	w->result.oldest_ts_ms = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 1) : 0;
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int commit(struct gw_db *d, struct gw_commit_work *w)
{
	(void)w;
	return gw_db_end(d);
}

static int (*const step[])(struct gw_db *d, struct gw_commit_work *w) = {
	begin, purge, put_due, put_losses, put_windows, put_sinks, put_states, put_readings, put_devices, measure,
	find_oldest, commit,
};

/* ---- memory beside the transaction ---- */

static void swap_due(struct gw_db *d, struct gw_commit_work *w)
{
	for (size_t i = 0; i < w->c.ndue; i++) {
		struct gw_ranges *set = gw_db_due(d, w->due[i].sink, w->due[i].device);
		struct gw_ranges old = *set;

		*set = w->due[i].set;
		w->due[i].set = old;
		gw_purge_note_shrunk(d, w->due[i].device, &old);
	}
}

static void take_next(struct gw_db *d, const struct gw_commit_work *w)
{
	for (size_t i = 0; i < w->c.nnext; i++) {
		struct gw_device_row *row = gw_db_device(d, w->c.next[i].device);

		if (!row)
			continue;
		row->given = row->pending_next = w->c.next[i].next_seq;
		row->settled = true;
	}
}

static void settle(struct gw_db *d, struct gw_commit_work *w)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		struct gw_device_row *row = &d->device[i];

		row->readings = (uint64_t)((int64_t)row->readings + row->pending_readings);
		row->pending_readings = 0;
		row->next = row->pending_next;
		w->result.readings += row->readings;
	}
	for (size_t i = 0; i < d->nsinks; i++)
		d->sink[i].changed = false;
	if (w->c.nreadings) {
		w->result.first_id = d->next_id;
		w->result.last_id = d->next_id + w->c.nreadings - 1;
		d->next_id += w->c.nreadings;
		d->purge.at_end = false;
	}
}

static void undo(struct gw_db *d, const struct gw_purge *before)
{
	bool again = d->purge.again || before->again;

	if (!sqlite3_get_autocommit(d->sql))
		gw_db_run(d, GW_SQL_ROLLBACK, "");
	for (size_t i = 0; i < d->ndevices; i++)
		d->device[i].pending_readings = 0;
	d->purge = *before;
	d->purge.again = again;
}

static int attempt(struct gw_db *d, struct gw_commit_work *w)
{
	struct gw_purge before = d->purge;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < sizeof(step) / sizeof(step[0]) && rc == SQLITE_OK; i++)
		rc = step[i](d, w);
	if (rc == SQLITE_OK)
		settle(d, w);
	else
		undo(d, &before);
	return rc;
}

/* ---- no room ---- */

static bool disk_is_full(const struct gw_db *d, const struct gw_commit_work *w)
{
	return gw_disk_is_full(d->path, pages_wanted(w) * GW_BUFFER_PAGE);
}

/* The reserve is for deletes, checkpoints and books: from now on the file lives on the pages it has. */
static int live_within(struct gw_db *d)
{
	uint64_t pages;
	int rc = gw_db_number(d, GW_SQL_PAGES, &pages);

	gw_reserve_release(d);
	if (rc == SQLITE_OK)
		gw_db_stop_growth(d, pages);
	gw_wal_move(d); /* room in the WAL */
	return rc;
}

static int attempt_harder(struct gw_db *d, struct gw_commit_work *w)
{
	int rc = !d->disk_pages && disk_is_full(d, w) ? live_within(d) : SQLITE_OK;

	w->ceiling = gw_db_ceiling(d);
	return rc == SQLITE_OK ? attempt(d, w) : rc;
}

static void end_of_shortage(struct gw_db *d)
{
	gw_reserve_make(d);
	if (d->reserve && d->disk_pages)
		gw_db_stop_growth(d, 0);
}

static void explain(struct gw_db *d, int rc, struct gw_err *err)
{
	static const char waiting[] = "all that it holds still waits for a sink";

	if (!gw_db_rc_is(rc, SQLITE_FULL)) {
		gw_db_err(d, rc, "commit", err);
	} else if (d->disk_pages) {
		gw_err_set(err, GW_EFULL, "buffer %s: the disk is full and %s", d->path, waiting);
		err->sys = ENOSPC;
	} else {
		gw_err_set(err, GW_EFULL, "buffer %s is full: %s", d->path, waiting);
	}
}

void gw_db_commit(struct gw_db *d, struct gw_commit_work *w)
{
	int64_t began = monotonic_us();
	int rc;

	if (d->disk_pages) /* or a file full of what is due would never grow again */
		end_of_shortage(d);
	take_next(d, w);
	swap_due(d, w);
	rc = attempt(d, w);
	if (gw_db_rc_is(rc, SQLITE_FULL))
		rc = attempt_harder(d, w);
	if (rc == SQLITE_OK) {
		d->commits++;
		end_of_shortage(d);
	} else {
		d->failed_commits++;
		swap_due(d, w);
		explain(d, rc, &w->err);
		w->result.err = &w->err;
		gw_db_judge(d, rc);
	}
	w->result.took_us = monotonic_us() - began;
}
