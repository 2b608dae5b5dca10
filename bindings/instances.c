/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/instances.h"

#include "base/decimal.h"
#include "base/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 256 };

static void complain(rv_app *app, const char *key, bool fatal, const char *what)
{
	rv__problems_add(&app->problems, fatal, RV__N_INSTANCE, key, "%s: %s: %s",
	    rv__config_origin(app->config, key), key, what);
}

static int by_number(const void *left, const void *right)
{
	int32_t x = *(const int32_t *)left, y = *(const int32_t *)right;

	return x < y ? -1 : x > y;
}

/* Ascending, each once. */
static size_t tidy(int32_t *numbers, size_t count)
{
	size_t kept = 0;

	qsort(numbers, count, sizeof *numbers, by_number);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || numbers[kept - 1] != numbers[i])
			numbers[kept++] = numbers[i];
	return kept;
}

static void read_list(
    rv_app *app, struct rv__binding *binding, const struct rv_strings *list, const char *key)
{
	int64_t count = binding->consumer.instance_count, number;
	char what[200];

	binding->instances = calloc(list->count, sizeof *binding->instances);
	if (!binding->instances) {
		complain(app, key, true, "there is no memory for the list");
		return;
	}
	for (size_t i = 0; i < list->count; i++) {
		const char *text = list->items[i];

		if (rv__decimal_within(text, strlen(text), 0, count - 1, &number)) {
			binding->instances[i] = (int32_t)number;
			continue;
		}
		snprintf(what, sizeof what,
		    "'%.40s' is no number of an instance, which are 0 to %lld; correct it, or raise "
		    "instance-count",
		    text, (long long)count - 1);
		complain(app, key, true, what);
	}
	binding->instances_count = tidy(binding->instances, list->count);
	binding->consumer.instance_index = binding->instances[0];
}

static void settle_list(rv_app *app, struct rv__binding *binding)
{
	const struct rv_strings *own = &binding->consumer.instance_index_list;
	const struct rv_strings *list = own->count > 0 ? own : &app->stream.instance_index_list;
	char key[KEY_SIZE] = RV__STREAM_PREFIX ".instance-index-list";

	if (own->count > 0)
		snprintf(key, sizeof key, RV__STREAM_PREFIX ".bindings.%s.consumer.instance-index-list",
		    binding->channel);
	if (list->count > 0 && binding->consumer.partitioned)
		read_list(app, binding, list, key);
	else if (own->count > 0)
		complain(app, key, false,
		    "it has no effect without partitioned=true, as in Java; set that, or leave it out");
}

void rv__instances_settle(rv_app *app, struct rv__binding *binding)
{
	struct rv__consumer_settings *consumer = &binding->consumer;
	char key[KEY_SIZE], what[200];

	if (consumer->instance_count < 0)
		consumer->instance_count = app->stream.instance_count;
	if (consumer->instance_index < 0)
		consumer->instance_index = app->stream.instance_index;
	settle_list(app, binding);
	if (!consumer->partitioned || consumer->instance_index < consumer->instance_count)
		return;
	snprintf(key, sizeof key, RV__STREAM_PREFIX ".bindings.%s.consumer.instance-index", binding->channel);
	snprintf(what, sizeof what,
	    "instance %lld of %lld would get no partition, since instances are counted from 0; lower it, or "
	    "raise "
	    "instance-count",
	    (long long)consumer->instance_index, (long long)consumer->instance_count);
	complain(app, key, true, what);
}
