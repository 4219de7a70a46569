/*
 * store_load.c - the small tables (devices, sinks, due sets) as the store's
 * thread holds them in memory; read once at the open, kept in step by commits.
 */
#include "core/store_private.h"

#include <stdlib.h>
#include <string.h>

struct gw_device_row *gw_db_device(const struct gw_db *d, uint16_t number)
{
	size_t low = 0, high = d->ndevices;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->device[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < d->ndevices && d->device[low].number == number ? &d->device[low] : NULL;
}

struct gw_device_row *gw_db_device_named(const struct gw_db *d, const char *name)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		if (strcmp(d->device[i].name, name) == 0)
			return &d->device[i];
	}
	return NULL;
}

struct gw_device_row *gw_db_device_add(struct gw_db *d, uint16_t number, const char *name)
{
	struct gw_device_row *row;

	d->device = gw_must(realloc(d->device, (d->ndevices + 1) * sizeof(*d->device)));
	row = &d->device[d->ndevices++];
	*row = (struct gw_device_row){ .number = number, .name = gw_must(strdup(name)) };
	return row;
}

struct gw_sink_row *gw_db_sink_named(const struct gw_db *d, const char *name)
{
	for (size_t i = 0; i < d->nsinks; i++) {
		if (strcmp(d->sink[i].name, name) == 0)
			return &d->sink[i];
	}
	return NULL;
}

struct gw_sink_row *gw_db_sink_add(struct gw_db *d, uint16_t number, const char *name)
{
	struct gw_sink_row *row;

	d->sink = gw_must(realloc(d->sink, (d->nsinks + 1) * sizeof(*d->sink)));
	row = &d->sink[d->nsinks++];
	*row = (struct gw_sink_row){ .number = number, .name = gw_must(strdup(name)) };
	return row;
}

/* ---- due sets ---- */

static uint32_t due_key(uint16_t device, uint16_t sink)
{
	return (uint32_t)device << 16 | sink;
}

/* Index of the first set at or behind the key. */
static size_t due_place(const struct gw_db *d, uint32_t key)
{
	size_t low = 0, high = d->ndue;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (due_key(d->due[middle].device, d->due[middle].sink) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t gw_db_due_of(const struct gw_db *d, uint16_t device)
{
	return due_place(d, due_key(device, 0));
}

struct gw_ranges *gw_db_due(struct gw_db *d, uint16_t sink, uint16_t device)
{
	size_t at = due_place(d, due_key(device, sink));

	if (at < d->ndue && d->due[at].device == device && d->due[at].sink == sink)
		return &d->due[at].set;
	if (d->ndue == d->due_capacity) {
		d->due_capacity = d->due_capacity ? d->due_capacity * 2 : 64;
		d->due = gw_must(realloc(d->due, d->due_capacity * sizeof(*d->due)));
	}
	memmove(d->due + at + 1, d->due + at, (d->ndue - at) * sizeof(*d->due));
	d->due[at] = (struct gw_due_set){ .device = device, .sink = sink };
	d->ndue++;
	return &d->due[at].set;
}

bool gw_db_is_due(const struct gw_db *d, uint16_t sink, uint16_t device, uint64_t seq)
{
	for (size_t i = gw_db_due_of(d, device); i < d->ndue && d->due[i].device == device; i++) {
		if ((sink == 0 || d->due[i].sink == sink) && gw_ranges_has(&d->due[i].set, seq))
			return true;
	}
	return false;
}

/* ---- reading them ---- */

static const char *text_of(sqlite3_stmt *stmt, int column)
{
	const char *s = (const char *)sqlite3_column_text(stmt, column);

	return s ? s : "";
}

static void take_device(struct gw_db *d, sqlite3_stmt *stmt)
{
	struct gw_device_row *row = gw_db_device_add(d, (uint16_t)sqlite3_column_int(stmt, 0), text_of(stmt, 1));

	row->first = (uint64_t)sqlite3_column_int64(stmt, 2);
	row->next = row->pending_next = row->given = (uint64_t)sqlite3_column_int64(stmt, 3);
	row->readings = (uint64_t)sqlite3_column_int64(stmt, 4);
}

static void take_sink(struct gw_db *d, sqlite3_stmt *stmt)
{
	struct gw_sink_row *row = gw_db_sink_add(d, (uint16_t)sqlite3_column_int(stmt, 0), text_of(stmt, 1));

	row->session = (uint64_t)sqlite3_column_int64(stmt, 2);
	row->present = sqlite3_column_int(stmt, 3) != 0;
}

/* A set that cannot be read becomes "all": repeated readings are better than lost ones. */
static void take_due(struct gw_db *d, sqlite3_stmt *stmt)
{
	uint16_t device = (uint16_t)sqlite3_column_int(stmt, 1);
	struct gw_ranges *set = gw_db_due(d, (uint16_t)sqlite3_column_int(stmt, 0), device);
	const struct gw_device_row *row = gw_db_device(d, device);
	const void *bytes = sqlite3_column_blob(stmt, 2);

	if (!gw_ranges_decode(set, bytes, (size_t)sqlite3_column_bytes(stmt, 2)) && row &&
	    row->first >= 1 && row->next > row->first)
		gw_ranges_add(set, row->first, row->next - 1);
}

static void take_fixed(struct gw_db *d, sqlite3_stmt *stmt)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (d->sink[i].number == (uint16_t)sqlite3_column_int(stmt, 0))
			d->sink[i].fixed = (uint64_t)sqlite3_column_int64(stmt, 1);
}

int gw_db_load(struct gw_db *d)
{
	static const struct {
		enum gw_statement statement;
		void (*take)(struct gw_db *d, sqlite3_stmt *stmt);
	} table[] = { { GW_SQL_DEVICES, take_device }, { GW_SQL_SINKS, take_sink }, { GW_SQL_DUES, take_due },
		      { GW_SQL_FIXED, take_fixed } };
	uint64_t newest = 0;
	int rc = SQLITE_DONE;

	gw_db_forget(d);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) && rc == SQLITE_DONE; i++) {
		sqlite3_stmt *stmt = gw_db_bind(d, table[i].statement, "");

		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
			table[i].take(d, stmt);
		sqlite3_reset(stmt);
	}
	if (rc == SQLITE_DONE)
		rc = gw_db_number(d, GW_SQL_NEWEST, &newest);
	if (rc == SQLITE_OK)
		d->next_id = newest + 1;
	return rc;
}

void gw_db_forget(struct gw_db *d)
{
	for (size_t i = 0; i < d->ndevices; i++)
		free(d->device[i].name);
	for (size_t i = 0; i < d->nsinks; i++)
		free(d->sink[i].name);
	for (size_t i = 0; i < d->ndue; i++)
		gw_ranges_free(&d->due[i].set);
	free(d->device);
	free(d->sink);
	free(d->due);
	d->device = NULL;
	d->sink = NULL;
	d->due = NULL;
	d->ndevices = d->nsinks = d->ndue = d->due_capacity = 0;
	free(d->walk.layout);
	d->walk = (struct gw_walk){ 0 };
}
