/*
 * node.h - finding nodes by name quickly, for maps of a size the file decides.
 */
#ifndef GW_BASE_NODE_H
#define GW_BASE_NODE_H

#include "gatewayd/config.h"

/* Names of one map.  Zero is an empty index; ends with gw_index_free(). */
struct gw_index {
	struct gw_node **slots;
	size_t size, used;
	bool fold; /* letters that differ only in case (ASCII) are the same */
};

/* Enter `n` by its name; when one of that name is there already, it is returned
 * and nothing is entered, else NULL. */
struct gw_node *gw_index_add(struct gw_index *x, struct gw_node *n);
/* The node of the same name as `n`, or NULL. */
struct gw_node *gw_index_find(const struct gw_index *x, const struct gw_node *n);
void gw_index_free(struct gw_index *x);

#endif
