/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partition a message goes to, chosen once for all binders as Spring Cloud Stream does:
 *
 *     key        = partition-key-expression of the message; none: the send is refused
 *     spot       = partition-selector-expression of the key, else its hash (Java's hashCode() unless told otherwise)
 *     partition  = |spot| % count
 *
 * so that a C and a Java producer put one key into one partition. The header scst_partitionOverride names the
 * partition itself. The choice travels in the header scst_partition.
 *
 * Sources: spring-cloud/spring-cloud-stream core/spring-cloud-stream/src/main/java/org/springframework/cloud/stream/
 * binder/PartitionHandler.java, and binding/MessageConverterConfigurer.java (PartitioningInterceptor) for the override.
 *
 * Threads: a partitioner is constant; any.
 */
#ifndef BINDINGS_PARTITION_H
#define BINDINGS_PARTITION_H

#include <rivulet/message.h>

/* How a key becomes a number; the words of rivulet.bindings.<name>.producer.partition-hash, in this order. */
enum rv__partition_hash {
	RV__HASH_JAVA,    /* hashCode() */
	RV__HASH_MURMUR2, /* of the key's text: as Kafka's own producers place a key */
	RV__HASH_CRC32,   /* librdkafka's "consistent" */
	RV__HASH_FNV1A    /* librdkafka's and Sarama's "fnv1a" */
};

extern const char *const rv__partition_hashes[];

struct rv__partitioner;

/**
 * Compiles both expressions; `selector` may be NULL.
 *
 * @param ret_selector  set when the mistake is in the selector; may be NULL
 * @return RV_OK with *ret, owned; RV_E_CONFIG with the place; RV_E_NOMEM
 */
rv_err rv__partitioner_create(const char *key, const char *selector, enum rv__partition_hash hash,
    struct rv__partitioner **ret, bool *ret_selector, struct rv_error *err) RV_MUST_CHECK;
void rv__partitioner_destroy(struct rv__partitioner *partitioner);

/* What is known of the partition of a message before the number of partitions is. */
struct rv__spot {
	uint32_t value;
	bool exact; /* the partition itself, by scst_partitionOverride */
};

/**
 * @param channel  for sentences
 * @return RV_OK; RV_E_INVALID: no key, or a selector or override that is no number; RV_E_NOMEM
 */
rv_err rv__partitioner_choose(const struct rv__partitioner *partitioner, const rv_message *message,
    const char *channel, struct rv__spot *ret, struct rv_error *err) RV_MUST_CHECK;

/** The partition among `count` >= 1; -1: an exact one that does not exist. */
int32_t rv__spot_partition(struct rv__spot spot, int32_t count);

/** The decimal text of a partition, which lives for ever; NULL: no memory. */
const char *rv__partition_text(int32_t partition);

#endif
