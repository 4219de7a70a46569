/*
 * disk_cut.h - a folder as a power cut leaves it at any point of a recording (disk_log.h).
 *
 * What was synced is there.  Of what was not: nothing (DISK_STRICT), all (DISK_LUCKY), or as it happens
 * (DISK_RANDOM): each sector of 512 bytes, the length of the file and each change of the folder on
 * their own, as old or as new as they ever were since the sync.  A sync of a file does not make its
 * name last; a sync of the folder does.
 */
#ifndef GW_TESTS_DISK_CUT_H
#define GW_TESTS_DISK_CUT_H

#include "disk_log.h"

enum disk_mode { DISK_STRICT, DISK_RANDOM, DISK_LUCKY };

struct disk_content {
	unsigned char *bytes; /* zeros behind `size` */
	uint64_t size, capacity;
	size_t *pending; /* events since the sync */
	size_t npending, room;
};

struct disk_entry {
	char name[DISK_NAME];
	unsigned file;
};

struct disk_folder {
	struct disk_entry entry[DISK_FILES];
	size_t n;
};

struct disk {
	const struct disk_log *log;
	size_t at; /* events taken in */
	struct disk_content content[DISK_FILES];
	struct disk_folder folder;
	size_t pending[DISK_FILES]; /* events of the folder since its sync */
	size_t npending;
	bool syncs_lie; /* nothing is ever synced */
};

static uint64_t disk_hash(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* ---- content ---- */

static void disk_widen(struct disk_content *c, uint64_t size)
{
	uint64_t capacity = c->capacity ? c->capacity : 8192;

	if (size <= c->capacity)
		return;
	while (capacity < size)
		capacity *= 2;
	c->bytes = realloc(c->bytes, capacity);
	assert(c->bytes);
	memset(c->bytes + c->capacity, 0, capacity - c->capacity);
	c->capacity = capacity;
}

static void disk_apply(struct disk_content *c, const struct disk_event *e)
{
	uint64_t end = e->what == DISK_WRITE ? e->at + e->size : e->at;

	disk_widen(c, end);
	if (e->what == DISK_WRITE)
		memcpy(c->bytes + e->at, e->bytes, e->size);
	else if (end < c->size)
		memset(c->bytes + end, 0, c->size - end);
	if (e->what == DISK_SIZE || end > c->size)
		c->size = end;
}

static void disk_pend(struct disk_content *c, size_t event)
{
	if (c->npending == c->room) {
		c->room = c->room ? c->room * 2 : 64;
		c->pending = realloc(c->pending, c->room * sizeof(*c->pending));
		assert(c->pending);
	}
	c->pending[c->npending++] = event;
}

/* ---- folder ---- */

static struct disk_entry *disk_find(struct disk_folder *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->entry[i].name, name) == 0)
			return &f->entry[i];
	return NULL;
}

static void disk_drop(struct disk_folder *f, const char *name)
{
	struct disk_entry *e = disk_find(f, name);

	if (e)
		*e = f->entry[--f->n];
}

static void disk_link(struct disk_folder *f, const char *name, unsigned file)
{
	disk_drop(f, name);
	f->entry[f->n] = (struct disk_entry){ .file = file };
	snprintf(f->entry[f->n++].name, DISK_NAME, "%s", name);
}

static bool disk_has_file(const struct disk_folder *f, unsigned file)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->entry[i].file == file)
			return true;
	return false;
}

/* One that another hides (the file has another name by now, or none yet) does nothing. */
static void disk_turn(struct disk_folder *f, const struct disk_event *e)
{
	struct disk_entry *old = disk_find(f, e->name);

	if (e->what == DISK_CREATE && !disk_has_file(f, e->file)) {
		disk_link(f, e->name, e->file);
	} else if (e->what != DISK_CREATE && old && old->file == e->file) {
		disk_drop(f, e->name);
		if (e->what == DISK_RENAME)
			disk_link(f, e->other, e->file);
	}
}

/* ---- time goes on ---- */

static struct disk *disk_new(const struct disk_log *log)
{
	struct disk *d = calloc(1, sizeof(*d));

	assert(d);
	d->log = log;
	for (size_t i = 0; i < log->nbegin; i++) {
		const struct disk_begin *b = &log->begin[i];
		struct disk_content *c = &d->content[b->file];

		disk_widen(c, b->size + 1);
		memcpy(c->bytes, b->bytes, b->size);
		c->size = b->size;
		disk_link(&d->folder, b->name, b->file);
	}
	return d;
}

static void disk_free(struct disk *d)
{
	for (size_t i = 0; i < DISK_FILES; i++) {
		free(d->content[i].bytes);
		free(d->content[i].pending);
	}
	free(d);
}

static void disk_settle(struct disk *d, struct disk_content *c)
{
	for (size_t i = 0; i < c->npending; i++)
		disk_apply(c, &d->log->event[c->pending[i]]);
	c->npending = 0;
}

static void disk_settle_folder(struct disk *d)
{
	for (size_t i = 0; i < d->npending; i++)
		disk_turn(&d->folder, &d->log->event[d->pending[i]]);
	d->npending = 0;
}

static void disk_step(struct disk *d)
{
	const struct disk_event *e = &d->log->event[d->at];
	struct disk_content *c = &d->content[e->file];

	if (e->what == DISK_SYNC && !d->syncs_lie)
		disk_settle(d, c);
	else if (e->what == DISK_FOLDER && !d->syncs_lie)
		disk_settle_folder(d);
	else if (e->what == DISK_WRITE || e->what == DISK_SIZE)
		disk_pend(c, d->at);
	else if (e->what != DISK_SYNC && e->what != DISK_FOLDER && d->npending < DISK_FILES)
		d->pending[d->npending++] = d->at;
	d->at++;
}

/* Up to the first `at` events. */
static void disk_advance(struct disk *d, size_t at)
{
	assert(at <= d->log->n);
	while (d->at < at)
		disk_step(d);
}

/* ---- the cut ---- */

/* How many of the n changes since the sync this place has seen: all, none, any. */
static size_t disk_seen(uint64_t seed, uint64_t place, size_t n)
{
	uint64_t x = disk_hash(seed ^ disk_hash(place));

	return x & 1 ? (size_t)((x >> 8) % (n + 1)) : (x & 2 ? n : 0);
}

/* The part of the write that lies in the sector. */
static void disk_apply_sector(struct disk_content *c, const struct disk_event *e, uint64_t sector)
{
	uint64_t from = sector * 512, to = from + 512, end = e->at + e->size;

	if (from < e->at)
		from = e->at;
	if (to > end)
		to = end;
	memcpy(c->bytes + from, e->bytes + (from - e->at), to - from);
}

static void disk_tear_write(struct disk_content *c, const struct disk_event *e, size_t order, uint64_t seed)
{
	disk_widen(c, e->at + e->size);
	for (uint64_t s = e->at / 512; s * 512 < e->at + e->size; s++)
		if (order < disk_seen(seed, s + 1, c->npending))
			disk_apply_sector(c, e, s);
}

static void disk_tear(const struct disk *d, struct disk_content *c, uint64_t seed)
{
	size_t seen = disk_seen(seed, 0, c->npending);
	uint64_t size = c->size;

	for (size_t i = 0; i < c->npending; i++) {
		const struct disk_event *e = &d->log->event[c->pending[i]];
		uint64_t end = e->at + e->size;

		if (i < seen && (e->what == DISK_SIZE || end > size))
			size = end;
		if (e->what == DISK_WRITE)
			disk_tear_write(c, e, i, seed);
		else if (i < seen && e->at < c->capacity)
			memset(c->bytes + e->at, 0, c->capacity - e->at);
	}
	disk_widen(c, size);
	c->size = size;
}

static bool disk_is_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Holes stay holes: the reserve is large and empty. */
static void disk_put(const char *folder, const char *name, const struct disk_content *c)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)c->size) < 0)
		abort();
	for (uint64_t at = 0; at < c->size; at += 65536) {
		size_t n = c->size - at < 65536 ? (size_t)(c->size - at) : 65536;

		if (!disk_is_zero(c->bytes + at, n) && pwrite(fd, c->bytes + at, n, (off_t)at) != (ssize_t)n)
			abort();
	}
	close(fd);
}

static void disk_put_torn(const struct disk *d, unsigned file, const char *name, enum disk_mode mode, uint64_t seed)
{
	struct disk_content copy = d->content[file];

	copy.bytes = malloc(copy.capacity + 1);
	assert(copy.bytes);
	if (copy.capacity)
		memcpy(copy.bytes, d->content[file].bytes, copy.capacity);
	for (size_t i = 0; i < copy.npending && mode == DISK_LUCKY; i++)
		disk_apply(&copy, &d->log->event[copy.pending[i]]);
	if (mode == DISK_RANDOM)
		disk_tear(d, &copy, disk_hash(seed + file));
	disk_put(d->log->folder, name, &copy);
	free(copy.bytes);
}

static void disk_empty(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	char path[400];

	assert(dir);
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.')
			unlink(path);
	}
	closedir(dir);
}

/* The folder itself is laid out anew. */
static void disk_lay_out(const struct disk *d, enum disk_mode mode, uint64_t seed)
{
	struct disk_folder folder = d->folder;

	disk_empty(d->log->folder);
	for (size_t i = 0; i < d->npending && mode != DISK_STRICT; i++)
		if (mode == DISK_LUCKY || disk_hash(seed + i) & 1)
			disk_turn(&folder, &d->log->event[d->pending[i]]);
	for (size_t i = 0; i < folder.n; i++) {
		if (mode != DISK_STRICT)
			disk_put_torn(d, folder.entry[i].file, folder.entry[i].name, mode, seed);
		else
			disk_put(d->log->folder, folder.entry[i].name, &d->content[folder.entry[i].file]);
	}
}

#endif
