/*
 * writing.h - WRITE and WRITTEN, between source.c and writing.c.
 */
#ifndef GW_BASE_WRITING_H
#define GW_BASE_WRITING_H

#include "base/plugin_private.h"

enum { GW_WRITES_OPEN_MAX = 64 }; /* under way at one time */

struct gw_writing;

struct gw_writing *gw_writing_new(void);       /* aborts when memory is out */
void gw_writing_free(struct gw_writing *w);    /* NULL is allowed */
/* NULL: too many are under way. */
struct gw_write *gw_write_open(struct gw_writing *ws, struct gw_plugin *p, uint32_t number);
void gw_write_refuse(struct gw_plugin *p, uint32_t number, const char *why);
struct gw_value gw_write_value(const struct gw_msg_write *m); /* a text is borrowed */

#endif
