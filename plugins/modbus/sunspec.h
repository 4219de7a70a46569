/*
 * sunspec.h - the models of SunSpec as a table, and walking their chain in a
 * device.  A chain is a list of blocks (id, length, values) behind the marker "SunS".
 * Nothing in it is trusted: lengths, the number of models and the end of the address
 * space are checked; what was read before it breaks is kept.
 */
#ifndef MODBUS_SUNSPEC_H
#define MODBUS_SUNSPEC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "plugins/modbus/tool_client.h"

enum mb_sunspec_type {
	MB_S_U16, MB_S_I16, MB_S_U32, MB_S_I32, MB_S_U64, MB_S_F32, MB_S_ENUM16, MB_S_BITS16,
	MB_S_BITS32, MB_S_ACC32, MB_S_ACC64, MB_S_SCALE, MB_S_TEXT, MB_S_TYPES,
};

/*
 * Where a value lies.  Behind the fixed part of a model a block may repeat (trackers, ports,
 * curves); in the block of a curve one to three lists of points:
 *
 *	| once | block 1: ... points, ... points | block 2: ... points, ... points |
 */
enum mb_sunspec_where { MB_S_ONCE, MB_S_BLOCK, MB_S_POINT };

struct mb_sunspec_field {
	uint16_t offset; /* registers from the model's id; in the first block, as if lists were empty */
	uint8_t registers;
	uint8_t type;
	uint8_t where;
	uint8_t lists; /* of points that lie before it in its block */
	bool mandatory;
	const char *name, *unit, *scale, *quantity; /* scale: a field's name, a number, or "" */
};

struct mb_sunspec_model {
	uint16_t id;
	const char *title, *word; /* word: begins the names of its points */
	const struct mb_sunspec_field *fields;
	size_t nfields;
	uint16_t start, length;        /* of the block that repeats, without points; length 0: none does */
	const char *nblocks, *npoints; /* fields that count blocks, and points of a list; or NULL */
	uint8_t inner, lists;          /* registers of a point; lists in a block */
	bool is_setting;               /* changes when somebody changes it */
};

/* Both end with id 0. */
extern const struct mb_sunspec_model mb_sunspec_models[]; /* sunspec_models.c */
extern const struct mb_sunspec_model mb_sunspec_der[];    /* sunspec_der.c: 701 to 714 */
const struct mb_sunspec_model *mb_sunspec_find(unsigned id); /* or NULL */

/* ---- the chain ---- */

enum { MB_SUNSPEC_MODELS_MAX = 60, MB_SUNSPEC_LENGTH_MAX = 1000 };

struct mb_sunspec_found {
	uint16_t id, address, length; /* address of the id; registers behind id and length */
};

struct mb_sunspec_chain {
	bool found, whole; /* whole: it ended as it should */
	uint16_t base;
	struct mb_sunspec_found models[MB_SUNSPEC_MODELS_MAX];
	unsigned count;
	char trouble[96]; /* why it is not whole */
};

/* Returns a reason of reading.h: not GW_GOOD when the device did not answer at all. */
unsigned mb_sunspec_walk(struct mb_client *c, uint8_t unit, struct mb_sunspec_chain *out);

/* The registers of one model from its id on, length + 2 of them; false: they cannot be read.
 * Values are never divided between two requests; those of a curve come in a request after the
 * one that says how many they are. */
bool mb_sunspec_read(struct mb_client *c, uint8_t unit, const struct mb_sunspec_found *m,
		     uint8_t *data);

/* ---- its values ---- */

/* A field of a model in a device; block counts from 0, point from 1 in a list. */
struct mb_sunspec_value {
	const struct mb_sunspec_model *model;
	const struct mb_sunspec_found *at;
	const struct mb_sunspec_field *field;
	unsigned block, point;
};

/* What the registers of the model say, and its length allows. */
unsigned mb_sunspec_blocks(const struct mb_sunspec_value *v, const uint8_t *data);
unsigned mb_sunspec_points(const struct mb_sunspec_value *v, const uint8_t *data);
/* All values in turn, block by block: begin with field NULL, block and point 0; false: that was
 * all. */
bool mb_sunspec_next(struct mb_sunspec_value *v, const uint8_t *data);
/* Register of the value from the model's id. */
unsigned mb_sunspec_offset(const struct mb_sunspec_value *v, const uint8_t *data);
/* Does the model reach so far, and is it not the "not implemented" of its type? */
bool mb_sunspec_has(const struct mb_sunspec_value *v, const uint8_t *data);
/* The power of ten it is to be multiplied with; false: the scale factor is not implemented. */
bool mb_sunspec_power(const struct mb_sunspec_value *v, const uint8_t *data, int *power);
/* As people read it. */
const char *mb_sunspec_text(const struct mb_sunspec_value *v, const uint8_t *data, char *buf,
			    size_t size);
/* The field that holds the scale factor, or NULL. */
const struct mb_sunspec_field *mb_sunspec_scale(const struct mb_sunspec_value *v);

/* ---- a configuration (sunspec_yaml.c) ---- */

struct mb_sunspec_output {
	FILE *out;
	const char *connection;
	unsigned unit;
	const struct mb_sunspec_chain *chain;
	uint8_t *const *data; /* of each model of the chain, NULL: not read */
};
void mb_sunspec_write_yaml(const struct mb_sunspec_output *o);

#endif
