/*
 * disk_log.h - what this process does to the files of one folder, call by call: the calls that
 * change files are defined here, before those of libc (and of the sanitizers), note what was done
 * and pass it on.  So all writers are seen: SQLite, .seq, the reserve, what is put aside.
 *
 * Left out are the lock file and SQLite's -shm, which mean nothing after a power cut.
 */
#ifndef GW_TESTS_DISK_LOG_H
#define GW_TESTS_DISK_LOG_H

#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum disk_what {
	DISK_WRITE,  /* bytes at `at` */
	DISK_SIZE,   /* the file is `at` bytes long now */
	DISK_SYNC,   /* of the file */
	DISK_CREATE, /* name */
	DISK_RENAME, /* name becomes other */
	DISK_REMOVE, /* name */
	DISK_FOLDER, /* synced */
};

enum { DISK_NAME = 80, DISK_FILES = 256, DISK_FDS = 1024 };

struct disk_event {
	enum disk_what what;
	unsigned file; /* number of the file, whatever its name is then */
	uint64_t at, size;
	unsigned char *bytes;
	char name[DISK_NAME], other[DISK_NAME]; /* in the folder */
};

/* A file under its name, with all that was in it at the beginning. */
struct disk_begin {
	char name[DISK_NAME];
	unsigned file;
	unsigned char *bytes;
	uint64_t size;
};

struct disk_log {
	char folder[128];
	struct disk_event *event;
	size_t n, capacity;
	struct disk_begin begin[DISK_FILES];
	size_t nbegin;
	unsigned files; /* numbers given */
};

/* ---- the recorder: one at a time ---- */

enum { DISK_THE_FOLDER = UINT16_MAX };

static struct {
	pthread_mutex_t mutex;
	struct disk_log *log;          /* NULL: nothing is recorded */
	unsigned fd[DISK_FDS];         /* file number + 1 */
	char name[DISK_FILES][DISK_NAME]; /* by file number; "": it has none */
	bool syncs_fail;               /* each ends with an error, and who knows what was written */
} disk_recorder = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool disk_matters(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < DISK_NAME && !strchr(name, '/') && !strstr(name, "-shm") && !strstr(name, ".lock");
}

/* The name in the folder; NULL: another folder, or one that does not matter. */
static const char *disk_name_of(const char *path)
{
	size_t n;

	if (!disk_recorder.log || !path)
		return NULL;
	n = strlen(disk_recorder.log->folder);
	if (strncmp(path, disk_recorder.log->folder, n) != 0 || path[n] != '/')
		return NULL;
	return disk_matters(path + n + 1) ? path + n + 1 : NULL;
}

/* File number + 1; 0: no such name. */
static unsigned disk_file_named(const char *name)
{
	for (unsigned i = 0; i < disk_recorder.log->files; i++)
		if (strcmp(disk_recorder.name[i], name) == 0)
			return i + 1;
	return 0;
}

static struct disk_event *disk_note(enum disk_what what, unsigned file)
{
	struct disk_log *log = disk_recorder.log;

	if (log->n == log->capacity) {
		log->capacity = log->capacity ? log->capacity * 2 : 1024;
		log->event = realloc(log->event, log->capacity * sizeof(*log->event));
		assert(log->event);
	}
	log->event[log->n] = (struct disk_event){ .what = what, .file = file };
	return &log->event[log->n++];
}

static unsigned disk_new_file(const char *name)
{
	unsigned file = disk_recorder.log->files++;

	assert(file < DISK_FILES);
	snprintf(disk_recorder.name[file], DISK_NAME, "%s", name);
	return file;
}

static void disk_opened(const char *path, int flags, int fd)
{
	const char *name = disk_name_of(path);
	unsigned file;

	if (disk_recorder.log && fd >= 0 && fd < DISK_FDS && strcmp(path, disk_recorder.log->folder) == 0)
		disk_recorder.fd[fd] = DISK_THE_FOLDER + 1;
	if (!name || fd < 0 || fd >= DISK_FDS)
		return;
	file = disk_file_named(name);
	if (!file && !(flags & O_CREAT))
		return;
	if (!file) {
		file = disk_new_file(name) + 1;
		snprintf(disk_note(DISK_CREATE, file - 1)->name, DISK_NAME, "%s", name);
	}
	if (flags & O_TRUNC)
		disk_note(DISK_SIZE, file - 1);
	disk_recorder.fd[fd] = file;
}

/* File number + 1 */
static unsigned disk_file_of(int fd)
{
	return disk_recorder.log && fd >= 0 && fd < DISK_FDS ? disk_recorder.fd[fd] : 0;
}

static void disk_wrote(int fd, const void *bytes, ssize_t n, off_t at)
{
	unsigned file = disk_file_of(fd);
	struct disk_event *e;

	if (!file || n <= 0)
		return;
	e = disk_note(DISK_WRITE, file - 1);
	e->at = (uint64_t)at;
	e->size = (uint64_t)n;
	e->bytes = malloc((size_t)n);
	assert(e->bytes);
	memcpy(e->bytes, bytes, (size_t)n);
}

static void disk_sized(int fd, off_t size)
{
	unsigned file = disk_file_of(fd);

	if (file)
		disk_note(DISK_SIZE, file - 1)->at = (uint64_t)size;
}

static void disk_synced(int fd)
{
	unsigned file = disk_file_of(fd);

	if (file == DISK_THE_FOLDER + 1)
		disk_note(DISK_FOLDER, 0);
	else if (file)
		disk_note(DISK_SYNC, file - 1);
}

static void disk_renamed(const char *from, const char *to)
{
	const char *name = disk_name_of(from), *other = disk_name_of(to);
	unsigned file = name ? disk_file_named(name) : 0, over = other ? disk_file_named(other) : 0;
	struct disk_event *e;

	if (!file || !other)
		return;
	if (over)
		disk_recorder.name[over - 1][0] = '\0';
	snprintf(disk_recorder.name[file - 1], DISK_NAME, "%s", other);
	e = disk_note(DISK_RENAME, file - 1);
	snprintf(e->name, DISK_NAME, "%s", name);
	snprintf(e->other, DISK_NAME, "%s", other);
}

static void disk_removed(const char *path)
{
	const char *name = disk_name_of(path);
	unsigned file = name ? disk_file_named(name) : 0;

	if (!file)
		return;
	snprintf(disk_note(DISK_REMOVE, file - 1)->name, DISK_NAME, "%s", name);
	disk_recorder.name[file - 1][0] = '\0';
}

static void disk_closed(int fd)
{
	if (fd >= 0 && fd < DISK_FDS)
		disk_recorder.fd[fd] = 0;
}

/* ---- the calls ---- */

#define DISK_REAL(type, name, ...) ((type (*)(__VA_ARGS__))(uintptr_t)dlsym(RTLD_NEXT, name))

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;
	int fd;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	fd = DISK_REAL(int, "open", const char *, int, ...)(path, flags, mode);
	pthread_mutex_lock(&disk_recorder.mutex);
	disk_opened(path, flags, fd);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return fd;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	ssize_t done;

	pthread_mutex_lock(&disk_recorder.mutex);
	done = DISK_REAL(ssize_t, "pwrite", int, const void *, size_t, off_t)(fd, bytes, n, at);
	disk_wrote(fd, bytes, done, at);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return done;
}

int ftruncate(int fd, off_t size)
{
	int rc = DISK_REAL(int, "ftruncate", int, off_t)(fd, size);

	pthread_mutex_lock(&disk_recorder.mutex);
	if (rc == 0)
		disk_sized(fd, size);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return rc;
}

/* SQLite calls them by these names; they are the same where off_t has 64 bits. */
_Static_assert(sizeof(off_t) == sizeof(off64_t), "the calls with 64 need bodies of their own");
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) __attribute__((alias("pwrite")));
int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));

int posix_fallocate(int fd, off_t at, off_t size)
{
	int rc = DISK_REAL(int, "posix_fallocate", int, off_t, off_t)(fd, at, size);

	pthread_mutex_lock(&disk_recorder.mutex);
	if (rc == 0)
		disk_sized(fd, at + size);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return rc;
}

/* Noted when it is over: only then is it certain. */
static int disk_sync(const char *call, int fd)
{
	int rc = DISK_REAL(int, call, int)(fd);

	pthread_mutex_lock(&disk_recorder.mutex);
	if (disk_recorder.syncs_fail && disk_file_of(fd))
		errno = EIO, rc = -1;
	if (rc == 0)
		disk_synced(fd);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return rc;
}

static void disk_syncs_fail(bool fail)
{
	pthread_mutex_lock(&disk_recorder.mutex);
	disk_recorder.syncs_fail = fail;
	pthread_mutex_unlock(&disk_recorder.mutex);
}

int fsync(int fd)
{
	return disk_sync("fsync", fd);
}

int fdatasync(int fd)
{
	return disk_sync("fdatasync", fd);
}

int rename(const char *from, const char *to)
{
	int rc;

	pthread_mutex_lock(&disk_recorder.mutex);
	rc = DISK_REAL(int, "rename", const char *, const char *)(from, to);
	if (rc == 0)
		disk_renamed(from, to);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return rc;
}

int unlink(const char *path)
{
	int rc;

	pthread_mutex_lock(&disk_recorder.mutex);
	rc = DISK_REAL(int, "unlink", const char *)(path);
	if (rc == 0)
		disk_removed(path);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return rc;
}

int close(int fd)
{
	pthread_mutex_lock(&disk_recorder.mutex);
	disk_closed(fd);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return DISK_REAL(int, "close", int)(fd);
}

/* ---- from here to there ---- */

static void disk_take(struct disk_log *log, const char *name)
{
	struct disk_begin *b = &log->begin[log->nbegin];
	char path[256];
	struct stat s;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", log->folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &s) < 0)
		abort();
	b->size = (uint64_t)s.st_size;
	b->bytes = malloc(b->size + 1);
	if (!b->bytes || pread(fd, b->bytes, b->size, 0) != (ssize_t)b->size)
		abort();
	close(fd);
	b->file = (unsigned)log->nbegin++;
	snprintf(b->name, DISK_NAME, "%s", name);
}

/* From now on; what lies in the folder is on the disk.  No file in it may be open. */
static struct disk_log *disk_record(const char *folder)
{
	struct disk_log *log = calloc(1, sizeof(*log));
	DIR *dir = opendir(folder);
	struct dirent *e;

	assert(log && dir);
	snprintf(log->folder, sizeof(log->folder), "%s", folder);
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.' && disk_matters(e->d_name))
			disk_take(log, e->d_name);
	closedir(dir);
	pthread_mutex_lock(&disk_recorder.mutex);
	memset(disk_recorder.fd, 0, sizeof(disk_recorder.fd));
	memset(disk_recorder.name, 0, sizeof(disk_recorder.name));
	disk_recorder.log = log;
	for (size_t i = 0; i < log->nbegin; i++)
		disk_new_file(log->begin[i].name);
	pthread_mutex_unlock(&disk_recorder.mutex);
	return log;
}

/* How much has happened. */
static size_t disk_now(void)
{
	size_t n;

	pthread_mutex_lock(&disk_recorder.mutex);
	n = disk_recorder.log ? disk_recorder.log->n : 0;
	pthread_mutex_unlock(&disk_recorder.mutex);
	return n;
}

static void disk_stop(void)
{
	pthread_mutex_lock(&disk_recorder.mutex);
	disk_recorder.log = NULL;
	pthread_mutex_unlock(&disk_recorder.mutex);
}

static void disk_forget(struct disk_log *log)
{
	for (size_t i = 0; i < log->n; i++)
		free(log->event[i].bytes);
	for (size_t i = 0; i < log->nbegin; i++)
		free(log->begin[i].bytes);
	free(log->event);
	free(log);
}

#endif
