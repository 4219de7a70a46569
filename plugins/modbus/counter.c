#include "plugins/modbus/counter.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum mb_counted mb_counter_take(struct mb_counter *c, uint64_t raw)
{
	uint64_t most = c->bits < 64 ? (UINT64_C(1) << c->bits) - 1 : UINT64_MAX;
	uint64_t last = c->last;

	c->last = raw;
	if (!c->known) {
		c->known = true;
		c->total = raw;
		return MB_COUNTED;
	}
	if (raw >= last) {
		c->total += raw - last;
		return MB_COUNTED;
	}
	if (last - raw <= most / 2 + 1)
		return MB_RESET;
	c->total += most - last + raw + 1;
	return MB_ROLLED_OVER;
}

size_t mb_counter_save(const struct mb_counter *c, const char *name, char *out, size_t size)
{
	int n = snprintf(out, size, "1 %u %" PRIu64 " %" PRIu64 " %s", c->bits, c->last, c->total, name);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

bool mb_counter_load(struct mb_counter *c, const char *name, const char *text, size_t size)
{
	char line[256];
	uint64_t last, total;
	unsigned bits;
	int at = 0;

	if (size == 0 || size >= sizeof(line))
		return false;
	memcpy(line, text, size);
	line[size] = '\0';
	if (sscanf(line, "1 %u %" SCNu64 " %" SCNu64 " %n", &bits, &last, &total, &at) != 3 || !at)
		return false;
	if (bits != c->bits || strcmp(line + at, name) != 0)
		return false;
	c->known = true;
	c->last = last;
	c->total = total;
	return true;
}
