#include "plugins/modbus/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mb_resolve {
	char *host, *port;
	struct addrinfo *found;
	int result, sys;
	int fd;
	atomic_int owners; /* the loop's side and the thread's */
};

static const struct addrinfo stream = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_protocol = IPPROTO_TCP };

static void release(struct mb_resolve *r)
{
	if (atomic_fetch_sub(&r->owners, 1) > 1)
		return;
	if (r->found)
		freeaddrinfo(r->found);
	if (r->fd >= 0)
		close(r->fd);
	free(r->host);
	free(r->port);
	free(r);
}

static void *look_up(void *arg)
{
	struct mb_resolve *r = arg;
	uint64_t one = 1;

	r->result = getaddrinfo(r->host, r->port, &stream, &r->found);
	r->sys = errno;
	/* The counter of an eventfd has room: this write cannot block or fail. */
	if (write(r->fd, &one, sizeof(one)) < 0)
		abort();
	release(r);
	return NULL;
}

static int spawn(struct mb_resolve *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	rc = pthread_create(&thread, &attr, look_up, r);
	pthread_attr_destroy(&attr);
	return rc;
}

struct mb_resolve *mb_resolve_begin(const char *host, const char *port, struct gw_err *err)
{
	struct mb_resolve *r = calloc(1, sizeof(*r));
	int rc = ENOMEM;

	if (!r) {
		gw_err_sys(err, rc, "cannot look up %s", host);
		return NULL;
	}
	r->fd = -1;
	atomic_init(&r->owners, 1);
	r->host = strdup(host);
	r->port = strdup(port);
	if (!r->host || !r->port)
		goto fail;
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = r->fd < 0 ? errno : 0;
	if (rc)
		goto fail;
	atomic_store(&r->owners, 2);
	rc = spawn(r);
	if (!rc)
		return r;
	atomic_store(&r->owners, 1);
fail:
	gw_err_sys(err, rc, "cannot look up %s", host);
	release(r);
	return NULL;
}

int mb_resolve_fd(const struct mb_resolve *r)
{
	return r->fd;
}

struct addrinfo *mb_resolve_end(struct mb_resolve *r, struct gw_err *err)
{
	struct addrinfo *found;
	uint64_t count;

	/* The read also orders this side after the thread's writes. */
	if (read(r->fd, &count, sizeof(count)) < 0)
		abort();
	found = r->found;
	r->found = NULL;
	if (r->result == EAI_SYSTEM)
		gw_err_sys(err, r->sys, "cannot look up %s", r->host);
	else if (r->result)
		gw_err_set(err, GW_EIO, "cannot look up %s: %s", r->host, gai_strerror(r->result));
	release(r);
	return found;
}

void mb_resolve_abandon(struct mb_resolve *r)
{
	if (r)
		release(r);
}

struct addrinfo *mb_resolve_numeric(const char *host, const char *port)
{
	struct addrinfo hints = stream, *found = NULL;

	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	return getaddrinfo(host, port, &hints, &found) ? NULL : found;
}
