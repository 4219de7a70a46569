/*
 * tree.h - the plugin's part of the configuration, rebuilt from FILE and NODE
 * messages.  Depth and size are bounded; what breaks the protocol is an error,
 * never a crash.
 */
#ifndef GW_BASE_TREE_H
#define GW_BASE_TREE_H

#include "base/link.h"
#include "gatewayd/config.h"

enum { GW_TREE_MAX = 64 * 1024 * 1024 }; /* bytes of nodes and texts */

struct gw_tree;

struct gw_tree *gw_tree_new(struct gw_arena *arena); /* tree and nodes belong to the arena */

/* All return 0, or -1 with GW_EPROTO. */
int gw_tree_file(struct gw_tree *t, const struct gw_msg_file *m, struct gw_err *err);
int gw_tree_node(struct gw_tree *t, const struct gw_msg_node *m, struct gw_err *err);
/* The root, a map, is there and closed. */
int gw_tree_done(const struct gw_tree *t, const struct gw_node **root, struct gw_err *err);

/* Number of the file a place is in; false: it has none. */
bool gw_tree_file_number(const struct gw_tree *t, const struct gw_place *at, uint16_t *number);

#endif
