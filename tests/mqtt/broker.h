/*
 * broker.h - a real mosquitto on a free loopback port, and mosquitto_sub beside it,
 * for tests.  Both are children of the test and die with it.
 */
#ifndef MQTT_TEST_BROKER_H
#define MQTT_TEST_BROKER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test_broker {
	char folder[64], url[64], config[2048];
	int port;
	pid_t pid;
};

static inline int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (void *)&a, n) || getsockname(fd, (void *)&a, &n))
		abort();
	close(fd);
	return ntohs(a.sin_port);
}

static inline bool port_answers(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = connect(fd, (void *)&a, sizeof(a)) == 0;

	close(fd);
	return yes;
}

/* Runs argv with the given descriptor (-1: /dev/null) as standard output. */
static inline pid_t spawn(const char *const *argv, int out)
{
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(out < 0 ? null : out, 1);
	dup2(null, 2);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static inline void run(const char *command)
{
	if (system(command) != 0) {
		fprintf(stderr, "failed: %s\n", command);
		abort();
	}
}

static inline void broker_up(struct test_broker *b)
{
	char path[96];
	const char *argv[] = { "mosquitto", "-c", path, NULL };

	snprintf(path, sizeof(path), "%s/mosquitto.conf", b->folder);
	b->pid = spawn(argv, -1);
	for (int i = 0; !port_answers(b->port); i++) {
		const struct timespec pause = {
			.tv_nsec = 20000000
		}; /* between tries, until a deadline */

		if (i == 500)
			abort();
		nanosleep(&pause, NULL);
	}
}

static inline void broker_kill(struct test_broker *b, int signo)
{
	kill(b->pid, signo);
	waitpid(b->pid, NULL, 0);
	b->pid = 0;
}

static inline void broker_folder(struct test_broker *b)
{
	strcpy(b->folder, "/tmp/gatewayd-test-XXXXXX");
	if (!mkdtemp(b->folder))
		abort();
	chmod(b->folder, 0755); /* mosquitto gives up root */
	b->port = free_port();
	snprintf(b->url, sizeof(b->url), "mqtt://127.0.0.1:%d", b->port);
}

/* more: further lines of mosquitto.conf, in which @ stands for the folder */
static inline void broker_start(struct test_broker *b, const char *more)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/mosquitto.conf", b->folder);
	FILE *f = fopen(path, "w");
	fprintf(f, "listener %d 127.0.0.1\nallow_anonymous true\nuser root\n", b->port);
	for (const char *c = more; *c; c++)
		*c == '@' ? fputs(b->folder, f) : fputc(*c, f);
	fclose(f);
	broker_up(b);
}

static inline void broker_stop(struct test_broker *b)
{
	char command[128];

	if (b->pid)
		broker_kill(b, SIGTERM);
	snprintf(command, sizeof(command), "rm -rf %s", b->folder);
	run(command);
}

/* ---- mosquitto_sub ---- */

struct test_subscriber {
	pid_t pid;
	int fd;
	char *seen; /* lines "RETAINED TOPIC PAYLOAD" */
	size_t n;
};

static inline void subscriber_start(struct test_subscriber *s, int port, const char *topic)
{
	char port_text[8];
	const char *argv[] = { "mosquitto_sub",
			       "-h",
			       "127.0.0.1",
			       "-p",
			       port_text,
			       "-V",
			       "5",
			       "-q",
			       "1",
			       "-t",
			       topic,
			       "-F",
			       "%r %t %p",
			       "--retain-as-published",
			       NULL };
	int fds[2];

	snprintf(port_text, sizeof(port_text), "%d", port);
	if (pipe2(fds, O_CLOEXEC))
		abort();
	s->pid = spawn(argv, fds[1]);
	close(fds[1]);
	s->fd = fds[0];
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	s->seen = calloc(1, 1);
	s->n = 0;
}

static inline void subscriber_read(struct test_subscriber *s)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(s->fd, buf, sizeof(buf))) > 0) {
		s->seen = realloc(s->seen, s->n + (size_t)n + 1);
		memcpy(s->seen + s->n, buf, (size_t)n);
		s->n += (size_t)n;
		s->seen[s->n] = '\0';
	}
}

static inline bool subscriber_saw(struct test_subscriber *s, const char *text)
{
	subscriber_read(s);
	return strstr(s->seen, text) != NULL;
}

static inline void subscriber_stop(struct test_subscriber *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->fd);
	free(s->seen);
}

#endif
