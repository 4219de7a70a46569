/*
 * store_visit.c - a copy of the small tables, made in the thread and shown on
 * the loop.
 */
#include "core/store_private.h"

#include <stdlib.h>
#include <string.h>

struct layout_copy {
	uint32_t number;
	uint16_t device;
	void *body;
	size_t size;
};

struct boot_copy {
	uint32_t number;
	char *id;
};

struct gw_snapshot {
	struct boot_copy *boot;
	size_t nboots;
	struct gw_device_row *device;
	size_t ndevices;
	struct layout_copy *layout;
	size_t nlayouts;
	struct gw_due_set *due;
	size_t ndue;
	struct gw_loss_row *loss;
	size_t nlosses;
	struct gw_due_set *thinned;
	size_t nthinned;
	struct gw_state_row *state; /* what a row points to is one allocation, at its owner */
	size_t nstates;
};

static size_t room_of(const struct gw_state_row *r)
{
	return strlen(r->owner) + 1 + strlen(r->key) + 1 + r->size;
}

/* Owner, key and value, one behind the other. */
static void *lay_out(struct gw_state_row *to, const struct gw_state_row *from, char *at)
{
	size_t owner = strlen(from->owner) + 1, key = strlen(from->key) + 1;

	*to = (struct gw_state_row){ at, at + owner, at + owner + key, from->size };
	memcpy(at, from->owner, owner);
	memcpy(at + owner, from->key, key);
	if (from->size)
		memcpy(at + owner + key, from->value, from->size);
	return at + owner + key + from->size;
}

struct gw_state_row *gw_state_copy(const struct gw_state_row *rows, size_t n)
{
	size_t size = n * sizeof(*rows);
	struct gw_state_row *copy;
	char *at;

	if (n == 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		size += room_of(&rows[i]);
	copy = gw_must(malloc(size));
	at = (char *)(copy + n);
	for (size_t i = 0; i < n; i++)
		at = lay_out(&copy[i], &rows[i], at);
	return copy;
}

static void copy_devices(const struct gw_db *d, struct gw_snapshot *s)
{
	s->device = gw_must(calloc(d->ndevices + 1, sizeof(*s->device)));
	for (; s->ndevices < d->ndevices; s->ndevices++) {
		s->device[s->ndevices] = d->device[s->ndevices];
		s->device[s->ndevices].name = gw_must(strdup(d->device[s->ndevices].name));
		if (!gw_seqfile_get(d->seq, s->device[s->ndevices].name, &s->device[s->ndevices].reserved))
			s->device[s->ndevices].reserved = 0;
	}
}

static void copy_due(const struct gw_db *d, struct gw_snapshot *s)
{
	s->due = gw_must(calloc(d->ndue + 1, sizeof(*s->due)));
	for (size_t i = 0; i < d->ndue; i++) {
		if (!d->due[i].set.n)
			continue;
		s->due[s->ndue].device = d->due[i].device;
		s->due[s->ndue].sink = d->due[i].sink;
		gw_ranges_copy(&s->due[s->ndue++].set, &d->due[i].set);
	}
}

static void take_boot(struct gw_snapshot *s, sqlite3_stmt *stmt)
{
	const char *id = (const char *)sqlite3_column_text(stmt, 1);

	s->boot = gw_must(realloc(s->boot, (s->nboots + 1) * sizeof(*s->boot)));
	s->boot[s->nboots++] = (struct boot_copy){ .number = (uint32_t)sqlite3_column_int64(stmt, 0),
						   .id = gw_must(strdup(id ? id : "")) };
}

static void take_layout(struct gw_snapshot *s, sqlite3_stmt *stmt)
{
	size_t size = (size_t)sqlite3_column_bytes(stmt, 2);
	struct layout_copy copy = { .number = (uint32_t)sqlite3_column_int64(stmt, 0),
				    .device = (uint16_t)sqlite3_column_int(stmt, 1),
				    .body = gw_must(malloc(size + 1)),
				    .size = size };

	if (size)
		memcpy(copy.body, sqlite3_column_blob(stmt, 2), size);
	s->layout = gw_must(realloc(s->layout, (s->nlayouts + 1) * sizeof(*s->layout)));
	s->layout[s->nlayouts++] = copy;
}

static void take_loss(struct gw_snapshot *s, sqlite3_stmt *stmt)
{
	struct gw_loss_row row = { .id = (uint64_t)sqlite3_column_int64(stmt, 0),
				   .sink = (uint16_t)sqlite3_column_int(stmt, 1),
				   .device = (uint16_t)sqlite3_column_int(stmt, 2),
				   .from = (uint64_t)sqlite3_column_int64(stmt, 3),
				   .to = (uint64_t)sqlite3_column_int64(stmt, 4),
				   .readings = (uint64_t)sqlite3_column_int64(stmt, 5),
				   .cause = (uint8_t)sqlite3_column_int(stmt, 6),
				   .exact = sqlite3_column_int(stmt, 7) != 0,
				   .ts_from_ms = sqlite3_column_int64(stmt, 8),
				   .ts_to_ms = sqlite3_column_int64(stmt, 9),
				   .state = (uint8_t)sqlite3_column_int(stmt, 10) };

	s->loss = gw_must(realloc(s->loss, (s->nlosses + 1) * sizeof(*s->loss)));
	s->loss[s->nlosses++] = row;
}

/* They come by sink and device. */
static void take_thinned(struct gw_snapshot *s, sqlite3_stmt *stmt)
{
	uint16_t sink = (uint16_t)sqlite3_column_int(stmt, 0), device = (uint16_t)sqlite3_column_int(stmt, 1);
	uint64_t from = (uint64_t)sqlite3_column_int64(stmt, 2), to = (uint64_t)sqlite3_column_int64(stmt, 3);
	struct gw_due_set *last = s->nthinned ? &s->thinned[s->nthinned - 1] : NULL;

	if (!last || last->sink != sink || last->device != device) {
		s->thinned = gw_must(realloc(s->thinned, (s->nthinned + 1) * sizeof(*s->thinned)));
		last = &s->thinned[s->nthinned++];
		*last = (struct gw_due_set){ .sink = sink, .device = device };
	}
	if (from >= 1 && from <= to)
		gw_ranges_add(&last->set, from, to);
}

static void take_state(struct gw_snapshot *s, sqlite3_stmt *stmt)
{
	const char *owner = (const char *)sqlite3_column_text(stmt, 0);
	const char *key = (const char *)sqlite3_column_text(stmt, 1);
	struct gw_state_row row = { owner ? owner : "", key ? key : "", sqlite3_column_blob(stmt, 2),
				    (size_t)sqlite3_column_bytes(stmt, 2) };

	s->state = gw_must(realloc(s->state, (s->nstates + 1) * sizeof(*s->state)));
	lay_out(&s->state[s->nstates++], &row, gw_must(malloc(room_of(&row))));
}

static int read_table(struct gw_db *d, enum gw_statement statement, struct gw_snapshot *s,
		      void (*taker)(struct gw_snapshot *s, sqlite3_stmt *stmt))
{
	sqlite3_stmt *stmt = gw_db_bind(d, statement, "");
	int rc;

	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		taker(s, stmt);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int gw_db_snapshot(struct gw_db *d, struct gw_snapshot **out, struct gw_err *err)
{
	struct gw_snapshot *s = gw_must(calloc(1, sizeof(*s)));
	int rc;

	copy_devices(d, s);
	copy_due(d, s);
	rc = read_table(d, GW_SQL_BOOTS, s, take_boot);
	if (rc == SQLITE_OK)
		rc = read_table(d, GW_SQL_LAYOUTS, s, take_layout);
	if (rc == SQLITE_OK)
		rc = read_table(d, GW_SQL_LOSSES, s, take_loss);
	if (rc == SQLITE_OK)
		rc = read_table(d, GW_SQL_WINDOW_RANGES, s, take_thinned);
	if (rc == SQLITE_OK)
		rc = read_table(d, GW_SQL_STATES, s, take_state);
	*out = s;
	if (rc == SQLITE_OK)
		return 0;
	gw_db_err(d, rc, "read", err);
	gw_db_judge(d, rc);
	return -1;
}

void gw_snapshot_show(const struct gw_snapshot *s, const struct gw_store_visitor *v)
{
	for (size_t i = 0; v->boot && i < s->nboots; i++)
		v->boot(v->arg, s->boot[i].number, s->boot[i].id);
	for (size_t i = 0; v->device && i < s->ndevices; i++)
		v->device(v->arg, s->device[i].number, s->device[i].name, s->device[i].first, s->device[i].next,
			  s->device[i].reserved);
	for (size_t i = 0; v->layout && i < s->nlayouts; i++)
		v->layout(v->arg, s->layout[i].number, s->layout[i].device, s->layout[i].body, s->layout[i].size);
	for (size_t i = 0; v->due && i < s->ndue; i++)
		v->due(v->arg, s->due[i].sink, s->due[i].device, &s->due[i].set);
	for (size_t i = 0; v->loss && i < s->nlosses; i++)
		v->loss(v->arg, &s->loss[i]);
	for (size_t i = 0; v->thinned && i < s->nthinned; i++)
		v->thinned(v->arg, s->thinned[i].sink, s->thinned[i].device, &s->thinned[i].set);
	for (size_t i = 0; v->state && i < s->nstates; i++)
		v->state(v->arg, &s->state[i]);
}

void gw_snapshot_free(struct gw_snapshot *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nboots; i++)
		free(s->boot[i].id);
	for (size_t i = 0; i < s->ndevices; i++)
		free(s->device[i].name);
	for (size_t i = 0; i < s->nlayouts; i++)
		free(s->layout[i].body);
	for (size_t i = 0; i < s->ndue; i++)
		gw_ranges_free(&s->due[i].set);
	for (size_t i = 0; i < s->nthinned; i++)
		gw_ranges_free(&s->thinned[i].set);
	free(s->thinned);
	for (size_t i = 0; i < s->nstates; i++)
		free((void *)(uintptr_t)s->state[i].owner);
	free(s->boot);
	free(s->state);
	free(s->device);
	free(s->layout);
	free(s->due);
	free(s->loss);
	free(s);
}
