/*
 * yaml.h - a configuration file as a tree of nodes that know their places.
 *
 * libyaml's event parser with our limits in front of it: a file is at most
 * 1 MiB and 16 levels deep, valid UTF-8, one document, regular file; anchors,
 * aliases, tags, repeated keys, scalars over 16 KiB and empty values are errors.
 * Limits are checked before libyaml spends time on the input.
 */
#ifndef GW_BASE_YAML_H
#define GW_BASE_YAML_H

#include "gatewayd/config.h"

enum { GW_FILE_MAX = 1024 * 1024, GW_DEPTH_MAX = 16, GW_SCALAR_MAX = 16 * 1024 };

/* Parse text.  Problems go to `to`; NULL when the text has no usable tree. */
struct gw_node *gw_yaml_parse(struct gw_arena *a, const char *file, const char *text, size_t size,
			      struct gw_problems *to);
/* Read and parse a file; what cannot be opened or read is a problem too. */
struct gw_node *gw_yaml_read(struct gw_arena *a, const char *path, struct gw_problems *to);
/*
 * The same with the root's `include:` list carried out: patterns (glob) and plain
 * names relative to the including file; maps merge deeply, the same scalar or
 * list twice is a problem that names both places, a pattern without a match is
 * fine, a plain name without a file is not, included files include nothing.
 * The `include` node itself is taken out of the tree.
 */
struct gw_node *gw_yaml_read_all(struct gw_arena *a, const char *path, struct gw_problems *to);

/* Deep copy of `over` merged onto a deep copy of `base` (a profile under a
 * device's points): scalars and lists of `over` win; a null in `over` removes. */
struct gw_node *gw_node_merge(struct gw_arena *a, const struct gw_node *base, const struct gw_node *over);
struct gw_node *gw_node_copy(struct gw_arena *a, const struct gw_node *n);

#endif
