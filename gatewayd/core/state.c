/*
 * state.c - the memory of plugins on the link: what an instance put before goes to each new
 * process of it ahead of START; what it puts goes to memory.c and, with the next commit, to the disk.
 */
#include "core/daemon.h"

#include <string.h>

#include "gatewayd/plugin.h"

enum { OWNER_MAX = 80 };

static const char *owner(const struct gw_instance *i, char buf[OWNER_MAX])
{
	snprintf(buf, OWNER_MAX, "%s/%.64s", i->sink ? "sink" : "source", i->name);
	return buf;
}

static void send_one(void *arg, const struct gw_state_row *row)
{
	struct gw_message m = { .type = GW_MSG_STATE };

	m.state.key = gw_str(row->key);
	m.state.value = (struct gw_str){ row->value, (uint32_t)row->size };
	gw_child_send(arg, &m);
}

void gw_state_send(struct gw_daemon *d, const struct gw_instance *i, struct gw_child *child)
{
	char name[OWNER_MAX];

	gw_memory_each(d->memory, owner(i, name), send_one, child);
}

void gw_state_keep(struct gw_daemon *d, const struct gw_instance *i, const struct gw_msg_state_put *m)
{
	char name[OWNER_MAX], key[GW_STATE_KEY_MAX + 2] = ""; /* one more, so that too long stays too long */
	struct gw_state_row row = { owner(i, name), key, m->value.s, m->value.n };
	struct gw_err err;

	if (m->key.n)
		memcpy(key, m->key.s, m->key.n < sizeof(key) - 1 ? m->key.n : sizeof(key) - 1);
	if (gw_memory_put(d->memory, &row, &err) != 0)
		gw_log(GW_WARNING, "%s '%s': %s", i->sink ? "sink" : "source", i->name, err.msg);
	else
		gw_commit_later(d);
}
