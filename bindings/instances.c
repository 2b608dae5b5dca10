/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/instances.h"

#include "base/decimal.h"
#include "base/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Of the service's list the key is that of the service. */
static void refuse_number(rv_app *app, const struct rv__binding *binding, bool own, const char *text)
{
	static const char key[] = RV__STREAM_PREFIX ".instance-index-list";
	char what[200];

	snprintf(what, sizeof what,
	    "'%.40s' is no number of an instance, which are 0 to %lld; correct it, or raise instance-count",
	    text, (long long)binding->consumer.instance_count - 1);
	if (own)
		rv__binding_complain(
		    app, binding, "consumer.instance-index-list", true, RV__N_INSTANCE, "%s", what);
	else
		rv__problems_add(&app->problems, true, RV__N_INSTANCE, key, "%s: %s: %s",
		    rv__config_origin(app->config, key), key, what);
}

static void read_list(rv_app *app, struct rv__binding *binding, const struct rv_strings *list, bool own)
{
	int64_t count = binding->consumer.instance_count, number;

	binding->instances = calloc(list->count, sizeof *binding->instances);
	if (!binding->instances) {
		rv__problems_add(&app->problems, true, RV__N_MESSAGE_NOMEM, "",
		    "no memory for the instances of '%s'", binding->channel);
		return;
	}
	for (size_t i = 0; i < list->count; i++) {
		const char *text = list->items[i];

		if (rv__decimal_within(text, strlen(text), 0, count - 1, &number))
			binding->instances[i] = (int32_t)number;
		else
			refuse_number(app, binding, own, text);
	}
	binding->instances_count = tidy(binding->instances, list->count);
	binding->consumer.instance_index = binding->instances[0];
}

static void settle_list(rv_app *app, struct rv__binding *binding)
{
	const struct rv_strings *list = &binding->consumer.instance_index_list;
	bool own = list->count > 0;

	if (!own)
		list = &app->stream.instance_index_list;
	if (list->count > 0 && binding->consumer.partitioned)
		read_list(app, binding, list, own);
	else if (own)
		rv__binding_complain(app, binding, "consumer.instance-index-list", false, RV__N_INSTANCE,
		    "it has no effect without partitioned=true, as in Java; set that, or leave it out");
}

void rv__instances_settle(rv_app *app, struct rv__binding *binding)
{
	struct rv__consumer_settings *consumer = &binding->consumer;

	if (consumer->instance_count < 0)
		consumer->instance_count = app->stream.instance_count;
	if (consumer->instance_index < 0)
		consumer->instance_index = app->stream.instance_index;
	settle_list(app, binding);
	if (consumer->partitioned && consumer->instance_index >= consumer->instance_count)
		rv__binding_complain(app, binding, "consumer.instance-index", true, RV__N_INSTANCE,
		    "instance %lld of %lld would get no partition, since instances are counted from 0; lower "
		    "it, "
		    "or raise instance-count",
		    (long long)consumer->instance_index, (long long)consumer->instance_count);
}
