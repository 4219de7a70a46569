/* test_tls.c - whom the sink trusts: a real mosquitto with certificates made for the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker.h"
#include "core.h"

static const char *const one_point[] = { "v", NULL };

struct fixture {
	struct test_broker broker;
	struct gw_plugin *core;
	struct gw_layout *layout;
	char ca[96], other[96];
};

#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "

#define CA_CONF \
	"[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ncertificate=ca.pem\n" \
	"private_key=ca.key\ndefault_md=sha256\npolicy=p\ncopy_extensions=copy\nunique_subject=no\n" \
	"[p]\ncommonName=supplied\n"

static void make_certificates(const char *folder)
{
	char command[4096];

	snprintf(command, sizeof(command),
		 "cd %s && exec 2>/dev/null &&"
		 "openssl req -x509 " NEW_KEY
		 "-days 2 -subj /CN=test-ca -keyout ca.key -out ca.pem &&"
		 "openssl req -x509 " NEW_KEY
		 "-days 2 -subj /CN=other-ca -keyout other.key -out other.pem &&"
		 "openssl req -x509 " NEW_KEY "-days 2 -subj /CN=server -CA ca.pem -CAkey ca.key"
		 " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout right.key -out "
		 "right.pem &&"
		 "openssl req -x509 " NEW_KEY "-days 2 -subj /CN=server -CA ca.pem -CAkey ca.key"
		 " -addext subjectAltName=DNS:broker.example -keyout name.key -out name.pem &&"
		 "openssl req -x509 " NEW_KEY "-days 2 -subj /CN=client -CA ca.pem -CAkey ca.key"
		 " -keyout client.key -out client.pem &&"
		 "openssl req -x509 " NEW_KEY "-days 2 -subj /CN=localhost"
		 " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout self.key -out "
		 "self.pem &&"
		 "touch index.txt && echo 01 > serial && echo '" CA_CONF "' > ca.cnf &&"
		 "for name in past 20200101000000Z:20200201000000Z future 20990101000000Z:20990201000000Z;"
		 " do case $name in *:*) openssl ca -batch -notext -config ca.cnf -startdate ${name%%%%:*}"
		 " -enddate ${name##*:} -in $file.csr -out $file.pem;; *) file=$name;"
		 " openssl req -new " NEW_KEY "-subj /CN=$name -addext subjectAltName=DNS:localhost"
		 " -keyout $name.key -out $name.csr;; esac || exit; done;"
		 "chmod 644 *",
		 folder);
	run(command);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	broker_folder(&f->broker);
	make_certificates(f->broker.folder);
	snprintf(f->ca, sizeof(f->ca), "%s/ca.pem", f->broker.folder);
	snprintf(f->other, sizeof(f->other), "%s/other.pem", f->broker.folder);
	snprintf(f->broker.url, sizeof(f->broker.url), "mqtts://localhost:%d", f->broker.port);
	f->core = core_new(f->broker.url);
	f->core->keys.ca = f->ca;
	f->layout = maker_layout(f->core->arena, 3, "m-1", one_point);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	core_free(f->core);
	broker_stop(&f->broker);
	free(f);
	return 0;
}

#define WITH(name) "certfile @/" name ".pem\nkeyfile @/" name ".key\n"

static void start(struct fixture *f, const char *config)
{
	broker_start(&f->broker, config);
	core_start(f->core, &f->layout, 1);
}

static void assert_refused(struct fixture *f, const char *why)
{
	assert_true(core_until(f->core, strstr(f->core->reasons, why)));
	assert_int_equal(f->core->connections, 0);
	assert_true(core_until(f->core, f->core->state == GW_FAR_WAITING));
}

static void a_certificate_of_our_ca_for_this_host_is_accepted(void **state)
{
	struct fixture *f = *state;

	start(f, WITH("right"));
	assert_true(core_until(f->core, f->core->state == GW_FAR_CONNECTED));
	core_live(f->core, f->layout, 1, 1);
	assert_true(core_until(f->core, f->core->nacks == 1));
}

static void a_certificate_for_an_address_is_accepted(void **state)
{
	struct fixture *f = *state;

	snprintf(f->broker.url, sizeof(f->broker.url), "mqtts://127.0.0.1:%d", f->broker.port);
	start(f, WITH("right"));
	assert_true(core_until(f->core, f->core->state == GW_FAR_CONNECTED));
}

static void a_certificate_for_another_host_is_refused(void **state)
{
	struct fixture *f = *state;

	start(f, WITH("name"));
	assert_refused(f, "the broker's certificate is not for localhost\n");
}

static void a_certificate_of_another_ca_is_refused(void **state)
{
	struct fixture *f = *state;

	f->core->keys.ca = f->other;
	start(f, WITH("right"));
	assert_refused(f, "the broker's certificate is not accepted: unable to get local issuer "
			  "certificate\n");
}

static void the_system_does_not_know_our_ca(void **state)
{
	struct fixture *f = *state;

	f->core->keys.ca = NULL;
	start(f, WITH("right"));
	assert_refused(f, "the broker's certificate is not accepted: unable to get local issuer "
			  "certificate\n");
}

static void a_self_signed_certificate_is_refused(void **state)
{
	struct fixture *f = *state;

	start(f, WITH("self"));
	assert_refused(f, "the broker's certificate is not accepted: self-signed certificate\n");
}

static void a_missing_ca_file_is_named(void **state)
{
	struct fixture *f = *state;
	char why[256];

	f->core->keys.ca = "/nowhere/ca.pem";
	start(f, WITH("right"));
	snprintf(why, sizeof(why), "ca /nowhere/ca.pem cannot be read or holds no certificate\n");
	assert_refused(f, why);
}

static void a_client_certificate_is_shown_when_configured(void **state)
{
	struct fixture *f = *state;
	char cert[96], key[96];

	snprintf(cert, sizeof(cert), "%s/client.pem", f->broker.folder);
	snprintf(key, sizeof(key), "%s/client.key", f->broker.folder);
	f->core->keys.cert = cert;
	f->core->keys.key = key;
	start(f, WITH("right") "cafile @/ca.pem\nrequire_certificate true\n");
	assert_true(core_until(f->core, f->core->state == GW_FAR_CONNECTED));
	core_free(f->core);
	f->core = core_new(f->broker.url); /* cert and key are gone with this scope */
	core_start(f->core, NULL, 0);
}

/* Another gateway and another broker, for a test of several cases. */
static struct fixture *anew(void **state)
{
	tear_down(state);
	set_up(state);
	return *state;
}

static void a_certificate_out_of_its_time_is_refused(void **state)
{
	struct fixture *f = *state;

	start(f, WITH("past"));
	assert_refused(f, "the broker's certificate is not accepted: certificate has expired\n");
	f = anew(state);
	start(f, WITH("future"));
	assert_refused(f, "the broker's certificate is not accepted: certificate is not yet valid\n");
}

/* Ours: `cert` and `key` in the folder of the broker. */
static void show(struct fixture *f, const char *cert, const char *key)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", f->broker.folder, cert) > 0);
	f->core->keys.cert = gw_arena_strdup(f->core->arena, path);
	free(path);
	assert_true(asprintf(&path, "%s/%s", f->broker.folder, key) > 0);
	f->core->keys.key = gw_arena_strdup(f->core->arena, path);
	free(path);
}

#define DEMANDING WITH("right") "cafile @/ca.pem\nrequire_certificate true\n"

static void a_client_certificate_that_the_broker_does_not_want_says_why(void **state)
{
	static const struct {
		const char *cert, *key, *why;
	} cases[] = {
		{ NULL, NULL, "the broker refused TLS: tlsv13 alert certificate required\n" },
		{ "past.pem", "past.key", "the broker refused TLS: sslv3 alert certificate expired\n" },
		{ "self.pem", "self.key", "the broker refused TLS: tlsv1 alert unknown ca\n" },
		{ "client.pem", "right.key", "right.key cannot be read or does not belong to the certificate\n" },
		{ "nothing.pem", "client.key", "nothing.pem cannot be read or holds no certificate\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = i ? anew(state) : *state;

		if (cases[i].cert)
			show(f, cases[i].cert, cases[i].key);
		start(f, DEMANDING);
		assert_refused(f, cases[i].why);
	}
}

static void a_certificate_that_is_replaced_is_taken_at_the_next_connection(void **state)
{
	struct fixture *f = *state;
	char command[512];

	snprintf(command, sizeof(command), "cd %s && head -c 200 client.pem > mine.pem && cp client.key mine.key",
		 f->broker.folder); /* half written */
	run(command);
	show(f, "mine.pem", "mine.key");
	start(f, DEMANDING);
	assert_refused(f, "mine.pem cannot be read or holds no certificate\n");
	snprintf(command, sizeof(command), "cd %s && ln -s client.pem new && mv -T new mine.pem", f->broker.folder);
	run(command);
	assert_true(core_until(f->core, f->core->state == GW_FAR_CONNECTED));
}

/* A server that speaks nothing newer than TLS 1.1, and one whose certificates are of 150 kB. */
static void a_broker_of_old_or_one_that_talks_too_much_is_refused(void **state)
{
	static const char *const options[] = {
		"-tls1_1 -cipher DEFAULT@SECLEVEL=0 -cert right.pem",
		"-cert right.pem -cert_chain long.pem",
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct fixture *f = i ? anew(state) : *state;
		char command[512];
		pid_t server;

		snprintf(command, sizeof(command), "cd %s && for i in $(seq 400); do cat ca.pem; done > long.pem",
			 f->broker.folder);
		run(command);
		snprintf(command, sizeof(command), "cd %s && exec openssl s_server -quiet -accept %d -key right.key %s",
			 f->broker.folder, f->broker.port, options[i]);
		server = spawn((const char *const[]){ "/bin/sh", "-c", command, NULL }, -1);
		while (!port_answers(f->broker.port))
			usleep(20000);
		core_start(f->core, &f->layout, 1);
		assert_refused(f, i == 0 ? "TLS handshake failed: " : "TLS handshake failed: excessive message size\n");
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
}

static void a_broker_without_tls_is_refused(void **state)
{
	struct fixture *f = *state;

	start(f, "");
	assert_refused(f, "TLS handshake failed: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_certificate_of_our_ca_for_this_host_is_accepted),
		T(a_certificate_for_an_address_is_accepted),
		T(a_certificate_for_another_host_is_refused),
		T(a_certificate_of_another_ca_is_refused),
		T(the_system_does_not_know_our_ca),
		T(a_self_signed_certificate_is_refused),
		T(a_missing_ca_file_is_named),
		T(a_client_certificate_is_shown_when_configured),
		T(a_certificate_out_of_its_time_is_refused),
		T(a_client_certificate_that_the_broker_does_not_want_says_why),
		T(a_certificate_that_is_replaced_is_taken_at_the_next_connection),
		T(a_broker_of_old_or_one_that_talks_too_much_is_refused),
		T(a_broker_without_tls_is_refused),
	};

	return cmocka_run_group_tests_name("mqtt tls", tests, NULL, NULL);
}
