/*
 * counter.h - a device's counter as a total that never falls.  Pure.
 *
 * A counter of n bits that falls by more than half of its range has rolled over; one that
 * falls by less was reset or belongs to another meter: its new value is the start of a new base,
 * and the total goes on from where it was.  What was counted between the last value and a reset,
 * or while nobody looked for more than one whole turn, nobody can know.
 */
#ifndef MODBUS_COUNTER_H
#define MODBUS_COUNTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mb_counter {
	uint8_t bits; /* 16, 32 or 64 */
	bool known;   /* there was a value; else the first one is the total, too */
	uint64_t last, total;
};

enum mb_counted { MB_COUNTED, MB_ROLLED_OVER, MB_RESET };

/* `raw` fits the bits. */
enum mb_counted mb_counter_take(struct mb_counter *c, uint64_t raw);

/*
 * As text to be remembered, with the name of what counts: "1 32 LAST TOTAL NAME".  Reading it back is
 * refused, and *c left as it is, when it is of another name, size of counter or make.
 */
size_t mb_counter_save(const struct mb_counter *c, const char *name, char *out, size_t size);
bool mb_counter_load(struct mb_counter *c, const char *name, const char *text, size_t size);

#endif
