/*
 * server.h - Modbus TCP (MODBUS Messaging on TCP/IP 1.0b) for many devices in
 * one process: an epoll loop, a listener for each port, and the faults.
 *
 * One thread.  A port serves one device, or several as units of one port; a
 * request for a unit that is not there gets exception 11, as from a gateway.
 */
#ifndef PLANT_SERVER_H
#define PLANT_SERVER_H

#include "device.h"

struct server;
struct port;

struct plant_clock {
	double day_s; /* when the plant started */
	double speed;
	int64_t started_us;
};

struct server *server_new(const struct plant_clock *clock);
void server_free(struct server *s);

/* Listens on 127.0.0.1; number 0: one that is free.  NULL with *why. */
struct port *server_listen(struct server *s, uint16_t number, const char **why);
void port_serve(struct port *p, struct device *d);
uint16_t port_number(const struct port *p);

/* Starts or ends a fault of the one device of a port; false: the port could not be opened again. */
bool port_fault(struct port *p, struct device *d, struct fault f);

/* Another descriptor to wait on: fn runs when it is readable. */
void server_watch(struct server *s, int fd, void (*fn)(void *arg), void *arg);
void server_unwatch(struct server *s, int fd);
void server_run(struct server *s); /* until server_quit() */
void server_quit(struct server *s);

int64_t monotonic_us(void);

#endif
