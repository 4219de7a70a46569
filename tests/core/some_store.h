/*
 * some_store.h - a store for tests: in a folder of its own, on a loop of its
 * own, with calls that turn the loop until the answer is there.
 */
#ifndef GW_TESTS_SOME_STORE_H
#define GW_TESTS_SOME_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/store.h"
#include "gatewayd/loop.h"
#include "some_reading.h"

#define SOME_BUILD INT64_C(1700000000000)

struct shop {
	char folder[64], path[80];
	struct gw_store_options opts;
	struct gw_loop *loop;
	struct gw_store *st;
	struct gw_store_info info;
	char aside[512];
	struct gw_err err; /* of the last call that failed */
	/* the last answer */
	bool answered, failed;
	struct gw_commit_result result;
	struct gw_rows *rows;
	struct gw_verify verify;
};

static inline void shop_new(struct shop *s)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->folder, sizeof(s->folder), "/tmp/test_store.XXXXXX");
	if (!mkdtemp(s->folder))
		abort();
	snprintf(s->path, sizeof(s->path), "%s/b.db", s->folder);
	s->opts = (struct gw_store_options){ .path = s->path, .max_size = 64 << 20, .boot = "boot-1",
					     .build_ms = SOME_BUILD };
	if (gw_loop_new(&s->loop, &s->err) < 0)
		abort();
}

static inline void shop_free(struct shop *s)
{
	char command[128];

	gw_store_close(s->st);
	gw_loop_free(s->loop);
	snprintf(command, sizeof(command), "rm -rf '%s'", s->folder);
	if (system(command) != 0)
		abort();
}

/* Bytes of the database's file with that suffix; 0: not there. */
static inline off_t shop_size(const struct shop *s, const char *suffix)
{
	char name[128];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", s->path, suffix);
	return stat(name, &st) == 0 ? st.st_size : 0;
}

static inline int shop_try_open(struct shop *s)
{
	return gw_store_open(&s->st, &s->opts, s->loop, &s->info, s->aside, &s->err);
}

static inline void shop_open(struct shop *s)
{
	if (shop_try_open(s) < 0)
		fail_msg("%s", s->err.msg);
}

static inline void shop_close(struct shop *s)
{
	gw_store_close(s->st);
	s->st = NULL;
}

static inline void shop_wait(struct shop *s)
{
	struct gw_err err;

	while (!s->answered) {
		if (gw_loop_turn(s->loop, -1, &err) < 0)
			fail_msg("%s", err.msg);
	}
	s->answered = false;
}

static inline void shop_note(struct shop *s, const struct gw_err *err)
{
	s->answered = true;
	s->failed = err != NULL;
	if (err)
		s->err = *err;
}

static inline void shop_done(void *arg, const struct gw_err *err)
{
	shop_note(arg, err);
}

/* One device, one sink, unless the caller gives more. */
static inline int shop_register(struct shop *s, struct gw_registration *devices, size_t n,
				struct gw_sink_registration *sinks, size_t m)
{
	gw_store_register(s->st, devices, n, sinks, m, shop_done, s);
	shop_wait(s);
	return s->failed ? -1 : 0;
}

static inline struct gw_registration shop_device(struct shop *s, const char *name)
{
	struct gw_registration r = { .name = name, .layout = "layout", .layout_size = 6, .rate = 3600 };
	struct gw_sink_registration sink = { .name = "goc" };

	if (shop_register(s, &r, 1, &sink, 1) < 0)
		fail_msg("%s", s->err.msg);
	return r;
}

static inline void shop_committed(void *arg, const struct gw_commit_result *result)
{
	struct shop *s = arg;

	s->result = *result;
	shop_note(s, result->err);
}

static inline int shop_commit(struct shop *s, const struct gw_commit *c)
{
	struct gw_commit last = *c;

	last.last = true; /* whatever it is, it may be the last */
	gw_store_commit(s->st, &last, shop_committed, s);
	shop_wait(s);
	return s->failed ? -1 : 0;
}

struct shop_batch {
	uint16_t device;
	uint64_t from;
	size_t n;
	unsigned points;
	int64_t ts_ms; /* of the first; one second each */
	uint64_t due_from, due_to; /* what sink 1 has due then; 0, 0: nothing */
	bool keep_due; /* say nothing about it */
};

/* Commits readings from.. from + n - 1. */
static inline int shop_put(struct shop *s, const struct shop_batch *b)
{
	const struct gw_reading **readings = calloc(b->n + 1, sizeof(*readings));
	struct gw_ranges ranges = { 0 };
	struct gw_due_row due = { .sink = 1, .device = b->device, .ranges = &ranges };
	struct gw_next_row next = { .device = b->device, .next_seq = b->from + b->n };
	struct gw_commit c = { .readings = readings, .nreadings = b->n, .due = &due, .ndue = !b->keep_due,
			       .next = &next, .nnext = b->n != 0 };
	int rc;

	if (b->due_to)
		gw_ranges_add(&ranges, b->due_from, b->due_to);
	for (size_t i = 0; i < b->n; i++)
		readings[i] = some_reading(b->device, b->from + i, b->ts_ms + (int64_t)i * 1000, b->points);
	rc = shop_commit(s, &c);
	for (size_t i = 0; i < b->n; i++)
		free((void *)(uintptr_t)readings[i]);
	free(readings);
	gw_ranges_free(&ranges);
	return rc;
}

static inline void shop_rows(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	struct shop *s = arg;

	s->rows = rows;
	shop_note(s, err);
}

/* The caller ends the rows. */
static inline struct gw_rows *shop_fetch(struct shop *s, uint16_t sink, uint64_t from_id, size_t rows, size_t bytes)
{
	gw_store_fetch(s->st, sink, from_id, rows, bytes, shop_rows, s);
	shop_wait(s);
	return s->failed ? NULL : s->rows;
}

/* How many rows there are, by looking at all of them. */
static inline uint64_t shop_count(struct shop *s)
{
	uint64_t n = 0, from = 0;
	bool end = false;

	while (!end) {
		struct gw_rows *rows = shop_fetch(s, 0, from, 1000, 1 << 24);

		if (!rows)
			fail_msg("%s", s->err.msg);
		n += rows->n;
		from = rows->next_id;
		end = rows->end;
		gw_rows_free(rows);
	}
	return n;
}

static inline void shop_verified(void *arg, const struct gw_verify *v, const struct gw_err *err)
{
	struct shop *s = arg;

	s->verify = *v;
	shop_note(s, err);
}

static inline void shop_verify(struct shop *s)
{
	gw_store_verify(s->st, shop_verified, s);
	shop_wait(s);
	if (s->failed)
		fail_msg("%s", s->err.msg);
}

#endif
