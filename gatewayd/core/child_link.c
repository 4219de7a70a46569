/*
 * child_link.c - the talk with a plugin process: its messages, our queue to it, its heartbeat and
 * its log.  A peer that breaks the protocol is reported to child.c, which ends it.
 */
#include "core/child_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	QUEUE_MAX = 64 * 1024 * 1024,
	PING_S = 2,
	PONG_DEADLINE_PINGS = 5,
	READS_A_TURN = 4, /* of GW_RECEIVE_MAX packets: one busy plugin must not hold the loop */
	LAST_READS = 256, /* more than a link or a pipe holds: somebody else may write on */
};

/* ---- to the plugin ---- */

static void wait_for_room(struct gw_child *c)
{
	c->full = true;
	if (c->link_watch) /* else it has lied or hung up: its end comes */
		gw_fd_interest(c->link_watch, GW_READ | GW_WRITE);
}

static int send_bytes(struct gw_child *c, const void *message, size_t size)
{
	ssize_t n = send(c->link, message, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
}

static void enqueue(struct gw_child *c, const void *message, uint32_t size)
{
	if (c->queue_at > c->queue_size / 2) { /* what was sent makes room */
		memmove(c->queue, c->queue + c->queue_at, c->queue_size - c->queue_at);
		c->queue_size -= c->queue_at;
		c->queue_at = 0;
	}
	if (c->queue_size + size + 4 > c->queue_capacity) {
		size_t want = c->queue_capacity ? c->queue_capacity * 2 : 64 * 1024;

		while (want < c->queue_size + size + 4)
			want *= 2;
		c->queue = realloc(c->queue, want);
		assert(c->queue);
		c->queue_capacity = want;
	}
	memcpy(c->queue + c->queue_size, &size, 4);
	memcpy(c->queue + c->queue_size + 4, message, size);
	c->queue_size += size + 4;
}

void gw_child_send(struct gw_child *c, const struct gw_message *m)
{
	static _Alignas(8) unsigned char buf[GW_MESSAGE_MAX]; /* one loop, one thread */
	size_t n = gw_message_encode(m, buf);

	if (c->link < 0 || n == 0)
		return;
	if (!c->queue_size && c->stream_at == UINT64_MAX && send_bytes(c, buf, n) != 0)
		return; /* sent, or broken: the end of file says so */
	if (c->queue_size > QUEUE_MAX) {
		gw_child_fault(c, "does not read its link");
		return;
	}
	enqueue(c, buf, (uint32_t)n);
	wait_for_room(c);
}

int gw_child_offer(struct gw_child *c, const struct gw_message *m)
{
	static _Alignas(8) unsigned char buf[GW_MESSAGE_MAX]; /* one loop, one thread */

	if (c->link < 0 || c->full)
		return 0;
	if (send_bytes(c, buf, gw_message_encode(m, buf)) != 0)
		return 1; /* sent, or broken: the end of file says so */
	wait_for_room(c);
	return 0;
}

/* true: all is sent */
static bool flush_stream(struct gw_child *c)
{
	static _Alignas(8) unsigned char buf[GW_MESSAGE_MAX];
	uint32_t size;

	while (c->stream_at < c->o.instance->stream_size) {
		if (pread(c->o.instance->stream, &size, 4, (off_t)c->stream_at) != 4 || size > sizeof(buf) ||
		    pread(c->o.instance->stream, buf, size, (off_t)c->stream_at + 4) != (ssize_t)size) {
			gw_child_fault(c, "its configuration could not be read back");
			return true;
		}
		if (send_bytes(c, buf, size) != 1)
			return false;
		c->stream_at += size + 4;
	}
	c->stream_at = UINT64_MAX;
	return true;
}

static bool flush_queue(struct gw_child *c)
{
	uint32_t size;

	while (c->queue_at < c->queue_size) {
		memcpy(&size, c->queue + c->queue_at, 4);
		if (send_bytes(c, c->queue + c->queue_at + 4, size) == 0)
			return false;
		c->queue_at += size + 4;
	}
	free(c->queue);
	c->queue = NULL;
	c->queue_at = c->queue_size = c->queue_capacity = 0;
	return true;
}

static void on_room(struct gw_child *c)
{
	if ((c->stream_at != UINT64_MAX && !flush_stream(c)) || c->link < 0 || !flush_queue(c))
		return;
	c->full = false;
	gw_fd_interest(c->link_watch, GW_READ);
	if (c->status.life == GW_LIFE_RUNNING && c->o.ops->drained)
		c->o.ops->drained(c->o.arg);
}

int gw_child_sendv(struct gw_child *c, enum gw_message_type type, const struct gw_reading *const *r, size_t n)
{
	struct { uint16_t type, zero; uint32_t size; } head = { (uint16_t)type, 0, 8 };
	struct iovec iov[101] = { { &head, sizeof(head) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n + 1 };

	if (c->link < 0 || c->full || n > 100)
		return 0;
	for (size_t i = 0; i < n; i++) {
		iov[i + 1] = (struct iovec){ (void *)r[i], r[i]->size };
		head.size += r[i]->size;
	}
	if (sendmsg(c->link, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 1;
	if (errno == EAGAIN || errno == ENOBUFS)
		wait_for_room(c);
	return 0;
}

/* ---- from the plugin ---- */

static int on_hello(struct gw_child *c, const struct gw_msg_hello *h, struct gw_err *err)
{
	struct gw_message m = { .type = GW_MSG_WELCOME };

	if (h->oldest > GW_LINK_VERSION || h->newest < GW_LINK_VERSION)
		return gw_err_set(err, GW_EPROTO, "speaks link versions %u to %u, this gatewayd speaks %d",
				  h->oldest, h->newest, GW_LINK_VERSION);
	if ((h->role != 0) != c->o.instance->sink)
		return gw_err_set(err, GW_EPROTO, "plugin '%s' is a %s, it is configured as a %s",
				  c->o.instance->plugin, h->role ? "sink" : "source",
				  gw_child_kind(c));
	c->greeted = true;
	c->described = gw_described_new();
	m.welcome.version = GW_LINK_VERSION;
	m.welcome.name = gw_str(c->o.instance->name);
	m.welcome.gateway = gw_str(c->o.gateway);
	m.welcome.core = gw_str(GW_VERSION);
	gw_child_send(c, &m);
	return 0;
}

static void on_described(struct gw_child *c)
{
	bool go_on = !c->o.ops->described || c->o.ops->described(c->o.arg, c->described);

	gw_described_free(c->described);
	c->described = NULL;
	if (!go_on)
		return;
	c->stream_at = 0;
	wait_for_room(c);
}

static void on_problem(struct gw_child *c, const struct gw_msg_problem *p)
{
	if (c->o.ops->problem)
		c->o.ops->problem(c->o.arg, p);
	else if (!p->warning) /* those were said when the configuration was read */
		gw_log(GW_ERROR, "%s '%s' now finds a problem: %.*s: %.*s", gw_child_kind(c), c->o.instance->name,
		       (int)p->path.n, p->path.s, (int)p->text.n, p->text.s);
}

static int on_declared(struct gw_child *c, const struct gw_message *m, struct gw_err *err)
{
	if (c->o.ops->declares)
		return c->o.ops->declares(c->o.arg, m, err);
	return gw_err_set(err, GW_EPROTO, "a %s does not say '%s'", gw_child_kind(c), gw_message_name(m->type));
}

static bool is_declaration(enum gw_message_type type)
{
	return type == GW_MSG_PROBLEM || type == GW_MSG_DEVICE || type == GW_MSG_POINT;
}

static int early(struct gw_child *c, const struct gw_message *m, struct gw_err *err)
{
	if (m->type == GW_MSG_HELLO && !c->greeted)
		return on_hello(c, &m->hello, err);
	if (m->type == GW_MSG_KEY && c->described)
		return gw_described_key(c->described, &m->key, err);
	if (m->type == GW_MSG_DESCRIBED && c->described) {
		on_described(c);
		return 0;
	}
	if (!c->greeted || c->described)
		return gw_err_set(err, GW_EPROTO, "said '%s' before its turn", gw_message_name(m->type));
	if (m->type == GW_MSG_READY) {
		gw_child_is_ready(c, m->ready.problems);
		return 0;
	}
	if (!is_declaration(m->type))
		return gw_err_set(err, GW_EPROTO, "said '%s' before it was ready", gw_message_name(m->type));
	if (m->type != GW_MSG_PROBLEM)
		return on_declared(c, m, err);
	on_problem(c, &m->problem);
	return 0;
}

static int handle(struct gw_child *c, const void *packet, size_t size, struct gw_err *err)
{
	struct gw_message m;

	if (gw_message_decode(packet, size, FROM_PLUGIN, &m, err) != 0)
		return -1;
	c->status.heard++;
	if (m.type == GW_MSG_PONG) {
		c->pong = m.pong.number;
		return 0;
	}
	if (!c->ready)
		return early(c, &m, err);
	if (c->status.life == GW_LIFE_STARTING)
		return gw_err_set(err, GW_EPROTO, "said '%s' before it was started", gw_message_name(m.type));
	if (is_declaration(m.type))
		return gw_err_set(err, GW_EPROTO, "said '%s' after it was started", gw_message_name(m.type));
	return c->o.ops->message(c->o.arg, &m, err);
}

/* false: the link is gone */
static bool read_once(struct gw_child *c, int *count)
{
	struct gw_err err;
	int n = *count = gw_receive(c->o.receiver, c->link, &err);

	if (n < 0) {
		c->hung_up = err.sys == 0 && !*c->status.reason;
		gw_child_fault(c, err.sys ? err.msg : "closed its link");
		return false;
	}
	for (int i = 0; i < n; i++) {
		size_t size;
		const void *packet = gw_received(c->o.receiver, i, &size);

		if (handle(c, packet, size, &err) != 0) {
			char text[sizeof(c->status.reason)];

			snprintf(text, sizeof(text), "broke the link protocol: %.150s", err.msg);
			gw_child_fault(c, text);
			return false;
		}
		if (c->link < 0)
			return false;
	}
	return true;
}

static void on_link(void *arg, unsigned ready)
{
	struct gw_child *c = arg;

	if (ready & GW_WRITE)
		on_room(c);
	if (!(ready & (GW_READ | GW_HANGUP)))
		return;
	for (int i = 0, n = GW_RECEIVE_MAX; i < READS_A_TURN && c->link >= 0 && n == GW_RECEIVE_MAX; i++)
		if (!read_once(c, &n)) {
			if (c->link >= 0) /* nothing more from it; its end comes by itself */
				gw_fd_interest(c->link_watch, 0);
			gw_watch_stop(c->link_watch);
			c->link_watch = NULL;
			return;
		}
}

/* ---- heartbeat ---- */

void gw_child_heartbeat(struct gw_child *c, bool on)
{
	c->ping = c->pong = 0;
	if (on)
		gw_timer_at(c->heartbeat, gw_now_us() + PING_S * 1000000LL / c->o.hurry);
	else
		gw_timer_off(c->heartbeat);
}

void gw_child_on_heartbeat(void *arg)
{
	struct gw_child *c = arg;
	struct gw_message m = { .type = GW_MSG_PING };

	if (c->ping - c->pong >= PONG_DEADLINE_PINGS) {
		gw_child_fault(c, "does not answer its heartbeat");
		return;
	}
	m.ping.number = ++c->ping;
	gw_child_send(c, &m);
	gw_timer_at(c->heartbeat, gw_now_us() + PING_S * 1000000LL / c->o.hurry);
}

/* ---- its log ---- */

static void end_line(struct gw_child *c)
{
	if (c->line_size && !c->line_cut)
		gw_log_child(c->o.instance->name, c->line, c->line_size, &c->limit, gw_now_us());
	c->line_size = 0;
	c->line_cut = false;
}

static void log_bytes(struct gw_child *c, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n') {
			end_line(c);
			continue;
		}
		if (c->line_size == sizeof(c->line)) { /* too long: its beginning is enough */
			end_line(c);
			c->line_cut = true;
			c->line_size = 1;
		}
		if (!c->line_cut)
			c->line[c->line_size++] = bytes[i];
	}
}

static void on_log(void *arg, unsigned ready)
{
	struct gw_child *c = arg;
	char buf[4096];
	ssize_t n = read(c->log, buf, sizeof(buf));

	(void)ready;
	if (n > 0) {
		log_bytes(c, buf, (size_t)n);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end_line(c);
	gw_watch_stop(c->log_watch);
	c->log_watch = NULL;
}

/* ---- open and close ---- */

void gw_child_link_open(struct gw_child *c, int link, int log)
{
	struct gw_err err;

	c->link = link;
	c->log = log;
	c->greeted = c->ready = c->full = c->hung_up = false;
	c->stream_at = UINT64_MAX;
	fcntl(log, F_SETFL, O_NONBLOCK);
	c->link_watch = gw_on_fd(c->o.loop, link, GW_READ, on_link, c, &err);
	c->log_watch = gw_on_fd(c->o.loop, log, GW_READ, on_log, c, &err);
	assert(c->link_watch && c->log_watch);
}

void gw_child_link_drain(struct gw_child *c)
{
	int n = GW_RECEIVE_MAX;

	for (int i = 0; i < LAST_READS && c->link_watch && c->ready && c->link >= 0 && n > 0; i++)
		if (!read_once(c, &n))
			break;
	for (int i = 0; i < LAST_READS && c->log_watch && c->log >= 0; i++) {
		char buf[4096];
		ssize_t got = read(c->log, buf, sizeof(buf));

		if (got <= 0)
			break;
		log_bytes(c, buf, (size_t)got);
	}
	end_line(c);
}

void gw_child_link_close(struct gw_child *c)
{
	gw_child_heartbeat(c, false);
	gw_watch_stop(c->link_watch);
	gw_watch_stop(c->log_watch);
	c->link_watch = c->log_watch = NULL;
	if (c->link >= 0)
		close(c->link);
	if (c->log >= 0)
		close(c->log);
	c->link = c->log = -1;
	c->ready = c->greeted = c->full = false;
	gw_described_free(c->described);
	c->described = NULL;
	free(c->queue);
	c->queue = NULL;
	c->queue_at = c->queue_size = c->queue_capacity = 0;
	c->stream_at = UINT64_MAX;
}
