/* pace.c - see pace.h. */
#include "pace.h"

#include <stdbool.h>

enum { PIECES = 8 };

void mqtt_pace_begin(struct mqtt_pace *p)
{
	*p = (struct mqtt_pace){ .allowance = MQTT_PACE_FIRST };
}

/* Messages are halved until they are no larger: then half of the share, at least, fills the allowance. */
size_t mqtt_pace_piece(const struct mqtt_pace *p, unsigned share)
{
	return share < 2 * PIECES ? p->allowance / share * 2 : p->allowance / PIECES;
}

/* Of what lay in flight, the part that would have been gone within `goal`. */
static size_t within(size_t flight, int64_t goal_us, int64_t took_us)
{
	double bytes = (double)flight * (double)goal_us / (double)took_us;

	return bytes < MQTT_PACE_MOST ? (size_t)bytes : MQTT_PACE_MOST;
}

/* A hiccup of the line halves it at most; one flight shrinks it once. */
static void shrink(struct mqtt_pace *p, size_t flight, int64_t goal_us, int64_t took_us, int64_t now_us)
{
	size_t to = within(flight, goal_us, took_us), half = p->allowance / 2;

	if (to < p->allowance)
		p->allowance = to > half ? to : half;
	if (p->allowance < MQTT_PACE_LEAST)
		p->allowance = MQTT_PACE_LEAST;
	p->shrunk_at_us = now_us;
}

/* To twice of what was in flight at most: more than that was not tried. */
static void grow(struct mqtt_pace *p, size_t flight, int64_t goal_us, int64_t took_us)
{
	/* what goes in pieces does not quite fill it */
	size_t tried = flight < p->allowance && flight >= p->allowance / 4 * 3 ? p->allowance : flight,
	       to = within(tried, goal_us, took_us);

	if (to > 2 * tried)
		to = 2 * tried;
	if (to > p->allowance)
		p->allowance = to;
}

static void found_least(struct mqtt_pace *p, int64_t took_us, int64_t now_us)
{
	if (p->resume)
		p->allowance = p->resume;
	p->resume = 0;
	p->least_us = took_us;
	p->least_at_us = now_us;
}

/* To measure, the message must have found an empty line, or one that does not become emptier. */
static bool measures(const struct mqtt_pace *p, size_t flight, int64_t sent_us)
{
	return sent_us >= p->least_at_us &&
	       (flight <= MQTT_PACE_LEAST || sent_us - p->least_at_us >= MQTT_PACE_EMPTY_US);
}

static void judge_delay(struct mqtt_pace *p, size_t flight, int64_t sent_us, int64_t took_us, int64_t now_us)
{
	if (!p->least_us || took_us <= p->least_us || (p->resume && measures(p, flight, sent_us))) {
		found_least(p, took_us, now_us);
	} else if (!p->resume && now_us - p->least_at_us >= MQTT_PACE_MEASURE_US) {
		p->resume = p->allowance;
		p->allowance = MQTT_PACE_LEAST;
		p->least_at_us = now_us;
	}
}

void mqtt_pace_acked(struct mqtt_pace *p, size_t flight, int64_t sent_us, int64_t now_us)
{
	int64_t took_us = now_us > sent_us ? now_us - sent_us : 1, goal_us;

	judge_delay(p, flight, sent_us, took_us, now_us);
	goal_us = p->least_us + MQTT_PACE_WAIT_US;
	if (p->resume)
		return;
	if (took_us <= goal_us)
		grow(p, flight, goal_us, took_us);
	else if (sent_us >= p->shrunk_at_us)
		shrink(p, flight, goal_us, took_us, now_us);
}
