/*
 * store_read.c - rows on their way back: the backlog, and the oldest that are
 * due.
 *
 * A body is fetched only for rows that are wanted.  Bytes from the disk are
 * copied first (SQLite's are not aligned) and handed out only when shape, CRC
 * and the table's own columns agree.
 */
#include "core/store_private.h"

#include <stdlib.h>
#include <string.h>

/* Grows while rows are added; `pub` is what the caller sees, and the first member. */
struct rows {
	struct gw_rows pub;
	uint64_t *ids;
	size_t *offset; /* of the readings in `data` */
	const struct gw_reading **readings;
	struct gw_damaged_row *damaged;
	char *data;
	size_t used, capacity, slots;
	size_t bytes; /* of the rows taken, as they lie on the disk */
};

struct row {
	uint64_t id, seq;
	uint16_t device;
	int64_t ts_ms;
};

static struct row row_of(sqlite3_stmt *stmt)
{
	return (struct row){ .id = (uint64_t)sqlite3_column_int64(stmt, 0),
			     .device = (uint16_t)sqlite3_column_int(stmt, 1),
			     .seq = (uint64_t)sqlite3_column_int64(stmt, 2),
			     .ts_ms = sqlite3_column_int64(stmt, 3) };
}

static void *space(struct rows *b, size_t size)
{
	if (b->used + size > b->capacity) {
		b->capacity = b->capacity * 2 > b->used + size ? b->capacity * 2 : b->used + size + 4096;
		b->data = gw_must(realloc(b->data, b->capacity));
	}
	return b->data + b->used;
}

static void add_slot(struct rows *b)
{
	if (b->pub.n < b->slots)
		return;
	b->slots = b->slots ? b->slots * 2 : 64;
	b->ids = gw_must(realloc(b->ids, b->slots * sizeof(*b->ids)));
	b->offset = gw_must(realloc(b->offset, b->slots * sizeof(*b->offset)));
}

static void keep(struct rows *b, uint64_t id, size_t size)
{
	add_slot(b);
	b->ids[b->pub.n] = id;
	b->offset[b->pub.n++] = b->used;
	b->used += size;
}

static void note_damaged(struct rows *b, const struct row *row)
{
	size_t n = b->pub.damaged++;

	b->damaged = gw_must(realloc(b->damaged, (n + 1) * sizeof(*b->damaged)));
	b->damaged[n] = (struct gw_damaged_row){ .id = row->id, .device = row->device, .seq = row->seq };
}

static void take_whole(struct rows *b, const struct row *row, const void *body, size_t size)
{
	void *copy;

	if (size < sizeof(struct gw_reading) || size > GW_READING_MAX) {
		note_damaged(b, row);
		return;
	}
	copy = memcpy(space(b, size), body, size);
	if (gw_row_is_whole(copy, size, row->device, row->seq))
		keep(b, row->id, size);
	else
		note_damaged(b, row);
}

/* A damaged one too: its header is made from the columns, so that it can be given up. */
static void take_header(struct rows *b, const struct row *row, const void *body, size_t size)
{
	struct gw_reading r = { .size = (uint32_t)size };

	if (size >= sizeof(r))
		memcpy(&r, body, sizeof(r));
	if (r.device != row->device || r.seq != row->seq || r.size != size)
		r = (struct gw_reading){ .size = (uint32_t)size };
	r.device = row->device;
	r.seq = row->seq;
	r.ts_ms = row->ts_ms;
	memcpy(space(b, sizeof(r)), &r, sizeof(r));
	keep(b, row->id, sizeof(r));
}

static int take(struct gw_db *d, const struct gw_rows_query *q, const struct row *row, struct rows *b)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_BODY, "i", (int64_t)row->id);
	int rc = sqlite3_step(stmt);
	const void *body = rc == SQLITE_ROW ? sqlite3_column_blob(stmt, 0) : NULL;
	size_t size = body ? (size_t)sqlite3_column_bytes(stmt, 0) : 0;

	if (rc == SQLITE_ROW && q->headers)
		take_header(b, row, body, size);
	else if (rc == SQLITE_ROW)
		take_whole(b, row, body, size);
	b->bytes += size;
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool is_wanted(const struct gw_db *d, const struct gw_rows_query *q, const struct row *row)
{
	return !q->due || gw_db_is_due(d, q->sink, row->device, row->seq);
}

static bool is_enough(const struct gw_rows_query *q, const struct rows *b)
{
	return b->pub.n >= q->max_rows || b->bytes >= q->max_bytes;
}

static int collect(struct gw_db *d, const struct gw_rows_query *q, struct rows *b)
{
	int64_t limit = q->due && q->sink == 0 ? -1 : GW_ROWS_LOOKED_AT, looked_at = 0;
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_WALK, "ii", (int64_t)q->from_id, limit);
	int rc = SQLITE_ROW;

	b->pub.next_id = q->from_id;
	while (!is_enough(q, b) && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct row row = row_of(stmt);
		int taken = is_wanted(d, q, &row) ? take(d, q, &row, b) : SQLITE_OK;

		if (taken != SQLITE_OK) {
			rc = taken;
			break;
		}
		b->pub.next_id = row.id + 1;
		looked_at++;
	}
	sqlite3_reset(stmt);
	b->pub.end = rc == SQLITE_DONE && looked_at != limit;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void finish(struct rows *b)
{
	b->readings = gw_must(calloc(b->pub.n + 1, sizeof(*b->readings)));
	for (size_t i = 0; i < b->pub.n; i++)
		b->readings[i] = (const struct gw_reading *)(const void *)(b->data + b->offset[i]);
	b->pub.ids = b->ids;
	b->pub.readings = b->readings;
	b->pub.damaged_rows = b->damaged;
}

int gw_db_collect(struct gw_db *d, const struct gw_rows_query *q, struct gw_rows **out)
{
	struct rows *b = gw_must(calloc(1, sizeof(*b)));
	int rc = collect(d, q, b);

	finish(b);
	*out = &b->pub;
	return rc;
}

int gw_db_rows(struct gw_db *d, const struct gw_rows_query *q, struct gw_rows **out, struct gw_err *err)
{
	int rc = gw_db_collect(d, q, out);

	if (rc == SQLITE_OK)
		return 0;
	gw_rows_free(*out);
	*out = NULL;
	gw_db_err(d, rc, "read", err);
	gw_db_judge(d, rc);
	return -1;
}

void gw_rows_free(struct gw_rows *rows)
{
	struct rows *b = (struct rows *)rows;

	if (!b)
		return;
	free(b->ids);
	free(b->offset);
	free(b->readings);
	free(b->damaged);
	free(b->data);
	free(b);
}
