/*
 * fake_broker.h - a broker that answers as a script says, inside the test's loop:
 * what a real one does only when it is ill.
 */
#ifndef MQTT_TEST_FAKE_BROKER_H
#define MQTT_TEST_FAKE_BROKER_H

#include "broker.h"
#include "gatewayd/loop.h"

struct fake_bytes {
	const char *s;
	size_t n;
};
#define FAKE(text) ((struct fake_bytes){ (text), sizeof(text) - 1 })

struct fake_broker {
	struct gw_loop *loop;
	int port, listener, fd;
	struct gw_watch *listening, *reading;
	/* the script */
	struct fake_bytes connack, connack_old; /* to MQTT 5 and to 3.1.1 */
	bool no_puback;
	const char *puback_topic; /* part of a topic */
	unsigned puback_reason;	  /* for those */
	struct fake_bytes
		after_publish; /* sent instead of the PUBACK of puback_topic, then closed */
	/* what came */
	unsigned connects, publishes, special, version; /* special: on puback_topic */
	bool normal_disconnect, will_disconnect;
	unsigned char in[1 << 17];
	size_t n;
};

static inline void fake_close(struct fake_broker *b)
{
	gw_watch_stop(b->reading);
	b->reading = NULL;
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	b->n = 0;
}

static inline void fake_send(struct fake_broker *b, const void *s, size_t n)
{
	if (b->fd >= 0 && send(b->fd, s, n, MSG_NOSIGNAL) != (ssize_t)n)
		fake_close(b);
}

static inline void fake_connect(struct fake_broker *b, const unsigned char *body)
{
	const struct fake_bytes *answer;

	b->connects++;
	b->version = body[6];
	answer = b->version == 5 ? &b->connack : &b->connack_old;
	fake_send(b, answer->s, answer->n);
}

static inline bool fake_topic_is(const struct fake_broker *b, const unsigned char *body)
{
	size_t n = (size_t)body[0] << 8 | body[1];

	return b->puback_topic && memmem(body + 2, n, b->puback_topic, strlen(b->puback_topic));
}

static inline void fake_publish(struct fake_broker *b, const unsigned char *body)
{
	size_t n = (size_t)body[0] << 8 | body[1];
	unsigned char puback[] = { 0x40, 3, body[2 + n], body[3 + n], 0 };
	bool special = fake_topic_is(b, body);

	b->publishes++;
	b->special += special;
	if (special && b->after_publish.n) {
		fake_send(b, b->after_publish.s, b->after_publish.n);
		fake_close(b);
		return;
	}
	if (b->no_puback)
		return;
	puback[4] = special ? (unsigned char)b->puback_reason : 0;
	puback[1] = b->version == 5 ? 3 : 2;
	fake_send(b, puback, 2U + puback[1]);
}

static inline void fake_packet(struct fake_broker *b, unsigned type, const unsigned char *body,
			       size_t n)
{
	const unsigned char suback[] = { 0x90, 4, body[0], body[1], 0, 1 };

	if (type == 0x10)
		fake_connect(b, body);
	else if ((type & 0xf0) == 0x30)
		fake_publish(b, body);
	else if (type == 0x82)
		fake_send(b, suback, sizeof(suback));
	else if (type == 0xc0)
		fake_send(b, "\xd0\0", 2);
	else if (type == 0xe0)
		*(n && body[0] == 4 ? &b->will_disconnect : &b->normal_disconnect) = true;
}

/* Size of the packet at the start, 0 when it is not whole; *head: of its header. */
static inline size_t fake_whole(const struct fake_broker *b, size_t *head)
{
	size_t size = 0, i = 1;

	do {
		if (i >= b->n)
			return 0;
		size |= (size_t)(b->in[i] & 0x7f) << 7 * (i - 1);
	} while (b->in[i++] & 0x80);
	*head = i;
	return i + size <= b->n ? i + size : 0;
}

static inline void fake_on_bytes(void *arg, unsigned ready)
{
	struct fake_broker *b = arg;
	ssize_t got = read(b->fd, b->in + b->n, sizeof(b->in) - b->n);
	size_t size, head;

	(void)ready;
	if (got <= 0) {
		fake_close(b);
		return;
	}
	b->n += (size_t)got;
	while (b->n >= 2 && (size = fake_whole(b, &head))) {
		fake_packet(b, b->in[0], b->in + head, size - head);
		if (b->fd < 0)
			return;
		b->n -= size;
		memmove(b->in, b->in + size, b->n);
	}
}

static inline void fake_on_connection(void *arg, unsigned ready)
{
	struct fake_broker *b = arg;
	struct gw_err err;

	(void)ready;
	fake_close(b);
	b->fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	b->reading = gw_on_fd(b->loop, b->fd, GW_READ, fake_on_bytes, b, &err);
}

static inline void fake_start(struct fake_broker *b, struct gw_loop *loop)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	struct gw_err err;

	*b = (struct fake_broker){ .loop = loop,
				   .fd = -1,
				   .connack = FAKE("\x20\3\0\0\0"),
				   .connack_old = FAKE("\x20\2\0\0") };
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(b->listener, (void *)&a, n) || listen(b->listener, 5) ||
	    getsockname(b->listener, (void *)&a, &n))
		abort();
	b->port = ntohs(a.sin_port);
	b->listening = gw_on_fd(loop, b->listener, GW_READ, fake_on_connection, b, &err);
}

static inline void fake_stop(struct fake_broker *b)
{
	fake_close(b);
	gw_watch_stop(b->listening);
	close(b->listener);
}

#endif
