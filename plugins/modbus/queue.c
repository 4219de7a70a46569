#include "plugins/modbus/queue.h"

#include <assert.h>

#include "gatewayd/reading.h"

static void append(struct mb_queue *q, struct mb_job *job)
{
	job->next = NULL;
	if (q->tail)
		q->tail->next = job;
	else
		q->head = job;
	q->tail = job;
}

static struct mb_job *pop(struct mb_queue *q)
{
	struct mb_job *job = q->head;

	q->head = job->next;
	if (!q->head)
		q->tail = NULL;
	return job;
}

static void begin(struct mb_job *job)
{
	assert(job->count > 0 && job->start < job->count);
	job->next = NULL;
	job->ended = job->attempts = 0;
	job->answered = job->probe = false;
	job->cost_us = 0;
}

void mb_queue_push(struct mb_queue *q, struct mb_job *job)
{
	begin(job);
	append(q, job);
}

void mb_queue_push_first(struct mb_queue *q, struct mb_job *job)
{
	begin(job);
	if (!q->head) {
		append(q, job);
	} else if (q->head->attempts) {
		job->next = q->head->next;
		q->head->next = job;
		q->tail = q->tail == q->head ? job : q->tail;
	} else {
		job->next = q->head;
		q->head = job;
	}
}

void mb_job_pass(struct mb_job *job, unsigned reason)
{
	begin(job);
	for (unsigned i = 0; i < job->count; i++)
		job->answer(job, i, reason, NULL);
	job->done(job);
}

void mb_queue_rotate(struct mb_queue *q)
{
	append(q, pop(q));
}

unsigned mb_job_current(const struct mb_job *job)
{
	return (job->start + job->ended) % job->count;
}

/* A unit that has said nothing yet in this job is not asked further, as the others
 * are waiting, and its next job begins with another request, in case only this one
 * is never answered. */
struct mb_job *mb_queue_end(struct mb_queue *q, unsigned reason, const uint8_t *data)
{
	struct mb_job *job = pop(q);
	bool silence = gw_reason_is_silence(reason);
	unsigned next = (mb_job_current(job) + 1) % job->count;

	job->attempts = 0;
	job->answered |= !silence;
	do {
		job->answer(job, mb_job_current(job), reason, data);
		job->ended++;
	} while (!job->answered && job->ended < job->count);
	if (job->ended < job->count) {
		append(q, job);
		return NULL;
	}
	if (!job->answered && reason != GW_NO_CONNECTION)
		job->start = next;
	job->done(job);
	return job;
}
