/*
 * outbox.c - a queue of encoded packets in one growing block; see outbox.h.
 *
 * Each packet says its own size in its header, so the block needs no index.
 */
#include "base/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct gw_outbox {
	int fd;
	char *queue;
	size_t from, to, capacity; /* bytes that wait: [from, to) */
	bool broken;
	struct gw_err err;
	char packet[GW_MESSAGE_MAX];
};

struct gw_outbox *gw_outbox_new(int fd)
{
	struct gw_outbox *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	o->fd = fd;
	return o;
}

void gw_outbox_free(struct gw_outbox *o)
{
	if (o)
		free(o->queue);
	free(o);
}

bool gw_outbox_empty(const struct gw_outbox *o)
{
	return o->from == o->to;
}

const struct gw_err *gw_outbox_broken(const struct gw_outbox *o)
{
	return o->broken ? &o->err : NULL;
}

static bool transmit(struct gw_outbox *o, const void *packet, size_t size)
{
	if (o->broken)
		return false;
	if (send(o->fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
		return false;
	o->broken = true;
	gw_err_sys(&o->err, errno, "writing to the core");
	return false;
}

static bool make_room(struct gw_outbox *o, size_t size)
{
	size_t waiting = o->to - o->from;

	if (o->from > 0) {
		memmove(o->queue, o->queue + o->from, waiting);
		o->from = 0;
		o->to = waiting;
	}
	if (o->to + size <= o->capacity)
		return true;
	if (waiting + size > GW_OUTBOX_MAX)
		return false;
	o->capacity = (waiting + size) * 2;
	o->queue = realloc(o->queue, o->capacity);
	if (!o->queue)
		abort();
	return true;
}

static void enqueue(struct gw_outbox *o, const void *packet, size_t size)
{
	if (o->broken)
		return;
	if (o->to + size > o->capacity && !make_room(o, size)) {
		o->broken = true;
		gw_err_set(&o->err, GW_EFULL, "the core does not read: %d MiB wait for it",
			   GW_OUTBOX_MAX / 1024 / 1024);
		return;
	}
	memcpy(o->queue + o->to, packet, size);
	o->to += size;
}

void gw_outbox_send(struct gw_outbox *o, const struct gw_message *m)
{
	size_t size = gw_message_encode(m, o->packet);

	assert(size > 0);
	if (!gw_outbox_empty(o) || !transmit(o, o->packet, size))
		enqueue(o, o->packet, size);
}

bool gw_outbox_try(struct gw_outbox *o, enum gw_message_type type, const void *rest, size_t size)
{
	int sent;

	if (o->broken || !gw_outbox_empty(o))
		return false;
	sent = gw_link_send_rest(o->fd, type, rest, size, &o->err);
	o->broken = sent < 0;
	return sent > 0;
}

static size_t first_size(const struct gw_outbox *o)
{
	uint32_t size;

	memcpy(&size, o->queue + o->from + 4, sizeof(size));
	return size;
}

void gw_outbox_flush(struct gw_outbox *o)
{
	while (!gw_outbox_empty(o) && transmit(o, o->queue + o->from, first_size(o)))
		o->from += first_size(o);
	if (!gw_outbox_empty(o))
		return;
	free(o->queue);
	o->queue = NULL;
	o->from = o->to = o->capacity = 0;
}
