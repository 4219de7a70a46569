/*
 * pace.h - how many bytes may be on their way, so that what is live is not held up by backlog.
 *
 * Whatever was handed over lies before the next live reading: in Paho, in the socket, in the
 * modem.  A message that takes longer than the shortest did waited behind others; backlog goes
 * only as long as that wait stays below MQTT_PACE_WAIT_US.  The idea is that of LEDBAT (RFC 6817);
 * but each acknowledgement is of a message of known size, so the allowance is taken straight from
 * what lay in flight and how long it took.  The wait is five times that of the RFC: a broker that
 * acknowledges in batches, a mobile link whose delay moves and a longer way must not pass for a
 * full line.  The way may become much longer for good: once a minute, unless an acknowledgement was
 * as quick as ever, the line is emptied for a moment and its delay measured anew.
 *
 * No clock in it: the time is a parameter.
 */
#ifndef MQTT_PACE_H
#define MQTT_PACE_H

#include <stddef.h>
#include <stdint.h>

enum {
	MQTT_PACE_WAIT_US = 500 * 1000,
	MQTT_PACE_MEASURE_US = 60 * 1000000,
	MQTT_PACE_EMPTY_US = 2 * 1000000, /* so long the line may take to become empty */
	MQTT_PACE_FIRST = 8 * 1024,	  /* bytes, before anything is known */
	MQTT_PACE_LEAST = 4 * 1024,
	MQTT_PACE_MOST = 64 * 1024 * 1024,
};

struct mqtt_pace {
	size_t allowance;     /* bytes that may be in flight when backlog is added */
	int64_t least_us;     /* the shortest acknowledgement; 0: none yet */
	int64_t least_at_us;  /* when that was, or when it is to be measured again */
	int64_t shrunk_at_us; /* what was sent before says nothing new */
	size_t resume;	      /* the allowance before it was lowered to measure; 0: it was not */
};

void mqtt_pace_begin(struct mqtt_pace *p);
/* Bytes of a message at most, where it can be divided: a large one alone would seem to wait for others,
 * and the line would stand still between two.  share: how many messages may be in flight. */
size_t mqtt_pace_piece(const struct mqtt_pace *p, unsigned share);
/* A message that was handed over at sent_us, when `flight` bytes were in flight with its own, is acknowledged. */
void mqtt_pace_acked(struct mqtt_pace *p, size_t flight, int64_t sent_us, int64_t now_us);

#endif
