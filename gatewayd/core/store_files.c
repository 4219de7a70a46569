/*
 * store_files.c - what lies beside the database: the lock and the reserve.
 */
#include "core/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, RESERVE_RETRY_MS = 60000 };

char *gw_path_with(char *buf, size_t size, const char *path, const char *suffix)
{
	snprintf(buf, size, "%s%s", path, suffix);
	return buf;
}

/* ---- the lock ---- */

static int refuse_second_user(int fd, const char *path, struct gw_err *err)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? n : 0] = 0;
	return gw_err_set(err, GW_EFULL, "buffer %s is in use by process %ld", path, strtol(pid, NULL, 10));
}

static int explain_no_lock(const char *path, int sys, struct gw_err *err)
{
	char folder[PATH_SIZE];

	snprintf(folder, sizeof(folder), "%s", path);
	if (sys != ENOENT)
		return gw_err_sys(err, sys, "buffer %s: cannot create files in %s", path, dirname(folder));
	gw_err_set(err, GW_EIO, "buffer %s: the folder %s does not exist", path, dirname(folder));
	err->sys = sys;
	return -1;
}

/* On a full disk the lock holds all the same; only the number is missing. */
static void write_pid(int fd)
{
	char pid[16];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	ssize_t written = ftruncate(fd, 0) == 0 ? pwrite(fd, pid, (size_t)n, 0) : -1;

	(void)written;
}

int gw_lock_take(const char *path, int *fd, struct gw_err *err)
{
	char name[PATH_SIZE];

	*fd = open(gw_path_with(name, sizeof(name), path, ".lock"), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		   0640);
	if (*fd < 0)
		return explain_no_lock(path, errno, err);
	if (flock(*fd, LOCK_EX | LOCK_NB) < 0)
		return refuse_second_user(*fd, path, err);
	write_pid(*fd);
	return 0;
}

/* ---- the reserve ---- */

uint64_t gw_disk_free(const char *path)
{
	struct statvfs s;
	char folder[PATH_SIZE];

	snprintf(folder, sizeof(folder), "%s", path);
	return statvfs(dirname(folder), &s) == 0 ? (uint64_t)s.f_bavail * s.f_frsize : UINT64_MAX;
}

bool gw_disk_is_full(const char *path, uint64_t wanted)
{
	return gw_disk_free(path) < wanted;
}

bool gw_disk_has_no_inodes(const char *path)
{
	struct statvfs s;
	char folder[PATH_SIZE];

	snprintf(folder, sizeof(folder), "%s", path);
	return statvfs(dirname(folder), &s) == 0 && s.f_files > 0 && s.f_favail == 0;
}

static int64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool has_size(const char *path, uint64_t size)
{
	struct stat s;

	return stat(path, &s) == 0 && (uint64_t)s.st_size == size;
}

/* Tries once a minute, and only when more than the reserve is free. */
void gw_reserve_make(struct gw_db *d)
{
	char name[PATH_SIZE];
	int fd;

	gw_path_with(name, sizeof(name), d->path, ".reserve");
	d->reserve = has_size(name, d->reserve_size);
	if (d->reserve || (d->reserve_tried_ms && monotonic_ms() - d->reserve_tried_ms < RESERVE_RETRY_MS))
		return;
	d->reserve_tried_ms = monotonic_ms();
	if (gw_disk_is_full(d->path, d->reserve_size * 2))
		return;
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return;
	d->reserve = posix_fallocate(fd, 0, (off_t)d->reserve_size) == 0;
	close(fd);
	if (!d->reserve)
		unlink(name);
}

bool gw_reserve_release(struct gw_db *d)
{
	char name[PATH_SIZE];

	d->reserve = false;
	d->reserve_tried_ms = monotonic_ms();
	return unlink(gw_path_with(name, sizeof(name), d->path, ".reserve")) == 0;
}
