/*
 * source_config.h - a source's configuration as its plugin gets it, from the
 * nodes of the link: common keys and the plugin's own, inheritance done.
 */
#ifndef GW_BASE_SOURCE_CONFIG_H
#define GW_BASE_SOURCE_CONFIG_H

#include "gatewayd/plugin.h"

/*
 * Everything that the tables can say is reported to `to`, each problem once.
 * Left out of *out are the devices that have problems, so that configure() can
 * check the others.  false: the source's own keys are wrong, and *out is of no use.
 * What *out refers to lies in `a`, but for nodes; `scratch` holds what is needed meanwhile.
 */
bool gw_source_config(struct gw_arena *scratch, struct gw_arena *a,
		      const struct gw_source_plugin *def, const char *name,
		      const struct gw_node *root, struct gw_source_config *out,
		      struct gw_problems *to);

#endif
