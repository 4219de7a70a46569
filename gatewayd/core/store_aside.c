/*
 * store_aside.c - damaged databases that are put aside.
 *
 * Several files are to be renamed, and the new database is worth nothing before the books of the old
 * one are in it.  A kill or a power cut in between must not leave half of both, so .seq bears a mark
 * meanwhile: which name, and whether all files bear it.  Whoever finds the mark goes on there.
 */
#include "core/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static const char *const suffix[] = { "-wal", "-shm", "-journal", GW_FOREIGN_WAL, "" };
enum { SUFFIXES = sizeof(suffix) / sizeof(suffix[0]), WAL = 0 };

/* The mark: seconds since 1970, which one of that second (1 to 999), how far. */
enum { MOVING = 1, MOVED = 2, HOW_FAR = 3, WHICH_SHIFT = 2, WHICH = 1023, TIME_SHIFT = 12 };

static void name_of(const char *path, uint64_t mark, char aside[512])
{
	time_t when = (time_t)(mark >> TIME_SHIFT);
	unsigned which = (unsigned)(mark >> WHICH_SHIFT) & WHICH;
	char stamp[32], number[16] = "";
	struct tm utc;

	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&when, &utc));
	if (which > 1)
		snprintf(number, sizeof(number), "-%u", which);
	snprintf(aside, 512, "%.440s.damaged-%s%s", path, stamp, number);
}

/* By any of its files: of a database that was gone there is the WAL alone. */
static bool is_taken(const char *aside)
{
	char name[PATH_SIZE];
	bool taken = false;

	for (size_t i = 0; i < SUFFIXES; i++)
		taken |= access(gw_path_with(name, sizeof(name), aside, suffix[i]), F_OK) == 0;
	return taken;
}

static uint64_t free_name(const char *path, char aside[512])
{
	uint64_t mark = (uint64_t)time(NULL) << TIME_SHIFT, which = 1;

	name_of(path, mark | which << WHICH_SHIFT, aside);
	while (is_taken(aside) && which < 999)
		name_of(path, mark | ++which << WHICH_SHIFT, aside);
	return mark | which << WHICH_SHIFT;
}

static int write_mark(struct gw_db *d, uint64_t mark, struct gw_err *err)
{
	uint64_t before = gw_seqfile_mark(d->seq);

	gw_seqfile_set_mark(d->seq, mark);
	if (gw_seqfile_write(d->seq, err) == 0)
		return 0;
	gw_seqfile_set_mark(d->seq, before);
	return -1;
}

/* The WAL is the first to go: the database is still there to compare it with. */
static const char *suffix_aside(const char *path, size_t i)
{
	return i == WAL && gw_wal_of(path, suffix[WAL]) != GW_WAL_OURS ? GW_FOREIGN_WAL : suffix[i];
}

static int move(const char *path, const char *aside, struct gw_err *err)
{
	char from[PATH_SIZE], to[PATH_SIZE];

	for (size_t i = 0; i < SUFFIXES; i++) {
		gw_path_with(from, sizeof(from), path, suffix[i]);
		gw_path_with(to, sizeof(to), aside, suffix_aside(path, i));
		if (rename(from, to) < 0 && access(from, F_OK) == 0)
			return gw_err_sys(err, errno, "buffer %s is damaged and cannot be put aside as %s", path,
					  aside);
	}
	gw_sync_folder_of(path);
	return 0;
}

int gw_put_aside(struct gw_db *d, bool resumable, char aside[512], struct gw_err *err)
{
	uint64_t mark = gw_seqfile_mark(d->seq);
	struct gw_err ignored; /* without the mark all goes well but for a cut just now */

	if ((mark & HOW_FAR) == MOVED) {
		name_of(d->path, mark, aside);
		gw_aside_remove(d->path); /* the new one that was not finished */
	} else {
		if (mark)
			name_of(d->path, mark, aside);
		else
			mark = free_name(d->path, aside) | MOVING;
		if (resumable && !gw_seqfile_mark(d->seq))
			write_mark(d, mark, &ignored);
		if (move(d->path, aside, err) < 0)
			return -1;
		if (gw_seqfile_mark(d->seq) && write_mark(d, (mark & ~(uint64_t)HOW_FAR) | MOVED, err) < 0)
			return -1;
	}
	if (!is_taken(aside))
		aside[0] = 0;
	return 0;
}

bool gw_aside_is_unfinished(const struct gw_db *d)
{
	return gw_seqfile_mark(d->seq) != 0;
}

/* Twice, so that the mark is in neither copy: it says that the new database may be removed. */
int gw_aside_finish(struct gw_db *d)
{
	struct gw_err ignored; /* it is tried again */

	if (!gw_aside_is_unfinished(d))
		return SQLITE_OK;
	gw_sync_folder_of(d->path);
	if (write_mark(d, 0, &ignored) < 0 || gw_seqfile_write(d->seq, &ignored) < 0)
		return SQLITE_IOERR_WRITE;
	return SQLITE_OK;
}

/* ---- not too many of them ---- */

/* The name of the database of which this is a file; false: of none that was put aside. */
static bool database_of(const char *file, const char *prefix, char name[256])
{
	size_t n;

	if (strncmp(file, prefix, strlen(prefix)) != 0)
		return false;
	n = (size_t)snprintf(name, 256, "%.255s", file);
	for (size_t i = 0; i + 1 < SUFFIXES; i++) {
		size_t length = strlen(suffix[i]);

		if (n > length && strcmp(name + n - length, suffix[i]) == 0)
			name[n - length] = '\0';
	}
	return true;
}

/* Names sort as their times do.  False: there are two at most. */
static bool third_newest(DIR *folder, const char *prefix, const char *current, char found[256])
{
	char newest[256] = "", name[256];
	const struct dirent *e;

	found[0] = '\0';
	rewinddir(folder);
	while ((e = readdir(folder))) {
		if (!database_of(e->d_name, prefix, name) || strcmp(name, current) == 0 ||
		    strcmp(name, newest) == 0)
			continue;
		if (strcmp(name, newest) > 0) {
			snprintf(found, 256, "%s", newest);
			snprintf(newest, sizeof(newest), "%s", name);
		} else if (strcmp(name, found) > 0) {
			snprintf(found, 256, "%s", name);
		}
	}
	return found[0] != '\0';
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

unsigned gw_aside_remove_old(const char *path, const char *aside)
{
	char copy[PATH_SIZE], prefix[256], old[256], name[PATH_SIZE + 256];
	const char *where;
	unsigned n = 0;
	DIR *folder;

	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(prefix, sizeof(prefix), "%.240s.damaged-", file_name(path));
	where = dirname(copy);
	folder = opendir(where);
	while (folder && third_newest(folder, prefix, file_name(aside), old) && n < 1000) {
		snprintf(name, sizeof(name), "%s/%s", where, old);
		gw_aside_remove(name);
		n++;
	}
	if (folder)
		closedir(folder);
	return n;
}

void gw_aside_remove(const char *aside)
{
	char name[PATH_SIZE];

	for (size_t i = 0; *aside && i < SUFFIXES; i++)
		unlink(gw_path_with(name, sizeof(name), aside, suffix[i]));
}
