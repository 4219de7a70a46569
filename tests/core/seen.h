/*
 * seen.h - a gateway without processes that lives in a child and is killed; what the far end of its
 * first sink has seen outlives it: each reading with its times, each loss.  The kernel vouches for
 * the clock when told to.
 */
#ifndef GW_TESTS_SEEN_H
#define GW_TESTS_SEEN_H

#include <sys/mman.h>
#include <sys/timex.h>
#include <sys/wait.h>

#include "little_gateway.h"

enum { N = 40, COPIES = 3 * 4096 };

struct seen { /* of the first device */
	uint64_t first, refused; /* number of one that the far end does not take */
	size_t n, again, twice; /* numbers that came; came again; came with two times or two contents */
	struct copy {
		int64_t ts_ms, mono_ms;
		uint64_t content;
		uint16_t flags;
		bool there, lost, exact; /* exact: is the loss */
	} copy[COPIES];
};

static struct centre centre[LITTLE_SINKS][LITTLE_DEVICES];
static char folder[64], path[80], ring[80];
static bool vouches;
static struct seen *seen;

int adjtimex(struct timex *t) /* in place of the C library's */
{
	*t = (struct timex){ .status = vouches ? 0 : STA_UNSYNC };
	return vouches ? TIME_OK : TIME_ERROR;
}

static int begin(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/test_seen.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/b.db", folder);
	snprintf(ring, sizeof(ring), "%s/ring", folder);
	memset(centre, 0, sizeof(centre));
	vouches = false;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(seen != MAP_FAILED);
	return 0;
}

static int end(void **state)
{
	char command[100];

	(void)state;
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			centre_forget(&centre[i][k]);
	munmap(seen, sizeof(*seen));
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static struct copy *copy_of(uint64_t seq)
{
	assert_true(seq >= seen->first && seq - seen->first < COPIES);
	return &seen->copy[seq - seen->first];
}

static void note_loss(const struct gw_loss_row *row)
{
	for (uint64_t seq = row->from; seq <= row->to; seq++) {
		copy_of(seq)->lost = true;
		copy_of(seq)->exact = row->exact;
	}
}

static void note(unsigned sink, const struct gw_reading *r, const struct gw_loss_row *loss)
{
	struct copy new = { .there = true }, *old;

	if (sink != 0)
		return;
	if (loss) {
		note_loss(loss);
		return;
	}
	new.ts_ms = r->ts_ms;
	new.mono_ms = r->mono_ms;
	new.content = gw_reading_cslots(r)[0];
	new.flags = r->flags & GW_READING_UNSYNCED;
	old = copy_of(r->seq);
	new.lost = old->lost;
	new.exact = old->exact;
	seen->n += !old->there;
	seen->again += old->there;
	if (old->there)
		seen->twice += old->ts_ms != new.ts_ms || old->flags != new.flags || old->content != new.content;
	*old = new;
}

static struct little *start(void)
{
	struct gw_err err;
	struct little *l = little_start(&(struct little_options){ .path = path, .ring = ring, .boot = "boot-1",
								  .max_size = 64 << 20 },
					centre, &err);

	assert_non_null(l);
	l->stamps = true;
	l->note = note;
	if (!seen->first)
		seen->first = l->device[0]->next_seq;
	return l;
}

static void produce(struct little *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		little_reading(l, 1);
}

static void commit(struct little *l)
{
	gw_commit_now(&l->d);
	while (!gw_commit_idle(&l->d))
		little_turn(l);
}

/* All of them go out; nobody acknowledges, and no commit begins. */
static void send_all(struct little *l, size_t until)
{
	l->d.core.buffer.sync_ms = 3600 * 1000;
	little_connect(l, 0);
	while (seen->n < until) {
		gw_sink_pump(&l->sink[0]);
		little_turn(l);
	}
}

/* What `live` does and the kill at its end happen to another process, which ends with this status. */
static int live_and_end(void (*live)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		live();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void live_and_be_killed(void (*live)(void))
{
	assert_int_equal(live_and_end(live), 0);
}

/* The clock is synchronised, and all goes out once more. */
static void synchronise_and_settle(struct little *l)
{
	vouches = true;
	gw_timekeeper_second(&l->d);
	commit(l);
	assert_true(little_settle(l, 20 * 1000000));
}

#endif
