/*
 * plugin.c - the talk of a plugin with the core, the same for sources and
 * sinks: greeting, configuration, start, heartbeat, end.
 *
 * A message has a handler and the stages in which it may come; anything else
 * breaks the protocol and ends the process with exit 1 (the core is trusted, so
 * that can only be a bug or a wrong descriptor).  Callbacks of the plugin may
 * find the link gone; that is acted upon at the end of the turn, never
 * below them.
 */
#include "base/plugin_private.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/runtime.h"

enum {
	SECOND_US = 1000000,
	FLUSH_US = 2 * SECOND_US, /* for the last messages */
	ROUNDS_MAX = 64,	  /* receives in one turn, so that timers get theirs */
	BEFORE_READY = GW_STAGE_GREETED | GW_STAGE_CONFIGURING,
	BEFORE_STOP = BEFORE_READY | GW_STAGE_READY | GW_STAGE_RUNNING,
	ANY_STAGE = BEFORE_STOP | GW_STAGE_STOPPING | GW_STAGE_FINISHING,
};

/* ---- parts that the roles use ---- */

void gw_plugin_send(struct gw_plugin *p, const struct gw_message *m)
{
	gw_outbox_send(p->outbox, m);
}

void gw_plugin_fail(struct gw_plugin *p, const struct gw_err *err)
{
	if (p->gone)
		return;
	gw_log_err(GW_ERROR, err);
	p->gone = true;
	p->exit_code = 1;
}

bool gw_plugin_runs(const struct gw_plugin *p)
{
	return p->stage == GW_STAGE_RUNNING || p->stage == GW_STAGE_STOPPING;
}

void gw_plugin_finish(struct gw_plugin *p)
{
	if (p->stage >= GW_STAGE_FINISHING)
		return;
	p->stage = GW_STAGE_FINISHING;
	gw_timer_at(p->deadline, gw_now_us() + FLUSH_US);
}

struct gw_problems *gw_plugin_problems(struct gw_plugin *p)
{
	return &p->problems;
}

struct gw_arena *gw_plugin_arena(struct gw_plugin *p)
{
	return p->arena;
}

struct gw_loop *gw_plugin_loop(struct gw_plugin *p)
{
	return p->loop;
}

/* ---- messages ---- */

static void send_key(void *arg, const char *section, const struct gw_key *key)
{
	struct gw_message m = { .type = GW_MSG_KEY };
	char choices[1024];

	m.key = (struct gw_msg_key){
		.section = gw_str(section),
		.name = gw_str(key->name),
		.kind = (uint8_t)key->type,
		.flags = key->flags,
		.min = key->min,
		.max = key->max,
		.fallback = gw_str(key->fallback),
		.help = gw_str(key->help),
		.example = gw_str(key->example),
		.choices = gw_str(gw_choices_text(key, choices, sizeof(choices))),
		.table = gw_str(key->table ? key->table->name : NULL),
	};
	gw_plugin_send(arg, &m);
}

static int welcomed(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	if (m->welcome.version != GW_LINK_VERSION)
		return gw_err_set(err, GW_EPROTO,
				  "the core chose link version %u, this plugin speaks %d",
				  m->welcome.version, GW_LINK_VERSION);
	p->own_name = gw_arena_text(p->arena, m->welcome.name.s, m->welcome.name.n);
	p->stage = GW_STAGE_CONFIGURING;
	gw_describe(p->sections, p->nsections, send_key, p);
	gw_plugin_send(p, &(struct gw_message){ .type = GW_MSG_DESCRIBED });
	return 0;
}

static int filed(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	return gw_tree_file(p->tree, &m->file, err);
}

static int noded(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	return gw_tree_node(p->tree, &m->node, err);
}

static void send_found(struct gw_plugin *p, const struct gw_place *at, const char *path,
		       const char *text, bool warning)
{
	struct gw_message m = { .type = GW_MSG_PROBLEM };

	m.problem.warning = warning;
	m.problem.path = gw_str(path);
	m.problem.text = gw_str(text);
	if (at && gw_tree_file_number(p->tree, at, &m.problem.file)) {
		m.problem.line = at->line;
		m.problem.column = at->column;
	}
	gw_plugin_send(p, &m);
}

static void send_problem(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	send_found(arg, at, path, text, false);
}

static void send_warning(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	send_found(arg, at, path, text, true);
}

static int configured(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct gw_message ready = { .type = GW_MSG_READY };
	const struct gw_node *root;

	(void)m;
	if (gw_tree_done(p->tree, &root, err) < 0)
		return -1;
	p->role->configure(p, root);
	ready.ready.problems = p->problems.count;
	gw_plugin_send(p, &ready);
	p->stage = GW_STAGE_READY;
	gw_arena_free(p->nodes); /* nobody looks at nodes any more */
	p->nodes = NULL;
	p->tree = NULL;
	malloc_trim(0);
	return 0;
}

static int remembered(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	char key[GW_STATE_KEY_MAX + 1] = "";

	if (m->state.key.n == 0 || m->state.key.n > GW_STATE_KEY_MAX)
		return gw_err_set(err, GW_EPROTO, "a remembered key of %u bytes", m->state.key.n);
	memcpy(key, m->state.key.s, m->state.key.n);
	if (p->problems.count == 0)
		p->role->state(p, key, m->state.value.s, m->state.value.n);
	return 0;
}

void gw_state_put(struct gw_plugin *p, const char *key, const void *value, size_t size)
{
	struct gw_message m = { .type = GW_MSG_STATE_PUT };
	size_t length = strlen(key);

	assert(gw_plugin_runs(p));
	if (length == 0 || length > GW_STATE_KEY_MAX || size > GW_STATE_VALUE_MAX) {
		gw_log(GW_ERROR, "state '%.64s' of %zu bytes is not kept: a key has 1 to %d bytes, a value at most %d",
		       key, size, GW_STATE_KEY_MAX, GW_STATE_VALUE_MAX);
		return;
	}
	m.state_put.key = (struct gw_str){ key, (uint32_t)length };
	m.state_put.value = (struct gw_str){ value, (uint32_t)size };
	gw_plugin_send(p, &m);
}

static int started(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	if (p->problems.count > 0)
		return gw_err_set(err, GW_EPROTO, "the core says start in spite of %u problems",
				  p->problems.count);
	p->stage = GW_STAGE_RUNNING;
	gw_timer_at(p->second, gw_now_us() + SECOND_US);
	if (p->role->start(p, m->start.epoch_us, err) < 0)
		gw_plugin_fail(p, err);
	return 0;
}

static int stopped(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	(void)m;
	(void)err;
	if (p->stage > GW_STAGE_RUNNING)
		return 0;
	if (p->stage < GW_STAGE_RUNNING) {
		gw_plugin_finish(p);
		return 0;
	}
	p->stage = GW_STAGE_STOPPING;
	gw_timer_at(p->deadline, gw_now_us() + p->role->stop_us);
	p->role->stop(p);
	return 0;
}

static int pinged(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct gw_message pong = { .type = GW_MSG_PONG, .pong = { .number = m->ping.number } };

	(void)err;
	gw_plugin_send(p, &pong);
	return 0;
}

static const struct handler {
	unsigned stages;
	int (*fn)(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err);
} handlers[GW_MSG_TYPES] = {
	[GW_MSG_WELCOME] = { GW_STAGE_GREETED, welcomed },
	[GW_MSG_FILE] = { GW_STAGE_CONFIGURING, filed },
	[GW_MSG_NODE] = { GW_STAGE_CONFIGURING, noded },
	[GW_MSG_CONFIGURED] = { GW_STAGE_CONFIGURING, configured },
	[GW_MSG_STATE] = { GW_STAGE_READY, remembered },
	[GW_MSG_START] = { GW_STAGE_READY, started },
	[GW_MSG_STOP] = { ANY_STAGE, stopped },
	[GW_MSG_PING] = { ANY_STAGE, pinged },
};

static int dispatch(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	const struct handler *h = &handlers[m->type];

	if (h->fn && !(h->stages & p->stage))
		return gw_err_set(err, GW_EPROTO, "%s came out of turn", gw_message_name(m->type));
	if (h->fn)
		return h->fn(p, m, err);
	if (p->stage == GW_STAGE_RUNNING)
		return p->role->message(p, m, err);
	if (p->stage > GW_STAGE_RUNNING)
		return 0; /* crossed our end on the way */
	return gw_err_set(err, GW_EPROTO, "%s came before start", gw_message_name(m->type));
}

/* ---- the link ---- */

static int take_packets(struct gw_plugin *p, int n, struct gw_err *err)
{
	struct gw_message m;
	size_t size;

	for (int i = 0; i < n && !p->gone; i++) {
		const void *packet = gw_received(p->receiver, i, &size);

		if (gw_message_decode(packet, size, FROM_CORE, &m, err) < 0 ||
		    dispatch(p, &m, err) < 0)
			return -1;
	}
	return 0;
}

static void lost(struct gw_plugin *p, const struct gw_err *err)
{
	if (err->sys == 0 || err->sys == EPIPE || err->sys == ECONNRESET)
		p->gone = true;
	else
		gw_plugin_fail(p, err);
}

static void broken_promise(struct gw_plugin *p, struct gw_err *err)
{
	gw_err_ctx(err, "the core broke the protocol");
	gw_plugin_fail(p, err);
}

static void on_link(void *arg, unsigned ready)
{
	struct gw_plugin *p = arg;
	struct gw_err err;

	if (!(ready & (GW_READ | GW_HANGUP)))
		return; /* writable: the end of the turn sends */
	for (int round = 0; round < ROUNDS_MAX && !p->gone; round++) {
		int n = gw_receive(p->receiver, p->fd, &err);

		if (n == 0)
			return;
		if (n < 0)
			lost(p, &err);
		else if (take_packets(p, n, &err) < 0)
			broken_promise(p, &err);
	}
}

/* ---- time ---- */

static void on_second(void *arg)
{
	struct gw_plugin *p = arg;

	if (!gw_plugin_runs(p))
		return;
	p->role->second(p);
	gw_timer_at(p->second, gw_loop_now_us(p->loop) + SECOND_US);
}

static void end(struct gw_plugin *p)
{
	p->stage = GW_STAGE_ENDED;
	gw_watch_stop(p->io);
	p->io = NULL;
	gw_timer_off(p->second);
	gw_timer_off(p->deadline);
}

static void on_deadline(void *arg)
{
	struct gw_plugin *p = arg;

	if (p->stage == GW_STAGE_STOPPING)
		p->role->overdue(p);
	else if (p->stage == GW_STAGE_FINISHING)
		end(p);
}

static void end_when_gone(struct gw_plugin *p)
{
	const struct gw_err *broken = gw_outbox_broken(p->outbox);

	if (broken && !p->gone)
		lost(p, broken);
	if (!p->gone)
		return;
	if (gw_plugin_runs(p))
		p->role->drop(p);
	end(p);
}

/* The end of each turn: send what was gathered, and see whether this is the end. */
static void on_turn(void *arg)
{
	struct gw_plugin *p = arg;
	bool waits;

	if (p->stage == GW_STAGE_ENDED)
		return;
	gw_outbox_flush(p->outbox);
	p->role->turn(p);
	waits = !gw_outbox_empty(p->outbox) || p->role->waits(p);
	end_when_gone(p);
	if (p->stage == GW_STAGE_FINISHING && !waits)
		end(p);
	if (p->stage == GW_STAGE_ENDED)
		return;
	unsigned interest = waits ? GW_READ | GW_WRITE : GW_READ;

	if (interest != p->interest)
		gw_fd_interest(p->io, interest);
	p->interest = interest;
}

/* ---- life ---- */

struct gw_plugin *gw_plugin_new(const struct gw_role *role, void *side, struct gw_loop *loop,
				int fd)
{
	struct gw_plugin *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	*p = (struct gw_plugin){ .role = role,
				 .side = side,
				 .loop = loop,
				 .fd = fd,
				 .arena = gw_arena_new(),
				 .receiver = gw_receiver_new(),
				 .outbox = gw_outbox_new(fd),
				 .stage = GW_STAGE_GREETED };
	p->problems = (struct gw_problems){ .fn = send_problem, .arg = p, .warn = send_warning };
	p->nodes = gw_arena_new();
	p->tree = gw_tree_new(p->nodes);
	return p;
}

int gw_plugin_begin(struct gw_plugin *p, struct gw_err *err)
{
	struct gw_message hello = { .type = GW_MSG_HELLO };

	p->interest = GW_READ;
	p->io = gw_on_fd(p->loop, p->fd, GW_READ, on_link, p, err);
	p->after = p->io ? gw_after_turn(p->loop, on_turn, p, err) : NULL;
	p->second = p->after ? gw_on_timer(p->loop, on_second, p, err) : NULL;
	p->deadline = p->second ? gw_on_timer(p->loop, on_deadline, p, err) : NULL;
	if (!p->deadline)
		return -1;
	hello.hello = (struct gw_msg_hello){ .oldest = GW_LINK_VERSION,
					     .newest = GW_LINK_VERSION,
					     .role = p->role->number,
					     .plugin = gw_str(p->name),
					     .version = gw_str(p->version) };
	gw_plugin_send(p, &hello);
	return 0;
}

void gw_plugin_terminate(struct gw_plugin *p)
{
	struct gw_err err;

	if (p->stage != GW_STAGE_ENDED)
		stopped(p, NULL, &err);
}

bool gw_plugin_ended(const struct gw_plugin *p, int *exit_code)
{
	*exit_code = p->exit_code;
	return p->stage == GW_STAGE_ENDED;
}

void gw_plugin_free(struct gw_plugin *p)
{
	if (!p)
		return;
	p->role->release(p);
	gw_watch_stop(p->io);
	gw_watch_stop(p->after);
	gw_watch_stop(p->second);
	gw_watch_stop(p->deadline);
	gw_outbox_free(p->outbox);
	gw_receiver_free(p->receiver);
	gw_arena_free(p->nodes);
	gw_arena_free(p->arena);
	free(p);
}
