/*
 * fuzz_control.c - bytes as a line of the control socket, and the command table.
 *
 * Any bytes give a command with clean arguments or a refusal that can be shown.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "core/control_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_request_line r;
	bool ok = gw_request_parse(&r, (const char *)data, size) == 0;

	if (ok) {
		assert(gw_text_clean(r.command, strlen(r.command)) && r.nargs <= GW_ARGS_MAX);
		for (size_t i = 0; i < r.nargs; i++)
			assert(gw_text_clean(r.args[i], strlen(r.args[i])));
		ok = gw_request_lookup(&r) >= 0;
	}
	assert(ok || (*r.refusal && strlen(r.refusal) + 1 <= sizeof(r.refusal)));
	gw_request_free(&r);
	return 0;
}
