/*
 * The chain of SunSpec models in devices that are wrong: what was read before is kept, and
 * nothing is read beyond.  And where the values of curves lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/sunspec.h"
#include "tests/modbus/beside.h"
#include "tests/modbus/scripted_server.h"

enum { MS = 1000, SPACE = 65536, BASE = 40000, COMMON = 66 };

/* A device: its registers, and when it dies. */
struct device {
	struct beside beside;
	struct server *server;
	struct mb_client *client;
};
static uint16_t registers[SPACE];
static bool there[SPACE];
static unsigned answers_left; /* before it dies */
static unsigned first_count;  /* registers the first request was for */
static bool hangs_up;         /* by closing, else by silence */

static void put(unsigned address, unsigned value)
{
	registers[address] = (uint16_t)value;
	there[address] = true;
}

/* A model of zeros; returns the address behind it. */
static unsigned put_model(unsigned address, unsigned id, unsigned length)
{
	put(address, id);
	put(address + 1, length);
	for (unsigned i = 0; i < length; i++)
		put(address + 2 + i, 0);
	return address + 2 + length;
}

static unsigned put_marker(unsigned base)
{
	put(base, 0x5375);
	put(base + 1, 0x6e53);
	return base + 2;
}

/* Marker and model 1. */
static unsigned put_begin(void)
{
	return put_model(put_marker(BASE), 1, COMMON);
}

static void put_end(unsigned address)
{
	put(address, 0xffff);
	put(address + 1, 0);
}

static void answer(struct server *s, const uint8_t *request, unsigned seen)
{
	unsigned address = (unsigned)(request[8] << 8 | request[9]), count = request[11];
	uint8_t frame[SERVER_FRAME];

	if (!seen)
		first_count = count;
	if (!answers_left) {
		if (hangs_up)
			server_close(s, false);
		return;
	}
	answers_left--;
	for (unsigned i = 0; i < count; i++)
		if (address + i >= SPACE || !there[address + i]) {
			server_exception(s, request, 2);
			return;
		}
	server_answer(frame, request);
	for (unsigned i = 0; i < count; i++) {
		frame[9 + 2 * i] = (uint8_t)(registers[address + i] >> 8);
		frame[10 + 2 * i] = (uint8_t)registers[address + i];
	}
	server_send(s, frame, 9 + 2 * (size_t)count);
}

static void open_device(struct device *d)
{
	char text[64];
	struct mb_url url;
	struct gw_err err;

	beside_new(&d->beside);
	d->server = server_new(d->beside.loop, 0, answer);
	snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", d->server->port);
	beside_run(&d->beside);
	assert_int_equal(mb_url_parse(text, &url, &err), 0);
	assert_int_equal(mb_client_open(&d->client, &url, 300 * MS, &err), 0);
}

/* Returns how many requests it had. */
static unsigned close_device(struct device *d)
{
	unsigned requests;

	mb_client_close(d->client);
	beside_stop(&d->beside);
	requests = d->server->requests;
	server_free(d->server);
	beside_free(&d->beside);
	return requests;
}

static unsigned walk(struct mb_sunspec_chain *chain, unsigned *requests)
{
	struct device d;
	unsigned reason, n;

	open_device(&d);
	reason = mb_sunspec_walk(d.client, 1, chain);
	n = close_device(&d);
	if (requests)
		*requests = n;
	return reason;
}

static int blank(void **state)
{
	(void)state;
	memset(there, 0, sizeof(there));
	memset(registers, 0, sizeof(registers));
	answers_left = 1000;
	hangs_up = false;
	return 0;
}

/* ---- the chain ---- */

static void the_marker_is_looked_for_at_three_addresses(void **state)
{
	static const unsigned bases[] = { 40000, 0, 50000 };
	struct mb_sunspec_chain chain;
	unsigned requests;

	for (unsigned i = 0; i < 3; i++) {
		blank(state);
		put_end(put_model(put_marker(bases[i]), 1, COMMON));
		assert_int_equal(walk(&chain, &requests), GW_GOOD);
		assert_true(chain.found && chain.whole);
		assert_int_equal(chain.base, bases[i]);
		assert_int_equal(chain.count, 1);
		assert_int_equal(requests, i + 1 + 3);
	}
}

static void a_device_without_marker_answers_and_has_no_chain(void **state)
{
	struct mb_sunspec_chain chain;
	unsigned requests;

	(void)state;
	put(0, 1);
	assert_int_equal(walk(&chain, &requests), GW_GOOD);
	assert_false(chain.found);
	assert_int_equal(requests, 3);
}

static void a_silent_device_is_asked_once(void **state)
{
	struct mb_sunspec_chain chain;
	unsigned requests;

	(void)state;
	answers_left = 0;
	assert_int_equal(walk(&chain, &requests), GW_TIMEOUT);
	assert_false(chain.found);
	assert_int_equal(requests, 1);
}

static void an_end_without_a_length_is_an_end(void **state)
{
	struct mb_sunspec_chain chain;

	(void)state;
	put(put_begin(), 0xffff);
	assert_int_equal(walk(&chain, NULL), GW_GOOD);
	assert_true(chain.whole);
	assert_string_equal(chain.trouble, "");
}

/* Model 1, then something that is wrong. */
struct wrong {
	unsigned id, length; /* of the second model */
	unsigned count;      /* models kept */
	const char *trouble;
};

static void a_length_that_lies_ends_the_chain_and_keeps_what_was_before(void **state)
{
	static const struct wrong cases[] = {
		{ 103, 65535, 1, "model 103 at address 40070 claims 65535 registers" },
		{ 103, 1001, 1, "model 103 at address 40070 claims 1001 registers" },
		{ 103, 1000, 2, "the chain breaks off at address 41072" },
		{ 103, 50, 2, "the chain breaks off at address 40122" },
		{ 103, 0, 2, "the chain breaks off at address 40072" },
	};
	struct mb_sunspec_chain chain;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned at;

		blank(state);
		at = put_begin();
		put(at, cases[i].id);
		put(at + 1, cases[i].length);
		assert_int_equal(walk(&chain, NULL), GW_GOOD);
		assert_true(chain.found);
		assert_false(chain.whole);
		assert_int_equal(chain.count, cases[i].count);
		assert_int_equal(chain.models[0].id, 1);
		assert_string_equal(chain.trouble, cases[i].trouble);
	}
}

static void a_model_whose_length_is_missing_is_not_kept(void **state)
{
	struct mb_sunspec_chain chain;

	(void)state;
	put(put_begin(), 103);
	assert_int_equal(walk(&chain, NULL), GW_GOOD);
	assert_int_equal(chain.count, 1);
	assert_string_equal(chain.trouble, "the length of model 103 at address 40070 cannot be read");
}

/* 65 models of 1000 registers would go round; the address space ends before. */
static void a_chain_never_goes_round_the_address_space(void **state)
{
	struct mb_sunspec_chain chain;
	unsigned at = put_marker(BASE);

	(void)state;
	while (at + 1002 <= SPACE)
		at = put_model(at, 900, 1000);
	put(at, 900);
	put(at + 1, 1000);
	assert_int_equal(walk(&chain, NULL), GW_GOOD);
	assert_int_equal(chain.count, (at - BASE - 2) / 1002);
	assert_string_equal(chain.trouble, "model 900 at address 65052 claims 1000 registers");
}

static void a_model_on_the_last_register_has_no_length(void **state)
{
	struct mb_sunspec_chain chain;
	unsigned at = put_marker(BASE);

	(void)state;
	while (at + 1002 <= SPACE)
		at = put_model(at, 900, 1000);
	put_model(at, 901, SPACE - 1 - at - 2);
	put(SPACE - 1, 902);
	put(0, 5); /* behind the last register there is none, and not the first again */
	assert_int_equal(walk(&chain, NULL), GW_GOOD);
	assert_string_equal(chain.trouble, "the length of model 902 at address 65535 cannot be read");
}

static void a_chain_without_end_is_left_after_59_models(void **state)
{
	struct mb_sunspec_chain chain;
	unsigned at = put_marker(BASE), requests;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		at = put_model(at, 900, 0);
	assert_int_equal(walk(&chain, &requests), GW_GOOD);
	assert_int_equal(chain.count, MB_SUNSPEC_MODELS_MAX - 1);
	assert_false(chain.whole);
	assert_string_equal(chain.trouble, "more than 59 models: the chain seems to have no end");
	assert_true(requests < 125);
}

static void a_device_that_dies_in_the_middle_leaves_what_was_read(void **state)
{
	struct mb_sunspec_chain chain;

	for (unsigned i = 0; i < 2; i++)
		for (unsigned answers = 1; answers < 6; answers++) {
			blank(state);
			put_end(put_model(put_begin(), 103, 50));
			answers_left = answers;
			hangs_up = i > 0;
			assert_int_equal(walk(&chain, NULL), GW_GOOD);
			assert_true(chain.found);
			assert_false(chain.whole);
			/* marker; then id and length of each */
			assert_int_equal(chain.count, (answers - 1) / 2);
			assert_true(strstr(chain.trouble, answers % 2 ? "the chain breaks off at address 40" : "the length of model"));
		}
}

/* ---- reading a model ---- */

/* Reads the only model behind the marker; its data. */
static bool read_model(unsigned id, unsigned length, uint8_t *data, unsigned *requests)
{
	struct mb_sunspec_found m = { .id = (uint16_t)id, .address = BASE + 2, .length = (uint16_t)length };
	struct device d;
	bool good;

	open_device(&d);
	good = mb_sunspec_read(d.client, 1, &m, data);
	*requests = close_device(&d);
	return good;
}

static void a_long_model_is_read_in_pieces_that_divide_no_value(void **state)
{
	static uint8_t data[2 * 1002];
	unsigned requests;

	(void)state;
	put_model(BASE + 2, 213, 124);
	for (unsigned i = 0; i < 126; i++)
		put(BASE + 2 + i, 7 * i);
	assert_true(read_model(213, 124, data, &requests));
	assert_int_equal(requests, 2);
	assert_int_equal(first_count, 124); /* not 125: the value at 124 has two */
	for (unsigned i = 0; i < 126; i++)
		assert_int_equal(data[2 * i] << 8 | data[2 * i + 1], 7 * i);
}

static void a_model_that_cannot_be_read_is_told(void **state)
{
	static uint8_t data[2 * 1002];
	unsigned requests;

	(void)state;
	put_model(BASE + 2, 213, 124);
	answers_left = 1;
	assert_false(read_model(213, 124, data, &requests));
	blank(state);
	put_model(BASE + 2, 213, 123); /* the last register is missing */
	assert_false(read_model(213, 124, data, &requests));
}

/* ---- curves ---- */

static uint8_t model[2 * 1002];

static void set(unsigned at, unsigned value)
{
	model[2 * at] = (uint8_t)(value >> 8);
	model[2 * at + 1] = (uint8_t)value;
}

/* Every register of the model holds its own number, but for the counts. */
static struct mb_sunspec_found numbered(unsigned id, unsigned length, unsigned points_at, unsigned points, unsigned blocks)
{
	for (unsigned i = 0; i < length + 2; i++)
		set(i, i);
	set(points_at, points);
	set(points_at + 1, blocks);
	return (struct mb_sunspec_found){ .id = (uint16_t)id, .address = BASE, .length = (uint16_t)length };
}

/* "MayTrip_V[2.3] 51" for each value that is not in the fixed part. */
static void list(const struct mb_sunspec_found *at, char *out, size_t size)
{
	struct mb_sunspec_value v = { .model = mb_sunspec_find(at->id), .at = at };
	size_t n = 0;

	out[0] = '\0';
	while (mb_sunspec_next(&v, model))
		if (v.field->where != MB_S_ONCE && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s[%u.%u] %u\n", v.field->name, v.block + 1, v.point,
					      mb_sunspec_offset(&v, model));
}

static void points_lie_where_the_model_says(void **state)
{
	char text[4096];
	struct mb_sunspec_found at = numbered(707, 7 + 2 * (1 + 3 * (1 + 2 * 3)), 5, 2, 2);

	(void)state;
	list(&at, text, sizeof(text));
	assert_string_equal(text, "ReadOnly[1.0] 9\nMustTrip_ActPt[1.0] 10\nMayTrip_ActPt[1.0] 17\nMomCess_ActPt[1.0] 24\n"
				  "MustTrip_V[1.1] 11\nMustTrip_Tms[1.1] 12\nMayTrip_V[1.1] 18\nMayTrip_Tms[1.1] 19\n"
				  "MomCess_V[1.1] 25\nMomCess_Tms[1.1] 26\n"
				  "MustTrip_V[1.2] 14\nMustTrip_Tms[1.2] 15\nMayTrip_V[1.2] 21\nMayTrip_Tms[1.2] 22\n"
				  "MomCess_V[1.2] 28\nMomCess_Tms[1.2] 29\n"
				  "ReadOnly[2.0] 31\nMustTrip_ActPt[2.0] 32\nMayTrip_ActPt[2.0] 39\nMomCess_ActPt[2.0] 46\n"
				  "MustTrip_V[2.1] 33\nMustTrip_Tms[2.1] 34\nMayTrip_V[2.1] 40\nMayTrip_Tms[2.1] 41\n"
				  "MomCess_V[2.1] 47\nMomCess_Tms[2.1] 48\n"
				  "MustTrip_V[2.2] 36\nMustTrip_Tms[2.2] 37\nMayTrip_V[2.2] 43\nMayTrip_Tms[2.2] 44\n"
				  "MomCess_V[2.2] 50\nMomCess_Tms[2.2] 51\n");
	at = numbered(712, 12 + 2 * (4 + 1 * 2), 5, 1, 2);
	list(&at, text, sizeof(text));
	assert_string_equal(text, "ActPt[1.0] 14\nDeptRef[1.0] 15\nPri[1.0] 16\nReadOnly[1.0] 17\nPt_W[1.1] 18\nPt_Var[1.1] 19\n"
				  "ActPt[2.0] 20\nDeptRef[2.0] 21\nPri[2.0] 22\nReadOnly[2.0] 23\nPt_W[2.1] 24\nPt_Var[2.1] 25\n");
}

/* Values that lie within the model, over all that are gone through. */
static unsigned values_within(const struct mb_sunspec_found *at, unsigned *gone_through)
{
	struct mb_sunspec_value v = { .model = mb_sunspec_find(at->id), .at = at };
	unsigned n = 0;

	*gone_through = 0;
	while (mb_sunspec_next(&v, model)) {
		++*gone_through;
		n += mb_sunspec_has(&v, model);
	}
	return n;
}

static void counts_that_lie_lead_nowhere(void **state)
{
	static const unsigned lies[] = { 0, 1, 7, 100, 1000, 0x7fff, 0xfffe, 0xffff };
	unsigned gone_through, most = 0;

	(void)state;
	for (unsigned id = 703; id <= 712; id++)
		for (size_t p = 0; p < sizeof(lies) / sizeof(lies[0]); p++)
			for (size_t b = 0; b < sizeof(lies) / sizeof(lies[0]); b++)
				for (unsigned length = 0; length <= 1000; length += 37) {
					struct mb_sunspec_found at = numbered(id, length, 5, lies[p], lies[b]);

					assert_true(values_within(&at, &gone_through) <= gone_through);
					most = gone_through > most ? gone_through : most;
				}
	assert_true(most < 2000);
}

static void curves_are_read_after_their_counts(void **state)
{
	enum { LENGTH = 7 + 3 * (1 + 3 * (1 + 10 * 3)) };
	static uint8_t data[2 * 1002];
	unsigned requests;

	(void)state;
	put_model(BASE + 2, 707, LENGTH);
	for (unsigned i = 2; i < LENGTH + 2; i++)
		put(BASE + 2 + i, i);
	put(BASE + 2 + 5, 10);
	put(BASE + 2 + 6, 3);
	assert_true(read_model(707, LENGTH, data, &requests));
	/* the fixed part of 9, then 282 registers */
	assert_int_equal(requests, 1 + 3);
	assert_int_equal(data[2 * (LENGTH + 1)] << 8 | data[2 * (LENGTH + 1) + 1], LENGTH + 1);
}

/* Offsets and sizes of a model's fields lie within each other without holes the generator did not
 * mean: no two values of a model share a register. */
static void no_two_values_share_a_register(void **state)
{
	const struct mb_sunspec_model *const tables[] = { mb_sunspec_models, mb_sunspec_der };

	(void)state;
	for (size_t t = 0; t < 2; t++)
		for (const struct mb_sunspec_model *m = tables[t]; m->id; m++) {
			struct mb_sunspec_found at = numbered(m->id, 600, 5, 3, 2);
			struct mb_sunspec_value v = { .model = m, .at = &at };
			bool used[2000] = { false };

			while (mb_sunspec_next(&v, model))
				for (unsigned i = 0; i < v.field->registers; i++) {
					unsigned r = mb_sunspec_offset(&v, model) + i;

					assert_true(r >= 2 && r < 2000);
					assert_false(used[r]);
					used[r] = true;
				}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_marker_is_looked_for_at_three_addresses, blank),
		cmocka_unit_test_setup(a_device_without_marker_answers_and_has_no_chain, blank),
		cmocka_unit_test_setup(a_silent_device_is_asked_once, blank),
		cmocka_unit_test_setup(an_end_without_a_length_is_an_end, blank),
		cmocka_unit_test_setup(a_length_that_lies_ends_the_chain_and_keeps_what_was_before, blank),
		cmocka_unit_test_setup(a_model_whose_length_is_missing_is_not_kept, blank),
		cmocka_unit_test_setup(a_chain_never_goes_round_the_address_space, blank),
		cmocka_unit_test_setup(a_model_on_the_last_register_has_no_length, blank),
		cmocka_unit_test_setup(a_chain_without_end_is_left_after_59_models, blank),
		cmocka_unit_test_setup(a_device_that_dies_in_the_middle_leaves_what_was_read, blank),
		cmocka_unit_test_setup(a_long_model_is_read_in_pieces_that_divide_no_value, blank),
		cmocka_unit_test_setup(a_model_that_cannot_be_read_is_told, blank),
		cmocka_unit_test(points_lie_where_the_model_says),
		cmocka_unit_test(counts_that_lie_lead_nowhere),
		cmocka_unit_test_setup(curves_are_read_after_their_counts, blank),
		cmocka_unit_test(no_two_values_share_a_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
