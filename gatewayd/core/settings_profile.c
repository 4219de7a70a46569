/*
 * settings_profile.c - profiles and the vocabulary: found in the folders of `profiles.path`,
 * and merged under the devices that name them.
 *
 * A profile gives defaults: what the file says of the device, or of all devices of its
 * source's line, wins.
 */
#include "core/settings_private.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/yaml.h"
#include "core/quantities.h"

enum { PROFILES_MAX = 1024, NEAREST = 3 };

/* ---- finding ---- */

/* Names of the profiles in all folders, NULL-terminated. */
static const char **profiles_there(struct gw_settings *s)
{
	const char *const *folders = s->core.profiles.path.items;
	const char **names = gw_arena_alloc(s->arena, (PROFILES_MAX + 1) * sizeof(*names));
	size_t n = 0;

	for (size_t i = 0; i < s->core.profiles.path.count; i++) {
		DIR *d = opendir(folders[i]);

		for (struct dirent *e; d && n < PROFILES_MAX && (e = readdir(d)) != NULL;) {
			size_t length = strlen(e->d_name);

			if (length <= 5 || strcmp(e->d_name + length - 5, ".yaml") != 0)
				continue;
			names[n] = gw_arena_strdup(s->arena, e->d_name);
			((char *)(uintptr_t)names[n++])[length - 5] = '\0';
		}
		if (d)
			closedir(d);
	}
	return names;
}

/* "; did you mean 'a', 'b' or 'c'?" or nothing */
static void suggest(struct gw_settings *s, const char *name, char *out, size_t size)
{
	const char **names = profiles_there(s), *near[NEAREST];
	size_t n = 0, at = 0;

	for (; n < NEAREST && (near[n] = gw_nearest(name, names)) != NULL; n++)
		for (size_t i = 0; names[i]; i++)
			if (strcmp(names[i], near[n]) == 0)
				names[i] = ""; /* next time another one */
	*out = '\0';
	for (size_t i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s'%s'%s",
				       i == 0	   ? "; did you mean "
				       : i + 1 < n ? ", "
						   : " or ",
				       near[i], i + 1 < n ? "" : "?");
}

static void folders_text(const struct gw_settings *s, char *out, size_t size)
{
	const char *const *folders = s->core.profiles.path.items;
	size_t at = 0;

	*out = '\0';
	for (size_t i = 0; i < s->core.profiles.path.count && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", folders[i]);
}

static struct gw_node *read_profile(struct gw_settings *s, const struct gw_node *value,
				    const char *path)
{
	const char *const *folders = s->core.profiles.path.items;
	char file[1200], where[1024], near[256];

	for (size_t i = 0; i < s->core.profiles.path.count; i++) {
		snprintf(file, sizeof(file), "%s/%s.yaml", folders[i], value->text);
		if (access(file, F_OK) == 0)
			return gw_yaml_read(s->arena, gw_arena_strdup(s->arena, file),
					    &s->problems);
	}
	folders_text(s, where, sizeof(where));
	suggest(s, value->text, near, sizeof(near));
	gw_problem(&s->problems, &value->place, path, "there is no profile '%s' in %s%s",
		   value->text, where, near);
	return NULL;
}

/* ---- merging ---- */

static bool is_dropped(const struct gw_node *key, const struct gw_node *source)
{
	static const char *const about[] = { "plugin", "source", "limits", "licence" };

	for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++)
		if (strcmp(key->name, about[i]) == 0)
			return true;
	/* the line of the site, not the one a device leaves the factory with */
	return strcmp(key->name, "serial") == 0 && gw_node_get(source, "serial");
}

/* What is left is keys of a device; those of `limits` stand with them. */
static struct gw_node *as_device(struct gw_settings *s, const struct gw_node *profile,
				 const struct gw_node *source)
{
	const struct gw_node *limits = gw_node_get(profile, "limits");
	struct gw_node *map = gw_node_copy(s->arena, profile), **at = &map->first;

	while (*at)
		if (is_dropped(*at, source))
			*at = (*at)->next;
		else
			at = &(*at)->next;
	return limits && limits->kind == GW_NODE_MAP ? gw_node_merge(s->arena, limits, map) : map;
}

static void check_plugin(struct gw_settings *s, const struct gw_instance *i,
			 const struct gw_node *profile, const struct gw_node *value,
			 const char *path)
{
	const struct gw_node *plugin = gw_node_get(profile, "plugin");

	if (plugin && plugin->kind == GW_NODE_SCALAR && strcmp(plugin->text, i->plugin) != 0)
		gw_problem(&s->problems, &value->place, path,
			   "profile '%s' is for plugin '%s', and this source has '%s'", value->text,
			   plugin->text, i->plugin);
}

/* The device's map with its profile under it. */
static const struct gw_node *with_profile(struct gw_settings *s, const struct gw_instance *i,
					  const struct gw_node *device)
{
	const struct gw_node *value =
		device->kind == GW_NODE_MAP ? gw_node_get(device, "profile") : NULL;
	struct gw_node *profile, *merged;
	char key[320];

	if (!value || value->kind != GW_NODE_SCALAR || !gw_name_ok(value->text))
		return device; /* wrong kinds are found by the table */
	snprintf(key, sizeof(key), "sources.%s.devices.%s.profile", i->name, device->name);
	profile = read_profile(s, value, key);
	if (!profile || profile->kind != GW_NODE_MAP) {
		if (profile)
			gw_problem(&s->problems, &profile->place, "", "a profile is a map of keys");
		return device;
	}
	check_plugin(s, i, profile, value, key);
	merged = gw_node_merge(s->arena, as_device(s, profile, i->node), device);
	merged->name = device->name;
	merged->name_place = device->name_place;
	merged->place = device->place;
	return merged;
}

const struct gw_node *gw_settings_with_profiles(struct gw_settings *s, const struct gw_instance *i)
{
	struct gw_node *root = gw_node_copy(s->arena, i->node), *devices;

	devices = (struct gw_node *)gw_node_get(root, "devices");
	if (!devices || devices->kind != GW_NODE_MAP)
		return root;
	for (struct gw_node **at = &devices->first; *at; at = &(*at)->next) {
		struct gw_node *next = (*at)->next;

		*at = (struct gw_node *)with_profile(s, i, *at);
		(*at)->next = next;
	}
	return root;
}

/* ---- the vocabulary ---- */

static const char *there(struct gw_settings *s, const char *folder, const char *name)
{
	char file[1200];

	snprintf(file, sizeof(file), "%s/%s", folder, name);
	return access(file, F_OK) == 0 ? gw_arena_strdup(s->arena, file) : NULL;
}

static const char *find_quantities(struct gw_settings *s)
{
	static const char *const own[] = { "../../conf/quantities.yaml",
					   "../share/gatewayd/quantities.yaml" };
	const char *const *folders = s->core.profiles.path.items, *file = NULL;

	for (size_t i = 0; i < s->core.profiles.path.count && !file; i++) {
		file = there(s, folders[i], "quantities.yaml");
		if (!file)
			file = there(s, folders[i], "../quantities.yaml");
	}
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]) && !file; i++)
		file = gw_settings_beside(s->arena, own[i]);
	return file;
}

const struct gw_quantities *gw_settings_quantities(struct gw_settings *s)
{
	char where[1024];
	const char *file;

	if (s->quantities || s->no_quantities)
		return s->quantities;
	file = find_quantities(s);
	if (file) {
		s->quantities = gw_quantities_read(s->arena, file, &s->problems);
	} else {
		folders_text(s, where, sizeof(where));
		gw_problem(&s->problems, NULL, "profiles.path",
			   "quantities.yaml, which a point's `quantity` needs, is not in %s or "
			   "beside them",
			   where);
	}
	s->no_quantities = !s->quantities;
	return s->quantities;
}
