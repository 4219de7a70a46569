/* publish.c - see publish.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "pace.h"
#include "publish.h"
#include "reason.h"

enum { PACKET_MIN = 512 }; /* no broker is believed to take less */

struct mqtt_publisher {
	const struct mqtt_publisher_ops *ops;
	void *arg;
	struct mqtt_pool pool;
	struct mqtt_queue prompt, backlog; /* waiting; what is prompt goes first */
	struct mqtt_message *flight[MQTT_WINDOW_MAX]; /* oldest first */
	unsigned in_flight, backlog_in_flight, window;
	size_t flight_bytes;
	struct mqtt_pace pace;
	size_t packet_max, learned_max;
	bool open, drain, documents;
	int64_t last_burst_us, silent_since_us;
	uint64_t refused;
	struct mqtt_text scratch; /* one reading */
};

struct mqtt_publisher *mqtt_publisher_new(const struct mqtt_publisher_ops *ops, void *arg)
{
	struct mqtt_publisher *p = mqtt_grow(NULL, sizeof(*p));

	*p = (struct mqtt_publisher){ .ops = ops, .arg = arg, .learned_max = SIZE_MAX };
	return p;
}

void mqtt_publisher_free(struct mqtt_publisher *p)
{
	if (!p)
		return;
	mqtt_publisher_close(p);
	mqtt_pool_free(&p->pool);
	mqtt_text_free(&p->scratch);
	free(p);
}

void mqtt_publisher_open(struct mqtt_publisher *p, const struct mqtt_limits *l, int64_t now_us)
{
	mqtt_publisher_close(p);
	p->open = true;
	p->window = l->window < MQTT_WINDOW_MAX ? l->window : MQTT_WINDOW_MAX;
	p->packet_max = l->packet_max < p->learned_max ? l->packet_max : p->learned_max;
	p->last_burst_us = now_us - MQTT_BURST_US;
	mqtt_pace_begin(&p->pace);
}

/* ---- queue ---- */

static bool is_backlog(const struct mqtt_message *m)
{
	return m->kind == MQTT_M_REPLAY || m->kind == MQTT_M_WINDOW;
}

static struct mqtt_queue *queue_of(struct mqtt_publisher *p, const struct mqtt_message *m)
{
	return is_backlog(m) ? &p->backlog : &p->prompt;
}

static void forget(struct mqtt_publisher *p, struct mqtt_message *m)
{
	if (m->call && --m->call->left == 0)
		mqtt_call_release(&p->pool, m->call);
	mqtt_message_release(&p->pool, m);
}

static void forget_all(struct mqtt_publisher *p, struct mqtt_queue *q)
{
	while (q->head)
		forget(p, mqtt_queue_pop(q));
}

void mqtt_publisher_drain(struct mqtt_publisher *p)
{
	p->drain = true;
}

void mqtt_publisher_drop_backlog(struct mqtt_publisher *p)
{
	forget_all(p, &p->backlog);
}

void mqtt_publisher_close(struct mqtt_publisher *p)
{
	forget_all(p, &p->prompt);
	forget_all(p, &p->backlog);
	for (unsigned i = 0; i < p->in_flight; i++)
		forget(p, p->flight[i]);
	p->in_flight = p->backlog_in_flight = 0;
	p->flight_bytes = 0;
	p->open = p->drain = p->documents = false;
}

void mqtt_publisher_learn_size(struct mqtt_publisher *p)
{
	size_t largest = 0;

	for (unsigned i = 0; i < p->in_flight; i++)
		if (p->flight[i]->sent_size > largest)
			largest = p->flight[i]->sent_size;
	if (largest > PACKET_MIN && largest < p->learned_max)
		p->learned_max = largest;
}

/* ---- settling: what became of a message goes to the core ---- */

/* One acknowledgement for each run of numbers without a gap: a number between
 * them may be on its way as another message. */
static void ack_runs(struct mqtt_publisher *p, const struct mqtt_message *m, enum gw_outcome o,
		     unsigned credit)
{
	const struct mqtt_element *e = m->elements;

	for (unsigned i = 0, from = 0; i < m->count; i++) {
		bool last = i + 1 == m->count;

		if (!last && e[i + 1].seq == e[i].seq + 1)
			continue;
		p->ops->ack(p->arg, m->device, e[from].seq, e[i].seq, o, last ? credit : 0);
		from = i + 1;
	}
}

static void settle(struct mqtt_publisher *p, struct mqtt_message *m, enum gw_outcome o)
{
	unsigned credit = m->call && m->call->left == 1;

	if (m->kind == MQTT_M_LOSS)
		p->ops->ack_loss(p->arg, m->id, o, credit);
	else if (m->kind == MQTT_M_WINDOW)
		p->ops->ack_window(p->arg, m->id, o, credit);
	else if (m->kind == MQTT_M_CORRECTION)
		p->ops->ack_correction(p->arg, m->id, o, credit);
	else if (m->kind != MQTT_M_DOCUMENT)
		ack_runs(p, m, o, credit);
	forget(p, m);
}

/* Both halves go to the front. */
static void halve(struct mqtt_publisher *p, struct mqtt_message *m)
{
	struct mqtt_message *second = mqtt_message_split(&p->pool, m);

	m->call->left++;
	mqtt_queue_push_front(queue_of(p, m), second);
	mqtt_queue_push_front(queue_of(p, m), m);
}

static void too_large(struct mqtt_publisher *p, struct mqtt_message *m)
{
	if (m->count >= 2) {
		halve(p, m);
		return;
	}
	p->ops->refused(p->arg, m->topic, MQTT_R_TOO_LARGE);
	settle(p, m, GW_TOO_LARGE);
}

static void refuse(struct mqtt_publisher *p, struct mqtt_message *m)
{
	p->refused++;
	p->ops->refused(p->arg, m->topic, MQTT_R_NOT_AUTHORISED);
	settle(p, m, GW_REFUSED);
}

static struct mqtt_message *land(struct mqtt_publisher *p, int token)
{
	for (unsigned i = 0; i < p->in_flight; i++) {
		struct mqtt_message *m = p->flight[i];

		if (m->token != token)
			continue;
		p->in_flight--;
		p->backlog_in_flight -= is_backlog(m);
		p->flight_bytes -= m->sent_size;
		memmove(&p->flight[i], &p->flight[i + 1], (p->in_flight - i) * sizeof(*p->flight));
		return m;
	}
	return NULL;
}

void mqtt_publisher_acked(struct mqtt_publisher *p, int token, unsigned reason, int64_t now_us)
{
	struct mqtt_message *m = land(p, token);
	char why[80];

	if (!m)
		return;
	p->silent_since_us = now_us;
	mqtt_pace_acked(&p->pace, m->flight, m->sent_us, now_us);
	if (reason < 0x80) {
		settle(p, m, GW_DONE);
	} else if (reason == MQTT_R_NOT_AUTHORISED) {
		refuse(p, m);
	} else if (reason == MQTT_R_TOO_LARGE) {
		too_large(p, m);
	} else {
		forget(p, m);
		snprintf(why, sizeof(why), "the broker refused a message: %s (0x%02x)",
			 mqtt_reason(reason), reason);
		p->ops->trouble(p->arg, why);
	}
}

/* ---- taking from the core ---- */

static void take(struct mqtt_publisher *p, struct mqtt_message *m)
{
	if (m->text.n > mqtt_payload_max(p->packet_max, m->topic))
		too_large(p, m);
	else
		mqtt_queue_push(queue_of(p, m), m);
}

/* All messages of a call are counted before the first is settled, so that the
 * credit comes with the last. */
static void take_all(struct mqtt_publisher *p, struct mqtt_message *first)
{
	for (struct mqtt_message *m = first, *next; m; m = next) {
		next = m->next;
		take(p, m);
	}
}

void mqtt_publisher_readings(struct mqtt_publisher *p, const struct mqtt_batch *batch)
{
	if (p->open && !p->drain && batch->count)
		take_all(p, mqtt_batch_messages(&p->pool, &p->scratch, p->packet_max, batch));
}

void mqtt_publisher_record(struct mqtt_publisher *p, enum mqtt_record what, const char *topic,
			   uint64_t id, const char *text, size_t size)
{
	static const enum mqtt_message_kind kinds[] = { [MQTT_LOSS] = MQTT_M_LOSS,
							[MQTT_WINDOW] = MQTT_M_WINDOW,
							[MQTT_CORRECTION] = MQTT_M_CORRECTION };

	if (!p->open || p->drain)
		return;
	struct mqtt_message *m = mqtt_message_new(&p->pool, kinds[what], topic);
	m->id = id;
	m->call = mqtt_call_new(&p->pool);
	m->call->left = 1;
	mqtt_text_put(&m->text, text, size);
	take(p, m);
}

void mqtt_publisher_wake(struct mqtt_publisher *p)
{
	p->documents = true;
}

/* ---- sending ---- */

static void launch(struct mqtt_publisher *p, struct mqtt_message *m, const struct mqtt_document *d,
		   int token, int64_t now_us)
{
	if (!p->in_flight)
		p->silent_since_us = now_us;
	m->token = token;
	m->sent_us = now_us;
	m->sent_size = d->size;
	m->flight = p->flight_bytes += d->size;
	p->backlog_in_flight += is_backlog(m);
	p->flight[p->in_flight++] = m;
}

static enum mqtt_send send_document(struct mqtt_publisher *p, const struct mqtt_document *d,
				    int64_t now_us)
{
	enum mqtt_send rc = MQTT_SENT;
	int token = 0;

	if (d->size > mqtt_payload_max(p->packet_max, d->topic)) {
		p->ops->refused(p->arg, d->topic, MQTT_R_TOO_LARGE);
		p->ops->document_sent(p->arg);
		return rc;
	}
	rc = p->ops->send(p->arg, d, &token);
	if (rc != MQTT_SENT)
		return rc;
	struct mqtt_message *m = mqtt_message_new(&p->pool, MQTT_M_DOCUMENT, NULL);
	mqtt_text_add(&m->text, d->topic);
	mqtt_text_put(&m->text, "", 1);
	m->topic = m->text.s;
	launch(p, m, d, token, now_us);
	p->ops->document_sent(p->arg);
	return rc;
}

static enum mqtt_send send_message(struct mqtt_publisher *p, struct mqtt_queue *q, int64_t now_us)
{
	struct mqtt_message *m = q->head;
	struct mqtt_document d = { m->topic, m->text.s, m->text.n, false };
	int token = 0;
	enum mqtt_send rc = p->ops->send(p->arg, &d, &token);

	if (rc == MQTT_SENT)
		launch(p, mqtt_queue_pop(q), &d, token, now_us);
	return rc;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Messages of backlog at a time; the rest of the window is for what is prompt. */
static unsigned share(const struct mqtt_publisher *p)
{
	unsigned kept = p->window / 4 ? p->window / 4 : 1;

	return p->window > kept ? p->window - kept : 1;
}

static unsigned room_for_backlog(const struct mqtt_publisher *p)
{
	unsigned of_share = p->backlog_in_flight < share(p) ? share(p) - p->backlog_in_flight : 0;

	return least(of_share, p->window - p->in_flight);
}

static bool is_piece(const struct mqtt_publisher *p, const struct mqtt_message *m)
{
	return m->count < 2 || m->text.n <= mqtt_pace_piece(&p->pace, share(p));
}

/* One message always may, however large. */
static bool backlog_may_go(const struct mqtt_publisher *p)
{
	const struct mqtt_message *m = p->backlog.head;
	size_t size;

	if (!m || !room_for_backlog(p))
		return false;
	size = is_piece(p, m) ? m->text.n : mqtt_pace_piece(&p->pace, share(p));
	return !p->backlog_in_flight || p->flight_bytes + size <= p->pace.allowance;
}

static enum mqtt_send send_backlog(struct mqtt_publisher *p, int64_t now_us)
{
	while (!is_piece(p, p->backlog.head))
		halve(p, mqtt_queue_pop(&p->backlog));
	return backlog_may_go(p) ? send_message(p, &p->backlog, now_us) : MQTT_SENT;
}

/* Documents go first: a directory stands before the readings made under it.  At the end they are the last word. */
static bool documents_may_go(const struct mqtt_publisher *p)
{
	return p->documents && !(p->drain && (p->prompt.head || p->backlog.head));
}

static enum mqtt_send send_next(struct mqtt_publisher *p, bool *any, int64_t now_us)
{
	struct mqtt_document d;

	if (documents_may_go(p)) {
		if (p->ops->document(p->arg, &d))
			return send_document(p, &d, now_us);
		p->documents = false;
	}
	if (p->prompt.head)
		return send_message(p, &p->prompt, now_us);
	if (backlog_may_go(p))
		return send_backlog(p, now_us);
	*any = false;
	return MQTT_SENT;
}

static bool has_work(const struct mqtt_publisher *p)
{
	return p->open && p->in_flight < p->window && (documents_may_go(p) || p->prompt.head || backlog_may_go(p));
}

static bool due(const struct mqtt_publisher *p, int64_t now_us)
{
	unsigned ready = least(p->prompt.n, p->window - p->in_flight);

	if (backlog_may_go(p))
		ready += least(p->backlog.n, room_for_backlog(p));
	return ready >= least(p->window, MQTT_BURST_FULL) || now_us - p->last_burst_us >= MQTT_BURST_US;
}

void mqtt_publisher_pump(struct mqtt_publisher *p, int64_t now_us)
{
	enum mqtt_send rc = MQTT_SENT;
	bool any = true;

	if (!has_work(p) || !due(p, now_us))
		return;
	p->last_burst_us = now_us;
	while (rc == MQTT_SENT && any && p->in_flight < p->window)
		rc = send_next(p, &any, now_us);
	if (rc == MQTT_SEND_BROKEN)
		p->ops->trouble(p->arg, "a message could not be handed over");
}

int64_t mqtt_publisher_next_us(const struct mqtt_publisher *p)
{
	return has_work(p) ? p->last_burst_us + MQTT_BURST_US : INT64_MAX;
}

bool mqtt_publisher_documents_sent(const struct mqtt_publisher *p)
{
	struct mqtt_document d;

	return !p->documents || !p->ops->document(p->arg, &d);
}

unsigned mqtt_publisher_in_flight(const struct mqtt_publisher *p)
{
	return p->in_flight;
}

bool mqtt_publisher_idle(const struct mqtt_publisher *p)
{
	return !p->in_flight && !p->prompt.head && !p->backlog.head && !p->documents;
}

int64_t mqtt_publisher_silent_since_us(const struct mqtt_publisher *p)
{
	return p->in_flight ? p->silent_since_us : INT64_MAX;
}

uint64_t mqtt_publisher_refused(const struct mqtt_publisher *p)
{
	return p->refused;
}
