/*
 * test_store_idle.c - what the store does when nobody asks for anything.
 */
#include "one_store.h"

static struct {
	unsigned events, damaged, aside, windows;
	uint64_t seq;
} told;

static void on_event(void *arg, const struct gw_store_event *e)
{
	(void)arg;
	told.events++;
	told.aside += e->kind == GW_STORE_PUT_ASIDE && e->why == GW_STORE_REMOVED;
	if (e->kind == GW_STORE_DAMAGED_WINDOWS) {
		told.windows += (unsigned)e->n;
		told.seq = e->window[0].from;
	}
	if (e->kind == GW_STORE_DAMAGED_ROWS) {
		told.damaged += (unsigned)e->n;
		told.seq = e->row[0].seq;
	}
}

static void open_idle(void)
{
	memset(&told, 0, sizeof(told));
	s.opts.idle_ms = 5;
	s.opts.event = on_event;
	shop_open(&s);
}

/* Turns the loop for so long. */
static void turn_for(int64_t ms)
{
	struct gw_err err;

	for (int64_t end = gw_now_us() + ms * 1000; gw_now_us() < end;)
		if (gw_loop_turn(s.loop, 1, &err) < 0)
			fail_msg("%s", err.msg);
}

/* Until it is so, at most ten seconds. */
static void turn_until_told(const unsigned *what)
{
	for (int i = 0; i < 1000 && *what == 0; i++)
		turn_for(10);
	assert_true(*what > 0);
}

static void sql(const char *text)
{
	char command[300];

	snprintf(command, sizeof(command), "sqlite3 %s \"%s\"", s.path, text);
	assert_int_equal(system(command), 0);
}

static void a_damaged_reading_is_found_before_it_is_needed_and_told_once(void **state)
{
	struct gw_registration r;

	(void)state;
	r = open_pump();
	put(&(struct shop_batch){ r.device, r.next_seq, 9, 5, 5000, r.next_seq, r.next_seq + 8, false });
	shop_close(&s);
	sql("UPDATE reading SET body = x'00' || substr(body, 2) WHERE id = 3");
	open_idle();
	turn_until_told(&told.damaged);
	turn_for(50); /* several walks more */
	assert_int_equal(told.damaged, 1);
	assert_int_equal(told.seq, r.next_seq + 2);
	assert_int_equal(shop_count(&s), 8);
	put(&(struct shop_batch){ .device = r.device, .keep_due = true });
	assert_int_equal(s.result.readings, 8);
}

static void a_damaged_window_is_found_and_told_until_a_commit_lets_it_go(void **state)
{
	uint64_t gone[1] = { 3 << 16 | 1 };

	(void)state;
	shop_open(&s);
	shop_device(&s, "pump");
	shop_close(&s);
	sql("INSERT INTO window VALUES (196609, 1, 1, 41, 49, 0, 0, 60000, x'0102')");
	open_idle();
	shop_device(&s, "pump");
	turn_until_told(&told.windows);
	assert_int_equal(told.seq, 41);
	for (unsigned i = 0, n = told.windows; i < 1000 && told.windows == n; i++)
		turn_for(10);
	assert_true(told.windows > 1);
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .windows_gone = gone, .nwindows_gone = 1 }), 0);
	shop_verify(&s);
	told.windows = 0;
	turn_for(50); /* several walks more */
	assert_int_equal(told.windows, 0);
}

static void a_file_that_is_removed_is_noticed_though_nothing_is_committed(void **state)
{
	struct gw_registration r;

	(void)state;
	open_idle();
	r = shop_device(&s, "pump");
	put(&(struct shop_batch){ r.device, r.next_seq, 9, 5, 5000, r.next_seq, r.next_seq + 8, false });
	unlink(s.path);
	turn_until_told(&told.aside);
	for (int i = 0; i < 1000 && told.events < 2; i++) /* SALVAGED */
		turn_for(10);
	assert_int_equal(shop_count(&s), 9);
	assert_true(shop_size(&s, "") > 0);
}

static unsigned layouts;

static void count_layout(void *arg, uint32_t layout, uint16_t device, const void *body, size_t size)
{
	(void)arg;
	(void)layout;
	(void)device;
	(void)body;
	(void)size;
	layouts++;
}

static unsigned count_layouts(void)
{
	layouts = 0;
	gw_store_visit(s.st, &(struct gw_store_visitor){ .arg = &s, .layout = count_layout, .done = shop_done });
	shop_wait(&s);
	return layouts;
}

static void a_layout_goes_when_no_reading_is_of_it_any_more(void **state)
{
	static const char *const bodies[] = { "first", "second", "third" };
	struct gw_sink_registration sink = { .name = "goc" };
	struct gw_registration r = { 0 };

	(void)state;
	open_idle();
	for (size_t i = 0; i < 3; i++) {
		r = (struct gw_registration){ .name = "pump", .layout = bodies[i], .layout_size = strlen(bodies[i]),
					      .rate = 60 };
		assert_int_equal(shop_register(&s, &r, 1, &sink, 1), 0);
		if (i == 0) /* the test's readings are of layout 1 */
			put(&(struct shop_batch){ r.device, r.next_seq, 9, 5, 5000, r.next_seq, r.next_seq + 8,
						  false });
	}
	for (int i = 0; i < 500 && count_layouts() == 3; i++) {
		put(&(struct shop_batch){ .device = r.device, .keep_due = true });
		turn_for(15);
	}
	assert_int_equal(count_layouts(), 2); /* 1 has readings, 3 is the newest */
	turn_for(100);
	assert_int_equal(count_layouts(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_damaged_reading_is_found_before_it_is_needed_and_told_once, begin, end),
		cmocka_unit_test_setup_teardown(a_damaged_window_is_found_and_told_until_a_commit_lets_it_go, begin, end),
		cmocka_unit_test_setup_teardown(a_file_that_is_removed_is_noticed_though_nothing_is_committed, begin, end),
		cmocka_unit_test_setup_teardown(a_layout_goes_when_no_reading_is_of_it_any_more, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
