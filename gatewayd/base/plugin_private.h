/*
 * plugin_private.h - what plugin.c (the talk with the core, the same for all)
 * and source.c and sink.c (the two roles) know of each other.
 */
#ifndef GW_BASE_PLUGIN_PRIVATE_H
#define GW_BASE_PLUGIN_PRIVATE_H

#include "base/link.h"
#include "base/outbox.h"
#include "base/tree.h"
#include "gatewayd/plugin.h"

struct gw_describe_section {
	const char *name;
	const struct gw_table *table; /* NULL: no keys */
};

/* A role.  Its `side` is allocated by the opener and freed by `release`. */
struct gw_role {
	uint8_t number; /* of HELLO */
	/* Check the configuration, report problems, configure the plugin, declare. */
	void (*configure)(struct gw_plugin *p, const struct gw_node *root);
	/* Something remembered, between READY and START. */
	void (*state)(struct gw_plugin *p, const char *key, const void *value, size_t size);
	/* -1: the plugin could not start; ends the process with exit 1. */
	int (*start)(struct gw_plugin *p, int64_t epoch_us, struct gw_err *err);
	/* A message of the role after START; -1: the core broke the protocol. */
	int (*message)(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err);
	void (*turn)(struct gw_plugin *p);   /* end of a turn: send what was gathered */
	bool (*waits)(struct gw_plugin *p);  /* more to send than the link took? */
	void (*second)(struct gw_plugin *p); /* about once a second while running */
	/* STOP: begin to end; calls gw_plugin_finish() now or later, within stop_us. */
	void (*stop)(struct gw_plugin *p);
	int64_t stop_us;
	void (*overdue)(struct gw_plugin *p); /* stop_us are over */
	void (*drop)(struct gw_plugin *p);    /* the core is gone: release at once */
	void (*release)(struct gw_plugin *p);
};

enum gw_stage {
	GW_STAGE_GREETED = 1 << 0,     /* HELLO sent */
	GW_STAGE_CONFIGURING = 1 << 1, /* keys sent, nodes come */
	GW_STAGE_READY = 1 << 2,       /* configured, waits for START */
	GW_STAGE_RUNNING = 1 << 3,
	GW_STAGE_STOPPING = 1 << 4,  /* STOP came; the role is at it */
	GW_STAGE_FINISHING = 1 << 5, /* the role is done; the last messages go out */
	GW_STAGE_ENDED = 1 << 6,
};

struct gw_plugin {
	const struct gw_role *role;
	void *side;		    /* struct source or struct sink */
	const char *name, *version; /* of the program */
	const struct gw_describe_section *sections;
	size_t nsections;
	struct gw_loop *loop;
	int fd;
	struct gw_arena *arena;
	struct gw_arena *nodes; /* the configuration's tree, until READY */
	struct gw_receiver *receiver;
	struct gw_outbox *outbox;
	struct gw_tree *tree;
	struct gw_problems problems;
	char *own_name; /* in the configuration; from WELCOME */
	enum gw_stage stage;
	int exit_code;
	bool gone; /* the link ended or is no use any more: acted on at the end of the turn */
	struct gw_watch *io, *after, *second, *deadline;
	unsigned interest;
};

struct gw_plugin *gw_plugin_new(const struct gw_role *role, void *side, struct gw_loop *loop,
				int fd);
/* HELLO, and listen; name and sections are filled in by then. */
int gw_plugin_begin(struct gw_plugin *p, struct gw_err *err);
void gw_plugin_finish(struct gw_plugin *p); /* the role has released its plugin */
void gw_plugin_send(struct gw_plugin *p, const struct gw_message *m);
/* The link is of no use any more: logs, and ends the process with exit 1. */
void gw_plugin_fail(struct gw_plugin *p, const struct gw_err *err);
bool gw_plugin_runs(const struct gw_plugin *p); /* RUNNING or STOPPING: the plugin may be called */

/* ---- describe.c: tables as KEY messages ---- */
typedef void gw_key_fn(void *arg, const char *section, const struct gw_key *key);
/* Each key of the sections and of the tables inside them, each table once. */
void gw_describe(const struct gw_describe_section *sections, size_t n, gw_key_fn *fn, void *arg);
/* "bool|int" words of a choice, cut to size. */
const char *gw_choices_text(const struct gw_key *key, char *buf, size_t size);

/* ---- program.c: main() of a plugin, tools.c: the program run by hand ---- */
struct gw_program {
	const char *name, *version, *help;
	const struct gw_describe_section *sections;
	size_t nsections;
	const struct gw_tool *tools; /* NULL: none */
	const void *def;
	struct gw_plugin *(*open)(struct gw_loop *loop, int fd, const void *def,
				  struct gw_err *err);
};
int gw_program_main(const struct gw_program *program, int argc, char *argv[]); /* the exit code */
int gw_program_by_hand(const struct gw_program *program, int argc, char *argv[]);

#endif
