/*
 * check.c - gatewayd --check: the configuration with every plugin it names, without a device.
 */
#include "core/daemon.h"

#include <stdio.h>

#include "base/log.h"
#include "base/problem.h"
#include "core/promise.h"

static void checked(void *arg, struct gw_plan *p)
{
	(void)p;
	gw_loop_quit(arg);
}

int gw_daemon_check(const char *file)
{
	struct gw_loop *loop = NULL;
	struct gw_receiver *receiver = gw_receiver_new();
	struct gw_plan *p = NULL;
	struct gw_err err;
	char line[GW_PROBLEM_LINE];
	int code = GW_EXIT_OTHER;

	gw_log_open("gatewayd", GW_WARNING);
	if (gw_loop_new(&loop, &err) != 0)
		goto out;
	p = gw_plan_new(&(struct gw_plan_options){ .loop = loop, .receiver = receiver, .file = file,
						   .done = checked, .arg = loop });
	gw_plan_begin(p);
	if (gw_loop_run(loop, &err) != 0)
		goto out;
	gw_settings_report(p->settings, stdout);
	code = p->settings->problems.count ? GW_EXIT_CONFIG : GW_EXIT_OK;
	if (code == GW_EXIT_OK)
		printf("%s\n", gw_promise_line(line, sizeof(line), p->settings, &p->load));
out:
	if (code == GW_EXIT_OTHER)
		gw_log_err(GW_ERROR, &err);
	gw_plan_free(p);
	gw_receiver_free(receiver);
	gw_loop_free(loop);
	return code;
}
