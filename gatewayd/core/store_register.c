/*
 * store_register.c - devices, layouts and sinks get their numbers, and devices
 * their sequence numbers in advance.
 *
 * .seq is written before the database: a bound without a row is harmless, a row
 * without a bound would skip numbers that nobody was given.
 */
#include "core/store_private.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBERS = UINT16_MAX, A_FEW = 32 };
#define AHEAD_MAX ((uint64_t)1 << 40)

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Above all numbers that a forgotten past may have given: they began at a time in ms. */
static uint64_t now_or_build(const struct gw_db *d)
{
	int64_t now = gw_store_wall_ms(), from = now > d->build_ms ? now : d->build_ms;

	return from > 1 ? (uint64_t)from : 1;
}

/* The number at which counting can surely go on.  row: NULL for a device that is new here. */
static uint64_t safe_start(const struct gw_db *d, const char *name, const struct gw_device_row *row)
{
	uint64_t bound, next = row ? row->next : 1;

	if (row && row->registered)
		return row->pending_next;
	if (gw_seqfile_get(d->seq, name, &bound) && bound >= next)
		return bound;
	return larger(next, now_or_build(d));
}

uint64_t gw_reservation(uint64_t readings_an_hour)
{
	return (readings_an_hour < AHEAD_MAX ? readings_an_hour / 2 : AHEAD_MAX) + A_FEW;
}

/* Fills the numbers of *r but those that the tables give. */
static void plan_numbers(const struct gw_db *d, struct gw_registration *r)
{
	const struct gw_device_row *row = gw_db_device_named(d, r->name);
	uint64_t start = safe_start(d, r->name, row);

	r->device = row ? row->number : 0;
	r->first_seq = row ? row->first : start;
	r->next_seq = row ? row->next : start;
	r->reserved = larger(start + gw_reservation(r->rate), row ? row->reserved : 0);
	r->gap_from = r->gap_to = 0;
	if (row && !row->registered && start > row->next) {
		r->gap_from = row->next;
		r->gap_to = start - 1;
	}
}

static int reserve_all(struct gw_db *d, const struct gw_registration *devices, size_t n, struct gw_err *err)
{
	for (size_t i = 0; i < n; i++)
		gw_seqfile_set(d->seq, devices[i].name, devices[i].reserved);
	return n ? gw_seqfile_write(d->seq, err) : 0;
}

/* ---- the transaction ---- */

static int add_device(struct gw_db *d, struct gw_registration *r, uint32_t *newest)
{
	if (r->device)
		return SQLITE_OK;
	if (*newest == NUMBERS)
		return SQLITE_TOOBIG;
	r->device = (uint16_t)++*newest;
	return gw_db_run(d, GW_SQL_DEVICE_ADD, "itii", (int64_t)r->device, r->name, (int64_t)r->first_seq,
			 (int64_t)r->next_seq);
}

/* SQLITE_ROW: the device's newest layout is this one. */
static int find_layout(struct gw_db *d, struct gw_registration *r)
{
	sqlite3_stmt *stmt = gw_db_bind(d, GW_SQL_LAYOUT_LAST, "i", (int64_t)r->device);
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW) {
		r->layout_number = (uint32_t)sqlite3_column_int64(stmt, 0);
		r->from_seq = (uint64_t)sqlite3_column_int64(stmt, 1);
		if ((size_t)sqlite3_column_bytes(stmt, 2) != r->layout_size ||
		    (r->layout_size && memcmp(sqlite3_column_blob(stmt, 2), r->layout, r->layout_size) != 0))
			rc = SQLITE_DONE;
	}
	sqlite3_reset(stmt);
	return rc;
}

static int add_layout(struct gw_db *d, struct gw_registration *r)
{
	int rc = find_layout(d, r);

	if (rc != SQLITE_DONE)
		return rc == SQLITE_ROW ? SQLITE_OK : rc;
	r->from_seq = r->next_seq;
	rc = gw_db_run(d, GW_SQL_LAYOUT_ADD, "iib", (int64_t)r->device, (int64_t)r->from_seq, r->layout,
		       r->layout_size);
	r->layout_number = (uint32_t)sqlite3_last_insert_rowid(d->sql);
	return rc;
}

static int add_devices(struct gw_db *d, struct gw_registration *devices, size_t n)
{
	uint32_t newest = d->ndevices ? d->device[d->ndevices - 1].number : 0;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
		rc = add_device(d, &devices[i], &newest);
		if (rc == SQLITE_OK)
			rc = add_layout(d, &devices[i]);
	}
	return rc;
}

static int add_sinks(struct gw_db *d, struct gw_sink_registration *sinks, size_t n)
{
	uint32_t newest = d->nsinks ? d->sink[d->nsinks - 1].number : 0;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
		const struct gw_sink_row *row = gw_db_sink_named(d, sinks[i].name);

		if (!row && newest == NUMBERS)
			return SQLITE_TOOBIG;
		sinks[i].sink = row ? row->number : (uint16_t)++newest;
		sinks[i].session = row ? row->session : 0;
		sinks[i].fresh = !row || !row->present;
		if (sinks[i].fresh)
			rc = gw_db_run(d, GW_SQL_SINK_PUT, "itii", (int64_t)sinks[i].sink, sinks[i].name,
				       (int64_t)sinks[i].session, (int64_t)1);
	}
	return rc;
}

static bool is_listed(const struct gw_sink_row *row, const struct gw_sink_registration *sinks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(row->name, sinks[i].name) == 0)
			return true;
	}
	return false;
}

/* A sink that left the configuration waits for nothing any more; its session counts on. */
static int drop_sink(struct gw_db *d, const struct gw_sink_row *row)
{
	int rc = gw_db_run(d, GW_SQL_SINK_PUT, "itii", (int64_t)row->number, row->name, (int64_t)row->session,
			   (int64_t)0);

	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_DUE_DELETE, "i", (int64_t)row->number);
	if (rc == SQLITE_OK)
		rc = gw_db_run(d, GW_SQL_WINDOW_DROP, "i", (int64_t)row->number);
	return rc == SQLITE_OK ? gw_db_run(d, GW_SQL_LOSS_DELETE, "i", (int64_t)row->number) : rc;
}

static int drop_sinks(struct gw_db *d, const struct gw_sink_registration *sinks, size_t n)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; sinks && i < d->nsinks && rc == SQLITE_OK; i++) {
		if (d->sink[i].present && !is_listed(&d->sink[i], sinks, n))
			rc = drop_sink(d, &d->sink[i]);
	}
	return rc;
}

/* ---- memory, once it is on the disk ---- */

static void settle_device(struct gw_db *d, const struct gw_registration *r)
{
	struct gw_device_row *row = gw_db_device(d, r->device);

	if (!row) {
		row = gw_db_device_add(d, r->device, r->name);
		row->first = r->first_seq;
		row->next = row->pending_next = row->given = r->next_seq;
	}
	if (r->gap_to)
		row->given = r->gap_to + 1;
	row->reserved = r->reserved;
	row->rate = r->rate;
	row->registered = true;
}

static void settle_sinks(struct gw_db *d, const struct gw_sink_registration *sinks, size_t n)
{
	for (size_t i = 0; sinks && i < d->nsinks; i++)
		d->sink[i].present = is_listed(&d->sink[i], sinks, n);
	for (size_t i = 0; i < n; i++) {
		if (!gw_db_sink_named(d, sinks[i].name))
			gw_db_sink_add(d, sinks[i].sink, sinks[i].name)->present = true;
	}
}

/* After a damage that took the list of sinks: one that seems new may have waited for anything. */
static int assume_due_of_fresh(struct gw_db *d, const struct gw_sink_registration *sinks, size_t n)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; d->sinks_forgotten && i < n && rc == SQLITE_OK; i++) {
		if (sinks[i].fresh)
			rc = gw_books_assume_due(d, sinks[i].sink);
	}
	return rc;
}

static bool sink_is_present(const struct gw_db *d, uint16_t number)
{
	for (size_t i = 0; i < d->nsinks; i++) {
		if (d->sink[i].number == number)
			return d->sink[i].present;
	}
	return false;
}

static void settle_due(struct gw_db *d)
{
	for (size_t i = 0; i < d->ndue; i++) {
		if (!d->due[i].set.n || sink_is_present(d, d->due[i].sink))
			continue;
		gw_ranges_free(&d->due[i].set);
		d->purge.again = true;
	}
}

int gw_db_register(struct gw_db *d, struct gw_registration *devices, size_t ndevices,
		   struct gw_sink_registration *sinks, size_t nsinks, struct gw_err *err)
{
	int rc;

	for (size_t i = 0; i < ndevices; i++)
		plan_numbers(d, &devices[i]);
	if (reserve_all(d, devices, ndevices, err) < 0)
		return -1;
	rc = gw_db_begin(d);
	if (rc == SQLITE_OK)
		rc = add_devices(d, devices, ndevices);
	if (rc == SQLITE_OK)
		rc = add_sinks(d, sinks, nsinks);
	if (rc == SQLITE_OK)
		rc = drop_sinks(d, sinks, nsinks);
	if (rc == SQLITE_OK)
		rc = assume_due_of_fresh(d, sinks, nsinks);
	if (rc == SQLITE_OK)
		rc = gw_db_end(d);
	if (rc != SQLITE_OK) {
		gw_db_err(d, rc, "register devices and sinks", err);
		if (!sqlite3_get_autocommit(d->sql))
			gw_db_run(d, GW_SQL_ROLLBACK, "");
		gw_db_judge(d, rc);
		return -1;
	}
	for (size_t i = 0; i < ndevices; i++)
		settle_device(d, &devices[i]);
	settle_sinks(d, sinks, nsinks);
	d->sinks_forgotten = false;
	if (sinks)
		settle_due(d);
	return 0;
}

/* As many as may be given until they are asked for again. */
static uint64_t topped_up(const struct gw_device_row *row)
{
	return row->registered ? larger(row->reserved, row->next + gw_reservation(row->rate)) : row->reserved;
}

int gw_db_reserve(struct gw_db *d, uint16_t device, uint64_t upto, struct gw_err *err)
{
	struct gw_device_row *row = gw_db_device(d, device);
	uint64_t bound = 0;

	if (!row)
		return gw_err_set(err, GW_EBUG, "buffer %s: device %u was never registered", d->path, device);
	gw_seqfile_get(d->seq, row->name, &bound); /* of one that was not registered by this process, too */
	if (upto <= larger(row->reserved, bound))
		return 0;
	for (size_t i = 0; i < d->ndevices; i++) {
		if (d->device[i].registered)
			gw_seqfile_set(d->seq, d->device[i].name, topped_up(&d->device[i]));
	}
	gw_seqfile_set(d->seq, row->name, larger(upto, topped_up(row)));
	if (gw_seqfile_write(d->seq, err) < 0)
		return -1;
	for (size_t i = 0; i < d->ndevices; i++)
		d->device[i].reserved = topped_up(&d->device[i]);
	row->reserved = larger(upto, row->reserved);
	return 0;
}
