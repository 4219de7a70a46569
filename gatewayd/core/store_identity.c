/*
 * store_identity.c - which buffer this is and which boot: written once, carried by readings and
 * told to the outside.
 */
#include "core/store_private.h"

#include <stdio.h>
#include <sys/random.h>

static int new_identifier(char uuid[37])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return SQLITE_IOERR;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
		 b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return SQLITE_OK;
}

static int identify(struct gw_db *d, struct gw_store_info *info)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_META, "t", "buffer");
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW) {
		snprintf(info->buffer, sizeof(info->buffer), "%s", (const char *)sqlite3_column_text(stmt, 0));
		sqlite3_reset(stmt);
		return SQLITE_OK;
	}
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE)
		return rc;
	info->created = true;
	rc = new_identifier(info->buffer);
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_META_PUT, "ti", "created", gw_store_wall_ms());
	return rc == SQLITE_OK ? gw_db_run(d, GW_SQL_META_PUT, "tt", "buffer", info->buffer) : rc;
}

static int number_boot(struct gw_db *d, const char *boot, struct gw_store_info *info)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_BOOT, "t", boot);
	int rc = sqlite3_step(stmt);

	info->boot = rc == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(stmt, 0) : 0;
	info->boot_again = rc == SQLITE_ROW;
	sqlite3_reset(stmt);
	if (rc != SQLITE_DONE)
		return rc == SQLITE_ROW ? SQLITE_OK : rc;
	rc = gw_db_run(d, GW_SQL_BOOT_ADD, "t", boot);
	info->boot = (uint32_t)sqlite3_last_insert_rowid(d->sql);
	return rc;
}

/* What the readings of this process carry, in a database that was begun anew under way. */
int gw_db_keep_identity(struct gw_db *d)
{
	int rc = gw_db_begin(d);

	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_META_PUT, "tt", "buffer", d->buffer);
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_BOOT_KEEP, "it", (int64_t)d->boot_number, d->boot);
	return rc == SQLITE_OK ? gw_db_end(d) : rc;
}

static int count(struct gw_db *d, struct gw_store_info *info)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_OLDEST, "");
	uint64_t used = 0;
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		info->oldest_ts_ms = sqlite3_column_int64(stmt, 1);
	sqlite3_reset(stmt);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		rc = gw_db_pages(d, &used);
	info->bytes = used * GW_BUFFER_PAGE;
	for (size_t i = 0; i < d->ndevices; i++)
		info->readings += d->device[i].readings;
	return rc;
}

int gw_db_introduce(struct gw_db *d, const char *boot, struct gw_store_info *info)
{
	int rc = gw_db_begin(d);

	if (rc == SQLITE_OK)
		rc = identify(d, info);
	if (rc == SQLITE_OK)
		rc = number_boot(d, boot, info);
	if (rc == SQLITE_OK)
		rc = gw_db_end(d);
	if (rc == SQLITE_OK)
		rc = gw_db_load(d);
	return rc == SQLITE_OK ? count(d, info) : rc;
}
