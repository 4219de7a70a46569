/* link.c - see link.h.  The traps of Paho 1.3.12 that shape it are named where they bite. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <MQTTAsync.h>

#include "build.h"
#include "link.h"

enum { GOODBYE_S = 2, INBOUND_MAX = 64 * 1024 };

struct mqtt_link {
	struct mqtt_link_options o; /* texts are our own */
	MQTTAsync handle;
	sem_t gone;
};

static char *copy(const char *s, size_t n)
{
	char *out = s ? mqtt_grow(NULL, n + 1) : NULL;

	if (out) {
		memcpy(out, s, n);
		out[n] = '\0';
	}
	return out;
}

static char *copy_text(const char *s)
{
	return copy(s, s ? strlen(s) : 0);
}

struct mqtt_link *mqtt_link_new(const struct mqtt_link_options *o)
{
	struct mqtt_link *l = mqtt_grow(NULL, sizeof(*l));

	*l = (struct mqtt_link){ .o = *o };
	l->o.uri = copy_text(o->uri);
	l->o.client_id = copy_text(o->client_id);
	l->o.username = copy_text(o->username);
	l->o.password = copy(o->password, o->password_size);
	l->o.ca = copy_text(o->ca);
	l->o.cert = copy_text(o->cert);
	l->o.key = copy_text(o->key);
	l->o.status_topic = copy_text(o->status_topic);
	l->o.command_topic = copy_text(o->command_topic);
	l->o.will = copy(o->will, o->will_size);
	sem_init(&l->gone, 0, 0);
	return l;
}

static void link_free(struct mqtt_link *l)
{
	const char *texts[] = { l->o.uri, l->o.client_id,    l->o.username,	l->o.ca,  l->o.cert,
				l->o.key, l->o.status_topic, l->o.command_topic, l->o.will };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free((void *)(uintptr_t)texts[i]);
	if (l->o.password) {
		explicit_bzero((void *)(uintptr_t)l->o.password, l->o.password_size);
		free((void *)(uintptr_t)l->o.password);
	}
	sem_destroy(&l->gone);
	free(l);
}

/* ---- callbacks: Paho's threads, its mutex held; push and return ---- */

static void push(struct mqtt_link *l, struct mqtt_event e, const char *text)
{
	e.epoch = l->o.epoch;
	mqtt_events_push(l->o.events, &e, text, text ? strlen(text) : 0);
}

static unsigned property(MQTTProperties *all, enum MQTTPropertyCodes code, unsigned fallback)
{
	if (!MQTTProperties_hasProperty(all, code))
		return fallback;
	int64_t v = MQTTProperties_getNumericValue(all, code);
	return v > 0 ? (unsigned)v : fallback;
}

static void on_connect5(void *arg, MQTTAsync_successData5 *d)
{
	struct mqtt_event e = { .kind = MQTT_E_CONNECTED, .token = 5 };

	e.reason = property(&d->properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 65535);
	e.size = property(&d->properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 268435455);
	e.keepalive_s = property(&d->properties, MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, 0);
	push(arg, e, NULL);
}

static void on_connect3(void *arg, MQTTAsync_successData *d)
{
	(void)d;
	push(arg,
	     (struct mqtt_event){
		     .kind = MQTT_E_CONNECTED, .token = 4, .reason = 65535, .size = 268435455 },
	     NULL);
}

static void on_refused5(void *arg, MQTTAsync_failureData5 *d)
{
	unsigned reason = d->reasonCode > 0 ? (unsigned)d->reasonCode
			  : d->code > 0	    ? (unsigned)d->code
					    : 0;

	push(arg, (struct mqtt_event){ .kind = MQTT_E_REFUSED, .reason = reason }, d->message);
}

static void on_refused3(void *arg, MQTTAsync_failureData *d)
{
	push(arg,
	     (struct mqtt_event){ .kind = MQTT_E_REFUSED,
				  .reason = d && d->code > 0 ? (unsigned)d->code : 0 },
	     d ? d->message : NULL);
}

static void on_lost(void *arg, char *cause)
{
	push(arg, (struct mqtt_event){ .kind = MQTT_E_LOST }, cause);
}

static void on_disconnected(void *arg, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
	(void)properties;
	push(arg, (struct mqtt_event){ .kind = MQTT_E_LOST, .reason = (unsigned)reason }, NULL);
}

static int on_arrived(void *arg, char *topic, int size, MQTTAsync_message *m)
{
	struct mqtt_link *l = arg;
	struct mqtt_event e = { .kind = MQTT_E_ARRIVED, .epoch = l->o.epoch };

	(void)size; /* 0, or the topic has a NUL in it: none that was subscribed to */
	if (l->o.command_topic && strcmp(topic, l->o.command_topic) == 0) {
		e.kind = MQTT_E_COMMAND;
		e.token = m->payloadlen;
		e.reason = m->retained != 0;
	}
	mqtt_events_push(l->o.events, &e, m->payload ? m->payload : "",
			 m->payload ? (size_t)m->payloadlen : 0);
	MQTTAsync_freeMessage(&m);
	MQTTAsync_free(topic);
	return 1;
}

static void on_acked5(void *arg, MQTTAsync_successData5 *d)
{
	push(arg, (struct mqtt_event){ .kind = MQTT_E_ACKED, .token = d->token }, NULL);
}

static void on_acked3(void *arg, MQTTAsync_successData *d)
{
	push(arg, (struct mqtt_event){ .kind = MQTT_E_ACKED, .token = d->token }, NULL);
}

static void on_not_acked5(void *arg, MQTTAsync_failureData5 *d)
{
	bool puback = d->reasonCode >= 0x80;

	push(arg,
	     (struct mqtt_event){ .kind = puback ? MQTT_E_ACKED : MQTT_E_NOT_SENT,
				  .token = d->token,
				  .reason = puback ? (unsigned)d->reasonCode : 0 },
	     NULL);
}

static void on_not_acked3(void *arg, MQTTAsync_failureData *d)
{
	push(arg, (struct mqtt_event){ .kind = MQTT_E_NOT_SENT, .token = d ? d->token : 0 }, NULL);
}

static void on_not_subscribed5(void *arg, MQTTAsync_failureData5 *d)
{
	push(arg,
	     (struct mqtt_event){ .kind = MQTT_E_SUBSCRIBED, .reason = (unsigned)d->reasonCode },
	     NULL);
}

static void on_no_commands5(void *arg, MQTTAsync_failureData5 *d)
{
	push(arg,
	     (struct mqtt_event){
		     .kind = MQTT_E_SUBSCRIBED, .token = 1, .reason = (unsigned)d->reasonCode },
	     NULL);
}

static void on_gone5(void *arg, MQTTAsync_successData5 *d)
{
	(void)d;
	sem_post(&((struct mqtt_link *)arg)->gone);
}

static void on_gone3(void *arg, MQTTAsync_successData *d)
{
	(void)d;
	sem_post(&((struct mqtt_link *)arg)->gone);
}

static void on_not_gone5(void *arg, MQTTAsync_failureData5 *d)
{
	(void)d;
	sem_post(&((struct mqtt_link *)arg)->gone);
}

static void on_not_gone3(void *arg, MQTTAsync_failureData *d)
{
	(void)d;
	sem_post(&((struct mqtt_link *)arg)->gone);
}

/* ---- opening ---- */

static int create(struct mqtt_link *l)
{
	MQTTAsync_createOptions c = MQTTAsync_createOptions_initializer5;

	/* the default of 100 counts queued sends also while connected */
	c.maxBufferedMessages = 2 * (int)l->o.window + 16;
	c.MQTTVersion = l->o.v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
	return MQTTAsync_createWithOptions(&l->handle, l->o.uri, l->o.client_id,
					   MQTTCLIENT_PERSISTENCE_NONE, NULL, &c);
}

static void set_tls(const struct mqtt_link *l, MQTTAsync_SSLOptions *ssl)
{
	ssl->verify = 1; /* the host name; off by default */
	ssl->enableServerCertAuth = 1;
	ssl->trustStore = l->o.ca; /* NULL: the system's store */
	ssl->keyStore = l->o.cert;
	ssl->privateKey = l->o.key;
}

static void set_version(struct mqtt_link *l, MQTTAsync_connectOptions *c,
			MQTTProperties *properties)
{
	MQTTProperty largest = { .identifier = MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE };

	c->context = l;
	if (!l->o.v5) {
		c->MQTTVersion = MQTTVERSION_3_1_1;
		c->onSuccess = on_connect3;
		c->onFailure = on_refused3;
		return;
	}
	largest.value.integer4 = INBOUND_MAX;
	MQTTProperties_add(properties, &largest);
	c->connectProperties = properties;
	c->cleanstart = 1;
	c->onSuccess5 = on_connect5;
	c->onFailure5 = on_refused5;
}

static void set_callbacks(struct mqtt_link *l)
{
	MQTTAsync_setCallbacks(l->handle, l, on_lost, on_arrived, NULL);
	if (l->o.v5)
		MQTTAsync_setDisconnected(l->handle, l, on_disconnected);
}

static int connect_now(struct mqtt_link *l)
{
	MQTTAsync_connectOptions c3 = MQTTAsync_connectOptions_initializer,
				 c = MQTTAsync_connectOptions_initializer5;
	MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
	MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
	MQTTProperties properties = MQTTProperties_initializer;
	int rc;

	if (!l->o.v5)
		c = c3;
	will.topicName = l->o.status_topic;
	will.payload.data = l->o.will;
	will.payload.len = (int)l->o.will_size;
	will.qos = will.retained = 1;
	c.will = &will;
	c.keepAliveInterval = l->o.keepalive_s;
	c.connectTimeout = MQTT_CONNECT_S;
	c.maxInflight = 65535; /* Paho sleeps when its own window is full: ours is smaller */
	c.username = l->o.username;
	c.binarypwd.data = l->o.password;
	c.binarypwd.len = (int)l->o.password_size;
	set_tls(l, &ssl);
	if (l->o.tls)
		c.ssl = &ssl;
	set_version(l, &c, &properties);
	rc = MQTTAsync_connect(l->handle, &c);
	MQTTProperties_free(&properties);
	return rc;
}

void mqtt_link_open(struct mqtt_link *l)
{
	int rc = create(l);

	if (rc == MQTTASYNC_SUCCESS) {
		set_callbacks(l);
		rc = connect_now(l);
	}
	if (rc != MQTTASYNC_SUCCESS)
		push(l, (struct mqtt_event){ .kind = MQTT_E_REFUSED }, MQTTAsync_strerror(rc));
}

/* ---- in use ---- */

static MQTTAsync_responseOptions response(struct mqtt_link *l)
{
	MQTTAsync_responseOptions r = MQTTAsync_responseOptions_initializer;

	r.context = l;
	if (l->o.v5) {
		r.onSuccess5 = on_acked5;
		r.onFailure5 = on_not_acked5;
	} else {
		r.onSuccess = on_acked3;
		r.onFailure = on_not_acked3;
	}
	return r;
}

enum mqtt_send mqtt_link_send(struct mqtt_link *l, const struct mqtt_document *d, int *token)
{
	MQTTAsync_message m = MQTTAsync_message_initializer;
	MQTTAsync_responseOptions r = response(l);

	m.payload = (void *)(uintptr_t)d->text; /* Paho copies it */
	m.payloadlen = (int)d->size;
	m.qos = 1;
	m.retained = d->retained;
	int rc = MQTTAsync_sendMessage(l->handle, d->topic, &m, &r);
	if (rc == MQTTASYNC_MAX_BUFFERED_MESSAGES || rc == MQTTASYNC_NO_MORE_MSGIDS)
		return MQTT_SEND_FULL;
	*token = r.token;
	return rc == MQTTASYNC_SUCCESS ? MQTT_SENT : MQTT_SEND_BROKEN;
}

/*
 * Over 3.1.1 with QoS 0: RabbitMQ 3.10 keeps a QoS 1 subscription in a queue of the node that
 * the client was on, and when that node is gone it closes each connection of this client that
 * subscribes anew on another.  Nothing is lost by it: a session ends with its connection anyway.
 */
static int subscribe(struct mqtt_link *l, const char *topic, MQTTAsync_onFailure5 *failed)
{
	MQTTAsync_responseOptions r = MQTTAsync_responseOptions_initializer;

	r.context = l;
	if (l->o.v5)
		r.onFailure5 = failed;
	r.subscribeOptions.noLocal = l->o.v5; /* not our own words */
	r.subscribeOptions.retainAsPublished = l->o.v5;
	return MQTTAsync_subscribe(l->handle, topic, l->o.v5 ? 1 : 0, &r) == MQTTASYNC_SUCCESS ? 0 : -1;
}

int mqtt_link_subscribe(struct mqtt_link *l)
{
	if (subscribe(l, l->o.status_topic, on_not_subscribed5))
		return -1;
	return l->o.command_topic ? subscribe(l, l->o.command_topic, on_no_commands5) : 0;
}

/* ---- closing ---- */

static void say_goodbye(struct mqtt_link *l, enum mqtt_goodbye how)
{
	MQTTAsync_disconnectOptions d5 = MQTTAsync_disconnectOptions_initializer5,
				    d = MQTTAsync_disconnectOptions_initializer;
	struct timespec until;

	if (l->o.v5) {
		d = d5;
		d.onSuccess5 = on_gone5;
		d.onFailure5 = on_not_gone5;
		if (how == MQTT_BYE_WITH_WILL)
			d.reasonCode = MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE;
	} else {
		d.onSuccess = on_gone3;
		d.onFailure = on_not_gone3;
	}
	d.context = l;
	if (MQTTAsync_disconnect(l->handle, &d) != MQTTASYNC_SUCCESS)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GOODBYE_S;
	sem_clockwait(&l->gone, CLOCK_MONOTONIC, &until);
}

void mqtt_link_close(struct mqtt_link *l, enum mqtt_goodbye how)
{
	if (l->handle && how != MQTT_BYE_NONE)
		say_goodbye(l, how);
	if (l->handle)
		MQTTAsync_destroy(&l->handle);
	push(l, (struct mqtt_event){ .kind = MQTT_E_CLOSED }, NULL);
	link_free(l);
}
