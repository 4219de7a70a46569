/*
 * source.h - the Modbus source as the plugin runtime knows it.
 */
#ifndef MODBUS_SOURCE_H
#define MODBUS_SOURCE_H

#include "gatewayd/plugin.h"

extern const struct gw_source_plugin mb_source;

#endif
