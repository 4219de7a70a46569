/*
 * make_link_corpus.c - writes the seed corpus of fuzz_link: one packet of each
 * message type into the folder given, named after the message.
 */
#include <stdio.h>
#include <string.h>

#include "base/link.h"
#include "base/link_shape.h"

struct sample {
	struct gw_reading head;
	uint32_t tag[8];
	uint64_t slot[7];
	char text[8];
};

/* A reading with one point of each kind that a source sends. */
static struct gw_str sample_reading(void)
{
	static struct sample r;

	r = (struct sample){
		.head = { .size = sizeof(r), .count = 7, .text_size = 4, .ts_ms = 1763760000123,
			  .mono_ms = 5000 },
		.tag = { gw_tag(0, GW_BOOL, GW_GOOD), gw_tag(1, GW_I64, GW_GOOD),
			 gw_tag(2, GW_U64, GW_GOOD), gw_tag(3, GW_F32, GW_GOOD),
			 gw_tag(4, GW_F64, GW_OUT_OF_RANGE), gw_tag(5, GW_TEXT, GW_GOOD),
			 gw_tag(9, GW_NONE, GW_TIMEOUT) },
		.slot = { 1, 2, 3, 0x3fe0000000000000, 0x406cc33333333333, 4 },
		.text = "pump",
	};

	return (struct gw_str){ (const char *)&r, sizeof(r) };
}

/* One acknowledgement. */
static struct gw_str sample_acks(void)
{
	static const struct gw_ack ack = { .device = 1, .credit = 1, .from = 7, .to = 9 };

	return (struct gw_str){ (const char *)&ack, sizeof(ack) };
}

static struct gw_str sample_rest(unsigned type)
{
	if (type == GW_MSG_HEALTH)
		return gw_str("{\"uptime\":60}");
	return type == GW_MSG_ACKS ? sample_acks() : sample_reading();
}

static void fill(struct gw_message *m, const struct shape *shape)
{
	struct gw_str name = gw_str("meter-1"), rest = sample_rest(m->type);

	for (const struct field *f = shape->fields; f->type != FIELD_end; f++) {
		char *member = (char *)&m->hello + f->offset;

		if (f->type == FIELD_str)
			memcpy(member, &name, sizeof(name));
		else if (f->type == FIELD_rest)
			memcpy(member, &rest, sizeof(rest));
		else
			*member = 1;
	}
}

static int save(const char *folder, unsigned type, const struct shape *shape)
{
	static char packet[GW_MESSAGE_MAX];
	struct gw_message m = { .type = (enum gw_message_type)type };
	char path[512];
	size_t size;
	FILE *file;

	fill(&m, shape);
	size = gw_message_encode(&m, packet);
	snprintf(path, sizeof(path), "%s/%s", folder, shape->name);
	file = fopen(path, "wb");
	if (!file || fwrite(packet, 1, size, file) != size || fclose(file) != 0) {
		perror(path);
		return -1;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (unsigned type = 0; type < GW_MSG_TYPES; type++) {
		const struct shape *shape = gw_message_shape(type);

		if (shape && save(argv[1], type, shape) < 0)
			return 1;
	}
	return 0;
}
