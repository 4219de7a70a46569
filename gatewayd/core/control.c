/*
 * control.c - the control socket: one line of JSON asks, lines of JSON answer.
 *
 * Clients are foreign: a line is at most 64 KiB, at most 32 clients, what a slow one does not
 * read is bounded, and none can hold up the loop.  Requests are in control_commands.c's table.
 */
#include "core/control.h"
#include "core/write.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"

/* ---- answers ---- */

static void client_free(struct gw_client *c)
{
	struct gw_control *k = c->control;

	gw_watch_stop(c->watch);
	close(c->fd);
	for (size_t i = 0; i < GW_CLIENTS_MAX; i++)
		if (k->clients[i] == c)
			k->clients[i] = NULL;
	for (size_t i = 0; i < GW_QUESTIONS_MAX; i++)
		if (k->questions[i].client == c)
			k->questions[i].client = NULL;
	gw_write_forget(k->daemon, c);
	if (k->reloading == c)
		k->reloading = NULL;
	if (k->verifying == c)
		k->verifying = NULL;
	if (c->listing)
		*c->listing = NULL;
	k->watchers -= c->watching;
	free(c->out);
	free(c->device);
	free(c);
}

static void flush(struct gw_client *c)
{
	while (c->out_at < c->out_size) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_size - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			c->out_at += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			c->dead = true;
		break;
	}
	if (c->out_at == c->out_size)
		c->out_at = c->out_size = 0;
	gw_fd_interest(c->watch, GW_READ | (c->out_size ? GW_WRITE : 0));
}

/* It does not read: freed at the next event, which the shutdown brings. */
static void give_up(struct gw_client *c)
{
	c->dead = true;
	free(c->out);
	c->out = NULL;
	c->out_at = c->out_size = c->out_capacity = 0;
	shutdown(c->fd, SHUT_RDWR);
}

static void put(struct gw_client *c, json_t *doc)
{
	char *text = gw_view_text(doc);
	size_t n = text ? strlen(text) : 0;

	json_decref(doc);
	if (c->dead || !text || c->out_size - c->out_at + n > GW_CLIENT_OUT_MAX) {
		give_up(c);
		free(text);
		return;
	}
	if (c->out_at > c->out_size / 2) { /* what was sent makes room */
		memmove(c->out, c->out + c->out_at, c->out_size - c->out_at);
		c->out_size -= c->out_at;
		c->out_at = 0;
	}
	c->out = gw_grow(c->out, &c->out_capacity, c->out_size + n + 1, 1);
	memcpy(c->out + c->out_size, text, n);
	c->out[c->out_size + n] = '\n';
	c->out_size += n + 1;
	free(text);
	flush(c);
}

void gw_client_answer(struct gw_client *c, json_t *data)
{
	c->busy = false;
	put(c, json_pack("{s:b, s:o}", "ok", 1, "data", data ? data : json_object()));
}

void gw_client_event(struct gw_client *c, json_t *event)
{
	put(c, json_pack("{s:o}", "event", event));
}

void gw_client_refuse(struct gw_client *c, int code, const char *fmt, ...)
{
	char text[600], clean[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->busy = false;
	put(c, json_pack("{s:b, s:i, s:s}", "ok", 0, "code", code, "error",
		     gw_escape(clean, sizeof(clean), text, strlen(text)))); /* a name may have been cut */
}

/* ---- requests ---- */

static void request(struct gw_client *c, const char *line, size_t n)
{
	struct gw_request_line r;

	if (gw_request_parse(&r, line, n) != 0)
		gw_client_refuse(c, 2, "%s", r.refusal);
	else if (c->busy)
		gw_client_refuse(c, 1, "the request before is not answered yet");
	else
		gw_control_command(c, &r);
	gw_request_free(&r);
}

static void take_lines(struct gw_client *c)
{
	char *end, *at = c->in;
	size_t left = c->in_size;

	while (!c->dead && (end = memchr(at, '\n', left)) != NULL) {
		request(c, at, (size_t)(end - at));
		left -= (size_t)(end - at) + 1;
		at = end + 1;
	}
	memmove(c->in, at, left);
	c->in_size = left;
	if (left == sizeof(c->in)) {
		gw_client_refuse(c, 2, "a request has at most %zu bytes", sizeof(c->in));
		c->dead = true;
	}
}

static void on_client(void *arg, unsigned ready)
{
	struct gw_client *c = arg;
	ssize_t n;

	if (ready & GW_WRITE)
		flush(c);
	if (ready & (GW_READ | GW_HANGUP)) {
		n = recv(c->fd, c->in + c->in_size, sizeof(c->in) - c->in_size, MSG_DONTWAIT);
		if (n > 0) {
			c->in_size += (size_t)n;
			take_lines(c);
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			c->dead = true;
		}
	}
	if (c->dead)
		client_free(c);
}

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Who cannot be taken in must not stay in the queue: the loop would turn for ever. */
static void send_away(struct gw_control *k)
{
	int fd;

	if (k->spare >= 0)
		close(k->spare);
	fd = accept4(k->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd); /* it sees an end of file and says so */
	k->spare = open_spare();
}

static void on_listen(void *arg, unsigned ready)
{
	struct gw_control *k = arg;
	struct gw_client *c;
	struct gw_err err;
	size_t i = 0;
	int fd = accept4(k->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)ready;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			send_away(k);
		return;
	}
	while (i < GW_CLIENTS_MAX && k->clients[i])
		i++;
	c = i < GW_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) { /* it sees an end of file and says so */
		close(fd);
		return;
	}
	c->control = k;
	c->fd = fd;
	c->watch = gw_on_fd(k->daemon->loop, fd, GW_READ, on_client, c, &err);
	if (!c->watch) {
		close(fd);
		free(c);
		return;
	}
	k->clients[i] = c;
}

/* ---- events ---- */

void gw_control_reading(struct gw_daemon *d, const struct gw_device *dev, const struct gw_reading *r)
{
	struct gw_control *k = d->control;

	if (!k || !k->watchers)
		return;
	for (size_t i = 0; i < GW_CLIENTS_MAX; i++) {
		struct gw_client *c = k->clients[i];

		if (c && c->watching && !c->dead && (!c->device || strcmp(c->device, dev->name) == 0))
			gw_client_event(c, gw_view_reading(dev, r));
	}
}

void gw_control_second(struct gw_daemon *d)
{
	struct gw_control *k = d->control;
	int64_t now_us = gw_now_us();

	for (size_t i = 0; k && i < GW_QUESTIONS_MAX; i++) {
		struct gw_question_open *q = &k->questions[i];

		if (q->client && now_us > q->deadline_us) {
			gw_client_refuse(q->client, 1, "the device did not answer in time");
			q->client = NULL;
		}
	}
}

/* ---- open and close ---- */

/* Is another daemon listening there?  A file that nobody answers on is a dead daemon's. */
static bool answered(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

int gw_control_open(struct gw_daemon *d, struct gw_err *err)
{
	const char *path = d->core.control.socket;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct gw_control *k = calloc(1, sizeof(*k));
	mode_t mask;
	int bound;

	assert(k && strlen(path) < sizeof(sa.sun_path)); /* the table limits it */
	memcpy(sa.sun_path, path, strlen(path) + 1);
	k->daemon = d;
	k->spare = open_spare();
	k->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0)
		goto fail;
	if (answered(&sa)) {
		gw_err_set(err, GW_EFULL, "control socket %s is in use by another process", path);
		goto out;
	}
	if (unlink(path) < 0 && errno != ENOENT)
		goto fail;
	mask = umask(S_IXUSR | S_IXGRP | S_IRWXO); /* not a later chmod: in between anyone could connect */
	bound = bind(k->fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(mask);
	if (bound < 0 || listen(k->fd, 16) < 0)
		goto fail;
	k->watch = gw_on_fd(d->loop, k->fd, GW_READ, on_listen, k, err);
	if (!k->watch)
		goto out;
	d->control = k;
	return 0;
fail:
	gw_err_sys(err, errno, "control socket %s", path);
out:
	if (k->fd >= 0)
		close(k->fd);
	if (k->spare >= 0)
		close(k->spare);
	free(k);
	return -1;
}

void gw_control_close(struct gw_daemon *d)
{
	struct gw_control *k = d->control;

	if (!k)
		return;
	for (size_t i = 0; i < GW_CLIENTS_MAX; i++)
		if (k->clients[i])
			client_free(k->clients[i]);
	gw_watch_stop(k->watch);
	close(k->fd);
	if (k->spare >= 0)
		close(k->spare);
	unlink(d->core.control.socket);
	free(k);
	d->control = NULL;
}
