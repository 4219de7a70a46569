/*
 * linkio.c - the transport of the plugin link: whole packets over one
 * non-blocking AF_UNIX SOCK_SEQPACKET descriptor.
 *
 * Nothing here waits.  A full link is an answer (0), not an error; a peer that
 * is gone is an error that the owner of the descriptor takes to its end.
 */
#include "base/link_shape.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LINK_BUFFER = 1024 * 1024 };

struct receiver_slot {
	_Alignas(8) char bytes[GW_MESSAGE_MAX];
};

struct gw_receiver {
	struct receiver_slot *slots;
	struct iovec iov[GW_RECEIVE_MAX];
	struct mmsghdr got[GW_RECEIVE_MAX];
};

/* The forced size needs CAP_NET_ADMIN; without it net.core.wmem_max is the cap. */
static int widen(int fd)
{
	int size = LINK_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int gw_link_pair(int fds[2], struct gw_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return gw_err_sys(err, errno, "making a link");
	if (widen(fds[0]) == 0 && widen(fds[1]) == 0)
		return 0;
	gw_err_sys(err, errno, "setting the buffer of a link");
	close(fds[0]);
	close(fds[1]);
	return -1;
}

/* ---- sending ---- */

static int send_parts(int fd, struct iovec *parts, size_t count, enum gw_message_type type,
		      struct gw_err *err)
{
	struct msghdr packet = { .msg_iov = parts, .msg_iovlen = count };
	ssize_t sent;

	do
		sent = sendmsg(fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 1;
	if (errno == EAGAIN || errno == ENOBUFS)
		return 0;
	return gw_err_sys(err, errno, "sending %s", gw_message_name(type));
}

static int too_large(enum gw_message_type type, struct gw_err *err)
{
	return gw_err_set(err, GW_EINPUT, "%s does not fit into one message of %d bytes",
			  gw_message_name(type), GW_MESSAGE_MAX);
}

int gw_link_send(int fd, const struct gw_message *m, struct gw_err *err)
{
	_Alignas(8) char buf[GW_MESSAGE_MAX];
	struct iovec part = { buf, gw_message_encode(m, buf) };

	return part.iov_len ? send_parts(fd, &part, 1, m->type, err) : too_large(m->type, err);
}

int gw_link_send_rest(int fd, enum gw_message_type type, const void *rest, size_t size,
		      struct gw_err *err)
{
	struct link_header header = { (uint16_t)type, 0, (uint32_t)(sizeof(header) + size) };
	struct iovec parts[2] = { { &header, sizeof(header) }, { NULL, size } };
	const struct shape *shape = gw_message_shape(type);

	assert(shape && shape->fields[0].type == FIELD_rest && shape->fields[1].type == FIELD_end);
	if (size > GW_MESSAGE_MAX - sizeof(header))
		return too_large(type, err);
	memcpy(&parts[1].iov_base, &rest, sizeof(rest)); /* sendmsg only reads it */
	return send_parts(fd, parts, 2, type, err);
}

/* ---- receiving ---- */

struct gw_receiver *gw_receiver_new(void)
{
	struct gw_receiver *r = calloc(1, sizeof(*r));
	size_t size = GW_RECEIVE_MAX * sizeof(struct receiver_slot);

	if (!r)
		abort();
	r->slots = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->slots == MAP_FAILED)
		abort();
	for (int i = 0; i < GW_RECEIVE_MAX; i++) {
		r->iov[i] = (struct iovec){ r->slots[i].bytes, sizeof(r->slots[i].bytes) };
		r->got[i].msg_hdr = (struct msghdr){ .msg_iov = &r->iov[i], .msg_iovlen = 1 };
	}
	return r;
}

void gw_receiver_free(struct gw_receiver *r)
{
	if (!r)
		return;
	munmap(r->slots, GW_RECEIVE_MAX * sizeof(struct receiver_slot));
	free(r);
}

/*
 * A peer that closes with our packets unread sets ECONNRESET once, before what
 * it had sent is read: its last readings lie behind that error.
 */
static int receive(struct gw_receiver *r, int fd)
{
	int n, resets = 0;

	do
		n = recvmmsg(fd, r->got, GW_RECEIVE_MAX, MSG_DONTWAIT, NULL);
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
	return n;
}

/* End of file fills the rest of the batch with empty packets. */
static int without_end(const struct gw_receiver *r, int n)
{
	if (n == GW_RECEIVE_MAX)
		while (n > 0 && r->got[n - 1].msg_len == 0)
			n--;
	return n;
}

/* With a number in .sys, since 0 there means end of file. */
static int oversized(struct gw_err *err)
{
	gw_err_sys(err, EMSGSIZE, "receiving a packet of more than %d bytes", GW_MESSAGE_MAX);
	err->code = GW_EPROTO;
	return -1;
}

int gw_receive(struct gw_receiver *r, int fd, struct gw_err *err)
{
	int n = receive(r, fd), whole;

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return gw_err_sys(err, errno, "receiving from the link");
	whole = without_end(r, n);
	if (whole == 0)
		return gw_err_set(err, GW_EIO, "the link was closed");
	for (int i = 0; i < whole; i++)
		if (r->got[i].msg_hdr.msg_flags & MSG_TRUNC)
			return oversized(err);
	return whole;
}

const void *gw_received(const struct gw_receiver *r, int i, size_t *size)
{
	assert(i >= 0 && i < GW_RECEIVE_MAX);
	*size = r->got[i].msg_len;
	return r->slots[i].bytes;
}
