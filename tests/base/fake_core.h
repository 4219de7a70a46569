/*
 * fake_core.h - the core's end of a link, for tests of plugins: one process, one
 * loop, the plugin's runtime on one end of a pair and the test on the other.
 *
 * fake_core_source() or _sink(), then fake_core_configure() with YAML, then
 * fake_core_start(), fake_core_send() and fake_core_take(); whatever has not come
 * within a deadline fails the test.  Only what a plugin sends is looked at, so
 * the same tests hold for any plugin.
 */
#ifndef TESTS_BASE_FAKE_CORE_H
#define TESTS_BASE_FAKE_CORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/link.h"
#include "base/runtime.h"
#include "base/tree.h"
#include "base/yaml.h"

enum { FAKE_CORE_DEADLINE_US = 10000000, FAKE_CORE_PROBLEMS = 16 };

struct fake_core_packet {
	struct fake_core_packet *next;
	size_t size;
	_Alignas(8) char bytes[];
};

struct fake_core {
	struct gw_loop *loop;
	struct gw_plugin *plugin;
	int fds[2]; /* the plugin's, ours */
	struct gw_receiver *receiver;
	struct fake_core_packet *first, **last, *taken;
	struct gw_message message; /* of the last take */
	bool deaf;		   /* do not read the link */
	char problems[FAKE_CORE_PROBLEMS][512];
	unsigned nproblems;
};

static inline void fake_core_check(int result, const struct gw_err *err)
{
	if (result < 0)
		fail_msg("%s", err->msg);
}

static inline void fake_core_open(struct fake_core *c)
{
	struct gw_err err;

	*c = (struct fake_core){ .fds = { -1, -1 } };
	c->last = &c->first;
	fake_core_check(gw_link_pair(c->fds, &err), &err);
	fake_core_check(gw_loop_new(&c->loop, &err), &err);
	c->receiver = gw_receiver_new();
}

static inline void fake_core_source(struct fake_core *c, const struct gw_source_plugin *def)
{
	struct gw_err err;

	fake_core_open(c);
	c->plugin = gw_plugin_open_source(def, c->loop, c->fds[0], &err);
	assert_non_null(c->plugin);
}

static inline void fake_core_sink(struct fake_core *c, const struct gw_sink_plugin *def)
{
	struct gw_err err;

	fake_core_open(c);
	c->plugin = gw_plugin_open_sink(def, c->loop, c->fds[0], &err);
	assert_non_null(c->plugin);
}

/* End of file for the plugin. */
static inline void fake_core_hang_up(struct fake_core *c)
{
	if (c->fds[1] >= 0)
		close(c->fds[1]);
	c->fds[1] = -1;
}

static inline void fake_core_close(struct fake_core *c)
{
	gw_plugin_free(c->plugin);
	gw_loop_free(c->loop);
	gw_receiver_free(c->receiver);
	for (struct fake_core_packet *p = c->first, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	free(c->taken);
	fake_core_hang_up(c);
	close(c->fds[0]);
}

/* ---- turning ---- */

static inline void fake_core_receive(struct fake_core *c)
{
	struct gw_err err;
	int n;

	while (c->fds[1] >= 0 && !c->deaf && (n = gw_receive(c->receiver, c->fds[1], &err)) > 0) {
		for (int i = 0; i < n; i++) {
			size_t size;
			const void *bytes = gw_received(c->receiver, i, &size);
			struct fake_core_packet *p = malloc(sizeof(*p) + size);

			assert_non_null(p);
			*p = (struct fake_core_packet){ .size = size };
			memcpy(p->bytes, bytes, size);
			*c->last = p;
			c->last = &p->next;
		}
	}
}

static inline void fake_core_turn(struct fake_core *c)
{
	struct gw_err err;

	fake_core_check(gw_loop_turn(c->loop, 1000, &err), &err);
	fake_core_receive(c);
}

/* Turns until fn(arg) or the deadline; false: the deadline. */
static inline bool fake_core_until(struct fake_core *c, bool (*fn)(void *arg), void *arg)
{
	int64_t deadline_us = gw_now_us() + FAKE_CORE_DEADLINE_US;

	while (!fn(arg)) {
		if (gw_now_us() > deadline_us)
			return false;
		fake_core_turn(c);
	}
	return true;
}

/* The exit code of the plugin, which ends by itself. */
static inline int fake_core_exit_code(struct fake_core *c)
{
	int64_t deadline_us = gw_now_us() + FAKE_CORE_DEADLINE_US;
	int code;

	while (!gw_plugin_ended(c->plugin, &code)) {
		if (gw_now_us() > deadline_us)
			fail_msg("the plugin does not end");
		fake_core_turn(c);
	}
	return code;
}

/* ---- messages ---- */

static inline void fake_core_send(struct fake_core *c, const struct gw_message *m)
{
	struct gw_err err;

	while (gw_link_send(c->fds[1], m, &err) == 0)
		fake_core_turn(c);
}

static inline void fake_core_say(struct fake_core *c, enum gw_message_type type)
{
	fake_core_send(c, &(struct gw_message){ .type = type });
}

/* The first message of this type that waits, or NULL; it is valid until the next take. */
static inline const struct gw_message *fake_core_waiting(struct fake_core *c,
							 enum gw_message_type type)
{
	struct gw_err err;

	for (struct fake_core_packet **at = &c->first; *at; at = &(*at)->next) {
		struct fake_core_packet *p = *at;

		fake_core_check(
			gw_message_decode(p->bytes, p->size, FROM_PLUGIN, &c->message, &err), &err);
		if (c->message.type != type)
			continue;
		*at = p->next;
		if (!*at)
			c->last = at;
		free(c->taken);
		c->taken = p;
		return &c->message;
	}
	return NULL;
}

/* The same, and waits for it. */
static inline const struct gw_message *fake_core_take(struct fake_core *c,
						      enum gw_message_type type)
{
	int64_t deadline_us = gw_now_us() + FAKE_CORE_DEADLINE_US;
	const struct gw_message *m;

	while (!(m = fake_core_waiting(c, type))) {
		if (gw_now_us() > deadline_us)
			fail_msg("no %s came", gw_message_name(type));
		fake_core_turn(c);
	}
	return m;
}

static inline const struct gw_reading *fake_core_reading(struct fake_core *c)
{
	const struct gw_str *block = &fake_core_take(c, GW_MSG_READING)->reading.block;
	const struct gw_reading *r = (const struct gw_reading *)(const void *)block->s;
	const char *wrong = gw_reading_check(r, block->n, GW_POINTS_MAX);

	if (wrong)
		fail_msg("%s", wrong);
	return r;
}

/* ---- configuration ---- */

static inline void fake_core_send_node(struct fake_core *c, const struct gw_node *n)
{
	struct gw_message m = { .type = GW_MSG_NODE };

	m.node = (struct gw_msg_node){ .kind = (uint8_t)n->kind,
				       .line = n->place.line,
				       .column = n->place.column,
				       .name_line = n->name_place.line,
				       .name_column = n->name_place.column,
				       .name = gw_str(n->name),
				       .text = gw_str(n->text) };
	fake_core_send(c, &m);
	if (n->kind < GW_NODE_LIST)
		return;
	for (const struct gw_node *child = n->first; child; child = child->next)
		fake_core_send_node(c, child);
	m.node = (struct gw_msg_node){ .kind = 255 };
	fake_core_send(c, &m);
}

static inline void fake_core_yaml_problem(void *arg, const struct gw_place *at, const char *path,
					  const char *text)
{
	(void)arg;
	(void)at;
	fail_msg("the YAML of the test is wrong: %s: %s", path, text);
}

static inline void fake_core_send_yaml(struct fake_core *c, const char *yaml)
{
	struct gw_problems problems = { .fn = fake_core_yaml_problem };
	struct gw_message file = { .type = GW_MSG_FILE, .file = { .path = gw_str("gw.yaml") } };
	struct gw_arena *arena = gw_arena_new();

	fake_core_send(c, &file);
	fake_core_send_node(c, gw_yaml_parse(arena, "gw.yaml", yaml, strlen(yaml), &problems));
	gw_arena_free(arena);
	fake_core_say(c, GW_MSG_CONFIGURED);
}

static inline void fake_core_note_problems(struct fake_core *c)
{
	const struct gw_message *m;

	while (c->nproblems < FAKE_CORE_PROBLEMS && (m = fake_core_waiting(c, GW_MSG_PROBLEM)))
		snprintf(c->problems[c->nproblems++], sizeof(c->problems[0]),
			 "gw.yaml:%u:%u: %.*s: %s%.*s", m->problem.line, m->problem.column,
			 (int)m->problem.path.n, m->problem.path.s, m->problem.warning ? "warning: " : "",
			 (int)m->problem.text.n, m->problem.text.s);
}

/* From HELLO to READY; returns how many problems there are: see c->problems. */
static inline unsigned fake_core_configure(struct fake_core *c, const char *name, const char *yaml)
{
	struct gw_message welcome = { .type = GW_MSG_WELCOME };
	unsigned problems;

	fake_core_take(c, GW_MSG_HELLO);
	welcome.welcome = (struct gw_msg_welcome){ .version = GW_LINK_VERSION,
						   .name = gw_str(name),
						   .gateway = gw_str("gw-1"),
						   .core = gw_str("test") };
	fake_core_send(c, &welcome);
	fake_core_take(c, GW_MSG_DESCRIBED);
	fake_core_send_yaml(c, yaml);
	problems = fake_core_take(c, GW_MSG_READY)->ready.problems;
	fake_core_note_problems(c);
	return problems;
}

static inline void fake_core_start(struct fake_core *c, int64_t epoch_us)
{
	struct gw_message start = { .type = GW_MSG_START, .start = { .epoch_us = epoch_us } };

	fake_core_send(c, &start);
}

#endif
