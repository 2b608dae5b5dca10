/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alternating pairs of a raw loop and of ours, with their ratio: the program around a raw client.
 *
 *     PROGRAM WHERE send|receive COUNT PAIRS
 *     PROGRAM WHERE send-ours|send-raw|receive-ours|receive-raw COUNT      one run, for a profile
 *     PROGRAM WHERE fill COUNT                                             fills a destination and prints its name
 *     PROGRAM WHERE receive-ours|receive-raw COUNT FILLED                  one run that finds it filled, and sends nothing
 *
 * Machines drift, so that each ratio is of two runs next to each other, the order of which changes from pair to pair;
 * the figure is the median of the ratios. Every run has a destination and a group that no run had before.
 */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

/* A raw client, and what ours needs to do the same. The functions give false with a reason on stderr. */
struct pairs_client {
	const char *program;          /* its name, for the usage */
	const char *where;            /* its first argument, for the usage */
	const char *receiving;        /* what a receive is, in words */
	const char *const *words;     /* of our application beside its bindings, ends with NULL */
	const char *word_of_a_sender; /* one more when it sends; may be NULL */
	bool (*send)(const char *destination, long count, int64_t *ret_ns);
	bool (*receive)(const char *destination, const char *group, long count, int64_t *ret_ns);
	void (*remove)(const char *destination); /* gives the broker its room back */
};

/* Says why, and is false. */
bool pairs_failed(const char *what, const char *why);

/* What main() answers. argv[1] is the client's own. */
int pairs_main(const struct pairs_client *client, int argc, char **argv);

#endif
