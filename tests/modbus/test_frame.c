#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <modbus/modbus.h>

#include "plugins/modbus/frame.h"

/* Two registers from unit 9, transaction 0x0102. */
static const struct mb_query query = { .transaction = 0x0102, .unit = 9, .function = 3, .count = 2 };

struct parsing {
	const char *name;
	uint8_t bytes[24];
	size_t n;
	enum mb_verdict want;
	size_t size;
};

static void answers_are_judged_by_every_field(void **state)
{
	static const struct parsing cases[] = {
		{ "right", { 1, 2, 0, 0, 0, 7, 9, 3, 4, 1, 2, 3, 4 }, 13, MB_DATA, 13 },
		{ "right and more", { 1, 2, 0, 0, 0, 7, 9, 3, 4, 1, 2, 3, 4, 1, 2 }, 15, MB_DATA, 13 },
		{ "nothing", { 0 }, 0, MB_PARTIAL, 0 },
		{ "half a header", { 1, 2, 0, 0, 0 }, 5, MB_PARTIAL, 0 },
		{ "header alone", { 1, 2, 0, 0, 0, 7 }, 6, MB_PARTIAL, 0 },
		{ "one byte short", { 1, 2, 0, 0, 0, 7, 9, 3, 4, 1, 2, 3 }, 12, MB_PARTIAL, 0 },
		{ "protocol 7", { 1, 2, 0, 7, 0, 7, 9, 3, 4, 1, 2, 3, 4 }, 13, MB_WRONG, 0 },
		{ "protocol 256", { 1, 2, 1, 0, 0, 7, 9, 3, 4, 1, 2, 3, 4 }, 13, MB_WRONG, 0 },
		{ "length 60000", { 1, 2, 0, 0, 0xea, 0x60, 9, 3, 4 }, 9, MB_WRONG, 0 },
		{ "length 255", { 1, 2, 0, 0, 0, 255, 9, 3, 4 }, 9, MB_WRONG, 0 },
		{ "length 254", { 1, 2, 0, 0, 0, 254, 9, 3, 4 }, 9, MB_PARTIAL, 0 },
		{ "length 2", { 1, 2, 0, 0, 0, 2, 9, 3 }, 8, MB_WRONG, 0 },
		{ "length 0", { 1, 2, 0, 0, 0, 0, 9, 3 }, 8, MB_WRONG, 0 },
		{ "unit", { 1, 2, 0, 0, 0, 7, 8, 3, 4, 1, 2, 3, 4 }, 13, MB_WRONG, 13 },
		{ "function", { 1, 2, 0, 0, 0, 7, 9, 4, 4, 1, 2, 3, 4 }, 13, MB_WRONG, 13 },
		{ "byte count small", { 1, 2, 0, 0, 0, 5, 9, 3, 2, 1, 2 }, 11, MB_WRONG, 11 },
		{ "byte count big", { 1, 2, 0, 0, 0, 9, 9, 3, 6, 1, 2, 3, 4, 5, 6 }, 15, MB_WRONG, 15 },
		{ "byte count lies", { 1, 2, 0, 0, 0, 5, 9, 3, 4, 1, 2 }, 11, MB_WRONG, 11 },
		{ "longer than it says", { 1, 2, 0, 0, 0, 8, 9, 3, 4, 1, 2, 3, 4, 5 }, 14, MB_WRONG, 14 },
		{ "exception", { 1, 2, 0, 0, 0, 3, 9, 0x83, 2 }, 9, MB_EXCEPTION, 9 },
		{ "exception too long", { 1, 2, 0, 0, 0, 4, 9, 0x83, 2, 0 }, 10, MB_WRONG, 10 },
		{ "exception of another function", { 1, 2, 0, 0, 0, 3, 9, 0x84, 2 }, 9, MB_WRONG, 9 },
		{ "exception of another unit", { 1, 2, 0, 0, 0, 3, 8, 0x83, 2 }, 9, MB_WRONG, 9 },
		{ "exception 129", { 1, 2, 0, 0, 0, 3, 9, 0x83, 129 }, 9, MB_WRONG, 9 },
		{ "transaction", { 1, 3, 0, 0, 0, 7, 9, 3, 4, 1, 2, 3, 4 }, 13, MB_OTHER, 13 },
		{ "transaction and unit", { 1, 3, 0, 0, 0, 7, 8, 3, 4, 1, 2, 3, 4 }, 13, MB_OTHER, 13 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mb_frame f = mb_frame_parse(cases[i].bytes, cases[i].n, &query);

		if (f.verdict != cases[i].want || f.size != cases[i].size)
			fail_msg("%s: verdict %d, size %zu", cases[i].name, f.verdict, f.size);
		if (f.verdict == MB_DATA)
			assert_memory_equal(f.data, "\1\2\3\4", 4);
	}
}

static void an_answer_with_a_foreign_transaction_is_told_from_a_stray_frame(void **state)
{
	static const uint8_t foreign[] = { 9, 9, 0, 0, 0, 7, 9, 3, 4, 1, 2, 3, 4 };
	static const uint8_t stray[] = { 9, 9, 0, 0, 0, 7, 8, 3, 4, 1, 2, 3, 4 };

	(void)state;
	assert_true(mb_frame_parse(foreign, sizeof(foreign), &query).fits);
	assert_false(mb_frame_parse(stray, sizeof(stray), &query).fits);
	assert_int_equal(mb_frame_parse(foreign, sizeof(foreign), NULL).verdict, MB_OTHER);
	assert_int_equal(mb_frame_parse(foreign, sizeof(foreign), NULL).transaction, 0x0909);
}

static void every_exception_code_is_kept(void **state)
{
	static const uint8_t codes[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 77, 127, 128 };
	uint8_t bytes[] = { 1, 2, 0, 0, 0, 3, 9, 0x83, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(codes); i++) {
		struct mb_frame f;

		bytes[8] = codes[i];
		f = mb_frame_parse(bytes, sizeof(bytes), &query);
		assert_int_equal(f.verdict, MB_EXCEPTION);
		assert_int_equal(f.exception, codes[i]);
	}
}

static void bits_are_counted_in_whole_bytes(void **state)
{
	(void)state;
	assert_int_equal(mb_answer_size(&(struct mb_query){ .function = 1, .count = 8 }), 1);
	assert_int_equal(mb_answer_size(&(struct mb_query){ .function = 2, .count = 9 }), 2);
	assert_int_equal(mb_answer_size(&(struct mb_query){ .function = 1, .count = 2000 }), 250);
	assert_int_equal(mb_answer_size(&(struct mb_query){ .function = 3, .count = 125 }), 250);
	assert_int_equal(mb_answer_size(&(struct mb_query){ .function = 4, .count = 1 }), 2);
}

/* ---- against libmodbus ---- */

struct reader {
	modbus_t *ctx;
	struct mb_query query;
};

/* Reads what it may; the test hangs up, so each read fails. */
static void *read_with_libmodbus(void *arg)
{
	const struct reader *r = arg;
	uint16_t registers[125];
	uint8_t bits[2000];
	int (*read_bits)(modbus_t *, int, int, uint8_t *) =
		r->query.function == 1 ? modbus_read_bits : modbus_read_input_bits;
	int (*read_registers)(modbus_t *, int, int, uint16_t *) =
		r->query.function == 3 ? modbus_read_registers : modbus_read_input_registers;

	if (r->query.function < 3)
		read_bits(r->ctx, r->query.address, r->query.count, bits);
	else
		read_registers(r->ctx, r->query.address, r->query.count, registers);
	return NULL;
}

static void receive_all(int fd, uint8_t *bytes, size_t n)
{
	for (size_t have = 0; have < n;) {
		ssize_t got = recv(fd, bytes + have, n - have, 0);

		assert_true(got > 0);
		have += (size_t)got;
	}
}

static void compare(const struct mb_query *q)
{
	struct reader r = { modbus_new_tcp("127.0.0.1", 1502), *q };
	uint8_t theirs[MB_QUERY_SIZE], ours[MB_QUERY_SIZE];
	pthread_t thread;
	int pair[2];

	assert_non_null(r.ctx);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(modbus_set_socket(r.ctx, pair[0]), 0);
	assert_int_equal(modbus_set_slave(r.ctx, q->unit), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_with_libmodbus, &r), 0);
	receive_all(pair[1], theirs, sizeof(theirs));
	close(pair[1]);
	pthread_join(thread, NULL);
	close(pair[0]);
	modbus_free(r.ctx);
	assert_int_equal(mb_frame_build(ours, q), sizeof(ours));
	assert_memory_equal(theirs + 2, ours + 2, sizeof(ours) - 2);
	assert_int_equal(ours[0] << 8 | ours[1], q->transaction);
}

static void our_requests_are_those_of_libmodbus(void **state)
{
	static const struct mb_query queries[] = {
		{ .transaction = 0x1234, .unit = 1, .function = 1, .count = 2000 },
		{ .transaction = 0, .unit = 247, .function = 2, .address = 4711, .count = 1 },
		{ .transaction = 0xffff, .unit = 0, .function = 3, .count = 125 },
		{ .transaction = 7, .unit = 255, .function = 4, .address = 65535, .count = 1 },
		{ .transaction = 8, .unit = 17, .function = 3, .address = 0x1234, .count = 100 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		compare(&queries[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_judged_by_every_field),
		cmocka_unit_test(an_answer_with_a_foreign_transaction_is_told_from_a_stray_frame),
		cmocka_unit_test(every_exception_code_is_kept),
		cmocka_unit_test(bits_are_counted_in_whole_bytes),
		cmocka_unit_test(our_requests_are_those_of_libmodbus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
