/*
 * A device's configuration from its chain: the points it implements, their scale
 * factors, units and quantities.  What is not implemented is left out.
 */
#include <ctype.h>
#include <string.h>

#include "plugins/modbus/sunspec.h"

enum { NAME = 64, POINTS_MAX = 1000 };

struct writing {
	const struct mb_sunspec_output *o;
	const struct mb_sunspec_found *at;
	const struct mb_sunspec_model *model;
	const uint8_t *data;
	unsigned instance; /* of this word, from 1 */
	unsigned points;
};

static const struct {
	const char *type, *no_value;
} kinds[MB_S_TYPES] = {
	[MB_S_U16] = { "u16", "0xFFFF" },	   [MB_S_I16] = { "i16", "0x8000" },
	[MB_S_U32] = { "u32", "0xFFFFFFFF" },	   [MB_S_I32] = { "i32", "0x80000000" },
	[MB_S_U64] = { "u64", "0xFFFFFFFFFFFFFFFF" }, [MB_S_F32] = { "f32", NULL },
	[MB_S_ENUM16] = { "u16", "0xFFFF" },	   [MB_S_BITS16] = { "u16", "0xFFFF" },
	[MB_S_BITS32] = { "u32", "0xFFFFFFFF" },   [MB_S_ACC32] = { "u32", NULL },
	[MB_S_ACC64] = { "u64", NULL },		   [MB_S_SCALE] = { "i16", "0x8000" },
	[MB_S_TEXT] = { "string", NULL },
};

/* States that mean the same in all models of a kind. */
static const struct {
	const char *word, *name, *labels; /* word NULL: in all */
} enums[] = {
	{ "inverter", "St",
	  "{1: off, 2: sleeping, 3: starting, 4: mppt, 5: throttled, 6: shutting_down, 7: fault, 8: standby}" },
	{ "tracker", "DCSt",
	  "{1: off, 2: sleeping, 3: starting, 4: mppt, 5: throttled, 6: shutting_down, 7: fault, 8: standby, "
	  "9: test}" },
	{ "storage", "ChaSt",
	  "{1: off, 2: empty, 3: discharging, 4: charging, 5: full, 6: holding, 7: testing}" },
	{ NULL, "Ena", "{0: disabled, 1: enabled}" },
	{ NULL, "AdptCrvRslt", "{0: in_progress, 1: completed, 2: failed}" },
	{ NULL, "AdptCtlRslt", "{0: in_progress, 1: completed, 2: failed}" },
	{ NULL, "ReadOnly", "{0: writable, 1: read_only}" },
	{ "battery", "ChaSt",
	  "{1: off, 2: empty, 3: discharging, 4: charging, 5: full, 6: holding, 7: testing}" },
};

static const char *labels(const struct mb_sunspec_value *v)
{
	for (size_t i = 0; i < sizeof(enums) / sizeof(enums[0]); i++)
		if (v->field->type == MB_S_ENUM16 && (!enums[i].word || !strcmp(enums[i].word, v->model->word)) &&
		    !strcmp(enums[i].name, v->field->name))
			return enums[i].labels;
	return NULL;
}

/* "inverter_w", "meter2_phvpha", "tracker_dca_3", "volt_var_pt_v_1_4": the name of a point. */
static void point_name(const struct writing *w, const struct mb_sunspec_value *v, char *out)
{
	char number[12] = "", block[12] = "", point[12] = "";

	if (w->instance > 1)
		snprintf(number, sizeof(number), "%u", w->instance);
	if (v->field->where != MB_S_ONCE)
		snprintf(block, sizeof(block), "_%u", v->block + 1);
	if (v->point)
		snprintf(point, sizeof(point), "_%u", v->point);
	snprintf(out, NAME, "%s%s_%s%s%s", v->model->word, number, v->field->name, block, point);
	for (char *p = out; *p; p++)
		*p = (char)tolower((unsigned char)*p);
}

static void write_scale(const struct writing *w, const struct mb_sunspec_value *v)
{
	struct mb_sunspec_value s = { .model = v->model, .at = v->at, .field = mb_sunspec_scale(v) };
	char name[NAME];

	if (s.field) {
		point_name(w, &s, name);
		fprintf(w->o->out, ", scale_from: %s", name);
	} else if (v->field->scale[0]) {
		fprintf(w->o->out, ", scale: 1e%s", v->field->scale);
	}
}

static void write_point(struct writing *w, const struct mb_sunspec_value *v)
{
	FILE *out = w->o->out;
	char name[NAME];

	point_name(w, v, name);
	fprintf(out, "      %s: {address: %u, type: %s", name, v->at->address + mb_sunspec_offset(v, w->data),
		kinds[v->field->type].type);
	if (v->field->type == MB_S_TEXT)
		fprintf(out, ", length: %u, interval: 1h", v->field->registers);
	else if (v->model->is_setting)
		fprintf(out, ", interval: 10m");
	write_scale(w, v);
	if (v->field->unit[0])
		fprintf(out, ", unit: \"%s\"", v->field->unit);
	if (v->field->quantity[0])
		fprintf(out, ", quantity: %s", v->field->quantity);
	if (kinds[v->field->type].no_value)
		fprintf(out, ", no_value: [%s]", kinds[v->field->type].no_value);
	if (labels(v))
		fprintf(out, ",\n        enum: %s", labels(v));
	fprintf(out, "}\n");
	w->points++;
}

/* Is it the scale factor of a value that the device has? */
static bool is_needed(const struct writing *w, const struct mb_sunspec_value *v)
{
	struct mb_sunspec_value user = { .model = w->model, .at = w->at };

	while (mb_sunspec_next(&user, w->data))
		if (mb_sunspec_scale(&user) == v->field && mb_sunspec_has(&user, w->data))
			return true;
	return false;
}

static bool is_wanted(const struct writing *w, const struct mb_sunspec_value *v)
{
	int power;

	if (w->points == POINTS_MAX || !mb_sunspec_has(v, w->data))
		return false;
	if (v->field->type == MB_S_SCALE)
		return is_needed(w, v);
	return mb_sunspec_power(v, w->data, &power);
}

static void write_model(struct writing *w)
{
	struct mb_sunspec_value v = { .model = w->model, .at = w->at };

	fprintf(w->o->out, "      # model %u at %u: %s\n", w->at->id, w->at->address, w->model->title);
	while (mb_sunspec_next(&v, w->data))
		if (is_wanted(w, &v))
			write_point(w, &v);
}

/* How many models before number i begin their names with the same word? */
static unsigned instance(const struct mb_sunspec_output *o, unsigned i)
{
	const struct mb_sunspec_model *m = mb_sunspec_find(o->chain->models[i].id), *other;
	unsigned n = 1;

	for (unsigned k = 0; k < i; k++) {
		other = mb_sunspec_find(o->chain->models[k].id);
		n += other && o->data[k] && !strcmp(other->word, m->word);
	}
	return n;
}

static void write_models(struct writing *w, bool settings)
{
	const struct mb_sunspec_output *o = w->o;

	for (unsigned i = 0; i < o->chain->count; i++) {
		w->at = &o->chain->models[i];
		w->model = mb_sunspec_find(w->at->id);
		w->data = o->data[i];
		if (!w->model || !w->data || w->model->is_setting != settings)
			continue;
		w->instance = instance(o, i);
		write_model(w);
	}
}

void mb_sunspec_write_yaml(const struct mb_sunspec_output *o)
{
	struct writing w = { .o = o };

	fprintf(o->out, "  sunspec-%u:\n    connection: %s\n    unit_id: %u\n    interval: 5s\n    points:\n",
		o->unit, o->connection, o->unit);
	/* When there are too many points it is the curves that suffer. */
	write_models(&w, false);
	write_models(&w, true);
	if (w.points == POINTS_MAX)
		fprintf(o->out, "      # a device has at most %d points: the others are left out\n", POINTS_MAX);
}
