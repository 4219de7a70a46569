/*
 * test_full_ring.c - room is made in a full ring before a commit has what lies there: nothing of it may
 * be forgotten, whenever the process is killed.  It is killed before and after each thing that is
 * done to the ring, on a disk that has taken no commit for an hour.
 */
#include "core/ring.h"

/* Names of the ring's own calls; those of the gateway go through the ones below. */
const struct gw_reading *ring_append(struct gw_ring *r, const struct gw_reading *reading, uint64_t *at);
bool ring_append_ack(struct gw_ring *r, const struct gw_ring_ack *ack);
bool ring_append_told(struct gw_ring *r, const struct gw_ring_ack *told);
void ring_release(struct gw_ring *r, uint64_t to);

#define gw_ring_append ring_append
#define gw_ring_append_ack ring_append_ack
#define gw_ring_append_told ring_append_told
#define gw_ring_release ring_release
#include "core/ring.c"
#undef gw_ring_append
#undef gw_ring_append_ack
#undef gw_ring_append_told
#undef gw_ring_release

#include "seen.h"

enum { BIG_POINTS = 1000, TOO_LARGE = 5, SURVIVED = 7 };

static unsigned steps; /* until the kill; 0: none is near */

static void step(void)
{
	if (steps && --steps == 0)
		_exit(0);
}

const struct gw_reading *gw_ring_append(struct gw_ring *r, const struct gw_reading *reading, uint64_t *at)
{
	const struct gw_reading *kept;

	step();
	kept = ring_append(r, reading, at);
	step();
	return kept;
}

bool gw_ring_append_ack(struct gw_ring *r, const struct gw_ring_ack *ack)
{
	bool done;

	step();
	done = ring_append_ack(r, ack);
	step();
	return done;
}

bool gw_ring_append_told(struct gw_ring *r, const struct gw_ring_ack *told)
{
	bool done;

	step();
	done = ring_append_told(r, told);
	step();
	return done;
}

void gw_ring_release(struct gw_ring *r, uint64_t to)
{
	step();
	ring_release(r, to);
	step();
}

/* ---- lives ---- */

/* The far ends answer at once; what lies in the buffer was sent and stays without an answer. */
static void acknowledge_from(struct little *l, uint64_t seq)
{
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		gw_sink_pump(&l->sink[i]);
	for (size_t i = 0; i < l->nacks; i++)
		if (l->acks[i].what == GW_ACK_READINGS && l->acks[i].from >= seq) {
			if (l->acks[i].from == seen->refused)
				l->acks[i].result = GW_ACK_TOO_LARGE;
			gw_deliver_ack(l->sink[l->ack_sink[i]].deliver, &l->acks[i]);
		}
	l->nacks = 0;
}

static bool take_big(struct little *l)
{
	return gw_arrive(&l->d, l->device[0], little_new_reading(l, 1, BIG_POINTS));
}

static size_t big_size(void)
{
	return sizeof(struct gw_reading) + gw_reading_tags_size(BIG_POINTS) + BIG_POINTS * 8;
}

static bool big_fits(const struct little *l)
{
	return gw_ring_room(l->d.ring) >= 2 * big_size();
}

/* Sent from the buffer without an answer; then the ring runs full of what both sinks have taken. */
static struct little *fill_with_what_is_taken(void)
{
	struct little *l = start();
	uint64_t first;

	produce(l, N);
	commit(l);
	send_all(l, N);
	little_connect(l, 1);
	l->nacks = 0;
	seen->refused = l->device[0]->next_seq + TOO_LARGE;
	for (first = l->device[0]->next_seq; big_fits(l); acknowledge_from(l, first))
		assert_true(take_big(l));
	return l;
}

static unsigned kill_at;

static void run_full_and_go_on(void)
{
	struct little *l = fill_with_what_is_taken();
	uint64_t tail = gw_ring_tail(l->d.ring), first = l->device[0]->next_seq;

	steps = kill_at;
	while (gw_ring_tail(l->d.ring) == tail) {
		take_big(l);
		acknowledge_from(l, first);
	}
	take_big(l);
	acknowledge_from(l, first);
	_exit(SURVIVED);
}

/* Some in the buffer, then readings of nobody's interest yet, and at last notes, until not one has room. */
static struct little *fill_to_the_brim(void)
{
	struct little *l = start();
	struct gw_ring_ack ack = { .sink = 1, .device = 1, .from = 1, .to = 1 };

	produce(l, N);
	commit(l);
	l->d.core.buffer.sync_ms = 3600 * 1000;
	while (big_fits(l))
		assert_true(take_big(l));
	while (gw_ring_append_ack(l->d.ring, &ack))
		;
	return l;
}

static void note_and_die(unsigned sink, const struct gw_reading *r, const struct gw_loss_row *loss)
{
	note(sink, r, loss);
	if (sink == 0)
		_exit(0);
}

static void send_from_a_full_ring(void)
{
	struct little *l = fill_to_the_brim();

	l->note = note_and_die;
	little_connect(l, 0);
	for (;;) {
		gw_sink_pump(&l->sink[0]);
		little_turn(l);
	}
}

/* No room for a reading, but for the note that it was given up. */
static void lose_at_once(void)
{
	struct little *l = start();

	l->d.core.buffer.sync_ms = 3600 * 1000;
	while (take_big(l))
		;
}

/* Commits that begin meanwhile do not know of what is lost after them. */
static void lose_more_under_a_commit(void)
{
	struct little *l = start();
	uint64_t head, ended;

	commit(l);
	ended = l->d.commits_ended;
	l->d.core.buffer.sync_ms = 3600 * 1000;
	l->d.evicting = true; /* so that no commit begins yet */
	l->device[0]->reserved = UINT64_MAX / 2; /* so that nothing turns the loop */
	while (take_big(l))
		;
	head = gw_ring_head(l->d.ring);
	l->d.evicting = false;
	gw_commit_now(&l->d);
	take_big(l);
	assert_true(l->d.commit_running);
	assert_true(gw_ring_head(l->d.ring) == head); /* the same note */
	while (l->d.commits_ended == ended)
		little_turn(l);
	_exit(gw_ring_tail(l->d.ring) == head - GW_RING_NOTE ? SURVIVED : 1);
}

static void lose_more_at_once(void)
{
	struct little *l = start();
	uint64_t head = gw_ring_head(l->d.ring);
	bool had_room = false;

	l->d.core.buffer.sync_ms = 3600 * 1000;
	l->d.evicting = true; /* so that no commit begins */
	l->device[0]->reserved = UINT64_MAX / 2;
	while (take_big(l))
		had_room = true; /* a slow start has committed what was there: nothing is seen this time */
	assert_false(take_big(l));
	_exit(had_room || gw_ring_head(l->d.ring) == head ? SURVIVED : 1);
}

/* As many readings as make a commit begin before its time, and the acknowledgements of all of them. */
static void take_a_thousand(void)
{
	struct little *l = start();

	commit(l);
	l->d.core.buffer.sync_ms = 3600 * 1000;
	little_connect(l, 0);
	little_connect(l, 1);
	l->d.evicting = true; /* so that no commit begins here */
	produce(l, 1000);
	while (gw_deliver_open_from(l->sink[0].deliver, 1) || gw_deliver_open_from(l->sink[1].deliver, 1))
		acknowledge_from(l, 0);
}

static void come_back_and_die_when_the_ring_is_released(void)
{
	struct little *l;

	steps = 2;
	l = start();
	for (;;)
		little_turn(l);
}

/* ---- after it ---- */

static void assert_books_close(const struct little *l)
{
	for (uint64_t seq = seen->first; seq < l->device[0]->next_seq; seq++)
		if (!copy_of(seq)->there && !copy_of(seq)->lost)
			fail_msg("killed at step %u: number %llu of %llu neither came nor was it declared lost", kill_at,
				 (unsigned long long)(seq - seen->first),
				 (unsigned long long)(l->device[0]->next_seq - seen->first));
}

static void come_back_and_compare(void)
{
	struct little *l = start();

	produce(l, 3);
	synchronise_and_settle(l);
	if (seen->twice)
		fail_msg("killed at step %u: %zu readings came with two times or contents", kill_at, seen->twice);
	assert_books_close(l);
	if (seen->refused && !copy_of(seen->refused)->lost)
		fail_msg("killed at step %u: what the far end refused was not declared lost", kill_at);
	little_stop(l);
}

static void nothing_is_forgotten_when_room_is_made_in_a_full_ring(void **state)
{
	for (kill_at = 1;; kill_at++) {
		int status = live_and_end(run_full_and_go_on);

		come_back_and_compare();
		if (status == SURVIVED)
			break;
		assert_int_equal(status, 0);
		end(state);
		begin(state);
	}
	assert_true(kill_at > 8);
}

static void what_goes_out_with_a_full_ring_is_known_after_a_kill(void **state)
{
	(void)state;
	live_and_be_killed(send_from_a_full_ring);
	assert_true(seen->n > 0);
	come_back_and_compare();
}

static void what_was_lost_at_once_is_declared_after_a_kill(void **state)
{
	(void)state;
	live_and_be_killed(lose_at_once);
	come_back_and_compare();
}

static void what_is_lost_through_many_kills_takes_one_note(void **state)
{
	(void)state;
	live_and_be_killed(lose_at_once);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(live_and_end(lose_more_at_once), SURVIVED);
	come_back_and_compare();
}

static void what_is_lost_while_a_commit_runs_stays_noted_when_it_has_ended(void **state)
{
	(void)state;
	assert_int_equal(live_and_end(lose_more_under_a_commit), SURVIVED);
	come_back_and_compare();
}

/* It would be given again after a kill. */
static void a_number_that_no_note_has_room_for_is_not_given(void **state)
{
	struct little *l = fill_to_the_brim();
	struct gw_device *dev = l->device[0];
	uint64_t next = dev->next_seq;

	(void)state;
	gw_ring_reserve(l->d.ring, 0);
	while (gw_ring_append_ack(l->d.ring, &(struct gw_ring_ack){ .sink = 1, .device = 1, .from = 1, .to = 1 }))
		;
	l->d.evicting = true; /* so that no commit makes room */
	assert_false(take_big(l));
	assert_false(take_big(l));
	assert_true(dev->next_seq == next);
	assert_int_equal(dev->unnumbered.n, 2);
	assert_false(gw_arrive_lost(&l->d, dev, 2, 0, 0));
	l->d.evicting = false;
	l->d.core.buffer.sync_ms = 5;
	commit(l);
	assert_true(gw_arrive_lost(&l->d, dev, 2, 0, 0));
	assert_true(dev->next_seq == next + 2);
	synchronise_and_settle(l);
	assert_true(copy_of(next)->lost && copy_of(next + 1)->lost);
	little_stop(l);
}

/* It has nothing of the ring in it, and yet its end lets go what lay there when it began. */
static void no_room_is_made_under_a_commit_that_runs(void **state)
{
	struct little *l = start();
	uint64_t first, next;

	(void)state;
	commit(l);
	l->d.core.buffer.sync_ms = 3600 * 1000;
	little_connect(l, 0);
	little_connect(l, 1);
	l->device[0]->reserved = UINT64_MAX / 2; /* so that nothing turns the loop, and the commit does not end */
	first = next = l->device[0]->next_seq;
	gw_commit_now(&l->d);
	while (take_big(l))
		acknowledge_from(l, first);
	assert_true(l->d.commit_running);
	assert_true(gw_ring_tail(l->d.ring) == 0);
	l->d.core.buffer.sync_ms = 5;
	commit(l);
	assert_true(gw_ring_tail(l->d.ring) > 0);
	assert_true(little_settle(l, 20 * 1000000));
	for (next = first; next < l->device[0]->next_seq; next++)
		assert_true(copy_of(next)->there || copy_of(next)->lost);
	little_stop(l);
}

static void a_commit_of_what_the_ring_brought_back_has_its_acknowledgements(void **state)
{
	struct little *l;

	(void)state;
	live_and_be_killed(take_a_thousand);
	live_and_be_killed(come_back_and_die_when_the_ring_is_released);
	l = start();
	synchronise_and_settle(l);
	assert_int_equal(seen->n, 1000);
	assert_int_equal(seen->again, 0);
	little_stop(l);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_forgotten_when_room_is_made_in_a_full_ring),
		T(what_goes_out_with_a_full_ring_is_known_after_a_kill),
		T(no_room_is_made_under_a_commit_that_runs),
		T(a_commit_of_what_the_ring_brought_back_has_its_acknowledgements),
		T(what_was_lost_at_once_is_declared_after_a_kill),
		T(what_is_lost_through_many_kills_takes_one_note),
		T(what_is_lost_while_a_commit_runs_stays_noted_when_it_has_ended),
		T(a_number_that_no_note_has_room_for_is_not_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
