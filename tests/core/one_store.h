/*
 * one_store.h - for test files that are about one store: `s`, anew for each test by begin() and
 * end().
 */
#ifndef GW_TESTS_ONE_STORE_H
#define GW_TESTS_ONE_STORE_H

#include "some_store.h"

static struct shop s;

static inline int begin(void **state)
{
	(void)state;
	shop_new(&s);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	shop_free(&s);
	return 0;
}

/* Opens it, with one device. */
static inline struct gw_registration open_pump(void)
{
	shop_open(&s);
	return shop_device(&s, "pump");
}

static inline void put(const struct shop_batch *b)
{
	if (shop_put(&s, b) < 0)
		fail_msg("%s", s.err.msg);
}

#endif
