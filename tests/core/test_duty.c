/* duty: what is stuck, what only waits, and what is merely slow; looked at once a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/duty.h"

enum { SECOND = 1000000, PATIENCE_S = 600, MINUTE = 60, DAY = 86400 };

/* So many looks: of each `every`-th the last found that something was done, or a reason. */
struct span {
	int looks, done_every, reason_every;
	bool work;
	int look_s; /* from one to the next; 0: 1 */
	enum gw_duty_state then;
};

#define PATIENT_FOR(s) { .looks = (s), .work = true, .then = GW_DUTY_FINE }
#define STUCK_AFTER(s) { .looks = (s), .work = true, .then = GW_DUTY_STUCK }

static const struct {
	const char *name;
	struct span span[4];
} story[] = {
	{ "what has nothing to do for a week is not stuck", { { .looks = 7 * DAY } } },
	{ "what always goes on is not stuck", { { .looks = DAY, .done_every = 1, .work = true } } },
	{ "a disk with commits of a minute is never stuck",
	  { { .looks = 7 * DAY, .done_every = MINUTE, .work = true } } },
	{ "commits that take as long as patience itself are not stuck yet",
	  { { .looks = DAY, .done_every = PATIENCE_S, .work = true } } },
	{ "nothing done for as long as patience is stuck", { PATIENT_FOR(PATIENCE_S), STUCK_AFTER(1), STUCK_AFTER(DAY) } },
	{ "what goes on again is not stuck any more",
	  { STUCK_AFTER(PATIENCE_S + 1), { .looks = 1, .done_every = 1, .work = true }, PATIENT_FOR(PATIENCE_S - 1),
	    STUCK_AFTER(2) } },
	{ "what has nothing to do any more is not stuck any more",
	  { STUCK_AFTER(PATIENCE_S + 1), { .looks = 1 }, PATIENT_FOR(PATIENCE_S - 1), STUCK_AFTER(1) } },
	{ "with a reason it waits, for a week too",
	  { { .looks = 2, .reason_every = 1, .work = true },
	    { .looks = 7 * DAY, .reason_every = 1, .work = true, .then = GW_DUTY_WAITS } } },
	{ "a reason that is seen now and then is enough",
	  { { .looks = 7 * DAY, .reason_every = PATIENCE_S - 1, .work = true, .then = GW_DUTY_WAITS } } },
	{ "after the last reason patience begins",
	  { { .looks = DAY, .reason_every = 1, .work = true, .then = GW_DUTY_WAITS },
	    { .looks = PATIENCE_S - 1, .work = true, .then = GW_DUTY_WAITS }, STUCK_AFTER(1) } },
	{ "a day in which nobody looked is no day without progress",
	  { PATIENT_FOR(10), { .looks = 20, .work = true, .look_s = DAY }, PATIENT_FOR(PATIENCE_S - 50), STUCK_AFTER(1) } },
};

static void play(const char *name, const struct span *span, size_t n)
{
	struct gw_duty d = { 0 };
	struct gw_duty_look l = { .done = 1000 };
	int64_t now_us = 12345 * (int64_t)SECOND;

	for (size_t s = 0; s < n && span[s].looks; s++) {
		bool changed = false;

		for (int i = 1; i <= span[s].looks; i++) {
			now_us += (span[s].look_s ? span[s].look_s : 1) * (int64_t)SECOND;
			l.work = span[s].work;
			l.done += span[s].done_every && i % span[s].done_every == 0;
			l.reason = span[s].reason_every && i % span[s].reason_every == 0 ? "why" : NULL;
			changed = gw_duty_look(&d, &l, now_us, PATIENCE_S * (int64_t)SECOND);
			if (span[s].then == GW_DUTY_FINE && d.state != GW_DUTY_FINE)
				fail_msg("%s: span %zu, look %d: state %d", name, s, i, (int)d.state);
		}
		if (d.state != span[s].then)
			fail_msg("%s: after span %zu: state %d", name, s, (int)d.state);
		if (span[s].looks == 1 && s > 0)
			assert_int_equal(changed, span[s].then != span[s - 1].then);
		if (d.state == GW_DUTY_WAITS)
			assert_string_equal(d.reason, "why");
	}
}

static void each_story_ends_as_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(story) / sizeof(story[0]); i++)
		play(story[i].name, story[i].span, sizeof(story[i].span) / sizeof(story[i].span[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_story_ends_as_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
