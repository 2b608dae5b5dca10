/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compressed body of REGISTER_BROKER: a zlib stream of
 *
 *     int32 length, dataVersion as JSON
 *     int32 number of topics, for each: int32 length, "name read write perm SINGLE_TAG [attributes]"
 *     int32 length, filterServerList as JSON
 *
 * Source: apache/rocketmq common/…/protocol/body/RegisterBrokerBody.java, TopicConfig.encode().
 */
#include "broker/namesrv_tables.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/numbers.h"
#include "remoting/json_dialect.h"

enum { INFLATED_MAX = 64 << 20, CHUNK = 65536 };

static rv_err malformed(struct rv_error *err, const char *what)
{
	return rv_error_set(err, RV_E_PROTOCOL, RV__N_BODY_MALFORMED, "broker",
	    "malformed registration of a broker: %s", what);
}

/* Memory grows with what comes out, up to the buffer's limit. */
static rv_err inflate_all(const void *bytes, size_t length, struct rv__buffer *out, struct rv_error *err)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)length};
	int status = Z_OK;

	if (length == 0 || inflateInit(&stream) != Z_OK)
		return malformed(err, "it is empty, or no memory");
	while (status == Z_OK) {
		uint8_t *at = rv__buffer_reserve(out, CHUNK);

		if (!at)
			break;
		stream.next_out = at;
		stream.avail_out = CHUNK;
		status = inflate(&stream, Z_NO_FLUSH);
		out->length += CHUNK - stream.avail_out;
	}
	inflateEnd(&stream);
	return status == Z_STREAM_END ? RV_OK : malformed(err, "it cannot be uncompressed");
}

static json_t *read_topic(const char *text, size_t length, char name[256])
{
	char line[1024], type[32];
	int read_queues, write_queues, perm;

	if (length >= sizeof(line))
		return NULL;
	memcpy(line, text, length);
	line[length] = '\0';
	if (sscanf(line, "%255s %d %d %d %31s", name, &read_queues, &write_queues, &perm, type) != 5)
		return NULL;
	return json_pack(
	    "{s:i, s:i, s:i}", "readQueueNums", read_queues, "writeQueueNums", write_queues, "perm", perm);
}

static rv_err read_topics(struct rv__reader *reader, json_t *table, struct rv_error *err)
{
	uint32_t count = rv__read_u32(reader);
	char name[256];

	while (count-- && !reader->failed) {
		uint32_t length = rv__read_u32(reader);
		const char *text = (const char *)rv__read_bytes(reader, length);
		json_t *topic = text ? read_topic(text, length, name) : NULL;

		if (!topic)
			return malformed(err, "a topic is not 'name read write perm type'");
		json_object_set_new(table, name, topic);
	}
	return reader->failed ? malformed(err, "it ends too early") : RV_OK;
}

json_t *rv__ns_inflate_registration(const void *bytes, size_t length, struct rv_error *err)
{
	struct rv__buffer text = RV__BUFFER_INIT(INFLATED_MAX);
	struct rv__reader reader;
	json_t *table = json_object(), *version = NULL;
	rv_err code = inflate_all(bytes, length, &text, err);

	if (code == RV_OK) {
		uint32_t size;
		const uint8_t *at;

		reader = (struct rv__reader){.bytes = text.bytes, .length = text.length};
		size = rv__read_u32(&reader);
		at = rv__read_bytes(&reader, size);
		version = at ? rv__json_parse(at, size, err) : NULL;
		if (!version)
			code = malformed(err, "no dataVersion");
		else
			code = read_topics(&reader, table, err);
	}
	rv__buffer_finish(&text);
	if (code != RV_OK) {
		json_decref(table);
		json_decref(version);
		return NULL;
	}
	return json_pack("{s:{s:o, s:o}}", "topicConfigSerializeWrapper", "dataVersion", version,
	    "topicConfigTable", table);
}
