/*
 * link.h - messages between the core and a plugin process: codec and transport.
 *
 * Decoded strings and rest fields borrow from the packet.  The decoder is total:
 * any bytes give a message or an error, never a read outside the packet.  Made
 * from the tables of messages.h.
 */
#ifndef GW_BASE_LINK_H
#define GW_BASE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/messages.h"
#include "gatewayd/error.h"
#include "gatewayd/reading.h"

struct gw_str {
	const char *s; /* not terminated; NULL is the empty text when encoding */
	uint32_t n;
};
static inline struct gw_str gw_str(const char *s); /* of a C string; NULL gives empty */

#define GW_CTYPE_u8 uint8_t
#define GW_CTYPE_u16 uint16_t
#define GW_CTYPE_u32 uint32_t
#define GW_CTYPE_u64 uint64_t
#define GW_CTYPE_i64 int64_t
#define GW_CTYPE_f64 double
#define GW_CTYPE_str struct gw_str
#define GW_CTYPE_rest struct gw_str

enum gw_message_type {
#define M(NAME, name, number, dir, help) GW_MSG_##NAME = number,
	GW_MESSAGES(M)
#undef M
	GW_MSG_TYPES = 64,
};

#define F(type, name, help) GW_CTYPE_##type name;
#define M(NAME, name, number, dir, help)              \
	struct gw_msg_##name {                        \
		GW_FIELDS_##name(F) char none_; \
	};
GW_MESSAGES(M)
#undef M
#undef F

enum gw_direction { FROM_PLUGIN = 1, FROM_CORE = 2 };

struct gw_message {
	enum gw_message_type type;
	union {
#define M(NAME, name, number, dir, help) struct gw_msg_##name name;
		GW_MESSAGES(M)
#undef M
	};
};

/* Bytes of `m` into buf of GW_MESSAGE_MAX bytes; returns the size, or 0 when it does not fit. */
size_t gw_message_encode(const struct gw_message *m, void *buf);
/* One packet from `sender`; 0, or -1 with GW_EPROTO and a text. */
int gw_message_decode(const void *packet, size_t size, enum gw_direction sender, struct gw_message *out,
		      struct gw_err *err);
/* "node{kind=1 name=\"baud\" ...}", cut to size; outside text escaped. */
const char *gw_message_trace(const struct gw_message *m, char *buf, size_t size);
const char *gw_message_name(unsigned type); /* NULL: no such type */
void gw_messages_document(FILE *out);       /* docs/plugin-protocol.md */

/*
 * Transport: one non-blocking SOCK_SEQPACKET descriptor.  gw_link_pair makes
 * one with 1 MiB of buffer each way.  The kernel counts a small packet as about
 * 1 KiB, so that is some 1,000 small messages.
 */
int gw_link_pair(int fds[2], struct gw_err *err);

/* 1 sent; 0 the link is full (nothing was sent); -1 broken, with *err. */
int gw_link_send(int fd, const struct gw_message *m, struct gw_err *err);
/* The same for a message whose only field is `rest`, without a copy. */
int gw_link_send_rest(int fd, enum gw_message_type type, const void *rest, size_t size, struct gw_err *err);

/* Up to GW_RECEIVE_MAX packets with one system call.  The buffer is 1 MiB of
 * address space (touched only as far as packets are large). */
enum { GW_RECEIVE_MAX = 16 };
struct gw_receiver;
struct gw_receiver *gw_receiver_new(void); /* aborts when memory is out at start */
void gw_receiver_free(struct gw_receiver *r);
/* Number of packets, 0 nothing there, -1 end of file or broken (*err says; .sys 0 at end of file). */
int gw_receive(struct gw_receiver *r, int fd, struct gw_err *err);
/* The i-th packet of the last gw_receive(); aligned to 8 at offset 0 and valid until the next. */
const void *gw_received(const struct gw_receiver *r, int i, size_t *size);

static inline struct gw_str gw_str(const char *s)
{
	size_t n = 0;

	if (s)
		while (s[n])
			n++;
	return (struct gw_str){ s, (uint32_t)n };
}

#endif
