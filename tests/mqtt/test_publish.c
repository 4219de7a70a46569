/* test_publish.c - the window, bursts, splitting and acknowledgements, without a
 * network and with a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "one_device.h"
#include "plugins/mqtt/pace.h"
#include "plugins/mqtt/publish.h"

enum { SENT_MAX = 4096 };
#define MS 1000

struct fixture {
	struct one_device device;
	struct mqtt_publisher *p;
	struct maker maker;
	int64_t now;
	char topics[SENT_MAX][32], first[64];
	size_t sizes[SENT_MAX];
	int sent, acked; /* tokens are 1 to sent */
	enum mqtt_send answer;
	unsigned documents; /* waiting */
	char acks[4096];    /* "from-to outcome credit;" */
	char why[128];
	unsigned refusals;
};

static enum mqtt_send fake_send(void *arg, const struct mqtt_document *d, int *token)
{
	struct fixture *f = arg;

	if (f->answer != MQTT_SENT)
		return f->answer;
	if (!f->sent)
		snprintf(f->first, sizeof(f->first), "%.*s", (int)d->size, d->text);
	f->sizes[f->sent] = d->size;
	snprintf(f->topics[f->sent], sizeof(f->topics[0]), "%s", d->topic);
	*token = ++f->sent;
	return MQTT_SENT;
}

static bool fake_document(void *arg, struct mqtt_document *d)
{
	*d = (struct mqtt_document){ "doc", "{}", 2, true };
	return ((struct fixture *)arg)->documents > 0;
}

static void fake_document_sent(void *arg)
{
	((struct fixture *)arg)->documents--;
}

static void fake_ack(void *arg, unsigned device, uint64_t from, uint64_t to, enum gw_outcome o,
		     unsigned credit)
{
	struct fixture *f = arg;
	size_t n = strlen(f->acks);

	assert_int_equal(device, 3);
	snprintf(f->acks + n, sizeof(f->acks) - n, "%llu-%llu %d %u;", (unsigned long long)from,
		 (unsigned long long)to, (int)o, credit);
}

static void fake_ack_loss(void *arg, uint64_t id, enum gw_outcome o, unsigned credit)
{
	struct fixture *f = arg;
	size_t n = strlen(f->acks);

	snprintf(f->acks + n, sizeof(f->acks) - n, "loss %llu %d %u;", (unsigned long long)id,
		 (int)o, credit);
}

static void fake_ack_correction(void *arg, uint64_t id, enum gw_outcome o, unsigned credit)
{
	struct fixture *f = arg;
	size_t n = strlen(f->acks);

	snprintf(f->acks + n, sizeof(f->acks) - n, "correction %llu %d %u;", (unsigned long long)id,
		 (int)o, credit);
}

static void fake_refused(void *arg, const char *topic, unsigned reason)
{
	(void)topic;
	(void)reason;
	((struct fixture *)arg)->refusals++;
}

static void fake_trouble(void *arg, const char *why)
{
	snprintf(((struct fixture *)arg)->why, 128, "%s", why);
}

static const struct mqtt_publisher_ops ops = { fake_send,   fake_document, fake_document_sent,
					       fake_ack,    fake_ack_loss, fake_ack_loss,
					       fake_ack_correction, fake_refused, fake_trouble };

static void open_with(struct fixture *f, unsigned window, size_t packet_max)
{
	mqtt_publisher_open(f->p, &(struct mqtt_limits){ window, packet_max }, f->now);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	one_device_make(&f->device);
	f->now = 1000000;
	f->p = mqtt_publisher_new(&ops, f);
	open_with(f, 50, 1000000);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	mqtt_publisher_free(f->p);
	one_device_free(&f->device);
	free(f);
	return 0;
}

static void give(struct fixture *f, bool live, const uint64_t *seqs, size_t count)
{
	static alignas(8) char blocks[100][128];
	const struct gw_reading *readings[100];

	for (size_t i = 0; i < count; i++) {
		maker_put(&f->maker, 0, GW_BOOL, GW_GOOD, 1);
		const struct gw_reading *r = maker_done(&f->maker, seqs[i], 5);
		memcpy(blocks[i], r, r->size);
		readings[i] = (void *)blocks[i];
	}
	one_device_give(&f->device, f->p, live, readings, count);
}

static void give_live(struct fixture *f, uint64_t seq)
{
	give(f, true, &seq, 1);
}

static void give_run(struct fixture *f, uint64_t from, size_t count)
{
	uint64_t seqs[100];

	for (size_t i = 0; i < count; i++)
		seqs[i] = from + i;
	give(f, false, seqs, count);
}

static void pump(struct fixture *f)
{
	mqtt_publisher_pump(f->p, f->now);
}

static void ack_next(struct fixture *f, unsigned reason)
{
	mqtt_publisher_acked(f->p, ++f->acked, reason, f->now);
}

/* All at once that is sent; then what may follow goes. */
static void ack_flight(struct fixture *f, int64_t after_us)
{
	int sent = f->sent;

	f->now += after_us;
	while (f->acked < sent)
		ack_next(f, 0);
	pump(f);
}

/* 100 readings with so many bytes of text. */
static void give_large(struct fixture *f, size_t bytes)
{
	static alignas(8) char blocks[100][1200];
	const struct gw_reading *readings[100];
	char text[1024];

	memset(text, 'x', bytes);
	text[bytes] = '\0';
	for (size_t i = 0; i < 100; i++) {
		maker_text(&f->maker, 0, text);
		const struct gw_reading *r = maker_done(&f->maker, 100 + i, 5);
		memcpy(blocks[i], r, r->size);
		readings[i] = (void *)blocks[i];
	}
	one_device_give(&f->device, f->p, false, readings, 100);
}

/* From here on the line is known to be fast: no number of bytes holds anything up. */
static void widen(struct fixture *f)
{
	for (int k = 0; k < 3; k++) {
		for (int i = 0; i < 6; i++)
			give_large(f, 1000);
		ack_flight(f, MQTT_BURST_US);
		while (!mqtt_publisher_idle(f->p))
			ack_flight(f, MS);
		f->acks[0] = '\0';
	}
	f->now += MQTT_BURST_US;
}

static void a_burst_goes_at_most_once_in_20_ms(void **state)
{
	struct fixture *f = *state;

	give_live(f, 1);
	pump(f);
	assert_int_equal(f->sent, 1); /* the last burst is long ago: at once */
	give_live(f, 2);
	give_live(f, 3);
	f->now += 19 * MS;
	pump(f);
	assert_int_equal(f->sent, 1);
	assert_int_equal(mqtt_publisher_next_us(f->p), f->now + MS);
	f->now += MS;
	pump(f);
	assert_int_equal(f->sent, 3);
	assert_int_equal(mqtt_publisher_next_us(f->p), INT64_MAX);
	for (uint64_t seq = 4; seq < 14; seq++)
		give_live(f, seq);
	pump(f);
	assert_int_equal(f->sent, 13); /* ten are worth it at any time */
}

static void the_window_is_never_exceeded(void **state)
{
	struct fixture *f = *state;

	open_with(f, 4, 1000000);
	for (uint64_t seq = 1; seq <= 20; seq++)
		give_live(f, seq);
	for (int i = 0; i < 200 && f->acked < 20; i++) {
		f->now += 20 * MS;
		pump(f);
		assert_true(mqtt_publisher_in_flight(f->p) <= 4);
		if (mqtt_publisher_in_flight(f->p) == 4 || f->sent == 20)
			ack_next(f, 0);
	}
	assert_int_equal(f->acked, 20);
	assert_true(mqtt_publisher_idle(f->p));
}

static void documents_go_before_readings(void **state)
{
	struct fixture *f = *state;

	give_live(f, 1);
	f->documents = 2;
	mqtt_publisher_wake(f->p);
	pump(f);
	assert_int_equal(f->sent, 3);
	assert_string_equal(f->topics[0], "doc");
	assert_string_equal(f->topics[1], "doc");
	assert_string_equal(f->topics[2], "r/gw/m/data");
	assert_true(mqtt_publisher_documents_sent(f->p));
}

static void gaps_are_never_acknowledged(void **state)
{
	static const uint64_t seqs[] = { 1, 2, 5, 7, 8, 9 };
	struct fixture *f = *state;

	give(f, false, seqs, 6);
	pump(f);
	ack_next(f, 0);
	assert_string_equal(f->acks, "1-2 0 0;5-5 0 0;7-9 0 1;");
}

static void one_call_is_split_by_size_and_gives_one_credit(void **state)
{
	struct fixture *f = *state;

	open_with(f, 50, 500);
	give_run(f, 1, 30);
	pump(f);
	f->now += 20 * MS;
	pump(f);
	assert_int_equal(f->sent, 4);
	for (int i = 0; i < f->sent; i++)
		assert_true(f->sizes[i] + strlen(f->topics[i]) + 10 <= 500);
	while (f->acked < f->sent)
		ack_next(f, 0);
	assert_string_equal(f->acks, "1-9 0 0;10-18 0 0;19-27 0 0;28-30 0 1;");
}

static void a_single_reading_that_cannot_pass_is_too_large(void **state)
{
	struct fixture *f = *state;

	open_with(f, 50, 55);
	give_run(f, 1, 3);
	give_live(f, 9);
	pump(f);
	assert_int_equal(f->sent, 0);
	assert_string_equal(f->acks, "1-1 2 0;2-2 2 0;3-3 2 1;9-9 2 1;");
}

static void a_replay_is_at_most_100_readings_and_64_kib(void **state)
{
	struct fixture *f = *state;

	widen(f);
	give_large(f, 1000);
	pump(f);
	assert_int_equal(f->sent - f->acked, 2);
	assert_in_range(f->sizes[f->acked], 64000, 65536);
}

static void what_is_live_overtakes_backlog_and_finds_room(void **state)
{
	struct fixture *f = *state;

	open_with(f, 4, 1000000);
	for (uint64_t i = 0; i < 5; i++)
		give_run(f, 1000 + 10 * i, 10);
	pump(f);
	assert_int_equal(f->sent, 3); /* of a window of four */
	give_live(f, 9);
	f->now += 20 * MS;
	pump(f);
	assert_int_equal(f->sent, 4);
	assert_string_equal(f->topics[3], "r/gw/m/data");
	assert_int_equal(mqtt_publisher_next_us(f->p), INT64_MAX);
}

static size_t flying(const struct fixture *f)
{
	size_t bytes = 0;

	for (int i = f->acked; i < f->sent; i++)
		bytes += f->sizes[i];
	return bytes;
}

static unsigned credits(const struct fixture *f)
{
	unsigned n = 0;

	for (const char *at = f->acks; (at = strstr(at, " 1;")); at++)
		n++;
	return n;
}

static void backlog_feels_its_way_and_gives_one_credit(void **state)
{
	struct fixture *f = *state;

	give_large(f, 300);
	pump(f);
	assert_in_range(flying(f), MQTT_PACE_FIRST / 2, MQTT_PACE_FIRST);
	while (!mqtt_publisher_idle(f->p)) {
		assert_int_equal(credits(f), 0);
		ack_flight(f, 20 * MS);
	}
	assert_int_equal(credits(f), 1);
	assert_non_null(strstr(f->acks, "-199 0 1;"));
	give_large(f, 300);
	pump(f);
	assert_in_range(flying(f), 2 * MQTT_PACE_FIRST, 64 * 1024); /* the line is known to be fast by now */
}

static void late_acknowledgements_let_less_go_at_a_time(void **state)
{
	struct fixture *f = *state;

	give_live(f, 1);
	pump(f);
	ack_flight(f, 20 * MS);
	give_large(f, 300);
	give_large(f, 300);
	ack_flight(f, 20 * MS);
	for (int k = 0; k < 5; k++)
		ack_flight(f, 5000 * MS);
	assert_in_range(flying(f), 1, MQTT_PACE_LEAST);
	give_live(f, 9);
	f->now += 20 * MS;
	pump(f);
	assert_string_equal(f->topics[f->sent - 1], "r/gw/m/data");
}

/* Backlog that needs several flights; then a live reading, and the end. */
static void begin_the_end(struct fixture *f)
{
	give_large(f, 300);
	pump(f);
	give_live(f, 9);
	mqtt_publisher_drain(f->p);
	f->documents = 1;
	mqtt_publisher_wake(f->p);
	give_live(f, 10);
	f->now += 20 * MS;
}

static void at_the_end_all_goes_and_then_the_last_word(void **state)
{
	struct fixture *f = *state;

	begin_the_end(f);
	while (!mqtt_publisher_idle(f->p))
		ack_flight(f, 20 * MS);
	assert_string_equal(f->topics[f->sent - 1], "doc");
	assert_int_equal(credits(f), 2);
	assert_non_null(strstr(f->acks, "-199 0 1;"));
}

static void backlog_that_is_left_at_the_end_gives_way_to_the_last_word(void **state)
{
	struct fixture *f = *state;

	begin_the_end(f);
	int before = f->sent;
	mqtt_publisher_drop_backlog(f->p);
	pump(f);
	assert_int_equal(f->sent, before + 2);
	assert_string_equal(f->topics[before], "r/gw/m/data");
	assert_string_equal(f->topics[before + 1], "doc");
	ack_flight(f, 20 * MS);
	assert_true(mqtt_publisher_idle(f->p));
}

static void a_refusal_is_told_and_others_go_on(void **state)
{
	struct fixture *f = *state;

	give_live(f, 1);
	give_live(f, 2);
	pump(f);
	ack_next(f, 0x87);
	ack_next(f, 0);
	assert_string_equal(f->acks, "1-1 1 1;2-2 0 1;");
	assert_int_equal(f->refusals, 1);
	assert_int_equal(mqtt_publisher_refused(f->p), 1);
	assert_string_equal(f->why, "");
}

static void other_refusals_end_the_connection(void **state)
{
	struct fixture *f = *state;

	give_live(f, 1);
	pump(f);
	ack_next(f, 0x97);
	assert_string_equal(f->acks, "");
	assert_string_equal(f->why, "the broker refused a message: quota exceeded (0x97)");
}

static void too_large_halves_an_array(void **state)
{
	struct fixture *f = *state;

	give_run(f, 1, 5);
	pump(f);
	ack_next(f, 0x95);
	f->now += 20 * MS;
	pump(f);
	assert_int_equal(f->sent, 3);
	ack_next(f, 0);
	ack_next(f, 0);
	assert_string_equal(f->acks, "1-2 0 0;3-5 0 1;");
}

static void unknown_and_repeated_acknowledgements_do_nothing(void **state)
{
	struct fixture *f = *state;

	give_live(f, 1);
	pump(f);
	mqtt_publisher_acked(f->p, 99, 0, f->now);
	ack_next(f, 0);
	mqtt_publisher_acked(f->p, 1, 0, f->now);
	assert_string_equal(f->acks, "1-1 0 1;");
}

static void what_was_given_while_away_is_dropped_without_a_word(void **state)
{
	struct fixture *f = *state;

	give_live(f, 1);
	pump(f);
	give_live(f, 2);
	mqtt_publisher_close(f->p);
	give_live(f, 3);
	open_with(f, 50, 1000000);
	pump(f);
	mqtt_publisher_acked(f->p, 1, 0, f->now);
	assert_int_equal(f->sent, 1);
	assert_string_equal(f->acks, "");
	assert_int_equal(mqtt_publisher_in_flight(f->p), 0);
}

static void a_full_buffer_of_paho_is_tried_again(void **state)
{
	struct fixture *f = *state;

	f->answer = MQTT_SEND_FULL;
	give_live(f, 1);
	pump(f);
	assert_int_equal(mqtt_publisher_next_us(f->p), f->now + 20 * MS);
	f->answer = MQTT_SENT;
	f->now += 20 * MS;
	pump(f);
	assert_int_equal(f->sent, 1);
	f->answer = MQTT_SEND_BROKEN;
	give_live(f, 2);
	f->now += 20 * MS;
	pump(f);
	assert_string_equal(f->why, "a message could not be handed over");
}

static void silence_counts_from_the_last_acknowledgement(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mqtt_publisher_silent_since_us(f->p), INT64_MAX);
	give_live(f, 1);
	give_live(f, 2);
	pump(f);
	assert_int_equal(mqtt_publisher_silent_since_us(f->p), f->now);
	f->now += 500 * MS;
	ack_next(f, 0);
	assert_int_equal(mqtt_publisher_silent_since_us(f->p), f->now);
	ack_next(f, 0);
	assert_int_equal(mqtt_publisher_silent_since_us(f->p), INT64_MAX);
}

static void a_size_that_closed_the_connection_is_learned(void **state)
{
	struct fixture *f = *state;

	give_run(f, 1, 15);
	pump(f);
	assert_int_equal(f->sent, 1);
	mqtt_publisher_learn_size(f->p);
	open_with(f, 50, 1000000);
	give_run(f, 1, 15);
	pump(f);
	assert_int_equal(f->sent, 3);
	assert_true(f->sizes[1] < f->sizes[0]);
}

static void losses_and_corrections_are_acknowledged_by_their_id(void **state)
{
	struct fixture *f = *state;

	mqtt_publisher_record(f->p, MQTT_LOSS, "r/gw/m/loss", 77, "{}", 2);
	mqtt_publisher_record(f->p, MQTT_CORRECTION, "r/gw/clock", 78, "{}", 2);
	pump(f);
	ack_next(f, 0);
	assert_string_equal(f->acks, "loss 77 0 1;");
	ack_next(f, 0x87);
	assert_string_equal(f->acks, "loss 77 0 1;correction 78 1 1;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_burst_goes_at_most_once_in_20_ms),
		T(the_window_is_never_exceeded),
		T(documents_go_before_readings),
		T(gaps_are_never_acknowledged),
		T(one_call_is_split_by_size_and_gives_one_credit),
		T(a_single_reading_that_cannot_pass_is_too_large),
		T(a_replay_is_at_most_100_readings_and_64_kib),
		T(what_is_live_overtakes_backlog_and_finds_room),
		T(backlog_feels_its_way_and_gives_one_credit),
		T(late_acknowledgements_let_less_go_at_a_time),
		T(at_the_end_all_goes_and_then_the_last_word),
		T(backlog_that_is_left_at_the_end_gives_way_to_the_last_word),
		T(a_refusal_is_told_and_others_go_on),
		T(other_refusals_end_the_connection),
		T(too_large_halves_an_array),
		T(unknown_and_repeated_acknowledgements_do_nothing),
		T(what_was_given_while_away_is_dropped_without_a_word),
		T(a_full_buffer_of_paho_is_tried_again),
		T(silence_counts_from_the_last_acknowledgement),
		T(a_size_that_closed_the_connection_is_learned),
		T(losses_and_corrections_are_acknowledged_by_their_id),
	};

	return cmocka_run_group_tests_name("mqtt publish", tests, NULL, NULL);
}
