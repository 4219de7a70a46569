/*
 * plant.h - the plant as a whole: options, devices with their ports, commands
 * at run time, and the report.
 */
#ifndef PLANT_PLANT_H
#define PLANT_PLANT_H

#include <stdio.h>

#include "device.h"
#include "server.h"

enum { DEVICES_MAX = 2000, FAULTS_MAX = 64 };

struct options {
	uint16_t port_base;      /* 0: ports that are free */
	const char *port_file;   /* where the list of devices is written too; NULL: nowhere */
	const char *devices;     /* NAME=KIND[:UNIT],... */
	unsigned bench, registers;
	bool shared, times;
	double speed;
	int start_minute;        /* of the day; -1: now */
	const char *report;      /* NULL: none */
	const char *faults[FAULTS_MAX]; /* NAME=KIND */
	unsigned nfaults;
};

/* False: usage was wrong or help was asked for; *exit_code says which. */
bool options_parse(struct options *o, int argc, char *argv[], int *exit_code);

struct place {
	struct device *device;
	struct port *port;
};

struct plant {
	struct server *server;
	struct place places[DEVICES_MAX];
	unsigned count;
	struct port *shared; /* NULL: none */
	char line[256];      /* of the control channel, unfinished */
	size_t line_filled;
};

/* One command: "fault NAME KIND", "clear NAME", "report".  The answer goes to `out`
 * as one line: "ok", "error: ...", or the report. */
void plant_command(struct plant *p, const char *line, FILE *out);
/* NULL: done, else what is wrong. */
const char *plant_fault(struct plant *p, const char *name, const char *fault);

void report_write(const struct plant *p, FILE *out);

#endif
