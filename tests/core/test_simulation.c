/*
 * test_simulation.c - a whole gateway, simulated: the daemon as it is from gw_daemon_run() on, with
 * simulated time, sources, sinks and faults (sim.h), at a schedule drawn from a seed.  Each number
 * that was produced comes, or is declared lost or thinned; nothing comes with two contents;
 * progress closes only what came or was declared.
 *
 *	SEED=7 build/release/tests/core/test_simulation          one seed, and what happened at the end of it
 *	SEEDS=1-10000 build/release/tests/core/test_simulation   many
 */
#include "some_reading.h"
#include "sim_plan.h"

#include <sys/mman.h>
#include <sys/wait.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

enum { LOG_SHOWN = 6000 };

static int log_fd = -1;

/* The daemon's own words: standard error is a file while it runs. */
static void log_begin(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	if (log_fd < 0 || dup2(log_fd, 2) < 0)
		abort();
}

static void sim_show_log(void)
{
	char text[LOG_SHOWN + 1];
	off_t size = lseek(log_fd, 0, SEEK_END), from = size > LOG_SHOWN ? size - LOG_SHOWN : 0;
	ssize_t n = pread(log_fd, text, LOG_SHOWN, from);

	text[n > 0 ? n : 0] = '\0';
	fprintf(sim.report, "%s\n", text);
}

static void on_abort(int signo)
{
	(void)signo;
	sim_fail("aborted");
}

static void boots(void)
{
	sim.boot++;
	if (sim.boot == SIM_BOOTS)
		sim_fail("too many boots");
	sim.mono_us = 2000000 + sim_below(5000000);
	sim.utc_us += 1000000 + (int64_t)sim_below(100000000);
	sim.offset_us[sim.boot] = sim.utc_us - sim.mono_us;
	sim.vouched = !(plan.faults & SIM_CLOCK) || sim_one_in(2);
}

/* Until its end, whatever that is. */
static void live(void)
{
	sim.killed = false;
	sim_note("start, boot %u", sim.boot);
	plan.life = 50 + sim_below(600);
	sim_life_begins(plan.orders || (!plan.calm && plan.faults & SIM_POWER && sim_one_in(3)));
	sim_weather();
	if (plan.calm)
		sim_clear_weather();
	gw_daemon_run(disk.config);
	sim_life_ends();
	if (disk.power ? sim.killed : !ledger.no_loss && access(disk.ring, F_OK) == 0) /* else it ended with a commit */
		sim_forget_closed();
	if (sim.killed && disk.power) {
		sim_forget_loose();
		boots();
	}
	else
		sim_pass((int64_t)sim_below(3000000));
}

static void draw(uint64_t seed)
{
	static const unsigned points[] = { 1, 1, 30, 300, 1000 };

	sim.seed = sim.random = seed;
	plan.faults = (unsigned)sim_random() & (unsigned)sim_random() & SIM_ALL;
	if (sim_one_in(4))
		plan.faults |= SIM_KILLS;
	configured.points = points[sim_below(5)];
	configured.history = sim_one_in(2) ? "0s" : "7d";
	configured.when_full = sim_one_in(2) ? "drop-oldest" : "thin";
	configured.sync_ms = sim_one_in(4) ? 0 : (int)sim_below(3000);
	configured.max_size = sim_one_in(3) ? "16MiB" : "1GiB";
	sim.commit_bytes = sim_one_in(2) ? 0 : 1000 + sim_below(100000);
	configured.too_large = plan.faults & SIM_GRUMPY ? 120 : 0;
	plan.steps = 300 + sim_below(1500);
	ledger.no_loss = !(plan.faults & (SIM_POWER | SIM_IO | SIM_FULL_DISK)) && configured.points == 1;
	for (unsigned i = 0; i < SIM_DEVICES; i++)
		configured.device[i] = true;
}

/* No chance but in what does not matter. */
static void follow(const struct sim_order *orders)
{
	plan.orders = orders;
	plan.faults = 0;
	plan.steps = 0;
	configured.points = 1000;
	configured.too_large = 0;
	sim.commit_bytes = 0;
	configured.max_size = "1GiB";
	configured.history = "0s";
	configured.when_full = "drop-oldest";
	configured.sync_ms = 1000;
	ledger.no_loss = false;
}

static void check_all(void)
{
	for (unsigned i = 0; i < SIM_DEVICES; i++)
		if (ledger.device[i].next - ledger.device[i].first < ledger.device[i].produced)
			sim_fail("d%u made %" PRIu64 " readings and gave %" PRIu64 " numbers", i, ledger.device[i].produced,
				 ledger.device[i].next - ledger.device[i].first);
	for (unsigned sink = 0; sink < SIM_SINKS; sink++)
		for (unsigned i = 0; i < SIM_DEVICES; i++)
			if (ledger.device[i].told[sink].closed < ledger.device[i].next)
				sim_fail("sink %u: d%u %" PRIu64 " neither came nor was declared lost, and all is drained",
					 sink, i, ledger.device[i].told[sink].closed);
}

static void simulate(uint64_t seed, const struct sim_order *orders)
{
	sim.report = fdopen(dup(2), "w");
	log_begin();
	signal(SIGABRT, on_abort);
	draw(seed);
	if (orders)
		follow(orders);
	sim.utc_us = INT64_C(1900000000000000);
	sim_folder_make();
	hook_vfs_install();
	hook_each = sim_each_operation;
	sim_configure();
	boots();
	while (!sim_drained)
		live();
	check_all();
	sim_folder_remove();
}

/* ---- seeds, each in a process of its own ---- */

static bool survives(uint64_t seed, const struct sim_order *orders)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		simulate(seed, orders);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void the_books_close_whatever_happens(void **state)
{
	const char *one = getenv("SEED"), *many = getenv("SEEDS");
	uint64_t from = 1, to = 14, failed = 0;

	(void)state;
	if (one)
		from = to = strtoull(one, NULL, 10);
	else if (many)
		sscanf(many, "%" SCNu64 "-%" SCNu64, &from, &to);
	for (uint64_t seed = from; seed <= to; seed++) {
		failed += !survives(seed, NULL);
		if (seed % 500 == 0) /* an hour is long */
			print_message("seed %" PRIu64 "\n", seed);
	}
	if (failed)
		fail_msg("%" PRIu64 " of %" PRIu64 " seeds failed", failed, to - from + 1);
}

/* ---- what seeds have found, told ---- */

enum { ALL = 7, WITHOUT_D1 = 5 };

static void tell(const struct sim_order *orders)
{
	if (!survives(1, orders))
		fail_msg("see above");
}

static void a_device_that_is_taken_out_before_a_commit_goes_on_with_its_numbers(void **state)
{
	(void)state;
	tell((const struct sim_order[]){ { SIM_SYNC, 3600000, 0 }, { SIM_PRESENT, ALL, 0 }, { SIM_STORE, 100, 0 },
					 { SIM_READ, 5, 1 }, { SIM_PRESENT, WITHOUT_D1, 0 }, { SIM_PRESENT, ALL, 0 }, { SIM_READ, 5, 1 },
					 { SIM_STORE, 50, 0 }, { SIM_END, 0, 0 } });
}

static void what_a_power_cut_took_of_a_device_that_is_taken_out_is_declared(void **state)
{
	(void)state;
	tell((const struct sim_order[]){ { SIM_STORE, 50, 0 }, { SIM_CONNECT, 0, 0 }, { SIM_READ, 5, 1 },
					 { SIM_SINK_WORKS, 0, 0 }, { SIM_STORE, 100, 0 }, { SIM_SYNCS_FAIL, 1000, 0 }, { SIM_READ, 5, 1 },
					 { SIM_SINK_WORKS, 0, 0 }, { SIM_PRESENT, WITHOUT_D1, 0 },
					 { SIM_POWER_CUT, 0, 0 }, { SIM_STORE, 100, 0 }, { SIM_CONNECT, 0, 0 },
					 { SIM_SINK_WORKS, 0, 0 }, { SIM_PRESENT, ALL, 0 }, { SIM_READ, 5, 1 },
					 { SIM_END, 0, 0 } });
}

static void a_full_disk_that_has_room_again_is_used_though_all_is_due(void **state)
{
	(void)state;
	tell((const struct sim_order[]){ { SIM_STORE, 50, 0 }, { SIM_DISK_FULL, 0, 0 }, { SIM_READ, 40, 0 },
					 { SIM_STORE, 200, 0 }, { SIM_DISK_ROOM, 0, 0 }, { SIM_PASS, 70000, 0 },
					 { SIM_STORE, 200, 0 }, { SIM_WORKS_AGAIN, 0, 0 }, { SIM_END, 0, 0 } });
}

static void numbers_that_found_no_room_in_the_ring_are_declared_after_a_kill(void **state)
{
	(void)state;
	tell((const struct sim_order[]){ { SIM_STORE, 50, 0 }, { SIM_SYNCS_FAIL, 1000, 0 }, { SIM_READ, 300, 0 },
					 { SIM_READ, 300, 1 }, { SIM_KILL, 0, 0 }, { SIM_READ, 5, 0 },
					 { SIM_READ, 5, 1 }, { SIM_END, 0, 0 } });
}

static void what_found_no_number_is_declared_after_a_kill(void **state)
{
	(void)state;
	tell((const struct sim_order[]){ { SIM_STORE, 50, 0 }, { SIM_READ, 3000, 0 }, { SIM_KILL, 0, 0 },
					 { SIM_READ, 5, 0 }, { SIM_END, 0, 0 } });
}

static void what_was_on_the_link_when_a_connection_ended_is_not_published_in_the_next(void **state)
{
	(void)state;
	tell((const struct sim_order[]){ { SIM_PRESENT, ALL, 0 }, { SIM_CONNECT, 1, 0 }, { SIM_SINK_TAKES, 1, 0 },
					 { SIM_READ, 2, 0 }, { SIM_STORE, 100, 0 }, { SIM_DISCONNECT, 1, 0 },
					 { SIM_CONNECT, 1, 0 }, { SIM_STORE, 100, 0 }, { SIM_SINK_TAKES, 1, 0 },
					 { SIM_STORE, 10, 0 }, { SIM_CAME_ONCE, 0, 0 }, { SIM_END, 0, 0 } });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_books_close_whatever_happens),
		cmocka_unit_test(a_device_that_is_taken_out_before_a_commit_goes_on_with_its_numbers),
		cmocka_unit_test(what_a_power_cut_took_of_a_device_that_is_taken_out_is_declared),
		cmocka_unit_test(a_full_disk_that_has_room_again_is_used_though_all_is_due),
		cmocka_unit_test(numbers_that_found_no_room_in_the_ring_are_declared_after_a_kill),
		cmocka_unit_test(what_found_no_number_is_declared_after_a_kill),
		cmocka_unit_test(what_was_on_the_link_when_a_connection_ended_is_not_published_in_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
