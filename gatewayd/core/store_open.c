/*
 * store_open.c - from a path to a database that can be trusted, and back.
 *
 * The order matters: the lock first, then a look at the file's header (a foreign
 * or later file must not be touched), then SQLite, then the tables; a damaged
 * file is put aside and a new one begun, once.
 */
#include "core/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PATH_SIZE = 4096,
	MIB = 1024 * 1024,
	CHECKPOINT_PAGES = 250,
	BUSY_MS = 5000,      /* a person with sqlite3 on the file */
	CACHE_KIB = 1024,
	SQLITE_HEAP = 3 * MIB / 2, /* above, SQLite gives back page cache first */
	IDLE_MS = 60000,     /* between two slices of verification */
};

/* ---- connection ---- */

static void set_sizes(struct gw_db *d, uint64_t max_size)
{
	struct gw_room room = gw_room_of(max_size);

	d->wal_room = room.wal;
	d->reserve_size = room.reserve;
	d->max_pages = room.pages;
}

uint64_t gw_db_ceiling(const struct gw_db *d)
{
	return d->disk_pages && d->disk_pages < d->max_pages ? d->disk_pages : d->max_pages;
}

static int set_before_tables(struct gw_db *d)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "PRAGMA page_size=%d; PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0;"
		 "PRAGMA secure_delete=OFF; PRAGMA synchronous=FULL; PRAGMA trusted_schema=OFF",
		 (int)GW_BUFFER_PAGE, (int)CACHE_KIB);
	return sqlite3_exec(d->sql, text, NULL, NULL, NULL);
}

/* Changes the file, so only when it is known to be ours. */
static int set_after_tables(struct gw_db *d)
{
	uint64_t checkpoint = d->wal_room / GW_BUFFER_PAGE / 4;
	char text[256];

	if (checkpoint > CHECKPOINT_PAGES)
		checkpoint = CHECKPOINT_PAGES;
	snprintf(text, sizeof(text),
		 "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=%llu; PRAGMA max_page_count=%llu",
		 (unsigned long long)d->wal_room / 2, (unsigned long long)gw_db_ceiling(d));
	gw_wal_watch(d, checkpoint);
	return sqlite3_exec(d->sql, text, NULL, NULL, NULL);
}

void gw_db_limit(struct gw_db *d, uint64_t max_size, int64_t history_ms)
{
	set_sizes(d, max_size < MIB ? MIB : max_size);
	d->history_ms = history_ms;
	d->reserve_tried_ms = 0; /* its size may be another now */
	if (d->sql)
		set_after_tables(d);
}

void gw_db_stop_growth(struct gw_db *d, uint64_t pages)
{
	d->disk_pages = pages;
	set_after_tables(d);
}

static int connect_to(struct gw_db *d, int flags)
{
	int rc = sqlite3_open_v2(d->path, &d->sql, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc != SQLITE_OK)
		return rc;
	sqlite3_extended_result_codes(d->sql, 1);
	sqlite3_busy_timeout(d->sql, BUSY_MS);
	return set_before_tables(d);
}

static void disconnect(struct gw_db *d)
{
	gw_db_finalize(d);
	sqlite3_close(d->sql);
	d->sql = NULL;
	d->wal = (struct gw_wal){ 0 };
}

/*
 * A descriptor of our own keeps a file readable that somebody removes.  It is closed when SQLite
 * has closed the file, not before: that would end SQLite's locks on it.
 */
static int remember_file(struct gw_db *d)
{
	struct stat s;

	if (d->file >= 0)
		close(d->file);
	d->file = open(d->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (d->file < 0 || fstat(d->file, &s) < 0)
		return SQLITE_CANTOPEN;
	d->file_device = s.st_dev;
	d->file_inode = s.st_ino;
	return SQLITE_OK;
}

/* ---- opening ---- */

/* SQLITE_MISMATCH: refused, *err says why. */
static int begin_tables(struct gw_db *d, struct gw_err *err)
{
	int rc = connect_to(d, SQLITE_OPEN_CREATE);

	if (rc == SQLITE_OK)
		rc = gw_schema_prepare(d->sql, d->path, err);
	if (rc == SQLITE_OK)
		rc = set_after_tables(d);
	if (rc == SQLITE_OK)
		rc = gw_db_prepare(d);
	return rc == SQLITE_OK && d->renewing ? gw_renew_books(d) : rc;
}

static int begin(struct gw_db *d, const char *boot, struct gw_store_info *info, struct gw_err *err)
{
	int rc = begin_tables(d, err);

	memset(info, 0, sizeof(*info));
	if (rc == SQLITE_OK)
		rc = gw_db_introduce(d, boot, info);
	if (rc == SQLITE_OK)
		rc = remember_file(d);
	if (rc == SQLITE_OK)
		rc = d->renewing ? gw_renew_end(d) : gw_salvage_resume(d);
	return rc;
}

int gw_db_begin_again(struct gw_db *d, struct gw_err *err)
{
	int rc;

	disconnect(d);
	rc = begin_tables(d, err);
	if (rc == SQLITE_OK)
		rc = gw_db_keep_identity(d);
	if (rc == SQLITE_OK)
		rc = remember_file(d);
	if (rc == SQLITE_OK)
		rc = gw_renew_end(d);
	if (rc != SQLITE_OK)
		disconnect(d);
	gw_sync_folder_of(d->path);
	return rc;
}

/* A table that is missing is damage too, and a row that cannot be. */
static bool is_damage(int rc)
{
	return gw_db_rc_is(rc, SQLITE_NOTADB) || gw_db_rc_is(rc, SQLITE_CORRUPT) ||
	       gw_db_rc_is(rc, SQLITE_CONSTRAINT) || rc == SQLITE_ERROR;
}

/* An empty file would look like a first start to SQLite, which then drops the WAL beside it. */
static bool was_emptied(const struct gw_db *d)
{
	char wal[PATH_SIZE];
	struct stat s;

	if (stat(d->path, &s) == 0)
		return s.st_size == 0 && gw_seqfile_size(d->seq) > 0;
	return stat(gw_path_with(wal, sizeof(wal), d->path, "-wal"), &s) == 0 && s.st_size > 0;
}

/* A damaged database is for people to look at: its WAL is not moved into it at the close. */
static void leave_as_it_is(struct gw_db *d)
{
	if (d->sql)
		sqlite3_db_config(d->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static int begin_new(struct gw_db *d, const char *boot, struct gw_store_info *info, char aside[512], int *rc,
		     struct gw_err *err)
{
	leave_as_it_is(d);
	disconnect(d);
	if (gw_renew_begin(d, aside, err) < 0)
		return -1;
	*rc = begin(d, boot, info, err);
	return 0;
}

static int begin_or_put_aside(struct gw_db *d, const char *boot, struct gw_store_info *info, char aside[512],
			      struct gw_err *err)
{
	bool gone = gw_aside_is_unfinished(d) || was_emptied(d) || gw_wal_of(d->path, "-wal") != GW_WAL_OURS;
	int rc = gone ? SQLITE_CORRUPT : begin(d, boot, info, err);

	if (gw_db_rc_is(rc, SQLITE_FULL) && gw_reserve_release(d)) {
		disconnect(d);
		rc = begin(d, boot, info, err);
	}
	if (is_damage(rc) && begin_new(d, boot, info, aside, &rc, err) < 0)
		return -1;
	if (d->renewing && gw_db_rc_is(rc, SQLITE_FULL) && gw_reserve_release(d)) {
		disconnect(d);
		rc = begin(d, boot, info, err);
	}
	if (rc == SQLITE_MISMATCH)
		return -1;
	return rc == SQLITE_OK ? 0 : gw_db_err(d, rc, "open", err);
}

static int open_seqfile(struct gw_db *d, struct gw_err *err)
{
	char name[PATH_SIZE];

	return gw_seqfile_open(&d->seq, gw_path_with(name, sizeof(name), d->path, ".seq"), err);
}

/* SQLite's settings for the whole process; the second call does nothing. */
static void set_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_initialize();
	sqlite3_soft_heap_limit64(SQLITE_HEAP);
}

static void begin_running(struct gw_db *d, const struct gw_store_options *opts, struct gw_store_info *info,
			  char aside[512])
{
	info->salvaging = gw_salvage_runs(d);
	info->old_removed = d->old_removed;
	info->mixed = d->salvage.mixed;
	info->due_assumed = !gw_salvage_due_was_known(d);
	if (info->salvaging && *aside == 0)
		snprintf(aside, 512, "%s", d->salvage.aside);
	snprintf(d->buffer, sizeof(d->buffer), "%s", info->buffer);
	snprintf(d->boot, sizeof(d->boot), "%s", opts->boot);
	d->boot_number = info->boot;
	d->running = true;
}

int gw_db_open(struct gw_db **out, const struct gw_store_options *opts, struct gw_store_info *info,
	       char aside[512], struct gw_err *err)
{
	struct gw_db *d;

	aside[0] = 0;
	if (opts->max_size < MIB)
		return gw_err_set(err, GW_EINPUT, "buffer %s: max_size is %llu bytes, 1 MiB at least", opts->path,
				  (unsigned long long)opts->max_size);
	set_sqlite();
	d = gw_must(calloc(1, sizeof(*d)));
	*d = (struct gw_db){ .path = gw_must(strdup(opts->path)), .lock = -1, .file = -1, .salvage = { .fd = -1 },
			     .numbers_end = true, /* none was given yet */
			     .history_ms = opts->history_ms, .build_ms = opts->build_ms,
			     .idle_ms = opts->idle_ms ? opts->idle_ms : IDLE_MS };
	set_sizes(d, opts->max_size);
	if (gw_lock_take(d->path, &d->lock, err) < 0 || open_seqfile(d, err) < 0 ||
	    gw_schema_peek(d->path, err) < 0 || begin_or_put_aside(d, opts->boot, info, aside, err) < 0) {
		gw_db_close(d);
		return -1;
	}
	gw_reserve_make(d);
	gw_sync_folder_of(d->path); /* SQLite sees to that for the WAL only */
	begin_running(d, opts, info, aside);
	*out = d;
	return 0;
}

/* ---- after an error ---- */

void gw_db_judge(struct gw_db *d, int rc)
{
	static const int lasting[] = { SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PROTOCOL,
				       SQLITE_NOMEM };

	if (d->sql && is_damage(rc)) {
		d->damaged = true; /* begun anew at the next request */
		leave_as_it_is(d);
		disconnect(d);
	}
	for (size_t i = 0; d->sql && i < sizeof(lasting) / sizeof(lasting[0]); i++) {
		if (gw_db_rc_is(rc, lasting[i]))
			disconnect(d);
	}
}

/* What failed may be on the disk all the same; it will be handed in again. */
static int forget_unconfirmed(struct gw_db *d)
{
	int rc = gw_db_begin(d);

	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_UNDO_COUNT, "i", (int64_t)d->next_id);
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_UNDO, "i", (int64_t)d->next_id);
	return rc == SQLITE_OK ? gw_db_end(d) : rc;
}

static int open_again(struct gw_db *d, struct gw_err *err)
{
	int rc = gw_wal_of(d->path, "-wal") == GW_WAL_OURS ? connect_to(d, 0) : SQLITE_CORRUPT;

	if (rc == SQLITE_OK)
		rc = set_after_tables(d);
	if (rc == SQLITE_OK)
		rc = gw_db_prepare(d);
	if (rc == SQLITE_OK)
		rc = forget_unconfirmed(d);
	if (rc == SQLITE_OK)
		return 0;
	d->damaged |= is_damage(rc);
	gw_db_err(d, rc, "open it again", err);
	if (d->damaged)
		leave_as_it_is(d);
	disconnect(d);
	return -1;
}

static bool was_removed(const struct gw_db *d)
{
	struct stat s;

	return stat(d->path, &s) < 0 || s.st_ino != d->file_inode || s.st_dev != d->file_device;
}

int gw_db_ready(struct gw_db *d, struct gw_err *err)
{
	bool removed = !d->renewing && was_removed(d);

	if (!removed && !d->damaged && !d->renewing && !d->sql && open_again(d, err) < 0 && !d->damaged)
		return -1;
	if (removed || d->damaged || d->renewing)
		return gw_db_renew(d, removed ? GW_STORE_REMOVED : GW_STORE_DAMAGED, err);
	return 0;
}

/* ---- the end ---- */

static void write_exact_bounds(struct gw_db *d)
{
	struct gw_err ignored; /* bounds that are too high only skip numbers */
	bool any = false;

	for (size_t i = 0; i < d->ndevices; i++) {
		if (!d->device[i].registered && !d->device[i].settled)
			continue;
		gw_seqfile_set(d->seq, d->device[i].name, d->device[i].given);
		any = true;
	}
	if (any)
		gw_seqfile_write(d->seq, &ignored);
}

void gw_db_close(struct gw_db *d)
{
	if (!d)
		return;
	if (d->seq && d->numbers_end)
		write_exact_bounds(d);
	disconnect(d);
	gw_salvage_free(d);
	gw_db_forget(d);
	gw_seqfile_close(d->seq);
	if (d->file >= 0)
		close(d->file);
	if (d->lock >= 0)
		close(d->lock);
	free(d->path);
	free(d);
}
