/*
 * device.c - making devices, the bench pattern, and the table of faults.
 */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p) {
		fputs("plant: out of memory\n", stderr);
		abort();
	}
	return p;
}

static struct device *named(const struct model *m, const char *name, uint8_t unit)
{
	struct device *d = zeroed(1, sizeof(*d));

	d->model = m;
	d->unit = unit;
	snprintf(d->name, sizeof(d->name), "%s", name);
	memcpy(d->size, m->size, sizeof(d->size));
	return d;
}

struct device *device_new(const struct model *m, const char *name, uint8_t unit)
{
	struct device *d = named(m, name, unit);

	for (int t = 0; t < TABLES; t++)
		d->words[t] = zeroed(d->size[t], sizeof(uint16_t));
	return d;
}

static uint16_t pattern(const struct device *d, enum table t, uint16_t address)
{
	uint32_t poll = (uint32_t)d->counts.polls;

	if (t == COIL || t == DISCRETE)
		return bench_word(poll, address) & 1;
	if (address == 0)
		return (uint16_t)(poll >> 16);
	if (address == 1)
		return (uint16_t)poll;
	return bench_word(poll, address);
}

static const struct model bench_model = { .kind = "bench", .word = pattern };

struct device *device_new_bench(const char *name, uint8_t unit, uint16_t registers)
{
	struct device *d = named(&bench_model, name, unit);

	for (int t = 0; t < TABLES; t++)
		d->size[t] = registers;
	return d;
}

void device_free(struct device *d)
{
	for (int t = 0; t < TABLES; t++)
		free(d->words[t]);
	free(d->counts.times_us);
	free(d);
}

void device_keep_times(struct device *d)
{
	d->counts.times_us = zeroed(TIMES_KEPT, sizeof(int64_t));
}

const struct model *model_find(const char *kind)
{
	static const struct model *const models[] = { &crossing_model, &meter_model, &inverter_model,
						      &pump_model, &field_model };

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (!strcmp(models[i]->kind, kind))
			return models[i];
	return NULL;
}

static const struct {
	const char *name;
	unsigned max; /* of the parameter; 0: takes none */
} faults[FAULTS] = {
	[FAULT_NONE] = { "none", 0 },
	[FAULT_SILENT] = { "silent", 0 },
	[FAULT_REFUSE] = { "refuse", 0 },
	[FAULT_SLOW] = { "slow", 60000 },
	[FAULT_EXCEPTION] = { "exception", 127 },
	[FAULT_WRONG_UNIT] = { "wrong-unit", 0 },
	[FAULT_WRONG_TID] = { "wrong-tid", 0 },
	[FAULT_LATE] = { "late", 60000 },
	[FAULT_DRIBBLE] = { "dribble", 60000 },
	[FAULT_GARBAGE] = { "garbage", 0 },
	[FAULT_CLOSE] = { "close", 0 },
};

static const char *parameter_parse(const char *text, unsigned max, unsigned *out)
{
	char *end;
	unsigned long v;

	if (max == 0)
		return *text ? "this fault takes no parameter" : NULL;
	if (text[0] != ':' || text[1] < '0' || text[1] > '9')
		return "this fault needs a number, as in slow:300";
	v = strtoul(text + 1, &end, 10);
	if (*end || v == 0 || v > max)
		return "the number of the fault is out of range";
	*out = (unsigned)v;
	return NULL;
}

const char *fault_parse(const char *text, struct fault *out)
{
	size_t n = strcspn(text, ":");

	for (int k = 0; k < FAULTS; k++) {
		if (strlen(faults[k].name) != n || strncmp(faults[k].name, text, n) != 0)
			continue;
		*out = (struct fault){ .kind = (enum fault_kind)k };
		return parameter_parse(text + n, faults[k].max, &out->parameter);
	}
	return "faults: silent refuse slow:MS exception:N wrong-unit wrong-tid late:MS dribble:MS "
	       "garbage close";
}
