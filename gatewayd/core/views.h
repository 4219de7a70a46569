/*
 * views.h - the core's state as JSON documents (contract, sections 1 and 4).  Each returns a new
 * reference.
 */
#ifndef GW_CORE_VIEWS_H
#define GW_CORE_VIEWS_H

#include <jansson.h>

#include "core/daemon.h"

json_t *gw_view_health(struct gw_daemon *d);
json_t *gw_view_status(struct gw_daemon *d);
json_t *gw_view_sources(struct gw_daemon *d);
json_t *gw_view_sinks(struct gw_daemon *d);
json_t *gw_view_devices(struct gw_daemon *d);
json_t *gw_view_points(struct gw_daemon *d, const struct gw_device *only); /* NULL: of all */
json_t *gw_view_buffer(struct gw_daemon *d);
/* A loss message of the contract plus `sink`, `device` and how far it is told. */
/* Of a range of numbers that lie in windows. */
json_t *gw_view_thinned(const char *sink, const char *device, const struct gw_loss_row *row);
json_t *gw_view_loss(const char *sink, const char *device, const struct gw_loss_row *row);
/* A data message of the contract plus `device`. */
json_t *gw_view_reading(const struct gw_device *dev, const struct gw_reading *r);
json_t *gw_view_value(const struct gw_device *dev, unsigned point, const struct gw_value *v);

/* One line without a line feed; to be freed. */
char *gw_view_text(const json_t *doc);

#endif
