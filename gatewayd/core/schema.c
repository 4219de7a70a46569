/*
 * schema.c - the tables (schema.h).
 *
 * A step of the table `migration` brings a file from format i to i + 1, so a
 * new file runs all of them.  A released step is never changed.
 */
#include "core/schema.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const migration[] = {
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL);"
	"CREATE TABLE device (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first_seq INTEGER NOT NULL,"
	" next_seq INTEGER NOT NULL, readings INTEGER NOT NULL DEFAULT 0);"
	"CREATE TABLE layout (number INTEGER PRIMARY KEY, device INTEGER NOT NULL, from_seq INTEGER NOT NULL,"
	" body BLOB NOT NULL);"
	"CREATE TABLE sink (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" session INTEGER NOT NULL DEFAULT 0, present INTEGER NOT NULL);"
	"CREATE TABLE reading (id INTEGER PRIMARY KEY, device INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" ts INTEGER NOT NULL, body BLOB NOT NULL);"
	"CREATE TABLE due (sink INTEGER, device INTEGER, ranges BLOB NOT NULL, PRIMARY KEY (sink, device))"
	" WITHOUT ROWID;"
	"CREATE TABLE loss (id INTEGER PRIMARY KEY, sink INTEGER NOT NULL, device INTEGER NOT NULL,"
	" from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, readings INTEGER NOT NULL, cause INTEGER NOT NULL,"
	" exact INTEGER NOT NULL, ts_from INTEGER NOT NULL, ts_to INTEGER NOT NULL, state INTEGER NOT NULL);"
	"CREATE TABLE state (owner TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (owner, key)) WITHOUT ROWID;",

	/* 2: thinned readings */
	"CREATE TABLE window (id INTEGER PRIMARY KEY, sink INTEGER NOT NULL, device INTEGER NOT NULL,"
	" from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL, ts_from INTEGER NOT NULL, ts_to INTEGER NOT NULL,"
	" window_ms INTEGER NOT NULL, body BLOB NOT NULL);"
	"CREATE UNIQUE INDEX window_of ON window (sink, device, from_seq, to_seq);"
	"CREATE INDEX window_short ON window (window_ms);"
	"CREATE TABLE window_fixed (sink INTEGER PRIMARY KEY, id INTEGER NOT NULL);",
};
_Static_assert(sizeof(migration) / sizeof(migration[0]) == GW_BUFFER_FORMAT, "one step a format");

/* In the file before it has a WAL; store_wal.c. */
static const char first_mark[] = "INSERT INTO meta VALUES ('wal', ' ' || lower(hex(randomblob(8))))";

static int refuse(const char *path, int64_t application, int64_t format, struct gw_err *err)
{
	if (application != GW_BUFFER_ID)
		return gw_err_set(err, GW_EINPUT, "%s is a SQLite database but not a gatewayd buffer", path);
	return gw_err_set(err, GW_EINPUT,
			  "buffer %s was written by a later version of gatewayd (format %lld, this one knows %d)",
			  path, (long long)format, (int)GW_BUFFER_FORMAT);
}

static int64_t big_endian(const unsigned char *p)
{
	return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

int gw_schema_peek(const char *path, struct gw_err *err)
{
	enum { FORMAT_AT = 60, APPLICATION_AT = 68, HEADER = 100 }; /* SQLite's file format, 1.3 */
	unsigned char header[HEADER];
	int64_t application, format;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = pread(fd, header, sizeof(header), 0);
	close(fd);
	if (n != HEADER || memcmp(header, "SQLite format 3", 16) != 0)
		return 0;
	application = big_endian(header + APPLICATION_AT);
	format = big_endian(header + FORMAT_AT);
	if (application == 0 && format == 0)
		return 0; /* perhaps half made: the tables will tell */
	if (application == GW_BUFFER_ID && format <= GW_BUFFER_FORMAT)
		return 0;
	return refuse(path, application, format, err);
}

static int number_of(sqlite3 *sql, const char *query, int64_t *value)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(sql, query, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	*value = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int migrate(sqlite3 *sql, int64_t format)
{
	bool new_file = format == 0;
	char stamp[96];
	int rc = sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	for (; rc == SQLITE_OK && format < GW_BUFFER_FORMAT; format++)
		rc = sqlite3_exec(sql, migration[format], NULL, NULL, NULL);
	if (rc == SQLITE_OK && new_file)
		rc = sqlite3_exec(sql, first_mark, NULL, NULL, NULL);
	snprintf(stamp, sizeof(stamp), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
		 (int)GW_BUFFER_ID, (int)GW_BUFFER_FORMAT);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(sql, stamp, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int gw_schema_prepare(sqlite3 *sql, const char *path, struct gw_err *err)
{
	int64_t application = 0, format = 0, tables = 0;
	int rc = number_of(sql, "PRAGMA application_id", &application);

	if (rc == SQLITE_OK)
		rc = number_of(sql, "PRAGMA user_version", &format);
	if (rc == SQLITE_OK)
		rc = number_of(sql, "SELECT count(*) FROM sqlite_master", &tables);
	if (rc != SQLITE_OK)
		return rc;
	if (application == 0 && format == 0 && tables == 0)
		return migrate(sql, 0);
	if (application != GW_BUFFER_ID || format < 1 || format > GW_BUFFER_FORMAT) {
		refuse(path, application, format, err);
		return SQLITE_MISMATCH;
	}
	return format < GW_BUFFER_FORMAT ? migrate(sql, format) : SQLITE_OK;
}
