/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/compress.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/numbers.h"
#include "remoting/record.h"

enum { LEVEL = 5, STEP = 64 << 10 };

void *rv__rmq_pack(const void *bytes, size_t length, size_t *ret_length)
{
	uLongf packed_length = compressBound((uLong)length);
	void *packed = malloc(packed_length);

	if (!packed)
		return NULL;
	if (compress2(packed, &packed_length, bytes, (uLong)length, LEVEL) != Z_OK ||
	    packed_length >= length) {
		free(packed);
		return NULL;
	}
	*ret_length = packed_length;
	return packed;
}

/* A growing output; every format below fills it step by step, since none says its size reliably. */
struct output {
	uint8_t *bytes;
	size_t length;
	size_t capacity;
};

static rv_err make_room(struct output *out, struct rv_error *err)
{
	size_t capacity = out->capacity ? out->capacity * 2 : STEP;
	uint8_t *grown;

	if (out->length < out->capacity)
		return RV_OK;
	if (capacity > RV__RMQ_UNPACKED_MAX)
		return rv_error_set(err, RV_E_TOOBIG, RV__N_RMQ_TOO_BIG, "rocketmq",
		    "a packed message unpacks to more than 64 MiB");
	grown = realloc(out->bytes, capacity);
	if (!grown)
		return rv_error_set(err, RV_E_NOMEM, 0, "rocketmq", "no memory to unpack a message");
	out->bytes = grown;
	out->capacity = capacity;
	return RV_OK;
}

static rv_err malformed(struct rv_error *err, const char *format)
{
	return rv_error_set(err, RV_E_INVALID, RV__N_RMQ_UNPACK, "rocketmq",
	    "a message is marked as packed with %s and cannot be unpacked", format);
}

static rv_err unpack_zlib(const void *bytes, size_t length, struct output *out, struct rv_error *err)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)length};
	int result = Z_OK;
	rv_err failed = RV_OK;

	if (inflateInit(&stream) != Z_OK)
		return rv_error_set(err, RV_E_NOMEM, 0, "rocketmq", "no memory to unpack a message");
	while (failed == RV_OK && result == Z_OK) {
		failed = make_room(out, err);
		if (failed != RV_OK)
			break;
		stream.next_out = out->bytes + out->length;
		stream.avail_out = (uInt)(out->capacity - out->length);
		result = inflate(&stream, Z_NO_FLUSH);
		out->length = out->capacity - stream.avail_out;
	}
	inflateEnd(&stream);
	if (failed == RV_OK && result != Z_STREAM_END)
		failed = malformed(err, "zlib");
	return failed;
}

/* The frame interfaces of lz4 and zstd, loaded on first use. */
struct zstd_buffer {
	const void *bytes;
	size_t size, at;
};
static struct {
	size_t (*lz4_create)(void **context, unsigned version);
	size_t (*lz4_decompress)(
	    void *context, void *out, size_t *out_size, const void *in, size_t *in_size, const void *options);
	size_t (*lz4_free)(void *context);
	unsigned (*lz4_is_error)(size_t code);
	void *(*zstd_create)(void);
	size_t (*zstd_decompress)(void *context, struct zstd_buffer *out, struct zstd_buffer *in);
	size_t (*zstd_free)(void *context);
	unsigned (*zstd_is_error)(size_t code);
	bool lz4, zstd;
} other;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find(void *library, const char *name, void *ret_function)
{
	void *found = library ? dlsym(library, name) : NULL;

	memcpy(ret_function, &found, sizeof found);
	return found != NULL;
}

static void load(void)
{
	void *lz4 = dlopen("liblz4.so.1", RTLD_NOW | RTLD_LOCAL);
	void *zstd = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);

	other.lz4 = find(lz4, "LZ4F_createDecompressionContext", &other.lz4_create) &&
	    find(lz4, "LZ4F_decompress", &other.lz4_decompress) &&
	    find(lz4, "LZ4F_freeDecompressionContext", &other.lz4_free) &&
	    find(lz4, "LZ4F_isError", &other.lz4_is_error);
	other.zstd = find(zstd, "ZSTD_createDStream", &other.zstd_create) &&
	    find(zstd, "ZSTD_decompressStream", &other.zstd_decompress) &&
	    find(zstd, "ZSTD_freeDStream", &other.zstd_free) &&
	    find(zstd, "ZSTD_isError", &other.zstd_is_error);
}

static rv_err unpack_lz4(const void *bytes, size_t length, struct output *out, struct rv_error *err)
{
	enum { LZ4F_VERSION_NUMBER = 100 };
	void *context = NULL;
	size_t at = 0, hint = 1;
	rv_err failed = RV_OK;

	if (other.lz4_is_error(other.lz4_create(&context, LZ4F_VERSION_NUMBER)))
		return rv_error_set(err, RV_E_NOMEM, 0, "rocketmq", "no memory to unpack a message");
	while (failed == RV_OK && hint != 0) {
		size_t taken = length - at, made;

		failed = make_room(out, err);
		if (failed != RV_OK)
			break;
		made = out->capacity - out->length;
		hint = other.lz4_decompress(
		    context, out->bytes + out->length, &made, (const uint8_t *)bytes + at, &taken, NULL);
		if (other.lz4_is_error(hint) || (made == 0 && taken == 0))
			failed = malformed(err, "LZ4");
		out->length += made;
		at += taken;
	}
	other.lz4_free(context);
	return failed;
}

static rv_err unpack_zstd(const void *bytes, size_t length, struct output *out, struct rv_error *err)
{
	void *context = other.zstd_create();
	struct zstd_buffer in = {bytes, length, 0};
	size_t hint = 1;
	rv_err failed = RV_OK;

	if (!context)
		return rv_error_set(err, RV_E_NOMEM, 0, "rocketmq", "no memory to unpack a message");
	while (failed == RV_OK && hint != 0) {
		struct zstd_buffer space;
		size_t before = in.at;

		failed = make_room(out, err);
		if (failed != RV_OK)
			break;
		space = (struct zstd_buffer){out->bytes, out->capacity, out->length};
		hint = other.zstd_decompress(context, &space, &in);
		if (other.zstd_is_error(hint) || (space.at == out->length && in.at == before))
			failed = malformed(err, "Zstandard");
		out->length = space.at;
	}
	other.zstd_free(context);
	return failed;
}

static rv_err missing(struct rv_error *err, const char *format, const char *package)
{
	return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_RMQ_UNPACK, "rocketmq",
	    "a message is packed with %s, and its library is not installed; install %s", format, package);
}

rv_err rv__rmq_unpack(const void *bytes, size_t length, int32_t sys_flag, void **ret_bytes,
    size_t *ret_length, struct rv_error *err)
{
	struct output out = {0};
	int32_t format = sys_flag & RV__SYS_COMPRESSION_MASK;
	rv_err failed;

	pthread_once(&once, load);
	if (format == RV__SYS_COMPRESSION_LZ4 || format == RV__SYS_COMPRESSION_ZSTD)
		pthread_once(&once, load);
	if (format == RV__SYS_COMPRESSION_LZ4)
		failed = other.lz4 ? unpack_lz4(bytes, length, &out, err) : missing(err, "LZ4", "liblz4-1");
	else if (format == RV__SYS_COMPRESSION_ZSTD)
		failed = other.zstd ? unpack_zstd(bytes, length, &out, err)
		                    : missing(err, "Zstandard", "libzstd1");
	else
		failed = unpack_zlib(bytes, length, &out, err);
	if (failed != RV_OK) {
		free(out.bytes);
		return failed;
	}
	*ret_bytes = out.bytes;
	*ret_length = out.length;
	return RV_OK;
}
