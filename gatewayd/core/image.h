/*
 * image.h - the rows that lie in the pages of a SQLite database, without SQLite: for a file that
 * is damaged.  Each leaf page is looked at on its own, wherever it lies; nothing above it (header,
 * schema, interior pages) is needed, so damage to one page costs the rows of that page.
 *
 * Which table a row is of is not known here: the caller tells by the columns.  Rows may come more
 * than once and out of date (a page in the WAL and its older self in the database, pages that
 * were given free), later versions after earlier ones: whoever takes them must be able to tell a
 * whole row from a torn one.
 *
 * Format: SQLite's "Database File Format", sections 1.6 (pages), 2 (records), 4 (WAL).
 */
#ifndef GW_CORE_IMAGE_H
#define GW_CORE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"

enum { GW_IMAGE_COLUMNS = 12, GW_IMAGE_ROW_MAX = 16 * 1024 * 1024 };

enum gw_image_type { GW_IMAGE_NULL, GW_IMAGE_INTEGER, GW_IMAGE_REAL, GW_IMAGE_TEXT, GW_IMAGE_BLOB };

struct gw_image_value {
	enum gw_image_type type;
	int64_t integer;
	const void *bytes; /* of text and blobs; until the callback returns */
	size_t size;
};

struct gw_image_row {
	bool has_id; /* of a table with rowids: id is its rowid, and where a column is the rowid it is NULL */
	int64_t id;
	unsigned n;
	struct gw_image_value column[GW_IMAGE_COLUMNS];
};

typedef void gw_image_fn(void *arg, const struct gw_image_row *row);

struct gw_image;

/* fd: of the database, borrowed.  wal: path of its WAL, which may be absent; NULL: none. */
int gw_image_open(struct gw_image **out, int fd, const char *wal, struct gw_err *err);
void gw_image_close(struct gw_image *i); /* NULL is allowed */

/* Pages of the database, then those in the WAL. */
uint64_t gw_image_pages(const struct gw_image *i);
uint64_t gw_image_wal_begins(const struct gw_image *i);
bool gw_image_is_leaf(const struct gw_image *i, uint64_t at); /* of a table: its rows begin there */
void gw_image_leave_wal(struct gw_image *i); /* from now on the database alone */
/* Rows on the page at that place, 0 to gw_image_pages() - 1; one that cannot be read has none. */
void gw_image_scan(struct gw_image *i, uint64_t at, gw_image_fn *fn, void *arg);

#endif
