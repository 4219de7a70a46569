/* declare: what a source says it has is checked for order and capped, one device and all together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/plan.h"
#include "gatewayd/reading.h"

static struct gw_arena *arena;
static struct gw_candidate source;
static struct gw_err err;

static int set_up(void **state)
{
	(void)state;
	arena = gw_arena_new();
	source = (struct gw_candidate){ 0 };
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	gw_arena_free(arena);
	return 0;
}

static int device(unsigned number, const char *name)
{
	struct gw_message m = { .type = GW_MSG_DEVICE };

	m.device.device = (uint16_t)number;
	m.device.name = gw_str(name);
	return gw_declare(arena, &source, &m, &err);
}

static int point_of(unsigned of, unsigned number, const char *name, enum gw_kind kind)
{
	struct gw_message m = { .type = GW_MSG_POINT };

	m.point.device = (uint16_t)of;
	m.point.point = (uint16_t)number;
	m.point.name = gw_str(name);
	m.point.kind = (uint8_t)kind;
	m.point.bits = 64;
	m.point.interval_ms = 1000;
	return gw_declare(arena, &source, &m, &err);
}

static void points(unsigned of, unsigned count)
{
	char name[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(point_of(of, i, name, GW_I64), 0);
	}
}

static void refused(int rc, const char *text)
{
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, GW_EPROTO);
	assert_string_equal(err.msg, text);
}

static void devices_and_points_come_in_order_with_good_names(void **state)
{
	(void)state;
	refused(point_of(0, 0, "p", GW_I64), "declared a point of an unknown device");
	refused(device(1, "d"), "declared device 1 after 0 devices");
	refused(device(0, "a b"), "declared a device with a bad name");
	assert_int_equal(device(0, "d"), 0);
	refused(point_of(0, 1, "p", GW_I64), "declared point 1 of d after 0 points");
	refused(point_of(0, 0, "p", GW_ENUM), "declared a point of d with a bad kind or interval");
	refused(point_of(0, 0, "p/q", GW_I64), "declared a point of d with a bad name");
	assert_int_equal(point_of(0, 0, "p", GW_I64), 0);
	assert_int_equal(source.npoints, 1);
}

static void a_device_has_a_thousand_points_at_most(void **state)
{
	(void)state;
	assert_int_equal(device(0, "d"), 0);
	points(0, GW_POINTS_MAX);
	refused(point_of(0, GW_POINTS_MAX, "more", GW_I64), "declared more than 1000 points of d");
}

static void all_devices_of_a_source_have_so_many_points_together(void **state)
{
	char name[16];
	unsigned d = 0;

	(void)state;
	for (; d < GW_SOURCE_POINTS_MAX / GW_POINTS_MAX; d++) {
		snprintf(name, sizeof(name), "d%u", d);
		assert_int_equal(device(d, name), 0);
		points(d, GW_POINTS_MAX);
	}
	assert_int_equal(device(d, "last"), 0);
	refused(point_of(d, 0, "p", GW_I64), "declared more than 200000 points");
}

static void a_source_has_so_many_devices(void **state)
{
	char name[16];

	(void)state;
	for (unsigned d = 0; d < GW_SOURCE_DEVICES_MAX; d++) {
		snprintf(name, sizeof(name), "d%u", d);
		assert_int_equal(device(d, name), 0);
	}
	refused(device(GW_SOURCE_DEVICES_MAX, "more"), "declared more than 4096 devices");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(devices_and_points_come_in_order_with_good_names),
		T(a_device_has_a_thousand_points_at_most),
		T(all_devices_of_a_source_have_so_many_points_together),
		T(a_source_has_so_many_devices),
	};

	return cmocka_run_group_tests_name("declare", tests, NULL, NULL);
}
