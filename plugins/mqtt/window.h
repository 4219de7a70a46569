/*
 * window.h - a window of thinned readings as JSON, version 1 of the contract.  Pure.
 */
#ifndef MQTT_WINDOW_H
#define MQTT_WINDOW_H

#include "build.h"
#include "gatewayd/plugin.h"

/* Appends one object.  The layout was prepared with mqtt_json_prepare().  boot (NULL: left out)
 * goes beside "clock":"unsynced". */
void mqtt_doc_window(struct mqtt_text *t, const struct gw_layout *l, const struct gw_window *w,
		     const char *boot);

#endif
