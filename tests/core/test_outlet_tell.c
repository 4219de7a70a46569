/* outlet_tell: a sink is told what a device is before news of it, and once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/child.h"
#include "core/daemon.h"

enum { LAYOUTS = 4, GONE = 7, OTHER = 8 };

static char said[1000];

/* ---- in the place of core/child.c ---- */

static void say(const char *what, unsigned which, unsigned device)
{
	size_t n = strlen(said);

	snprintf(said + n, sizeof(said) - n, "%s %u of device %u\n", what, which, device);
}

void gw_child_send(struct gw_child *c, const struct gw_message *m)
{
	(void)c;
	if (m->type == GW_MSG_LAYOUT)
		say("layout", m->layout.layout, m->layout.device);
	else if (m->type == GW_MSG_LOSS)
		say("loss", (unsigned)m->loss.id, m->loss.device);
	else
		fail_msg("it says '%s'", gw_message_name(m->type));
}

int gw_child_offer(struct gw_child *c, const struct gw_message *m)
{
	gw_child_send(c, m);
	return 1;
}

int gw_child_sendv(struct gw_child *c, enum gw_message_type type, const struct gw_reading *const *r, size_t n)
{
	(void)c;
	(void)type;
	(void)r;
	(void)n;
	abort();
}

const struct gw_child_status *gw_child_status(const struct gw_child *c)
{
	(void)c;
	abort();
}

struct gw_child *gw_child_new(const struct gw_child_options *o)
{
	(void)o;
	abort();
}

void gw_child_free(struct gw_child *c)
{
	(void)c;
}

void gw_child_adopt(struct gw_child *c, struct gw_instance *instance, const struct gw_child_ops *ops, void *arg)
{
	(void)c;
	(void)instance;
	(void)ops;
	(void)arg;
}

void gw_child_go(struct gw_child *c, int64_t epoch_us)
{
	(void)c;
	(void)epoch_us;
}

void gw_child_start(struct gw_child *c)
{
	(void)c;
}

void gw_child_stop(struct gw_child *c)
{
	(void)c;
}

void gw_child_restart(struct gw_child *c)
{
	(void)c;
}

/* ---- a sink, and what the buffer knows of devices ---- */

static struct gw_daemon d;
static struct gw_sink sink;
static struct gw_known_layout layouts[LAYOUTS];
static unsigned char bodies[LAYOUTS][GW_MESSAGE_MAX + 4];

static void layout_of(uint32_t number, uint16_t device)
{
	struct gw_message m = { .type = GW_MSG_LAYOUT };
	_Alignas(8) static unsigned char message[GW_MESSAGE_MAX];
	uint32_t size;

	m.layout.name = gw_str("pump");
	size = (uint32_t)gw_message_encode(&m, message);
	assert_true(size > 0);
	memcpy(bodies[number], &size, 4);
	memcpy(bodies[number] + 4, message, size);
	layouts[number].device = device;
	layouts[number].body.bytes = bodies[number];
	layouts[number].body.size = size + 4;
}

static int begin(void **state)
{
	(void)state;
	memset(layouts, 0, sizeof(layouts));
	layout_of(1, GONE);
	layout_of(2, GONE);
	layout_of(3, OTHER);
	d = (struct gw_daemon){ .layouts = layouts, .nlayouts = LAYOUTS };
	sink = (struct gw_sink){ .daemon = &d };
	said[0] = '\0';
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(sink.told);
	return 0;
}

static void loses(uint64_t id, uint16_t device)
{
	assert_int_equal(gw_outlet_ops.loss(&sink, &(struct gw_loss_row){ .id = id, .device = device }), 1);
}

static void a_loss_of_a_device_that_was_taken_out_names_it_first_and_once(void **state)
{
	(void)state;
	loses(5, GONE);
	loses(6, GONE);
	assert_string_equal(said, "layout 2 of device 7\nloss 5 of device 7\nloss 6 of device 7\n");
}

static void a_device_that_the_sink_knows_is_not_named_again(void **state)
{
	(void)state;
	gw_sink_tell_layout(&sink, 1);
	loses(5, GONE);
	loses(6, OTHER);
	assert_string_equal(said, "layout 1 of device 7\nloss 5 of device 7\nlayout 3 of device 8\n"
				  "loss 6 of device 8\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_loss_of_a_device_that_was_taken_out_names_it_first_and_once, begin,
						end),
		cmocka_unit_test_setup_teardown(a_device_that_the_sink_knows_is_not_named_again, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
