#include "plugins/modbus/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/rtu.h"

#define MAGIC "gatewayd-modbus-recording 1 "
enum { HEADER = 6, TRANSACTION = 2, LINE_MAX_BYTES = 1024, TIME_DIGITS = 15 };

/* ---- reading ---- */

struct reader {
	struct mb_recording *r;
	unsigned line;
	size_t room, byte_room;
};

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)((at - digits) % 16) : -1;
}

static int grow(struct reader *d)
{
	struct mb_recording *r = d->r;
	void *more;

	if (r->count == d->room) {
		d->room = d->room ? d->room * 2 : 64;
		more = reallocarray(r->frames, d->room, sizeof(*r->frames));
		if (!more)
			return -1;
		r->frames = more;
	}
	if (r->nbytes + MB_RECORD_FRAME_MAX > d->byte_room) {
		d->byte_room = d->byte_room ? d->byte_room * 2 : 4096;
		more = realloc(r->bytes, d->byte_room);
		if (!more)
			return -1;
		r->bytes = more;
	}
	return 0;
}

/* Hexadecimal pairs up to the end or a comment; their number, -1: something else. */
static int read_bytes(const char *p, const char *end, uint8_t *out)
{
	int n = 0;

	while (p < end && *p != '#') {
		if (*p == ' ') {
			p++;
			continue;
		}
		if (end - p < 2 || hex(p[0]) < 0 || hex(p[1]) < 0 || n == MB_RECORD_FRAME_MAX)
			return -1;
		out[n++] = (uint8_t)(hex(p[0]) * 16 + hex(p[1]));
		p += 2;
	}
	return n;
}

static const char *read_time(const char *p, const char *end, int64_t *out)
{
	const char *begin = p;

	for (*out = 0; p < end && *p >= '0' && *p <= '9' && p - begin < TIME_DIGITS; p++)
		*out = *out * 10 + (*p - '0');
	return p > begin && p < end && *p == ' ' ? p + 1 : NULL;
}

static int wrong(const struct reader *d, struct gw_err *err, const char *what)
{
	return gw_err_set(err, GW_EINPUT, "line %u: %s", d->line, what);
}

static int read_line(struct reader *d, const char *p, const char *end, struct gw_err *err)
{
	struct mb_recording *r = d->r;
	struct mb_record f = { .bytes = (uint32_t)r->nbytes };
	int n;

	if (r->count == MB_RECORD_FRAMES_MAX)
		return wrong(d, err, "more than 200000 frames");
	if (grow(d))
		return gw_err_sys(err, ENOMEM, "line %u", d->line);
	p = read_time(p, end, &f.at_us);
	if (!p || end - p < 2 || (*p != '<' && *p != '>'))
		return wrong(d, err, "not a frame; a frame is MICROSECONDS, > or <, and its bytes");
	if (r->count && f.at_us < r->frames[r->count - 1].at_us)
		return wrong(d, err, "the time runs backwards");
	f.answer = *p == '<';
	n = read_bytes(p + 1, end, r->bytes + r->nbytes);
	if (n <= 0)
		return wrong(d, err, "the bytes are not 1 to 260 pairs of hexadecimal digits");
	f.size = (uint16_t)n;
	r->nbytes += (size_t)n;
	r->frames[r->count++] = f;
	return 0;
}

static int read_header(struct reader *d, const char *p, size_t n, struct gw_err *err)
{
	static const char tcp[] = MAGIC "tcp", rtu[] = MAGIC "rtu";

	d->r->rtu = n == sizeof(rtu) - 1 && memcmp(p, rtu, n) == 0;
	if (d->r->rtu || (n == sizeof(tcp) - 1 && memcmp(p, tcp, n) == 0))
		return 0;
	return wrong(d, err, "not a recording; it begins with \"" MAGIC "tcp\" or \"... rtu\"");
}

static int read_all(struct reader *d, const char *text, size_t n, struct gw_err *err)
{
	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t length = end ? (size_t)(end - text) : n, step = end ? length + 1 : n;

		d->line++;
		length -= length && text[length - 1] == '\r';
		if (length > LINE_MAX_BYTES)
			return wrong(d, err, "longer than 1024 bytes");
		if (d->line == 1 ? read_header(d, text, length, err)
				 : length && *text != '#' && read_line(d, text, text + length, err))
			return -1;
		text += step;
		n -= step;
	}
	return d->line ? 0 : read_header(d, "", 0, err);
}

int mb_record_read(struct mb_recording *out, const char *text, size_t n, struct gw_err *err)
{
	struct reader d = { .r = out };

	*out = (struct mb_recording){ 0 };
	if (read_all(&d, text, n, err) == 0)
		return 0;
	mb_record_free(out);
	return -1;
}

void mb_record_free(struct mb_recording *r)
{
	free(r->frames);
	free(r->bytes);
	*r = (struct mb_recording){ 0 };
}

/* ---- writing ---- */

void mb_record_begin(FILE *out, bool rtu, const char *connection)
{
	fprintf(out, MAGIC "%s\n# %s\n", rtu ? "rtu" : "tcp", connection);
}

void mb_record_write(FILE *out, int64_t at_us, bool answer, const uint8_t *bytes, size_t n)
{
	fprintf(out, "%lld %c ", (long long)at_us, answer ? '<' : '>');
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%02x", bytes[i]);
	fputc('\n', out);
}

/* ---- frames ---- */

static size_t most(size_t n)
{
	return n < MB_RECORD_FRAME_MAX ? n : MB_RECORD_FRAME_MAX;
}

size_t mb_record_frame(bool rtu, const uint8_t *bytes, size_t n)
{
	size_t size;

	if (!rtu) {
		size = n < HEADER ? 0 : HEADER + (size_t)(bytes[4] << 8 | bytes[5]);
		if (size > MB_RECORD_FRAME_MAX)
			return most(n);
		return size <= n ? size : 0;
	}
	for (size = 4; size <= n && size <= MB_RTU_MAX; size++)
		if (mb_crc16(bytes, size - 2) == (bytes[size - 2] | bytes[size - 1] << 8))
			return size;
	return n >= MB_RTU_MAX ? most(n) : 0;
}

static bool same_request(const struct mb_recording *r, const struct mb_record *f, const uint8_t *request,
			 size_t n)
{
	size_t skip = r->rtu ? 0 : TRANSACTION;

	return !f->answer && f->size == n && n > skip &&
	       memcmp(r->bytes + f->bytes + skip, request + skip, n - skip) == 0;
}

/* What the device said before the master's next frame. */
static const struct mb_record *answer_of(const struct mb_recording *r, size_t i)
{
	const struct mb_record *f = &r->frames[i], *a = f + 1;

	for (; a < r->frames + r->count && a->answer; a++)
		if (r->rtu || (a->size >= TRANSACTION &&
			       !memcmp(r->bytes + a->bytes, r->bytes + f->bytes, TRANSACTION)))
			return a;
	return NULL;
}

const struct mb_record *mb_record_answer(const struct mb_recording *r, const uint8_t *request, size_t n,
					 size_t *at, int64_t *delay_us)
{
	for (size_t k = 0; k < r->count; k++) {
		size_t i = (*at + k) % r->count;
		const struct mb_record *a;

		if (!same_request(r, &r->frames[i], request, n))
			continue;
		a = answer_of(r, i);
		if (!a)
			continue;
		*at = i + 1;
		*delay_us = a->at_us - r->frames[i].at_us;
		return a;
	}
	return NULL;
}
