/*
 * link_shape.h - the tables of messages.h as data, for the codec, the trace
 * text and the documentation.  Private to the link files of this folder.
 */
#ifndef GW_BASE_LINK_SHAPE_H
#define GW_BASE_LINK_SHAPE_H

#include "base/link.h"

enum { LINK_HEADER = 8 };

struct link_header {
	uint16_t type, zero;
	uint32_t size; /* of the whole message */
};
_Static_assert(sizeof(struct link_header) == LINK_HEADER, "part of the link protocol");

enum field_type {
	FIELD_end,
	FIELD_u8,
	FIELD_u16,
	FIELD_u32,
	FIELD_u64,
	FIELD_i64,
	FIELD_f64,
	FIELD_str,
	FIELD_rest,
	FIELD_TYPES,
};

struct field {
	enum field_type type;
	size_t offset; /* in struct gw_msg_NAME */
	const char *name, *help;
};

struct shape {
	const char *name, *help;
	enum gw_direction sender;
	const struct field *fields; /* ends with FIELD_end */
};

const struct shape *gw_message_shape(unsigned type); /* NULL: no such type */

/* All the structs of a message start here: they are members of one union. */
static inline const char *gw_message_body(const struct gw_message *m)
{
	return (const char *)&m->hello;
}

#endif
