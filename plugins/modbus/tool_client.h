/*
 * tool_client.h - asking a device from a tool: blocking, with a total deadline
 * for each answer.  The wires and the checks are those of the daemon's lines
 * (wire.h, frame.h, rtu.h); only the waiting is different.
 */
#ifndef MODBUS_TOOL_CLIENT_H
#define MODBUS_TOOL_CLIENT_H

#include "plugins/modbus/frame.h"
#include "plugins/modbus/url.h"

struct mb_client;

enum { MB_PDU_MAX = 253 };

/* Opens at once; GW_EIO with what to do about it. */
int mb_client_open(struct mb_client **out, const struct mb_url *url, int64_t timeout_us,
		   struct gw_err *err);
void mb_client_close(struct mb_client *c); /* NULL is allowed */

/*
 * Read, with q's transaction ignored.  Returns a reason of reading.h: GW_GOOD, then
 * mb_answer_size(q) bytes are in `data`; GW_EXCEPTION_0 | code, GW_TIMEOUT, GW_PROTOCOL, GW_CRC,
 * GW_NO_CONNECTION (a lost connection is opened again by the next request).
 */
unsigned mb_client_read(struct mb_client *c, const struct mb_query *q, uint8_t *data);

/* Any request: function code and data out, function code and data in; *size: of `answer`,
 * MB_PDU_MAX bytes.  On a serial line functions 17 and 43/14 only. */
unsigned mb_client_ask(struct mb_client *c, uint8_t unit, const uint8_t *pdu, size_t n,
		       uint8_t *answer, size_t *size);

/* ---- bare bytes ---- */

/* 0, or -1 with the connection closed. */
int mb_client_send(struct mb_client *c, const uint8_t *bytes, size_t n);
/* Waits for bytes until that time; 0: none came, -1: the connection is lost. */
int mb_client_listen(struct mb_client *c, uint8_t *buf, size_t size, int64_t until_us);
void mb_client_flush(struct mb_client *c);
bool mb_client_is_open(const struct mb_client *c);
int mb_client_reopen(struct mb_client *c, struct gw_err *err);
const struct mb_url *mb_client_url(const struct mb_client *c);

#endif
