/*
 * attempts.h - the last attempt at each broker of the list, and what was said of it: a diagnosis comes
 * when the next one is being tried already, and the log has each reason once.
 */
#ifndef MQTT_ATTEMPTS_H
#define MQTT_ATTEMPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqtt_attempts;

struct mqtt_attempts *mqtt_attempts_new(size_t brokers);
void mqtt_attempts_free(struct mqtt_attempts *a); /* NULL is allowed */
void mqtt_attempts_begin(struct mqtt_attempts *a, size_t broker, uint32_t epoch);
/* Whose attempt that was; `otherwise` when that broker was tried again since. */
size_t mqtt_attempts_broker(const struct mqtt_attempts *a, uint32_t epoch, size_t otherwise);
/* Notes the reason.  True: the broker had another one, or none since mqtt_attempts_forget(). */
bool mqtt_attempts_is_news(struct mqtt_attempts *a, size_t broker, const char *reason);
void mqtt_attempts_forget(struct mqtt_attempts *a); /* connected: all reasons */

#endif
