#include "plugins/modbus/sunspec.h"

#include <ctype.h>
#include <math.h>
#include <modbus/modbus.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/decode.h"

enum { MARK = 2, END = 0xffff, READ_MOST = 125 };

static unsigned get16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static const struct mb_sunspec_model *find_in(const struct mb_sunspec_model *models, unsigned id)
{
	for (const struct mb_sunspec_model *m = models; m->id; m++)
		if (m->id == id)
			return m;
	return NULL;
}

const struct mb_sunspec_model *mb_sunspec_find(unsigned id)
{
	const struct mb_sunspec_model *m = find_in(mb_sunspec_models, id);

	return m ? m : find_in(mb_sunspec_der, id);
}

/* ---- the chain ---- */

static unsigned read_some(struct mb_client *c, uint8_t unit, unsigned address, unsigned n, uint8_t *data)
{
	struct mb_query q = { .unit = unit, .function = MODBUS_FC_READ_HOLDING_REGISTERS,
			      .address = (uint16_t)address, .count = (uint16_t)n };

	return mb_client_read(c, &q, data);
}

/* Marker and first id in one request. */
static unsigned find_base(struct mb_client *c, uint8_t unit, struct mb_sunspec_chain *out)
{
	static const uint16_t bases[] = { 40000, 0, 50000 };
	unsigned reason = GW_TIMEOUT;
	bool answered = false;
	uint8_t data[6];

	for (size_t i = 0; i < 3 && !out->found; i++) {
		reason = read_some(c, unit, bases[i], MARK + 1, data);
		answered |= !gw_reason_is_silence(reason);
		out->found = reason == GW_GOOD && memcmp(data, "SunS", 4) == 0;
		out->base = bases[i];
		/* A device that has not said anything to the first question says nothing to the others. */
		if (!answered)
			break;
	}
	return answered ? GW_GOOD : reason;
}

__attribute__((format(printf, 2, 3)))
static void broken(struct mb_sunspec_chain *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out->trouble, sizeof(out->trouble), fmt, ap);
	va_end(ap);
}

/* One link of the chain; returns the address of the next, 0: it has ended. */
static unsigned take_model(struct mb_client *c, uint8_t unit, unsigned at, struct mb_sunspec_chain *out)
{
	struct mb_sunspec_found *m = &out->models[out->count];
	unsigned length;
	uint8_t data[2];

	/* Some devices have no length behind the last id: two requests. */
	if (read_some(c, unit, at, 1, data)) {
		broken(out, "the chain breaks off at address %u", at);
		return 0;
	}
	m->id = (uint16_t)get16(data);
	m->address = (uint16_t)at;
	out->whole = m->id == END;
	if (out->whole)
		return 0;
	if (out->count == MB_SUNSPEC_MODELS_MAX - 1) {
		broken(out, "more than %d models: the chain seems to have no end", MB_SUNSPEC_MODELS_MAX - 1);
		return 0;
	}
	if (at + 1 > 65535 || read_some(c, unit, at + 1, 1, data)) {
		broken(out, "the length of model %u at address %u cannot be read", m->id, at);
		return 0;
	}
	length = get16(data);
	if (length > MB_SUNSPEC_LENGTH_MAX || at + 2 + length > 65535) {
		broken(out, "model %u at address %u claims %u registers", m->id, at, length);
		return 0;
	}
	m->length = (uint16_t)length;
	out->count++;
	return at + 2 + length;
}

unsigned mb_sunspec_walk(struct mb_client *c, uint8_t unit, struct mb_sunspec_chain *out)
{
	unsigned reason, at;

	*out = (struct mb_sunspec_chain){ 0 };
	reason = find_base(c, unit, out);
	if (reason || !out->found)
		return reason;
	for (at = out->base + MARK; at;)
		at = take_model(c, unit, at, out);
	return GW_GOOD;
}

/* The longest piece from `from` that divides no value. */
static unsigned piece(const struct mb_sunspec_found *at, const uint8_t *data, unsigned from, unsigned total)
{
	struct mb_sunspec_value v = { .model = mb_sunspec_find(at->id), .at = at };
	unsigned end = from + READ_MOST;

	if (!from && v.model && v.model->inner && v.model->start < total)
		return v.model->start;
	if (total - from <= READ_MOST)
		return total;
	while (v.model && mb_sunspec_next(&v, data)) {
		unsigned begin = mb_sunspec_offset(&v, data);

		if (begin < end && end < begin + v.field->registers)
			end = begin;
	}
	return end > from ? end : from + READ_MOST;
}

bool mb_sunspec_read(struct mb_client *c, uint8_t unit, const struct mb_sunspec_found *m,
		     uint8_t *data)
{
	unsigned total = m->length + 2U, end;

	for (unsigned from = 0; from < total; from = end) {
		end = piece(m, data, from, total);
		if (read_some(c, unit, m->address + from, end - from, data + 2 * (size_t)from))
			return false;
	}
	return true;
}

/* ---- values ---- */

static const struct {
	enum mb_type type;
	uint64_t missing;
	bool can_miss;
} kinds[MB_S_TYPES] = {
	[MB_S_U16] = { MB_U16, 0xffff, true },
	[MB_S_I16] = { MB_U16, 0x8000, true },
	[MB_S_U32] = { MB_U32, 0xffffffff, true },
	[MB_S_I32] = { MB_U32, 0x80000000, true },
	[MB_S_U64] = { MB_U64, UINT64_MAX, true },
	[MB_S_ENUM16] = { MB_U16, 0xffff, true },
	[MB_S_BITS16] = { MB_U16, 0xffff, true },
	[MB_S_BITS32] = { MB_U32, 0xffffffff, true },
	[MB_S_ACC32] = { MB_U32, 0, true },
	[MB_S_ACC64] = { MB_U64, 0, true },
	[MB_S_SCALE] = { MB_U16, 0x8000, true },
	[MB_S_F32] = { MB_F32, 0, false },
};

static const struct mb_sunspec_field *field_named(const struct mb_sunspec_model *m, const char *name)
{
	for (size_t i = 0; i < m->nfields; i++)
		if (!strcmp(m->fields[i].name, name))
			return &m->fields[i];
	return NULL;
}

/* What the field of that name counts, `none` when the model has none.  "Not implemented" is more than
 * there is room for. */
static unsigned counted(const struct mb_sunspec_value *v, const char *name, const uint8_t *data, unsigned none)
{
	const struct mb_sunspec_field *f = name ? field_named(v->model, name) : NULL;

	return f && f->offset < v->at->length + 2U ? get16(data + 2 * (size_t)f->offset) : none;
}

unsigned mb_sunspec_points(const struct mb_sunspec_value *v, const uint8_t *data)
{
	unsigned n = counted(v, v->model->npoints, data, 0);

	/* More than the model has room for is a lie. */
	return v->model->inner && n <= (v->at->length + 2U) / v->model->inner ? n : 0;
}

static unsigned block_size(const struct mb_sunspec_value *v, const uint8_t *data)
{
	const struct mb_sunspec_model *m = v->model;

	return m->length + m->lists * mb_sunspec_points(v, data) * m->inner;
}

unsigned mb_sunspec_blocks(const struct mb_sunspec_value *v, const uint8_t *data)
{
	const struct mb_sunspec_model *m = v->model;
	unsigned total = v->at->length + 2U, room, n;

	if (!m->length)
		return 1;
	room = total > m->start ? (total - m->start) / block_size(v, data) : 0;
	n = counted(v, m->nblocks, data, room);
	n = n < room ? n : room;
	return n ? n : 1;
}

static bool is_here(const struct mb_sunspec_value *v)
{
	if (v->field->where == MB_S_POINT)
		return v->point > 0;
	return !v->point && (!v->block || v->field->where == MB_S_BLOCK);
}

bool mb_sunspec_next(struct mb_sunspec_value *v, const uint8_t *data)
{
	const struct mb_sunspec_field *end = v->model->fields + v->model->nfields;

	do {
		v->field = v->field ? v->field + 1 : v->model->fields;
		if (v->field < end)
			continue;
		v->field = v->model->fields;
		if (++v->point <= mb_sunspec_points(v, data))
			continue;
		v->point = 0;
		if (++v->block >= mb_sunspec_blocks(v, data))
			return false;
	} while (!is_here(v));
	return true;
}

unsigned mb_sunspec_offset(const struct mb_sunspec_value *v, const uint8_t *data)
{
	const struct mb_sunspec_model *m = v->model;

	if (v->field->where == MB_S_ONCE)
		return v->field->offset;
	return v->field->offset + v->block * block_size(v, data) +
	       v->field->lists * mb_sunspec_points(v, data) * m->inner + (v->point ? v->point - 1 : 0) * m->inner;
}

static struct gw_value decode(const struct mb_sunspec_value *v, enum mb_type type, const uint8_t *data)
{
	struct mb_form f = { .type = type };

	return mb_decode(&f, data, mb_sunspec_offset(v, data), NULL);
}

/* Not implemented: the accumulators say it with 0, but so does a new one that must be there. */
static bool is_missing(const struct mb_sunspec_value *v, const uint8_t *data)
{
	enum mb_sunspec_type type = v->field->type;

	if (type == MB_S_TEXT)
		return !data[2 * (size_t)mb_sunspec_offset(v, data)];
	if (type == MB_S_F32)
		return !isfinite(decode(v, MB_F32, data).f);
	if ((type == MB_S_ACC32 || type == MB_S_ACC64) && v->field->mandatory)
		return false;
	return kinds[type].can_miss && decode(v, kinds[type].type, data).u == kinds[type].missing;
}

bool mb_sunspec_has(const struct mb_sunspec_value *v, const uint8_t *data)
{
	return mb_sunspec_offset(v, data) + v->field->registers <= v->at->length + 2U && !is_missing(v, data);
}

const struct mb_sunspec_field *mb_sunspec_scale(const struct mb_sunspec_value *v)
{
	return v->field->scale[0] ? field_named(v->model, v->field->scale) : NULL;
}

bool mb_sunspec_power(const struct mb_sunspec_value *v, const uint8_t *data, int *power)
{
	struct mb_sunspec_value s = *v;

	s.field = mb_sunspec_scale(v);
	*power = s.field ? 0 : atoi(v->field->scale);
	if (!s.field)
		return true;
	if (!mb_sunspec_has(&s, data))
		return false;
	*power = (int16_t)decode(&s, MB_U16, data).u;
	return *power >= -10 && *power <= 10;
}

static void text_of(const uint8_t *bytes, size_t n, char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < n && bytes[i] && used + 1 < size; i++)
		buf[used++] = (char)(bytes[i] < 0x80 && isprint(bytes[i]) ? bytes[i] : '?');
	while (used && buf[used - 1] == ' ')
		used--;
	buf[used] = '\0';
}

const char *mb_sunspec_text(const struct mb_sunspec_value *v, const uint8_t *data, char *buf,
			    size_t size)
{
	static const enum mb_type as_signed[MB_S_TYPES] = { [MB_S_I16] = MB_I16, [MB_S_I32] = MB_I32,
							    [MB_S_SCALE] = MB_I16 };
	enum mb_type type = as_signed[v->field->type] ? as_signed[v->field->type]
						       : kinds[v->field->type].type;
	struct gw_value raw;
	double d;
	int power;

	if (v->field->type == MB_S_TEXT) {
		text_of(data + 2 * (size_t)mb_sunspec_offset(v, data), 2U * v->field->registers, buf, size);
		return buf;
	}
	raw = decode(v, type, data);
	if (!mb_sunspec_power(v, data, &power)) {
		snprintf(buf, size, "- (no scale factor)");
		return buf;
	}
	if (v->field->type == MB_S_BITS16 || v->field->type == MB_S_BITS32) {
		snprintf(buf, size, "0x%llx", (unsigned long long)raw.u);
		return buf;
	}
	d = raw.kind == GW_I64 ? (double)raw.i : raw.kind == GW_U64 ? (double)raw.u : raw.f;
	/* Dividing rounds once: 2301 / 10 is 230.1. */
	d = power < 0 ? d / pow(10, -power) : d * pow(10, power);
	snprintf(buf, size, "%.*g", raw.kind == GW_F32 ? 7 : 15, d);
	return buf;
}
