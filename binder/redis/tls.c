/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS by OpenSSL over the link's own socket. The library is loaded by those whose properties ask for it alone: it
 * costs megabytes. The server's certificate must be valid for the name that was asked for unless ssl.verify=false.
 */
#include "binder/redis/tls.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/numbers.h"
#include "binder/redis/client.h"

/* Everything used of libssl and of libcrypto, which comes with it. */
#define TLS_FUNCTIONS(X) \
	X(TLS_client_method) \
	X(SSL_CTX_new) \
	X(SSL_CTX_free) \
	X(SSL_CTX_ctrl) \
	X(SSL_CTX_set_verify) \
	X(SSL_CTX_set_default_verify_paths) \
	X(SSL_CTX_load_verify_locations) \
	X(SSL_CTX_set_default_passwd_cb) \
	X(SSL_CTX_use_certificate_chain_file) \
	X(SSL_CTX_use_PrivateKey_file) \
	X(SSL_CTX_check_private_key) \
	X(SSL_new) \
	X(SSL_free) \
	X(SSL_ctrl) \
	X(SSL_set_bio) \
	X(SSL_set_connect_state) \
	X(SSL_get0_param) \
	X(SSL_do_handshake) \
	X(SSL_read) \
	X(SSL_write) \
	X(SSL_shutdown) \
	X(SSL_get_error) \
	X(SSL_get_verify_result) \
	X(BIO_meth_new) \
	X(BIO_meth_set_write) \
	X(BIO_meth_set_read) \
	X(BIO_meth_set_ctrl) \
	X(BIO_new) \
	X(BIO_free) \
	X(BIO_set_data) \
	X(BIO_get_data) \
	X(BIO_set_init) \
	X(BIO_set_flags) \
	X(BIO_clear_flags) \
	X(X509_VERIFY_PARAM_set_hostflags) \
	X(X509_VERIFY_PARAM_set1_host) \
	X(X509_VERIFY_PARAM_set1_ip_asc) \
	X(X509_verify_cert_error_string) \
	X(ERR_get_error) \
	X(ERR_clear_error) \
	X(ERR_error_string_n)

static struct {
#define X(name) __typeof__(name) *name;
	TLS_FUNCTIONS(X)
#undef X
	BIO_METHOD *socket; /* ours: write() would raise SIGPIPE on a socket that is gone */
	bool loaded;
} lib;

static pthread_once_t lib_once = PTHREAD_ONCE_INIT;

struct session {
	SSL *ssl;
	int fd;
	int error; /* errno of the last read or write of the socket; 0: its end was reached */
	bool read_wants_write, write_wants_write;
};

/* -- the socket beneath ------------------------------------------------------------------- */

static int count_or_again(BIO *bio, ssize_t count)
{
	struct session *session = lib.BIO_get_data(bio);

	session->error = count < 0 ? errno : 0;
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		lib.BIO_set_flags(bio, BIO_FLAGS_SHOULD_RETRY);
	return (int)count;
}

static int write_socket(BIO *bio, const char *bytes, int length)
{
	struct session *session = lib.BIO_get_data(bio);
	int result;

	lib.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	result = count_or_again(bio, send(session->fd, bytes, (size_t)length, MSG_NOSIGNAL));
	if (result < 0)
		lib.BIO_set_flags(bio, BIO_FLAGS_WRITE);
	return result;
}

static int read_socket(BIO *bio, char *bytes, int length)
{
	struct session *session = lib.BIO_get_data(bio);
	int result;

	lib.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	result = count_or_again(bio, recv(session->fd, bytes, (size_t)length, 0));
	if (result < 0)
		lib.BIO_set_flags(bio, BIO_FLAGS_READ);
	return result;
}

static long control_socket(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

/* -- loading -------------------------------------------------------------------------------- */

static bool find(void *handle, const char *name, void *slot)
{
	void *symbol = dlsym(handle, name);

	memcpy(slot, &symbol, sizeof symbol); /* the one portable way from object to function pointer */
	return symbol != NULL;
}

static void load_library(void)
{
	static const char *const names[] = {"libssl.so.3", "libssl.so.1.1", "libssl.so"};
	void *handle = NULL;

	for (size_t i = 0; !handle && i < sizeof names / sizeof *names; i++)
		handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return;
#define X(name) \
	if (!find(handle, #name, &lib.name)) \
		return;
	TLS_FUNCTIONS(X)
#undef X
	lib.socket = lib.BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x70, "rivulet socket");
	lib.loaded = lib.socket && lib.BIO_meth_set_write(lib.socket, write_socket) &&
	    lib.BIO_meth_set_read(lib.socket, read_socket) &&
	    lib.BIO_meth_set_ctrl(lib.socket, control_socket);
}

/* The library's own words for what just failed, in *err. */
static rv_err fail_with_reason(struct rv_error *err, rv_err code, uint16_t number, const char *what)
{
	unsigned long reason = lib.ERR_get_error();
	char text[256] = "no reason given";

	if (reason)
		lib.ERR_error_string_n(reason, text, sizeof text);
	lib.ERR_clear_error();
	return rv_error_set(err, code, number, RV__REDIS_TOPIC, "%s: %s", what, text);
}

/* -- certificates, once a client ---------------------------------------------------------- */

/* A key under a passphrase is refused; asking for it on the terminal would hang a service. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)arg;
	return 0;
}

static rv_err trust(SSL_CTX *context, const struct rv__redis_binder_settings *settings, struct rv_error *err)
{
	struct stat found;
	char what[256];
	bool folder;

	if (!settings->tls_verify) {
		lib.SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
		return RV_OK;
	}
	lib.SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (!settings->tls_ca) {
		if (lib.SSL_CTX_set_default_verify_paths(context) == 1)
			return RV_OK;
		return fail_with_reason(
		    err, RV_E_CONFIG, RV__N_REDIS_TLS_FILES, "the system's certificate authorities");
	}
	folder = stat(settings->tls_ca, &found) == 0 && S_ISDIR(found.st_mode);
	if (lib.SSL_CTX_load_verify_locations(
	        context, folder ? NULL : settings->tls_ca, folder ? settings->tls_ca : NULL) == 1)
		return RV_OK;
	snprintf(what, sizeof what, "ssl.ca '%.200s' cannot be used", settings->tls_ca);
	return fail_with_reason(err, RV_E_CONFIG, RV__N_REDIS_TLS_FILES, what);
}

static rv_err introduce(
    SSL_CTX *context, const struct rv__redis_binder_settings *settings, struct rv_error *err)
{
	char what[256];

	if (!settings->tls_certificate && !settings->tls_key)
		return RV_OK;
	if (!settings->tls_certificate || !settings->tls_key)
		return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_TLS_FILES, RV__REDIS_TOPIC,
		    "a client's certificate and its key belong together, and only one of them is set");
	lib.SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	if (lib.SSL_CTX_use_certificate_chain_file(context, settings->tls_certificate) != 1) {
		snprintf(
		    what, sizeof what, "ssl.certificate '%.200s' cannot be used", settings->tls_certificate);
		return fail_with_reason(err, RV_E_CONFIG, RV__N_REDIS_TLS_FILES, what);
	}
	if (lib.SSL_CTX_use_PrivateKey_file(context, settings->tls_key, SSL_FILETYPE_PEM) != 1 ||
	    lib.SSL_CTX_check_private_key(context) != 1) {
		snprintf(what, sizeof what, "ssl.key '%.200s' cannot be used", settings->tls_key);
		return fail_with_reason(err, RV_E_CONFIG, RV__N_REDIS_TLS_FILES, what);
	}
	return RV_OK;
}

static rv_err open_tls(
    const struct rv__redis_binder_settings *settings, void **ret_shared, struct rv_error *err)
{
	SSL_CTX *context;
	rv_err result;

	pthread_once(&lib_once, load_library);
	if (!lib.loaded)
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_REDIS_NO_TLS, RV__REDIS_TOPIC,
		    "ssl.enabled is set, but OpenSSL cannot be loaded; install libssl3");
	context = lib.SSL_CTX_new(lib.TLS_client_method());
	if (!context)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__REDIS_TOPIC, "no memory for TLS");
	lib.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
	/* The link's buffer grows, and so moves, between two tries to write the same bytes. */
	lib.SSL_CTX_ctrl(context, SSL_CTRL_MODE,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS,
	    NULL);
	result = trust(context, settings, err);
	if (result == RV_OK)
		result = introduce(context, settings, err);
	if (result != RV_OK)
		lib.SSL_CTX_free(context);
	else
		*ret_shared = context;
	return result;
}

static void close_tls(void *shared)
{
	if (shared)
		lib.SSL_CTX_free(shared);
}

/* -- one session -------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
	struct in6_addr ignored;

	return inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1;
}

/* The name goes out (SNI), and the certificate is compared with it; an address is compared, but never sent. */
static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *rules = lib.SSL_get0_param(ssl);

	if (is_address(host))
		return lib.X509_VERIFY_PARAM_set1_ip_asc(rules, host) == 1;
	lib.X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return lib.X509_VERIFY_PARAM_set1_host(rules, host, 0) == 1 &&
	    lib.SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)host) == 1;
}

static void end_tls(void *state)
{
	struct session *session = state;

	if (!session)
		return;
	if (session->ssl) {
		lib.SSL_shutdown(
		    session->ssl); /* says goodbye if the socket takes it; nobody waits for the answer */
		lib.SSL_free(session->ssl);
		lib.ERR_clear_error();
	}
	free(session);
}

static void *begin_tls(void *shared, int fd, const char *host, struct rv_error *err)
{
	struct session *session = calloc(1, sizeof *session);
	BIO *bio = session ? lib.BIO_new(lib.socket) : NULL;

	if (bio) {
		session->fd = fd;
		session->ssl = lib.SSL_new(shared);
		lib.BIO_set_data(bio, session);
		lib.BIO_set_init(bio, 1);
	}
	if (bio && session->ssl) {
		lib.SSL_set_bio(session->ssl, bio, bio); /* takes it */
		lib.SSL_set_connect_state(session->ssl);
		if (expect_host(session->ssl, host))
			return session;
	} else if (bio) {
		lib.BIO_free(bio);
	}
	rv_error_set(err, RV_E_NOMEM, 0, RV__REDIS_TOPIC, "no memory for a TLS session with '%s'", host);
	end_tls(session);
	return NULL;
}

/* What a call that did not do its work means: nothing now, or the end, with why. */
static int judge(struct session *session, int result, bool *wants_write, struct rv_error *err)
{
	int reason = lib.SSL_get_error(session->ssl, result);
	long verified;

	*wants_write = reason == SSL_ERROR_WANT_WRITE;
	if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
		return RV__TRANSPORT_AGAIN;
	verified = lib.SSL_get_verify_result(session->ssl);
	if (verified != X509_V_OK) {
		lib.ERR_clear_error();
		rv_error_set(err, RV_E_DENIED, RV__N_REDIS_TLS_REFUSED, RV__REDIS_TOPIC,
		    "the server's certificate is not accepted: %s; check ssl.ca and the host name, or set "
		    "ssl.verify=false",
		    lib.X509_verify_cert_error_string(verified));
	} else if (reason == SSL_ERROR_ZERO_RETURN || (reason == SSL_ERROR_SYSCALL && session->error == 0)) {
		rv_error_set(err, RV_E_UNAVAILABLE, 0, RV__REDIS_TOPIC, "the server closed the connection");
	} else if (reason == SSL_ERROR_SYSCALL) {
		rv_error_set(err, RV_E_UNAVAILABLE, 0, RV__REDIS_TOPIC, "%s", strerror(session->error));
	} else {
		fail_with_reason(err, RV_E_UNAVAILABLE, RV__N_REDIS_TLS_REFUSED,
		    "TLS with the server failed (see to ssl.enabled, ssl.ca, ssl.certificate and ssl.key)");
	}
	return RV__TRANSPORT_LOST;
}

static int shake_hands(void *state, struct rv_error *err)
{
	struct session *session = state;
	int result;

	lib.ERR_clear_error();
	result = lib.SSL_do_handshake(session->ssl);
	return result == 1 ? 1 : judge(session, result, &session->write_wants_write, err);
}

static int as_int(size_t length)
{
	return length < 1 << 30 ? (int)length : 1 << 30;
}

static ssize_t read_tls(void *state, void *bytes, size_t room, struct rv_error *err)
{
	struct session *session = state;
	int result;

	lib.ERR_clear_error();
	result = lib.SSL_read(session->ssl, bytes, as_int(room));
	return result > 0 ? result : judge(session, result, &session->read_wants_write, err);
}

static ssize_t write_tls(void *state, const void *bytes, size_t length, struct rv_error *err)
{
	struct session *session = state;
	int result;

	lib.ERR_clear_error();
	result = lib.SSL_write(session->ssl, bytes, as_int(length));
	return result > 0 ? result : judge(session, result, &session->write_wants_write, err);
}

static bool wants_write(const void *state)
{
	const struct session *session = state;

	return session->read_wants_write || session->write_wants_write;
}

const struct rv__redis_transport rv__redis_tls = {
    .name = "TLS",
    .open = open_tls,
    .close = close_tls,
    .begin = begin_tls,
    .end = end_tls,
    .handshake = shake_hands,
    .read = read_tls,
    .write = write_tls,
    .wants_write = wants_write,
};
