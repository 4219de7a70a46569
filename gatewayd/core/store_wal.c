/*
 * store_wal.c - is the WAL beside the database its own?
 *
 * SQLite cannot tell: a WAL names no database, and its checksums hold beside any.  So `meta` has a
 * mark (key wal: the mark before and the present one), which changes in the first transaction of
 * each WAL.  A WAL begins anew only when all of it was moved into the database: so the mark that the
 * file itself bears is the one before the first in its WAL or, when part of that was moved, one of
 * those in it.  With any other, the WAL is another database's or of another time.  One without any mark
 * is taken for its own.
 *
 * `meta` is page 2, all of it: the first table of a new file, and a few short rows.
 */
#include "core/store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- marks are set ---- */

/* Called after each commit in place of SQLite's own, which moves the WAL in the same way. */
static int on_commit(void *arg, sqlite3 *sql, const char *name, int frames)
{
	struct gw_wal *w = &((struct gw_db *)arg)->wal;
	int moved = 0, rc = SQLITE_OK, all;

	w->due = frames <= w->frames && !w->marked; /* somebody else had moved it, and it began anew */
	if (frames >= w->limit) {
		rc = sqlite3_wal_checkpoint_v2(sql, name, SQLITE_CHECKPOINT_PASSIVE, &all, &moved);
		w->due |= rc != SQLITE_OK || moved != w->moved;
	}
	w->frames = frames;
	w->moved = moved;
	w->marked = false;
	return SQLITE_OK; /* what cannot be moved now is moved later */
}

void gw_wal_watch(struct gw_db *d, uint64_t limit)
{
	d->wal.due = true; /* the connection may be a new one */
	d->wal.limit = (int)limit;
	sqlite3_wal_hook(d->sql, on_commit, d);
}

int gw_wal_move(struct gw_db *d)
{
	d->wal.due = true;
	return sqlite3_wal_checkpoint_v2(d->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static int read_mark(struct gw_db *d)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_META, "t", "wal");
	int rc = sqlite3_step(stmt);
	const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	const char *space = text ? strchr(text, ' ') : NULL;

	snprintf(d->wal.before, sizeof(d->wal.before), "%s", space ? space + 1 : "");
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int gw_db_begin(struct gw_db *d)
{
	int rc = gw_db_run(d, GW_SQL_BEGIN, "");

	if (rc == SQLITE_OK && d->wal.due)
		rc = read_mark(d);
	return rc;
}

int gw_db_end(struct gw_db *d)
{
	int rc = SQLITE_OK;

	if (d->wal.due)
		rc = gw_db_run(d, GW_SQL_WAL_MARK, "t", d->wal.before);
	d->wal.marked = d->wal.due && rc == SQLITE_OK;
	return rc == SQLITE_OK ? gw_db_run(d, GW_SQL_COMMIT, "") : rc;
}

int gw_db_end_or_undo(struct gw_db *d, int rc)
{
	if (rc == SQLITE_OK)
		rc = gw_db_end(d);
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(d->sql))
		gw_db_run(d, GW_SQL_ROLLBACK, "");
	return rc;
}

/* ---- marks are compared ---- */

enum { META_PAGE = 2, PATH_SIZE = 4096, HEADER = 32, FRAME_HEADER = 24, FRAME = FRAME_HEADER + GW_BUFFER_PAGE };

/* What a page of `meta` says. */
struct label {
	char before[24], mark[24], buffer[40];
};

static void take_text(char *out, size_t size, const char *bytes, size_t n)
{
	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), bytes);
}

static void on_row(void *arg, const struct gw_image_row *row)
{
	const struct gw_image_value *key = &row->column[0], *value = &row->column[1];
	struct label *l = arg;
	const char *space;

	if (row->has_id || row->n != 2 || key->type != GW_IMAGE_TEXT || value->type != GW_IMAGE_TEXT)
		return;
	space = memchr(value->bytes, ' ', value->size);
	if (key->size == 3 && memcmp(key->bytes, "wal", 3) == 0 && space) {
		size_t n = (size_t)(space - (const char *)value->bytes);

		take_text(l->before, sizeof(l->before), value->bytes, n);
		take_text(l->mark, sizeof(l->mark), space + 1, value->size - n - 1);
	}
	if (key->size == 6 && memcmp(key->bytes, "buffer", 6) == 0)
		take_text(l->buffer, sizeof(l->buffer), value->bytes, value->size);
}

static struct label label_at(struct gw_image *i, uint64_t at)
{
	struct label l = { .mark = "" };

	gw_image_scan(i, at, on_row, &l);
	return l;
}

static uint32_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Those frames of a WAL that SQLite would take ("Database File Format", 4.1 and 4.2). */
struct frames {
	int fd;
	unsigned char header[HEADER], frame[FRAME];
	uint32_t sum[2];
	uint64_t at; /* of the next one */
};

static uint32_t word(const struct frames *f, const unsigned char *p)
{
	uint32_t big = big_endian(p);

	return f->header[3] & 1 ? big : __builtin_bswap32(big);
}

static void add_up(struct frames *f, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		f->sum[0] += word(f, p + i) + f->sum[1];
		f->sum[1] += word(f, p + i + 4) + f->sum[0];
	}
}

static bool sum_is(const struct frames *f, const unsigned char *p)
{
	return f->sum[0] == big_endian(p) && f->sum[1] == big_endian(p + 4);
}

static bool open_frames(struct frames *f, const char *wal)
{
	*f = (struct frames){ .fd = open(wal, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) };
	if (f->fd < 0 || pread(f->fd, f->header, HEADER, 0) != HEADER ||
	    (big_endian(f->header) | 1) != 0x377f0683 || big_endian(f->header + 8) != GW_BUFFER_PAGE)
		return false;
	add_up(f, f->header, 24);
	return sum_is(f, f->header + 24);
}

static bool next_frame(struct frames *f)
{
	if (pread(f->fd, f->frame, FRAME, (off_t)(HEADER + f->at * FRAME)) != FRAME ||
	    memcmp(f->frame + 8, f->header + 16, 8) != 0 || big_endian(f->frame) == 0)
		return false;
	add_up(f, f->frame, 8);
	add_up(f, f->frame + FRAME_HEADER, GW_BUFFER_PAGE);
	f->at++;
	return sum_is(f, f->frame + 16);
}

static enum gw_wal_of judge(struct frames *f, struct gw_image *image, const struct label *ours)
{
	enum gw_wal_of of = GW_WAL_OURS; /* nothing is in it, or no mark */
	uint64_t meta = UINT64_MAX;

	while (next_frame(f)) {
		if (big_endian(f->frame) == META_PAGE)
			meta = gw_image_wal_begins(image) + f->at - 1;
		if (big_endian(f->frame + 4) == 0) /* the transaction goes on */
			continue;
		if (meta != UINT64_MAX) {
			struct label l = label_at(image, meta);

			if (strcmp(l.before, ours->mark) == 0 || strcmp(l.mark, ours->mark) == 0)
				return GW_WAL_OURS;
			if (strcmp(l.buffer, ours->buffer) != 0)
				of = GW_WAL_OF_ANOTHER;
			else if (of == GW_WAL_OURS)
				of = GW_WAL_OF_ANOTHER_TIME;
		}
		meta = UINT64_MAX;
	}
	return of;
}

/* Without a mark in the database there is nothing to compare. */
static enum gw_wal_of compare(int fd, const char *wal, struct frames *f)
{
	enum gw_wal_of of = GW_WAL_OURS;
	struct gw_image *image;
	struct gw_err ignored; /* whoever opens it next says it */
	struct label ours = { .mark = "" };

	if (gw_image_open(&image, fd, wal, &ignored) < 0)
		return of;
	if (gw_image_wal_begins(image) >= META_PAGE)
		ours = label_at(image, META_PAGE - 1);
	if (*ours.mark)
		of = judge(f, image, &ours);
	gw_image_close(image);
	return of;
}

enum gw_wal_of gw_wal_of(const char *path, const char *suffix)
{
	char wal[PATH_SIZE];
	enum gw_wal_of of = GW_WAL_OURS;
	struct frames f;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	gw_path_with(wal, sizeof(wal), path, suffix);
	if (open_frames(&f, wal) && fd >= 0)
		of = compare(fd, wal, &f);
	if (f.fd >= 0)
		close(f.fd);
	if (fd >= 0)
		close(fd);
	return of;
}
