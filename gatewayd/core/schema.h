/*
 * schema.h - the tables of the buffer and how an older file becomes a newer one.
 *
 * The file carries application_id and user_version (the format).  Both lie at
 * fixed places of the file's header, so a file that is not ours is known before
 * SQLite touches it.
 */
#ifndef GW_CORE_SCHEMA_H
#define GW_CORE_SCHEMA_H

#include <sqlite3.h>

#include "core/capacity.h" /* GW_BUFFER_PAGE */
#include "gatewayd/error.h"

enum { GW_BUFFER_ID = 0x47574246 /* "GWBF" */, GW_BUFFER_FORMAT = 2 };

/* Reads the header of the file itself; nothing is changed.  -1: a SQLite database that
 * is not a buffer, or a buffer of a later version.  0: anything else, damage included. */
int gw_schema_peek(const char *path, struct gw_err *err);

/* Creates the tables in an empty database, migrates an older one, each in one
 * transaction.  SQLITE_OK, SQLite's code, or SQLITE_MISMATCH after filling *err. */
int gw_schema_prepare(sqlite3 *sql, const char *path, struct gw_err *err);

#endif
