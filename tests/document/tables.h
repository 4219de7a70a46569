/*
 * tables.h - the configuration as one tree of tables: the core's, and in place of
 * `sinks` and `sources` the common tables joined with the keys of the plugins that
 * come with gatewayd.  The daemon joins them at run time from what its plugins
 * describe; the documents are made without running anything.
 */
#ifndef DOCUMENT_TABLES_H
#define DOCUMENT_TABLES_H

#include "gatewayd/config.h"

/* What is true of every file: for the reference, the schema and the manual page. */
const struct gw_table *document_tables(struct gw_arena *a);

/* The same, and what a file cannot do without in practice counts as required, so
 * that the sample shows a device that can be read. */
const struct gw_table *document_sample_tables(struct gw_arena *a);

#endif
