/*
 * fuzz_command.c - bytes as a command from the broker.
 *
 * Any bytes give a command that can be carried out or a refusal in words.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "plugins/mqtt/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mqtt_command c;
	struct gw_err err = { 0 };

	if (mqtt_command_parse((const char *)data, size, &c, &err) != 0) {
		assert(*err.msg && strlen(c.id) <= MQTT_ID_MAX);
		return 0;
	}
	assert(*c.id && *c.device && c.expires_ms >= 0 && c.from >= 0 && c.from <= c.to);
	return 0;
}
