/*
 * question.c - the questions a source has not answered yet: a bounded number,
 * each answered once by gw_answer_value() (gatewayd/plugin.h).
 */
#include "base/question.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/cycle.h"
#include "base/text.h"

enum { ANSWER_TEXT_MAX = 32 * 1024 };

struct gw_question {
	struct gw_plugin *plugin;
	uint32_t number;
	bool open;
};

struct gw_questions {
	struct gw_question all[GW_QUESTIONS_MAX];
};

struct gw_questions *gw_questions_new(void)
{
	struct gw_questions *qs = calloc(1, sizeof(*qs));

	if (!qs)
		abort();
	return qs;
}

void gw_questions_free(struct gw_questions *qs)
{
	free(qs);
}

struct gw_question *gw_question_open(struct gw_questions *qs, struct gw_plugin *p, uint32_t number)
{
	for (size_t i = 0; i < GW_QUESTIONS_MAX; i++) {
		struct gw_question *q = &qs->all[i];

		if (q->open)
			continue;
		*q = (struct gw_question){ .plugin = p, .number = number, .open = true };
		return q;
	}
	return NULL;
}

static void send_answer(struct gw_plugin *p, uint32_t number, const struct gw_value *v)
{
	struct gw_message m = { .type = GW_MSG_ANSWER };

	m.answer.number = number;
	m.answer.kind = (uint8_t)v->kind;
	m.answer.reason = (uint8_t)v->reason;
	if (v->kind == GW_TEXT)
		m.answer.text = (struct gw_str){ v->text, (uint32_t)v->length };
	else if (v->kind == GW_BOOL)
		m.answer.slot = v->b;
	else if (v->kind != GW_NONE)
		m.answer.slot = v->u; /* the bits, also of a double */
	gw_plugin_send(p, &m);
}

static struct gw_value no_value(enum gw_reason reason)
{
	return (struct gw_value){ .kind = GW_NONE, .reason = reason };
}

/* The rules for a value in a cycle hold for an answer too. */
static struct gw_value checked(struct gw_value v)
{
	if (v.reason != GW_GOOD)
		return no_value(v.reason);
	if (v.kind == GW_NONE)
		return no_value(GW_NOT_AVAILABLE);
	if ((v.kind == GW_F32 || v.kind == GW_F64) && !isfinite(v.f))
		return no_value(GW_NOT_AVAILABLE);
	if (v.kind != GW_TEXT)
		return v;
	v.length = gw_trimmed(v.text, v.length);
	if (v.length > ANSWER_TEXT_MAX || !gw_text_clean(v.text, v.length))
		return no_value(GW_BAD_TEXT);
	return v;
}

void gw_question_refuse(struct gw_plugin *p, uint32_t number)
{
	const struct gw_value refused = no_value(GW_NOT_AVAILABLE);

	send_answer(p, number, &refused);
}

void gw_answer_value(struct gw_question *q, const struct gw_value *v)
{
	struct gw_value value = checked(*v);

	assert(q->open);
	q->open = false;
	send_answer(q->plugin, q->number, &value);
}
