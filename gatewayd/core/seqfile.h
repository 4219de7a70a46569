/*
 * seqfile.h - <path>.seq: for each device name a number above all that were
 * ever given to its readings, safe against a power cut and against the loss of
 * the database.
 *
 * The file is two slots of the same size, written in turn, in place, and
 * synced; each carries a generation and a CRC, so that a torn write leaves the
 * slot before.  In place: a full disk cannot stop it.  Entries are never taken
 * out.  A bound equals the device's next number after an orderly close and
 * lies above it otherwise; nothing else marks an orderly close.
 */
#ifndef GW_CORE_SEQFILE_H
#define GW_CORE_SEQFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"

struct gw_seqfile;

/* Reads what is there.  An absent file, or one with no whole slot, is an empty
 * set (gw_seqfile_size 0), not an error.  Nothing is written. */
int gw_seqfile_open(struct gw_seqfile **out, const char *path, struct gw_err *err);
void gw_seqfile_close(struct gw_seqfile *s); /* NULL is allowed */

size_t gw_seqfile_size(const struct gw_seqfile *s); /* names */
/* A number that goes with the set and belongs to no device; 0 until it is set. */
uint64_t gw_seqfile_mark(const struct gw_seqfile *s);
void gw_seqfile_set_mark(struct gw_seqfile *s, uint64_t mark); /* in memory, until the next write */
bool gw_seqfile_get(const struct gw_seqfile *s, const char *name, uint64_t *bound);
/* In memory, until the next write.  name: 1 to 255 bytes. */
void gw_seqfile_set(struct gw_seqfile *s, const char *name, uint64_t bound);
/* To the disk, synced when it returns 0.  Blocks. */
int gw_seqfile_write(struct gw_seqfile *s, struct gw_err *err);

/* fsync of the folder that `path` lies in: makes a rename or a new file last. */
int gw_sync_folder_of(const char *path);

#endif
