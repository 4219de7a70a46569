/*
 * load.h - what share of the last ten seconds a line was busy.  Pure: the time
 * is a parameter, counted in buckets of one second.
 */
#ifndef MODBUS_LOAD_H
#define MODBUS_LOAD_H

#include <stdint.h>

enum { MB_LOAD_SECONDS = 10 };

struct mb_load {
	int64_t since_us; /* when counting began; the caller sets it */
	int64_t second[MB_LOAD_SECONDS], busy_us[MB_LOAD_SECONDS];
};

void mb_load_add(struct mb_load *l, int64_t from_us, int64_t to_us); /* busy in between */
unsigned mb_load_permille(const struct mb_load *l, int64_t now_us);

#endif
