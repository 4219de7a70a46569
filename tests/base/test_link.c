/*
 * test_link.c - the link: every message of the table goes through the codec, a
 * peer that lies is refused by name, and packets cross a real socket pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/link.h"
#include "base/link_shape.h"

static _Alignas(8) char packet[GW_MESSAGE_MAX];

/* ---- codec ---- */

/* Each field another value; texts "t0", "t1", ... */
static void fill(struct gw_message *m, unsigned type, char texts[32][8])
{
	const struct shape *shape = gw_message_shape(type);
	unsigned i = 0;

	memset(m, 0, sizeof(*m));
	m->type = (enum gw_message_type)type;
	for (const struct field *f = shape->fields; f->type != FIELD_end; f++, i++) {
		char *member = (char *)&m->hello + f->offset;

		assert_true(i < 32);
		snprintf(texts[i], 8, "t%u", i);
		if (f->type == FIELD_str || f->type == FIELD_rest)
			memcpy(member, &(struct gw_str){ texts[i], (uint32_t)strlen(texts[i]) },
			       sizeof(struct gw_str));
		else
			*member = (char)(i + 1);
	}
}

static void assert_same(const struct gw_message *a, const struct gw_message *b)
{
	char one[2048], two[2048];

	assert_string_equal(gw_message_trace(a, one, sizeof(one)),
			    gw_message_trace(b, two, sizeof(two)));
}

static void every_message_comes_out_as_it_went_in(void **state)
{
	unsigned known = 0;

	(void)state;
	for (unsigned type = 0; type < GW_MSG_TYPES; type++) {
		const struct shape *shape = gw_message_shape(type);
		struct gw_message in, out;
		char texts[32][8];
		struct gw_err err;
		size_t size;

		if (!shape)
			continue;
		known++;
		fill(&in, type, texts);
		size = gw_message_encode(&in, packet);
		assert_true(size >= LINK_HEADER);
		assert_int_equal(gw_message_decode(packet, size, shape->sender, &out, &err), 0);
		assert_int_equal(out.type, type);
		assert_same(&in, &out);
	}
	assert_int_equal(known, 41);
}

static bool ends_in_rest(const struct shape *shape)
{
	const struct field *f = shape->fields;

	while (f->type != FIELD_end && f->type != FIELD_rest)
		f++;
	return f->type == FIELD_rest;
}

static void no_message_is_longer_or_shorter_than_it_says(void **state)
{
	(void)state;
	for (unsigned type = 0; type < GW_MSG_TYPES; type++) {
		const struct shape *shape = gw_message_shape(type);
		struct gw_message in, out;
		char texts[32][8], *copy;
		struct gw_err err;
		uint32_t size, cut;

		if (!shape)
			continue;
		fill(&in, type, texts);
		size = (uint32_t)gw_message_encode(&in, packet);
		for (cut = 0; cut < size; cut++) {
			copy = malloc(cut ? cut : 1); /* so that the sanitizer sees its end */
			assert_non_null(copy);
			memcpy(copy, packet, cut);
			assert_int_equal(gw_message_decode(copy, cut, shape->sender, &out, &err), -1);
			if (cut >= LINK_HEADER)
				memcpy(copy + 4, &cut, sizeof(cut));
			if (gw_message_decode(copy, cut, shape->sender, &out, &err) == 0)
				assert_true(ends_in_rest(shape));
			free(copy);
		}
	}
}

static struct gw_message a_node(void)
{
	return (struct gw_message){
		.type = GW_MSG_NODE,
		.node = { .kind = 1, .file = 2, .line = 3, .column = 4, .name_line = 5,
			  .name_column = 6, .name = gw_str("baud"), .text = gw_str("9600") },
	};
}

/* A node with bytes of it changed, and what is said of it. */
static void assert_refused(size_t at, const void *bytes, size_t n, int longer, const char *said)
{
	struct gw_message m = a_node(), out;
	size_t size = gw_message_encode(&m, packet) + (size_t)longer;
	uint32_t told = (uint32_t)size;
	struct gw_err err = { 0 };

	memcpy(packet + 4, &told, sizeof(told));
	if (n)
		memcpy(packet + at, bytes, n);
	assert_int_equal(gw_message_decode(packet, size, FROM_CORE, &out, &err), -1);
	assert_int_equal(err.code, GW_EPROTO);
	assert_string_equal(err.msg, said);
}

static void a_peer_that_lies_is_refused_by_name(void **state)
{
	(void)state;
	assert_refused(0, "\x63\x00", 2, 0, "message type 99 does not exist");
	assert_refused(0, "\x10\x27", 2, 0, "message type 10000 does not exist");
	assert_refused(0, "\x14\x00", 2, 0, "reading: comes from a plugin, never from the core");
	assert_refused(2, "\x01\x00", 2, 0, "node: bytes 2 and 3 of the header are 1, not 0");
	assert_refused(4, "\xff\x00", 2, 0, "node: the header says 255 bytes, the packet has 39");
	assert_refused(27, "\xff\xff", 2, 0,
		       "node: field name needs 65535 bytes, the packet has 10 left");
	assert_refused(33, "\x05\x00", 2, 0, "node: field text needs 5 bytes, the packet has 4 left");
	assert_refused(0, "", 0, -5, "node: field text needs 2 bytes, the packet has 1 left");
	assert_refused(0, "", 0, -13, "node: field name_column needs 4 bytes, the packet has 3 left");
	assert_refused(0, "", 0, 3, "node: 3 bytes after the last field");
	assert_refused(29, "\0", 1, 0, "node: field name is not UTF-8 without NUL");
	assert_refused(35, "\xc0\x80", 2, 0, "node: field text is not UTF-8 without NUL");
	assert_refused(0, "", 0, -32, "packet of 7 bytes: a message has 8 to 65536");
}

static void a_packet_of_the_wrong_direction_is_refused(void **state)
{
	struct gw_message m = { .type = GW_MSG_PONG, .pong = { .number = 1 } }, out;
	size_t size = gw_message_encode(&m, packet);
	struct gw_err err;

	(void)state;
	assert_int_equal(gw_message_decode(packet, size, FROM_PLUGIN, &out, &err), 0);
	assert_int_equal(gw_message_decode(packet, size, FROM_CORE, &out, &err), -1);
	assert_string_equal(err.msg, "pong: comes from a plugin, never from the core");
}

static void what_does_not_fit_is_not_encoded(void **state)
{
	static char long_text[GW_MESSAGE_MAX];
	struct gw_message m = { .type = GW_MSG_HEALTH };

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	m.health.json = (struct gw_str){ long_text, GW_MESSAGE_MAX - LINK_HEADER };
	assert_int_equal(gw_message_encode(&m, packet), GW_MESSAGE_MAX);
	m.health.json.n++;
	assert_int_equal(gw_message_encode(&m, packet), 0);
	m = (struct gw_message){ .type = GW_MSG_DEVICE_GONE };
	m.device_gone.name = (struct gw_str){ long_text, GW_MESSAGE_MAX - LINK_HEADER - 2 };
	assert_int_equal(gw_message_encode(&m, packet), GW_MESSAGE_MAX);
	m.device_gone.name.n = UINT16_MAX + 1;
	assert_int_equal(gw_message_encode(&m, packet), 0);
}

static void a_text_that_is_null_is_empty(void **state)
{
	struct gw_message m = { .type = GW_MSG_DEVICE_GONE }, out;
	struct gw_err err;
	size_t size;

	(void)state;
	m.device_gone.name = gw_str(NULL);
	size = gw_message_encode(&m, packet);
	assert_int_equal(size, 10);
	assert_int_equal(gw_message_decode(packet, size, FROM_CORE, &out, &err), 0);
	assert_int_equal(out.device_gone.name.n, 0);
}

static void a_lone_rest_starts_aligned(void **state)
{
	struct gw_message m = { .type = GW_MSG_READING }, out;
	struct gw_err err;
	size_t size;

	(void)state;
	m.reading.block = gw_str("12345678");
	size = gw_message_encode(&m, packet);
	assert_int_equal(gw_message_decode(packet, size, FROM_PLUGIN, &out, &err), 0);
	assert_ptr_equal(out.reading.block.s, packet + 8);
	assert_int_equal(out.reading.block.n, 8);
}

/* ---- as people read it ---- */

static void a_trace_names_every_field_and_escapes_texts(void **state)
{
	struct gw_message m = a_node();
	char buf[256], cut[24];

	(void)state;
	m.node.text = gw_str("a\nb");
	assert_string_equal(gw_message_trace(&m, buf, sizeof(buf)),
			    "node{kind=1 file=2 line=3 column=4 name_line=5 name_column=6 "
			    "name=\"baud\" text=\"a\\x0ab\"}");
	assert_string_equal(gw_message_trace(&m, cut, sizeof(cut)), "node{kind=1 file=2 line");
	m = (struct gw_message){ .type = GW_MSG_READING };
	m.reading.block = gw_str("12345678");
	assert_string_equal(gw_message_trace(&m, buf, sizeof(buf)), "reading{block=8 bytes}");
	m = (struct gw_message){ .type = GW_MSG_STOP };
	assert_string_equal(gw_message_trace(&m, buf, sizeof(buf)), "stop{}");
	m.type = (enum gw_message_type)63;
	assert_string_equal(gw_message_trace(&m, buf, sizeof(buf)), "message type 63");
	assert_string_equal(gw_message_name(GW_MSG_LAYOUT_POINT), "layout_point");
	assert_null(gw_message_name(0));
}

static void the_document_has_every_message(void **state)
{
	char *text = NULL, heading[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	gw_messages_document(out);
	fclose(out);
	for (unsigned type = 0; type < GW_MSG_TYPES; type++) {
		if (!gw_message_name(type))
			continue;
		snprintf(heading, sizeof(heading), "\n### %s (%u, ", gw_message_name(type), type);
		assert_non_null(strstr(text, heading));
	}
	assert_non_null(strstr(text, "\n### ping (14, core to plugin)\n\nAre you alive?  To be "
				     "answered within the heartbeat's deadline.\n\n"
				     "| field | type | what it is |\n|---|---|---|\n"
				     "| number | u32 | to be repeated in the answer |\n"));
	assert_non_null(strstr(text, "| choices | str | words allowed, with &#124; between |\n"));
	free(text);
}

/* ---- transport ---- */

struct wire {
	int fd[2];
	struct gw_receiver *receiver;
};

static int open_wire(void **state)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct gw_err err;

	*state = w;
	w->receiver = gw_receiver_new();
	return gw_link_pair(w->fd, &err);
}

static int close_wire(void **state)
{
	struct wire *w = *state;

	for (int i = 0; i < 2; i++)
		if (w->fd[i] >= 0)
			close(w->fd[i]);
	gw_receiver_free(w->receiver);
	gw_receiver_free(NULL);
	free(w);
	return 0;
}

static void hang_up(struct wire *w, int end)
{
	close(w->fd[end]);
	w->fd[end] = -1;
}

static int ping(int fd, uint32_t number, struct gw_err *err)
{
	return gw_link_send(fd, &(struct gw_message){ .type = GW_MSG_PING, .ping = { .number = number } },
			    err);
}

static uint32_t ping_number(const struct gw_receiver *r, int i)
{
	struct gw_message m;
	struct gw_err err;
	size_t size;
	const void *got = gw_received(r, i, &size);

	assert_int_equal((uintptr_t)got % 8, 0);
	assert_int_equal(gw_message_decode(got, size, FROM_CORE, &m, &err), 0);
	assert_int_equal(m.type, GW_MSG_PING);
	return m.ping.number;
}

static void a_link_is_private_and_never_blocks(void **state)
{
	struct wire *w = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(w->fd[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		assert_int_equal(fcntl(w->fd[i], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	}
}

static void packets_arrive_in_order_and_in_batches(void **state)
{
	struct wire *w = *state;
	struct gw_err err;
	uint32_t next = 0;
	int n;

	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(ping(w->fd[0], i, &err), 1);
	for (int want = 40; want > 0; want -= n) {
		n = gw_receive(w->receiver, w->fd[1], &err);
		assert_int_equal(n, want < GW_RECEIVE_MAX ? want : GW_RECEIVE_MAX);
		for (int i = 0; i < n; i++)
			assert_int_equal(ping_number(w->receiver, i), next++);
	}
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 0);
}

static void a_full_link_says_so_and_goes_on_later(void **state)
{
	struct wire *w = *state;
	struct gw_err err;
	uint32_t sent = 0, got = 0;
	int n;

	while (ping(w->fd[0], sent, &err) == 1)
		sent++;
	assert_int_equal(ping(w->fd[0], sent, &err), 0);
	assert_true(sent >= 160); /* what the kernel's default buffer takes */
	while ((n = gw_receive(w->receiver, w->fd[1], &err)) > 0)
		for (int i = 0; i < n; i++)
			assert_int_equal(ping_number(w->receiver, i), got++);
	assert_int_equal(got, sent);
	assert_int_equal(ping(w->fd[0], sent, &err), 1);
}

static void the_largest_message_passes_and_one_byte_more_does_not(void **state)
{
	static char rest[GW_MESSAGE_MAX];
	struct wire *w = *state;
	struct gw_message m;
	struct gw_err err;
	size_t size, most = GW_MESSAGE_MAX - LINK_HEADER;
	const void *got;

	memset(rest, 'x', sizeof(rest));
	assert_int_equal(gw_link_send_rest(w->fd[0], GW_MSG_READING, rest, most, &err), 1);
	assert_int_equal(gw_link_send_rest(w->fd[0], GW_MSG_READING, rest, most + 1, &err), -1);
	assert_string_equal(err.msg, "reading does not fit into one message of 65536 bytes");
	m = (struct gw_message){ .type = GW_MSG_HEALTH };
	m.health.json = (struct gw_str){ rest, (uint32_t)most + 1 };
	assert_int_equal(gw_link_send(w->fd[0], &m, &err), -1);
	assert_string_equal(err.msg, "health does not fit into one message of 65536 bytes");
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 1);
	got = gw_received(w->receiver, 0, &size);
	assert_int_equal(size, GW_MESSAGE_MAX);
	assert_int_equal(gw_message_decode(got, size, FROM_PLUGIN, &m, &err), 0);
	assert_int_equal(m.reading.block.n, most);
	assert_memory_equal(m.reading.block.s, rest, most);
}

static void a_rest_without_bytes_is_a_message(void **state)
{
	struct wire *w = *state;
	struct gw_err err;
	size_t size;

	assert_int_equal(gw_link_send_rest(w->fd[0], GW_MSG_ACKS, NULL, 0, &err), 1);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 1);
	assert_memory_equal(gw_received(w->receiver, 0, &size), "\x28\0\0\0\x08\0\0\0", 8);
	assert_int_equal(size, 8);
}

static void a_packet_that_is_too_large_is_an_error(void **state)
{
	static char large[GW_MESSAGE_MAX + 1];
	struct wire *w = *state;
	struct gw_err err;

	assert_int_equal(send(w->fd[0], large, sizeof(large), 0), sizeof(large));
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), -1);
	assert_int_equal(err.code, GW_EPROTO);
	assert_int_equal(err.sys, EMSGSIZE);
	assert_string_equal(err.msg, "receiving a packet of more than 65536 bytes: Message too long");
}

static void end_of_file_comes_after_the_last_packet(void **state)
{
	struct wire *w = *state;
	struct gw_err err = { .sys = 99 };

	assert_int_equal(ping(w->fd[0], 1, &err), 1);
	assert_int_equal(ping(w->fd[0], 2, &err), 1);
	hang_up(w, 0);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 2);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), -1);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.msg, "the link was closed");
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), -1);
}

static void a_peer_that_leaves_unread_mail_still_delivers_its_own(void **state)
{
	struct wire *w = *state;
	struct gw_err err;

	assert_int_equal(ping(w->fd[0], 7, &err), 1);
	assert_int_equal(ping(w->fd[1], 8, &err), 1); /* never read */
	hang_up(w, 0);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 1);
	assert_int_equal(ping_number(w->receiver, 0), 7);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), -1);
	assert_int_equal(err.sys, 0);
}

static void an_empty_packet_is_no_end_of_file(void **state)
{
	struct wire *w = *state;
	struct gw_message m;
	struct gw_err err;
	size_t size;

	assert_int_equal(send(w->fd[0], "", 0, 0), 0);
	assert_int_equal(ping(w->fd[0], 3, &err), 1);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 2);
	gw_received(w->receiver, 0, &size);
	assert_int_equal(size, 0);
	assert_int_equal(gw_message_decode(packet, size, FROM_CORE, &m, &err), -1);
	assert_int_equal(ping_number(w->receiver, 1), 3);
	assert_int_equal(send(w->fd[0], "", 0, 0), 0);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 1);
	assert_int_equal(gw_receive(w->receiver, w->fd[1], &err), 0);
}

static void sending_to_nobody_is_an_error_and_no_signal(void **state)
{
	struct wire *w = *state;
	struct gw_err err;

	hang_up(w, 1);
	assert_int_equal(ping(w->fd[0], 1, &err), -1);
	assert_int_equal(err.sys, EPIPE);
	assert_string_equal(err.msg, "sending ping: Broken pipe");
}

#define ON_WIRE(test) cmocka_unit_test_setup_teardown(test, open_wire, close_wire)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_out_as_it_went_in),
		cmocka_unit_test(no_message_is_longer_or_shorter_than_it_says),
		cmocka_unit_test(a_peer_that_lies_is_refused_by_name),
		cmocka_unit_test(a_packet_of_the_wrong_direction_is_refused),
		cmocka_unit_test(what_does_not_fit_is_not_encoded),
		cmocka_unit_test(a_text_that_is_null_is_empty),
		cmocka_unit_test(a_lone_rest_starts_aligned),
		cmocka_unit_test(a_trace_names_every_field_and_escapes_texts),
		cmocka_unit_test(the_document_has_every_message),
		ON_WIRE(a_link_is_private_and_never_blocks),
		ON_WIRE(packets_arrive_in_order_and_in_batches),
		ON_WIRE(a_full_link_says_so_and_goes_on_later),
		ON_WIRE(the_largest_message_passes_and_one_byte_more_does_not),
		ON_WIRE(a_rest_without_bytes_is_a_message),
		ON_WIRE(a_packet_that_is_too_large_is_an_error),
		ON_WIRE(end_of_file_comes_after_the_last_packet),
		ON_WIRE(a_peer_that_leaves_unread_mail_still_delivers_its_own),
		ON_WIRE(an_empty_packet_is_no_end_of_file),
		ON_WIRE(sending_to_nobody_is_an_error_and_no_signal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
