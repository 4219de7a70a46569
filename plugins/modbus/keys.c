#include "plugins/modbus/keys.h"

const char *const mb_table_names[] = { "coil", "discrete", "input", "holding", NULL };
const char *const mb_type_names[] = { "bool", "u16", "i16", "u32", "i32",    "u64",
				      "i64",  "f32", "f64", "bcd16", "bcd32", "string", NULL };
static const char *const orders[] = { "big", "little", NULL };
static const char *const characters[] = { "both", "high", "low", NULL };
static const char *const counter_bits[] = { "16", "32", "64", NULL };

enum { SECOND = 1000, TIMEOUT_MAX = 300 * SECOND, PAUSE_MAX = 60 * SECOND, RETRIES_MAX = 10 };

#define CONNECTION_HELP \
	"Where the devices are: tcp://HOST[:PORT], rtu:/dev/serial/by-id/NAME or rtu+tcp://HOST[:PORT]."
#define TIMEOUT_HELP    \
	"Total deadline of one transaction, from the request to the last byte of its answer."
#define RETRIES_HELP    "How often a request is repeated after a timeout or a broken answer."
#define PAUSE_HELP      "Silence on the line between an answer and the next request."

#define UNIT_PAUSE_HELP "Silence on the line before a request when another unit was asked before."
#define GUARD_HELP      "Silence on the line before a request, whichever unit was asked before."
#define ANY_HELP        \
	"Take an answer whatever its transaction number; for gateways that put in their own."
#define TURNAROUND_HELP "What a device on a serial line needs to answer, for the line's time budget."
#define RECONNECT_HELP  "Timeouts in a row after which a connection is made anew; 0: never."
#define SERIAL_HELP     "How a serial line is set, also behind a converter."
#define RS485_HELP      "The port drives its RS-485 transceiver by RTS; leave it out for USB adapters."

static const char *const parities[] = { "none", "even", "odd", NULL };
static const char *const levels[] = { "high", "low", NULL };

static const struct gw_key serial_keys[] = {
	{ .name = "baud", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "9600",
	  .help = "Bits a second.", .min = 110, .max = 4000000,
	  .offset = offsetof(struct mb_serial_keys, baud) },
	{ .name = "parity", .type = GW_T_CHOICE, .flags = GW_RELOAD, .fallback = "none",
	  .help = "Parity bit of a character.", .choices = parities,
	  .offset = offsetof(struct mb_serial_keys, parity) },
	{ .name = "data_bits", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "8",
	  .help = "Data bits of a character.", .min = 5, .max = 8,
	  .offset = offsetof(struct mb_serial_keys, data_bits) },
	{ .name = "stop_bits", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "1",
	  .help = "Stop bits of a character.", .min = 1, .max = 2,
	  .offset = offsetof(struct mb_serial_keys, stop_bits) },
};
static const struct gw_table serial_table =
	GW_TABLE("serial", struct mb_serial_keys, serial_keys, SERIAL_HELP);

static const struct gw_key rs485_keys[] = {
	{ .name = "rts_on_send", .type = GW_T_CHOICE, .flags = GW_RELOAD, .fallback = "high",
	  .help = "Level of RTS while sending.", .choices = levels,
	  .offset = offsetof(struct mb_rs485_keys, rts_on_send) },
	{ .name = "delay_before", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "0ms",
	  .help = "Time from RTS to the first bit.", .min = 0, .max = 100,
	  .offset = offsetof(struct mb_rs485_keys, delay_before_ms) },
	{ .name = "delay_after", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "0ms",
	  .help = "Time from the last bit to RTS.", .min = 0, .max = 100,
	  .offset = offsetof(struct mb_rs485_keys, delay_after_ms) },
};
static const struct gw_table rs485_table =
	GW_TABLE("rs485", struct mb_rs485_keys, rs485_keys, RS485_HELP);

static const struct gw_key source_keys[] = {
	{ .name = "connection", .type = GW_T_TEXT, .flags = GW_RELOAD, .help = CONNECTION_HELP,
	  .example = "tcp://192.0.2.10:502", .max = 300,
	  .offset = offsetof(struct mb_source_keys, connection) },
	{ .name = "timeout", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "1s",
	  .help = TIMEOUT_HELP, .min = 1, .max = TIMEOUT_MAX,
	  .offset = offsetof(struct mb_source_keys, timeout_ms) },
	{ .name = "retries", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "1",
	  .help = RETRIES_HELP, .min = 0, .max = RETRIES_MAX,
	  .offset = offsetof(struct mb_source_keys, retries) },
	{ .name = "pause", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "0ms",
	  .help = PAUSE_HELP, .min = 0, .max = PAUSE_MAX,
	  .offset = offsetof(struct mb_source_keys, pause_ms) },
	{ .name = "guard", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "0ms",
	  .help = GUARD_HELP, .min = 0, .max = PAUSE_MAX,
	  .offset = offsetof(struct mb_source_keys, guard_ms) },
	{ .name = "unit_pause", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "0ms",
	  .help = UNIT_PAUSE_HELP, .min = 0, .max = PAUSE_MAX,
	  .offset = offsetof(struct mb_source_keys, unit_pause_ms) },
	{ .name = "turnaround", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "5ms",
	  .help = TURNAROUND_HELP, .min = 0, .max = TIMEOUT_MAX,
	  .offset = offsetof(struct mb_source_keys, turnaround_ms) },
	{ .name = "reconnect_after", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "3",
	  .help = RECONNECT_HELP, .min = 0, .max = 1000,
	  .offset = offsetof(struct mb_source_keys, reconnect_after) },
	{ .name = "any_transaction", .type = GW_T_BOOL, .flags = GW_RELOAD, .fallback = "false",
	  .help = ANY_HELP, .offset = offsetof(struct mb_source_keys, any_transaction) },
	{ .name = "max_registers", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "125",
	  .help = "Most registers the line carries in one answer; a device's own limit may be stricter.",
	  .min = 1, .max = 125, .offset = offsetof(struct mb_source_keys, max_registers) },
	{ .name = "max_bits", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "2000",
	  .help = "Most bits the line carries in one answer; a device's own limit may be stricter.",
	  .min = 1, .max = 2000, .offset = offsetof(struct mb_source_keys, max_bits) },
	{ .name = "probe_period", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "30s",
	  .help = "Longest time between two looks at a silent unit that shares its line.",
	  .min = SECOND, .max = 3600 * SECOND,
	  .offset = offsetof(struct mb_source_keys, probe_period_ms) },
	{ .name = "serial", .type = GW_T_SECTION, .flags = GW_RELOAD, .help = SERIAL_HELP,
	  .example = "{baud: 9600, parity: none, data_bits: 8, stop_bits: 1}",
	  .offset = offsetof(struct mb_source_keys, serial), .table = &serial_table },
	{ .name = "rs485", .type = GW_T_SECTION, .flags = GW_RELOAD, .help = RS485_HELP,
	  .example = "{rts_on_send: high}",
	  .offset = offsetof(struct mb_source_keys, rs485), .table = &rs485_table },
};

static const struct gw_key device_keys[] = {
	{ .name = "connection", .type = GW_T_TEXT, .flags = GW_RELOAD | GW_INHERIT,
	  .help = CONNECTION_HELP, .example = "tcp://192.0.2.10:502", .max = 300,
	  .offset = offsetof(struct mb_device_keys, connection) },
	{ .name = "timeout", .type = GW_T_DURATION, .flags = GW_RELOAD | GW_INHERIT,
	  .help = TIMEOUT_HELP, .example = "1s", .min = 1, .max = TIMEOUT_MAX,
	  .offset = offsetof(struct mb_device_keys, timeout_ms) },
	{ .name = "retries", .type = GW_T_INT, .flags = GW_RELOAD | GW_INHERIT,
	  .help = RETRIES_HELP, .example = "1", .min = 0, .max = RETRIES_MAX,
	  .offset = offsetof(struct mb_device_keys, retries) },
	{ .name = "pause", .type = GW_T_DURATION, .flags = GW_RELOAD | GW_INHERIT,
	  .help = PAUSE_HELP, .example = "0ms", .min = 0, .max = PAUSE_MAX,
	  .offset = offsetof(struct mb_device_keys, pause_ms) },
	{ .name = "guard", .type = GW_T_DURATION, .flags = GW_RELOAD | GW_INHERIT,
	  .help = GUARD_HELP, .example = "0ms", .min = 0, .max = PAUSE_MAX,
	  .offset = offsetof(struct mb_device_keys, guard_ms) },
	{ .name = "unit_pause", .type = GW_T_DURATION, .flags = GW_RELOAD | GW_INHERIT,
	  .help = UNIT_PAUSE_HELP, .example = "0ms", .min = 0, .max = PAUSE_MAX,
	  .offset = offsetof(struct mb_device_keys, unit_pause_ms) },
	{ .name = "turnaround", .type = GW_T_DURATION, .flags = GW_RELOAD | GW_INHERIT,
	  .help = TURNAROUND_HELP, .example = "5ms", .min = 0, .max = TIMEOUT_MAX,
	  .offset = offsetof(struct mb_device_keys, turnaround_ms) },
	{ .name = "reconnect_after", .type = GW_T_INT, .flags = GW_RELOAD | GW_INHERIT,
	  .help = RECONNECT_HELP, .example = "3", .min = 0, .max = 1000,
	  .offset = offsetof(struct mb_device_keys, reconnect_after) },
	{ .name = "any_transaction", .type = GW_T_BOOL, .flags = GW_RELOAD | GW_INHERIT,
	  .help = ANY_HELP, .example = "false",
	  .offset = offsetof(struct mb_device_keys, any_transaction) },
	{ .name = "serial", .type = GW_T_SECTION, .flags = GW_RELOAD | GW_INHERIT, .help = SERIAL_HELP,
	  .example = "{baud: 9600, parity: none, data_bits: 8, stop_bits: 1}",
	  .offset = offsetof(struct mb_device_keys, serial), .table = &serial_table },
	{ .name = "rs485", .type = GW_T_SECTION, .flags = GW_RELOAD | GW_INHERIT, .help = RS485_HELP,
	  .example = "{rts_on_send: high}",
	  .offset = offsetof(struct mb_device_keys, rs485), .table = &rs485_table },
	{ .name = "unit_id", .type = GW_T_INT, .flags = GW_RELOAD | GW_REQUIRED,
	  .help = "Unit identifier of the device on its connection.", .example = "1",
	  .min = 0, .max = 255, .offset = offsetof(struct mb_device_keys, unit_id) },
	{ .name = "word_order", .type = GW_T_CHOICE, .flags = GW_RELOAD, .fallback = "big",
	  .help = "Order of the registers of a number, for points that do not say it; texts keep theirs.",
	  .choices = orders, .offset = offsetof(struct mb_device_keys, word_order) },
	{ .name = "max_registers", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "125",
	  .help = "Most registers the device gives in one answer.", .min = 1, .max = 125,
	  .offset = offsetof(struct mb_device_keys, max_registers) },
	{ .name = "max_bits", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "2000",
	  .help = "Most coils or discrete inputs the device gives in one answer.",
	  .min = 1, .max = 2000, .offset = offsetof(struct mb_device_keys, max_bits) },
	{ .name = "max_gap", .type = GW_T_INT, .flags = GW_RELOAD, .fallback = "0",
	  .help = "Addresses nobody asked for that may be read along to save a request.",
	  .min = 0, .max = 2000, .offset = offsetof(struct mb_device_keys, max_gap) },
	{ .name = "barriers", .type = GW_T_INT, .flags = GW_RELOAD | GW_LIST,
	  .help = "Addresses a request may begin with, but not reach across from below.",
	  .example = "[77, 360]", .min = 0, .max = 65535,
	  .offset = offsetof(struct mb_device_keys, barriers) },
	{ .name = "exact", .type = GW_T_BOOL, .flags = GW_RELOAD, .fallback = "false",
	  .help = "Read each value with a request of its own, of exactly its length.",
	  .offset = offsetof(struct mb_device_keys, exact) },
	{ .name = "coils_from_zero", .type = GW_T_BOOL, .flags = GW_RELOAD, .fallback = "false",
	  .help = "Read coils and discrete inputs from address 0 on, for devices that shift them otherwise.",
	  .offset = offsetof(struct mb_device_keys, coils_from_zero) },
	{ .name = "min_interval", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "0ms",
	  .help = "Shortest interval the device bears; a shorter one is an error of the configuration.",
	  .min = 0, .max = 30 * 86400 * (int64_t)SECOND,
	  .offset = offsetof(struct mb_device_keys, min_interval_ms) },
	{ .name = "connect_delay", .type = GW_T_DURATION, .flags = GW_RELOAD, .fallback = "0ms",
	  .help = "Rest the device needs between a new connection and the first request.",
	  .min = 0, .max = PAUSE_MAX,
	  .offset = offsetof(struct mb_device_keys, connect_delay_ms) },
	{ .name = "close_after_cycle", .type = GW_T_BOOL, .flags = GW_RELOAD, .fallback = "false",
	  .help = "Close the connection after each cycle, so that another master can connect.",
	  .offset = offsetof(struct mb_device_keys, close_after_cycle) },
};

static const struct gw_key bits_keys[] = {
	{ .name = "start", .type = GW_T_INT, .flags = GW_RELOAD | GW_REQUIRED,
	  .help = "Lowest bit of the field; bit 0 is the least significant.", .example = "4",
	  .min = 0, .max = 63, .offset = offsetof(struct mb_bits_keys, start) },
	{ .name = "length", .type = GW_T_INT, .flags = GW_RELOAD | GW_REQUIRED,
	  .help = "Number of bits.", .example = "3", .min = 1, .max = 64,
	  .offset = offsetof(struct mb_bits_keys, length) },
};
static const struct gw_table bits_table =
	GW_TABLE("bits", struct mb_bits_keys, bits_keys, "A field of bits inside a value.");

static const struct gw_key counter_keys[] = {
	{ .name = "bits", .type = GW_T_CHOICE, .flags = GW_RELOAD | GW_REQUIRED,
	  .help = "Where the device's counter begins again: at 2 to the power of it.",
	  .example = "32", .choices = counter_bits,
	  .offset = offsetof(struct mb_counter_keys, bits) },
};
static const struct gw_table counter_table =
	GW_TABLE("counter", struct mb_counter_keys, counter_keys, "A counter of the device.");

static const struct gw_key point_keys[] = {
	{ .name = "address", .type = GW_T_INT, .flags = GW_RELOAD,
	  .help = "Protocol address of the first register or bit, from 0; or use `reference`.",
	  .example = "0", .min = 0, .max = 65535, .offset = offsetof(struct mb_point_keys, address) },
	{ .name = "high_address", .type = GW_T_INT, .flags = GW_RELOAD,
	  .help = "Where the upper 16 bits of a u32 or i32 are, when that is not beside `address`; all between "
		  "is read along.", .example = "700", .min = 0, .max = 65535,
	  .offset = offsetof(struct mb_point_keys, high_address) },
	{ .name = "reference", .type = GW_T_TEXT, .flags = GW_RELOAD,
	  .help = "Modicon reference instead of address and table: 5 or 6 digits, counted from 1.",
	  .example = "40001", .max = 16, .offset = offsetof(struct mb_point_keys, reference) },
	{ .name = "table", .type = GW_T_CHOICE, .flags = GW_RELOAD, .fallback = "holding",
	  .help = "Table of the device the point is in.", .choices = mb_table_names,
	  .offset = offsetof(struct mb_point_keys, table) },
	{ .name = "type", .type = GW_T_CHOICE, .flags = GW_RELOAD,
	  .help = "Type of the value; without it u16, and bool for a coil, a discrete input and a bit.",
	  .example = "u16", .choices = mb_type_names, .offset = offsetof(struct mb_point_keys, type) },
	{ .name = "word_order", .type = GW_T_CHOICE, .flags = GW_RELOAD,
	  .help = "Order of the registers of a value; big: most significant first; without it the device's.",
	  .example = "big", .choices = orders, .offset = offsetof(struct mb_point_keys, word_order) },
	{ .name = "byte_order", .type = GW_T_CHOICE, .flags = GW_RELOAD, .fallback = "big",
	  .help = "Order of the bytes within a register; big: as the standard says.",
	  .choices = orders, .offset = offsetof(struct mb_point_keys, byte_order) },
	{ .name = "bit", .type = GW_T_INT, .flags = GW_RELOAD,
	  .help = "One bit of the value, as a bool; bit 0 is the least significant.",
	  .example = "3", .min = 0, .max = 63, .offset = offsetof(struct mb_point_keys, bit) },
	{ .name = "bits", .type = GW_T_SECTION, .flags = GW_RELOAD,
	  .help = "A field of bits of the value, as a number.", .example = "{start: 4, length: 3}",
	  .offset = offsetof(struct mb_point_keys, bits), .table = &bits_table },
	{ .name = "length", .type = GW_T_INT, .flags = GW_RELOAD,
	  .help = "Length of a string in registers, two characters each.", .example = "16",
	  .min = 1, .max = 125, .offset = offsetof(struct mb_point_keys, length) },
	{ .name = "characters", .type = GW_T_CHOICE, .flags = GW_RELOAD, .fallback = "both",
	  .help = "Bytes of a register that hold a character of a string.", .choices = characters,
	  .offset = offsetof(struct mb_point_keys, characters) },
	{ .name = "unconfirmed", .type = GW_T_BOOL, .flags = GW_RELOAD, .fallback = "false",
	  .help = "Of a profile's point: no second source confirms it; compare it with the device.",
	  .offset = offsetof(struct mb_point_keys, unconfirmed) },
	{ .name = "no_value", .type = GW_T_NODE, .flags = GW_RELOAD,
	  .help = "Raw values that mean \"no value\": decimal, or as bits with 0x; a range with two dots.",
	  .example = "[0x7FFF, 65000..65535]", .offset = offsetof(struct mb_point_keys, no_value) },
	{ .name = "scale_from", .type = GW_T_NAME, .flags = GW_RELOAD,
	  .help = "Point of the same device and interval that holds the power of ten to multiply with "
		  "(SunSpec's scale factors).", .example = "level_sf",
	  .offset = offsetof(struct mb_point_keys, scale_from) },
	{ .name = "decimals_from", .type = GW_T_NAME, .flags = GW_RELOAD,
	  .help = "Point of the same device and interval that holds the number of decimals of the value.",
	  .example = "level_decimals", .offset = offsetof(struct mb_point_keys, decimals_from) },
	{ .name = "counter", .type = GW_T_SECTION, .flags = GW_RELOAD,
	  .help = "Publish a total that survives rollover and reset of the device's counter and restarts.",
	  .example = "{bits: 32}", .offset = offsetof(struct mb_point_keys, counter),
	  .table = &counter_table },
	{ .name = "write_function", .type = GW_T_INT, .flags = GW_RELOAD,
	  .help = "Function code that writes the point: 5 or 15 for a coil, 6 or 16 for registers; "
		  "without it 5, 6, and 16 for more than one register.",
	  .example = "6", .min = 5, .max = 16,
	  .offset = offsetof(struct mb_point_keys, write_function) },
};

const struct gw_table mb_source_table =
	GW_TABLE("source", struct mb_source_keys, source_keys, "Devices that speak Modbus.");
const struct gw_table mb_device_table =
	GW_TABLE("device", struct mb_device_keys, device_keys, "A device with a unit identifier.");
const struct gw_table mb_point_table =
	GW_TABLE("point", struct mb_point_keys, point_keys, "A value in one of the device's tables.");

bool mb_given(const struct gw_node *map, const char *key)
{
	const struct gw_node *n = gw_node_get(map, key);

	return n && n->kind != GW_NODE_NULL;
}
