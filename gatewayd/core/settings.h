/*
 * settings.h - the configuration of the core, and each source's and sink's part of it as the
 * stream of messages its plugin gets.
 *
 * Reading is in two steps, since a plugin brings its own keys: gw_settings_read() reads the
 * files and checks what the core knows; then, when a plugin has described itself,
 * gw_settings_check_source() or _sink() checks its part against the union of both tables.
 */
#ifndef GW_CORE_SETTINGS_H
#define GW_CORE_SETTINGS_H

#include <stdio.h>

#include "base/keys.h"
#include "base/link.h"
#include "gatewayd/config.h"

struct gw_location {
	double lat, lon;
};

struct gw_gateway_settings {
	const char *id, *title, *province, *site;
	struct gw_location location;
};

struct gw_ring_settings {
	const char *path; /* NULL: $RUNTIME_DIRECTORY, else /dev/shm */
	int64_t size;
};

enum gw_when_full { GW_DROP_OLDEST, GW_THIN };

struct gw_buffer_settings {
	const char *path;
	int64_t keep_ms; /* 0: no promise */
	int64_t history_ms, max_size, sync_ms;
	int64_t write_budget; /* bytes a day; 0: none */
	int when_full;
	struct gw_ring_settings ring;
};

struct gw_control_settings {
	const char *socket;
};
struct gw_plugins_settings {
	const char *path; /* NULL: beside this program */
};
struct gw_profiles_settings {
	struct gw_list path; /* const char * */
};

struct gw_core_settings { /* what gw_root_table fills */
	struct gw_gateway_settings gateway;
	struct gw_buffer_settings buffer;
	struct gw_control_settings control;
	struct gw_plugins_settings plugins;
	struct gw_profiles_settings profiles;
};

/* One source or sink. */
struct gw_instance {
	const char *name;
	bool sink;
	const char *plugin;           /* its name */
	const char *program;          /* path of the executable */
	const struct gw_node *node;   /* its map */
	struct gw_source_keys source; /* filled by gw_settings_check_source() */
	int64_t replay_rate;          /* of a sink, from its node; -1: not set */
	int stream;                   /* memfd: u32 size and message, again and again; -1 before */
	uint64_t stream_size;
	uint32_t hash;                /* of names and texts: did anything change? */
	const char *files[256];       /* FILE numbers of the stream */
	unsigned nfiles;
};

struct gw_settings {
	struct gw_arena *arena;
	const char *file;
	const struct gw_node *root; /* NULL: could not be read */
	struct gw_problems problems; /* sorted and printed by gw_settings_report() */
	struct gw_core_settings core;
	bool located; /* gateway.location is set */
	struct gw_instance *instances;
	size_t ninstances;
	uint32_t hash; /* of the whole configuration */
	struct gw_found *found; /* problems and warnings so far */
	size_t nfound;
	const struct gw_quantities *quantities; /* core/quantities.h; NULL: not asked for */
	bool no_quantities;                     /* asked for and not there */
};

/* Never NULL; settings->problems.count says whether it is usable. */
struct gw_settings *gw_settings_read(const char *file);
void gw_settings_free(struct gw_settings *s); /* NULL is allowed */

/* A plugin's keys, gathered from its KEY messages; sections by name. */
struct gw_described;
struct gw_described *gw_described_new(void);
void gw_described_free(struct gw_described *d);
int gw_described_key(struct gw_described *d, const struct gw_msg_key *key, struct gw_err *err);

/* Check the instance's part against common and described keys, merge profiles, and write its
 * stream.  Problems go to s->problems; returns how many. */
unsigned gw_settings_check(struct gw_settings *s, struct gw_instance *i, const struct gw_described *d);
/* After all instances: devices of one name in two sources, client ids and the like. */
void gw_settings_check_all(struct gw_settings *s);
/* A problem a plugin reported; path is relative to the instance. */
void gw_settings_problem(struct gw_settings *s, const struct gw_instance *i, const struct gw_msg_problem *p);

/* Where buffer.KEY was given; NULL when it was not. */
const struct gw_place *gw_settings_buffer_place(const struct gw_settings *s, const char *key);

/* All problems and warnings, by place, one line each; warnings say so and do not count. */
void gw_settings_report(const struct gw_settings *s, FILE *out);
void gw_settings_each(const struct gw_settings *s, void (*fn)(void *arg, const char *line), void *arg);
void gw_settings_log(const struct gw_settings *s); /* the same into the log, where the level says so */

/* The tables, for the sample file and the reference. */
extern const struct gw_table gw_root_table;

#endif
