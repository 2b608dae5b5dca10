/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/acl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/numbers.h"

/* libcrypto is loaded only by those whose properties name an account: it costs two megabytes. */
typedef unsigned char *(*hmac_fn)(const void *evp, const void *key, int key_length, const unsigned char *data,
    size_t length, unsigned char *digest, unsigned int *digest_length);
typedef const void *(*digest_fn)(void);

static hmac_fn hmac;
static digest_fn sha1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
	static const char *const names[] = {"libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so"};
	void *library = NULL;

	for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return;
	*(void **)&hmac = dlsym(library, "HMAC");
	*(void **)&sha1 = dlsym(library, "EVP_sha1");
}

rv_err rv__rmq_acl_load(struct rv_error *err)
{
	pthread_once(&once, load);
	if (hmac && sha1)
		return RV_OK;
	return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_RMQ_NO_CRYPTO, "rocketmq",
	    "access-key is set, but libcrypto, which signs the requests, cannot be loaded; install libssl3");
}

static int by_name(const void *one, const void *other)
{
	const struct rv__field *a = one, *b = other;
	size_t common = a->name.length < b->name.length ? a->name.length : b->name.length;
	int order = memcmp(a->name.bytes, b->name.bytes, common);

	return order ? order : (a->name.length > b->name.length) - (a->name.length < b->name.length);
}

bool rv__rmq_acl_sign(const char *secret, struct rv__field *fields, size_t count, const void *body,
    size_t body_length, char ret_signature[RV__RMQ_SIGNATURE_MAX])
{
	struct rv__buffer content = RV__BUFFER_INIT(RV__FRAME_MAX * 2);
	unsigned char digest[64];
	unsigned int digest_length = 0;
	bool signed_it;

	if (!hmac || !sha1)
		return false;
	qsort(fields, count, sizeof *fields, by_name);
	for (size_t i = 0; i < count; i++)
		rv__buffer_add(&content, fields[i].value.bytes, fields[i].value.length);
	rv__buffer_add(&content, body, body_length);
	signed_it = rv__buffer_error(&content) == RV_OK &&
	    hmac(sha1(), secret, (int)strlen(secret), content.bytes ? content.bytes : (const uint8_t *)"",
	        content.length, digest, &digest_length) != NULL &&
	    digest_length == 20;
	rv__buffer_finish(&content);
	if (signed_it)
		*rv__base64_put(ret_signature, digest, digest_length) = '\0';
	return signed_it;
}
