/*
 * client.c - one request over the control socket (see client.h).
 */
#include "ctl/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gatewayd/loop.h"

enum { FIRST_ROOM = 64 * 1024, LINE_MAX_BYTES = 256 * 1024 * 1024 };

int client_open(struct client *c, const char *path, struct gw_err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	*c = (struct client){ .fd = -1, .bytes = malloc(FIRST_ROOM), .room = FIRST_ROOM };
	if (!c->bytes)
		return gw_err_sys(err, ENOMEM, "an answer of %d bytes", FIRST_ROOM);
	if (strlen(path) >= sizeof(to.sun_path))
		return gw_err_set(err, GW_EIO, "the path is longer than %zu bytes", sizeof(to.sun_path) - 1);
	memcpy(to.sun_path, path, strlen(path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd >= 0 && connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return 0;
	gw_err_set(err, GW_EIO, "%s", strerror(errno));
	err->sys = errno;
	return -1;
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->bytes);
	*c = (struct client){ .fd = -1 };
}

static json_t *request(const char *command, char *const *args)
{
	json_t *list = json_array();

	for (; *args; args++)
		if (json_array_append_new(list, json_string(*args)) != 0) {
			json_decref(list); /* not UTF-8 */
			return NULL;
		}
	return json_pack("{s:s, s:o}", "command", command, "args", list);
}

static int write_all(int fd, const char *bytes, size_t n, struct gw_err *err)
{
	while (n) {
		ssize_t wrote = send(fd, bytes, n, MSG_NOSIGNAL);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0) {
			gw_err_set(err, GW_EIO, "%s", strerror(errno));
			return -1;
		}
		bytes += wrote;
		n -= (size_t)wrote;
	}
	return 0;
}

int client_send(struct client *c, const char *command, char *const *args, struct gw_err *err)
{
	json_t *j = request(command, args);
	char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
	size_t n = line ? strlen(line) : 0;
	int rc;

	json_decref(j);
	if (!line)
		return gw_err_set(err, GW_EINPUT, "the arguments are not valid UTF-8");
	if (n >= CLIENT_REQUEST_MAX) {
		rc = gw_err_set(err, GW_EINPUT, "the arguments are too long: at most %d bytes as JSON",
				CLIENT_REQUEST_MAX);
	} else {
		line[n] = '\n'; /* in place of the NUL */
		rc = write_all(c->fd, line, n + 1, err);
	}
	free(line);
	return rc;
}

static int wait_readable(int fd, int64_t until_us, struct gw_err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		int64_t left_us = until_us < 0 ? -1 : until_us - gw_now_us();
		int n = left_us < 0 && until_us >= 0 ? 0 : poll(&p, 1, until_us < 0 ? -1 : (int)(left_us / 1000 + 1));

		if (n > 0)
			return 0;
		if (n == 0)
			return gw_err_set(err, GW_EIO, "no answer in time");
		if (errno != EINTR)
			return gw_err_sys(err, errno, "poll");
	}
}

static int make_room(struct client *c, struct gw_err *err)
{
	size_t room = c->room * 2;
	char *more;

	memmove(c->bytes, c->bytes + c->taken, c->size - c->taken);
	c->size -= c->taken;
	c->taken = 0;
	if (c->size < c->room)
		return 0;
	if (room > LINE_MAX_BYTES)
		return gw_err_set(err, GW_EPROTO, "a line of the answer is longer than %d MiB",
				  LINE_MAX_BYTES / 1024 / 1024);
	more = realloc(c->bytes, room);
	if (!more)
		return gw_err_sys(err, ENOMEM, "an answer of %zu bytes", room);
	c->bytes = more;
	c->room = room;
	return 0;
}

static int fill(struct client *c, int64_t until_us, struct gw_err *err)
{
	ssize_t n;

	if ((c->size == c->room || c->taken) && make_room(c, err) != 0)
		return -1;
	do {
		if (wait_readable(c->fd, until_us, err) != 0)
			return -1;
		n = recv(c->fd, c->bytes + c->size, c->room - c->size, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return gw_err_set(err, GW_EIO, "%s", strerror(errno));
	if (n == 0)
		return gw_err_set(err, GW_EIO, "it closed the connection");
	c->size += (size_t)n;
	return 0;
}

static int parse(const char *line, size_t n, json_t **out, struct gw_err *err)
{
	json_error_t why;

	*out = json_loadb(line, n, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(*out))
		return 0;
	json_decref(*out);
	*out = NULL;
	return gw_err_set(err, GW_EPROTO, CLIENT_STRANGER);
}

int client_receive(struct client *c, int timeout_ms, json_t **out, struct gw_err *err)
{
	int64_t until_us = timeout_ms < 0 ? -1 : gw_now_us() + (int64_t)timeout_ms * 1000;
	size_t looked = 0;

	for (;;) {
		char *from = c->bytes + c->taken;
		size_t n = c->size - c->taken;
		char *end = n > looked ? memchr(from + looked, '\n', n - looked) : NULL;

		if (end) {
			c->taken += (size_t)(end - from) + 1;
			return parse(from, (size_t)(end - from), out, err);
		}
		looked = n;
		if (fill(c, until_us, err) != 0)
			return -1;
	}
}
