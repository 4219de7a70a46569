/*
 * config.h - configuration by tables.
 *
 * A section of the YAML file is described by one `struct gw_table`.  The table
 * is the only place a key is known: the parser, the range check, defaults,
 * error texts, the sample file, the reference and the manual page read it.
 * Adding a key is one entry and one struct member.
 *
 * The core reads the files into a tree of nodes that know their places; a
 * plugin gets its part of that tree over the link.  gw_config_load() fills a
 * struct from a map node and reports every problem it finds, not just the first.
 * Everything a load allocates belongs to the arena and goes with it.
 */
#ifndef GATEWAYD_CONFIG_H
#define GATEWAYD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"

enum gw_node_kind { GW_NODE_NULL, GW_NODE_SCALAR, GW_NODE_LIST, GW_NODE_MAP };

struct gw_node {
	enum gw_node_kind kind;
	const char *name; /* key in the map that holds it, else NULL */
	const char *text; /* scalar: its text, NUL-terminated, valid UTF-8 */
	struct gw_place place, name_place;
	struct gw_node *first, *next; /* children in the order of the file */
};

const struct gw_node *gw_node_get(const struct gw_node *map, const char *name); /* or NULL */

/* Exact decimal: mantissa * 10^-places, places 0 to 18. */
struct gw_decimal {
	int64_t mantissa;
	int places;
};

enum gw_type {
	GW_T_BOOL,     /* bool: true, false */
	GW_T_INT,      /* int64_t: decimal or 0x..; min to max */
	GW_T_DURATION, /* int64_t, milliseconds: 500ms 1s 5m 2h 30d; min to max in ms */
	GW_T_SIZE,     /* int64_t, bytes: 64KiB 512MiB 1GiB; min to max in bytes */
	GW_T_DECIMAL,  /* struct gw_decimal: 0.1, -12, 1.5e-3 */
	GW_T_NUMBER,   /* double, finite */
	GW_T_TEXT,     /* const char *: UTF-8 without control characters, min to max bytes (max 0: 1024) */
	GW_T_NAME,     /* const char *: [A-Za-z0-9][A-Za-z0-9_-]{0,63} */
	GW_T_CHOICE,   /* int: index into choices */
	GW_T_SECTION,  /* the struct of `table`, embedded */
	GW_T_MAP,      /* struct gw_list of the struct of `table`, one for each named thing;
			* its first member is struct gw_item */
	GW_T_NODE,     /* const struct gw_node *: the owner checks it itself */
};

enum {
	GW_REQUIRED = 1 << 0,
	GW_RELOAD = 1 << 1,  /* a reload may change it */
	GW_SECRET = 1 << 2,  /* never printed or logged */
	GW_LIST = 1 << 3,    /* a list of the type: struct gw_list; one scalar is a list of one */
	GW_INHERIT = 1 << 4, /* unset: the value of the same key one level up */
	GW_PATH = 1 << 5,    /* text, relative to the file that holds it; stored absolute */
};

struct gw_list {
	void *items; /* array of the type's C type */
	size_t count;
};

/* First member of every struct that stands in a GW_T_MAP. */
struct gw_item {
	const char *name;
	const struct gw_node *node; /* its map, for places in later messages */
};

struct gw_key {
	const char *name;
	enum gw_type type;
	unsigned flags;
	const char *fallback; /* default in the file's own syntax; NULL: none (pointers NULL, numbers 0) */
	const char *help;     /* one sentence, ends with a full stop */
	const char *example;  /* for the sample file, in its own syntax; NULL: the default */
	const char *const *choices; /* NULL-terminated */
	int64_t min, max; /* both 0: no limits; of a GW_T_MAP: max entries, 0 for any number */
	size_t offset;
	const struct gw_table *table;
};

struct gw_table {
	const char *name; /* of the section: "buffer", "sink", "device", "point" */
	const char *help;
	const struct gw_key *keys;
	size_t count;
	size_t size; /* of the struct; 0: keys are checked, nothing is stored */
	/* Keys that another reader of the same map stores: checked here, not stored. */
	const struct gw_table *also;
};

#define GW_TABLE(table_name, struct_type, key_array, text)                             \
	{                                                                              \
		.name = (table_name), .help = (text), .keys = (key_array),             \
		.count = sizeof(key_array) / sizeof((key_array)[0]),                   \
		.size = sizeof(struct_type)                                            \
	}

/* Memory that lives and dies together.  Allocation never fails to the caller:
 * it aborts, as configuration is capped at a few MiB. */
struct gw_arena;
struct gw_arena *gw_arena_new(void);
void gw_arena_free(struct gw_arena *a); /* NULL is allowed */
void *gw_arena_alloc(struct gw_arena *a, size_t size); /* zeroed, aligned to 16 */
char *gw_arena_strdup(struct gw_arena *a, const char *text);
char *gw_arena_text(struct gw_arena *a, const char *text, size_t n); /* of n bytes; n 0: "" */

/* Where problems go.  `fn` gets the place, the key path and the text; each is
 * one line: FILE:LINE:COL: key.path: text. */
struct gw_problems {
	void (*fn)(void *arg, const struct gw_place *at, const char *path, const char *text);
	void *arg;
	unsigned count; /* grows with each report */
	/* The same for what is only doubtful; NULL: not told. */
	void (*warn)(void *arg, const struct gw_place *at, const char *path, const char *text);
};
void gw_problem(struct gw_problems *to, const struct gw_place *at, const char *path,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Nothing is refused for it, and it does not count. */
void gw_warning(struct gw_problems *to, const struct gw_place *at, const char *path,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * Fill `object` (table->size bytes, zeroed by the callee) from `map`, defaults
 * first.  `path` is the key path of the map ("sources.pump-house").  Unknown and
 * repeated keys, wrong types, values out of range and missing required keys are
 * reported with what is allowed and the nearest key; the first is no reason to
 * stop.  GW_INHERIT keys that are unset are left at 0/NULL: see gw_config_inherit.
 * Returns the number of problems found by this call.
 */
unsigned gw_config_load(struct gw_arena *arena, const struct gw_table *table,
			const struct gw_node *map, const char *path, void *object,
			struct gw_problems *to);

/* For each GW_INHERIT key of `table` that `map` does not set: copy the value
 * from `above`, an object of `above_table` that has a key of that name.  Of a section
 * that `map` sets in part, with the same table above, the keys that are left out. */
void gw_config_inherit(const struct gw_table *table, const struct gw_node *map, void *object,
		       const struct gw_table *above_table, const void *above);

/* Scalars by the rules of the file, for owners of GW_T_NODE; -1 with *err. */
int gw_parse_int(const char *text, int64_t min, int64_t max, int64_t *out, struct gw_err *err);
int gw_parse_decimal(const char *text, struct gw_decimal *out, struct gw_err *err);

/* Of `names` (NULL-terminated) the one nearest to `name`, or NULL when none is near. */
const char *gw_nearest(const char *name, const char *const *names);

bool gw_name_ok(const char *name); /* [A-Za-z0-9][A-Za-z0-9_-]{0,63} */

#endif
