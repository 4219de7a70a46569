/* diagnose.c - see diagnose.h. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "diagnose.h"

enum { STEP_S = 5 };

static int wait_connected(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t n = sizeof(error);

	if (poll(&p, 1, STEP_S * 1000) <= 0)
		return ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
	return error;
}

/* A connected, blocking socket with time limits, or -1 with *error. */
static int open_address(const struct addrinfo *a, int *error)
{
	const struct timeval limit = { .tv_sec = STEP_S };
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*error = 0;
	if (fd < 0) {
		*error = errno;
		return -1;
	}
	if (connect(fd, a->ai_addr, a->ai_addrlen))
		*error = errno == EINPROGRESS ? wait_connected(fd) : errno;
	if (*error) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static int open_tcp(const struct mqtt_far_end *f, char *buf, size_t size)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;
	int rc = getaddrinfo(f->host, f->port, &hints, &all), fd = -1, error = 0;

	if (rc) {
		snprintf(buf, size, "host name %s cannot be resolved: %s", f->host,
			 gai_strerror(rc));
		return -1;
	}
	for (const struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
		fd = open_address(a, &error);
	freeaddrinfo(all);
	if (fd < 0)
		snprintf(buf, size, "%s port %s: %s", f->host, f->port, strerror(error));
	return fd;
}

static SSL_CTX *context(const struct mqtt_far_end *f, char *buf, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (!f->ca) {
		SSL_CTX_set_default_verify_paths(ctx);
	} else if (SSL_CTX_load_verify_locations(ctx, f->ca, NULL) != 1) {
		snprintf(buf, size, "ca %s cannot be read or holds no certificate", f->ca);
		goto fail;
	}
	if (f->cert && SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1) {
		snprintf(buf, size, "cert %s cannot be read or holds no certificate", f->cert);
		goto fail;
	}
	if (f->key && SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM) != 1) {
		snprintf(buf, size, "key %s cannot be read or does not belong to the certificate",
			 f->key);
		goto fail;
	}
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

static void expect_name(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, host))
		return;
	X509_VERIFY_PARAM_set1_host(param, host, 0);
	SSL_set_tlsext_host_name(ssl, host);
}

static void explain_handshake(SSL *ssl, const char *host, char *buf, size_t size)
{
	long verdict = SSL_get_verify_result(ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
		snprintf(buf, size, "the broker's certificate is not for %s", host);
	else if (verdict != X509_V_OK)
		snprintf(buf, size, "the broker's certificate is not accepted: %s",
			 X509_verify_cert_error_string(verdict));
	else
		snprintf(buf, size, "TLS handshake failed: %s", reason ? reason : "no answer");
}

/* With TLS 1.3 the broker's word about our certificate comes after the handshake. */
static void explain_refusal(SSL *ssl, int fd, char *buf, size_t size)
{
	const struct timeval moment = { .tv_sec = 1 };
	char byte;
	int n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
	ERR_clear_error();
	n = SSL_read(ssl, &byte, 1);
	if (n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_SSL && ERR_peek_last_error())
		snprintf(buf, size, "the broker refused TLS: %s", ERR_reason_error_string(ERR_peek_last_error()));
}

static void try_tls(const struct mqtt_far_end *f, int fd, char *buf, size_t size)
{
	SSL_CTX *ctx = context(f, buf, size);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;

	if (ssl && SSL_set_fd(ssl, fd)) {
		ERR_clear_error();
		expect_name(ssl, f->host);
		if (SSL_connect(ssl) != 1)
			explain_handshake(ssl, f->host, buf, size);
		else
			explain_refusal(ssl, fd, buf, size);
		if (!*buf)
			SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

void mqtt_diagnose(const struct mqtt_far_end *f, char *buf, size_t size)
{
	int fd;

	*buf = '\0';
	fd = open_tcp(f, buf, size);
	if (fd < 0)
		return;
	if (f->tls)
		try_tls(f, fd, buf, size);
	close(fd);
}
