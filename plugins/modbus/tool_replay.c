/*
 * replay - a recording as a device on loopback.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plugins/modbus/record.h"
#include "plugins/modbus/tool.h"
#include "plugins/modbus/tool_server.h"

enum { FILE_MAX = 256 * 1024 * 1024, PENDING = 16 };

struct options {
	int64_t port;
	bool fast;
};

#define AT(member) offsetof(struct options, member)
static const struct mb_option options[] = {
	{ "port", MB_O_INT, AT(port), 0, 65535, NULL, "port of loopback to listen on, default a free one" },
	{ "fast", MB_O_FLAG, AT(fast), 0, 0, NULL, "answer at once, not after the time the device took" },
};

static const struct mb_tool_spec spec = {
	.name = "replay", .arguments = "FILE", .listens = true,
	.text = "Serves the answers of a recording on a port of loopback, each after the time the device\n"
		"took.  A request that was recorded more often gets its answers in turn; one that never was\n"
		"gets none.  Ends with Ctrl-C.",
	.options = options, .count = sizeof(options) / sizeof(options[0]), .least = 1, .most = 1,
};

struct due {
	int64_t at_us;
	uint16_t size;
	uint8_t bytes[MB_RECORD_FRAME_MAX];
};

struct replayer {
	struct options o;
	struct mb_recording recording;
	struct gw_loop *loop;
	struct mb_server *server;
	struct gw_watch *timer;
	size_t at;
	uint64_t answered, unknown;
	uint8_t buf[MB_RECORD_FRAME_MAX * 2];
	size_t fill;
	struct due due[PENDING]; /* in the order they are sent */
	unsigned ndue;
};

static void send_due(void *arg)
{
	struct replayer *r = arg;

	while (r->ndue && r->due[0].at_us <= gw_now_us()) {
		mb_server_send(r->server, r->due[0].bytes, r->due[0].size);
		memmove(r->due, r->due + 1, --r->ndue * sizeof(r->due[0]));
	}
	if (r->ndue)
		gw_timer_at(r->timer, r->due[0].at_us);
}

static void answer(struct replayer *r, const uint8_t *request, size_t n)
{
	int64_t delay_us = 0;
	const struct mb_record *a = mb_record_answer(&r->recording, request, n, &r->at, &delay_us);
	struct due *d;

	if (!a || r->ndue == PENDING) {
		r->unknown++;
		return;
	}
	r->answered++;
	d = &r->due[r->ndue++];
	d->at_us = gw_now_us() + (r->o.fast ? 0 : delay_us);
	/* One after the other, as on the line. */
	if (r->ndue > 1 && d->at_us < d[-1].at_us)
		d->at_us = d[-1].at_us;
	d->size = a->size;
	memcpy(d->bytes, r->recording.bytes + a->bytes, a->size);
	if (!r->recording.rtu && a->size >= 2)
		memcpy(d->bytes, request, 2);
	send_due(r);
}

static void on_master(void *arg, const uint8_t *bytes, size_t n)
{
	struct replayer *r = arg;
	size_t size;

	if (!bytes || n > sizeof(r->buf) - r->fill)
		r->fill = r->ndue = 0;
	if (!bytes || n > sizeof(r->buf))
		return;
	memcpy(r->buf + r->fill, bytes, n);
	r->fill += n;
	while ((size = mb_record_frame(r->recording.rtu, r->buf, r->fill))) {
		answer(r, r->buf, size);
		r->fill -= size;
		memmove(r->buf, r->buf + size, r->fill);
	}
}

static int load(struct replayer *r, const char *path, struct gw_err *err)
{
	FILE *in = fopen(path, "re");
	struct stat st;
	char *text = NULL;
	int failed = -1;
	size_t n;

	if (!in || fstat(fileno(in), &st))
		gw_err_sys(err, errno, "%s", path);
	else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		gw_err_set(err, GW_EINPUT, "%s: not a recording, or larger than 256 MiB", path);
	else if (!(text = malloc((size_t)st.st_size + 1)))
		gw_err_sys(err, ENOMEM, "%s", path);
	else {
		n = fread(text, 1, (size_t)st.st_size, in);
		failed = mb_record_read(&r->recording, text, n, err);
		if (failed)
			gw_err_ctx(err, "%s", path);
	}
	free(text);
	if (in)
		fclose(in);
	return failed;
}

static int run(struct replayer *r, struct gw_err *err)
{
	if (gw_loop_new(&r->loop, err))
		return -1;
	r->timer = gw_on_timer(r->loop, send_due, r, err);
	if (!r->timer || mb_server_new(&r->server, r->loop, (unsigned)r->o.port, on_master, r, err))
		return -1;
	printf("%zu frames; connection: %s127.0.0.1:%u\n", r->recording.count,
	       r->recording.rtu ? "rtu+tcp://" : "tcp://", mb_server_port(r->server));
	fflush(stdout);
	return gw_loop_run(r->loop, err);
}

int mb_tool_replay(int argc, char *argv[])
{
	struct replayer r = { 0 };
	const char *path;
	struct gw_err err;
	int code = mb_tool_parse(&spec, argc, argv, &r.o, &path);

	if (code >= 0)
		return code;
	code = load(&r, path, &err) || run(&r, &err) ? mb_tool_fail(&spec, "%s", err.msg) : 0;
	if (!code)
		printf("%llu requests answered, %llu unknown\n", (unsigned long long)r.answered,
		       (unsigned long long)r.unknown);
	mb_server_free(r.server);
	gw_loop_free(r.loop);
	mb_record_free(&r.recording);
	return code;
}
