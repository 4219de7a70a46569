/*
 * queue.h - the jobs that wait for a line, in turn.  A job is what one unit is
 * to be asked in one cycle; the head is the one being asked.  Nothing is
 * allocated: jobs are linked through themselves.
 */
#ifndef MODBUS_QUEUE_H
#define MODBUS_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "plugins/modbus/plan.h"

/* How a unit wants to be asked. */
struct mb_manner {
	uint8_t unit;
	bool close_after; /* close the connection when the job is done and no other waits */
	unsigned retries; /* after GW_TIMEOUT, GW_PROTOCOL, exceptions 5 and 6, a lost connection */
	int64_t timeout_us, pause_us;
	int64_t guard_us;         /* silence before it, whoever was asked before */
	int64_t unit_pause_us;    /* silence before it when another unit was asked before */
	unsigned reconnect_after; /* timeouts in a row that make a connection suspect; 0: never */
	bool any_transaction;     /* TCP: an answer that fits may bear any transaction */
};

/* The owner fills the first part and keeps the whole until done(). */
struct mb_job {
	const struct mb_manner *manner;
	const struct mb_request *requests;
	unsigned count; /* at least 1 */
	/*
	 * Request to begin with, below count.  The line moves it behind a request
	 * that ended a job early, so that one silent block does not hide the others for ever.
	 */
	unsigned start;
	/* Once for each request.  data: mb_answer_size() bytes, borrowed; NULL unless GW_GOOD. */
	void (*answer)(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data);
	/* All requests have ended; the job is the owner's again. */
	void (*done)(struct mb_job *job);
	uint64_t sent; /* requests sent so far, counted up by the line */

	/* the line's */
	struct mb_job *next;
	unsigned ended, attempts;
	bool answered;
	bool probe; /* the unit is in back-off: one attempt */
	int64_t cost_us; /* line time its requests took */
};

struct mb_queue {
	struct mb_job *head, *tail;
};

void mb_queue_push(struct mb_queue *q, struct mb_job *job); /* a new job, behind all */
/* A new job before all others, but for a head that was asked and will be asked again. */
void mb_queue_push_first(struct mb_queue *q, struct mb_job *job);

/* End a job that is in no queue: nothing is asked, all its requests have the reason. */
void mb_job_pass(struct mb_job *job, unsigned reason);

void mb_queue_rotate(struct mb_queue *q); /* the head, which was not asked yet, goes behind all */

unsigned mb_job_current(const struct mb_job *job); /* number of the request to ask next */

/*
 * The head's request ended for good: tell the owner, and give the next job its
 * turn.  Returns the job when that was its last request, after done(): do not
 * look into it, its owner may have queued it again.
 */
struct mb_job *mb_queue_end(struct mb_queue *q, unsigned reason, const uint8_t *data);

#endif
