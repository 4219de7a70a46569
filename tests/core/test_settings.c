/* settings: what people get wrong, and the exact words they read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "core/settings.h"

/* ---- a plugin that has described itself ---- */

static void key(struct gw_described *d, const char *section, const char *name, enum gw_type type, unsigned flags,
		int64_t max)
{
	struct gw_err err = { 0 };
	struct gw_msg_key k = { .section = gw_str(section), .name = gw_str(name), .kind = (uint8_t)type,
				.flags = flags, .max = max };

	if (gw_described_key(d, &k, &err) != 0)
		fail_msg("%s", err.msg);
}

static struct gw_described *demo(void)
{
	struct gw_described *d = gw_described_new();

	key(d, "source", "connection", GW_T_TEXT, 0, 200);
	key(d, "device", "unit_id", GW_T_INT, GW_REQUIRED, 255);
	key(d, "device", "max_registers", GW_T_INT, 0, 125);
	key(d, "point", "address", GW_T_INT, GW_REQUIRED, 65535);
	key(d, "sink", "broker", GW_T_TEXT, GW_REQUIRED | GW_LIST, 200);
	key(d, "sink", "replay_rate", GW_T_INT, 0, 1000000);
	return d;
}

/* ---- files in a temporary folder, which is the working folder ---- */

static char folder[] = "/tmp/test_settings.XXXXXX";

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chdir(folder) != 0 || mkdir("plugins", 0755) != 0 || mkdir("profiles", 0755) != 0)
		return -1;
	put("plugins/demo", "#!/bin/true\n");
	put("plugins/far", "#!/bin/true\n");
	put("plugins/plain", "not a program");
	put("profiles/meter.yaml", "title: A meter\nplugin: demo\nlimits: {max_registers: 10}\ndomain: energy\n"
				   "points:\n  volt: {address: 1, unit: V, min: 0}\n  amp: {address: 2, unit: A}\n");
	put("profiles/bad.yaml", "points:\n  volt: {addres: 1}\n");
	put("profiles/broken.yaml", "points: [\n");
	return chmod("plugins/demo", 0755) + chmod("plugins/far", 0755);
}

static int end(void **state)
{
	(void)state;
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir("/") == 0 ? system(command) : -1;
}

static void add_line(void *arg, const char *line)
{
	char *all = arg;

	snprintf(all + strlen(all), 8192 - strlen(all), "%s\n", line);
}

static struct gw_settings *checked(const char *text)
{
	struct gw_described *d = demo();
	struct gw_settings *s;

	put("c.yaml", text);
	s = gw_settings_read("c.yaml");
	for (size_t i = 0; i < s->ninstances; i++)
		if (s->instances[i].program)
			gw_settings_check(s, &s->instances[i], d);
	gw_settings_check_all(s);
	gw_described_free(d);
	return s;
}

static const char *problems(const char *text)
{
	static char all[8192];
	struct gw_settings *s = checked(text);

	all[0] = '\0';
	gw_settings_each(s, add_line, all);
	gw_settings_free(s);
	return all;
}

#define HEAD "plugins: {path: plugins}\nprofiles: {path: [profiles]}\ngateway: {id: g}\n"
#define ONE(point) HEAD "sources:\n  a:\n    plugin: demo\n    devices:\n      m: {unit_id: 1, points: {p: " point "}}\n"

static const struct {
	const char *config, *text;
} wrong[] = {
	{ "gateway: {}\n",
	  "c.yaml:1:1: gateway: required key 'id' is missing\n" },
	{ "gateway: {id: \"a b\"}\n",
	  "c.yaml:1:15: gateway.id: 'a b' is not a name: letters, digits, - and _, at most 64, a letter or digit first\n" },
	{ "gateway: {id: g, titel: x}\n",
	  "c.yaml:1:18: gateway: unknown key 'titel'; did you mean 'title'?\n" },
	{ "[1]\n",
	  "c.yaml:1:1: a configuration is a map of keys\n" },
	{ "",
	  "c.yaml: holds nothing, or only comments\n" },
	{ "gateway: {id: g}\nbuffer: {max_size: 1MiB}\n",
	  "c.yaml:2:20: buffer.max_size: '1MiB' is outside 16MiB to 1024GiB\n" },
	{ "gateway: {id: g}\nbuffer: {keep: 3}\n",
	  "c.yaml:2:16: buffer.keep: '3' needs a unit: ms, s, m, h or d, for example 3s\n" },
	{ "gateway: {id: g}\nbuffer: {when_full: drop}\n",
	  "c.yaml:2:21: buffer.when_full: 'drop' is not one of drop-oldest, thin\n" },
	{ "gateway: {id: g, location: {lat: 10}}\n",
	  "c.yaml:1:18: gateway.location: required key 'lon' is missing\n" },
	{ "gateway: {id: g}\nbufer: {}\n",
	  "c.yaml:2:1: unknown key 'bufer'; did you mean 'buffer'?\n" },
	{ "gateway: {id: g}\ngateway: {id: h}\n",
	  "c.yaml:2:1: gateway: is set twice, first at line 1\n" },
	{ "gateway: {id: g}\nsources: [a]\n",
	  "c.yaml:2:10: sources: takes a map of names\n" },
	{ HEAD "sources: {a: 5}\n",
	  "c.yaml:4:14: sources.a: takes a map of keys, the first of them 'plugin'\n" },
	{ HEAD "sources: {a: {interval: 1s}}\n",
	  "c.yaml:4:11: sources.a: required key 'plugin' is missing\n" },
	{ HEAD "sources: {a: {plugin: demmo}}\n",
	  "c.yaml:4:23: sources.a.plugin: there is no plugin 'demmo' in plugins, only: demo, far; did you mean 'demo'?\n" },
	{ HEAD "sources: {a: {plugin: xyzzy}}\n",
	  "c.yaml:4:23: sources.a.plugin: there is no plugin 'xyzzy' in plugins, only: demo, far\n" },
	{ HEAD "sources: {a: {plugin: plain}}\n",
	  "c.yaml:4:23: sources.a.plugin: plugins/plain is not a program that can be run\n" },
	{ HEAD "sources: {a: {plugin: ../demo}}\n",
	  "c.yaml:4:23: sources.a.plugin: the name of a plugin has 1 to 32 small letters, digits and '-'\n" },
	{ HEAD "sources: {a b: {plugin: demo}}\n",
	  "c.yaml:4:11: sources.a b: 'a b' is not a name: letters, digits, - and _, at most 64, a letter or digit first\n" },
	{ HEAD "sources: {a: {plugin: demo}, A: {plugin: demo}}\n",
	  "c.yaml:4:30: sources.A: 'A' differs only in case from 'a' at c.yaml:4\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 1}}}\n  b: {plugin: demo, devices: {M: {unit_id: 1}}}\n",
	  "c.yaml:6:31: sources.b.devices.M: source 'a' has a device 'm' too, at c.yaml:5: a name is used once, whatever its case\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 1}, M: {unit_id: 2}}}\n",
	  "c.yaml:5:48: sources.a.devices.M: 'M' differs only in case from 'm' at c.yaml:5\n" },
	{ HEAD "sources:\n  a: {plugin: demo, conection: x}\n",
	  "c.yaml:5:21: sources.a: unknown key 'conection'; did you mean 'connection'?\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {}}}\n",
	  "c.yaml:5:31: sources.a.devices.m: required key 'unit_id' is missing\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 256}}}\n",
	  "c.yaml:5:44: sources.a.devices.m.unit_id: '256' is outside 0 to 255\n" },
	{ ONE("{}"),
	  "c.yaml:8:32: sources.a.devices.m.points.p: required key 'address' is missing\n" },
	{ ONE("{address: 1, unit: kWh}"),
	  "c.yaml:8:54: sources.a.devices.m.points.p.unit: 'kWh' is how people write it; the UCUM code is 'kW.h'\n" },
	{ ONE("{address: 1, unit: furlong}"),
	  "c.yaml:8:54: sources.a.devices.m.points.p.unit: 'furlong' is not a known UCUM code (such as V, A, W, kW.h, Cel, m3/h, %)\n" },
	{ ONE("{address: 1, scale: 0}"),
	  "c.yaml:8:55: sources.a.devices.m.points.p.scale: 0 would make every value the same\n" },
	{ ONE("{address: 1, min: 5, max: 1}"),
	  "c.yaml:8:61: sources.a.devices.m.points.p.max: '1' is below min, '5'\n" },
	{ ONE("{address: 1, deadband: -1}"),
	  "c.yaml:8:58: sources.a.devices.m.points.p.deadband: '-1' is below 0\n" },
	{ ONE("{address: 1, max_silence: 10s}"),
	  "c.yaml:8:61: sources.a.devices.m.points.p.max_silence: has a meaning only with a deadband\n" },
	{ ONE("{address: 1, enum: 5}"),
	  "c.yaml:8:54: sources.a.devices.m.points.p.enum: takes a map of raw values to words, for example {0: off, 1: on}\n" },
	{ ONE("{address: 1, enum: {}}"),
	  "c.yaml:8:54: sources.a.devices.m.points.p.enum: takes a map of raw values to words, for example {0: off, 1: on}\n" },
	{ ONE("{address: 1, enum: {a: off}}"),
	  "c.yaml:8:54: sources.a.devices.m.points.p.enum: 'a' is not a whole number\n" },
	{ ONE("{address: 1, enum: {0: \"\"}}"),
	  "c.yaml:8:54: sources.a.devices.m.points.p.enum: the word for 0 has 1 to 64 printable characters\n" },
	{ ONE("{address: 1, enum: {0: off}, unit: V}"),
	  "c.yaml:8:70: sources.a.devices.m.points.p.unit: an enumeration has no unit\n" },
	{ ONE("{address: 1, interval: 1ms}"),
	  "c.yaml:8:58: sources.a.devices.m.points.p.interval: '1ms' is outside 10ms to 30d\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 1, profile: nometer}}}\n",
	  "c.yaml:5:56: sources.a.devices.m.profile: there is no profile 'nometer' in profiles; did you mean 'meter'?\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 1, profile: bad}}}\n",
	  "profiles/bad.yaml:2:3: sources.a.devices.m.points.volt: required key 'address' is missing\n"
	  "profiles/bad.yaml:2:10: sources.a.devices.m.points.volt: unknown key 'addres'; did you mean 'address'?\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 1, profile: broken}, n: {unit_id: 2, profile: broken}}}\n",
	  "profiles/broken.yaml:2:1: a value or a closing bracket is missing here\n" },
	{ HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 1, profile: meter, points: {volt: {max: -1}}}}}\n",
	  "c.yaml:5:84: sources.a.devices.m.points.volt.max: '-1' is below min, '0'\n" },
	{ HEAD "sinks: {s: {plugin: far}}\n",
	  "c.yaml:4:9: sinks.s: required key 'broker' is missing\n" },
	{ HEAD "sinks: {s: {plugin: far, broker: x, replay_rate: -1}}\n",
	  "c.yaml:4:50: sinks.s.replay_rate: '-1' is outside 0 to 1000000\n" },
	{ HEAD "include: [nothere.yaml]\n",
	  "c.yaml:4:11: include: 'nothere.yaml': No such file or directory\n" },
};

static void each_mistake_is_said_in_words_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_string_equal(problems(wrong[i].config), wrong[i].text);
}

#define METER(more) HEAD "sources:\n  a: {plugin: demo, devices: {m: {unit_id: 1, profile: meter" more "}}}\n"

static void a_profile_is_merged_overridden_and_thinned(void **state)
{
	struct gw_settings *s;
	const struct gw_device_keys *d;
	const struct gw_point_keys *p;

	(void)state;
	assert_string_equal(problems(METER("")), "");
	s = checked(METER(", points: {volt: {max: 500}, amp: null, x: {address: 9}}"));
	assert_int_equal(s->problems.count, 0);
	d = s->instances[0].source.devices.items;
	p = d->points.items;
	assert_string_equal(d->title, "A meter");
	assert_string_equal(d->domain, "energy");
	assert_int_equal(d->points.count, 2);
	assert_string_equal(p[0].item.name, "volt");
	assert_string_equal(p[0].unit, "V");
	assert_int_equal(p[0].max.mantissa, 500);
	assert_string_equal(p[1].item.name, "x");
	gw_settings_free(s);
}

static uint32_t hash_of(const char *text)
{
	struct gw_settings *s = checked(text);
	uint32_t hash = s->hash;

	assert_int_equal(s->problems.count, 0);
	gw_settings_free(s);
	return hash;
}

static void the_hash_follows_the_content_and_not_the_places(void **state)
{
	uint32_t first = hash_of(METER(""));

	(void)state;
	assert_int_equal(hash_of(METER("")), first);
	assert_int_equal(hash_of("# a remark\n\n" METER("")), first);
	assert_int_not_equal(hash_of(METER(", title: other")), first);
	assert_int_not_equal(hash_of(METER("") "buffer: {history: 2d}\n"), first);
	put("profiles/meter.yaml", "plugin: demo\npoints:\n  volt: {address: 7}\n");
	assert_int_not_equal(hash_of(METER("")), first);
}

/* What the log gets of them. */
static const char *logged(const struct gw_settings *s)
{
	static char text[2048];
	FILE *f = tmpfile();
	int err = dup(STDERR_FILENO);

	assert_true(f && err >= 0);
	dup2(fileno(f), STDERR_FILENO);
	gw_log_open("test", GW_INFO);
	gw_settings_log(s);
	dup2(err, STDERR_FILENO);
	close(err);
	rewind(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void a_warning_says_once_that_it_is_one(void **state)
{
	struct gw_settings *s;
	char lines[8192] = "";

	(void)state;
	put("c.yaml", "gateway: {id: g}\nbuffer: {path: b.db}\n");
	s = gw_settings_read("c.yaml");
	gw_warning(&s->problems, gw_settings_buffer_place(s, "path"), "buffer.path", "lies in memory");
	gw_problem(&s->problems, NULL, "gateway.id", "cannot change");
	gw_settings_each(s, add_line, lines);
	assert_string_equal(lines, "c.yaml: gateway.id: cannot change\n"
				   "c.yaml:2:16: buffer.path: warning: lies in memory\n");
	assert_string_equal(logged(s), "error: c.yaml: gateway.id: cannot change\n"
				       "warning: c.yaml:2:16: buffer.path: lies in memory\n");
	gw_settings_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_is_said_in_words_with_its_place),
		cmocka_unit_test(a_profile_is_merged_overridden_and_thinned),
		cmocka_unit_test(the_hash_follows_the_content_and_not_the_places),
		cmocka_unit_test(a_warning_says_once_that_it_is_one),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
