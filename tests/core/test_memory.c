/*
 * test_memory.c - the memory of plugins: limits, what a commit gets, and what the store gives back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/memory.h"
#include "gatewayd/plugin.h"
#include "some_store.h"

static struct gw_memory *m;
static char seen[4096];

static int begin(void **state)
{
	(void)state;
	m = gw_memory_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	gw_memory_free(m);
	return 0;
}

static int put(const char *owner, const char *key, const char *value, struct gw_err *err)
{
	struct gw_state_row row = { owner, key, value, strlen(value) };

	return gw_memory_put(m, &row, err);
}

static void note(void *arg, const struct gw_state_row *row)
{
	size_t n = strlen(seen);

	(void)arg;
	snprintf(seen + n, sizeof(seen) - n, "%s:%s=%.*s ", row->owner, row->key, (int)row->size,
		 row->size ? (const char *)row->value : "");
}

static const char *each(const char *owner)
{
	seen[0] = '\0';
	gw_memory_each(m, owner, note, NULL);
	return seen;
}

static const char *gathered(void)
{
	size_t n;
	struct gw_state_row *rows = gw_memory_gather(m, &n);

	seen[0] = '\0';
	for (size_t i = 0; i < n; i++)
		note(NULL, &rows[i]);
	free(rows);
	return seen;
}

static void things_belong_to_their_owner_and_come_by_key(void **state)
{
	struct gw_err err;

	(void)state;
	assert_int_equal(put("source/b", "x", "1", &err), 0);
	assert_int_equal(put("source/a", "y", "2", &err), 0);
	assert_int_equal(put("source/a", "x", "3", &err), 0);
	assert_int_equal(put("sink/a", "x", "4", &err), 0);
	assert_int_equal(put("source/a", "y", "22", &err), 0);
	assert_string_equal(each("source/a"), "source/a:x=3 source/a:y=22 ");
	assert_string_equal(each("source/b"), "source/b:x=1 ");
	assert_string_equal(each("source/c"), "");
}

static void a_commit_gets_each_change_once_and_again_after_a_failure(void **state)
{
	struct gw_err err;

	(void)state;
	gw_memory_restore(m, &(struct gw_state_row){ "source/a", "old", "0", 1 });
	assert_false(gw_memory_changed(m));
	put("source/a", "old", "0", &err); /* as it was: nothing to write */
	assert_false(gw_memory_changed(m));
	put("source/a", "x", "1", &err);
	put("source/a", "x", "2", &err);
	assert_true(gw_memory_changed(m));
	assert_string_equal(gathered(), "source/a:x=2 ");
	assert_string_equal(gathered(), "");
	put("source/a", "x", "3", &err);
	assert_string_equal(gathered(), "source/a:x=3 ");
	gw_memory_committed(m, false);
	assert_string_equal(gathered(), "source/a:x=3 ");
	gw_memory_committed(m, true);
	assert_string_equal(gathered(), "");
}

static void what_is_forgotten_stays_forgotten_until_a_commit_knows_it(void **state)
{
	struct gw_err err;

	(void)state;
	put("source/a", "never", "", &err);
	assert_false(gw_memory_changed(m));
	put("source/a", "x", "1", &err);
	gathered();
	gw_memory_committed(m, true);
	put("source/a", "x", "", &err);
	assert_string_equal(each("source/a"), "");
	assert_string_equal(gathered(), "source/a:x= ");
	gw_memory_committed(m, false);
	assert_string_equal(gathered(), "source/a:x= ");
	gw_memory_committed(m, true);
	assert_string_equal(gathered(), "");
	put("source/a", "x", "2", &err);
	assert_string_equal(each("source/a"), "source/a:x=2 ");
}

static void what_is_too_large_is_refused_and_what_was_there_stays(void **state)
{
	static char big[GW_STATE_VALUE_MAX + 1], key[GW_STATE_KEY_MAX + 2];
	struct gw_state_row row = { "source/a", "k", big, sizeof(big) };
	unsigned n = 0;
	struct gw_err err;

	(void)state;
	put("source/a", "k", "1", &err);
	assert_int_equal(gw_memory_put(m, &row, &err), -1);
	assert_string_equal(err.msg, "state 'k' of 4097 bytes is not kept: a key has 1 to 64 bytes, a value at most 4096");
	memset(key, 'k', sizeof(key) - 1);
	assert_int_equal(put("source/a", key, "1", &err), -1);
	assert_int_equal(put("source/a", "", "1", &err), -1);
	row.size = GW_STATE_VALUE_MAX;
	row.key = key;
	do
		snprintf(key, sizeof(key), "n%04u", n++);
	while (gw_memory_put(m, &row, &err) == 0);
	assert_int_equal(n - 1, (1024 * 1024 - 66) / (4096 + 5 + 64));
	assert_string_equal(err.msg, "state 'n0251' of 4096 bytes is not kept: it would be more than 1024 KiB");
	assert_int_equal(put("source/b", "k", "1", &err), 0); /* its own room */
	assert_int_equal(put("source/a", "n0000", "", &err), 0);
	assert_int_equal(gw_memory_put(m, &row, &err), 0); /* there is room again */
	assert_int_equal(put("source/a", "k", "12", &err), 0);
}

static void visit_state(void *arg, const struct gw_state_row *row)
{
	gw_memory_restore(arg, row);
}

static const char *on_disk(struct shop *s, const char *owner)
{
	gw_memory_free(m);
	m = gw_memory_new();
	gw_store_visit(s->st, &(struct gw_store_visitor){ .arg = m, .state = visit_state, .done = NULL });
	gw_store_visit(s->st, &(struct gw_store_visitor){ .arg = s, .done = shop_done });
	shop_wait(s);
	return each(owner);
}

static void the_store_gives_back_what_was_committed(void **state)
{
	const struct gw_state_row first[] = {
		{ "source/a", "x", "one", 3 }, { "source/a", "gone", "1", 1 }, { "sink/a", "x", "other", 5 },
	};
	const struct gw_state_row second[] = { { "source/a", "x", "two", 3 }, { "source/a", "gone", NULL, 0 } };
	struct shop s;

	(void)state;
	shop_new(&s);
	shop_open(&s);
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .states = first, .nstates = 3 }), 0);
	assert_string_equal(on_disk(&s, "source/a"), "source/a:gone=1 source/a:x=one ");
	assert_int_equal(shop_commit(&s, &(struct gw_commit){ .states = second, .nstates = 2 }), 0);
	shop_close(&s);
	shop_open(&s);
	assert_string_equal(on_disk(&s, "source/a"), "source/a:x=two ");
	assert_string_equal(on_disk(&s, "sink/a"), "sink/a:x=other ");
	shop_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(things_belong_to_their_owner_and_come_by_key, begin, end),
		cmocka_unit_test_setup_teardown(a_commit_gets_each_change_once_and_again_after_a_failure, begin, end),
		cmocka_unit_test_setup_teardown(what_is_forgotten_stays_forgotten_until_a_commit_knows_it, begin, end),
		cmocka_unit_test_setup_teardown(what_is_too_large_is_refused_and_what_was_there_stays, begin, end),
		cmocka_unit_test_setup_teardown(the_store_gives_back_what_was_committed, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
