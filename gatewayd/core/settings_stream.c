/*
 * settings_stream.c - an instance's part of the configuration as the messages its plugin gets:
 * FILE for each file, NODE depth first, CONFIGURED.  Kept in a memfd (u32 size, then the
 * message), so that a restart of the plugin needs no file and no tree in our memory.
 */
#include "core/settings_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { NODE_END = 255 };

struct stream {
	FILE *out;
	struct gw_instance *i;
	bool too_long;
	uint32_t hash;
	unsigned char buf[GW_MESSAGE_MAX];
};

static void put(struct stream *st, const struct gw_message *m)
{
	uint32_t n = (uint32_t)gw_message_encode(m, st->buf);

	st->too_long |= n == 0;
	fwrite(&n, sizeof(n), 1, st->out);
	fwrite(st->buf, 1, n, st->out);
}

static uint16_t file_number(struct stream *st, const char *file)
{
	struct gw_message m = { .type = GW_MSG_FILE };

	for (unsigned n = 0; n < st->i->nfiles; n++)
		if (st->i->files[n] == file || (file && strcmp(st->i->files[n], file) == 0))
			return (uint16_t)n;
	if (!file || st->i->nfiles == sizeof(st->i->files) / sizeof(st->i->files[0]))
		return 0;
	m.file.number = (uint16_t)st->i->nfiles;
	m.file.path = gw_str(file);
	st->i->files[st->i->nfiles++] = file;
	put(st, &m);
	return m.file.number;
}

/* What decides whether anything changed: names and texts, not places. */
static void mix(struct stream *st, const char *text)
{
	st->hash = (uint32_t)crc32(st->hash, (const unsigned char *)(text ? text : "\1"),
				   text ? (unsigned)strlen(text) + 1 : 2);
}

static void put_node(struct stream *st, const struct gw_node *n)
{
	struct gw_message m = { .type = GW_MSG_NODE };

	m.node.kind = (uint8_t)n->kind;
	m.node.file = file_number(st, n->place.file);
	m.node.line = n->place.line;
	m.node.column = n->place.column;
	m.node.name_line = n->name_place.line;
	m.node.name_column = n->name_place.column;
	m.node.name = gw_str(n->name);
	m.node.text = gw_str(n->text);
	put(st, &m);
	mix(st, n->name);
	mix(st, n->text);
	if (n->kind != GW_NODE_MAP && n->kind != GW_NODE_LIST)
		return;
	for (const struct gw_node *c = n->first; c; c = c->next)
		put_node(st, c); /* depth is capped by the YAML reader */
	m = (struct gw_message){ .type = GW_MSG_NODE };
	m.node.kind = NODE_END;
	put(st, &m);
	mix(st, "\2");
}

int gw_settings_stream(struct gw_instance *i, const struct gw_node *root, struct gw_err *err)
{
	struct stream *st = calloc(1, sizeof(*st));
	int fd = memfd_create("gatewayd-config", MFD_CLOEXEC);
	struct stat sb;
	int ret = -1;

	if (!st || fd < 0 || !(st->out = fdopen(dup(fd), "w"))) {
		gw_err_sys(err, errno, "memory for the configuration of %s", i->name);
		goto out;
	}
	st->i = i;
	put_node(st, root);
	put(st, &(struct gw_message){ .type = GW_MSG_CONFIGURED });
	if (st->too_long) {
		gw_err_set(err, GW_EINPUT, "a key or value is too long for a plugin");
		goto out;
	}
	if (fclose(st->out) != 0 || fstat(fd, &sb) != 0) {
		st->out = NULL;
		gw_err_sys(err, errno, "memory for the configuration of %s", i->name);
		goto out;
	}
	st->out = NULL;
	i->stream = fd;
	i->stream_size = (uint64_t)sb.st_size;
	i->hash = st->hash;
	fd = -1;
	ret = 0;
out:
	if (st && st->out)
		fclose(st->out);
	if (fd >= 0)
		close(fd);
	free(st);
	return ret;
}

const char *gw_settings_file(const struct gw_instance *i, unsigned number)
{
	return i->stream >= 0 && number < i->nfiles ? i->files[number] : NULL;
}

static void mix_node(struct stream *st, const struct gw_node *n)
{
	mix(st, n->name);
	mix(st, n->text);
	for (const struct gw_node *c = n->first; c; c = c->next)
		mix_node(st, c);
	mix(st, "\2");
}

static bool is_listed(const char *name, const char *const *list)
{
	while (*list && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

uint32_t gw_settings_hash(const struct gw_node *map, const char *const *but)
{
	struct stream *st = calloc(1, sizeof(*st));
	uint32_t hash;

	if (!st)
		return 0;
	for (const struct gw_node *c = map->first; c; c = c->next)
		if (!c->name || !is_listed(c->name, but))
			mix_node(st, c);
	hash = st->hash;
	free(st);
	return hash;
}
