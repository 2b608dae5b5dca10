/* SPDX-License-Identifier: Apache-2.0 */
/* spring.cloud.stream.memory.binder.* and .bindings.<name>.consumer.* */
#include "binder/memory/memory.h"

#define AT(type, member) .offset = offsetof(struct type, member)

const struct rv_prop_desc rv__memory_binder_rows[] = {
    {.name = "broker",
        .def = "default",
        .doc = "Name of the broker inside this process; all that use one name meet there.",
        AT(rv__memory_binder_settings, broker)},
    {.name = "partitions",
        .type = RV_PROP_INT,
        .def = "1",
        .min = 1,
        .max = RV__MEMORY_SLOTS,
        .doc = "Partitions of a destination, at least.",
        AT(rv__memory_binder_settings, partitions)},
    {.name = "max-messages",
        .type = RV_PROP_INT,
        .def = "10000",
        .min = 1,
        .max = 100000000,
        .doc = "Messages that a partition keeps; beyond it the oldest goes, once every group has settled it, "
               "and "
               "until then senders wait.",
        AT(rv__memory_binder_settings, max_messages)},
    {.name = "max-bytes",
        .type = RV_PROP_SIZE,
        .def = "64MB",
        .min = 1024,
        .max = 17179869184.0,
        .unit = "bytes",
        .doc = "Payload bytes that a partition keeps; as max-messages.",
        AT(rv__memory_binder_settings, max_bytes)},
    {.name = NULL}};

const struct rv_prop_desc rv__memory_consumer_rows[] = {
    {.name = "redeliver",
        .type = RV_PROP_BOOL,
        .def = "false",
        .doc =
            "Whether the broker delivers again after the last in-place attempt, before it is a dead letter.",
        AT(rv__memory_consumer_settings, redeliver)},
    {.name = "redelivery-delay",
        .type = RV_PROP_DURATION,
        .def = "1000",
        .max = 86400000,
        .unit = "ms",
        .doc = "Wait before a redelivery.",
        AT(rv__memory_consumer_settings, redelivery_delay_ms)},
    {.name = "max-redeliveries",
        .type = RV_PROP_INT,
        .def = "16",
        .max = 65000,
        .doc = "Redeliveries after which a message is a dead letter.",
        AT(rv__memory_consumer_settings, max_redeliveries)},
    {.name = "dead-letter",
        .type = RV_PROP_BOOL,
        .def = "true",
        .doc = "Whether a named group has a dead-letter destination.",
        AT(rv__memory_consumer_settings, dead_letter)},
    {.name = "dead-letter-destination",
        .doc = "Name of the dead-letter destination. Absent: <destination>.<group>.dlq.",
        AT(rv__memory_consumer_settings, dead_letter_destination)},
    {.name = NULL}};
