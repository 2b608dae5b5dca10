/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binder outside the library, as test_registry loads it: complete by the contract, to a broker that takes
 * nothing.
 */
#include <rivulet/binder.h>

static rv_err open_sample(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	(void)env;
	(void)settings;
	*ret_binder = err;
	return RV_OK;
}

static void ignore(void *binder)
{
	(void)binder;
}

static rv_err bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err)
{
	(void)spec;
	(void)err;
	info->waiting = true;
	*ret_producer = binder;
	return RV_OK;
}

static size_t send_nothing(void *producer, const struct rv_outbound *batch, size_t n)
{
	(void)producer;
	(void)batch;
	(void)n;
	return 0;
}

static size_t unbind(void *end, int64_t deadline_ms)
{
	(void)end;
	(void)deadline_ms;
	return 0;
}

static rv_err bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	(void)spec;
	(void)err;
	info->waiting = true;
	*ret_consumer = binder;
	return RV_OK;
}

static rv_err start_consumer(void *consumer, struct rv_error *err)
{
	(void)consumer;
	(void)err;
	return RV_OK;
}

static void slot_word(void *consumer, uint32_t slot, uint32_t number)
{
	(void)consumer;
	(void)slot;
	(void)number;
}

static rv_err settle(void *consumer, const struct rv_settle *settle, int64_t *ret_hold_ms)
{
	(void)consumer;
	(void)settle;
	(void)ret_hold_ms;
	return RV_E_STALE;
}

static enum rv_health_status health(void *binder, rv_detail_fn detail, void *arg)
{
	(void)binder;
	(void)detail;
	(void)arg;
	return RV_HEALTH_DOWN;
}

static const struct rv_binder_ops ops = {
    .abi = RV_BINDER_ABI,
    .type = "sample",
    .label = "Sample",
    .open = open_sample,
    .stop = ignore,
    .close = ignore,
    .bind_producer = bind_producer,
    .send = send_nothing,
    .unbind_producer = unbind,
    .bind_consumer = bind_consumer,
    .start_consumer = start_consumer,
    .credit = slot_word,
    .settle = settle,
    .released = slot_word,
    .pause = ignore,
    .resume = ignore,
    .stop_consumer = ignore,
    .unbind_consumer = unbind,
    .health = health,
};

RV_API const struct rv_binder_ops *rv_binder_module(uint32_t host_abi);

const struct rv_binder_ops *rv_binder_module(uint32_t host_abi)
{
	return host_abi == RV_BINDER_ABI ? &ops : NULL;
}
