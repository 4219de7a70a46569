/*
 * client.h - the client's end of the control socket.
 *
 * One connection carries one request, a line of JSON, and its answer, lines of
 * JSON.  Blocking, with a deadline for each line.  What comes back is capped and
 * parsed; it is never trusted to be well formed.
 */
#ifndef GW_CTL_CLIENT_H
#define GW_CTL_CLIENT_H

#include <jansson.h>

#include "gatewayd/error.h"

enum { CLIENT_REQUEST_MAX = 64 * 1024 };
#define CLIENT_STRANGER "what answers there is no gatewayd"

struct client {
	int fd;
	char *bytes; /* read and not yet taken */
	size_t size, room, taken;
};

/* GW_EIO: nobody there, .sys says why.  client_close() is due in any case. */
int client_open(struct client *c, const char *path, struct gw_err *err);
void client_close(struct client *c);

/* GW_EINPUT: the request is longer than a line may be. */
int client_send(struct client *c, const char *command, char *const *args, struct gw_err *err);
/*
 * The next line as an object, to be given back with json_decref(); timeout_ms -1
 * waits for ever.  GW_EIO: the daemon closed or did not answer in time; GW_EPROTO:
 * it says what no gatewayd would.
 */
int client_receive(struct client *c, int timeout_ms, json_t **out, struct gw_err *err);

#endif
