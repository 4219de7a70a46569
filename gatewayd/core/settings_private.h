/*
 * settings_private.h - between settings.c and settings_*.c.
 */
#ifndef GW_CORE_SETTINGS_PRIVATE_H
#define GW_CORE_SETTINGS_PRIVATE_H

#include "core/settings.h"

/* A folder or file relative to this program, or NULL when it is not there. */
const char *gw_settings_beside(struct gw_arena *a, const char *relative);

/* A copy of the source's map with each device's profile under it. */
const struct gw_node *gw_settings_with_profiles(struct gw_settings *s, const struct gw_instance *i);
/* The vocabulary, read when first asked for; NULL: it is not there or not right, and that has been said. */
const struct gw_quantities *gw_settings_quantities(struct gw_settings *s);

/* Write the instance's part of the tree as messages to its memfd; -1 with *err. */
int gw_settings_stream(struct gw_instance *i, const struct gw_node *root, struct gw_err *err);
/* Path of the file with that number in the stream; NULL when there is none. */
const char *gw_settings_file(const struct gw_instance *i, unsigned number);

/* CRC of names and texts below `map`, without its children named in `but` (NULL-terminated). */
uint32_t gw_settings_hash(const struct gw_node *map, const char *const *but);

#endif
