/*
 * store, the books of a damaged database: losses, windows, layouts and the memory of plugins go on in
 * the new one, read by SQLite or found on the pages.
 */
#include <fcntl.h>

#include "core/fold.h"
#include "one_store.h"

#define START INT64_C(1763760000000) /* a whole ten minutes */

static char seen[2000];

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...)
{
	size_t n = strlen(seen);
	va_list ap;

	va_start(ap, format);
	vsnprintf(seen + n, sizeof(seen) - n, format, ap);
	va_end(ap);
}

static void on_layout(void *arg, uint32_t layout, uint16_t device, const void *body, size_t size)
{
	(void)arg;
	add("layout %u %u %.*s\n", layout, device, (int)size, (const char *)body);
}

static void on_due(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges)
{
	(void)arg;
	for (uint32_t i = 0; i < ranges->n; i++)
		add("due %u %u %llu-%llu\n", sink, device, (unsigned long long)ranges->r[i].from,
		    (unsigned long long)ranges->r[i].to);
}

static void on_loss(void *arg, const struct gw_loss_row *r)
{
	(void)arg;
	add("loss %llu %u %u %llu-%llu %llu cause %u exact %d %lld-%lld state %u\n", (unsigned long long)r->id,
	    r->sink, r->device, (unsigned long long)r->from, (unsigned long long)r->to,
	    (unsigned long long)r->readings, r->cause, r->exact, (long long)r->ts_from_ms,
	    (long long)r->ts_to_ms, r->state);
}

static void on_thinned(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges)
{
	(void)arg;
	for (uint32_t i = 0; i < ranges->n; i++)
		add("thinned %u %u %llu-%llu\n", sink, device, (unsigned long long)ranges->r[i].from,
		    (unsigned long long)ranges->r[i].to);
}

static void on_state(void *arg, const struct gw_state_row *row)
{
	(void)arg;
	add("state %s %s %.*s%s\n", row->owner, row->key, row->size > 40 ? 4 : (int)row->size,
	    (const char *)row->value, row->size > 40 ? "..." : "");
}

static void on_windows(void *arg, struct gw_windows *windows, const struct gw_err *err)
{
	shop_note(arg, err);
	for (size_t i = 0; i < windows->n; i++) {
		const struct gw_window *w = windows->rows[i].window;

		add("window %llu %llu-%llu %s %u points\n", (unsigned long long)windows->rows[i].id,
		    (unsigned long long)windows->rows[i].from, (unsigned long long)windows->rows[i].to,
		    w ? "whole" : "damaged", w ? w->points : 0);
	}
	gw_windows_free(windows);
}

/* All that the books say, but for what is due when that is not known. */
static const char *books(bool with_due)
{
	static char copy[sizeof(seen)];

	seen[0] = '\0';
	gw_store_visit(s.st, &(struct gw_store_visitor){
				     .arg = &s, .layout = on_layout, .due = with_due ? on_due : NULL,
				     .loss = on_loss, .thinned = on_thinned, .state = on_state, .done = shop_done });
	shop_wait(&s);
	gw_store_windows(s.st, &(struct gw_windows_query){ .sink = 1, .max_bytes = 1 << 20 }, on_windows, &s);
	shop_wait(&s);
	memcpy(copy, seen, sizeof(copy));
	return copy;
}

static uint64_t first; /* number; the next comes half a second later */

static struct gw_window *window_of(uint16_t device, uint64_t from, uint64_t to)
{
	struct gw_fold *f = gw_fold_new(GW_MINUTE_MS);
	struct gw_window *w;

	for (uint64_t seq = from; seq <= to; seq++) {
		struct gw_reading *r = some_reading(device, seq, START + (int64_t)(seq - first) * 500, 40);

		assert_true(gw_fold_add(f, r));
		free(r);
	}
	w = gw_fold_take(f);
	gw_fold_free(f);
	return w;
}

/* Numbers first.. + 99: 50 readings, 30 in a window, 20 lost in two records, one of them sent. */
static void fill(void)
{
	static char learned[9000]; /* on pages of its own */
	struct gw_registration r;
	struct gw_window_piece piece = { .sink = 1, .first_id = 70 };
	struct gw_loss_row losses[2];
	struct gw_state_row states[] = {
		{ "source/field", "counter", "12345", 5 }, { "source/field", "map", learned, sizeof(learned) },
		{ "sink/goc", "session", "7", 1 },
	};

	r = open_pump();
	first = r.first_seq;
	put(&(struct shop_batch){ r.device, r.next_seq, 50, 5, START, r.next_seq + 10, r.next_seq + 49, false });
	memset(learned, 'm', sizeof(learned));
	piece.window = window_of(r.device, r.next_seq + 50, r.next_seq + 79);
	losses[0] = (struct gw_loss_row){ .id = 1, .sink = 1, .device = r.device, .cause = 3, .exact = true,
					  .from = r.next_seq + 80, .to = r.next_seq + 84, .readings = 5,
					  .ts_from_ms = START, .ts_to_ms = START + 4000, .state = 1 };
	losses[1] = (struct gw_loss_row){ .id = 2, .sink = 1, .device = r.device, .cause = 2,
					  .from = r.next_seq + 85, .to = r.next_seq + 99, .readings = 15 };
	assert_int_equal(shop_commit(&s, &(struct gw_commit){
						 .losses = losses, .nlosses = 2, .states = states, .nstates = 3,
						 .windows = &piece, .nwindows = 1,
						 .next = &(struct gw_next_row){ r.device, r.next_seq + 100 },
						 .nnext = 1 }), 0);
	free((void *)(uintptr_t)piece.window);
}

static void overwrite(off_t at, const void *bytes, size_t n)
{
	int fd = open(s.path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void lose_the_schema(void)
{
	char junk[4096];

	memset(junk, 0xa5, sizeof(junk));
	overwrite(0, junk, sizeof(junk));
}

static void lose_the_list_of_due(void)
{
	char command[200];

	snprintf(command, sizeof(command), "sqlite3 %s 'DROP TABLE due'", s.path);
	assert_int_equal(system(command), 0);
}

static void the_books_of_a_damaged_buffer_go_on(void **state)
{
	static void (*const harm[])(void) = { lose_the_schema, lose_the_list_of_due };

	(void)state;
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		char before[sizeof(seen)];

		fill();
		memcpy(before, books(false), sizeof(before));
		assert_non_null(strstr(before, "state source/field map mmmm...\n"));
		assert_non_null(strstr(before, " whole 40 points\n"));
		assert_non_null(strstr(before, "loss 2 "));
		shop_close(&s);
		harm[i]();
		shop_open(&s);
		assert_true(s.aside[0] != '\0');
		shop_device(&s, "pump");
		assert_string_equal(books(false), before);
		shop_free(&s);
		shop_new(&s);
	}
}

/* Memory knows what is due: that goes on too, exactly. */
static void the_books_go_on_when_the_file_is_removed_under_way(void **state)
{
	char before[sizeof(seen)];

	(void)state;
	fill();
	memcpy(before, books(true), sizeof(before));
	assert_non_null(strstr(before, "due 1 1 "));
	unlink(s.path);
	assert_string_equal(books(true), before);
	shop_close(&s);
	shop_open(&s);
	assert_false(s.info.created);
	assert_string_equal(s.aside, "");
	shop_device(&s, "pump");
	assert_string_equal(books(true), before);
}

/* A window that was handed out changes no more, also in the new database. */
static void a_window_that_was_handed_out_stays_as_it_was(void **state)
{
	struct gw_window_piece piece = { .sink = 1, .first_id = 100 };
	char before[sizeof(seen)];
	struct gw_registration r;

	(void)state;
	fill();
	memcpy(before, books(false), sizeof(before)); /* hands it out */
	shop_close(&s);
	lose_the_schema();
	r = open_pump();
	piece.window = window_of(r.device, r.first_seq + 80, r.first_seq + 81); /* would continue it */
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .windows = &piece, .nwindows = 1 }), 0);
	free((void *)(uintptr_t)piece.window);
	assert_non_null(strstr(books(false), strstr(before, "window ")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_books_of_a_damaged_buffer_go_on),
		TEST(the_books_go_on_when_the_file_is_removed_under_way),
		TEST(a_window_that_was_handed_out_stays_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
