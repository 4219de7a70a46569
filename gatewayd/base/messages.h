/*
 * messages.h - every message of the plugin link, once.
 *
 * The encoder, decoder, limits, trace text, docs/plugin-protocol.md and the
 * fuzz target are made from these two tables.  A message is one packet of an
 * AF_UNIX SOCK_SEQPACKET socket, at most GW_MESSAGE_MAX bytes:
 *
 *	u16 type, u16 zero, u32 size (of the whole message), then the fields
 *
 * in the order of the table, little-endian, packed.  `str` is u16 length and so
 * many bytes of UTF-8 without NUL; `rest` is what remains of the message and
 * starts at offset 8 when it is the only field (readings need the alignment); it is the last one.
 *
 * The talk of a plugin and the core:
 *	plugin  hello
 *	core    welcome                    (or closes: no common version)
 *	plugin  key ... described          its configuration tables
 *	core    file ... node ... configured   its part of the configuration
 *	plugin  problem ... / device, point ... ready
 *	core    state ... start            what was put before; (--check closes here)
 * then readings, acknowledgements and the rest until the core sends `stop` and
 * the plugin closes, or either side closes: end of file means end.
 */
#ifndef GW_BASE_MESSAGES_H
#define GW_BASE_MESSAGES_H

#include <stdint.h>

enum { GW_LINK_VERSION = 1, GW_MESSAGE_MAX = 64 * 1024 };

/* M(NAME, name, number, direction, "what it says"); direction: who may send it */
#define GW_MESSAGES(M)                                                                                      \
	M(HELLO, hello, 1, FROM_PLUGIN, "First message of a plugin: the link versions it speaks.")          \
	M(WELCOME, welcome, 2, FROM_CORE, "The version chosen, and what the plugin is to be.")             \
	M(KEY, key, 3, FROM_PLUGIN, "One configuration key of the plugin.")                                 \
	M(DESCRIBED, described, 4, FROM_PLUGIN, "All keys have been sent.")                                 \
	M(FILE, file, 5, FROM_CORE, "A configuration file that nodes refer to by number.")                  \
	M(NODE, node, 6, FROM_CORE, "One node of the configuration, depth first; `end` closes a map or list.") \
	M(CONFIGURED, configured, 7, FROM_CORE, "The configuration is complete.")                           \
	M(PROBLEM, problem, 8, FROM_PLUGIN, "Something wrong in the configuration, and where.")             \
	M(DEVICE, device, 9, FROM_PLUGIN, "A source's device: its number on this link.")                    \
	M(POINT, point, 10, FROM_PLUGIN, "A device's point: its number and what its raw value is.")         \
	M(READY, ready, 11, FROM_PLUGIN, "Configuration checked; nothing outside was touched yet.")         \
	M(START, start, 12, FROM_CORE, "Begin.")                                                            \
	M(STOP, stop, 13, FROM_CORE, "Finish the cycle or the message in hand, then close the link.")       \
	M(PING, ping, 14, FROM_CORE, "Are you alive?  To be answered within the heartbeat's deadline.")     \
	M(PONG, pong, 15, FROM_PLUGIN, "Yes.")                                                              \
	M(STATE, state, 16, FROM_CORE, "One thing that was put with `state_put`, before `start`.")            \
	M(STATE_PUT, state_put, 17, FROM_PLUGIN, "Remember this for the processes after this one.")         \
	M(READING, reading, 20, FROM_PLUGIN, "One reading with raw values (reading.h).")                    \
	M(COUNTERS, counters, 21, FROM_PLUGIN, "Counts of one device since the plugin started.")            \
	M(ASK, ask, 22, FROM_CORE, "Read one point from the device now and publish nothing.")               \
	M(ANSWER, answer, 23, FROM_PLUGIN, "The answer: one reading of one point, or why not.")             \
	M(WRITE, write, 24, FROM_CORE, "Write one point, wait for the device's confirmation and read back.") \
	M(WRITTEN, written, 25, FROM_PLUGIN, "How that went.")                                              \
	M(GATEWAY, gateway, 30, FROM_CORE, "Who this gateway is; again after a reload.")                                          \
	M(LAYOUT, layout, 31, FROM_CORE, "A device and the names its readings are made under.")             \
	M(LAYOUT_POINT, layout_point, 32, FROM_CORE, "One point of a layout, in index order.")              \
	M(DEVICE_STATE, device_state, 33, FROM_CORE, "Is the device online?")                               \
	M(DEVICE_GONE, device_gone, 34, FROM_CORE, "The device was taken out of the configuration.")        \
	M(LIVE, live, 35, FROM_CORE, "One live reading for the sink.")                                      \
	M(REPLAY, replay, 36, FROM_CORE, "1 to 100 readings of one device, oldest first, back to back.")    \
	M(LOSS, loss, 37, FROM_CORE, "Readings that had to be given up.")                                   \
	M(PROGRESS, progress, 38, FROM_CORE, "How far the books of a device are closed.")                   \
	M(HEALTH, health, 39, FROM_CORE, "The health document of the contract, as JSON.")                   \
	M(ACKS, acks, 40, FROM_PLUGIN, "What the far end has taken or refused: an array of struct gw_ack.") \
	M(SINK_STATE, sink_state, 41, FROM_PLUGIN, "Connected or not, how much may be in flight, and why.") \
	M(WINDOW, window, 42, FROM_CORE, "Readings that were thinned to a window of time (window.h).") \
	M(AGAIN, again, 43, FROM_PLUGIN, "Send stored readings of a device once more: somebody at the far end asks.") \
	M(AGAIN_DONE, again_done, 44, FROM_CORE, "What of that was found; it comes as `replay`.") \
	M(BOOT, boot, 45, FROM_CORE, "An earlier boot, before readings of it whose time is not trusted.")   \
	M(CORRECTION, correction, 46, FROM_CORE, "The true time of readings that were made without trust in the clock.") \
	M(SESSION, session, 47, FROM_CORE, "The core knows of this session: what it sent before was for another one, and is not to be published.")

/* F(type, name, "what it is") for each message */
#define GW_FIELDS_hello(F)                                    \
	F(u16, oldest, "oldest link version spoken")          \
	F(u16, newest, "newest link version spoken")          \
	F(u8, role, "0 source, 1 sink")                       \
	F(str, plugin, "name of the plugin")                  \
	F(str, version, "version of the plugin")
#define GW_FIELDS_welcome(F)                                          \
	F(u16, version, "link version of all that follows")           \
	F(str, name, "name of the source or sink in the configuration") \
	F(str, gateway, "gateway.id")                                 \
	F(str, core, "version of the core")
#define GW_FIELDS_key(F)                                                     \
	F(str, section, "source, device, point, sink or a section named by a key") \
	F(str, name, "the key")                                              \
	F(u8, kind, "enum gw_type")                                          \
	F(u32, flags, "GW_REQUIRED and so on")                               \
	F(i64, min, "smallest value, in the type's unit")                    \
	F(i64, max, "largest value")                                         \
	F(str, fallback, "default, as written in a file; empty: none")       \
	F(str, help, "one sentence")                                         \
	F(str, example, "for the sample file; empty: the default")           \
	F(str, choices, "words allowed, with | between")                     \
	F(str, table, "section of a nested map")
#define GW_FIELDS_described(F)
#define GW_FIELDS_file(F)          \
	F(u16, number, "from 0")   \
	F(str, path, "as shown to people")
#define GW_FIELDS_node(F)                                        \
	F(u8, kind, "enum gw_node_kind, or 255: end of the map or list") \
	F(u16, file, "number of the file")                       \
	F(u32, line, "of the value, from 1")                     \
	F(u32, column, "of the value, from 1")                   \
	F(u32, name_line, "of the key")                          \
	F(u32, name_column, "of the key")                        \
	F(str, name, "key in the map; empty in a list")          \
	F(str, text, "of a scalar")
#define GW_FIELDS_configured(F)
#define GW_FIELDS_problem(F)                             \
	F(u16, file, "number of the file")               \
	F(u32, line, "from 1, 0 unknown")                \
	F(u32, column, "from 1, 0 unknown")              \
	F(str, path, "key path from the plugin's section") \
	F(str, text, "what is wrong and what is allowed") \
	F(u8, warning, "1: only doubtful, it does not count")
#define GW_FIELDS_device(F)                        \
	F(u16, device, "number, from 0")           \
	F(str, name, "name in the configuration")
#define GW_FIELDS_point(F)                                             \
	F(u16, device, "number of the device")                         \
	F(u16, point, "number of the point, from 0")                   \
	F(str, name, "name of the point")                              \
	F(u8, kind, "enum gw_kind of the raw value")                   \
	F(u8, bits, "of an integer or float raw value: 1, 16, 32, 64") \
	F(u8, writable, "1: ask and write are understood")             \
	F(str, unit, "UCUM, where the configuration has none; may be empty") \
	F(i64, interval_ms, "polling interval")
#define GW_FIELDS_ready(F) F(u32, problems, "how many were sent")
#define GW_FIELDS_start(F) F(i64, epoch_us, "CLOCK_BOOTTIME from which all intervals count")
#define GW_FIELDS_stop(F)
#define GW_FIELDS_ping(F) F(u32, number, "to be repeated in the answer")
#define GW_FIELDS_pong(F) F(u32, number, "of the ping")
#define GW_FIELDS_state(F)                   \
	F(str, key, "1 to 64 bytes")         \
	F(rest, value, "1 to 4096 bytes")
#define GW_FIELDS_state_put(F)                              \
	F(str, key, "1 to 64 bytes")                        \
	F(rest, value, "up to 4096 bytes; empty: forget the key")
#define GW_FIELDS_reading(F) F(rest, block, "struct gw_reading")
#define GW_FIELDS_counters(F)                              \
	F(u16, device, "number of the device")             \
	F(u64, requests, "requests sent to the device")    \
	F(u64, overruns, "cycles skipped because the one before was not finished") \
	F(u64, dropped, "readings given up because the link was full")     \
	F(u32, load_permille, "share of time the device's line was busy")
#define GW_FIELDS_ask(F)                       \
	F(u32, number, "to be repeated in the answer") \
	F(u16, device, "number of the device") \
	F(u16, point, "number of the point")
#define GW_FIELDS_answer(F)                  \
	F(u32, number, "of the question")    \
	F(u8, kind, "enum gw_kind of the raw value") \
	F(u8, reason, "enum gw_reason")      \
	F(u64, slot, "raw value; of a text: 0") \
	F(str, text, "raw value of a text")
#define GW_FIELDS_write(F)                    \
	F(u32, number, "to be repeated in the answer") \
	F(u16, device, "number of the device") \
	F(u16, point, "number of the point, declared writable") \
	F(u8, kind, "enum gw_kind of the raw value: as declared") \
	F(u64, slot, "raw value; of a text: 0") \
	F(str, text, "raw value of a text")
#define GW_FIELDS_written(F)                 \
	F(u32, number, "of the write")       \
	F(u8, result, "enum gw_write_result: 0 done, 1 failed, 2 refused") \
	F(str, reason, "why not done, in words") \
	F(u8, kind, "enum gw_kind of the raw value read back; 0: none was read") \
	F(u64, slot, "raw value read back; of a text: 0") \
	F(str, text, "raw value of a text")
#define GW_FIELDS_gateway(F)                                      \
	F(str, id, "gateway.id")                                  \
	F(str, title, "gateway.title")                            \
	F(str, province, "gateway.province")                      \
	F(str, site, "gateway.site")                              \
	F(u8, located, "1: lat and lon are given")                \
	F(f64, lat, "degrees")                                    \
	F(f64, lon, "degrees")                                    \
	F(str, version, "version of the core")                    \
	F(str, config, "hash of the configuration")               \
	F(str, boot, "boot identifier of the machine")            \
	F(str, buffer, "identifier of the buffer")                \
	F(u64, session, "number of the last session of this sink; the sink counts on") \
	F(u16, devices, "how many LAYOUT messages of present devices follow") \
	F(u32, boot_number, "what readings of this boot have as `boot`")
#define GW_FIELDS_layout(F)                                       \
	F(u32, layout, "number that readings refer to")           \
	F(u16, device, "the core's number of the device")         \
	F(u8, current, "1: the device's present layout; 0: of stored readings only") \
	F(str, name, "of the device")                             \
	F(str, title, "of the device; may be empty")              \
	F(str, profile, "of the device; may be empty")            \
	F(str, domain, "of the device; may be empty")             \
	F(u64, first_seq, "first number ever given to the device") \
	F(u64, from_seq, "first reading made under this layout")  \
	F(u16, points, "how many LAYOUT_POINT messages follow")
#define GW_FIELDS_layout_point(F)                         \
	F(u32, layout, "the layout")                      \
	F(u16, point, "index, from 0")                    \
	F(str, name, "of the point")                      \
	F(u8, type, "0 bool, 1 integer, 2 number, 3 text") \
	F(str, unit, "UCUM; may be empty")                \
	F(str, symbol, "what people read; may be empty")  \
	F(str, quantity, "from the vocabulary; may be empty") \
	F(i64, interval_ms, "polling interval")           \
	F(u8, writable, "1: yes")                         \
	F(u8, limits, "bit 0: min given, 1: max, 2: deadband") \
	F(f64, min, "in unit")                            \
	F(f64, max, "in unit")                            \
	F(f64, deadband, "in unit")                       \
	F(i64, max_silence_ms, "with a deadband")         \
	F(str, labels, "of an enumeration: labels with a line feed between")
#define GW_FIELDS_device_state(F)                        \
	F(u16, device, "the core's number")              \
	F(u8, state, "0 unknown, 1 online, 2 offline")   \
	F(i64, ts_ms, "since when, UTC")                 \
	F(str, reason, "why not online; may be empty")
#define GW_FIELDS_device_gone(F) F(str, name, "of the device")
#define GW_FIELDS_live(F) F(rest, block, "struct gw_reading")
#define GW_FIELDS_replay(F) F(rest, block, "1 to 100 struct gw_reading, back to back")
#define GW_FIELDS_loss(F)                                \
	F(u64, id, "of the record, to be acknowledged")  \
	F(u16, device, "the core's number")              \
	F(u64, from, "first number given up")            \
	F(u64, to, "last number given up")               \
	F(u64, readings, "how many of them were readings") \
	F(u8, cause, "enum gw_loss_cause")               \
	F(u8, exact, "1: `readings` is exact")           \
	F(i64, ts_from_ms, "UTC of the first; 0 unknown") \
	F(i64, ts_to_ms, "UTC of the last; 0 unknown")
#define GW_FIELDS_window(F)                              \
	F(u64, id, "to be acknowledged")                 \
	F(rest, block, "struct gw_window")
#define GW_FIELDS_progress(F)                        \
	F(u16, device, "the core's number")          \
	F(u64, first_seq, "first number ever given") \
	F(u64, complete_to, "all up to here is acknowledged, thinned or declared lost") \
	F(u64, last, "last number given")            \
	F(i64, ts_ms, "UTC")
#define GW_FIELDS_health(F) F(rest, json, "the document")
#define GW_FIELDS_acks(F) F(rest, block, "array of struct gw_ack")
#define GW_FIELDS_sink_state(F)                                          \
	F(u8, state, "0 connecting, 1 connected, 2 waiting to connect again") \
	F(u16, window, "LIVE, REPLAY, LOSS, WINDOW and CORRECTION messages that may be unacknowledged") \
	F(u16, in_flight, "messages sent to the far end and not acknowledged") \
	F(u64, refused, "messages the far end refused since the start")  \
	F(u64, session, "number of the present session")                 \
	F(str, broker, "address of the far end")                         \
	F(str, reason, "why not connected, in words; may be empty")
#define GW_FIELDS_again(F)                                    \
	F(u32, number, "to be repeated in the answer")        \
	F(u16, device, "the core's number")                   \
	F(u8, by_time, "1: from and to are UTC in ms; 0: numbers of readings") \
	F(i64, from, "the first, included")                   \
	F(i64, to, "the last, included")
#define GW_FIELDS_again_done(F)                               \
	F(u32, number, "of the request")                      \
	F(str, reason, "why nothing is done, in words; empty: done") \
	F(u64, readings, "how many were found")               \
	F(u64, from, "the lowest number of them")             \
	F(u64, to, "the highest")
#define GW_FIELDS_boot(F)                             \
	F(u32, number, "what readings of it have as `boot`") \
	F(str, id, "boot identifier of the machine")
#define GW_FIELDS_correction(F)                                             \
	F(u64, id, "of the correction, to be acknowledged")                 \
	F(str, boot, "boot identifier of the machine at that time")         \
	F(i64, from_ms, "first moment it is for, CLOCK_BOOTTIME")           \
	F(i64, to_ms, "last moment, CLOCK_BOOTTIME")                        \
	F(i64, offset_ms, "UTC is CLOCK_BOOTTIME and so much")

#define GW_FIELDS_session(F) F(u64, session, "of the SINK_STATE that said so")

/* Entry of ACKS. */
enum gw_ack_result {
	GW_ACK_DONE,    /* taken */
	GW_ACK_REFUSED, /* not authorised there: the device is parked for this sink */
	GW_ACK_TOO_LARGE, /* can never pass: to be declared lost */
	GW_ACK_AGAIN,   /* nobody knows whether it came: to be delivered again */
};
enum gw_ack_what { GW_ACK_READINGS, GW_ACK_LOSS, GW_ACK_WINDOW, GW_ACK_CORRECTION };
struct gw_ack {
	uint16_t device;
	uint8_t what;    /* enum gw_ack_what */
	uint8_t result;  /* enum gw_ack_result */
	uint32_t credit; /* link messages that are finished with this entry: 0 or more */
	uint64_t from, to; /* seq, inclusive; of a loss, a window or a correction: its id, twice */
};
_Static_assert(sizeof(struct gw_ack) == 24, "part of the link protocol");

enum gw_loss_cause {
	GW_LOSS_BUFFER_FULL, GW_LOSS_EXPIRED, GW_LOSS_DAMAGED, GW_LOSS_POWER_CUT,
	GW_LOSS_OVERLOAD, GW_LOSS_REFUSED, GW_LOSS_TOO_LARGE, GW_LOSS_CAUSES,
};
/* The contract's word: "buffer_full", ...; "unknown" for what is none. */
const char *gw_loss_cause_name(unsigned cause);

#endif
