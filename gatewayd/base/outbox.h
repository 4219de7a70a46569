/*
 * outbox.h - what a plugin has to say while the link is full.
 *
 * Messages keep their order and wait here until the link takes them; the queue is
 * bounded, and a core that lets it run full is treated as gone.  Readings
 * do not wait here: gw_outbox_try() says that there is no room, and
 * the source keeps the newest of each device itself.
 */
#ifndef GW_BASE_OUTBOX_H
#define GW_BASE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/link.h"

/* A source of the largest size declares itself in less. */
enum { GW_OUTBOX_MAX = 64 * 1024 * 1024 };

struct gw_outbox;

struct gw_outbox *gw_outbox_new(int fd);  /* fd stays the caller's; aborts when memory is out */
void gw_outbox_free(struct gw_outbox *o); /* NULL is allowed */

/* Sent now or in its turn.  The message must fit a packet. */
void gw_outbox_send(struct gw_outbox *o, const struct gw_message *m);
/* A message whose only field is `rest`: true when the link took it now. */
bool gw_outbox_try(struct gw_outbox *o, enum gw_message_type type, const void *rest, size_t size);
void gw_outbox_flush(struct gw_outbox *o); /* as far as the link takes it */
bool gw_outbox_empty(const struct gw_outbox *o);
/* NULL: in order; else why nothing can be sent any more (.sys EPIPE: the core went away). */
const struct gw_err *gw_outbox_broken(const struct gw_outbox *o);

#endif
