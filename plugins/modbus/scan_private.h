/*
 * scan_private.h - what scan.c and scan_network.c share.
 */
#ifndef MODBUS_SCAN_PRIVATE_H
#define MODBUS_SCAN_PRIVATE_H

#include "plugins/modbus/scan.h"

/* A unit answered with data or an exception; the list stays sorted, each unit once. */
void mb_scan_found(struct mb_scan *s, unsigned unit, const struct mb_frame *f);
struct mb_query mb_scan_query(const struct mb_scan_options *o, unsigned unit);

/* tcp:// and rtu+tcp:// */
int mb_scan_network(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		    struct gw_err *err);

#endif
