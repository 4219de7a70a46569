/* json.c - see json.h. */
#include <math.h>
#include <string.h>

#include "base/number.h"
#include "build.h"
#include "json.h"

enum {
	FRAME_MAX = 640, /* braces, member names, seq, ts, boot */
	REASON_MAX = 24, /* "exception_127" with quotes and comma */
	BOOT_MAX = 64,
};

#define PUT(o, text) (memcpy((o), (text), sizeof(text) - 1), (o) + sizeof(text) - 1)

static struct mqtt_span quoted(struct gw_arena *a, const char *s, const char *behind)
{
	size_t n = strlen(s), more = strlen(behind);
	char *out = gw_arena_alloc(a, 6 * n + 2 + more);
	size_t size = mqtt_quote(out, s, n);

	memcpy(out + size, behind, more);
	return (struct mqtt_span){ out, (uint32_t)(size + more) };
}

static size_t prepare_point(struct gw_arena *a, struct gw_layout_point *p)
{
	struct mqtt_json_point *own = gw_arena_alloc(a, sizeof(*own));
	size_t value = GW_NUMBER_MAX;

	own->key = quoted(a, p->name, ":");
	own->labels = gw_arena_alloc(a, (p->nlabels + 1) * sizeof(*own->labels));
	for (unsigned i = 0; i < p->nlabels; i++) {
		own->labels[i] = quoted(a, p->labels[i], "");
		if (own->labels[i].n > value)
			value = own->labels[i].n;
	}
	p->own = own;
	return 2 * own->key.n + value + 1 + REASON_MAX;
}

void mqtt_json_prepare(struct gw_arena *a, struct gw_layout *l, struct mqtt_json_layout *own)
{
	own->bound = FRAME_MAX;
	for (unsigned i = 0; i < l->npoints; i++)
		own->bound += prepare_point(a, &l->points[i]);
}

/* ,"request":"..." */
enum { REQUEST = 14 + 6 * MQTT_REQUEST_BYTES };

size_t mqtt_json_bound(const struct gw_layout *l, const struct gw_reading *r)
{
	const struct mqtt_json_layout *own = l->own;

	/* each text has two quotes, each of its bytes may become six */
	return own->bound + 6 * (size_t)r->text_size + 2 * (size_t)r->count + REQUEST;
}

struct entry {
	const struct gw_layout_point *point;
	enum gw_kind kind;
	unsigned reason;
	uint64_t slot;
	const char *text; /* of the whole reading */
	size_t text_size;
};

static double as_double(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, sizeof(d));
	return d;
}

static bool text_inside(const struct entry *e)
{
	size_t at = e->slot >> 16, n = e->slot & 0xffff;

	return at <= e->text_size && n <= e->text_size - at;
}

/* What keeps a value from being written although its kind says there is one:
 * our own core does not send such, but nothing invalid may leave here. */
static unsigned effective_reason(const struct entry *e)
{
	if (e->reason != GW_GOOD)
		return e->reason;
	if (e->kind == GW_NONE)
		return GW_NOT_AVAILABLE;
	if ((e->kind == GW_F32 || e->kind == GW_F64) && !isfinite(as_double(e->slot)))
		return GW_NOT_AVAILABLE;
	if (e->kind == GW_ENUM && e->slot >= e->point->nlabels)
		return GW_NOT_IN_ENUM;
	if (e->kind == GW_TEXT && !text_inside(e))
		return GW_BAD_TEXT;
	return GW_GOOD;
}

static char *put_bool(char *o, const struct entry *e)
{
	return e->slot ? PUT(o, "true") : PUT(o, "false");
}

static char *put_i64(char *o, const struct entry *e)
{
	return o + gw_put_i64(o, (int64_t)e->slot);
}

static char *put_u64(char *o, const struct entry *e)
{
	return o + gw_put_u64(o, e->slot);
}

static char *put_f32(char *o, const struct entry *e)
{
	double d = as_double(e->slot);

	return isfinite(d) ? o + gw_put_f32(o, (float)d) : NULL;
}

static char *put_f64(char *o, const struct entry *e)
{
	double d = as_double(e->slot);

	return isfinite(d) ? o + gw_put_f64(o, d) : NULL;
}

static char *put_text(char *o, const struct entry *e)
{
	return text_inside(e) ? o + mqtt_quote(o, e->text + (e->slot >> 16), e->slot & 0xffff)
			      : NULL;
}

static char *put_enum(char *o, const struct entry *e)
{
	const struct mqtt_json_point *own = e->point->own;

	if (e->slot >= e->point->nlabels)
		return NULL;
	memcpy(o, own->labels[e->slot].s, own->labels[e->slot].n);
	return o + own->labels[e->slot].n;
}

/* NULL: nothing can be written. */
static char *(*const put_value[GW_KINDS])(char *o, const struct entry *e) = {
	[GW_BOOL] = put_bool, [GW_I64] = put_i64,   [GW_U64] = put_u64,	  [GW_F32] = put_f32,
	[GW_F64] = put_f64,   [GW_TEXT] = put_text, [GW_ENUM] = put_enum,
};

static bool take_entry(struct entry *e, const struct gw_layout *l, const struct gw_reading *r,
		       unsigned i)
{
	uint32_t tag = gw_reading_ctags(r)[i];
	unsigned index = gw_tag_index(tag);

	e->kind = gw_tag_kind(tag);
	e->reason = gw_tag_reason(tag);
	e->slot = gw_reading_cslots(r)[i];
	if (index >= l->npoints || e->kind >= GW_KINDS)
		return false;
	e->point = &l->points[index];
	return true;
}

static char *put_key(char *o, const struct entry *e)
{
	const struct mqtt_json_point *own = e->point->own;

	memcpy(o, own->key.s, own->key.n);
	return o + own->key.n;
}

/* Returns behind the closing brace; *bad grows with each point that is not good. */
static char *put_values(char *o, const struct gw_layout *l, const struct gw_reading *r,
			unsigned *bad)
{
	struct entry e = { .text = (const char *)(gw_reading_cslots(r) + r->count),
			   .text_size = r->text_size };
	char *first = o;

	for (unsigned i = 0; i < r->count; i++) {
		if (!take_entry(&e, l, r, i))
			continue;
		char *value = put_key(o, &e);
		char *end = put_value[e.kind] ? put_value[e.kind](value, &e) : NULL;
		*bad += e.reason != GW_GOOD || !end;
		if (end) {
			*end = ',';
			o = end + 1;
		}
	}
	if (o == first)
		o++;
	o[-1] = '}';
	return o;
}

static char *put_quality(char *o, const struct gw_layout *l, const struct gw_reading *r)
{
	struct entry e = { .text_size = r->text_size };

	o = PUT(o, ",\"quality\":{");
	for (unsigned i = 0; i < r->count; i++) {
		unsigned reason;

		if (!take_entry(&e, l, r, i) || (reason = effective_reason(&e)) == GW_GOOD)
			continue;
		o = put_key(o, &e);
		*o++ = '"';
		o = stpcpy(o, gw_reason_name(reason));
		o = PUT(o, "\",");
	}
	o[-1] = '}';
	return o;
}

static char *put_clock(char *o, const struct gw_reading *r, const char *boot)
{
	o = PUT(o, ",\"clock\":\"unsynced\"");
	if (!boot)
		return o;
	o = PUT(o, ",\"boot\":");
	o += mqtt_quote(o, boot, strnlen(boot, BOOT_MAX));
	o = PUT(o, ",\"mono\":");
	return o + gw_put_i64(o, r->mono_ms);
}

size_t mqtt_json_reading(char *out, const struct gw_layout *l, const struct gw_reading *r,
			 const struct mqtt_json_extra *x)
{
	unsigned bad = 0;
	char *o = PUT(out, "{\"seq\":");

	o += gw_put_u64(o, r->seq);
	o = PUT(o, ",\"ts\":");
	o += gw_put_i64(o, r->ts_ms);
	o = PUT(o, ",\"values\":{");
	o = put_values(o, l, r, &bad);
	if (bad)
		o = put_quality(o, l, r);
	if (r->flags & GW_READING_UNSYNCED)
		o = put_clock(o, r, x->boot);
	if (x->replay)
		o = PUT(o, ",\"replay\":true");
	if (x->request) {
		o = PUT(o, ",\"request\":");
		o += mqtt_quote(o, x->request, strnlen(x->request, MQTT_REQUEST_BYTES));
	}
	*o++ = '}';
	return (size_t)(o - out);
}
