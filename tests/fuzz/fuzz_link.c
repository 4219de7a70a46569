/*
 * fuzz_link.c - bytes from a peer through the link decoder.
 *
 * Both directions are tried, since a type belongs to one of them.  What decodes
 * is traced and encoded again (to the same bytes); readings are checked as the
 * core would and every value is looked at.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/link.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static void look_at(struct gw_value v)
{
	demand(v.kind < GW_KINDS && gw_reason_name(v.reason)[0]);
	demand(v.kind != GW_TEXT || gw_text_clean(v.text, v.length));
	(void)gw_reason_is_silence(v.reason);
}

/* The packet's reading, copied so that a step over its end is seen. */
static void take_reading(const struct gw_str *block)
{
	struct gw_reading *r = malloc(block->n ? block->n : 1);

	demand(r);
	memcpy(r, block->s, block->n);
	if (!gw_reading_check(r, block->n, GW_POINTS_MAX)) {
		for (unsigned i = 0; i < r->count; i++)
			look_at(gw_reading_value(r, i));
		(void)gw_reading_crc(r);
	}
	free(r);
}

static void take_packet(const void *packet, size_t size, enum gw_direction sender)
{
	static char again[GW_MESSAGE_MAX], line[512];
	struct gw_message m;
	struct gw_err err;

	if (gw_message_decode(packet, size, sender, &m, &err) < 0) {
		demand(err.code == GW_EPROTO && err.msg[0]);
		return;
	}
	demand(gw_message_trace(&m, line, sizeof(line))[0]);
	demand(gw_message_encode(&m, again) == size && memcmp(again, packet, size) == 0);
	if (m.type == GW_MSG_READING)
		take_reading(&m.reading.block);
	else if (m.type == GW_MSG_LIVE)
		take_reading(&m.live.block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	take_packet(data, size, FROM_PLUGIN);
	take_packet(data, size, FROM_CORE);
	return 0;
}
