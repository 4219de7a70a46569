/*
 * store_window_calls.c - the calls of store.h about windows (see store_calls.c).
 */
#include "core/store_private.h"

#include <stdlib.h>

struct windows_request {
	struct gw_request q;
	struct gw_windows_query query;
	struct gw_windows *windows;
	gw_windows_fn *fn;
	void *arg;
	struct gw_err err;
};

static bool run_windows(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct windows_request *r = (struct windows_request *)q;

	if (err)
		r->err = *err;
	else
		gw_db_windows(d, &r->query, &r->windows, &r->err);
	return false;
}

static void finish_windows(struct gw_request *q)
{
	struct windows_request *r = (struct windows_request *)q;

	r->fn(r->arg, r->windows, r->windows ? NULL : &r->err);
	free(r);
}

void gw_store_windows(struct gw_store *st, const struct gw_windows_query *q, gw_windows_fn *fn, void *arg)
{
	struct windows_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct windows_request){ .q = { .run = run_windows, .finish = finish_windows },
				       .query = *q, .fn = fn, .arg = arg };
	gw_store_push(st, &r->q);
}

struct join_request {
	struct gw_request q;
	size_t max_bytes;
	uint64_t fewer;
	gw_joined_fn *fn;
	void *arg;
	bool failed;
	struct gw_err err;
};

static bool run_join(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct join_request *r = (struct join_request *)q;

	r->failed = true;
	if (err)
		r->err = *err;
	else
		r->failed = gw_db_join_windows(d, r->max_bytes, &r->fewer, &r->err) < 0;
	return false;
}

static void finish_join(struct gw_request *q)
{
	struct join_request *r = (struct join_request *)q;

	r->fn(r->arg, r->failed ? 0 : r->fewer, r->failed ? &r->err : NULL);
	free(r);
}

void gw_store_join_windows(struct gw_store *st, size_t max_bytes, gw_joined_fn *fn, void *arg)
{
	struct join_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct join_request){ .q = { .run = run_join, .finish = finish_join },
				    .max_bytes = max_bytes, .fn = fn, .arg = arg };
	gw_store_push(st, &r->q);
}
