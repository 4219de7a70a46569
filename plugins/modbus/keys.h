/*
 * keys.h - what a configuration file may say about a Modbus source, device and
 * point.  The structs are filled by the tables in keys.c; what tables cannot
 * check is checked by point.h and url.h.  The keys that every plugin shares
 * (interval, scale, unit, enum, ...) are the core's and are not here.
 */
#ifndef MODBUS_KEYS_H
#define MODBUS_KEYS_H

#include "gatewayd/config.h"

/* The four tables of a Modbus device, in the order of the key's choices. */
enum mb_table { MB_COIL, MB_DISCRETE, MB_INPUT, MB_HOLDING };

/* Types of a value, in the order of the key's choices. */
enum mb_type {
	MB_BOOL,
	MB_U16,
	MB_I16,
	MB_U32,
	MB_I32,
	MB_U64,
	MB_I64,
	MB_F32,
	MB_F64,
	MB_BCD16,
	MB_BCD32,
	MB_STRING,
};

enum mb_order { MB_BIG, MB_LITTLE };

enum mb_characters { MB_BOTH, MB_HIGH, MB_LOW }; /* bytes of a register that hold one */

enum mb_rts { MB_RTS_HIGH, MB_RTS_LOW };

struct mb_serial_keys {
	int64_t baud, data_bits, stop_bits;
	int parity; /* enum mb_parity */
};

struct mb_rs485_keys {
	int rts_on_send; /* enum mb_rts */
	int64_t delay_before_ms, delay_after_ms;
};

struct mb_source_keys {
	const char *connection; /* NULL: each device has its own */
	int64_t timeout_ms, retries, pause_ms, guard_ms, unit_pause_ms, turnaround_ms, reconnect_after;
	int64_t probe_period_ms, max_registers, max_bits;
	bool any_transaction;
	struct mb_serial_keys serial;
	struct mb_rs485_keys rs485;
};

struct mb_device_keys {
	const char *connection; /* NULL: none anywhere, an error */
	int64_t timeout_ms, retries, pause_ms, guard_ms, unit_pause_ms, turnaround_ms, reconnect_after;
	bool any_transaction;
	struct mb_serial_keys serial;
	struct mb_rs485_keys rs485;
	int64_t min_interval_ms; /* 0: any */
	int word_order; /* of points that do not say it */
	int64_t unit_id, max_registers, max_bits, max_gap, connect_delay_ms;
	bool close_after_cycle;
	struct gw_list barriers; /* of int64_t */
	bool exact, coils_from_zero;
};

struct mb_bits_keys {
	int64_t start, length;
};

struct mb_counter_keys {
	int bits; /* index of 16, 32, 64 */
};

struct mb_point_keys {
	int64_t address, high_address;
	const char *reference;
	int table, type, word_order, byte_order;
	int64_t bit, length;
	int characters; /* enum mb_characters */
	struct mb_bits_keys bits;
	bool unconfirmed; /* for people */
	const struct gw_node *no_value; /* raw values: novalue.h */
	const char *scale_from, *decimals_from; /* another point */
	struct mb_counter_keys counter;
	int64_t write_function; /* 0: by the point's place */
};

extern const struct gw_table mb_source_table, mb_device_table, mb_point_table;
extern const char *const mb_table_names[], *const mb_type_names[];

/* Is the key in the map, with a value?  Defaults hide the difference in the struct. */
bool mb_given(const struct gw_node *map, const char *key);

#endif
