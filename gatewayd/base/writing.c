/*
 * writing.c - the writes a source has not ended yet: a bounded number, each ended
 * once by gw_write_done() (gatewayd/plugin.h).
 */
#include "base/writing.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { REASON_MAX = 200, TEXT_MAX = 32 * 1024 };

struct gw_write {
	struct gw_plugin *plugin;
	uint32_t number;
	bool open;
};

struct gw_writing {
	struct gw_write all[GW_WRITES_OPEN_MAX];
};

struct gw_writing *gw_writing_new(void)
{
	struct gw_writing *ws = calloc(1, sizeof(*ws));

	if (!ws)
		abort();
	return ws;
}

void gw_writing_free(struct gw_writing *ws)
{
	free(ws);
}

struct gw_write *gw_write_open(struct gw_writing *ws, struct gw_plugin *p, uint32_t number)
{
	for (size_t i = 0; i < GW_WRITES_OPEN_MAX; i++) {
		struct gw_write *w = &ws->all[i];

		if (w->open)
			continue;
		*w = (struct gw_write){ .plugin = p, .number = number, .open = true };
		return w;
	}
	return NULL;
}

struct gw_value gw_write_value(const struct gw_msg_write *m)
{
	struct gw_value v = { .kind = (enum gw_kind)m->kind };

	v.u = m->slot;
	if (v.kind == GW_TEXT) {
		v.text = m->text.s;
		v.length = m->text.n;
	}
	return v;
}

/* Floats that are none, and unclean texts, are not worth sending. */
static bool sendable(const struct gw_value *v)
{
	if (!v || v->kind == GW_NONE || v->reason != GW_GOOD)
		return false;
	if (v->kind == GW_F32 || v->kind == GW_F64)
		return isfinite(v->f);
	return v->kind != GW_TEXT || (v->length <= TEXT_MAX && gw_text_clean(v->text, v->length));
}

static void put_value(struct gw_msg_written *m, const struct gw_value *v)
{
	m->kind = (uint8_t)v->kind;
	if (v->kind == GW_TEXT)
		m->text = (struct gw_str){ v->text, (uint32_t)v->length };
	else if (v->kind == GW_BOOL)
		m->slot = v->b;
	else
		m->slot = v->u; /* the bits, also of a double */
}

static void send_written(struct gw_plugin *p, uint32_t number, enum gw_write_result result, const char *reason,
			 const struct gw_value *read_back)
{
	struct gw_message m = { .type = GW_MSG_WRITTEN };
	size_t n = strnlen(reason, REASON_MAX);

	m.written.number = number;
	m.written.result = (uint8_t)result;
	m.written.reason = (struct gw_str){ reason, gw_text_clean(reason, n) ? (uint32_t)n : 0 };
	if (sendable(read_back))
		put_value(&m.written, read_back);
	gw_plugin_send(p, &m);
}

void gw_write_refuse(struct gw_plugin *p, uint32_t number, const char *why)
{
	send_written(p, number, GW_WRITE_REFUSED, why, NULL);
}

void gw_write_done(struct gw_write *w, enum gw_write_result result, const char *reason,
		   const struct gw_value *read_back)
{
	assert(w->open);
	w->open = false;
	send_written(w->plugin, w->number, result, reason, read_back);
}
