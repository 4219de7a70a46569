/*
 * device.h - one simulated Modbus device: its tables, its model, its fault and
 * its counts.
 *
 * A model fills the four tables from the time of day, which is a parameter, so
 * that the same moment always gives the same values.  pdu.c answers requests
 * from the tables; server.c carries frames and plays the fault.
 */
#ifndef PLANT_DEVICE_H
#define PLANT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum table { COIL, DISCRETE, INPUT, HOLDING, TABLES };

enum fault_kind {
	FAULT_NONE,
	FAULT_SILENT,     /* takes requests, never answers */
	FAULT_REFUSE,     /* nobody listens on the port */
	FAULT_SLOW,       /* each answer comes after so many ms */
	FAULT_EXCEPTION,  /* each answer is this exception */
	FAULT_WRONG_UNIT, /* answers carry another unit identifier */
	FAULT_WRONG_TID,  /* answers carry another transaction identifier */
	FAULT_LATE,       /* each second answer comes so many ms late, the others at once */
	FAULT_DRIBBLE,    /* one byte each so many ms */
	FAULT_GARBAGE,    /* bytes that are no frame */
	FAULT_CLOSE,      /* closes the connection at a request */
	FAULTS,
};

struct fault {
	enum fault_kind kind;
	unsigned parameter; /* ms, or the exception code */
};

/* "slow:300", "silent", ...; NULL: understood, else what is wrong. */
const char *fault_parse(const char *text, struct fault *out);

enum { TIMES_KEPT = 4096 }; /* a power of two */

struct counts {
	uint64_t requests;   /* whole frames received */
	uint64_t answers;    /* answers handed to the network, exceptions too */
	uint64_t exceptions;
	uint64_t polls;      /* good answers that contained holding register 0 */
	int64_t *times_us;   /* when the latest of these were asked for: ring of TIMES_KEPT, or NULL */
};

struct span {
	uint16_t first, count;
};

struct device;

struct model {
	const char *kind;
	uint16_t size[TABLES];          /* bits or registers; addresses from 0 */
	struct span writable[2];        /* of the coils, of the holding registers */
	/* `day_s`: seconds since some local midnight, growing over days. */
	void (*refresh)(struct device *d, double day_s);
	/* One word computed when asked; NULL: the tables hold it. */
	uint16_t (*word)(const struct device *d, enum table t, uint16_t address);
};

struct device {
	const struct model *model;
	char name[32];
	uint8_t unit;
	uint16_t size[TABLES];
	uint16_t *words[TABLES]; /* registers; bits as 0 or 1; NULL with model->word */
	struct fault fault;
	unsigned turn; /* of FAULT_LATE and FAULT_GARBAGE */
	struct counts counts;
};

/* Aborts when memory is out: a simulator at its start has no better answer. */
struct device *device_new(const struct model *m, const char *name, uint8_t unit);
struct device *device_new_bench(const char *name, uint8_t unit, uint16_t registers);
void device_free(struct device *d);
void device_keep_times(struct device *d);

extern const struct model crossing_model, meter_model, inverter_model, pump_model, field_model;
const struct model *model_find(const char *kind); /* NULL: none of that name */

/*
 * The pattern of a bench device: registers 0 and 1 hold the number of the poll
 * (u32, high word first, from 1), any other register this.  A poll begins with
 * each read of holding register 0.
 */
static inline uint16_t bench_word(uint32_t poll, uint16_t address)
{
	return (uint16_t)(poll * 7u + address * 13u);
}

#endif
