/*
 * hook_vfs.h - a SQLite file layer for tests, above the system's: syncs that
 * take long, syncs and writes that fail.  hook_vfs_install() makes it the one
 * that everything opened from then on uses.
 */
#ifndef GW_TESTS_HOOK_VFS_H
#define GW_TESTS_HOOK_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_int hook_sync_ms;	   /* each sync takes so long */
static atomic_int hook_fail_syncs;  /* so many of the next fail, after the bytes were written */
static atomic_int hook_fail_writes; /* so many of the next fail */
static atomic_int hook_no_syncs;    /* none is carried out: for tests that only count */
static atomic_int hook_syncs;
static atomic_llong hook_room = -1; /* so many bytes files may still grow by; -1: any */
static void (*hook_each)(void);     /* before each write and sync; NULL: nobody asks */
static atomic_ullong hook_pages; /* of 4 KiB dirtied, each once between two syncs when written in order */

struct hook_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
	sqlite3_int64 page; /* dirtied last; -1: none since the sync */
};

static sqlite3_vfs hook_vfs, *hook_real;

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct hook_file *)f)->real;
}

static int hook_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int hook_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static void hook_count(sqlite3_file *f, sqlite3_int64 from, sqlite3_int64 to)
{
	struct hook_file *h = (struct hook_file *)f;

	atomic_fetch_add(&hook_pages, (unsigned long long)(to - from + (from != h->page)));
	h->page = to;
}

static int hook_grow(sqlite3_file *f, sqlite3_int64 to)
{
	sqlite3_int64 size = 0;

	if (atomic_load(&hook_room) < 0)
		return SQLITE_OK;
	real_of(f)->pMethods->xFileSize(real_of(f), &size);
	if (to - size > atomic_load(&hook_room))
		return SQLITE_FULL;
	if (to > size)
		atomic_fetch_sub(&hook_room, to - size);
	return SQLITE_OK;
}

static int hook_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (hook_each)
		hook_each();
	if (atomic_load(&hook_fail_writes) > 0 && atomic_fetch_sub(&hook_fail_writes, 1) > 0)
		return SQLITE_IOERR_WRITE;
	if (hook_grow(f, at + n) != SQLITE_OK)
		return SQLITE_FULL;
	hook_count(f, at / 4096, (at + n - 1) / 4096);
	return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int hook_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), n);
}

static int hook_sync(sqlite3_file *f, int flags)
{
	if (hook_each)
		hook_each();
	atomic_fetch_add(&hook_syncs, 1);
	((struct hook_file *)f)->page = -1;
	if (atomic_load(&hook_sync_ms))
		usleep((useconds_t)atomic_load(&hook_sync_ms) * 1000);
	if (atomic_load(&hook_no_syncs))
		return SQLITE_OK;
	if (atomic_load(&hook_fail_syncs) > 0 && atomic_fetch_sub(&hook_fail_syncs, 1) > 0)
		return SQLITE_IOERR_FSYNC;
	return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int hook_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int hook_lock(sqlite3_file *f, int l)
{
	return real_of(f)->pMethods->xLock(real_of(f), l);
}

static int hook_unlock(sqlite3_file *f, int l)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), l);
}

static int hook_reserved(sqlite3_file *f, int *out)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int hook_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int hook_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int hook_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int hook_shm_map(sqlite3_file *f, int i, int n, int extend, void volatile **out)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), i, n, extend, out);
}

static int hook_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void hook_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int hook_shm_unmap(sqlite3_file *f, int drop)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), drop);
}

static const sqlite3_io_methods hook_methods = {
	.iVersion = 2, .xClose = hook_close, .xRead = hook_read, .xWrite = hook_write,
	.xTruncate = hook_truncate, .xSync = hook_sync, .xFileSize = hook_size, .xLock = hook_lock,
	.xUnlock = hook_unlock, .xCheckReservedLock = hook_reserved, .xFileControl = hook_control,
	.xSectorSize = hook_sector, .xDeviceCharacteristics = hook_device, .xShmMap = hook_shm_map,
	.xShmLock = hook_shm_lock, .xShmBarrier = hook_shm_barrier, .xShmUnmap = hook_shm_unmap,
};

static int hook_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct hook_file *h = (struct hook_file *)f;
	int rc;

	(void)v;
	h->real = (sqlite3_file *)(void *)(h + 1);
	h->page = -1;
	rc = hook_real->xOpen(hook_real, name, h->real, flags, out);
	f->pMethods = h->real->pMethods ? &hook_methods : NULL;
	return rc;
}

static void hook_vfs_install(void)
{
	hook_real = sqlite3_vfs_find(NULL);
	hook_vfs = *hook_real;
	hook_vfs.zName = "hook";
	hook_vfs.pNext = NULL;
	hook_vfs.szOsFile = (int)sizeof(struct hook_file) + hook_real->szOsFile;
	hook_vfs.xOpen = hook_open;
	sqlite3_vfs_register(&hook_vfs, 1);
}

#endif
