/*
 * pdu.c - the eight function codes a field device usually has, by a table:
 * which table they touch, how many items they may carry, and who answers.
 */
#include "pdu.h"

#include <string.h>

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

size_t pdu_exception(uint8_t function, unsigned code, uint8_t *answer)
{
	answer[0] = function | 0x80;
	answer[1] = (uint8_t)code;
	return 2;
}

struct ask {
	struct device *d;
	enum table table;
	uint16_t address, count;
	const uint8_t *data; /* of a write: what follows the byte count, or the one value */
};

static bool inside(const struct ask *a)
{
	return a->address + (unsigned)a->count <= a->d->size[a->table];
}

static bool writable(const struct ask *a)
{
	const struct span *s = &a->d->model->writable[a->table == HOLDING];

	return a->address >= s->first && a->address + a->count <= s->first + s->count;
}

static uint16_t word(const struct ask *a, unsigned i)
{
	uint16_t at = (uint16_t)(a->address + i);

	return a->d->words[a->table] ? a->d->words[a->table][at] : a->d->model->word(a->d, a->table, at);
}

static size_t read_bits(const struct ask *a, uint8_t *answer)
{
	uint8_t bytes = (uint8_t)((a->count + 7) / 8);

	answer[1] = bytes;
	memset(answer + 2, 0, bytes);
	for (unsigned i = 0; i < a->count; i++)
		if (word(a, i))
			answer[2 + i / 8] |= (uint8_t)(1u << i % 8);
	return 2u + bytes;
}

static size_t read_registers(const struct ask *a, uint8_t *answer)
{
	answer[1] = (uint8_t)(a->count * 2);
	for (unsigned i = 0; i < a->count; i++)
		put16(answer + 2 + 2 * i, word(a, i));
	return 2u + a->count * 2u;
}

static size_t write_bits(const struct ask *a, uint8_t *answer)
{
	for (unsigned i = 0; i < a->count; i++)
		a->d->words[COIL][a->address + i] = a->data[i / 8] >> i % 8 & 1;
	put16(answer + 1, a->address);
	put16(answer + 3, a->count);
	return 5;
}

static size_t write_bit(const struct ask *a, uint8_t *answer)
{
	a->d->words[COIL][a->address] = a->data[0] == 0xff;
	put16(answer + 1, a->address);
	memcpy(answer + 3, a->data, 2);
	return 5;
}

static size_t write_registers(const struct ask *a, uint8_t *answer)
{
	for (unsigned i = 0; i < a->count; i++)
		a->d->words[HOLDING][a->address + i] = get16(a->data + 2 * i);
	put16(answer + 1, a->address);
	put16(answer + 3, a->count);
	return 5;
}

static size_t write_register(const struct ask *a, uint8_t *answer)
{
	write_registers(a, answer);
	memcpy(answer + 3, a->data, 2);
	return 5;
}

enum shape { READ, WRITE_ONE, WRITE_MANY };

static const struct service {
	size_t (*run)(const struct ask *a, uint8_t *answer);
	enum table table;
	enum shape shape;
	uint16_t max; /* items of one request */
} services[] = {
	[1] = { read_bits, COIL, READ, 2000 },
	[2] = { read_bits, DISCRETE, READ, 2000 },
	[3] = { read_registers, HOLDING, READ, 125 },
	[4] = { read_registers, INPUT, READ, 125 },
	[5] = { write_bit, COIL, WRITE_ONE, 1 },
	[6] = { write_register, HOLDING, WRITE_ONE, 1 },
	[15] = { write_bits, COIL, WRITE_MANY, 1968 },
	[16] = { write_registers, HOLDING, WRITE_MANY, 123 },
};
enum { SERVICES = sizeof(services) / sizeof(services[0]) };

static bool data_fits(const struct service *s, const struct ask *a, const uint8_t *request, size_t size)
{
	size_t bytes = a->table == COIL ? (a->count + 7u) / 8u : a->count * 2u;

	return size == 6 + bytes && request[5] == bytes && a->count <= s->max;
}

/* Fills the rest of `a`; false: quantity, size or value is not allowed. */
static bool understood(const struct service *s, struct ask *a, const uint8_t *request, size_t size)
{
	if (size < 5)
		return false;
	a->address = get16(request + 1);
	a->count = s->shape == WRITE_ONE ? 1 : get16(request + 3);
	a->data = request + (s->shape == WRITE_ONE ? 3 : 6);
	if (a->count == 0 || a->count > s->max)
		return false;
	if (s->shape == WRITE_MANY)
		return data_fits(s, a, request, size);
	if (s->shape == WRITE_ONE && s->table == COIL && (a->data[1] || (a->data[0] && a->data[0] != 0xff)))
		return false;
	return size == 5;
}

static void count_poll(const struct ask *a, int64_t now_us)
{
	struct counts *c = &a->d->counts;

	if (a->table != HOLDING || a->address != 0)
		return;
	if (c->times_us)
		c->times_us[c->polls % TIMES_KEPT] = now_us;
	c->polls++;
}

size_t pdu_answer(struct device *d, const uint8_t *request, size_t size, uint8_t *answer, double day_s,
		  int64_t now_us)
{
	uint8_t function = request[0];
	const struct service *s = function < SERVICES ? &services[function] : NULL;
	struct ask a = { .d = d };

	if (!s || !s->run)
		return pdu_exception(function, ILLEGAL_FUNCTION, answer);
	a.table = s->table;
	if (!understood(s, &a, request, size))
		return pdu_exception(function, ILLEGAL_VALUE, answer);
	if (!inside(&a) || (s->shape != READ && !writable(&a)))
		return pdu_exception(function, ILLEGAL_ADDRESS, answer);
	if (s->shape == READ)
		count_poll(&a, now_us);
	if (d->model->refresh)
		d->model->refresh(d, day_s);
	answer[0] = function;
	return s->run(&a, answer);
}
