/*
 * store_window.c - windows of thinned readings: kept, joined, handed out.
 *
 * The id of a window is made of the first row that was folded into it, so that windows
 * stand in the order of their age and each sink has its own.  On the disk a window is
 * its size (u32) and its block, deflated: neighbouring points are much alike.
 *
 * A window that was handed out may have been seen: from then on (`fixed`, on the disk
 * before the answer) nothing is joined to it.
 */
#include "core/store_private.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/fold.h"

enum { SINK_BITS = 16, FETCH_LOOKS_AT = GW_ROWS_LOOKED_AT };

static uint64_t id_of(const struct gw_window_piece *p)
{
	return p->first_id << SINK_BITS | p->sink;
}

static struct gw_sink_row *sink_of(const struct gw_db *d, uint16_t number)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (d->sink[i].number == number)
			return &d->sink[i];
	return NULL;
}

static bool is_fixed(const struct gw_db *d, uint16_t sink, uint64_t id)
{
	const struct gw_sink_row *row = sink_of(d, sink);

	return row && id <= row->fixed;
}

/* ---- bytes ---- */

static void *packed(const struct gw_window *w, size_t *size)
{
	uLongf room = compressBound(w->size);
	unsigned char *bytes = gw_must(malloc(sizeof(w->size) + room));

	memcpy(bytes, &w->size, sizeof(w->size));
	if (compress2(bytes + sizeof(w->size), &room, (const void *)w, w->size, Z_BEST_SPEED) != Z_OK)
		abort(); /* compressBound() was enough, so memory is out */
	*size = sizeof(w->size) + room;
	return bytes;
}

/* NULL: damaged. */
static struct gw_window *unpacked(const unsigned char *bytes, size_t size)
{
	struct gw_window *w;
	uint32_t whole;
	uLongf got;

	if (!bytes || size < sizeof(whole))
		return NULL;
	memcpy(&whole, bytes, sizeof(whole));
	if (whole < sizeof(*w) || whole > GW_WINDOW_MAX)
		return NULL;
	w = gw_must(malloc(whole));
	got = whole;
	if (uncompress((void *)w, &got, bytes + sizeof(whole), size - sizeof(whole)) == Z_OK && got == whole &&
	    !gw_window_check(w, whole, GW_POINTS_MAX) && w->crc == gw_window_crc(w))
		return w;
	free(w);
	return NULL;
}

static struct gw_window *window_of(sqlite3_stmt *stmt, int column)
{
	const void *bytes = sqlite3_column_blob(stmt, column);

	return unpacked(bytes, (size_t)sqlite3_column_bytes(stmt, column));
}

/* ---- keeping ---- */

static int put(struct gw_db *d, uint64_t id, uint16_t sink, const struct gw_window *w)
{
	size_t size;
	void *bytes = packed(w, &size);
	bool known = !(w->flags & GW_READING_UNSYNCED); /* the columns are for a loss */
	int rc = gw_db_run(d, GW_SQL_WINDOW_PUT, "iiiiiiiib", (int64_t)id, (int64_t)sink, (int64_t)w->device,
			   (int64_t)w->from, (int64_t)w->to, known ? w->ts_from_ms : 0,
			   known ? w->ts_to_ms : 0, (int64_t)w->window_ms, bytes, size);

	free(bytes);
	return rc;
}

struct neighbour {
	uint64_t id, from, to;
	uint32_t window_ms;
	struct gw_window *window; /* NULL: none, or damaged */
	size_t bytes;
};

/* SQLITE_OK with id 0: there is none.  The caller frees the window. */
static int look(struct gw_db *d, enum gw_statement which, uint16_t sink, uint16_t device, uint64_t seq,
		struct neighbour *out)
{
	sqlite3_stmt *stmt = gw_db_bind(d, which, "iii", (int64_t)sink, (int64_t)device, (int64_t)seq);
	int rc = sqlite3_step(stmt);

	*out = (struct neighbour){ 0 };
	if (rc == SQLITE_ROW)
		*out = (struct neighbour){ .id = (uint64_t)sqlite3_column_int64(stmt, 0),
					   .from = (uint64_t)sqlite3_column_int64(stmt, 1),
					   .to = (uint64_t)sqlite3_column_int64(stmt, 2),
					   .window_ms = (uint32_t)sqlite3_column_int64(stmt, 3),
					   .window = window_of(stmt, 4),
					   .bytes = (size_t)sqlite3_column_bytes(stmt, 4) };
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Both in one, or NULL. */
static struct gw_window *both(const struct gw_window *a, const struct gw_window *b)
{
	struct gw_fold *f = gw_fold_new(a->window_ms);
	struct gw_window *w = NULL;

	if (gw_fold_join(f, a) && gw_fold_join(f, b))
		w = gw_fold_take(f);
	gw_fold_free(f);
	return w;
}

/* A commit that failed may be on the disk all the same and is handed in again: then the
 * piece is there. */
static int put_piece(struct gw_db *d, const struct gw_window_piece *p)
{
	struct gw_window *joined = NULL;
	struct neighbour before;
	int rc = look(d, GW_SQL_WINDOW_BEFORE, p->sink, p->window->device, p->window->to, &before);

	if (rc != SQLITE_OK || (before.id && before.to >= p->window->from)) {
		free(before.window);
		return rc;
	}
	if (before.window && before.window_ms == p->window->window_ms && !is_fixed(d, p->sink, before.id))
		joined = both(before.window, p->window);
	rc = joined ? put(d, before.id, p->sink, joined) : put(d, id_of(p), p->sink, p->window);
	free(joined);
	free(before.window);
	return rc;
}

int gw_db_put_windows(struct gw_db *d, const struct gw_commit *c)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < c->nwindows_gone && rc == SQLITE_OK; i++)
		rc = gw_db_run(d, GW_SQL_WINDOW_DELETE, "i", (int64_t)c->windows_gone[i]);
	for (size_t i = 0; i < c->nwindows && rc == SQLITE_OK; i++)
		rc = put_piece(d, &c->windows[i]);
	return rc;
}

/* ---- handing out ---- */

struct windows {
	struct gw_windows pub; /* the first member */
	struct gw_window_row *rows;
	size_t room;
};

static struct gw_window_row row_of(sqlite3_stmt *stmt)
{
	return (struct gw_window_row){ .id = (uint64_t)sqlite3_column_int64(stmt, 0),
				       .sink = (uint16_t)sqlite3_column_int(stmt, 1),
				       .device = (uint16_t)sqlite3_column_int(stmt, 2),
				       .from = (uint64_t)sqlite3_column_int64(stmt, 3),
				       .to = (uint64_t)sqlite3_column_int64(stmt, 4),
				       .ts_from_ms = sqlite3_column_int64(stmt, 5),
				       .ts_to_ms = sqlite3_column_int64(stmt, 6) };
}

/* Bytes and columns have to agree.  When they do not and the bytes are whole, they are right: by
 * their numbers it is declared lost. */
static int take_body(struct gw_db *d, struct gw_window_row *row)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_WINDOW_BODY, "i", (int64_t)row->id);
	int rc = sqlite3_step(stmt);
	struct gw_window *w = rc == SQLITE_ROW ? window_of(stmt, 0) : NULL;

	sqlite3_reset(stmt);
	if (w && (w->device != row->device || w->from != row->from || w->to != row->to)) {
		row->device = w->device;
		row->from = w->from;
		row->to = w->to;
		free(w);
		w = NULL;
	}
	row->window = w;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add(struct gw_db *d, const struct gw_windows_query *q, struct windows *b, struct gw_window_row row)
{
	int rc = q->sink || q->damaged ? take_body(d, &row) : SQLITE_OK;

	if (q->damaged && (row.window || rc != SQLITE_OK)) {
		free((void *)(uintptr_t)row.window);
		return rc;
	}
	if (b->pub.n == b->room) {
		b->room = b->room ? b->room * 2 : 64;
		b->rows = gw_must(realloc(b->rows, b->room * sizeof(*b->rows)));
	}
	b->rows[b->pub.n++] = row;
	return rc;
}

static int collect(struct gw_db *d, const struct gw_windows_query *q, struct windows *b)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_WINDOW_WALK, "ii", (int64_t)q->from_id, (int64_t)FETCH_LOOKS_AT);
	int rc = SQLITE_ROW;

	b->pub.next_id = q->from_id;
	while (b->pub.bytes < q->max_bytes && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct gw_window_row row = row_of(stmt);

		b->pub.next_id = row.id + 1;
		b->pub.looked_at++;
		if (q->sink && row.sink != q->sink)
			continue;
		b->pub.bytes += (size_t)sqlite3_column_int64(stmt, 7);
		rc = add(d, q, b, row);
		if (rc != SQLITE_OK)
			break;
	}
	sqlite3_reset(stmt);
	b->pub.end = rc == SQLITE_DONE && b->pub.looked_at < FETCH_LOOKS_AT;
	b->pub.rows = b->rows;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int fix(struct gw_db *d, uint16_t sink, const struct windows *b)
{
	struct gw_sink_row *row = sink_of(d, sink);
	uint64_t last = b->pub.n ? b->rows[b->pub.n - 1].id : 0;
	int rc;

	if (!row || last <= row->fixed)
		return SQLITE_OK;
	rc = gw_db_begin(d);
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_FIXED_PUT, "ii", (int64_t)sink, (int64_t)last);
	rc = gw_db_end_or_undo(d, rc);
	if (rc == SQLITE_OK)
		row->fixed = last;
	return rc;
}

int gw_db_collect_windows(struct gw_db *d, const struct gw_windows_query *q, struct gw_windows **out)
{
	struct windows *b = gw_must(calloc(1, sizeof(*b)));

	*out = &b->pub;
	return collect(d, q, b);
}

int gw_db_windows(struct gw_db *d, const struct gw_windows_query *q, struct gw_windows **out, struct gw_err *err)
{
	struct windows *b = gw_must(calloc(1, sizeof(*b)));
	int rc = collect(d, q, b);

	if (rc == SQLITE_OK && q->sink)
		rc = fix(d, q->sink, b);
	if (rc != SQLITE_OK) {
		gw_db_err(d, rc, "read windows", err);
		gw_windows_free(&b->pub);
		gw_db_judge(d, rc);
		return -1;
	}
	*out = &b->pub;
	return 0;
}

void gw_windows_free(struct gw_windows *windows)
{
	struct windows *b = (struct windows *)windows;

	if (!b)
		return;
	for (size_t i = 0; i < b->pub.n; i++)
		free((void *)(uintptr_t)b->rows[i].window);
	free(b->rows);
	free(b);
}

/* ---- joining minutes ---- */

struct join {
	struct gw_fold *fold;
	uint64_t first_id, fewer;
	size_t bytes;
	uint16_t sink, device;
};

static int take_part(struct gw_db *d, struct join *j, const struct neighbour *part)
{
	if (!j->first_id)
		j->first_id = part->id;
	else
		j->fewer++;
	j->bytes += part->bytes;
	return gw_db_run(d, GW_SQL_WINDOW_DELETE, "i", (int64_t)part->id);
}

/* The fold takes the part when it continues what is in it. */
static int try_part(struct gw_db *d, struct join *j, const struct neighbour *part, bool *taken)
{
	*taken = part->window && !is_fixed(d, j->sink, part->id) && gw_fold_join(j->fold, part->window);
	return *taken ? take_part(d, j, part) : SQLITE_OK;
}

/* Those behind it, as long as they go on. */
static int continue_with(struct gw_db *d, struct join *j, uint64_t from)
{
	struct neighbour n = { 0 };
	bool more = true;
	int rc = SQLITE_OK;

	while (rc == SQLITE_OK && more) {
		rc = look(d, GW_SQL_WINDOW_BEHIND, j->sink, j->device, from, &n);
		more = false;
		if (rc == SQLITE_OK)
			rc = try_part(d, j, &n, &more);
		from = n.to + 1;
		free(n.window);
	}
	return rc;
}

/* Is there a window of ten minutes that the one at `from` continues? */
static int begin_with(struct gw_db *d, struct join *j, const struct neighbour *at)
{
	struct neighbour n = { 0 };
	bool taken;
	int rc = look(d, GW_SQL_WINDOW_BEFORE, j->sink, j->device, at->from - 1, &n);

	if (rc == SQLITE_OK && n.window && n.window_ms == GW_TEN_MINUTES_MS && !is_fixed(d, j->sink, n.id) &&
	    gw_fold_join(j->fold, n.window) && gw_fold_join(j->fold, at->window)) {
		gw_fold_clear(j->fold);
		rc = try_part(d, j, &n, &taken);
	}
	free(n.window);
	return rc;
}

/* Joins what it can around the window of one minute that begins at `from`. */
static int join_one(struct gw_db *d, struct join *j, uint64_t from)
{
	struct gw_window *w = NULL;
	struct neighbour n = { 0 };
	bool taken = false;
	int rc = look(d, GW_SQL_WINDOW_BEHIND, j->sink, j->device, from, &n);

	if (rc == SQLITE_OK && n.window)
		rc = begin_with(d, j, &n);
	if (!j->first_id)
		gw_fold_clear(j->fold);
	if (rc == SQLITE_OK)
		rc = try_part(d, j, &n, &taken);
	if (rc == SQLITE_OK && taken)
		rc = continue_with(d, j, n.to + 1);
	w = gw_fold_take(j->fold);
	if (rc == SQLITE_OK && w)
		rc = put(d, j->first_id, j->sink, w);
	free(w);
	free(n.window);
	j->first_id = 0;
	return rc;
}

/* The next of one minute behind d->joined; SQLITE_ROW or SQLITE_DONE. */
static int next_short(struct gw_db *d, struct join *j, uint64_t *from)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_WINDOW_SHORT, "ii", (int64_t)d->joined, (int64_t)GW_MINUTE_MS);
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW) {
		d->joined = (uint64_t)sqlite3_column_int64(stmt, 0);
		j->sink = (uint16_t)sqlite3_column_int(stmt, 1);
		j->device = (uint16_t)sqlite3_column_int(stmt, 2);
		*from = (uint64_t)sqlite3_column_int64(stmt, 3);
	}
	sqlite3_reset(stmt);
	return rc;
}

static int join_some(struct gw_db *d, struct join *j, size_t max_bytes)
{
	uint64_t from = 0;
	int rc = SQLITE_OK, looked_at = 0;

	while (rc == SQLITE_OK && j->bytes < max_bytes && looked_at++ < GW_ROWS_LOOKED_AT) {
		rc = next_short(d, j, &from);
		if (rc == SQLITE_DONE && (j->fewer || !d->joined))
			return SQLITE_OK;
		if (rc == SQLITE_DONE) { /* once more from the oldest: what was young then is not now */
			d->joined = 0;
			rc = next_short(d, j, &from);
		}
		if (rc != SQLITE_ROW)
			return rc == SQLITE_DONE ? SQLITE_OK : rc;
		rc = is_fixed(d, j->sink, d->joined) ? SQLITE_OK : join_one(d, j, from);
	}
	return rc;
}

int gw_db_join_windows(struct gw_db *d, size_t max_bytes, uint64_t *joined, struct gw_err *err)
{
	struct join j = { .fold = gw_fold_new(GW_TEN_MINUTES_MS) };
	uint64_t stood = d->joined;
	int rc = gw_db_begin(d);

	if (rc == SQLITE_OK)
		rc = join_some(d, &j, max_bytes);
	if (rc == SQLITE_OK)
		rc = gw_db_end(d);
	gw_fold_free(j.fold);
	*joined = j.fewer;
	if (rc == SQLITE_OK)
		return 0;
	d->joined = stood;
	gw_db_err(d, rc, "join windows", err);
	if (!sqlite3_get_autocommit(d->sql))
		gw_db_run(d, GW_SQL_ROLLBACK, "");
	gw_db_judge(d, rc);
	return -1;
}
