#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/encode.h"
#include "plugins/modbus/single.h"

enum { COIL_ON = 0xff00, LOOKS = 2 };

struct writing {
	struct mb_job job; /* first: callbacks get it */
	struct mb_target target;
	struct mb_manner once; /* the device's manner, without another attempt */
	struct mb_request request;
	struct gw_write *write;
	uint8_t data[2 * MB_WRITE_REGISTERS_MAX];
	unsigned confirmed; /* how the write ended */
	unsigned looks, read; /* read-backs begun; how the last one ended */
	bool other; /* the confirmation has another value */
	bool same;
	struct gw_value back;
	char text[2 * MB_REGISTERS_MAX];
};

static const struct mb_form *form_of(const struct writing *w)
{
	return &w->target.forms[w->target.point];
}

/* ---- the end ---- */

static void say(const struct writing *w, char *out, size_t size)
{
	if (w->confirmed == GW_PLUGIN)
		snprintf(out, size, "the source ended before the device confirmed it");
	else if (w->confirmed != GW_GOOD && gw_reason_is_silence(w->confirmed))
		snprintf(out, size, "no confirmation (%s)", gw_reason_name(w->confirmed));
	else if (w->confirmed != GW_GOOD)
		snprintf(out, size, "the device refused it (%s)", gw_reason_name(w->confirmed));
	else if (w->other)
		snprintf(out, size, "the device confirmed another value");
	else if (w->read != GW_GOOD)
		snprintf(out, size, "confirmed, but it could not be read back (%s)", gw_reason_name(w->read));
	else
		snprintf(out, size, "confirmed, but another value is read back");
}

static void finish(struct writing *w)
{
	bool done = w->confirmed == GW_GOOD && !w->other && w->read == GW_GOOD && w->same;
	char reason[120] = "";

	if (!done)
		say(w, reason, sizeof(reason));
	gw_write_done(w->write, done ? GW_WRITE_DONE : GW_WRITE_FAILED, reason, &w->back);
	free(w);
}

/* ---- reading back ---- */

static size_t trimmed(const char *text, size_t n)
{
	while (n && (text[n - 1] == '\0' || text[n - 1] == ' '))
		n--;
	return n;
}

/* A text may have been padded in another way. */
static bool is_same(const struct writing *w, const uint8_t *data)
{
	const struct mb_form *f = form_of(w);
	struct gw_value wrote;
	char text[2 * MB_REGISTERS_MAX];
	size_t n;

	if (f->single)
		return w->back.b == (w->data[0] != 0);
	if (f->type != MB_STRING)
		return memcmp(data, w->data, 2 * (size_t)mb_form_width(f)) == 0;
	wrote = mb_decode(f, w->data, 0, text);
	n = trimmed(wrote.text, wrote.length);
	return n == trimmed(w->back.text, w->back.length) && memcmp(wrote.text, w->back.text, n) == 0;
}

static void read_back(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct writing *w = (struct writing *)job;

	(void)request;
	w->read = reason;
	if (!data)
		return;
	w->back = mb_decode(form_of(w), data, 0, w->text);
	w->same = is_same(w, data);
}

static void look(struct writing *w);

static void looked(struct mb_job *job)
{
	struct writing *w = (struct writing *)job;
	bool differs = w->read == GW_GOOD && !w->same;

	*w->target.requests += job->sent;
	if (differs && w->confirmed == GW_GOOD && !w->other && w->looks < LOOKS && !*w->target.stopping)
		look(w);
	else
		finish(w);
}

/* The second time behind what waits, which gives the device a moment. */
static void look(struct writing *w)
{
	bool first = w->looks++ == 0;

	w->request = mb_plan_single(&w->target.spans[w->target.point]);
	w->job = (struct mb_job){ .manner = w->target.manner, .requests = &w->request, .count = 1,
				  .answer = read_back, .done = looked };
	if (first)
		mb_line_submit_first(w->target.line, &w->job);
	else
		mb_line_submit(w->target.line, &w->job);
}

/* ---- writing ---- */

static void confirmed(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct writing *w = (struct writing *)job;

	(void)request;
	w->confirmed = reason;
	w->other = data && (data[2] << 8 | data[3]) != w->request.count;
}

static void sent(struct mb_job *job)
{
	struct writing *w = (struct writing *)job;

	*w->target.requests += job->sent;
	if (job->sent == 0) {
		gw_write_done(w->write, GW_WRITE_REFUSED, gw_reason_name(w->confirmed), NULL);
		free(w);
	} else if (*w->target.stopping) {
		finish(w);
	} else {
		look(w);
	}
}

static struct mb_request request_of(const struct writing *w, uint8_t function)
{
	const struct mb_span *span = &w->target.spans[w->target.point];
	const struct mb_form *f = form_of(w);
	unsigned width = mb_form_width(f);
	struct mb_request r = { .function = function, .address = (uint16_t)(span->address + f->lead),
				.count = (uint16_t)width };

	if (function == 5) {
		r.count = w->data[0] ? COIL_ON : 0;
	} else if (function == 6) {
		r.count = (uint16_t)(w->data[0] << 8 | w->data[1]);
	} else {
		r.data = w->data;
		r.size = (uint8_t)(function == 15 ? 1 : 2 * width);
	}
	return r;
}

void mb_write(const struct mb_target *t, uint8_t function, const struct gw_value *v, struct gw_write *write)
{
	struct writing *w = calloc(1, sizeof(*w));
	struct gw_err err;

	if (!w) {
		gw_write_done(write, GW_WRITE_REFUSED, "no memory", NULL);
		return;
	}
	*w = (struct writing){ .target = *t, .once = *t->manner, .write = write, .confirmed = GW_PLUGIN,
			       .read = GW_PLUGIN, .back = { .kind = GW_NONE } };
	if (mb_encode(form_of(w), v, w->data, &err) != 0) {
		gw_write_done(write, GW_WRITE_REFUSED, err.msg, NULL);
		free(w);
		return;
	}
	w->once.retries = 0;
	w->request = request_of(w, function);
	w->job = (struct mb_job){ .manner = &w->once, .requests = &w->request, .count = 1, .answer = confirmed,
				  .done = sent };
	mb_line_submit_first(t->line, &w->job);
}
