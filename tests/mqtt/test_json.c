/* test_json.c - readings and documents as the exact texts that subscribers get. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "maker.h"
#include "plugins/mqtt/document.h"
#include "plugins/mqtt/json.h"
#include "plugins/mqtt/window.h"

static const char *const names[] = { "a", "b", "c", "d", NULL };
static const char *const labels[] = { "auto", "say \"stop\"", "t\\n", NULL };

struct fixture {
	struct gw_arena *arena;
	struct gw_layout *layout;
	struct mqtt_json_layout own;
	struct maker *maker;
	char *out;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->arena = gw_arena_new();
	f->maker = calloc(1, sizeof(*f->maker));
	f->layout = maker_layout(f->arena, 7, "meter", names);
	f->layout->points[3].labels = (const char **)(uintptr_t)labels;
	f->layout->points[3].nlabels = 3;
	f->layout->own = &f->own;
	mqtt_json_prepare(f->arena, f->layout, &f->own);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	gw_arena_free(f->arena);
	free(f->maker);
	free(f->out);
	free(f);
	return 0;
}

/* The text of what was put into the maker; its room is exactly the bound, so that
 * ASan sees a bound that is too small. */
static const char *text_of(struct fixture *f, uint16_t flags, bool replay, const char *boot)
{
	struct gw_reading *r = maker_done(f->maker, 1763760000124, 1763760000123);
	size_t bound = mqtt_json_bound(f->layout, r), n;

	r->flags = flags;
	r->mono_ms = 70123;
	free(f->out);
	f->out = malloc(bound + 1);
	n = mqtt_json_reading(f->out, f->layout, r, &(struct mqtt_json_extra){ .replay = replay, .boot = boot });
	assert_true(n <= bound);
	f->out[n] = '\0';
	return f->out;
}

#define HEAD "{\"seq\":1763760000124,\"ts\":1763760000123,"

static void who_asked_for_a_replay_is_named(void **state)
{
	struct fixture *f = *state;
	char longest[MQTT_REQUEST_BYTES + 1], *out;
	struct gw_reading *r;
	size_t bound, n;

	memset(longest, 1, MQTT_REQUEST_BYTES); /* each byte becomes six */
	longest[MQTT_REQUEST_BYTES] = '\0';
	r = maker_done(f->maker, 1, 2);
	bound = mqtt_json_bound(f->layout, r);
	out = malloc(bound);
	n = mqtt_json_reading(out, f->layout, r, &(struct mqtt_json_extra){ .replay = true, .request = longest });
	assert_true(n <= bound);
	n = mqtt_json_reading(out, f->layout, r, &(struct mqtt_json_extra){ .replay = true, .request = "c\"2" });
	assert_int_equal(n, strlen("{\"seq\":1,\"ts\":2,\"values\":{},\"replay\":true,\"request\":\"c\\\"2\"}"));
	assert_memory_equal(out, "{\"seq\":1,\"ts\":2,\"values\":{},\"replay\":true,\"request\":\"c\\\"2\"}", n);
	free(out);
}

static void numbers_are_the_shortest_that_read_back(void **state)
{
	struct fixture *f = *state;

	maker_f64(f->maker, 0, GW_F32, GW_GOOD, (double)230.1f);
	maker_f64(f->maker, 1, GW_F64, GW_GOOD, -0.0);
	maker_put(f->maker, 2, GW_U64, GW_GOOD, UINT64_MAX);
	assert_string_equal(text_of(f, 0, false, NULL),
			    HEAD "\"values\":{\"a\":230.1,\"b\":-0.0,\"c\":18446744073709551615}}");
	maker_put(f->maker, 0, GW_I64, GW_GOOD, (uint64_t)INT64_MIN);
	maker_f64(f->maker, 1, GW_F64, GW_GOOD, 50);
	maker_put(f->maker, 2, GW_BOOL, GW_GOOD, 1);
	assert_string_equal(text_of(f, 0, false, NULL),
			    HEAD "\"values\":{\"a\":-9223372036854775808,\"b\":50,\"c\":true}}");
}

static void texts_and_labels_are_escaped(void **state)
{
	struct fixture *f = *state;

	maker_text(f->maker, 0, "Bơm \"số\" 1\\");
	maker_text(f->maker, 1, "a\nb\x01");
	maker_put(f->maker, 2, GW_BOOL, GW_GOOD, 0);
	maker_put(f->maker, 3, GW_ENUM, GW_GOOD, 1);
	assert_string_equal(
		text_of(f, 0, false, NULL), HEAD
		"\"values\":{\"a\":\"Bơm \\\"số\\\" 1\\\\\",\"b\":\"a\\u000ab\\u0001\",\"c\":false,"
		"\"d\":\"say \\\"stop\\\"\"}}");
}

static void a_point_without_a_value_has_only_a_quality(void **state)
{
	struct fixture *f = *state;

	maker_put(f->maker, 0, GW_NONE, GW_TIMEOUT, 0);
	maker_put(f->maker, 1, GW_NONE, GW_EXCEPTION_0 | 2, 0);
	assert_string_equal(text_of(f, 0, false, NULL), HEAD
			    "\"values\":{},\"quality\":{\"a\":\"timeout\",\"b\":\"exception_2\"}}");
}

static void a_value_out_of_range_is_there_with_its_quality(void **state)
{
	struct fixture *f = *state;

	maker_f64(f->maker, 0, GW_F64, GW_GOOD, 1.5);
	maker_f64(f->maker, 1, GW_F64, GW_OUT_OF_RANGE, 99.5);
	assert_string_equal(
		text_of(f, 0, false, NULL),
		HEAD "\"values\":{\"a\":1.5,\"b\":99.5},\"quality\":{\"b\":\"out_of_range\"}}");
}

static void what_json_cannot_carry_becomes_a_quality(void **state)
{
	struct fixture *f = *state;

	maker_f64(f->maker, 0, GW_F64, GW_GOOD, (double)NAN);
	maker_f64(f->maker, 1, GW_F32, GW_GOOD, (double)INFINITY);
	maker_put(f->maker, 2, GW_TEXT, GW_GOOD, 5 << 16 | 5);
	maker_put(f->maker, 3, GW_ENUM, GW_GOOD, 3);
	maker_put(f->maker, 4, GW_BOOL, GW_GOOD, 1);
	assert_string_equal(
		text_of(f, 0, false, NULL),
		HEAD "\"values\":{},\"quality\":{\"a\":\"not_available\",\"b\":\"not_available\","
		     "\"c\":\"bad_text\",\"d\":\"not_in_enum\"}}");
}

static void replay_and_an_untrusted_clock_are_marked(void **state)
{
	struct fixture *f = *state;

	maker_put(f->maker, 0, GW_BOOL, GW_GOOD, 1);
	assert_string_equal(text_of(f, 0, true, "b1"),
			    HEAD "\"values\":{\"a\":true},\"replay\":true}");
	maker_put(f->maker, 0, GW_BOOL, GW_GOOD, 1);
	assert_string_equal(
		text_of(f, GW_READING_UNSYNCED, true, "b1"), HEAD
		"\"values\":{\"a\":true},\"clock\":\"unsynced\",\"boot\":\"b1\",\"mono\":70123,\"replay\":true}");
	maker_put(f->maker, 0, GW_BOOL, GW_GOOD, 1);
	assert_string_equal(text_of(f, GW_READING_UNSYNCED, false, NULL),
			    HEAD "\"values\":{\"a\":true},\"clock\":\"unsynced\"}");
}

static void the_bound_holds_for_the_worst_text(void **state)
{
	struct fixture *f = *state;
	char worst[20001];

	memset(worst, 1, sizeof(worst) - 1);
	worst[sizeof(worst) - 1] = '\0';
	for (unsigned i = 0; i < 3; i++)
		maker_text(f->maker, i, worst);
	assert_true(strlen(text_of(f, GW_READING_UNSYNCED, true, worst)) > 3 * 6 * 20000);
}

/* ---- documents ---- */

static const struct gw_gateway_info gateway = {
	.id = "gw-1",
	.title = "Trạm \"1\"",
	.province = "79",
	.site = "",
	.version = "1.0.0",
	.config = "c0ffee",
	.boot = "b-1",
	.buffer = "f-1",
	.located = true,
	.lat = 10.98,
	.lon = 106.65,
};

static void assert_text(struct mqtt_text *t, const char *expected)
{
	mqtt_text_put(t, "", 1);
	assert_string_equal(t->s, expected);
	mqtt_text_free(t);
}

static void the_status_of_the_gateway_reads_as_in_the_contract(void **state)
{
	struct mqtt_text t = { 0 };

	(void)state;
	mqtt_doc_status(
		&t, &gateway,
		&(struct mqtt_status){ .online = true, .session = 4, .ts_ms = 1763760000123 });
	assert_text(&t, "{\"state\":\"online\",\"ts\":1763760000123,\"version\":\"1.0.0\","
			"\"config\":\"c0ffee\","
			"\"boot\":\"b-1\",\"session\":4,\"buffer\":\"f-1\"}");
	mqtt_doc_status(&t, &gateway, &(struct mqtt_status){ .session = 4 });
	assert_text(&t, "{\"state\":\"offline\",\"boot\":\"b-1\",\"session\":4}");
	mqtt_doc_status(&t, &gateway,
			&(struct mqtt_status){ .stopped = true, .session = 4, .ts_ms = 5 });
	assert_text(&t, "{\"state\":\"offline\",\"reason\":\"stopped\",\"ts\":5,\"boot\":\"b-1\","
			"\"session\":4}");
}

static void directories_read_as_in_the_contract(void **state)
{
	static const struct mqtt_named_topic list[] = { { "m-1", "goc/gw-1/m-1" },
							{ "m-2", "goc/gw-1/m-2" } };
	static const char *const one[] = { "voltage_l1", NULL };
	struct fixture *f = *state;
	struct gw_layout *l = maker_layout(f->arena, 1, "m-1", one);
	struct mqtt_text t = { 0 };

	mqtt_doc_gateway(&t, &gateway, list, 2);
	assert_text(&t, "{\"schema\":1,\"gateway\":\"gw-1\",\"title\":\"Trạm "
			"\\\"1\\\"\",\"province\":\"79\","
			"\"location\":{\"lat\":10.98,\"lon\":106.65},\"devices\":["
			"{\"name\":\"m-1\",\"topic\":\"goc/gw-1/"
			"m-1\"},{\"name\":\"m-2\",\"topic\":\"goc/gw-1/m-2\"}]}");
	l->domain = "energy";
	l->from_seq = 9;
	l->points[0] = (struct gw_layout_point){ .name = "voltage_l1",
						 .unit = "V",
						 .symbol = "V",
						 .quantity = "voltage_l1_n",
						 .type = GW_TYPE_NUMBER,
						 .interval_ms = 1000,
						 .max_silence_ms = 60000,
						 .has_min = true,
						 .has_max = true,
						 .has_deadband = true,
						 .max = 500,
						 .deadband = 0.1 };
	mqtt_doc_device(&t, l);
	assert_text(
		&t,
		"{\"schema\":1,\"device\":\"m-1\",\"domain\":\"energy\",\"first_seq\":1,\"from_"
		"seq\":9,"
		"\"points\":{\"voltage_l1\":{\"type\":\"number\",\"unit\":\"V\",\"symbol\":\"V\","
		"\"quantity\":\"voltage_l1_n\",\"interval_ms\":1000,\"writable\":false,\"min\":0,"
		"\"max\":500,"
		"\"deadband\":0.1,\"max_silence_ms\":60000}}}");
	l->npoints = 0;
	mqtt_doc_device(&t, l);
	assert_text(&t, "{\"schema\":1,\"device\":\"m-1\",\"domain\":\"energy\",\"first_seq\":1,"
			"\"from_seq\":9,"
			"\"points\":{}}");
}

static void a_window_reads_as_in_the_contract(void **state)
{
	static const char *const four[] = { "u", "on", "t", "total", NULL };
	struct fixture *f = *state;
	struct gw_layout *l = maker_layout(f->arena, 1, "m-1", four);
	struct mqtt_json_layout own;
	struct {
		struct gw_window w;
		struct gw_window_point p[4];
		struct gw_window_quality q[2];
		char text[8];
	} b = { .w = { .size = sizeof(b), .device = 1, .flags = GW_READING_UNSYNCED, .from = 10, .to = 12,
		       .readings = 3, .ts_from_ms = 1000, .ts_to_ms = 5000, .mono_to_ms = 4000,
		       .window_ms = 60000, .points = 4, .text_size = 3, .qualities = 2 },
		.p = { { .index = 0, .min_kind = GW_F32, .max_kind = GW_F32, .last_kind = GW_F32, .n = 2,
			 .weight_ms = 1000, .last_ms = 4000 },
		       { .index = 1, .last_kind = GW_BOOL, .n = 3, .last = 1 },
		       { .index = 2, .last_kind = GW_TEXT, .n = 1, .last = 3 },
		       { .index = 3, .min_kind = GW_U64, .max_kind = GW_U64, .last_kind = GW_U64, .n = 1,
			 .min = UINT64_MAX, .max = UINT64_MAX, .last = UINT64_MAX } },
		.q = { { .index = 0, .reason = GW_TIMEOUT, .n = 3 },
		       { .index = 0, .reason = GW_EXCEPTION_0 | 2, .n = 1 } },
		.text = "a\"b" };
	double low = (double)230.1F, high = (double)231.5F;
	struct mqtt_text t = { 0 };

	memcpy(&b.p[0].min, &low, 8);
	memcpy(&b.p[0].max, &high, 8);
	memcpy(&b.p[0].last, &high, 8);
	b.p[0].mean = low;
	mqtt_json_prepare(f->arena, l, &own);
	l->own = &own;
	assert_null(gw_window_check(&b.w, sizeof(b), 4));
	mqtt_doc_window(&t, l, &b.w, "b-1");
	assert_text(&t, "{\"from\":10,\"to\":12,\"count\":3,\"ts_from\":1000,\"ts_to\":5000,"
			"\"window_ms\":60000,\"points\":{"
			"\"u\":{\"n\":2,\"min\":230.1,\"max\":231.5,\"mean\":230.1,\"last\":231.5},"
			"\"on\":{\"n\":3,\"last\":true},\"t\":{\"n\":1,\"last\":\"a\\\"b\"},"
			"\"total\":{\"n\":1,\"min\":18446744073709551615,\"max\":18446744073709551615,"
			"\"mean\":18446744073709552000,\"last\":18446744073709551615}},"
			"\"quality\":{\"u\":{\"timeout\":3,\"exception_2\":1}},"
			"\"clock\":\"unsynced\",\"boot\":\"b-1\",\"mono_from\":0,\"mono_to\":4000}");
}

static void states_losses_and_progress_read_as_in_the_contract(void **state)
{
	struct mqtt_text t = { 0 };

	(void)state;
	mqtt_doc_state(&t, GW_STATE_OFFLINE, 12, "timeout");
	assert_text(&t, "{\"state\":\"offline\",\"ts\":12,\"reason\":\"timeout\"}");
	mqtt_doc_state(&t, GW_STATE_ONLINE, 12, "");
	assert_text(&t, "{\"state\":\"online\",\"ts\":12}");
	mqtt_doc_loss(&t, &(struct gw_loss){ .id = 3,
					     .from = 10,
					     .to = 19,
					     .readings = 10,
					     .cause = "buffer_full",
					     .exact = true,
					     .ts_from_ms = 5,
					     .ts_to_ms = 6 });
	assert_text(&t, "{\"from\":10,\"to\":19,\"count\":10,\"cause\":\"buffer_full\",\"exact\":"
			"true,\"ts_from\":5,"
			"\"ts_to\":6}");
	mqtt_doc_correction(&t, &(struct gw_correction_news){ .id = 1,
							      .boot = "b-1",
							      .from_ms = 1200,
							      .to_ms = 301200,
							      .offset_ms = 1763759700000 });
	assert_text(&t, "{\"boot\":\"b-1\",\"mono_from\":1200,\"mono_to\":301200,\"offset\":"
			"1763759700000,\"ts\":1763760001200}");
	mqtt_doc_correction(&t, &(struct gw_correction_news){ .boot = "", .to_ms = 5 });
	assert_text(&t, "{\"mono_from\":0,\"mono_to\":5,\"offset\":0,\"ts\":5}");
	mqtt_doc_progress(
		&t, &(struct gw_progress){
			    .first_seq = 1, .complete_to = UINT64_MAX, .last = 7, .ts_ms = 8 });
	assert_text(&t,
		    "{\"first_seq\":1,\"complete_to\":18446744073709551615,\"last\":7,\"ts\":8}");
}

/* ---- speed ---- */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct gw_reading *hundred_values(struct maker *m)
{
	for (unsigned i = 0; i < 100; i++)
		maker_f64(m, i, i % 2 ? GW_F32 : GW_F64, GW_GOOD,
			  i % 2 ? (double)(float)(230.1 + i) : (2301 + i) / 10.0);
	return maker_done(m, 1763760000124, 1763760000123);
}

/* Prints the figure; fails only when it is out of all proportion, since the
 * machine may be busy and the build slow. */
static void a_hundred_values_take_a_few_microseconds(void **state)
{
	struct fixture *f = *state;
	const char *many[101] = { 0 };
	char texts[100][24];
	enum { ROUNDS = 2000 };

	for (int i = 0; i < 100; i++) {
		snprintf(texts[i], sizeof(texts[i]), "voltage_l%d", i);
		many[i] = texts[i];
	}
	struct gw_layout *l = maker_layout(f->arena, 1, "big", many);
	struct mqtt_json_layout own;
	mqtt_json_prepare(f->arena, l, &own);
	l->own = &own;
	const struct gw_reading *r = hundred_values(f->maker);
	char *out = malloc(mqtt_json_bound(l, r));
	double best = 1, start;

	for (int i = 0; i < ROUNDS; i++) {
		start = seconds();
		mqtt_json_reading(out, l, r, &(struct mqtt_json_extra){ 0 });
		double took = seconds() - start;
		best = took < best ? took : best;
	}
	print_message("100 values: %.2f us\n", best * 1e6);
	assert_true(best < 200e-6);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(numbers_are_the_shortest_that_read_back),
		T(texts_and_labels_are_escaped),
		T(a_point_without_a_value_has_only_a_quality),
		T(a_value_out_of_range_is_there_with_its_quality),
		T(what_json_cannot_carry_becomes_a_quality),
		T(replay_and_an_untrusted_clock_are_marked),
		T(who_asked_for_a_replay_is_named),
		T(the_bound_holds_for_the_worst_text),
		T(the_status_of_the_gateway_reads_as_in_the_contract),
		T(directories_read_as_in_the_contract),
		T(a_window_reads_as_in_the_contract),
		T(states_losses_and_progress_read_as_in_the_contract),
		T(a_hundred_values_take_a_few_microseconds),
	};

	return cmocka_run_group_tests_name("mqtt json", tests, NULL, NULL);
}
