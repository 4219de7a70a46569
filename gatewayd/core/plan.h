/*
 * plan.h - a configuration together with the plugin processes that have accepted it: what
 * `gatewayd --check`, a start and a reload have in common.
 *
 * A plan reads the files, starts a process for each source and sink (but for those the caller
 * says it runs unchanged), lets each check its part, and says when all have answered.  Nothing
 * outside is touched: the processes wait for START.
 */
#ifndef GW_CORE_PLAN_H
#define GW_CORE_PLAN_H

#include "core/capacity.h"
#include "core/child.h"
#include "core/settings.h"

struct gw_device;

/* Of one source; what a plugin declares takes some 50 MB at most. */
enum { GW_SOURCE_DEVICES_MAX = 4096, GW_SOURCE_POINTS_MAX = 200000 };

struct gw_declared_point {
	const char *name, *unit; /* unit: the plugin's, may be NULL */
	enum gw_kind kind;
	unsigned bits;
	bool writable;
	int64_t interval_ms;
};

struct gw_declared_device {
	const char *name;
	struct gw_declared_point *points;
	size_t npoints, capacity;
};

struct gw_candidate {
	struct gw_instance *instance;
	struct gw_child *child; /* NULL: runs unchanged */
	struct gw_plan *plan;
	struct gw_declared_device *devices; /* of a source, in the plan's arena */
	size_t ndevices, capacity;
	size_t npoints; /* of all of them */
	struct gw_device **built; /* ndevices; when there is no problem.  Whoever takes one sets it NULL. */
	bool answered;
	bool changed; /* found by a reload: new, or not what runs under that name */
};

struct gw_plan {
	struct gw_settings *settings;
	struct gw_candidate *candidates; /* one for each instance, in their order */
	size_t ncandidates, waiting;
	struct gw_loop *loop;
	void (*done)(void *arg, struct gw_plan *p); /* settings->problems.count tells how it went */
	void *arg;
	bool told;
	size_t removed; /* found by a reload: sources and sinks that are not in it */
	struct gw_load load; /* what all sources bring together; from `built` */
};

struct gw_plan_options {
	struct gw_loop *loop;
	struct gw_receiver *receiver;
	const char *file;
	void (*done)(void *arg, struct gw_plan *p);
	void *arg;
};

struct gw_plan *gw_plan_new(const struct gw_plan_options *o);
/* Start the processes.  `done` follows, at once when there is nothing to wait for. */
void gw_plan_begin(struct gw_plan *p);
/* Children that nobody took (candidate->child set to NULL) are killed.  NULL is allowed. */
void gw_plan_free(struct gw_plan *p);

/* DEVICE and POINT of a source, checked for order; also used when a plugin was started again. */
int gw_declare(struct gw_arena *a, struct gw_candidate *c, const struct gw_message *m, struct gw_err *err);

#endif
