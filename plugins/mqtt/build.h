/*
 * build.h - text that is being built: telemetry documents and messages.
 *
 * A growing buffer of bytes without a closing NUL.  It keeps its memory when it
 * is emptied, so that the path of a reading soon allocates nothing.  When memory
 * is out the process ends: the core starts it again and nothing unacknowledged
 * is lost.
 */
#ifndef MQTT_BUILD_H
#define MQTT_BUILD_H

#include <stddef.h>
#include <stdint.h>

struct mqtt_text {
	char *s;
	size_t n, size;
};

void *mqtt_grow(void *old, size_t size); /* realloc that ends the process rather than fail */

/* Space for `more` bytes behind what is there; the caller writes and adds to n. */
char *mqtt_text_room(struct mqtt_text *t, size_t more);
void mqtt_text_put(struct mqtt_text *t, const void *s, size_t n);
void mqtt_text_add(struct mqtt_text *t, const char *s);
void mqtt_text_u64(struct mqtt_text *t, uint64_t v);
void mqtt_text_i64(struct mqtt_text *t, int64_t v);
void mqtt_text_f64(struct mqtt_text *t, double v);
void mqtt_text_quoted(struct mqtt_text *t, const char *s); /* as a JSON string */
/* "name": of a JSON object, with a comma before it where one is needed; then its value. */
void mqtt_text_member(struct mqtt_text *t, const char *name);
void mqtt_text_member_u64(struct mqtt_text *t, const char *name, uint64_t v);
void mqtt_text_member_i64(struct mqtt_text *t, const char *name, int64_t v);
void mqtt_text_free(struct mqtt_text *t);

/* s as a JSON string (RFC 8259, clause 7) with its quotes; out holds 6 n + 2 bytes. */
size_t mqtt_quote(char *out, const char *s, size_t n);

#endif
