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

static void make_certificates(const char *folder)
{
	char command[2048];

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
		T(a_broker_without_tls_is_refused),
	};

	return cmocka_run_group_tests_name("mqtt tls", tests, NULL, NULL);
}
