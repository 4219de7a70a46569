/* attempts.c - see attempts.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attempts.h"
#include "build.h"

struct attempt {
	uint32_t epoch;
	char reason[400]; /* "": none */
};

struct mqtt_attempts {
	size_t n;
	struct attempt of[];
};

struct mqtt_attempts *mqtt_attempts_new(size_t brokers)
{
	size_t size = sizeof(struct mqtt_attempts) + brokers * sizeof(struct attempt);
	struct mqtt_attempts *a = memset(mqtt_grow(NULL, size), 0, size);

	a->n = brokers;
	return a;
}

void mqtt_attempts_free(struct mqtt_attempts *a)
{
	free(a);
}

void mqtt_attempts_begin(struct mqtt_attempts *a, size_t broker, uint32_t epoch)
{
	a->of[broker].epoch = epoch;
}

size_t mqtt_attempts_broker(const struct mqtt_attempts *a, uint32_t epoch, size_t otherwise)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->of[i].epoch == epoch)
			return i;
	return otherwise;
}

bool mqtt_attempts_is_news(struct mqtt_attempts *a, size_t broker, const char *reason)
{
	struct attempt *t = &a->of[broker];
	bool news = strncmp(t->reason, reason, sizeof(t->reason) - 1) != 0;

	snprintf(t->reason, sizeof(t->reason), "%s", reason);
	return news;
}

void mqtt_attempts_forget(struct mqtt_attempts *a)
{
	for (size_t i = 0; i < a->n; i++)
		a->of[i].reason[0] = '\0';
}
