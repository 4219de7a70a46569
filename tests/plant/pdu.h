/*
 * pdu.h - answering one Modbus request (Modbus Application Protocol 1.1b3,
 * clause 6) from a device's tables.  No input or output of its own.
 */
#ifndef PLANT_PDU_H
#define PLANT_PDU_H

#include "device.h"

enum { PDU_MAX = 253 };
enum exception {
	ILLEGAL_FUNCTION = 1,
	ILLEGAL_ADDRESS = 2,
	ILLEGAL_VALUE = 3,
	TARGET_SILENT = 11, /* gateway: no such unit behind this port */
};

/* Answers `request` of `size` bytes (1 to PDU_MAX) into `answer` (PDU_MAX bytes);
 * returns its size.  `day_s` is the time of the plant, `now_us` when it was asked. */
size_t pdu_answer(struct device *d, const uint8_t *request, size_t size, uint8_t *answer, double day_s,
		  int64_t now_us);
size_t pdu_exception(uint8_t function, unsigned code, uint8_t *answer);

#endif
