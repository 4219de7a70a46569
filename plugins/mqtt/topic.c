/* topic.c - see topic.h. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "topic.h"

static const struct placeholder {
	const char *name;
	size_t offset;
	const char *key; /* where the value is set */
} placeholders[] = {
	{ "root", offsetof(struct mqtt_names, root), "root" },
	{ "gateway", offsetof(struct mqtt_names, gateway), "gateway.id" },
	{ "province", offsetof(struct mqtt_names, province), "gateway.province" },
	{ "site", offsetof(struct mqtt_names, site), "gateway.site" },
	{ "domain", offsetof(struct mqtt_names, domain), "domain of the device" },
	{ "device", offsetof(struct mqtt_names, device), "name of the device" },
};

static const struct placeholder *find(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++)
		if (strlen(placeholders[i].name) == n && !memcmp(placeholders[i].name, name, n))
			return &placeholders[i];
	return NULL;
}

static int check_levels(const char *text, struct gw_err *err)
{
	size_t n = strlen(text);

	if (!n)
		return gw_err_set(err, GW_EINPUT, "is empty");
	if (text[0] == '$')
		return gw_err_set(err, GW_EINPUT, "'%s' begins with $, which belongs to the broker",
				  text);
	if (text[0] == '/' || text[n - 1] == '/' || strstr(text, "//"))
		return gw_err_set(err, GW_EINPUT, "'%s' has an empty level", text);
	size_t bad = strcspn(text, "+#. \t");
	if (text[bad])
		return gw_err_set(
			err, GW_EINPUT,
			"'%s' has '%c' in it; not allowed in a topic here: + # . and blanks", text,
			text[bad]);
	return 0;
}

int mqtt_root_check(const char *root, struct gw_err *err)
{
	if (strpbrk(root, "{}"))
		return gw_err_set(err, GW_EINPUT,
				  "'%s': placeholders belong in `topic`, not in `root`", root);
	return check_levels(root, err);
}

/* Each brace opens a known placeholder and is closed. */
static int check_placeholders(const char *text, struct gw_err *err)
{
	for (const char *p = text; *(p += strcspn(p, "{}"));) {
		size_t n = *p == '{' ? strcspn(p + 1, "{}") : 0;

		if (*p == '}' || p[n + 1] != '}')
			return gw_err_set(err, GW_EINPUT, "'%s' has a brace without its partner",
					  text);
		if (!find(p + 1, n))
			return gw_err_set(
				err, GW_EINPUT,
				"{%.*s} is unknown; allowed are {root} {gateway} {device} "
				"{province} {site} {domain}",
				(int)n, p + 1);
		p += n + 2;
	}
	return 0;
}

int mqtt_template_check(const char *text, struct gw_err *err)
{
	static const char last[] = "{device}";
	size_t n = strlen(text);

	if (check_levels(text, err) || check_placeholders(text, err))
		return -1;
	if (!strstr(text, "{gateway}"))
		return gw_err_set(
			err, GW_EINPUT,
			"'%s' must contain {gateway}, or gateways would overwrite each other",
			text);
	if (n < sizeof(last) - 1 || strcmp(text + n - (sizeof(last) - 1), last) != 0)
		return gw_err_set(
			err, GW_EINPUT,
			"'%s' must end in {device}, or devices would overwrite each other", text);
	return 0;
}

static const char *value_of(const struct placeholder *p, const struct mqtt_names *names)
{
	const char *v;

	memcpy(&v, (const char *)names + p->offset, sizeof(v));
	if (v && *v)
		return v;
	return strcmp(p->name, "domain") == 0 ? "other" : NULL;
}

struct out {
	char *s;
	size_t n;
};

static int put(struct out *o, const char *s, size_t n, bool one_level)
{
	if (o->n + n >= MQTT_TOPIC_MAX)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool bad = (unsigned char)s[i] <= ' ' || s[i] == 0x7f || strchr("/+#.$", s[i]);

		o->s[o->n++] = one_level && bad ? '_' : s[i];
	}
	o->s[o->n] = '\0';
	return 0;
}

int mqtt_topic_device(const char *text, const struct mqtt_names *names, char *out,
		      struct gw_err *err)
{
	struct out o = { out, 0 };
	int rc = 0;

	*out = '\0';
	while (*text && !rc) {
		size_t n = strcspn(text, "{");

		rc = put(&o, text, n, false);
		text += n;
		if (!*text || rc)
			continue;
		n = strcspn(text, "}");
		const struct placeholder *p = find(text + 1, n - 1);
		const char *v = p ? value_of(p, names) : NULL;
		if (!v)
			return gw_err_set(err, GW_EINPUT,
					  "topic: {%.*s} is used, but %s is not set", (int)n - 1,
					  text + 1, p ? p->key : "it");
		rc = put(&o, v, strlen(v), strcmp(p->name, "root") != 0);
		text += n + 1;
	}
	return rc ? gw_err_set(err, GW_EINPUT, "topic: longer than %d bytes", MQTT_TOPIC_MAX - 1)
		  : 0;
}
