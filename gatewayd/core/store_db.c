/*
 * store_db.c - all SQL of the running store, prepared once, and the few helpers
 * that bind, step and explain.
 */
#include "core/store_private.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const text[GW_STATEMENTS] = {
	[GW_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[GW_SQL_COMMIT] = "COMMIT",
	[GW_SQL_ROLLBACK] = "ROLLBACK",
	[GW_SQL_INSERT] = "INSERT INTO reading (id, device, seq, ts, body) VALUES (?1, ?2, ?3, ?4, ?5)",
	[GW_SQL_INSERT_OLD] = "INSERT OR IGNORE INTO reading (id, device, seq, ts, body) VALUES (?1, ?2, ?3, ?4, ?5)",
	[GW_SQL_WALK] = "SELECT id, device, seq, ts FROM reading WHERE id >= ?1 ORDER BY id LIMIT ?2",
	[GW_SQL_BODY] = "SELECT body FROM reading WHERE id = ?1",
	[GW_SQL_DELETE] = "DELETE FROM reading WHERE id BETWEEN ?1 AND ?2",
	[GW_SQL_OLDEST] = "SELECT id, ts FROM reading ORDER BY id LIMIT 1",
	/* windows have ids of readings that may be gone */
	[GW_SQL_NEWEST] = "SELECT max(coalesce((SELECT max(id) FROM reading), 0),"
			  " coalesce((SELECT max(id) >> 16 FROM window), 0),"
			  " coalesce((SELECT max(id) >> 16 FROM window_fixed), 0))",
	[GW_SQL_DEVICES] = "SELECT number, name, first_seq, next_seq, readings FROM device ORDER BY number",
	[GW_SQL_DEVICE_ADD] = "INSERT INTO device (number, name, first_seq, next_seq) VALUES (?1, ?2, ?3, ?4)",
	[GW_SQL_DEVICE_SET] = "UPDATE device SET next_seq = ?2, readings = ?3 WHERE number = ?1",
	[GW_SQL_SINKS] = "SELECT number, name, session, present FROM sink ORDER BY number",
	[GW_SQL_SINK_PUT] = "INSERT OR REPLACE INTO sink (number, name, session, present) VALUES (?1, ?2, ?3, ?4)",
	[GW_SQL_DUES] = "SELECT sink, device, ranges FROM due",
	[GW_SQL_DUE_PUT] = "INSERT INTO due (sink, device, ranges) VALUES (?1, ?2, ?3)"
			   " ON CONFLICT DO UPDATE SET ranges = excluded.ranges",
	[GW_SQL_DUE_DELETE] = "DELETE FROM due WHERE sink = ?1",
	[GW_SQL_LOSSES] = "SELECT id, sink, device, from_seq, to_seq, readings, cause, exact, ts_from, ts_to, state"
			  " FROM loss ORDER BY id",
	[GW_SQL_LOSS_PUT] = "INSERT OR REPLACE INTO loss (id, sink, device, from_seq, to_seq, readings, cause,"
			    " exact, ts_from, ts_to, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[GW_SQL_LOSS_FORGET] = "DELETE FROM loss WHERE id <= ?1 AND state = 2",
	[GW_SQL_LOSS_DELETE] = "DELETE FROM loss WHERE sink = ?1",
	[GW_SQL_LAYOUTS] = "SELECT number, device, body FROM layout ORDER BY number",
	[GW_SQL_LAYOUT_LAST] = "SELECT number, from_seq, body FROM layout WHERE device = ?1 ORDER BY number DESC LIMIT 1",
	[GW_SQL_LAYOUT_ADD] = "INSERT INTO layout (device, from_seq, body) VALUES (?1, ?2, ?3)",
	[GW_SQL_WINDOW_BEFORE] = "SELECT id, from_seq, to_seq, window_ms, body FROM window"
				 " WHERE sink = ?1 AND device = ?2 AND from_seq <= ?3 ORDER BY from_seq DESC LIMIT 1",
	[GW_SQL_WINDOW_BEHIND] = "SELECT id, from_seq, to_seq, window_ms, body FROM window"
				 " WHERE sink = ?1 AND device = ?2 AND from_seq = ?3",
	[GW_SQL_WINDOW_PUT] = "INSERT OR REPLACE INTO window (id, sink, device, from_seq, to_seq, ts_from, ts_to,"
			      " window_ms, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[GW_SQL_WINDOW_DELETE] = "DELETE FROM window WHERE id = ?1",
	[GW_SQL_WINDOW_DROP] = "DELETE FROM window WHERE sink = ?1",
	[GW_SQL_WINDOW_WALK] = "SELECT id, sink, device, from_seq, to_seq, ts_from, ts_to, length(body) FROM window"
			       " WHERE id >= ?1 ORDER BY id LIMIT ?2",
	[GW_SQL_WINDOW_BODY] = "SELECT body FROM window WHERE id = ?1",
	[GW_SQL_WINDOW_SHORT] = "SELECT id, sink, device, from_seq FROM window WHERE id > ?1 AND window_ms = ?2"
				" ORDER BY id LIMIT 1",
	[GW_SQL_WINDOW_RANGES] = "SELECT sink, device, from_seq, to_seq FROM window ORDER BY sink, device, from_seq",
	[GW_SQL_FIXED] = "SELECT sink, id FROM window_fixed",
	[GW_SQL_FIXED_PUT] = "INSERT OR REPLACE INTO window_fixed (sink, id) VALUES (?1, ?2)",
	[GW_SQL_LAYOUTS_OLD] = "SELECT number FROM layout"
			       " WHERE number NOT IN (SELECT max(number) FROM layout GROUP BY device)",
	[GW_SQL_LAYOUT_DELETE] = "DELETE FROM layout WHERE number = ?1",
	[GW_SQL_STATES] = "SELECT owner, key, value FROM state",
	[GW_SQL_STATE_PUT] = "INSERT OR REPLACE INTO state (owner, key, value) VALUES (?1, ?2, ?3)",
	[GW_SQL_STATE_DELETE] = "DELETE FROM state WHERE owner = ?1 AND key = ?2",
	[GW_SQL_META] = "SELECT value FROM meta WHERE key = ?1",
	[GW_SQL_META_PUT] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
	[GW_SQL_BOOT] = "SELECT number FROM boot WHERE id = ?1",
	[GW_SQL_BOOTS] = "SELECT number, id FROM boot ORDER BY number DESC LIMIT 1000",
	[GW_SQL_BOOT_ADD] = "INSERT INTO boot (id) VALUES (?1)",
	[GW_SQL_BOOT_KEEP] = "INSERT OR REPLACE INTO boot (number, id) VALUES (?1, ?2)",
	[GW_SQL_WAL_MARK] = "INSERT OR REPLACE INTO meta (key, value)"
			    " VALUES ('wal', ?1 || ' ' || lower(hex(randomblob(8))))",
	[GW_SQL_PAGES] = "PRAGMA page_count",
	[GW_SQL_FREE_PAGES] = "PRAGMA freelist_count",
	[GW_SQL_UNDO_COUNT] = "UPDATE device SET readings = readings -"
			      " (SELECT count(*) FROM reading r WHERE r.device = device.number AND r.id >= ?1)",
	[GW_SQL_UNDO] = "DELETE FROM reading WHERE id >= ?1",
	[GW_SQL_CHECK] = "PRAGMA integrity_check(1)",
};

int gw_db_prepare(struct gw_db *d)
{
	for (int i = 0; i < GW_STATEMENTS; i++) {
		int rc = sqlite3_prepare_v3(d->sql, text[i], -1, SQLITE_PREPARE_PERSISTENT, &d->stmt[i], NULL);

		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

void gw_db_finalize(struct gw_db *d)
{
	for (int i = 0; i < GW_STATEMENTS; i++) {
		sqlite3_finalize(d->stmt[i]);
		d->stmt[i] = NULL;
	}
}

static void bind(sqlite3_stmt *stmt, const char *letters, va_list ap)
{
	const void *bytes;

	for (int i = 0; letters[i]; i++) {
		switch (letters[i]) {
		case 'i':
			sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
			break;
		case 't':
			sqlite3_bind_text(stmt, i + 1, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
			break;
		default:
			bytes = va_arg(ap, const void *);
			sqlite3_bind_blob64(stmt, i + 1, bytes ? bytes : "", va_arg(ap, size_t), SQLITE_TRANSIENT);
		}
	}
}

sqlite3_stmt *gw_db_bind(struct gw_db *d, enum gw_statement s, const char *letters, ...)
{
	va_list ap;

	sqlite3_reset(d->stmt[s]);
	va_start(ap, letters);
	bind(d->stmt[s], letters, ap);
	va_end(ap);
	return d->stmt[s];
}

int gw_db_run(struct gw_db *d, enum gw_statement s, const char *letters, ...)
{
	va_list ap;
	int rc;

	assert(s == GW_SQL_BEGIN || sqlite3_stmt_readonly(d->stmt[s]) || !sqlite3_get_autocommit(d->sql));
	sqlite3_reset(d->stmt[s]);
	va_start(ap, letters);
	bind(d->stmt[s], letters, ap);
	va_end(ap);
	errno = 0;
	rc = sqlite3_step(d->stmt[s]);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		d->step_errno = errno;
	sqlite3_reset(d->stmt[s]);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int gw_db_number(struct gw_db *d, enum gw_statement s, uint64_t *value)
{
	int rc;

	sqlite3_reset(d->stmt[s]);
	rc = sqlite3_step(d->stmt[s]);
	*value = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(d->stmt[s], 0) : 0;
	sqlite3_reset(d->stmt[s]);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int gw_db_pages(struct gw_db *d, uint64_t *used)
{
	uint64_t pages, unused;
	int rc = gw_db_number(d, GW_SQL_PAGES, &pages);

	if (rc == SQLITE_OK)
		rc = gw_db_number(d, GW_SQL_FREE_PAGES, &unused);
	if (rc == SQLITE_OK)
		*used = pages - unused;
	return rc;
}

bool gw_db_rc_is(int rc, int primary)
{
	return (rc & 0xff) == primary;
}

/* sqlite3_system_errno() knows nothing of a COMMIT that failed. */
static int system_error(const struct gw_db *d, int rc)
{
	int sys;

	if (gw_db_rc_is(rc, SQLITE_FULL))
		return ENOSPC;
	if (!d->sql || (!gw_db_rc_is(rc, SQLITE_IOERR) && !gw_db_rc_is(rc, SQLITE_CANTOPEN)))
		return 0;
	sys = sqlite3_system_errno(d->sql);
	if (sys == ENOENT && gw_disk_has_no_inodes(d->path)) /* SQLite tries to read what it could not make */
		return ENOSPC;
	return sys ? sys : d->step_errno;
}

int gw_db_err(struct gw_db *d, int rc, const char *what, struct gw_err *err)
{
	int sys = system_error(d, rc);

	if (sys)
		return gw_err_sys(err, sys, "buffer %s: cannot %s", d->path, what);
	gw_err_set(err, GW_EIO, "buffer %s: cannot %s: %s", d->path, what, sqlite3_errstr(rc));
	err->sys = EIO;
	return -1;
}

void gw_db_tell(struct gw_db *d, const struct gw_store_event *e)
{
	if (d->tell)
		d->tell(d->tell_arg, e);
}

bool gw_row_is_whole(const struct gw_reading *r, size_t size, uint16_t device, uint64_t seq)
{
	return !gw_reading_check(r, size, GW_POINTS_MAX) && r->size == size && r->crc == gw_reading_crc(r) &&
	       r->device == device && r->seq == seq;
}

void *gw_must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

int64_t gw_store_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
