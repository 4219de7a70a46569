/*
 * settings_tables.c - the core's own configuration keys: the only place they are known.
 * The keys of every source, device, point and sink are in base/keys.c; a plugin's in the plugin.
 */
#include "core/settings.h"

#define KIB 1024LL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define S   1000LL
#define H   (3600 * S)
#define D   (24 * H)

static const struct gw_key location_keys[] = {
	{ "lat", GW_T_NUMBER, GW_REQUIRED, NULL, "Latitude in degrees, WGS 84, north is positive.",
	  "10.98", NULL, 0, 0, offsetof(struct gw_location, lat), NULL },
	{ "lon", GW_T_NUMBER, GW_REQUIRED, NULL, "Longitude in degrees, WGS 84, east is positive.",
	  "106.65", NULL, 0, 0, offsetof(struct gw_location, lon), NULL },
};
static const struct gw_table location_table =
	GW_TABLE("location", struct gw_location, location_keys, "Where the gateway stands.");

#define AT(member) offsetof(struct gw_gateway_settings, member)
static const struct gw_key gateway_keys[] = {
	{ "id", GW_T_NAME, GW_REQUIRED, NULL,
	  "Name of this gateway, unique among all gateways of the operations centre.", "79-an-phu-01",
	  NULL, 0, 0, AT(id), NULL },
	{ "title", GW_T_TEXT, GW_RELOAD, NULL, "What people call it.", "Trạm bơm An Phú", NULL, 0, 200,
	  AT(title), NULL },
	{ "province", GW_T_TEXT, GW_RELOAD, NULL, "Official two-digit code of the province.", "\"79\"",
	  NULL, 0, 16, AT(province), NULL },
	{ "site", GW_T_NAME, GW_RELOAD, NULL, "Name of the site.", "an-phu", NULL, 0, 0, AT(site), NULL },
	{ "location", GW_T_SECTION, GW_RELOAD, NULL, "Where the gateway stands.",
	  "{lat: 10.98, lon: 106.65}", NULL, 0, 0, AT(location), &location_table },
};
#undef AT
static const struct gw_table gateway_table =
	GW_TABLE("gateway", struct gw_gateway_settings, gateway_keys, "Who this gateway is.");

#define AT(member) offsetof(struct gw_ring_settings, member)
static const struct gw_key ring_keys[] = {
	{ "path", GW_T_TEXT, GW_PATH, NULL,
	  "File in memory (tmpfs) for what is not committed yet; default: in $RUNTIME_DIRECTORY, else in /dev/shm.",
	  "/run/gatewayd/ring", NULL, 1, 1024, AT(path), NULL },
	{ "size", GW_T_SIZE, 0, "16MiB", "Its size: about a minute of readings is enough.", NULL, NULL,
	  1 * MIB, 1 * GIB, AT(size), NULL },
};
#undef AT
static const struct gw_table ring_table = GW_TABLE(
	"ring", struct gw_ring_settings, ring_keys, "What a killed process had not committed yet.");

static const char *const when_full[] = { "drop-oldest", "thin", NULL };

#define AT(member) offsetof(struct gw_buffer_settings, member)
static const struct gw_key buffer_keys[] = {
	{ "path", GW_T_TEXT, GW_PATH, "/var/lib/gatewayd/buffer.db",
	  "The database of readings, on a disk that keeps what is synced to it.", NULL, NULL, 1, 1024,
	  AT(path), NULL },
	{ "keep", GW_T_DURATION, GW_RELOAD, NULL,
	  "A promise: an outage of this length loses nothing, or the configuration is refused.", "72h",
	  NULL, 1 * S, 3650 * D, AT(keep_ms), NULL },
	{ "history", GW_T_DURATION, GW_RELOAD, "1d",
	  "How long acknowledged readings stay for a replay, as far as room allows.", NULL, NULL, 0,
	  3650 * D, AT(history_ms), NULL },
	{ "max_size", GW_T_SIZE, GW_RELOAD, "1GiB", "The most the buffer may take on disk.", NULL, NULL,
	  16 * MIB, 1024 * GIB, AT(max_size), NULL },
	{ "when_full", GW_T_CHOICE, GW_RELOAD, "drop-oldest",
	  "When an outage is longer than the buffer the oldest readings go, or become windows.", NULL, when_full, 0, 0, AT(when_full),
	  NULL },
	{ "sync", GW_T_DURATION, GW_RELOAD, "1s",
	  "The most that a power cut may take; 0s syncs each commit.", NULL, NULL, 0, 1 * H, AT(sync_ms),
	  NULL },
	{ "write_budget", GW_T_SIZE, GW_RELOAD, NULL,
	  "What may be written to the disk in a day while the sinks are connected; a configuration that needs more is refused.",
	  "2GiB", NULL, 1 * MIB, 1024 * GIB, AT(write_budget), NULL },
	{ "ring", GW_T_SECTION, 0, NULL, "What a killed process had not committed yet, in memory.", NULL,
	  NULL, 0, 0, AT(ring), &ring_table },
};
#undef AT
static const struct gw_table buffer_table =
	GW_TABLE("buffer", struct gw_buffer_settings, buffer_keys, "Where readings wait.");

static const struct gw_key control_keys[] = {
	{ "socket", GW_T_TEXT, GW_PATH, "/run/gatewayd/control.sock", "The socket of gatewayctl.", NULL,
	  NULL, 1, 107, offsetof(struct gw_control_settings, socket), NULL },
};
static const struct gw_table control_table =
	GW_TABLE("control", struct gw_control_settings, control_keys, "How gatewayctl gets in.");

static const struct gw_key plugins_keys[] = {
	{ "path", GW_T_TEXT, GW_PATH, NULL,
	  "Folder of the plugin programs; default: beside this program or in ../lib/gatewayd/plugins.",
	  "/usr/lib/gatewayd/plugins", NULL, 1, 1024, offsetof(struct gw_plugins_settings, path), NULL },
};
static const struct gw_table plugins_table =
	GW_TABLE("plugins", struct gw_plugins_settings, plugins_keys, "Where plugins are.");

static const struct gw_key profiles_keys[] = {
	{ "path", GW_T_TEXT, GW_PATH | GW_LIST, NULL,
	  "Folders of device profiles; default: /etc/gatewayd/profiles, then ../share/gatewayd/profiles beside this program.",
	  "[/etc/gatewayd/profiles, /usr/share/gatewayd/profiles]", NULL, 1, 1024,
	  offsetof(struct gw_profiles_settings, path), NULL },
};
static const struct gw_table profiles_table =
	GW_TABLE("profiles", struct gw_profiles_settings, profiles_keys, "Where device profiles are.");

#define AT(member) offsetof(struct gw_core_settings, member)
static const struct gw_key root_keys[] = {
	{ "gateway", GW_T_SECTION, GW_REQUIRED, NULL, "Who this gateway is.", NULL, NULL, 0, 0,
	  AT(gateway), &gateway_table },
	{ "buffer", GW_T_SECTION, 0, NULL, "Where readings wait.", NULL, NULL, 0, 0, AT(buffer),
	  &buffer_table },
	{ "control", GW_T_SECTION, 0, NULL, "How gatewayctl gets in.", NULL, NULL, 0, 0, AT(control),
	  &control_table },
	{ "plugins", GW_T_SECTION, 0, NULL, "Where plugins are.", NULL, NULL, 0, 0, AT(plugins),
	  &plugins_table },
	{ "profiles", GW_T_SECTION, 0, NULL, "Where device profiles are.", NULL, NULL, 0, 0, AT(profiles),
	  &profiles_table },
};
#undef AT

/* Sinks and sources bring keys of their own: settings.c takes them from the tree. */
static const struct gw_key instance_keys[] = {
	{ "sinks", GW_T_NODE, 0, NULL, "Where readings go, by name.", NULL, NULL, 0, 0, 0, NULL },
	{ "sources", GW_T_NODE, 0, NULL, "Where readings come from, by name.", NULL, NULL, 0, 0, 0, NULL },
};
static const struct gw_table instance_table = {
	.name = "instances", .keys = instance_keys, .count = 2,
};

const struct gw_table gw_root_table = {
	.name = "gatewayd", .help = "The configuration of gatewayd.", .keys = root_keys,
	.count = sizeof(root_keys) / sizeof(root_keys[0]), .size = sizeof(struct gw_core_settings),
	.also = &instance_table,
};
