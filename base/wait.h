/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions with deadlines of rv__monotonic_ns(). */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/** Initialises a condition on the monotonic clock. false: no memory. */
static inline bool rv__condition_init(pthread_cond_t *changed)
{
	pthread_condattr_t monotonic;
	bool made;

	if (pthread_condattr_init(&monotonic) != 0)
		return false;
	made = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
	    pthread_cond_init(changed, &monotonic) == 0;
	pthread_condattr_destroy(&monotonic);
	return made;
}

/** Initialises a lock with its condition. false: no memory, nothing to destroy. */
static inline bool rv__wait_init(pthread_mutex_t *lock, pthread_cond_t *changed)
{
	if (pthread_mutex_init(lock, NULL) != 0)
		return false;
	if (rv__condition_init(changed))
		return true;
	pthread_mutex_destroy(lock);
	return false;
}

/** Waits for a signal; false once the deadline has passed. INT64_MAX: no deadline. */
static inline bool rv__wait_until(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t deadline_ns)
{
	struct timespec at = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};

	if (deadline_ns == INT64_MAX)
		return pthread_cond_wait(changed, lock) == 0;
	return pthread_cond_timedwait(changed, lock, &at) == 0;
}

#endif
