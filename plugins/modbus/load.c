#include "plugins/modbus/load.h"

enum { SECOND_US = 1000000 };

void mb_load_add(struct mb_load *l, int64_t from_us, int64_t to_us)
{
	if (to_us - from_us > (int64_t)MB_LOAD_SECONDS * SECOND_US)
		from_us = to_us - (int64_t)MB_LOAD_SECONDS * SECOND_US;
	while (from_us < to_us) {
		int64_t second = from_us / SECOND_US, end_us = (second + 1) * SECOND_US;
		int i = (int)(second % MB_LOAD_SECONDS);

		if (end_us > to_us)
			end_us = to_us;
		if (l->second[i] != second)
			l->busy_us[i] = 0;
		l->second[i] = second;
		l->busy_us[i] += end_us - from_us;
		from_us = end_us;
	}
}

unsigned mb_load_permille(const struct mb_load *l, int64_t now_us)
{
	/* The running second counts as far as it went. */
	int64_t oldest = now_us / SECOND_US - MB_LOAD_SECONDS + 1, from_us = oldest * SECOND_US;
	int64_t busy_us = 0;

	for (int i = 0; i < MB_LOAD_SECONDS; i++)
		if (l->second[i] >= oldest)
			busy_us += l->busy_us[i];
	if (from_us < l->since_us)
		from_us = l->since_us;
	if (now_us <= from_us)
		return 0;
	busy_us = busy_us * 1000 / (now_us - from_us);
	return busy_us > 1000 ? 1000 : (unsigned)busy_us;
}
