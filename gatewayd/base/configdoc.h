/*
 * configdoc.h - what is written about the configuration, from its tables alone:
 * sample file, reference and schema.  Same tables, same bytes.
 *
 * Each takes the table of the map that stands at the top of the output, with
 * what is reached through its keys and `also`.  To show a plugin's keys where
 * they belong, pass tables joined with its own.  Write errors are left in `out`
 * for the caller (ferror).
 */
#ifndef GW_BASE_CONFIGDOC_H
#define GW_BASE_CONFIGDOC_H

#include <stdio.h>

#include "gatewayd/config.h"

/*
 * A commented sample: help above each key, required keys with their example,
 * the others commented out as "#key: default".  It loads as it is, and with any
 * "#" taken from before a key.  `level`: 0 for a whole file, else how deep the
 * map stands.  Of a GW_T_MAP the example is the name of the entry shown.
 */
void gw_sample_write(FILE *out, const struct gw_table *table, unsigned level);

/* Markdown: a heading and a table of keys for the map at `path` ("" at the top)
 * and for each map below it. */
void gw_reference_write(FILE *out, const struct gw_table *table, const char *path);

/* JSON schema (draft 2020-12) of a file whose root is described by `table`. */
void gw_schema_write(FILE *out, const struct gw_table *table, const char *title);

#endif
