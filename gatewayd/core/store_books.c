/*
 * store_books.c - the small tables of a damaged database go on in the new one: who the devices
 * and sinks are, what is due, losses, layouts, boots, the memory of plugins.
 *
 * SQLite reads what it can.  A table that it cannot read whole is taken from the pages on which
 * its rows lie (image.h).  What is due is never taken from there, an old set would be as good as
 * the present one: then all is taken to be due that was not declared lost before; better
 * repeated than missing.
 */
#include "core/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/link.h"

/*
 * shape, of a row on its page: N rowid that is a number of ours (1 to 65535), n small rowid, r any
 * rowid, k number of ours, i integer, t text, b blob.
 */
#define DO_NOTHING "ON CONFLICT DO NOTHING"
static const struct book {
	const char *table, *columns, *shape;
	unsigned n;
	bool in_memory; /* the thread knows better while it runs */
	const char *again; /* of rows in a WAL of another time; NULL: they are not taken */
	const char *other; /* finds a row that has the number of one there and is another */
} book[] = {
	{ "meta", "key, value", "tt", 2, false, NULL, NULL },
	{ "boot", "number, id", "nt", 2, false, DO_NOTHING, "SELECT 1 FROM boot WHERE number = ?1 AND id <> ?2" },
	{ "device", "number, name, first_seq, next_seq", "Ntiii", 4, true,
	  "ON CONFLICT (number) DO UPDATE SET next_seq = max(next_seq, excluded.next_seq)",
	  "SELECT 1 FROM device WHERE number = ?1 AND name <> ?2" },
	{ "layout", "number, device, from_seq, body", "nkib", 4, false, DO_NOTHING,
	  "SELECT 1 FROM layout WHERE number = ?1 AND (device <> ?2 OR body <> ?4)" },
	{ "sink", "number, name, session, present", "Ntii", 4, true, NULL, NULL },
	{ "loss", "id, sink, device, from_seq, to_seq, readings, cause, exact, ts_from, ts_to, state",
	  "nkkiiiiiiii", 11, false, DO_NOTHING, NULL },
	{ "window", "id, sink, device, from_seq, to_seq, ts_from, ts_to, window_ms, body", "rkkiiiiib", 9, false,
	  DO_NOTHING, NULL },
	{ "window_fixed", "sink, id", "Ni", 2, false, NULL, NULL },
	{ "state", "owner, key, value", "ttb", 3, false, NULL, NULL },
	{ "due", "sink, device, ranges", NULL, 3, true, NULL, NULL },
};
enum { BOOKS = sizeof(book) / sizeof(book[0]), META = 0, DEVICES = 2, SINKS = 4, DUE = BOOKS - 1 };

struct take {
	struct gw_db *d;
	sqlite3_stmt *insert[BOOKS]; /* NULL: this one is not wanted */
	bool other;
	int rc;
};

static sqlite3_stmt *inserter(struct gw_db *d, const struct book *b, const char *again)
{
	static const char marks[] = "?,?,?,?,?,?,?,?,?,?,?,?";
	sqlite3_stmt *stmt = NULL;
	char text[320];

	snprintf(text, sizeof(text), "INSERT %s INTO %s (%s) VALUES (%.*s) %s", again ? "" : "OR REPLACE", b->table,
		 b->columns, (int)b->n * 2 - 1, marks, again ? again : "");
	sqlite3_prepare_v2(d->sql, text, -1, &stmt, NULL);
	return stmt;
}

static int empty_table(struct gw_db *d, const struct book *b)
{
	char text[64];

	snprintf(text, sizeof(text), "DELETE FROM %s", b->table);
	return sqlite3_exec(d->sql, text, NULL, NULL, NULL);
}

/* ---- by SQLite ---- */

/* SQLITE_DONE: all of it; a code of the old database otherwise, or of the new one in *rc. */
static int copy_rows(sqlite3 *from, const struct book *b, sqlite3_stmt *insert, int *rc)
{
	sqlite3_stmt *stmt = NULL;
	char text[256];
	int step;

	snprintf(text, sizeof(text), "SELECT %s FROM %s", b->columns, b->table);
	step = sqlite3_prepare_v2(from, text, -1, &stmt, NULL);
	if (step != SQLITE_OK)
		return step;
	while (*rc == SQLITE_OK && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (unsigned i = 0; i < b->n; i++)
			sqlite3_bind_value(insert, (int)i + 1, sqlite3_column_value(stmt, (int)i));
		sqlite3_step(insert);
		*rc = sqlite3_reset(insert);
	}
	sqlite3_finalize(stmt);
	if (gw_db_rc_is(*rc, SQLITE_CONSTRAINT)) /* a row that cannot be ours */
		*rc = SQLITE_OK;
	return step;
}

/* True: the whole table. */
static bool copy_by_sql(struct gw_db *d, sqlite3 *from, const struct book *b, int *rc)
{
	sqlite3_stmt *insert = from ? inserter(d, b, NULL) : NULL;
	bool whole = insert && copy_rows(from, b, insert, rc) == SQLITE_DONE;

	sqlite3_finalize(insert);
	if (!whole && *rc == SQLITE_OK)
		*rc = empty_table(d, b);
	return whole;
}

/* ---- from the pages ---- */

static bool is_number_of_ours(int64_t number)
{
	return number >= 1 && number <= UINT16_MAX;
}

static bool fits_column(char shape, const struct gw_image_row *row, const struct gw_image_value *v)
{
	switch (shape) {
	case 'N':
		return row->has_id && v->type == GW_IMAGE_NULL && is_number_of_ours(row->id);
	case 'n':
		return row->has_id && v->type == GW_IMAGE_NULL && row->id >= 1 && row->id <= UINT32_MAX;
	case 'r':
		return row->has_id && v->type == GW_IMAGE_NULL && row->id >= 1;
	case 'k':
		return v->type == GW_IMAGE_INTEGER && is_number_of_ours(v->integer);
	case 't':
		return v->type == GW_IMAGE_TEXT && v->size > 0 && v->size < 256;
	case 'b':
		return v->type == GW_IMAGE_BLOB;
	default:
		return v->type == GW_IMAGE_INTEGER;
	}
}

static bool fits(const struct book *b, const struct gw_image_row *row)
{
	bool with_id = strchr("nNr", b->shape[0]) != NULL;

	if (row->n != strlen(b->shape) || row->has_id != with_id)
		return false;
	for (unsigned i = 0; i < row->n; i++) {
		if (!fits_column(b->shape[i], row, &row->column[i]))
			return false;
	}
	return true;
}

static void bind_row(sqlite3_stmt *insert, unsigned n, const struct gw_image_row *row)
{
	for (unsigned i = 0; i < n; i++) {
		const struct gw_image_value *v = &row->column[i];

		if (v->type == GW_IMAGE_TEXT)
			sqlite3_bind_text(insert, (int)i + 1, v->bytes, (int)v->size, SQLITE_TRANSIENT);
		else if (v->type == GW_IMAGE_BLOB)
			sqlite3_bind_blob(insert, (int)i + 1, v->bytes, (int)v->size, SQLITE_TRANSIENT);
		else
			sqlite3_bind_int64(insert, (int)i + 1, v->type == GW_IMAGE_NULL ? row->id : v->integer);
	}
}

static int put_row(sqlite3_stmt *insert, unsigned n, const struct gw_image_row *row)
{
	int rc;

	bind_row(insert, n, row);
	sqlite3_step(insert);
	rc = sqlite3_reset(insert);
	return gw_db_rc_is(rc, SQLITE_CONSTRAINT) ? SQLITE_OK : rc; /* it only looked like one */
}

static void on_row(void *arg, const struct gw_image_row *row)
{
	struct take *t = arg;

	for (unsigned i = 0; i < BOOKS && t->rc == SQLITE_OK; i++) {
		if (t->insert[i] && fits(&book[i], row))
			t->rc = put_row(t->insert[i], book[i].n, row);
	}
}

static void copy_from_pages(struct take *t, struct gw_image *image)
{
	bool any = false;

	for (unsigned i = 0; i < BOOKS; i++)
		any |= t->insert[i] != NULL;
	for (uint64_t at = 0; any && at < gw_image_pages(image); at++)
		gw_image_scan(image, at, on_row, t);
	for (unsigned i = 0; i < BOOKS; i++)
		sqlite3_finalize(t->insert[i]);
}

/* ---- from a WAL of another time ---- */

/* The statements look for a row that is another one. */
static void on_row_to_compare(void *arg, const struct gw_image_row *row)
{
	struct take *t = arg;

	for (unsigned i = 0; i < BOOKS; i++) {
		if (!t->insert[i] || !fits(&book[i], row))
			continue;
		bind_row(t->insert[i], (unsigned)sqlite3_bind_parameter_count(t->insert[i]), row);
		t->other |= sqlite3_step(t->insert[i]) == SQLITE_ROW;
		sqlite3_reset(t->insert[i]);
	}
}

/* The newest of each row first, since the first one stays. */
static void scan_wal(struct take *t, gw_image_fn *fn)
{
	struct gw_image *image = t->d->salvage.image;

	for (uint64_t at = gw_image_pages(image); at-- > gw_image_wal_begins(image);)
		gw_image_scan(image, at, fn, t);
	for (unsigned i = 0; i < BOOKS; i++) {
		sqlite3_finalize(t->insert[i]);
		t->insert[i] = NULL;
	}
}

/*
 * Behind a copy that was put back and ran for a while the same numbers may mean other devices, boots
 * and layouts than in a WAL from before: then nothing in it is ours.
 */
static bool is_of_another_branch(struct gw_db *d)
{
	struct take t = { .d = d };

	for (unsigned i = 0; i < BOOKS; i++)
		if (book[i].other)
			sqlite3_prepare_v2(d->sql, book[i].other, -1, &t.insert[i], NULL);
	scan_wal(&t, on_row_to_compare);
	return t.other;
}

static int take_foreign_wal(struct gw_db *d)
{
	struct take t = { .d = d };

	if (is_of_another_branch(d)) {
		gw_image_leave_wal(d->salvage.image);
		return SQLITE_OK;
	}
	for (unsigned i = 0; i < BOOKS; i++)
		if (book[i].again)
			t.insert[i] = inserter(d, &book[i], book[i].again);
	scan_wal(&t, on_row);
	return t.rc;
}

/* ---- a device of which only a layout is left ---- */

/* The layout begins with the message that has the device's name. */
static bool name_in(const void *body, size_t size, char name[256])
{
	struct gw_message m;
	struct gw_err err;
	uint32_t first;

	if (size < sizeof(first))
		return false;
	memcpy(&first, body, sizeof(first));
	if (first > size - sizeof(first) ||
	    gw_message_decode((const unsigned char *)body + sizeof(first), first, FROM_CORE, &m, &err) != 0 ||
	    m.type != GW_MSG_LAYOUT || m.layout.name.n == 0)
		return false;
	snprintf(name, 256, "%.*s", (int)m.layout.name.n, m.layout.name.s);
	return true;
}

static int add_device_of(struct gw_db *d, sqlite3_stmt *layout)
{
	int64_t from = sqlite3_column_int64(layout, 1);
	uint64_t next = (uint64_t)from, bound;
	char name[256];
	int rc;

	if (from < 1 || !name_in(sqlite3_column_blob(layout, 2), (size_t)sqlite3_column_bytes(layout, 2), name))
		return SQLITE_OK;
	if (gw_seqfile_get(d->seq, name, &bound) && bound > next)
		next = bound;
	rc = gw_db_run(d, GW_SQL_DEVICE_ADD, "itii", sqlite3_column_int64(layout, 0), name, from, (int64_t)next);
	return gw_db_rc_is(rc, SQLITE_CONSTRAINT) ? SQLITE_OK : rc; /* the name is another number's */
}

static int add_devices_of_layouts(struct gw_db *d)
{
	static const char text[] = "SELECT device, min(from_seq), body FROM layout"
				   " WHERE device NOT IN (SELECT number FROM device) GROUP BY device";
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(d->sql, text, -1, &stmt, NULL), step = rc;

	while (rc == SQLITE_OK && (step = sqlite3_step(stmt)) == SQLITE_ROW)
		rc = add_device_of(d, stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_OK && step != SQLITE_DONE ? step : rc;
}

/* Of a buffer that lost devices the numbers may go to others: whoever knows it by its name must not
 * take it for the same. */
static int forget_name_if_torn(struct gw_db *d)
{
	uint64_t devices = 0;
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(d->sql, "SELECT count(*) FROM device", -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		devices = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	if (devices > 0 && devices >= gw_seqfile_size(d->seq))
		return SQLITE_OK;
	return empty_table(d, &book[META]);
}

/* ---- what is due ---- */

/* What rows of losses or windows cover; their columns from `at` on are sink, device, from, to. */
static int remove_covered(struct gw_db *d, enum gw_statement s, int at, uint16_t sink, uint16_t device,
			  struct gw_ranges *set)
{
	sqlite3_stmt *stmt = gw_db_bind(d, s, "");
	int rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (sqlite3_column_int(stmt, at) == sink && sqlite3_column_int(stmt, at + 1) == device)
			gw_ranges_remove(set, (uint64_t)sqlite3_column_int64(stmt, at + 2),
					 (uint64_t)sqlite3_column_int64(stmt, at + 3));
	}
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* All that was ever given, but what is declared lost or lies in windows. */
static int assume_all(struct gw_db *d, uint16_t sink, const struct gw_device_row *row)
{
	struct gw_ranges *set = gw_db_due(d, sink, row->number);
	int rc;

	gw_ranges_free(set);
	if (row->next > row->first)
		gw_ranges_add(set, row->first, row->next - 1);
	rc = remove_covered(d, GW_SQL_LOSSES, 1, sink, row->number, set);
	if (rc == SQLITE_OK)
		rc = remove_covered(d, GW_SQL_WINDOW_RANGES, 0, sink, row->number, set);
	if (rc != SQLITE_OK)
		return rc;
	return gw_db_run(d, GW_SQL_DUE_PUT, "iib", (int64_t)sink, (int64_t)row->number, (const void *)set->r,
			 set->n * sizeof(*set->r));
}

int gw_books_assume_due(struct gw_db *d, uint16_t sink)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < d->ndevices && rc == SQLITE_OK; i++)
		rc = assume_all(d, sink, &d->device[i]);
	return rc;
}

/* ---- from the thread's memory ---- */

static int put_devices(struct gw_db *d)
{
	int rc = empty_table(d, &book[DEVICES]);

	for (size_t i = 0; i < d->ndevices && rc == SQLITE_OK; i++) {
		struct gw_device_row *row = &d->device[i];

		row->readings = 0;
		row->pending_readings = 0;
		rc = gw_db_run(d, GW_SQL_DEVICE_ADD, "itii", (int64_t)row->number, row->name,
			       (int64_t)row->first, (int64_t)row->next);
	}
	return rc;
}

static int put_sinks_and_due(struct gw_db *d)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < d->nsinks && rc == SQLITE_OK; i++)
		rc = gw_db_run(d, GW_SQL_SINK_PUT, "itii", (int64_t)d->sink[i].number, d->sink[i].name,
			       (int64_t)d->sink[i].session, (int64_t)d->sink[i].present);
	for (size_t i = 0; i < d->ndue && rc == SQLITE_OK; i++)
		rc = gw_db_run(d, GW_SQL_DUE_PUT, "iib", (int64_t)d->due[i].sink, (int64_t)d->due[i].device,
			       (const void *)d->due[i].set.r, d->due[i].set.n * sizeof(*d->due[i].set.r));
	return rc;
}

/* ---- all of them ---- */

static int take(struct gw_db *d, sqlite3 *from, bool running)
{
	struct take t = { .d = d };
	bool known[BOOKS] = { false };

	for (unsigned i = 0; i < BOOKS && t.rc == SQLITE_OK; i++) {
		known[i] = (running && book[i].in_memory) || copy_by_sql(d, from, &book[i], &t.rc);
		if (!known[i] && book[i].shape)
			t.insert[i] = inserter(d, &book[i], NULL);
	}
	copy_from_pages(&t, d->salvage.image);
	if (t.rc == SQLITE_OK && d->salvage.mixed)
		t.rc = take_foreign_wal(d);
	if (t.rc == SQLITE_OK && running)
		t.rc = put_devices(d);
	if (t.rc == SQLITE_OK && running)
		t.rc = put_sinks_and_due(d);
	if (t.rc == SQLITE_OK && !known[DEVICES])
		t.rc = add_devices_of_layouts(d);
	if (t.rc == SQLITE_OK && !known[DEVICES])
		t.rc = forget_name_if_torn(d);
	d->salvage.sinks_known = known[SINKS];
	d->salvage.due_known = t.rc == SQLITE_OK && known[DUE] && known[DEVICES];
	return t.rc;
}

int gw_books_take(struct gw_db *d, sqlite3 *from, bool running)
{
	int rc = gw_db_begin(d);

	if (rc == SQLITE_OK)
		rc = take(d, from, running);
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_META_PUT, "tt", "salvage", d->salvage.aside);
	return rc == SQLITE_OK ? gw_db_end(d) : rc;
}
