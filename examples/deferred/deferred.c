/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deferred settlement: the listener hands the delivery to a thread of the service's own and returns at once;
 * that thread says later how it went. Until then the broker keeps the message.
 */
#include <rivulet/rivulet.h>

#include <pthread.h>

/* One slot between the listener and the thread; a full slot makes the listener wait, which stops the fetching. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	rv_delivery *delivery;
	int ending;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static rv_verdict take_over(const rv_message *message, void *context)
{
	rv_delivery *delivery = rv_delivery_take(message);

	(void)context;
	pthread_mutex_lock(&desk.lock);
	while (desk.delivery)
		pthread_cond_wait(&desk.changed, &desk.lock);
	desk.delivery = delivery;
	pthread_cond_broadcast(&desk.changed);
	pthread_mutex_unlock(&desk.lock);
	return RV_DEFER;
}

static rv_delivery *next_delivery(void)
{
	rv_delivery *delivery;

	pthread_mutex_lock(&desk.lock);
	while (!desk.delivery && !desk.ending)
		pthread_cond_wait(&desk.changed, &desk.lock);
	delivery = desk.delivery;
	desk.delivery = NULL;
	pthread_cond_broadcast(&desk.changed);
	pthread_mutex_unlock(&desk.lock);
	return delivery;
}

static void *work(void *context)
{
	rv_delivery *delivery;

	while ((delivery = next_delivery())) {
		rv_log_info("working on %s", rv_message_text(rv_delivery_message(delivery)));
		/* RV_E_STALE: another process has the partition now, and with it this message. */
		if (rv_delivery_settle(delivery, RV_ACK, NULL) == RV_E_STALE)
			rv_log_warn("came too late; somebody else does it again");
	}
	return context;
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("deferred", argc, argv);
	pthread_t thread;
	int status;

	rv_app_enable_binding(app, RV_SINK);
	rv_app_listen(app, RV_SINK_INPUT, take_over, NULL);
	if (pthread_create(&thread, NULL, work, NULL) != 0)
		return 1;
	status = rv_app_run(app);
	pthread_mutex_lock(&desk.lock);
	desk.ending = 1;
	pthread_cond_broadcast(&desk.changed);
	pthread_mutex_unlock(&desk.lock);
	pthread_join(thread, NULL);
	return status;
}
