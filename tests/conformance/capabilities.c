/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities in words: why a case is left out, and the page that says what each binder guarantees. */
#include "tests/conformance/suite.h"

#include <stdio.h>
#include <string.h>

/* In the order of the page. A user reads `guarantee`, so it says what holds, not how. */
static const struct word {
	uint32_t cap;
	const char *name;
	const char *guarantee;
} words[] = {
    {RV_CAP_DURABLE, "durable", "What the broker has confirmed survives the end of the broker's process."},
    {RV_CAP_GROUP_RESUME, "group resume",
        "A named group goes on where it was, also after its last member left; what nobody settled comes "
        "again."},
    {RV_CAP_PARTITIONS, "partitions", "A destination has partitions, and the members of a group share them."},
    {RV_CAP_SHARED_PARTITIONS, "shared partitions",
        "The members of a group share one partition message by message, so there may be more members than "
        "partitions."},
    {RV_CAP_KEY_ORDER, "order",
        "First attempts within one partition arrive in the order of sending, at any concurrency, while one "
        "member "
        "owns it."},
    {RV_CAP_HEADERS, "headers", "Headers travel beside the payload, as text."},
    {RV_CAP_BINARY_HEADERS, "typed headers", "A header may hold any bytes, and its type travels with it."},
    {RV_CAP_TOMBSTONE, "tombstones",
        "A message without a payload arrives as one, apart from an empty payload."},
    {RV_CAP_REQUEUE, "redelivery", "After the last attempt in place the broker can deliver again."},
    {RV_CAP_REQUEUE_DELAY, "delayed redelivery", "… after a delay, in which the message occupies nobody."},
    {RV_CAP_DELIVERY_COUNT, "delivery count",
        "The broker counts deliveries, so that max-deliveries holds across restarts."},
    {RV_CAP_COUNT_UNSETTLED, "count of lost deliveries",
        "… those included whose service ended without a word: a message that kills its service ends among "
        "the "
        "dead letters."},
    {RV_CAP_DEAD_LETTER, "dead letters",
        "A named group can have a dead-letter destination; a message leaves its partition only once its dead "
        "letter "
        "is stored."},
    {RV_CAP_BINARY_LETTERS, "binary numbers in dead letters",
        "Partition, offset and time of a dead letter's original are big-endian bytes, as that broker's Java "
        "tools "
        "write them; elsewhere decimal text."},
    {RV_CAP_DELAYED_SEND, "delayed sending", "A message may be sent now to arrive later."},
    {RV_CAP_TRANSACTIONS, "transactions",
        "What a listener sends and what it settles can become visible together."},
    {RV_CAP_LEASE, "leases",
        "A delivery is lent for a time, extended while the listener runs; another member takes over from a "
        "service "
        "that hangs."},
    {RV_CAP_LAG, "lag", "How far a group is behind can be read."},
};

enum { WORDS = sizeof words / sizeof *words };

/* What a yes or a dash leaves open, for the binders of this tree. */
static const struct note {
	const char *type;
	const char *text;
} notes[] = {
    {"memory",
        "Everything lives in one process and ends with it; it is for tests, and for channels inside a "
        "service."},
    {"rocketmq",
        "Deliveries are counted when a message is sent back, not when its service ends without a word. Dead "
        "letters "
        "go to `%DLQ%<group>` by the broker's own move, so they carry RocketMQ's properties in place of "
        "`x-original-*` and `x-exception-*`."},
    {"kafka",
        "Kafka delivers again only from a position on, so attempts are made in place and then comes the dead "
        "letter "
        "(`enable-dlq`) or the drop. It counts no deliveries; `attempts-directory` keeps a journal that "
        "does, and "
        "with it `max-deliveries` holds across restarts on one machine. There are transactions with "
        "`transaction.transaction-id-prefix`: what a listener sends to Kafka and what it settles become "
        "visible "
        "together, to readers of `isolation.level=read_committed`."},
    {"redis",
        "Durable is what the server keeps: with `appendfsync always` what was confirmed, with less of it "
        "less, and a "
        "failover may lose what no replica had (`wait-replicas` bounds it). Members share a stream message "
        "by "
        "message, so nothing is promised of the order unless the consumer sets `orderly=true`: then each "
        "stream has one owner by a lease, and order holds. Dead letters need `enable-dlq`."},
};

enum { NOTES = sizeof notes / sizeof *notes };

uint32_t kit_cap(const char *name)
{
	for (size_t i = 0; i < WORDS; i++)
		if (strcmp(words[i].name, name) == 0)
			return words[i].cap;
	return 0;
}

const char *kit_first_name(uint32_t caps)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].cap & caps)
			return words[i].name;
	return "a capability without a name";
}

/* A case's name is a sentence. */
static void print_sentence(const char *name)
{
	for (; *name; name++)
		putchar(*name == '_' ? ' ' : *name);
}

static void print_head(const struct rv_binder_ops *const *binders, size_t count)
{
	printf("# What each binder guarantees\n\n"
	       "Generated by `./dev docs` from `rivulet-conformance --capabilities`. Every row is a "
	       "capability that a "
	       "binder claims\n"
	       "(`enum rv_cap` in `<rivulet/binder.h>`), and every claim is judged: the conformance suite "
	       "runs the cases "
	       "below against\n"
	       "the real broker and leaves out only those whose capability is not claimed. A configuration "
	       "that asks for "
	       "what a\n"
	       "binder cannot do fails when it binds, with a sentence that says so.\n\n| |");
	for (size_t i = 0; i < count; i++)
		printf(" %s |", binders[i]->label);
	printf("\n|---|");
	for (size_t i = 0; i < count; i++)
		printf(":-:|");
	printf("\n");
}

static void print_row(const struct word *word, const struct rv_binder_ops *const *binders, size_t count)
{
	printf("| **%s** %s |", word->name, word->guarantee);
	for (size_t i = 0; i < count; i++)
		printf(" %s |", binders[i]->caps & word->cap ? "yes" : "–");
	printf("\n");
}

/* The capability with which a case stands: the first of its needs in the order of the page; 0: it needs none. */
static uint32_t place_of(const struct kit_case *at)
{
	for (size_t i = 0; i < WORDS; i++)
		if (words[i].cap & at->needs)
			return words[i].cap;
	return 0;
}

static void print_cases(uint32_t cap)
{
	for (size_t i = 0; i < kit_case_count; i++) {
		if (place_of(&kit_cases[i]) != cap)
			continue;
		printf("- ");
		print_sentence(kit_cases[i].name);
		printf("\n");
	}
}

static bool has_cases(uint32_t cap)
{
	for (size_t i = 0; i < kit_case_count; i++)
		if (place_of(&kit_cases[i]) == cap)
			return true;
	return false;
}

static void print_notes(const struct rv_binder_ops *const *binders, size_t count)
{
	printf("\n");
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < NOTES; k++)
			if (strcmp(binders[i]->type, notes[k].type) == 0)
				printf("- %s: %s\n", binders[i]->label, notes[k].text);
}

void kit_print_capabilities(const struct rv_binder_ops *const *binders, size_t count)
{
	print_head(binders, count);
	for (size_t i = 0; i < WORDS; i++)
		print_row(&words[i], binders, count);
	print_notes(binders, count);
	printf("\n## What holds on every binder\n\n");
	print_cases(0);
	printf("\n## What holds where it is claimed\n\n"
	       "A case that needs several capabilities stands with the first of them. That what is confirmed "
	       "survives a broker that\nis killed is judged by `tests/crash`.\n");
	for (size_t i = 0; i < WORDS; i++) {
		if (!has_cases(words[i].cap))
			continue;
		printf("\n**%s**\n\n", words[i].name);
		print_cases(words[i].cap);
	}
}
