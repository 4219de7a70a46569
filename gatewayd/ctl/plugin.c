/*
 * plugin.c - running a plugin by hand, with or without a daemon.
 *
 * The plugin folder is found from where this program lies: ../lib/gatewayd/plugins
 * beside an installed bin/, plugins/ beside it in a build folder.  The name is checked
 * before it becomes part of a path.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/ctl.h"

static bool is_plugin_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n >= 1 && n <= 32 && !name[n] && name[0] != '-';
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* false: there is none; `out` holds the last place looked at. */
static bool find_folder(char out[PATH_MAX])
{
	static const char *const places[] = { "plugins", "../lib/gatewayd/plugins" };
	char self[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(out, PATH_MAX, "%s/%s", self, places[i]);
		if (is_folder(out))
			return true;
	}
	return false;
}

static int is_shown(const struct dirent *e)
{
	return is_plugin_name(e->d_name);
}

/* "modbus, mqtt", or "none"; cut to fit. */
static void list_plugins(const char *folder, char *out, size_t size)
{
	struct dirent **found = NULL;
	int n = scandir(folder, &found, is_shown, alphasort);
	size_t used = 0;

	snprintf(out, size, "none");
	for (int i = 0; i < n; i++) {
		if (used + strlen(found[i]->d_name) + 3 < size)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", found[i]->d_name);
		free(found[i]);
	}
	free(found);
}

int ctl_plugin(const struct ctl *c, const struct ctl_command *self)
{
	const char *name = c->args[0];
	char folder[PATH_MAX], path[PATH_MAX + 64], list[512];

	if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
		const struct ctl help = { .args = (char *[]){ (char *)(uintptr_t)self->name, NULL }, .nargs = 1 };

		return ctl_help(&help, self);
	}
	if (!is_plugin_name(name))
		return ctl_fail(CTL_USAGE, "plugin: \"%s\" cannot be a plugin's name: 1 to 32 of a-z, 0-9 and -", name);
	if (!find_folder(folder))
		return ctl_fail(CTL_REFUSED, "plugin: there is no plugin folder at %s", folder);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	execv(path, c->args);
	if (errno != ENOENT)
		return ctl_fail(CTL_REFUSED, "plugin: %s: %s", path, strerror(errno));
	list_plugins(folder, list, sizeof(list));
	return ctl_fail(CTL_REFUSED, "plugin: no plugin \"%s\" in %s; there: %s", name, folder, list);
}
