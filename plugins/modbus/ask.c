#include <stdlib.h>

#include "plugins/modbus/single.h"

struct asking {
	struct mb_job job; /* first: callbacks get it */
	struct mb_target target;
	struct mb_derive *derive;
	struct mb_request requests[2]; /* the point, and the one it is joined with */
	unsigned points[2];
	struct gw_value got[2];
	struct gw_question *question;
	char text[2 * MB_REGISTERS_MAX];
};

static void answered(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct asking *a = (struct asking *)job;

	a->got[request] = (struct gw_value){ .kind = GW_NONE, .reason = (enum gw_reason)reason };
	if (data)
		a->got[request] = mb_decode(&a->target.forms[a->points[request]], data, 0, a->text);
}

static void done(struct mb_job *job)
{
	struct asking *a = (struct asking *)job;

	if (job->count > 1)
		a->got[0] = mb_derive_joined(a->derive, a->points[0], &a->got[0], &a->got[1]);
	else if (a->derive)
		mb_derive_take(a->derive, a->points[0], &a->got[0]); /* a counter's total */
	gw_answer_value(a->question, &a->got[0]);
	*a->target.requests += job->sent;
	free(a);
}

void mb_ask(const struct mb_target *t, struct mb_derive *derive, struct gw_question *q)
{
	const struct gw_value none = { .kind = GW_NONE, .reason = GW_PLUGIN };
	unsigned other = derive ? mb_derive_other(derive, t->point) : MB_NO_POINT;
	struct asking *a = calloc(1, sizeof(*a));

	if (!a) {
		gw_answer_value(q, &none);
		return;
	}
	*a = (struct asking){
		.job = { .manner = t->manner, .requests = a->requests, .count = 1, .answer = answered,
			 .done = done },
		.target = *t, .derive = derive, .points = { t->point, other }, .question = q,
		.requests = { mb_plan_single(&t->spans[t->point]) },
	};
	if (other != MB_NO_POINT) {
		a->requests[1] = mb_plan_single(&t->spans[other]);
		a->job.count = 2;
	}
	mb_line_submit_first(t->line, &a->job);
}
