/*
 * recover: what a start makes of a ring and a database that do not agree, or are damaged: each number
 * is received or declared lost, and the gateway goes on.
 */
#include "little_gateway.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PATIENCE_US = 20 * 1000000, IN_STORE = 30, ON_RING = 45 };

static char folder[64], path[96], older[96], ring[96];
static uint64_t max_size;
static struct centre centre[LITTLE_SINKS][LITTLE_DEVICES];
static struct gw_err err;

static int make_folder(void **state)
{
	(void)state;
	max_size = 4 << 20;
	snprintf(folder, sizeof(folder), "/dev/shm/test_recover.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/b.db", folder);
	snprintf(older, sizeof(older), "%s/older", folder);
	snprintf(ring, sizeof(ring), "%s/ring", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[96];

	(void)state;
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			centre_forget(&centre[i][k]);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static struct little *start(void)
{
	return little_start(&(struct little_options){ .path = path, .ring = ring, .boot = "boot",
						      .max_size = max_size },
			    centre, &err);
}

static void produce(struct little *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		little_reading(l, 1 + i % LITTLE_DEVICES);
}

static void commit(struct little *l)
{
	while (!gw_commit_idle(&l->d)) {
		gw_commit_now(&l->d);
		little_go(l);
	}
}

/* Makes IN_STORE readings that are committed, and ON_RING that are not, and is killed. */
static void live_and_be_killed(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct little *l = start();

		produce(l, IN_STORE);
		commit(l);
		produce(l, ON_RING); /* the loop does not turn any more */
		_exit(l->d.npending == ON_RING ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

struct outcome {
	uint64_t received, lost_by_fault; /* by the first sink */
};

static struct outcome come_back(void)
{
	struct little *l = start();
	struct outcome o = { 0 };

	for (int turn = 0; turn < 2; turn++) { /* and it goes on */
		if (turn)
			produce(l, 6);
		if (!little_settle(l, PATIENCE_US))
			fail_msg("it does not come to an end");
		for (unsigned i = 0; i < LITTLE_SINKS; i++)
			for (unsigned k = 0; k < LITTLE_DEVICES; k++) {
				const char *wrong = centre_books(&centre[i][k], l->device[k]->next_seq);

				if (wrong)
					fail_msg("sink %u, device %u: %s", i, k, wrong);
			}
	}
	little_stop(l);
	for (unsigned k = 0; k < LITTLE_DEVICES; k++) {
		o.received += centre[0][k].received.total;
		o.lost_by_fault += centre[0][k].lost_by_fault.total;
	}
	o.received -= 6;
	return o;
}

static void nothing_is_lost_by_a_kill(void **state)
{
	struct outcome o;

	(void)state;
	live_and_be_killed();
	o = come_back();
	assert_int_equal(o.received, IN_STORE + ON_RING);
	assert_int_equal(o.lost_by_fault, 0);
}

/* Of one device three that may have come and three that nobody was sent are given up; no commit has it. */
static void give_up_and_be_killed(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct little *l = start();
		struct gw_giveup g = { .device = l->device[0]->number, .from = 1, .to = UINT64_MAX,
				       .cause = GW_LOSS_BUFFER_FULL, .exact = true };

		for (unsigned i = 0; i < 6; i++) {
			little_reading(l, 1);
			if (i == 2)
				gw_deliver_began(l->sink[0].deliver);
		}
		_exit(gw_deliver_give_up(l->sink[0].deliver, &g) == 6 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void after_a_kill_a_loss_is_said_as_surely_as_before(void **state)
{
	(void)state;
	give_up_and_be_killed();
	come_back();
	assert_int_equal(centre[0][0].lost.total, 6);
	assert_int_equal(centre[0][0].lost_exact.total, 3);
	assert_int_equal(gw_ranges_first(&centre[0][0].lost_exact), gw_ranges_first(&centre[0][0].lost) + 3);
	assert_int_equal(centre[1][0].lost.total, 0);
}

/* With the loss its readings would be below what counts as committed. */
static void a_commit_that_is_cut_tells_of_no_loss_behind_its_cut(void **state)
{
	struct little *l = start();
	struct gw_device *dev = l->device[0];

	(void)state;
	commit(l);
	assert_int_equal(l->d.nchanged_losses, 0);
	l->d.commit_bytes = 1;
	produce(l, 12);
	assert_true(gw_arrive_lost(&l->d, dev, 3, 0, 0));
	gw_commit_now(&l->d);
	assert_true(l->d.commit_cut);
	assert_int_equal(l->d.nchanged_losses, LITTLE_SINKS);
	commit(l);
	assert_false(l->d.commit_cut);
	assert_int_equal(l->d.nchanged_losses, 0);
	little_stop(l);
}

/* Nobody hears of it, or a power cut would give the number to another reading. */
static void a_loss_under_a_number_that_is_not_reserved_waits_for_the_reservation(void **state)
{
	struct little *l = start();
	struct gw_device *dev = l->device[0];
	uint64_t n = dev->reserved - dev->next_seq + 2, tail = gw_ring_tail(l->d.ring);

	(void)state;
	commit(l);
	dev->reserving = true; /* the disk does not answer */
	assert_true(gw_arrive_lost(&l->d, dev, n, 0, 0));
	for (unsigned i = 0; i < 3; i++) {
		gw_commit_now(&l->d);
		while (l->d.commit_running)
			little_go(l);
		assert_int_equal(l->d.nchanged_losses, LITTLE_SINKS);
		assert_true(dev->lost_note >= gw_ring_tail(l->d.ring)); /* a kill finds it */
	}
	assert_true(gw_ring_tail(l->d.ring) > tail); /* what else lay there is not kept by it */
	dev->reserved += 10;
	gw_commit_now(&l->d);
	while (l->d.commit_running)
		little_go(l);
	assert_int_equal(l->d.nchanged_losses, 0);
	little_stop(l);
}

/* ---- a ring that is damaged ---- */

static void flip_byte(off_t at)
{
	unsigned char byte;
	int fd = open(ring, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Where in the file the n-th of those that are not committed begins; they lie behind the others. */
static off_t place_of(unsigned n)
{
	enum { HEADER = 4096 };
	off_t record = 8 + (off_t)sizeof(struct gw_reading) + LITTLE_POINTS * 12;
	static unsigned char bytes[1 << 18];
	int fd = open(ring, O_RDONLY | O_CLOEXEC);
	uint32_t size;
	off_t at = HEADER, last[IN_STORE + ON_RING];
	unsigned found = 0;

	assert_true(fd >= 0 && pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	close(fd);
	for (; at < (off_t)sizeof(bytes) && found < IN_STORE + ON_RING; at += size) {
		memcpy(&size, bytes + at, sizeof(size));
		if (size < 8)
			break;
		if (size + 16 > record)
			last[found++] = at;
	}
	assert_int_equal(found, IN_STORE + ON_RING);
	return last[IN_STORE + n];
}

static void what_lies_behind_damage_in_the_ring_is_declared(void **state)
{
	static const struct {
		const char *what;
		off_t at; /* in its record */
	} table[] = { { "its size", 1 }, { "its kind", 4 }, { "the reading's number", 8 + 16 }, { "a value", 8 + 300 } };
	enum { BEFORE = 20 };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct outcome o;

		if (i) {
			remove_folder(state);
			make_folder(state);
		}
		live_and_be_killed();
		flip_byte(place_of(BEFORE) + table[i].at);
		o = come_back();
		if (o.received != IN_STORE + BEFORE || o.lost_by_fault < ON_RING - BEFORE ||
		    o.lost_by_fault > LITTLE_DEVICES * gw_reservation(LITTLE_RATE))
			fail_msg("%s: %llu received, %llu lost", table[i].what, (unsigned long long)o.received,
				 (unsigned long long)o.lost_by_fault);
	}
}

/* ---- rows that are gone ---- */

static void copy(const char *from, const char *to)
{
	setenv("A", from, 1);
	setenv("B", to, 1);
	assert_int_equal(system("rm -f \"$B-wal\" \"$B-shm\"; cp \"$A\" \"$B\""), 0);
}

/* An older copy of the database is put back: what was committed since is gone, the ring is there. */
static void committed_readings_that_are_gone_are_declared_though_the_ring_is_there(void **state)
{
	struct outcome o;
	struct little *l;

	(void)state;
	l = start();
	produce(l, 12);
	little_stop(l);
	copy(path, older);
	live_and_be_killed();
	copy(older, path);
	o = come_back();
	assert_int_equal(o.received, 12 + ON_RING);
	assert_int_equal(o.lost_by_fault, IN_STORE); /* the ring tells exactly which */
}

/* ---- more than a new database may hold ---- */

static void what_a_smaller_buffer_cannot_take_of_a_damaged_one_is_declared(void **state)
{
	enum { MANY = 2400 };
	static const char junk[100] = "no header";
	struct outcome o;
	struct little *l;
	int fd;

	(void)state;
	l = start();
	produce(l, MANY);
	little_stop(l);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
	close(fd);
	max_size = 1 << 20;
	o = come_back();
	assert_int_equal(o.received + o.lost_by_fault, MANY);
	assert_true(o.received > 500 && o.lost_by_fault > 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_lost_by_a_kill),
		TEST(after_a_kill_a_loss_is_said_as_surely_as_before),
		TEST(a_commit_that_is_cut_tells_of_no_loss_behind_its_cut),
		TEST(a_loss_under_a_number_that_is_not_reserved_waits_for_the_reservation),
		TEST(what_lies_behind_damage_in_the_ring_is_declared),
		TEST(what_a_smaller_buffer_cannot_take_of_a_damaged_one_is_declared),
		TEST(committed_readings_that_are_gone_are_declared_though_the_ring_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
