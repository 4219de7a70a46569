/* moment.c - see moment.h. */
#include "core/moment.h"

#include <string.h>
#include <time.h>

/* `n` digits, at most `most`; -1 when they are not. */
static int digits(const char **at, int n, int most)
{
	int value = 0;

	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value <= most ? value : -1;
}

static bool skip(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* .5 is half a second: as many digits as there are, the first three count */
static bool fraction(const char **at, int64_t *ms)
{
	int weight = 100;

	*ms = 0;
	if (!skip(at, '.'))
		return true;
	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; (*at)++, weight /= 10)
		*ms += (**at - '0') * weight;
	return true;
}

/* The end of the text: nothing, Z, or +07:00; *local when there is no zone. */
static bool zone(const char *at, bool *local, int *minutes)
{
	char sign = *at;
	int h, m;

	*minutes = 0;
	*local = !*at;
	if (!*at || strcmp(at, "Z") == 0)
		return true;
	at++;
	if ((sign != '+' && sign != '-') || (h = digits(&at, 2, 23)) < 0 || !skip(&at, ':') ||
	    (m = digits(&at, 2, 59)) < 0 || *at)
		return false;
	*minutes = (sign == '-' ? -1 : 1) * (h * 60 + m);
	return true;
}

static bool take(const char *at, struct tm *t, int64_t *ms, bool *local, int *minutes)
{
	if ((t->tm_year = digits(&at, 4, 9999) - 1900) < 70 || !skip(&at, '-') ||
	    (t->tm_mon = digits(&at, 2, 12) - 1) < 0 || !skip(&at, '-') ||
	    (t->tm_mday = digits(&at, 2, 31)) < 1 || (!skip(&at, 'T') && !skip(&at, ' ')) ||
	    (t->tm_hour = digits(&at, 2, 23)) < 0 || !skip(&at, ':') ||
	    (t->tm_min = digits(&at, 2, 59)) < 0)
		return false;
	if (skip(&at, ':') && (t->tm_sec = digits(&at, 2, 59)) < 0)
		return false;
	return fraction(&at, ms) && zone(at, local, minutes);
}

bool gw_moment_parse(const char *text, int64_t *ms)
{
	struct tm t = { .tm_isdst = -1 };
	int64_t thousandths;
	int minutes, day;
	bool local;
	time_t s;

	if (!take(text, &t, &thousandths, &local, &minutes))
		return false;
	day = t.tm_mday;
	s = local ? mktime(&t) : timegm(&t);
	if (s == (time_t)-1 || t.tm_mday != day) /* the 31st of a month with 30 days */
		return false;
	*ms = ((int64_t)s - minutes * 60LL) * 1000 + thousandths;
	return true;
}
