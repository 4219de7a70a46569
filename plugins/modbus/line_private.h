/*
 * line_private.h - the inside of a line, shared by line.c (what to do next) and
 * line_in.c (what comes in).
 */
#ifndef MODBUS_LINE_PRIVATE_H
#define MODBUS_LINE_PRIVATE_H

#include "plugins/modbus/line.h"
#include "plugins/modbus/load.h"
#include "plugins/modbus/news.h"
#include "plugins/modbus/rtu.h"
#include "plugins/modbus/units.h"
#include "plugins/modbus/wire.h"

enum { MB_LINE_BUFFER = 1024 }; /* a chunk of the wire and the rest of a frame before it */
#define NEVER INT64_MAX

enum mb_line_state {
	CLOSED,   /* on purpose; the next job opens it */
	WAITING,  /* before the next attempt to open */
	OPENING,
	READY,    /* open; nothing in flight, perhaps a pause */
	BUSY,     /* one transaction in flight */
};

struct mb_line {
	struct mb_line_options o;
	struct mb_url url;
	const struct mb_wire_ops *ops;
	struct mb_wire *wire;
	struct gw_watch *timer;
	enum mb_line_state state;
	int64_t due_us, armed_us; /* when to act; when the timer is set for */
	struct mb_queue queue;
	struct mb_units units;

	struct mb_query query;
	int64_t sent_us, free_us; /* of the last request; from when the next may go */
	int64_t deadline_us, last_us; /* of the transaction in flight; end of the last one */
	bool misfit; /* an answer came that was right but for its transaction */
	bool parsing; /* no request may go before what was received is judged */
	bool close_when_empty;
	uint8_t asked;       /* unit asked last */
	struct mb_news news;
	unsigned fruitless; /* opens since a transaction came to an end */
	unsigned silent;    /* timeouts in a row, and exceptions 10 and 11 */
	unsigned issued;    /* transactions of this connection */
	uint32_t dice;
	size_t fill; /* of buf */
	uint8_t buf[MB_LINE_BUFFER];
	struct mb_rtu rtu;
	int64_t gap_us;      /* RTU: silence between frames */
	int64_t settle_us;   /* RTU: a broken answer is believed to be all after so long a silence */
	struct mb_line_counts counts;
	struct mb_load load;
};

static inline bool mb_line_is_rtu(const struct mb_line *l)
{
	return l->url.scheme != MB_TCP;
}

/* line.c */
void mb_line_due(struct mb_line *l, int64_t at_us);
void mb_line_open(struct mb_line *l);
void mb_line_lost(struct mb_line *l, const char *why); /* the wire is closed, and not by us */
/* The transaction in flight is over; the state says whether the line is still open. */
void mb_line_conclude(struct mb_line *l, unsigned reason, const uint8_t *data);
/* Silent too often in a row for a connection to be trusted? */
bool mb_line_is_worn(const struct mb_line *l);
void mb_line_advance(struct mb_line *l); /* whatever is to be done next on an open line */

/* line_in.c */
void mb_line_bytes(void *arg, const uint8_t *bytes, size_t n);
/* No answer until the deadline: why? */
unsigned mb_line_silence(struct mb_line *l);

#endif
