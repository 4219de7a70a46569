/*
 * link.c - the codec of the plugin link.
 *
 * Nothing here knows a single message: the tables of messages.h become arrays
 * of fields, and one encoder and one decoder walk them.  The decoder trusts no
 * byte of the packet and copies none of its texts.
 */
#include "base/link_shape.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

/* What a number takes on the wire and in the struct alike; texts are 0. */
static const uint8_t number_size[FIELD_TYPES] = {
	[FIELD_u8] = 1,	 [FIELD_u16] = 2, [FIELD_u32] = 4,
	[FIELD_u64] = 8, [FIELD_i64] = 8, [FIELD_f64] = 8,
};

/* `here` is the struct of the message whose `case` it stands in. */
#define F(kind, member, text) { FIELD_##kind, offsetof(here, member), #member, text },
#define M(NAME, message, number, direction, text)                                              \
	case number: {                                                                         \
		typedef struct gw_msg_##message here;                                          \
		static const struct field fields[] = {                                         \
			GW_FIELDS_##message(F){ FIELD_end, offsetof(here, none_), NULL, NULL } \
		};                                                                             \
		static const struct shape shape = { #message, text, direction, fields };       \
		return &shape;                                                                 \
	}

const struct shape *gw_message_shape(unsigned type)
{
	switch (type) {
		GW_MESSAGES(M)
	default:
		return NULL;
	}
}
#undef M
#undef F

const char *gw_message_name(unsigned type)
{
	const struct shape *shape = gw_message_shape(type);

	return shape ? shape->name : NULL;
}

/* ---- encoding ---- */

struct room {
	char *at;
	size_t left;
};

static bool put(struct room *room, const void *bytes, size_t size)
{
	if (size > room->left)
		return false;
	if (size)
		memcpy(room->at, bytes, size);
	room->at += size;
	room->left -= size;
	return true;
}

static bool put_text(struct room *room, const struct gw_str *text)
{
	uint16_t size = (uint16_t)text->n;

	return text->n <= UINT16_MAX && put(room, &size, sizeof(size)) && put(room, text->s, size);
}

static bool put_field(struct room *room, const struct field *field, const char *member)
{
	struct gw_str text;

	if (number_size[field->type])
		return put(room, member, number_size[field->type]);
	memcpy(&text, member, sizeof(text));
	return field->type == FIELD_str ? put_text(room, &text) : put(room, text.s, text.n);
}

size_t gw_message_encode(const struct gw_message *m, void *buf)
{
	const struct shape *shape = gw_message_shape(m->type);
	struct room room = { (char *)buf + LINK_HEADER, GW_MESSAGE_MAX - LINK_HEADER };
	struct link_header header = { .type = (uint16_t)m->type };

	assert(shape);
	for (const struct field *f = shape->fields; f->type != FIELD_end; f++)
		if (!put_field(&room, f, gw_message_body(m) + f->offset))
			return 0;
	header.size = (uint32_t)(room.at - (char *)buf);
	memcpy(buf, &header, sizeof(header));
	return header.size;
}

/* ---- decoding ---- */

struct packet {
	const char *at;
	size_t left;
	const struct shape *shape;
};

static int short_field(const struct packet *p, const struct field *field, size_t need,
		       struct gw_err *err)
{
	return gw_err_set(err, GW_EPROTO, "%s: field %s needs %zu bytes, the packet has %zu left",
			  p->shape->name, field->name, need, p->left);
}

static const char *take(struct packet *p, size_t size)
{
	const char *bytes = p->at;

	p->at += size;
	p->left -= size;
	return bytes;
}

static int get_number(struct packet *p, const struct field *field, char *member, struct gw_err *err)
{
	size_t size = number_size[field->type];

	if (size > p->left)
		return short_field(p, field, size, err);
	memcpy(member, take(p, size), size);
	return 0;
}

static int get_text(struct packet *p, const struct field *field, struct gw_str *out,
		    struct gw_err *err)
{
	uint16_t size;

	if (sizeof(size) > p->left)
		return short_field(p, field, sizeof(size), err);
	memcpy(&size, take(p, sizeof(size)), sizeof(size));
	if (size > p->left)
		return short_field(p, field, size, err);
	*out = (struct gw_str){ take(p, size), size };
	if (!gw_utf8_ok(out->s, out->n))
		return gw_err_set(err, GW_EPROTO, "%s: field %s is not UTF-8 without NUL",
				  p->shape->name, field->name);
	return 0;
}

static int get_field(struct packet *p, const struct field *field, char *member, struct gw_err *err)
{
	struct gw_str text;

	if (number_size[field->type])
		return get_number(p, field, member, err);
	if (field->type == FIELD_rest)
		text = (struct gw_str){ p->at, (uint32_t)p->left }, take(p, p->left);
	else if (get_text(p, field, &text, err) < 0)
		return -1;
	memcpy(member, &text, sizeof(text));
	return 0;
}

static const char *sender_name(enum gw_direction sender)
{
	return sender == FROM_PLUGIN ? "a plugin" : "the core";
}

/* The header, and whether `sender` may send such a message. */
static const struct shape *open_packet(const void *packet, size_t size, enum gw_direction sender,
				       struct link_header *header, struct gw_err *err)
{
	const struct shape *shape;

	if (size < LINK_HEADER || size > GW_MESSAGE_MAX) {
		gw_err_set(err, GW_EPROTO, "packet of %zu bytes: a message has %d to %d", size,
			   LINK_HEADER, GW_MESSAGE_MAX);
		return NULL;
	}
	memcpy(header, packet, sizeof(*header));
	shape = gw_message_shape(header->type);
	if (!shape)
		gw_err_set(err, GW_EPROTO, "message type %u does not exist", header->type);
	else if (shape->sender != sender)
		gw_err_set(err, GW_EPROTO, "%s: comes from %s, never from %s", shape->name,
			   sender_name(shape->sender), sender_name(sender));
	else if (header->zero)
		gw_err_set(err, GW_EPROTO, "%s: bytes 2 and 3 of the header are %u, not 0",
			   shape->name, header->zero);
	else if (header->size != size)
		gw_err_set(err, GW_EPROTO, "%s: the header says %u bytes, the packet has %zu",
			   shape->name, header->size, size);
	else
		return shape;
	return NULL;
}

int gw_message_decode(const void *packet, size_t size, enum gw_direction sender,
		      struct gw_message *out, struct gw_err *err)
{
	struct link_header header;
	const struct shape *shape = open_packet(packet, size, sender, &header, err);
	struct packet p = { (const char *)packet + LINK_HEADER, size - LINK_HEADER, shape };
	char *body = (char *)&out->hello;

	if (!shape)
		return -1;
	out->type = (enum gw_message_type)header.type;
	for (const struct field *f = shape->fields; f->type != FIELD_end; f++)
		if (get_field(&p, f, body + f->offset, err) < 0)
			return -1;
	if (p.left)
		return gw_err_set(err, GW_EPROTO, "%s: %zu bytes after the last field", shape->name,
				  p.left);
	return 0;
}
