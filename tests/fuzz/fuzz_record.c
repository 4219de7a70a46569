/*
 * fuzz_record.c - the reader of recordings, and what replay does with them: the input
 * is a file; each of its requests is then asked again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "plugins/modbus/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void ask_again(const struct mb_recording *r)
{
	int64_t delay_us = 0;
	size_t at = 0;

	for (size_t i = 0; i < r->count && i < 50; i++) {
		const struct mb_record *f = &r->frames[i], *a;

		demand(f->size >= 1 && f->size <= MB_RECORD_FRAME_MAX && f->bytes + f->size <= r->nbytes);
		demand(mb_record_frame(r->rtu, r->bytes + f->bytes, f->size) <= f->size);
		a = mb_record_answer(r, r->bytes + f->bytes, f->size, &at, &delay_us);
		demand(!a || (a->answer && delay_us >= 0 && at <= r->count));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mb_recording r;
	struct gw_err err;

	if (mb_record_read(&r, (const char *)data, size, &err))
		return 0;
	ask_again(&r);
	mb_record_free(&r);
	return 0;
}
