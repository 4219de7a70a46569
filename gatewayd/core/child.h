/*
 * child.h - one plugin process: started, spoken to, watched, ended, started again.
 *
 * What happens when is supervise.h's table; this module carries it out: fork and exec in an
 * own process group with nothing inherited but the link (3) and standard error, the talk up to
 * READY, heartbeat, deadlines and back-off.  What the messages mean is the owner's affair.
 */
#ifndef GW_CORE_CHILD_H
#define GW_CORE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/link.h"
#include "core/settings.h"
#include "core/supervise.h"
#include "gatewayd/loop.h"

struct gw_child;

struct gw_child_ops {
	/*
	 * Until READY.  Any may be NULL: then it is the program of before with the configuration of
	 * before, started again.  Its keys were checked, problems are logged and end it, and what it
	 * declares is refused.
	 */
	/* The plugin has described its keys.  Return true to go on (the instance's stream is
	 * sent), false to leave it at that (a problem was found). */
	bool (*described)(void *arg, const struct gw_described *keys);
	void (*problem)(void *arg, const struct gw_msg_problem *p); /* also a warning */
	/* DEVICE, POINT.  -1 with *err: the plugin lied and is dropped. */
	int (*declares)(void *arg, const struct gw_message *m, struct gw_err *err);
	bool (*ready)(void *arg, unsigned problems); /* false: it is not what it was; dropped */

	/* From START on; starting, running, drained and stopped may be NULL. */
	void (*starting)(void *arg); /* START is about to be sent */
	void (*running)(void *arg);  /* START was sent */
	int (*message)(void *arg, const struct gw_message *m, struct gw_err *err); /* -1: as above */
	void (*drained)(void *arg);  /* the link has room again after gw_child_sendv() gave 0 */

	/* It is no longer running: `reason` in words; it will be started again unless it was told to stop. */
	void (*down)(void *arg, const char *reason);
	void (*stopped)(void *arg);  /* state DOWN reached: nothing is left of it */
};

struct gw_child_options {
	struct gw_loop *loop;
	struct gw_receiver *receiver; /* shared by all children of the loop */
	struct gw_instance *instance; /* must outlive the child */
	const char *gateway;          /* gateway.id; copied */
	const struct gw_child_ops *ops;
	void *arg;
	int64_t hurry; /* divides all deadlines and back-offs, for tests; 0: 1 */
};

struct gw_child *gw_child_new(const struct gw_child_options *o);
void gw_child_free(struct gw_child *c); /* kills what is left of it; NULL is allowed */

void gw_child_start(struct gw_child *c);
void gw_child_stop(struct gw_child *c);    /* then stopped() */
void gw_child_restart(struct gw_child *c); /* forgives its failures */
void gw_child_go(struct gw_child *c, int64_t epoch_us); /* after ready(): START; restarts go by themselves then */
/* The same process under a new owner and a settings object that took the old one's place. */
void gw_child_adopt(struct gw_child *c, struct gw_instance *instance, const struct gw_child_ops *ops, void *arg);

/* Control messages: queued when the link is full. */
void gw_child_send(struct gw_child *c, const struct gw_message *m);
/* One message that may wait: 1 sent; 0 the link is full, drained() follows. */
int gw_child_offer(struct gw_child *c, const struct gw_message *m);
/* Readings, back to back in one message: 1 sent; 0 the link is full, drained() follows. */
int gw_child_sendv(struct gw_child *c, enum gw_message_type type, const struct gw_reading *const *r, size_t n);

struct gw_child_status {
	enum gw_life life;
	pid_t pid;             /* 0: none */
	unsigned restarts;     /* since the daemon started */
	uint64_t heard;        /* messages */
	char reason[200];      /* why it is not running, or why it was started again; may be empty */
	int64_t since_us;      /* of the state */
};
const struct gw_child_status *gw_child_status(const struct gw_child *c);

#endif
