/*
 * sink.h - the MQTT sink as the plugin runtime sees it.
 */
#ifndef MQTT_SINK_H
#define MQTT_SINK_H

#include "gatewayd/plugin.h"

extern const struct gw_sink_plugin mqtt_sink;

#endif
