/*
 * settings_private.h - between settings.c, settings_check.c and settings_stream.c.
 */
#ifndef GW_CORE_SETTINGS_PRIVATE_H
#define GW_CORE_SETTINGS_PRIVATE_H

#include "core/settings.h"

/* Write the instance's part of the tree as messages to its memfd; -1 with *err. */
int gw_settings_stream(struct gw_instance *i, const struct gw_node *root, struct gw_err *err);
/* Path of the file with that number in the stream; NULL when there is none. */
const char *gw_settings_file(const struct gw_instance *i, unsigned number);

#endif
