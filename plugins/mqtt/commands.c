/* commands.c - see commands.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

enum { DAY_MS = 24 * 3600 * 1000, REASON_MAX = 600 };

#define KEY "id/" /* before the identifier, in what the core remembers */
_Static_assert(MQTT_ID_MAX + sizeof(KEY) - 1 <= GW_STATE_KEY_MAX, "an identifier is part of a key");

struct seen {
	char id[MQTT_ID_MAX + 1];
	int64_t at_ms;
	char *reply;
};

struct open { /* asked of the core */
	uint32_t number; /* 0: free */
	struct mqtt_command command;
};

struct request {
	char id[MQTT_ID_MAX + 1];
	unsigned device;
	uint64_t from, to, left; /* left: not acknowledged */
};

struct mqtt_commands {
	struct gw_plugin *plugin;
	const struct mqtt_fleet *fleet;
	struct seen seen[MQTT_COMMANDS_KEPT];
	size_t nseen;
	struct open open[MQTT_COMMANDS_OPEN];
	uint32_t last_number;
	struct request requests[MQTT_REQUESTS]; /* the oldest first */
	size_t nrequests;
	char *replies[MQTT_REPLIES]; /* the oldest first */
	size_t nreplies;
	int64_t paid_until_us; /* monotonic: each command costs a share of a second */
};

struct mqtt_commands *mqtt_commands_new(struct gw_plugin *p)
{
	struct mqtt_commands *c = gw_arena_alloc(gw_plugin_arena(p), sizeof(*c));

	c->plugin = p;
	return c;
}

void mqtt_commands_free(struct mqtt_commands *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nseen; i++)
		free(c->seen[i].reply);
	for (size_t i = 0; i < c->nreplies; i++)
		free(c->replies[i]);
}

void mqtt_commands_start(struct mqtt_commands *c, const struct mqtt_fleet *f)
{
	c->fleet = f;
}

static char *copy(const char *s, size_t n)
{
	char *out = mqtt_grow(NULL, n + 1);

	memcpy(out, s, n);
	out[n] = '\0';
	return out;
}

/* ---- identifiers that were seen ---- */

static const struct seen *find(const struct mqtt_commands *c, const char *id)
{
	for (size_t i = 0; i < c->nseen; i++)
		if (strcmp(c->seen[i].id, id) == 0)
			return &c->seen[i];
	return NULL;
}

static const struct seen *keep(struct mqtt_commands *c, const char *id, int64_t at_ms, const char *reply, size_t n)
{
	struct seen *s = &c->seen[c->nseen++];

	snprintf(s->id, sizeof(s->id), "%s", id);
	s->at_ms = at_ms;
	s->reply = copy(reply, n);
	return s;
}

/* For the next process: a value is the time, a blank and the reply. */
static void put(const struct mqtt_commands *c, const struct seen *s)
{
	struct mqtt_text value = { 0 };
	char key[GW_STATE_KEY_MAX + 1];

	snprintf(key, sizeof(key), KEY "%s", s->id);
	mqtt_text_i64(&value, s->at_ms);
	mqtt_text_add(&value, " ");
	mqtt_text_add(&value, s->reply);
	gw_state_put(c->plugin, key, value.s, value.n);
	mqtt_text_free(&value);
}

/* A clock that was set back forgets nothing too early; but what a clock far in the future remembered
 * would stay until then: it is a day from now. */
static void restamp(struct mqtt_commands *c, struct seen *s, int64_t now_ms)
{
	s->at_ms = now_ms;
	put(c, s);
}

static void forget_old(struct mqtt_commands *c, int64_t now_ms)
{
	char key[GW_STATE_KEY_MAX + 1];

	for (size_t i = c->nseen; i-- > 0;) {
		struct seen *s = &c->seen[i];

		if (s->at_ms - now_ms > DAY_MS)
			restamp(c, s, now_ms);
		if (now_ms - s->at_ms < DAY_MS)
			continue;
		snprintf(key, sizeof(key), KEY "%s", s->id);
		gw_state_put(c->plugin, key, NULL, 0);
		free(s->reply);
		*s = c->seen[--c->nseen];
	}
}

void mqtt_commands_state(struct mqtt_commands *c, const char *key, const void *value, size_t size)
{
	const char *text = value, *blank = memchr(text, ' ', size);

	if (strncmp(key, KEY, strlen(KEY)) != 0 || !blank || c->nseen == MQTT_COMMANDS_KEPT)
		return;
	keep(c, key + strlen(KEY), strtoll(text, NULL, 10), blank + 1,
	     size - (size_t)(blank + 1 - text));
}

/* ---- replies ---- */

struct result {
	const char *word, *reason; /* reason NULL: none */
	uint64_t readings;	   /* of a replay that was accepted */
	bool forget;		   /* the command may come again and be taken then */
};

static void queue(struct mqtt_commands *c, const char *reply, size_t n)
{
	if (c->nreplies == MQTT_REPLIES) {
		gw_log(GW_WARNING, "a reply is dropped: %d wait already", MQTT_REPLIES);
		return;
	}
	c->replies[c->nreplies++] = copy(reply, n);
}

static void reply(struct mqtt_commands *c, const char *id, const struct result *r, int64_t now_ms)
{
	struct mqtt_text t = { 0 };

	gw_log(r->reason ? GW_WARNING : GW_INFO, "command %s: %s%s%s", id, r->word, r->reason ? ": " : "",
	       r->reason ? r->reason : "");
	mqtt_text_add(&t, "{\"id\":");
	mqtt_text_quoted(&t, id);
	mqtt_text_add(&t, ",\"result\":");
	mqtt_text_quoted(&t, r->word);
	if (r->reason) {
		mqtt_text_add(&t, ",\"reason\":");
		mqtt_text_quoted(&t, r->reason);
	} else {
		mqtt_text_add(&t, ",\"readings\":");
		mqtt_text_u64(&t, r->readings);
	}
	mqtt_text_add(&t, ",\"ts\":");
	mqtt_text_i64(&t, now_ms);
	mqtt_text_add(&t, "}");
	if (!r->forget)
		put(c, keep(c, id, now_ms, t.s, t.n));
	queue(c, t.s, t.n);
	mqtt_text_free(&t);
}

bool mqtt_commands_reply(struct mqtt_commands *c, struct mqtt_document *d)
{
	if (!c->nreplies)
		return false;
	*d = (struct mqtt_document){ mqtt_fleet_reply_topic(c->fleet), c->replies[0],
				     strlen(c->replies[0]), false };
	return true;
}

void mqtt_commands_sent(struct mqtt_commands *c)
{
	free(c->replies[0]);
	memmove(&c->replies[0], &c->replies[1], --c->nreplies * sizeof(c->replies[0]));
}

/* ---- what arrives ---- */

static bool is_open(const struct mqtt_commands *c, const char *id)
{
	for (size_t i = 0; i < MQTT_COMMANDS_OPEN; i++)
		if (c->open[i].number && strcmp(c->open[i].command.id, id) == 0)
			return true;
	return false;
}

static struct open *place(struct mqtt_commands *c)
{
	for (size_t i = 0; i < MQTT_COMMANDS_OPEN; i++)
		if (!c->open[i].number)
			return &c->open[i];
	return NULL;
}

static void carry_out(struct mqtt_commands *c, const struct mqtt_command *m, int64_t now_ms)
{
	int device = mqtt_fleet_find(c->fleet, m->device);
	struct open *o = place(c);
	char reason[128];

	if (m->expires_ms <= now_ms) {
		reply(c, m->id, &(struct result){ "expired", "it came after `expires`", 0, false }, now_ms);
	} else if (device < 0) {
		snprintf(reason, sizeof(reason), "there is no device '%s'", m->device);
		reply(c, m->id, &(struct result){ "refused", reason, 0, false }, now_ms);
	} else if (!o) {
		reply(c, m->id, &(struct result){ "refused", "too many commands at a time", 0, true }, now_ms);
	} else {
		if (!++c->last_number)
			c->last_number = 1;
		*o = (struct open){ c->last_number, *m };
		gw_sink_again(c->plugin, o->number,
			      &(struct gw_again_span){ (unsigned)device, m->by_time, m->from, m->to });
	}
}

/* The reason why it is not even looked at; NULL: none. */
static const char *out_of_question(const struct mqtt_commands *c, const struct mqtt_arrival *a)
{
	if (a->retained)
		return "a retained command: it would come again with each connection";
	return c->nseen == MQTT_COMMANDS_KEPT ? "too many commands within a day" : NULL;
}

/* Each command pays a share of a second, a burst ahead of time at most. */
static bool too_fast(struct mqtt_commands *c, int64_t mono_us)
{
	const int64_t share_us = 1000000 / MQTT_COMMANDS_A_SECOND;

	if (c->paid_until_us < mono_us)
		c->paid_until_us = mono_us;
	if (c->paid_until_us - mono_us > (MQTT_COMMANDS_BURST - 1) * share_us)
		return true;
	c->paid_until_us += share_us;
	return false;
}

void mqtt_commands_arrived(struct mqtt_commands *c, const struct mqtt_arrival *a, int64_t now_ms)
{
	struct mqtt_command m = { 0 };
	const struct seen *before;
	struct gw_err err;
	int rc = -1;

	if (too_fast(c, a->mono_us)) {
		gw_log(GW_WARNING, "a command is not read: more than %d a second", MQTT_COMMANDS_A_SECOND);
		return;
	}
	forget_old(c, now_ms);
	if (a->whole > MQTT_COMMAND_MAX)
		gw_err_set(&err, GW_EINPUT, "%zu bytes; %d are allowed", a->whole, MQTT_COMMAND_MAX);
	else
		rc = mqtt_command_parse(a->text, a->size, &m, &err);
	before = find(c, m.id);
	if (!*m.id)
		gw_log(GW_WARNING, "a command without an answer: %s", err.msg);
	else if (before)
		queue(c, before->reply, strlen(before->reply));
	else if (is_open(c, m.id))
		return; /* its reply is on the way */
	else if (out_of_question(c, a))
		reply(c, m.id, &(struct result){ "refused", out_of_question(c, a), 0, true }, now_ms);
	else if (rc)
		reply(c, m.id, &(struct result){ "refused", err.msg, 0, false }, now_ms);
	else
		carry_out(c, &m, now_ms);
}

/* ---- what the core found ---- */

static void add_request(struct mqtt_commands *c, const char *id, unsigned device, const struct gw_again *a)
{
	struct request *r;

	if (c->nrequests == MQTT_REQUESTS)
		memmove(&c->requests[0], &c->requests[1], --c->nrequests * sizeof(*r));
	r = &c->requests[c->nrequests++];
	*r = (struct request){ .device = device, .from = a->from, .to = a->to, .left = a->readings };
	snprintf(r->id, sizeof(r->id), "%s", id);
}

void mqtt_commands_found(struct mqtt_commands *c, const struct gw_again *a, int64_t now_ms)
{
	struct open *o = NULL;
	int device;

	for (size_t i = 0; a->number && i < MQTT_COMMANDS_OPEN; i++)
		if (c->open[i].number == a->number)
			o = &c->open[i];
	if (!o)
		return;
	device = mqtt_fleet_find(c->fleet, o->command.device);
	o->number = 0;
	if (*a->reason) {
		reply(c, o->command.id, &(struct result){ "failed", a->reason, 0, true }, now_ms);
	} else if (!a->readings || device < 0) {
		reply(c, o->command.id,
		      &(struct result){ "refused", "the buffer has no reading in that range", 0, false }, now_ms);
	} else {
		add_request(c, o->command.id, (unsigned)device, a);
		reply(c, o->command.id, &(struct result){ "accepted", NULL, a->readings, false }, now_ms);
	}
}

/* ---- readings of a request ---- */

static bool covers(const struct request *r, unsigned device, uint64_t seq)
{
	return r->device == device && seq >= r->from && seq <= r->to;
}

const char *mqtt_commands_request(const struct mqtt_commands *c, unsigned device, uint64_t seq)
{
	for (size_t i = 0; i < c->nrequests; i++)
		if (covers(&c->requests[i], device, seq))
			return c->requests[i].id;
	return NULL;
}

void mqtt_commands_acked(struct mqtt_commands *c, unsigned device, uint64_t from, uint64_t to)
{
	for (size_t i = c->nrequests; i-- > 0;) {
		struct request *r = &c->requests[i];
		uint64_t low = from > r->from ? from : r->from, high = to < r->to ? to : r->to;

		if (r->device != device || low > high)
			continue;
		r->left -= high - low + 1 < r->left ? high - low + 1 : r->left;
		if (!r->left)
			memmove(r, r + 1, (--c->nrequests - i) * sizeof(*r));
	}
}
