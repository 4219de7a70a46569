#include "plugins/modbus/news.h"

#include <stdio.h>
#include <string.h>

#include "gatewayd/plugin.h"

#define SECOND_US INT64_C(1000000)

void mb_news_up(struct mb_news *n, const char *line)
{
	if (n->told != MB_TOLD_UP)
		gw_log(GW_INFO, "%s: connected", line);
	n->told = MB_TOLD_UP;
}

void mb_news_down(struct mb_news *n, const char *line, const char *why, bool open)
{
	if (n->told != MB_TOLD_DOWN || strcmp(n->why, why) != 0)
		gw_log(GW_WARNING, "%s: not connected: %s%s", line, why,
		       open ? " before it answered: is it connected to another master?" : "");
	n->told = MB_TOLD_DOWN;
	snprintf(n->why, sizeof(n->why), "%s", why);
}

/* True at most once an hour. */
static bool may_tell(int64_t *told_us, int64_t now_us)
{
	if (*told_us && now_us - *told_us < MB_WARN_EVERY_S * SECOND_US)
		return false;
	*told_us = now_us;
	return true;
}

void mb_news_lost(struct mb_news *n, const char *line, const char *why, int64_t now_us)
{
	int64_t *oldest_us = &n->lost_us[n->losses++ % MB_LOSSES];
	bool often = n->losses > MB_LOSSES && now_us - *oldest_us < MB_LOSSES_S * SECOND_US;

	*oldest_us = now_us;
	if (often && may_tell(&n->losses_told_us, now_us))
		gw_log(GW_WARNING, "%s: lost more than %d connections in a minute (%s): another master may be "
		       "taking them, or the device closes what is idle; see close_after_cycle", line,
		       MB_LOSSES, why);
}

void mb_news_master(struct mb_news *n, const char *line, unsigned unit, int64_t now_us)
{
	if (may_tell(&n->master_told_us, now_us))
		gw_log(GW_WARNING, "%s: another master asks unit %u on this line: a serial line bears only "
		       "one, answers get lost or mixed up", line, unit);
}
