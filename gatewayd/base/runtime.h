/*
 * runtime.h - a plugin's runtime on any descriptor: gw_source_main() and
 * gw_sink_main() use it on descriptor 3, tests on one end of a pair, with the
 * other end as a core in the same process (tests/base/fake_core.h).
 *
 * The loop's callbacks do all the work; the owner turns the loop until
 * gw_plugin_ended().  The descriptor stays the owner's.
 */
#ifndef GW_BASE_RUNTIME_H
#define GW_BASE_RUNTIME_H

#include "gatewayd/plugin.h"

/* Sends HELLO and waits for the core.  NULL with *err: the loop refused. */
struct gw_plugin *gw_plugin_open_source(const struct gw_source_plugin *def, struct gw_loop *loop,
					int fd, struct gw_err *err);
struct gw_plugin *gw_plugin_open_sink(const struct gw_sink_plugin *def, struct gw_loop *loop,
				      int fd, struct gw_err *err);
void gw_plugin_terminate(struct gw_plugin *p); /* as if the core had said STOP */
bool gw_plugin_ended(const struct gw_plugin *p, int *exit_code);
void gw_plugin_free(struct gw_plugin *p); /* calls nothing of the plugin; NULL is allowed */

#endif
