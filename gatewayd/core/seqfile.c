/*
 * seqfile.c - <path>.seq (seqfile.h).
 *
 * A slot: struct slot, then entries of { u64 bound, u8 length, name }.  The
 * slot that is older is overwritten.  When the entries outgrow a slot, or the
 * file is new or was removed, the whole file is made again beside it and
 * renamed over it.
 */
#include "core/seqfile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { SLOT_MIN = 4096, SLOT_MAX = 32 * 1024 * 1024, ENTRY_HEAD = 9, NAME_MAX_BYTES = 255 };

struct slot {
	char magic[8];
	uint32_t crc; /* of all that follows, entries included */
	uint32_t size; /* bytes of the entries */
	uint64_t generation;
};
_Static_assert(sizeof(struct slot) == 24, "on disk");
enum { CRC_FROM = 12 };

struct entry {
	uint64_t bound;
	char *name;
};

struct gw_seqfile {
	int fd; /* -1: none yet */
	char *path;
	uint64_t generation;
	size_t slot_size;
	struct entry *entry; /* sorted by name */
	size_t n, capacity;
};

static const char magic[8] = "GWSEQ1";
static const char mark_name[] = "\001"; /* no device has it */

/* ---- the set in memory ---- */

/* Where `name` is or belongs. */
static size_t place_of(const struct gw_seqfile *s, const char *name)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->entry[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct gw_seqfile *s, size_t at, const char *name)
{
	return at < s->n && strcmp(s->entry[at].name, name) == 0;
}

bool gw_seqfile_get(const struct gw_seqfile *s, const char *name, uint64_t *bound)
{
	size_t at = place_of(s, name);

	if (!is_at(s, at, name))
		return false;
	*bound = s->entry[at].bound;
	return true;
}

static void insert(struct gw_seqfile *s, size_t at, const char *name)
{
	if (s->n == s->capacity) {
		s->capacity = s->capacity ? s->capacity * 2 : 16;
		s->entry = realloc(s->entry, s->capacity * sizeof(*s->entry));
		if (!s->entry)
			abort();
	}
	memmove(s->entry + at + 1, s->entry + at, (s->n - at) * sizeof(*s->entry));
	s->entry[at].name = strdup(name);
	if (!s->entry[at].name)
		abort();
	s->n++;
}

void gw_seqfile_set(struct gw_seqfile *s, const char *name, uint64_t bound)
{
	size_t at = place_of(s, name);

	assert(name[0] && strlen(name) <= NAME_MAX_BYTES);
	if (!is_at(s, at, name))
		insert(s, at, name);
	s->entry[at].bound = bound;
}

size_t gw_seqfile_size(const struct gw_seqfile *s)
{
	return s->n - is_at(s, place_of(s, mark_name), mark_name);
}

uint64_t gw_seqfile_mark(const struct gw_seqfile *s)
{
	uint64_t mark = 0;

	gw_seqfile_get(s, mark_name, &mark);
	return mark;
}

void gw_seqfile_set_mark(struct gw_seqfile *s, uint64_t mark)
{
	gw_seqfile_set(s, mark_name, mark);
}

/* ---- reading ---- */

static uint32_t slot_crc(const char *slot, size_t size)
{
	return (uint32_t)crc32(0, (const Bytef *)slot + CRC_FROM, (uInt)(size - CRC_FROM));
}

/* The slot's generation; 0: not a whole slot. */
static uint64_t whole(const char *bytes, size_t slot_size)
{
	struct slot head;

	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(magic)) != 0 || head.size > slot_size - sizeof(head))
		return 0;
	return slot_crc(bytes, sizeof(head) + head.size) == head.crc ? head.generation : 0;
}

static void take_entries(struct gw_seqfile *s, const char *bytes)
{
	char name[NAME_MAX_BYTES + 1];
	struct slot head;
	uint64_t bound;
	size_t at, length;

	memcpy(&head, bytes, sizeof(head));
	s->generation = head.generation;
	bytes += sizeof(head);
	for (at = 0; at + ENTRY_HEAD <= head.size; at += ENTRY_HEAD + length) {
		memcpy(&bound, bytes + at, sizeof(bound));
		length = (unsigned char)bytes[at + sizeof(bound)];
		if (length == 0 || length > head.size - at - ENTRY_HEAD)
			return;
		memcpy(name, bytes + at + ENTRY_HEAD, length);
		name[length] = 0;
		if (name[0])
			gw_seqfile_set(s, name, bound);
	}
}

/* size_t of the two slots; 0 when the size is not one that we write. */
static size_t slot_size_of(off_t file_size)
{
	size_t slot = (size_t)file_size / 2;

	return file_size >= 2 * SLOT_MIN && slot <= SLOT_MAX && slot % SLOT_MIN == 0 ? slot : 0;
}

static int read_whole(int fd, char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, bytes + done, size - done, (off_t)done);

		if (n <= 0)
			return n < 0 ? errno : EIO;
		done += (size_t)n;
	}
	return 0;
}

static int read_slots(struct gw_seqfile *s, struct gw_err *err)
{
	uint64_t first, second;
	struct stat st;
	char *bytes;
	int sys = 0;

	if (fstat(s->fd, &st) < 0)
		return gw_err_sys(err, errno, "%s", s->path);
	s->slot_size = slot_size_of(st.st_size);
	if (!s->slot_size)
		return 0;
	bytes = malloc(s->slot_size * 2);
	sys = bytes ? read_whole(s->fd, bytes, s->slot_size * 2) : ENOMEM;
	if (sys == 0) {
		first = whole(bytes, s->slot_size);
		second = whole(bytes + s->slot_size, s->slot_size);
		if (first || second)
			take_entries(s, first > second ? bytes : bytes + s->slot_size);
	}
	free(bytes);
	return sys == 0 ? 0 : gw_err_sys(err, sys, "%s: cannot read", s->path);
}

int gw_seqfile_open(struct gw_seqfile **out, const char *path, struct gw_err *err)
{
	struct gw_seqfile *s = calloc(1, sizeof(*s));

	if (s)
		s->path = strdup(path);
	if (!s || !s->path) {
		free(s);
		return gw_err_sys(err, ENOMEM, "%s", path);
	}
	s->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (s->fd < 0 && errno != ENOENT)
		gw_err_sys(err, errno, "%s: cannot open", path);
	else if (s->fd < 0 || read_slots(s, err) == 0) {
		*out = s;
		return 0;
	}
	gw_seqfile_close(s);
	return -1;
}

void gw_seqfile_close(struct gw_seqfile *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	for (size_t i = 0; i < s->n; i++)
		free(s->entry[i].name);
	free(s->entry);
	free(s->path);
	free(s);
}

/* ---- writing ---- */

static size_t size_needed(const struct gw_seqfile *s)
{
	size_t size = sizeof(struct slot);

	for (size_t i = 0; i < s->n; i++)
		size += ENTRY_HEAD + strlen(s->entry[i].name);
	return size;
}

static void fill(const struct gw_seqfile *s, char *bytes, size_t size)
{
	struct slot head = { .size = (uint32_t)(size - sizeof(head)), .generation = s->generation + 1 };
	char *p = bytes + sizeof(head);

	for (size_t i = 0; i < s->n; i++) {
		size_t length = strlen(s->entry[i].name);

		memcpy(p, &s->entry[i].bound, 8);
		p[8] = (char)length;
		memcpy(p + ENTRY_HEAD, s->entry[i].name, length);
		p += ENTRY_HEAD + length;
	}
	memcpy(head.magic, magic, sizeof(magic));
	memcpy(bytes, &head, sizeof(head));
	head.crc = slot_crc(bytes, size);
	memcpy(bytes, &head, sizeof(head));
}

static int write_whole(int fd, const char *bytes, size_t size, size_t at)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, bytes + done, size - done, (off_t)(at + done));

		if (n < 0)
			return errno;
		done += (size_t)n;
	}
	return fdatasync(fd) < 0 ? errno : 0;
}

int gw_sync_folder_of(const char *path)
{
	char copy[4096];
	int fd, sys;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	sys = fsync(fd) < 0 ? errno : 0;
	close(fd);
	return sys;
}

/* A file of its own with our slot first and room for twice as much, renamed over the old one. */
static int make_again(struct gw_seqfile *s, const char *slot, size_t size)
{
	size_t slot_size = SLOT_MIN;
	char temporary[4096];
	char *bytes;
	int fd, sys;

	while (slot_size < size)
		slot_size *= 2;
	bytes = slot_size <= SLOT_MAX ? calloc(2, slot_size) : NULL;
	if (!bytes)
		return ENOMEM;
	memcpy(bytes, slot, size);
	snprintf(temporary, sizeof(temporary), "%s.new", s->path);
	fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	sys = fd < 0 ? errno : write_whole(fd, bytes, slot_size * 2, 0);
	free(bytes);
	if (sys == 0 && rename(temporary, s->path) < 0)
		sys = errno;
	if (sys != 0) {
		if (fd >= 0)
			close(fd);
		unlink(temporary);
		return sys;
	}
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->slot_size = slot_size;
	return gw_sync_folder_of(s->path);
}

static bool fits_in_place(const struct gw_seqfile *s, size_t size)
{
	struct stat st;

	return s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_nlink > 0 && size <= s->slot_size;
}

/* Odd generations lie in the first slot. */
int gw_seqfile_write(struct gw_seqfile *s, struct gw_err *err)
{
	size_t size = size_needed(s);
	bool in_place = fits_in_place(s, size);
	char *slot = malloc(size);
	int sys;

	if (!slot)
		return gw_err_sys(err, ENOMEM, "%s", s->path);
	if (!in_place)
		s->generation += s->generation % 2;
	fill(s, slot, size);
	sys = in_place ? write_whole(s->fd, slot, size, s->generation % 2 ? s->slot_size : 0) :
			 make_again(s, slot, size);
	free(slot);
	if (sys != 0)
		return gw_err_sys(err, sys, "%s: cannot write", s->path);
	s->generation++;
	return 0;
}
