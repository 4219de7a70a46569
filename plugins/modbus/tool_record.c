/*
 * record - a proxy on loopback between a master and a device that writes down
 * each frame.  What it hands on it does not change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/modbus/record.h"
#include "plugins/modbus/tool.h"
#include "plugins/modbus/tool_server.h"
#include "plugins/modbus/wire.h"

struct options {
	struct mb_common common;
	int64_t port, duration_ms, size_mib;
};

#define AT(member) offsetof(struct options, member)
static const struct mb_option options[] = {
	{ "port", MB_O_INT, AT(port), 0, 65535, NULL, "port of loopback to listen on, default a free one" },
	{ "duration", MB_O_DURATION, AT(duration_ms), 1, 86400000, NULL, "end by itself; default: Ctrl-C" },
	{ "max-size", MB_O_INT, AT(size_mib), 1, 4096, NULL, "MiB; the recording ends there; default 64" },
};

static const struct mb_tool_spec spec = {
	.name = "record", .arguments = "URL FILE",
	.text = "Listens on a port of loopback, hands everything on to the device and its answers back, and\n"
		"writes each frame with its time to FILE (docs/modbus.md describes it).  Point a source at\n"
		"the port it names.  A serial device is reached through rtu+tcp:// there.",
	.options = options, .count = sizeof(options) / sizeof(options[0]), .least = 2, .most = 2,
};

/* What one of the two said and is no frame yet; only the one who spoke last can have such. */
struct side {
	uint8_t buf[MB_RECORD_FRAME_MAX * 2];
	size_t fill;
	int64_t at_us; /* when the last byte came */
};

struct recorder {
	struct options o;
	struct mb_url url;
	struct gw_loop *loop;
	const struct mb_wire_ops *ops;
	struct mb_wire *wire;
	struct mb_server *server;
	struct gw_watch *timer;
	bool up;
	int64_t begun_us;
	FILE *file;
	uint64_t frames;
	struct side master, device;
	struct side waiting; /* of the master, while the device is being connected */
	char trouble[256];
};

static void write_frame(struct recorder *r, const struct side *s, bool answer, const uint8_t *bytes, size_t n)
{
	mb_record_write(r->file, s->at_us - r->begun_us, answer, bytes, n);
	r->frames++;
	if (ferror(r->file) || fflush(r->file)) {
		snprintf(r->trouble, sizeof(r->trouble), "the file cannot be written: %s", strerror(errno));
		gw_loop_quit(r->loop);
	} else if (ftello(r->file) >= r->o.size_mib * 1024 * 1024) {
		gw_loop_quit(r->loop);
	}
}

/* What became no frame before the other side speaks is written as it is, with the time it came. */
static void flush_side(struct recorder *r, struct side *s, bool answer)
{
	for (size_t at = 0, n; at < s->fill; at += n) {
		n = s->fill - at < MB_RECORD_FRAME_MAX ? s->fill - at : MB_RECORD_FRAME_MAX;
		write_frame(r, s, answer, s->buf + at, n);
	}
	s->fill = 0;
}

static void note(struct recorder *r, struct side *s, bool answer, const uint8_t *bytes, size_t n)
{
	s->at_us = gw_now_us();
	while (n) {
		size_t some = n < sizeof(s->buf) - s->fill ? n : sizeof(s->buf) - s->fill, size;

		memcpy(s->buf + s->fill, bytes, some);
		s->fill += some;
		bytes += some;
		n -= some;
		while ((size = mb_record_frame(r->url.scheme != MB_TCP, s->buf, s->fill))) {
			write_frame(r, s, answer, s->buf, size);
			s->fill -= size;
			memmove(s->buf, s->buf + size, s->fill);
		}
	}
}

static void on_up(void *arg)
{
	struct recorder *r = arg;

	r->up = true;
	if (r->waiting.fill && r->ops->send(r->wire, r->waiting.buf, r->waiting.fill))
		mb_server_hang_up(r->server);
	r->waiting.fill = 0;
}

static void on_down(void *arg, const char *why)
{
	struct recorder *r = arg;

	r->up = false;
	fprintf(stderr, "modbus record: %s: %s\n", r->url.text, why);
	mb_server_hang_up(r->server);
}

static void on_device(void *arg, const uint8_t *bytes, size_t n)
{
	struct recorder *r = arg;

	flush_side(r, &r->master, false);
	note(r, &r->device, true, bytes, n);
	mb_server_send(r->server, bytes, n);
}

static void on_master(void *arg, const uint8_t *bytes, size_t n)
{
	struct recorder *r = arg;

	if (!bytes) {
		r->up = false;
		r->waiting.fill = 0;
		r->ops->open(r->wire, r->o.common.timeout_ms * 1000);
		return;
	}
	flush_side(r, &r->device, true);
	note(r, &r->master, false, bytes, n);
	if (r->up && r->ops->send(r->wire, bytes, n) == 0)
		return;
	if (r->up || n > sizeof(r->waiting.buf) - r->waiting.fill) {
		mb_server_hang_up(r->server);
		return;
	}
	memcpy(r->waiting.buf + r->waiting.fill, bytes, n);
	r->waiting.fill += n;
}

static void on_time(void *arg)
{
	struct recorder *r = arg;

	gw_loop_quit(r->loop);
}

static int prepare(struct recorder *r, struct gw_err *err)
{
	static const struct mb_wire_events events = { on_up, on_down, on_device };

	r->ops = r->url.scheme == MB_RTU ? &mb_port : &mb_tcp;
	if (gw_loop_new(&r->loop, err))
		return -1;
	r->wire = r->ops->make(r->loop, &r->url, &events, r, err);
	r->timer = r->wire ? gw_on_timer(r->loop, on_time, r, err) : NULL;
	return r->timer ? mb_server_new(&r->server, r->loop, (unsigned)r->o.port, on_master, r, err) : -1;
}

/* A new file only: a recording is evidence, nothing is written over. */
static FILE *create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int run(struct recorder *r, struct gw_err *err)
{
	r->begun_us = gw_now_us();
	mb_record_begin(r->file, r->url.scheme != MB_TCP, r->url.text);
	printf("recording; connection: %s127.0.0.1:%u\n", r->url.scheme == MB_TCP ? "tcp://" : "rtu+tcp://",
	       mb_server_port(r->server));
	fflush(stdout);
	if (r->o.duration_ms)
		gw_timer_at(r->timer, r->begun_us + r->o.duration_ms * 1000);
	if (gw_loop_run(r->loop, err))
		return -1;
	flush_side(r, &r->master, false);
	flush_side(r, &r->device, true);
	return r->trouble[0] ? gw_err_set(err, GW_EIO, "%s", r->trouble) : 0;
}

int mb_tool_record(int argc, char *argv[])
{
	struct recorder r = { .o = { .common = mb_common_default, .size_mib = 64 } };
	const char *args[2];
	struct gw_err err;
	int code = mb_tool_parse(&spec, argc, argv, &r.o, args);

	if (code < 0)
		code = mb_tool_url(&spec, &r.o.common, args[0], &r.url);
	else
		return code;
	if (code)
		return code;
	r.file = create(args[1]);
	if (!r.file)
		return mb_tool_fail(&spec, "%s: %s", args[1], strerror(errno));
	code = prepare(&r, &err) || run(&r, &err) ? mb_tool_fail(&spec, "%s", err.msg) : 0;
	mb_server_free(r.server);
	if (r.wire)
		r.ops->free(r.wire);
	gw_loop_free(r.loop);
	if (fclose(r.file) && !code)
		code = mb_tool_fail(&spec, "%s: %s", args[1], strerror(errno));
	if (!code)
		printf("%llu frames in %s\n", (unsigned long long)r.frames, args[1]);
	return code;
}
