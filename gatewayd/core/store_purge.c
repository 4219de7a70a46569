/*
 * store_purge.c - which rows may go, found in slices from the oldest on.
 *
 * A row goes when no sink has it due and it is older than the history, or room
 * is needed.  The walk stands still at the first row that is only too young, so
 * that in quiet times a commit looks at as many rows as it deletes.  Rows that
 * are due are walked over once; struct gw_purge says when it comes back.
 */
#include "core/store_private.h"

enum {
	RUNS = 128,
	ROWS_A_SLICE_FOR_ROOM = 500,
	WALKED_OVER_A_SLICE = 500, /* rows that are due: usually a backlog, with nothing to find in it */
};

struct slice {
	int64_t cutoff; /* rows of that time and later stay */
	size_t looked_at, walked_over;
	bool in_run; /* the row before goes */
	unsigned nruns;
	struct { uint64_t from, to; } run[RUNS];
};

static void start_over(struct gw_db *d)
{
	struct gw_purge *p = &d->purge;
	uint64_t budget = p->deepest ? p->deepest * 2 : p->budget * 2;

	if (budget < WALKED_OVER_A_SLICE)
		budget = WALKED_OVER_A_SLICE;
	if (budget > UINT32_MAX) /* the end will come first */
		budget = UINT32_MAX;
	*p = (struct gw_purge){ .budget = budget };
	for (size_t i = 0; i < d->ndevices; i++)
		d->device[i].skipped = 0;
}

static void walk_over(struct gw_device_row *row, uint64_t seq, struct slice *s)
{
	if (row && row->skipped < seq)
		row->skipped = seq;
	s->in_run = false;
	s->walked_over++;
}

/* False: there is no room in the list of this slice. */
static bool take(struct gw_device_row *row, uint64_t id, struct slice *s)
{
	if (!s->in_run) {
		if (s->nruns == RUNS)
			return false;
		s->run[s->nruns++].from = id;
		s->in_run = true;
	}
	s->run[s->nruns - 1].to = id;
	if (row)
		row->pending_readings--;
	return true;
}

/* False: the walk stands at this row. */
static bool look_at(struct gw_db *d, sqlite3_stmt *stmt, struct slice *s)
{
	uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0), seq = (uint64_t)sqlite3_column_int64(stmt, 2);
	uint16_t device = (uint16_t)sqlite3_column_int(stmt, 1);
	struct gw_device_row *row = gw_db_device(d, device);

	if (gw_db_is_due(d, 0, device, seq)) {
		walk_over(row, seq, s);
	} else {
		if (sqlite3_column_int64(stmt, 3) >= s->cutoff || !take(row, id, s))
			return false;
		d->purge.deepest = d->purge.walked + 1;
	}
	d->purge.cursor = id + 1;
	d->purge.walked++;
	s->looked_at++;
	return s->walked_over < WALKED_OVER_A_SLICE;
}

static int delete_runs(struct gw_db *d, const struct slice *s)
{
	int rc = SQLITE_OK;

	for (unsigned i = 0; i < s->nruns && rc == SQLITE_OK; i++)
		rc = gw_db_run(d, GW_SQL_DELETE, "ii", (int64_t)s->run[i].from, (int64_t)s->run[i].to);
	return rc;
}

static bool is_stuck(const struct gw_purge *p)
{
	return p->at_end || p->at_young;
}

static int slice(struct gw_db *d, int64_t cutoff, size_t rows, size_t *looked_at)
{
	struct slice s = { .cutoff = cutoff };
	sqlite3_stmt *stmt;
	int rc;

	if (d->purge.again && (is_stuck(&d->purge) || d->purge.walked >= d->purge.budget))
		start_over(d);
	stmt = gw_db_bind(d, GW_SQL_WALK, "ii", (int64_t)d->purge.cursor, (int64_t)rows);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && look_at(d, stmt, &s))
		;
	sqlite3_reset(stmt);
	d->purge.at_end = rc == SQLITE_DONE && s.looked_at < rows;
	d->purge.at_young = rc == SQLITE_ROW && s.nruns < RUNS && s.walked_over < WALKED_OVER_A_SLICE;
	*looked_at += s.looked_at;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? delete_runs(d, &s) : rc;
}

static int64_t history_cutoff(const struct gw_db *d)
{
	return d->history_ms ? gw_store_wall_ms() - d->history_ms : INT64_MAX;
}

static int make_room(struct gw_db *d, uint64_t target, size_t limit)
{
	size_t looked_at = 0;
	uint64_t used = 0;
	int rc = gw_db_pages(d, &used);

	while (rc == SQLITE_OK && used > target && looked_at < limit && (!d->purge.at_end || d->purge.again)) {
		rc = slice(d, INT64_MAX, ROWS_A_SLICE_FOR_ROOM, &looked_at);
		if (rc == SQLITE_OK)
			rc = gw_db_pages(d, &used);
	}
	return rc;
}

int gw_db_purge(struct gw_db *d, uint64_t ceiling, uint64_t need)
{
	uint64_t used = 0, crowded = gw_db_ceiling(d) / 10 * 9;
	size_t looked_at = 0;
	int rc = gw_db_pages(d, &used);

	if (rc != SQLITE_OK)
		return rc;
	if (ceiling)
		return make_room(d, ceiling > need ? ceiling - need : 0, SIZE_MAX);
	if (used > crowded)
		return make_room(d, crowded, GW_ROWS_LOOKED_AT);
	do /* a second time when the first only found that it has to start over */
		rc = slice(d, history_cutoff(d), GW_ROWS_A_TURN, &looked_at);
	while (rc == SQLITE_OK && d->purge.again && is_stuck(&d->purge) && looked_at < GW_ROWS_A_TURN);
	return rc;
}

/* `old` was the set of one sink until now: does any of it behind the cursor belong to nobody now? */
void gw_purge_note_shrunk(struct gw_db *d, uint16_t device, const struct gw_ranges *old)
{
	const struct gw_device_row *row = gw_db_device(d, device);
	struct gw_ranges gone = { 0 };

	if (!row || gw_ranges_first(old) > row->skipped || d->purge.again)
		return;
	gw_ranges_copy(&gone, old);
	for (size_t i = gw_db_due_of(d, device); i < d->ndue && d->due[i].device == device; i++) {
		for (uint32_t k = 0; k < d->due[i].set.n; k++)
			gw_ranges_remove(&gone, d->due[i].set.r[k].from, d->due[i].set.r[k].to);
	}
	d->purge.again = gone.n && gw_ranges_first(&gone) <= row->skipped;
	gw_ranges_free(&gone);
}
