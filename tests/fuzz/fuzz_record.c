/* SPDX-License-Identifier: Apache-2.0 */
/* Stored messages, property strings and ids as a stranger may send them. */
#include "tests/fuzz/target.h"

#include "base/hash.h"
#include "remoting/record.h"

#include <stdlib.h>
#include <string.h>

/* A record that was accepted is the one that encoding makes of its parts, save for a wrong checksum of the body. */
static void encode_again(const uint8_t *bytes, const struct rv__record *record)
{
	struct rv__buffer out = {0};

	if (record->topic_length == 0 || record->properties_length > RV__PROPERTIES_MAX ||
	    (record->magic == RV__RECORD_MAGIC_V2) != (record->topic_length > 127))
		return;
	if (rv__record_encode(record, &out, NULL) == RV_OK &&
	    (out.length != record->size ||
	        (rv__record_body_ok(record) && memcmp(out.bytes, bytes, out.length) != 0)))
		abort();
	rv__buffer_finish(&out);
}

static void read_properties(const char *text, size_t length)
{
	static const char *const drop[] = {"WAIT", NULL};
	struct rv__buffer out = {0};
	struct rv__property property;
	size_t n = 0, copied = 0;

	for (size_t at = 0; rv__properties_next(text, length, &at, &property);)
		n++;
	(void)rv__tags_code(text, length);
	(void)rv__hash_java_text(text, length);
	rv__properties_copy(&out, text, length, NULL);
	for (size_t at = 0; rv__properties_next((const char *)out.bytes, out.length, &at, &property);)
		copied++;
	if (rv__buffer_error(&out) == RV_OK && copied != n)
		abort();
	rv__buffer_clear(&out);
	rv__properties_copy(&out, text, length, drop);
	rv__properties_append(&out, "CLUSTER", "c", 1);
	rv__buffer_finish(&out);
}

static void read_ids(const char *text, size_t length)
{
	struct rv__address host;
	int64_t offset;
	char again[RV__OFFSET_ID_MAX + 1];

	if (rv__offset_id_parse(text, length, &host, &offset) &&
	    rv__offset_id_format(&host, offset, again) != length)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct rv__record record;

	if (rv__record_decode(bytes, length, &record, NULL) == RV_OK) {
		encode_again(bytes, &record);
		read_properties(record.properties, record.properties_length);
	}
	if (length) {
		read_properties((const char *)bytes, length);
		read_ids((const char *)bytes, length);
	}
	return 0;
}
