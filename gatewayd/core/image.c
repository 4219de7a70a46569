/*
 * image.c - see image.h.  All that is read is foreign: every size and place is checked against
 * the page or the row it must lie in.
 */
#include "core/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAGE = 4096, /* the one that the store sets, nothing reserved at its end */
	FILE_HEADER = 100,
	WAL_HEADER = 32,
	FRAME_HEADER = 24,
	FRAME = FRAME_HEADER + PAGE,
	LEAF_TABLE = 0x0d,
	LEAF_INDEX = 0x0a,
	LEAF_HEADER = 8,
	LOCAL_TABLE = PAGE - 35,                       /* section 1.6: the largest payload on the page itself */
	LOCAL_INDEX = (PAGE - 12) * 64 / 255 - 23,
	LOCAL_LEAST = (PAGE - 12) * 32 / 255 - 23,
	LINKED = PAGE - 4,                             /* bytes of a row on an overflow page */
};

struct gw_image {
	int fd, wal;
	uint64_t pages;
	uint32_t *frame; /* page numbers of the frames of the WAL; 0: of a former use */
	uint64_t frames;
	unsigned char *row; /* of one that does not fit a page */
};

static uint32_t u32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned u16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool read_at(int fd, void *bytes, size_t size, uint64_t at)
{
	return pread(fd, bytes, size, (off_t)at) == (ssize_t)size;
}

/* ---- the files ---- */

/* The header's salts are in each frame that was written since; when it is damaged itself, all count. */
static void index_frames(struct gw_image *i, uint64_t size)
{
	unsigned char header[WAL_HEADER], frame[FRAME_HEADER];
	bool whole = read_at(i->wal, header, sizeof(header), 0) && (u32(header) | 1) == 0x377f0683;

	i->frame = calloc((size_t)((size - WAL_HEADER) / FRAME + 1), sizeof(*i->frame));
	if (!i->frame)
		abort();
	for (; WAL_HEADER + (i->frames + 1) * FRAME <= size; i->frames++) {
		if (!read_at(i->wal, frame, sizeof(frame), WAL_HEADER + i->frames * FRAME))
			return;
		if (!whole || memcmp(frame + 8, header + 16, 8) == 0)
			i->frame[i->frames] = u32(frame);
	}
}

static void open_wal(struct gw_image *i, const char *path)
{
	struct stat s;

	i->wal = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (i->wal >= 0 && fstat(i->wal, &s) == 0 && s.st_size >= WAL_HEADER)
		index_frames(i, (uint64_t)s.st_size);
}

int gw_image_open(struct gw_image **out, int fd, const char *wal, struct gw_err *err)
{
	struct gw_image *i;
	struct stat s;

	if (fstat(fd, &s) < 0)
		return gw_err_sys(err, errno, "cannot read the damaged database");
	i = calloc(1, sizeof(*i));
	if (!i)
		abort();
	i->fd = fd;
	i->pages = ((uint64_t)s.st_size + PAGE - 1) / PAGE;
	open_wal(i, wal);
	*out = i;
	return 0;
}

void gw_image_close(struct gw_image *i)
{
	if (!i)
		return;
	if (i->wal >= 0)
		close(i->wal);
	free(i->frame);
	free(i->row);
	free(i);
}

uint64_t gw_image_pages(const struct gw_image *i)
{
	return i->pages + i->frames;
}

uint64_t gw_image_wal_begins(const struct gw_image *i)
{
	return i->pages;
}

void gw_image_leave_wal(struct gw_image *i)
{
	i->frames = 0;
}

static bool read_page(const struct gw_image *i, uint64_t at, unsigned char *page)
{
	if (at < i->pages)
		return read_at(i->fd, page, PAGE, at * PAGE);
	at -= i->pages;
	return i->frame[at] && read_at(i->wal, page, PAGE, WAL_HEADER + at * FRAME + FRAME_HEADER);
}

bool gw_image_is_leaf(const struct gw_image *i, uint64_t at)
{
	unsigned char page[PAGE];

	return at > 0 && read_page(i, at, page) && page[0] == LEAF_TABLE;
}

static uint64_t number_of(const struct gw_image *i, uint64_t at)
{
	return at < i->pages ? at + 1 : i->frame[at - i->pages];
}

/* ---- records ---- */

/* Bytes it takes; 0: it does not end before `size`. */
static size_t varint(const unsigned char *p, size_t size, uint64_t *value)
{
	*value = 0;
	for (size_t n = 0; n < size && n < 9; n++) {
		if (n == 8) {
			*value = *value << 8 | p[n];
			return 9;
		}
		*value = *value << 7 | (p[n] & 0x7f);
		if (p[n] < 0x80)
			return n + 1;
	}
	return 0;
}

static int64_t integer(const unsigned char *p, size_t size)
{
	uint64_t value = size && p[0] >= 0x80 ? UINT64_MAX : 0;

	for (size_t n = 0; n < size; n++)
		value = value << 8 | p[n];
	return (int64_t)value;
}

static size_t size_of(uint64_t serial)
{
	static const unsigned char size[] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0 };

	if (serial < sizeof(size))
		return size[serial];
	return serial < 12 ? SIZE_MAX : (size_t)((serial - 12) / 2);
}

static struct gw_image_value value_of(uint64_t serial, const unsigned char *p, size_t size)
{
	struct gw_image_value v = { .type = GW_IMAGE_INTEGER, .bytes = p, .size = size };

	if (serial == 0)
		v.type = GW_IMAGE_NULL;
	else if (serial == 7)
		v.type = GW_IMAGE_REAL;
	else if (serial >= 12)
		v.type = serial % 2 ? GW_IMAGE_TEXT : GW_IMAGE_BLOB;
	else
		v.integer = serial >= 8 ? (int64_t)serial - 8 : integer(p, size);
	return v;
}

/* True: the record fills exactly these bytes. */
static bool record(const unsigned char *p, size_t size, struct gw_image_row *row)
{
	uint64_t header, serial;
	size_t at = varint(p, size, &header), data = (size_t)header;

	if (at == 0 || header > size)
		return false;
	for (row->n = 0; at < header; row->n++) {
		size_t n = varint(p + at, (size_t)header - at, &serial), bytes = size_of(serial);

		if (n == 0 || row->n == GW_IMAGE_COLUMNS || bytes > size - data)
			return false;
		row->column[row->n] = value_of(serial, p + data, bytes);
		at += n;
		data += bytes;
	}
	return data == size;
}

/* ---- rows that go on on other pages ---- */

static uint64_t newest_frame(const struct gw_image *i, uint32_t page)
{
	for (uint64_t at = i->frames; at-- > 0;) {
		if (i->frame[at] == page)
			return i->pages + at;
	}
	return UINT64_MAX;
}

/* Where that page lies; *wal: in the WAL if it is there, and then *used. */
static uint64_t place_of(const struct gw_image *i, uint32_t page, bool wal, bool *used)
{
	uint64_t at = wal ? newest_frame(i, page) : UINT64_MAX;

	*used |= at != UINT64_MAX;
	return at != UINT64_MAX ? at : (uint64_t)page - 1;
}

static bool gather(const struct gw_image *i, uint32_t page, size_t have, size_t size, bool wal, bool *used)
{
	unsigned char linked[PAGE];

	while (have < size) {
		size_t n = size - have < LINKED ? size - have : LINKED;
		uint64_t at = page ? place_of(i, page, wal, used) : UINT64_MAX;

		if (at >= gw_image_pages(i) || !read_page(i, at, linked))
			return false;
		memcpy(i->row + have, linked + 4, n);
		have += n;
		page = u32(linked);
	}
	return true;
}

/* ---- cells ---- */

struct page {
	struct gw_image *i;
	const unsigned char *bytes;
	bool table;
	gw_image_fn *fn;
	void *arg;
};

static size_t local_size(const struct page *p, size_t size)
{
	size_t most = p->table ? LOCAL_TABLE : LOCAL_INDEX, spread;

	if (size <= most)
		return size;
	spread = LOCAL_LEAST + (size - LOCAL_LEAST) % LINKED;
	return spread <= most ? spread : LOCAL_LEAST;
}

/* As it is in the database, then as it is in the WAL. */
static void show_linked(const struct page *p, struct gw_image_row *row, size_t at, size_t local, size_t size)
{
	bool used = false;

	if (at + local + 4 > PAGE || size > GW_IMAGE_ROW_MAX)
		return;
	if (!p->i->row)
		p->i->row = malloc(GW_IMAGE_ROW_MAX);
	if (!p->i->row)
		abort();
	memcpy(p->i->row, p->bytes + at, local);
	for (int wal = 0; wal < 2; wal++) {
		if (gather(p->i, u32(p->bytes + at + local), local, size, wal, &used) && (!wal || used) &&
		    record(p->i->row, size, row))
			p->fn(p->arg, row);
	}
}

static void show_cell(const struct page *p, size_t at)
{
	struct gw_image_row row = { .has_id = p->table };
	uint64_t size, id = 0;
	size_t n = varint(p->bytes + at, PAGE - at, &size), local;

	at += n;
	if (n && p->table)
		n = varint(p->bytes + at, PAGE - at, &id);
	at += p->table ? n : 0;
	if (n == 0 || size > GW_IMAGE_ROW_MAX)
		return;
	row.id = (int64_t)id;
	local = local_size(p, (size_t)size);
	if (local < size)
		show_linked(p, &row, at, local, (size_t)size);
	else if (at + local <= PAGE && record(p->bytes + at, local, &row))
		p->fn(p->arg, &row);
}

void gw_image_scan(struct gw_image *i, uint64_t at, gw_image_fn *fn, void *arg)
{
	unsigned char bytes[PAGE];
	size_t head = number_of(i, at) == 1 ? FILE_HEADER : 0;
	struct page p = { .i = i, .bytes = bytes, .fn = fn, .arg = arg };

	if (!read_page(i, at, bytes) || (bytes[head] != LEAF_TABLE && bytes[head] != LEAF_INDEX))
		return;
	p.table = bytes[head] == LEAF_TABLE;
	for (size_t cell = 0; cell < u16(bytes + head + 3); cell++) {
		size_t pointer = head + LEAF_HEADER + cell * 2;

		if (pointer + 2 > PAGE)
			return;
		if (u16(bytes + pointer) >= LEAF_HEADER && u16(bytes + pointer) < PAGE)
			show_cell(&p, u16(bytes + pointer));
	}
}
