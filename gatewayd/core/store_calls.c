/*
 * store_calls.c - the calls of store.h: each makes a request, says what the
 * thread does with it and what the loop is told then.
 *
 * A request begins with struct gw_request and is freed by its finish function.
 */
#include "core/store_private.h"

#include <stdlib.h>
#include <string.h>

/* After a failure: the database turned out to be damaged, and a new one is there to try again. */
static bool is_begun_anew(struct gw_db *d, struct gw_err *err)
{
	return d->damaged && gw_db_ready(d, err) == 0;
}

/* ---- register, reserve ---- */

struct register_request {
	struct gw_request q;
	struct gw_registration *devices;
	size_t ndevices;
	struct gw_sink_registration *sinks;
	size_t nsinks;
	uint16_t device;
	uint64_t upto;
	gw_store_done_fn *done;
	void *arg;
	bool failed;
	struct gw_err err;
};

static bool run_register(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct register_request *r = (struct register_request *)q;

	r->failed = true;
	if (err)
		r->err = *err;
	else
		r->failed = gw_db_register(d, r->devices, r->ndevices, r->sinks, r->nsinks, &r->err) < 0;
	if (!err && r->failed && is_begun_anew(d, &r->err))
		r->failed = gw_db_register(d, r->devices, r->ndevices, r->sinks, r->nsinks, &r->err) < 0;
	return false;
}

static bool run_reserve(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct register_request *r = (struct register_request *)q;

	(void)err; /* .seq does not need the database */
	r->failed = gw_db_reserve(d, r->device, r->upto, &r->err) < 0;
	return false;
}

static void finish_register(struct gw_request *q)
{
	struct register_request *r = (struct register_request *)q;

	if (r->done)
		r->done(r->arg, r->failed ? &r->err : NULL);
	free(r);
}

void gw_store_register(struct gw_store *st, struct gw_registration *devices, size_t ndevices,
		       struct gw_sink_registration *sinks, size_t nsinks, gw_store_done_fn *done, void *arg)
{
	struct register_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct register_request){ .q = { .run = run_register, .finish = finish_register },
					.devices = devices, .ndevices = ndevices, .sinks = sinks,
					.nsinks = nsinks, .done = done, .arg = arg };
	gw_store_push(st, &r->q);
}

void gw_store_reserve(struct gw_store *st, uint16_t device, uint64_t upto, gw_store_done_fn *done, void *arg)
{
	struct register_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct register_request){ .q = { .run = run_reserve, .finish = finish_register },
					.device = device, .upto = upto, .done = done, .arg = arg };
	gw_store_push(st, &r->q);
}

/* ---- visit ---- */

struct visit_request {
	struct gw_request q;
	struct gw_store_visitor visitor;
	struct gw_snapshot *snapshot;
	bool failed;
	struct gw_err err;
};

static bool run_visit(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct visit_request *r = (struct visit_request *)q;

	r->failed = true;
	if (err)
		r->err = *err;
	else
		r->failed = gw_db_snapshot(d, &r->snapshot, &r->err) < 0;
	if (!err && r->failed && is_begun_anew(d, &r->err)) {
		gw_snapshot_free(r->snapshot);
		r->failed = gw_db_snapshot(d, &r->snapshot, &r->err) < 0;
	}
	return false;
}

static void finish_visit(struct gw_request *q)
{
	struct visit_request *r = (struct visit_request *)q;

	if (!r->failed)
		gw_snapshot_show(r->snapshot, &r->visitor);
	gw_snapshot_free(r->snapshot);
	if (r->visitor.done)
		r->visitor.done(r->visitor.arg, r->failed ? &r->err : NULL);
	free(r);
}

void gw_store_visit(struct gw_store *st, const struct gw_store_visitor *v)
{
	struct visit_request *r = gw_must(calloc(1, sizeof(*r)));

	r->q = (struct gw_request){ .run = run_visit, .finish = finish_visit };
	r->visitor = *v;
	gw_store_push(st, &r->q);
}

/* ---- commit ---- */

struct commit_request {
	struct gw_request q;
	struct gw_commit_work work;
	gw_commit_done_fn *done;
	void *arg;
};

static bool run_commit(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct gw_commit_work *w = &((struct commit_request *)q)->work;

	if (err) {
		w->err = *err;
		w->result.err = &w->err;
	} else {
		gw_db_commit(d, w);
		if (w->result.err && is_begun_anew(d, &w->err)) {
			w->result = (struct gw_commit_result){ 0 };
			gw_db_commit(d, w); /* into the new one */
		}
	}
	d->numbers_end = !w->result.err && w->c.last;
	return false;
}

static void finish_commit(struct gw_request *q)
{
	struct commit_request *r = (struct commit_request *)q;

	if (r->done)
		r->done(r->arg, &r->work.result);
	for (size_t i = 0; i < r->work.c.ndue; i++)
		gw_ranges_free(&r->work.due[i].set);
	free(r->work.due);
	free((void *)(uintptr_t)r->work.c.losses);
	free((void *)(uintptr_t)r->work.c.next);
	free((void *)(uintptr_t)r->work.c.readings);
	free((void *)(uintptr_t)r->work.c.states);
	free((void *)(uintptr_t)r->work.c.windows);
	free((void *)(uintptr_t)r->work.c.windows_gone);
	free(r);
}

static void *copied(const void *array, size_t n, size_t size)
{
	void *copy;

	if (!n)
		return NULL;
	copy = gw_must(calloc(n, size));
	return memcpy(copy, array, n * size);
}

static struct gw_due_set *copied_due(const struct gw_commit *c)
{
	struct gw_due_set *due = c->ndue ? gw_must(calloc(c->ndue, sizeof(*due))) : NULL;

	for (size_t i = 0; i < c->ndue; i++) {
		due[i].sink = c->due[i].sink;
		due[i].device = c->due[i].device;
		gw_ranges_copy(&due[i].set, c->due[i].ranges);
	}
	return due;
}

void gw_store_commit(struct gw_store *st, const struct gw_commit *c, gw_commit_done_fn *done, void *arg)
{
	struct commit_request *r = gw_must(calloc(1, sizeof(*r)));

	r->q = (struct gw_request){ .run = run_commit, .finish = finish_commit };
	r->work.c = *c;
	r->work.c.due = NULL;
	r->work.due = copied_due(c);
	r->work.c.losses = copied(c->losses, c->nlosses, sizeof(*c->losses));
	r->work.c.next = copied(c->next, c->nnext, sizeof(*c->next));
	r->work.c.states = gw_state_copy(c->states, c->nstates);
	r->work.c.windows = copied(c->windows, c->nwindows, sizeof(*c->windows));
	r->work.c.windows_gone = copied(c->windows_gone, c->nwindows_gone, sizeof(*c->windows_gone));
	r->work.c.readings = copied(c->readings, c->nreadings, sizeof(*c->readings));
	r->done = done;
	r->arg = arg;
	gw_store_push(st, &r->q);
}

/* ---- rows ---- */

struct rows_request {
	struct gw_request q;
	struct gw_rows_query query;
	struct gw_rows *rows;
	gw_rows_fn *fn;
	void *arg;
	struct gw_err err;
};

static bool run_rows(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct rows_request *r = (struct rows_request *)q;

	if (err)
		r->err = *err;
	else
		gw_db_rows(d, &r->query, &r->rows, &r->err);
	return false;
}

static void finish_rows(struct gw_request *q)
{
	struct rows_request *r = (struct rows_request *)q;

	r->fn(r->arg, r->rows, r->rows ? NULL : &r->err);
	free(r);
}

static void ask_rows(struct gw_store *st, const struct gw_rows_query *query, gw_rows_fn *fn, void *arg)
{
	struct rows_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct rows_request){ .q = { .run = run_rows, .finish = finish_rows },
				    .query = *query, .fn = fn, .arg = arg };
	gw_store_push(st, &r->q);
}

void gw_store_fetch(struct gw_store *st, uint16_t sink, uint64_t from_id, size_t max_rows, size_t max_bytes,
		    gw_rows_fn *fn, void *arg)
{
	ask_rows(st, &(struct gw_rows_query){ .sink = sink, .due = sink != 0, .from_id = from_id, .max_rows = max_rows,
					      .max_bytes = max_bytes }, fn, arg);
}

void gw_store_oldest(struct gw_store *st, size_t bytes, bool headers, gw_rows_fn *fn, void *arg)
{
	ask_rows(st, &(struct gw_rows_query){ .headers = headers, .due = true, .max_rows = SIZE_MAX, .max_bytes = bytes }, fn, arg);
}

/* ---- session ---- */

struct session_request {
	struct gw_request q;
	uint16_t sink;
	uint64_t session;
};

static bool run_session(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	const struct session_request *r = (const struct session_request *)q;

	(void)err; /* only noted: the next commit writes it */
	for (size_t i = 0; i < d->nsinks; i++) {
		if (d->sink[i].number == r->sink) {
			d->sink[i].session = r->session;
			d->sink[i].changed = true;
		}
	}
	return false;
}

static void finish_session(struct gw_request *q)
{
	free(q);
}

void gw_store_session(struct gw_store *st, uint16_t sink, uint64_t session)
{
	struct session_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct session_request){ .q = { .run = run_session, .finish = finish_session },
				       .sink = sink, .session = session };
	gw_store_push(st, &r->q);
}

/* ---- limits ---- */

struct limits_request {
	struct gw_request q;
	uint64_t max_size;
	int64_t history_ms;
};

static bool run_limits(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	const struct limits_request *r = (const struct limits_request *)q;

	(void)err; /* a database that is closed gets them when it is opened again */
	gw_db_limit(d, r->max_size, r->history_ms);
	return false;
}

static void finish_limits(struct gw_request *q)
{
	free(q);
}

void gw_store_configure(struct gw_store *st, uint64_t max_size, int64_t history_ms)
{
	struct limits_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct limits_request){ .q = { .run = run_limits, .finish = finish_limits },
				      .max_size = max_size, .history_ms = history_ms };
	gw_store_push(st, &r->q);
}

/* ---- verify ---- */

struct verify_request {
	struct gw_request q;
	struct gw_verify_at at;
	struct gw_verify result;
	gw_verify_fn *fn;
	void *arg;
	bool failed;
	struct gw_err err;
};

/* In slices, so that commits go between them. */
static bool run_verify(struct gw_db *d, struct gw_request *q, const struct gw_err *err)
{
	struct verify_request *r = (struct verify_request *)q;
	int rc = -1;

	if (err)
		r->err = *err;
	else
		rc = gw_db_verify(d, &r->at, &r->result, &r->err);
	if (rc > 0) /* the last word when the store closes now */
		gw_err_set(&r->err, GW_EIO, "buffer %s: the check was cut short", d->path);
	r->failed = rc != 0;
	return rc > 0;
}

static void finish_verify(struct gw_request *q)
{
	struct verify_request *r = (struct verify_request *)q;

	r->fn(r->arg, &r->result, r->failed ? &r->err : NULL);
	free(r);
}

void gw_store_verify(struct gw_store *st, gw_verify_fn *fn, void *arg)
{
	struct verify_request *r = gw_must(calloc(1, sizeof(*r)));

	*r = (struct verify_request){ .q = { .run = run_verify, .finish = finish_verify,
						    .takes_long = "it checks all of the buffer, as it was asked to" },
					      .fn = fn, .arg = arg };
	gw_store_push(st, &r->q);
}
