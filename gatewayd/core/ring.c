/*
 * ring.c - the ring (ring.h): one header page, then the circular log.
 *
 * A record is { u32 size of the record, u16 kind, u16 zero } and its body, a
 * multiple of 8 bytes in all.  Head and tail are single aligned stores, made
 * after the bytes they cover, so a kill between any two instructions leaves a
 * whole log.  Nothing here allocates after the open or calls the system.
 */
#include "core/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { HEADER_SIZE = 4096, PAGE = 4096, IDENTIFIER_MAX = 64, SMALLEST = 1024 * 1024 };

struct header {
	char magic[8];
	uint64_t size; /* of the log */
	char boot[IDENTIFIER_MAX], buffer[IDENTIFIER_MAX];
	uint32_t crc; /* of all before */
	int32_t pid;
	_Atomic uint64_t head, tail;
	_Atomic uint32_t whole;
};
_Static_assert(sizeof(struct header) <= HEADER_SIZE, "one page");

struct record {
	uint32_t size;
	uint16_t kind, zero;
};
_Static_assert(sizeof(struct record) == 8, "keeps readings aligned");
_Static_assert(sizeof(struct gw_ring_ack) == 24, "as it lies in the ring");
_Static_assert(sizeof(struct record) + sizeof(struct gw_ring_ack) == GW_RING_NOTE, "as ring.h says");

struct gw_ring {
	int fd;
	char *path;
	struct header *header;
	char *log;
	uint64_t size; /* of the log */
	uint64_t reserve;
};

static const char magic[8] = "GWRING1";

static uint32_t header_crc(const struct header *h)
{
	return (uint32_t)crc32(0, (const Bytef *)h, offsetof(struct header, crc));
}

/* ---- opening ---- */

static int refuse_second_user(int fd, const char *path, struct gw_err *err)
{
	struct header h = { 0 };
	ssize_t n = pread(fd, &h, sizeof(h), 0);

	return gw_err_set(err, GW_EFULL, "ring %s is in use by process %d", path,
			  n == (ssize_t)sizeof(h) ? (int)h.pid : 0);
}

/* Is the locked file still the one that the path names?  A former user may have removed it. */
static bool still_there(int fd, const char *path)
{
	struct stat mine, named;

	return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
	       mine.st_dev == named.st_dev;
}

/* The locked descriptor, or -1. */
static int open_locked(const char *path, struct gw_err *err)
{
	struct stat s;

	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

		if (fd < 0)
			return gw_err_sys(err, errno, "ring %s: cannot open", path);
		if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode)) {
			close(fd);
			return gw_err_set(err, GW_EINPUT, "ring %s: not a regular file", path);
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			refuse_second_user(fd, path, err);
			close(fd);
			return -1;
		}
		if (still_there(fd, path))
			return fd;
		close(fd);
	}
}

/* Why what lies in the file cannot be walked; NULL: it can. */
static const char *unfit(const struct header *h, const struct gw_ring_options *opts, uint64_t size)
{
	uint64_t head = atomic_load(&h->head), tail = atomic_load(&h->tail);

	if (memcmp(h->magic, magic, sizeof(magic)) != 0 || h->crc != header_crc(h))
		return "its header is damaged";
	if (strncmp(h->boot, opts->boot, IDENTIFIER_MAX - 1) != 0)
		return "it is of another boot";
	if (strncmp(h->buffer, opts->buffer, IDENTIFIER_MAX - 1) != 0)
		return "it belongs to another buffer";
	if (h->size != size)
		return "it has another size";
	if (head % 8 || tail % 8 || tail > head || head - tail > size)
		return "its header is damaged";
	return NULL;
}

static void begin_anew(struct header *h, const struct gw_ring_options *opts, uint64_t size)
{
	memset(h, 0, sizeof(*h));
	h->size = size;
	strncpy(h->boot, opts->boot, IDENTIFIER_MAX - 1);
	strncpy(h->buffer, opts->buffer, IDENTIFIER_MAX - 1);
	memcpy(h->magic, magic, sizeof(magic));
	h->crc = header_crc(h);
}

/* Exact size, with the memory behind it: a full tmpfs is an error now, not a SIGBUS later. */
static int allocate(struct gw_ring *r, uint64_t size, struct gw_err *err)
{
	struct stat s;
	int sys;

	if (fstat(r->fd, &s) == 0 && s.st_size != 0 && (uint64_t)s.st_size != size &&
	    ftruncate(r->fd, 0) < 0)
		return gw_err_sys(err, errno, "ring %s: cannot empty", r->path);
	if (ftruncate(r->fd, (off_t)size) < 0)
		return gw_err_sys(err, errno, "ring %s: cannot set the size to %llu bytes", r->path,
				  (unsigned long long)size);
	do
		sys = posix_fallocate(r->fd, 0, (off_t)size);
	while (sys == EINTR);
	return sys == 0 ? 0 : gw_err_sys(err, sys, "ring %s: no room for %llu bytes", r->path,
					 (unsigned long long)size);
}

static int map(struct gw_ring *r, uint64_t size, struct gw_err *err)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);

	if (at == MAP_FAILED)
		return gw_err_sys(err, errno, "ring %s: cannot map", r->path);
	r->header = at;
	r->log = (char *)at + HEADER_SIZE;
	r->size = size - HEADER_SIZE;
	return 0;
}

static int prepare(struct gw_ring *r, const struct gw_ring_options *opts, bool *found, const char **why,
		   struct gw_err *err)
{
	uint64_t size = (opts->size + PAGE - 1) / PAGE * PAGE;
	struct stat s;

	assert(r->path); /* gw_ring_open() */
	if (fstat(r->fd, &s) < 0)
		return gw_err_sys(err, errno, "ring %s", r->path);
	if (allocate(r, size, err) < 0 || map(r, size, err) < 0) {
		unlink(r->path); /* half a ring only fills the tmpfs */
		return -1;
	}
	assert(r->header);
	*why = s.st_size == 0		   ? NULL :
	       (uint64_t)s.st_size != size ? "it has another size" :
					     unfit(r->header, opts, r->size);
	*found = s.st_size != 0 && !*why;
	if (!*found)
		begin_anew(r->header, opts, r->size);
	r->header->pid = getpid();
	return 0;
}

int gw_ring_open(struct gw_ring **out, const struct gw_ring_options *opts, bool *found, const char **why,
		 struct gw_err *err)
{
	struct gw_ring *r;

	if (opts->size < SMALLEST)
		return gw_err_set(err, GW_EINPUT, "ring %s: %llu bytes are too few, 1 MiB at least", opts->path,
				  (unsigned long long)opts->size);
	r = calloc(1, sizeof(*r));
	if (!r)
		return gw_err_sys(err, ENOMEM, "ring %s", opts->path);
	r->path = strdup(opts->path);
	r->fd = r->path ? open_locked(r->path, err) : gw_err_sys(err, ENOMEM, "ring %s", opts->path);
	if (r->fd < 0 || prepare(r, opts, found, why, err) < 0) {
		gw_ring_close(r, false);
		return -1;
	}
	*out = r;
	return 0;
}

void gw_ring_close(struct gw_ring *r, bool unlink_it)
{
	if (!r)
		return;
	if (r->header)
		munmap(r->header, r->size + HEADER_SIZE);
	if (unlink_it)
		unlink(r->path); /* while locked, so that no other process begins on it */
	if (r->fd >= 0)
		close(r->fd);
	free(r->path);
	free(r);
}

/* ---- the log ---- */

static struct record *record_at(const struct gw_ring *r, uint64_t at)
{
	return (struct record *)(void *)(r->log + at % r->size);
}

/* Body sizes that a kind may have; a reading is checked wholly besides. */
static bool shape_ok(const struct gw_ring *r, uint64_t at, const struct record *rec)
{
	if (rec->size < sizeof(*rec) || rec->size % 8 || rec->zero)
		return false;
	if (rec->size > gw_ring_head(r) - at || rec->size > r->size - at % r->size)
		return false;
	if (rec->kind == GW_RING_ACK || rec->kind == GW_RING_TOLD)
		return rec->size == sizeof(*rec) + sizeof(struct gw_ring_ack);
	return rec->kind == GW_RING_READING || rec->kind == GW_RING_SKIP;
}

static bool reading_ok(const struct gw_reading *reading, size_t available)
{
	return !gw_reading_check(reading, available, GW_POINTS_MAX) && reading->size == available &&
	       reading->crc == gw_reading_crc(reading);
}

bool gw_ring_next(struct gw_ring *r, uint64_t *at, enum gw_ring_kind *kind, const struct gw_reading **reading,
		  struct gw_ring_ack *ack, bool *damaged)
{
	const struct record *rec;

	*damaged = false;
	for (;; *at += rec->size) {
		if (*at == gw_ring_head(r))
			return false;
		rec = record_at(r, *at);
		*damaged = !shape_ok(r, *at, rec);
		if (*damaged)
			return false;
		if (rec->kind != GW_RING_SKIP)
			break;
	}
	*kind = (enum gw_ring_kind)rec->kind;
	if (*kind == GW_RING_READING) {
		*reading = (const struct gw_reading *)(const void *)(rec + 1);
		*damaged = !reading_ok(*reading, rec->size - sizeof(*rec));
	} else {
		memcpy(ack, rec + 1, sizeof(*ack));
		*damaged = ack->from > ack->to;
	}
	if (!*damaged)
		*at += rec->size;
	return !*damaged;
}

/* Writes a record whole, then moves the head behind it.  NULL: no room. */
static void *append(struct gw_ring *r, enum gw_ring_kind kind, const void *body, size_t size, uint64_t *at)
{
	uint64_t head = gw_ring_head(r), left = r->size - head % r->size;
	uint64_t need = sizeof(struct record) + size, skip = left < need ? left : 0;
	struct record *rec;

	if (skip + need > gw_ring_room(r))
		return NULL;
	if (skip)
		*record_at(r, head) = (struct record){ .size = (uint32_t)skip, .kind = GW_RING_SKIP };
	*at = head + skip;
	rec = record_at(r, *at);
	*rec = (struct record){ .size = (uint32_t)need, .kind = (uint16_t)kind };
	memcpy(rec + 1, body, size);
	atomic_store_explicit(&r->header->head, *at + need, memory_order_release);
	return rec + 1;
}

const struct gw_reading *gw_ring_append(struct gw_ring *r, const struct gw_reading *reading, uint64_t *at)
{
	assert(reading->size % 8 == 0 && reading->size >= sizeof(*reading) && reading->size <= GW_READING_MAX);
	return append(r, GW_RING_READING, reading, reading->size, at);
}

bool gw_ring_append_note(struct gw_ring *r, const struct gw_ring_ack *ack, uint64_t *at)
{
	return append(r, GW_RING_ACK, ack, sizeof(*ack), at) != NULL;
}

/* One aligned store: a kill finds the former range or the new one. */
void gw_ring_grow_note(struct gw_ring *r, uint64_t at, uint64_t to)
{
	struct gw_ring_ack *ack = (struct gw_ring_ack *)(void *)(record_at(r, at) + 1);

	assert(at >= gw_ring_tail(r) && at < gw_ring_head(r) && record_at(r, at)->kind == GW_RING_ACK);
	atomic_store_explicit((_Atomic uint64_t *)&ack->to, to, memory_order_release);
}

bool gw_ring_append_ack(struct gw_ring *r, const struct gw_ring_ack *ack)
{
	uint64_t at;

	return gw_ring_append_note(r, ack, &at);
}

bool gw_ring_append_told(struct gw_ring *r, const struct gw_ring_ack *told)
{
	uint64_t at;

	return append(r, GW_RING_TOLD, told, sizeof(*told), &at) != NULL;
}

uint64_t gw_ring_tail(const struct gw_ring *r)
{
	return atomic_load_explicit(&r->header->tail, memory_order_relaxed);
}

uint64_t gw_ring_head(const struct gw_ring *r)
{
	return atomic_load_explicit(&r->header->head, memory_order_acquire);
}

void gw_ring_release(struct gw_ring *r, uint64_t to)
{
	assert(to >= gw_ring_tail(r) && to <= gw_ring_head(r));
	atomic_store_explicit(&r->header->tail, to, memory_order_release);
}

void gw_ring_reserve(struct gw_ring *r, uint64_t bytes)
{
	r->reserve = bytes;
}

uint64_t gw_ring_room(const struct gw_ring *r)
{
	uint64_t room = r->size - (gw_ring_head(r) - gw_ring_tail(r));

	return room > r->reserve ? room - r->reserve : 0;
}

bool gw_ring_is_whole(const struct gw_ring *r)
{
	return atomic_load(&r->header->whole) == 1;
}

void gw_ring_set_whole(struct gw_ring *r)
{
	atomic_store(&r->header->whole, 1);
}

uint64_t gw_ring_size(const struct gw_ring *r)
{
	return r->size;
}
