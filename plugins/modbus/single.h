/*
 * single.h - one point at a time, before all that waits for the line: a question and its answer, a write with its
 * confirmation and read-back.
 */
#ifndef MODBUS_SINGLE_H
#define MODBUS_SINGLE_H

#include "gatewayd/plugin.h"
#include "plugins/modbus/decode.h"
#include "plugins/modbus/derive.h"
#include "plugins/modbus/line.h"

struct mb_target { /* what it points to outlives the question or the write */
	struct mb_line *line;
	const struct mb_manner *manner;
	const struct mb_form *forms; /* of the device's points */
	const struct mb_span *spans;
	unsigned point;
	uint64_t *requests;   /* counted up */
	const bool *stopping; /* the plugin ends: no new request */
};

/* ask.c: answered once the device has; `derive` may be NULL. */
void mb_ask(const struct mb_target *t, struct mb_derive *derive, struct gw_question *q);

/*
 * write.c: encoded, sent once (never again, whatever happens), confirmed by an echo that repeats the request, read
 * back and compared.  Another value than was written is read a second time, as a device may take a moment.  `function`
 * is 5, 6, 15 or 16.  Ends with gw_write_done().
 */
void mb_write(const struct mb_target *t, uint8_t function, const struct gw_value *v, struct gw_write *w);

#endif
