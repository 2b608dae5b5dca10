/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/pairs.h"

#include "bench/flow.h"
#include "bench/measure.h"

enum { PAIRS_MAX = 101, WORDS = 16 };

/* What one run took, and the processor time of this process meanwhile. */
struct run {
	int64_t ns, used_ns;
};

/* One run of `count` messages. A receive finds them in `filled`. */
typedef bool (*run_fn)(const char *filled, long count, int64_t *ret_ns);

static const struct pairs_client *client;

bool pairs_failed(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	return false;
}

/* A name that no run had before. */
static void fresh_name(char *name, size_t size, const char *what)
{
	static int runs;

	snprintf(name, size, "bench-%s-%ld-%d", what, (long)(now_ns() / 1000000), runs++);
}

/* -- runs --------------------------------------------------------------------------- */

/* An application with the client's words and a binding for each thing that the flow does. */
static bool run_ours(struct flow *flow, const char *destination, const char *group)
{
	char words[WORDS][256];
	char *argv[WORDS];
	int n = 0;

#define WORD(...) snprintf(words[n++], sizeof words[0], __VA_ARGS__)
	WORD("bench");
	WORD("--spring.config.location=");
	WORD("--logging.level.root=warn");
	for (const char *const *word = client->words; *word && n < WORDS - 4; word++)
		WORD("%s", *word);
	if (flow->sends)
		WORD("--spring.cloud.stream.bindings.output.destination=%s", destination);
	if (flow->sends && client->word_of_a_sender)
		WORD("%s", client->word_of_a_sender);
	if (flow->receives) {
		WORD("--spring.cloud.stream.bindings.input.destination=%s", destination);
		WORD("--spring.cloud.stream.bindings.input.group=%s", group);
	}
#undef WORD
	for (int i = 0; i < n; i++)
		argv[i] = words[i];
	return flow_run(flow, n, argv);
}

static bool raw_send(const char *filled, long count, int64_t *ret_ns)
{
	char destination[64];
	bool ok;

	(void)filled;
	fresh_name(destination, sizeof destination, "raw");
	ok = client->send(destination, count, ret_ns);
	client->remove(destination);
	return ok;
}

static bool our_send(const char *filled, long count, int64_t *ret_ns)
{
	struct flow flow = {.sends = true, .count = count};
	char destination[64];
	bool ok;

	(void)filled;
	fresh_name(destination, sizeof destination, "ours");
	ok = run_ours(&flow, destination, NULL);
	*ret_ns = flow.sent_ns;
	client->remove(destination);
	return ok;
}

static bool raw_receive(const char *filled, long count, int64_t *ret_ns)
{
	char group[64];

	fresh_name(group, sizeof group, "raw");
	return client->receive(filled, group, count, ret_ns);
}

static bool our_receive(const char *filled, long count, int64_t *ret_ns)
{
	struct flow flow = {.receives = true, .count = count};
	char group[64];
	bool ok;

	fresh_name(group, sizeof group, "ours");
	ok = run_ours(&flow, filled, group);
	*ret_ns = flow.received_ns;
	return ok;
}

/* -- figures ------------------------------------------------------------------------ */

static int compare_ratio(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, long n)
{
	qsort(values, (size_t)n, sizeof *values, compare_ratio);
	return values[n / 2];
}

static bool measure(run_fn run, const char *filled, long count, struct run *ret)
{
	ret->used_ns = used_ns();
	if (!run(filled, count, &ret->ns))
		return false;
	ret->used_ns = used_ns() - ret->used_ns;
	return true;
}

static bool print_one(run_fn run, const char *filled, long count)
{
	struct run took;

	if (!measure(run, filled, count, &took))
		return false;
	printf("%.0f k/s, processor time a message %.0f ns\n", (double)count * 1e6 / (double)took.ns,
	    (double)took.used_ns / (double)count);
	return true;
}

/* Runs both alternately, and prints rates and ratio. `n` odd. */
static bool print_pairs(const char *what, long n, run_fn raw, run_fn ours, const char *filled, long count)
{
	double ratios[PAIRS_MAX], rates[2][PAIRS_MAX], used[2][PAIRS_MAX];

	for (long i = 0; i < n; i++) {
		struct run runs[2]; /* raw, ours */
		int first = (int)(i % 2);

		if (!measure(first ? ours : raw, filled, count, &runs[first]) ||
		    !measure(first ? raw : ours, filled, count, &runs[!first]))
			return false;
		for (int k = 0; k < 2; k++) {
			rates[k][i] = (double)count * 1e6 / (double)runs[k].ns;
			used[k][i] = (double)runs[k].used_ns / (double)count;
		}
		ratios[i] = rates[1][i] / rates[0][i];
		if (getenv("RV_BENCH_EACH"))
			printf(
			    "    raw %.0f k/s, ours %.0f k/s: %.3f\n", rates[0][i], rates[1][i], ratios[i]);
		fflush(stdout);
	}
	printf("  %s: raw %.0f k/s, ours %.0f k/s (medians of %ld runs of %ld); ", what, median(rates[0], n),
	    median(rates[1], n), n, count);
	printf("ratio %.3f", median(ratios, n));
	printf(" (%.3f to %.3f); processor time a message %.0f ns, %.0f ns\n", ratios[0], ratios[n - 1],
	    median(used[0], n), median(used[1], n));
	fflush(stdout);
	return true;
}

/* -- program ------------------------------------------------------------------------ */

static bool fill(char filled[64], long count)
{
	struct flow flow = {.sends = true, .count = count};

	fresh_name(filled, 64, "receive");
	return run_ours(&flow, filled, NULL);
}

/* For profiles, which are to show the receiving alone. */
static bool fill_and_keep(long count)
{
	char filled[64];
	bool ok = fill(filled, count);

	printf("%s\n", filled);
	return ok;
}

/* Receives, by one of both or in pairs, what was sent before. */
static bool receive(run_fn one, long count, long pairs)
{
	char filled[64];
	bool ok = fill(filled, count);

	if (ok)
		ok = one ? print_one(one, filled, count)
		         : print_pairs(client->receiving, pairs, raw_receive, our_receive, filled, count);
	client->remove(filled);
	return ok;
}

int pairs_main(const struct pairs_client *the_client, int argc, char **argv)
{
	const char *what = argc > 3 ? argv[2] : "";
	long count = argc > 3 ? number(argv[3], 1, 100000000) : 0;
	bool one = !strncmp(what, "receive-", 8);
	long pairs = argc > 4 && !one ? number(argv[4], 1, PAIRS_MAX) : 0;
	run_fn receives = !strcmp(what, "receive-raw") ? raw_receive : our_receive;
	bool ok = false;

	client = the_client;
	if (!strcmp(what, "send") && pairs)
		ok = print_pairs("send", pairs, raw_send, our_send, NULL, count);
	else if (!strcmp(what, "receive") && pairs)
		ok = receive(NULL, count, pairs);
	else if (!strcmp(what, "send-raw") || !strcmp(what, "send-ours"))
		ok = print_one(what[5] == 'r' ? raw_send : our_send, NULL, count);
	else if (!strcmp(what, "receive-raw") || !strcmp(what, "receive-ours"))
		ok = argc > 4 ? print_one(receives, argv[4], count) : receive(receives, count, 0);
	else if (!strcmp(what, "fill"))
		ok = fill_and_keep(count);
	else
		fprintf(stderr,
		    "usage: %s %s send|receive COUNT PAIRS | send-raw|send-ours|fill COUNT | "
		    "receive-raw|receive-ours COUNT [FILLED]\n",
		    client->program, client->where);
	return ok ? 0 : 1;
}
