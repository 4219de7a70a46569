/*
 * A serial port as a wire.  libmodbus opens it and sets it up; reading and
 * writing are ours and never block.  Opening is quick, its outcome comes from
 * the loop all the same.  A port that cannot be opened says what to do about it.
 */
#include "plugins/modbus/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/serial.h>
#include <modbus/modbus.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { CHUNK = 512 };

struct mb_wire {
	struct gw_loop *loop;
	struct mb_url url;
	const struct mb_wire_events *events;
	void *arg;
	modbus_t *port; /* NULL: closed */
	int fd;
	struct gw_watch *on_fd, *timer;
	char why[sizeof(((struct gw_err *)0)->msg)]; /* it could not be opened; empty: it is open */
};

/* ---- what went wrong, in words ---- */

static const char *user_name(char *buf, size_t size)
{
	struct passwd *p = getpwuid(geteuid());

	if (p)
		snprintf(buf, size, "user %s", p->pw_name);
	else
		snprintf(buf, size, "user %u", (unsigned)geteuid());
	return buf;
}

static void say_not_permitted(struct mb_wire *w)
{
	struct stat st;
	struct group *g = stat(w->url.host, &st) == 0 && (st.st_mode & 0060) == 0060 ? getgrgid(st.st_gid)
										    : NULL;
	char user[80];

	if (g && st.st_gid != 0)
		snprintf(w->why, sizeof(w->why), "permission denied: the %s must be in the group %s",
			 user_name(user, sizeof(user)), g->gr_name);
	else
		snprintf(w->why, sizeof(w->why),
			 "permission denied: the port must be readable and writable for the %s",
			 user_name(user, sizeof(user)));
}

static const char *advice(int error)
{
	switch (error) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return "no such port: is the adapter plugged in? /dev/serial/by-id lists those that are";
	case EBUSY:
	case EWOULDBLOCK:
		return "the port is busy: another program uses it";
	case ENOTTY:
	case EISDIR:
		return "is not a serial port";
	case EIO:
		return "the port does not work any more: was the adapter unplugged?";
	default:
		return strerror(error);
	}
}

static void say(struct mb_wire *w, int error)
{
	if (error == EACCES || error == EPERM)
		say_not_permitted(w);
	else
		snprintf(w->why, sizeof(w->why), "%s", advice(error));
}

/* ---- open ---- */

static void port_close(struct mb_wire *w)
{
	gw_watch_stop(w->on_fd);
	w->on_fd = NULL;
	gw_timer_off(w->timer);
	if (w->port) {
		ioctl(w->fd, TIOCNXCL);
		modbus_close(w->port);
		modbus_free(w->port);
	}
	w->port = NULL;
	w->fd = -1;
}

static void lose(struct mb_wire *w, int error)
{
	say(w, error);
	port_close(w);
	w->events->down(w->arg, w->why);
}

static void receive(void *arg, unsigned ready)
{
	struct mb_wire *w = arg;
	uint8_t buf[CHUNK];
	ssize_t n = read(w->fd, buf, sizeof(buf));

	if (n > 0)
		w->events->bytes(w->arg, buf, (size_t)n);
	else if (n == 0 || (ready & GW_HANGUP) || (errno != EAGAIN && errno != EINTR))
		lose(w, EIO);
}

/* A look before libmodbus opens it: that does not say what was wrong, and waits for nobody. */
static int try_path(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno;
	if (!isatty(fd))
		error = ENOTTY;
	close(fd);
	return error;
}

static int set_rs485(int fd, const struct mb_rs485 *r)
{
	struct serial_rs485 mode = { .flags = SER_RS485_ENABLED };

	if (!r->enabled)
		return 0;
	mode.flags |= r->rts_low_on_send ? SER_RS485_RTS_AFTER_SEND : SER_RS485_RTS_ON_SEND;
	mode.delay_rts_before_send = r->before_ms;
	mode.delay_rts_after_send = r->after_ms;
	return ioctl(fd, TIOCSRS485, &mode);
}

/* libmodbus leaves a port whose read() returns 0 both for "nothing yet" and "gone". */
static int make_readable(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t))
		return -1;
	t.c_cc[VMIN] = 1;
	return tcsetattr(fd, TCSANOW, &t);
}

/* Kept to ourselves, also against those who only look at the lock. */
static int claim(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) || ioctl(fd, TIOCEXCL))
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, O_NONBLOCK) ? -1 : 0;
}

static int set_up(struct mb_wire *w)
{
	static const char parities[] = { 'N', 'E', 'O' };
	const struct mb_serial *s = &w->url.serial;
	struct gw_err err;

	w->port = modbus_new_rtu(w->url.host, (int)s->baud, parities[s->parity], (int)s->data_bits,
				 (int)s->stop_bits);
	if (!w->port)
		return errno;
	if (modbus_connect(w->port))
		return errno;
	w->fd = modbus_get_socket(w->port);
	if (claim(w->fd) || make_readable(w->fd))
		return errno;
	if (set_rs485(w->fd, &s->rs485)) {
		snprintf(w->why, sizeof(w->why), "the port has no RS-485 mode of its own (%s): an adapter "
			 "that switches by itself needs no 'rs485'", strerror(errno));
		return -1;
	}
	tcflush(w->fd, TCIOFLUSH);
	w->on_fd = gw_on_fd(w->loop, w->fd, GW_READ, receive, w, &err);
	return w->on_fd ? 0 : ENOMEM;
}

static void on_opened(void *arg)
{
	struct mb_wire *w = arg;

	if (!w->why[0]) {
		w->events->up(w->arg);
		return;
	}
	port_close(w);
	w->events->down(w->arg, w->why);
}

static void port_open(struct mb_wire *w, int64_t timeout_us)
{
	int error;

	(void)timeout_us;
	port_close(w);
	w->why[0] = '\0';
	error = try_path(w->url.host);
	if (!error)
		error = set_up(w);
	if (error > 0)
		say(w, error);
	gw_timer_at(w->timer, 0);
}

static int port_send(struct mb_wire *w, const uint8_t *bytes, size_t n)
{
	return write(w->fd, bytes, n) == (ssize_t)n ? 0 : -1;
}

static void port_flush(struct mb_wire *w)
{
	tcflush(w->fd, TCIFLUSH);
}

static void port_free(struct mb_wire *w)
{
	if (!w)
		return;
	if (w->timer)
		port_close(w);
	gw_watch_stop(w->timer);
	free(w);
}

static struct mb_wire *port_make(struct gw_loop *loop, const struct mb_url *url,
				 const struct mb_wire_events *events, void *arg, struct gw_err *err)
{
	struct mb_wire *w = calloc(1, sizeof(*w));

	if (!w) {
		gw_err_sys(err, ENOMEM, "cannot make a wire to %s", url->text);
		return NULL;
	}
	*w = (struct mb_wire){ .loop = loop, .url = *url, .events = events, .arg = arg, .fd = -1 };
	w->timer = gw_on_timer(loop, on_opened, w, err);
	if (!w->timer) {
		free(w);
		return NULL;
	}
	return w;
}

const struct mb_wire_ops mb_port = {
	.make = port_make,
	.open = port_open,
	.send = port_send,
	.flush = port_flush,
	.close = port_close,
	.free = port_free,
};
