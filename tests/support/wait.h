/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for a condition with a deadline, in place of sleeping and hoping.
 *
 *     WAIT_UNTIL(5000, atomic_load(&count) == 3);            fails the Check case when it stays false
 *     ok = wait_until(5000, (condition));                    tells
 *     ok = wait_awake(2000, (condition));                    likewise, where the time itself is judged
 */
#ifndef SUPPORT_WAIT_H
#define SUPPORT_WAIT_H

#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

/* Looks again after a pause that grows from 0.1 to 5 ms, so that a wait costs no processor. */
static inline void wait_pause(unsigned turn)
{
	long pause_us = turn < 20 ? 100 : turn < 60 ? 1000 : 5000;
	struct timespec pause = {.tv_nsec = pause_us * 1000};

	nanosleep(&pause, NULL);
}

/* Evaluates `condition` until it is true or timeout_ms have passed; its last value. */
#define wait_until(timeout_ms, condition) \
	__extension__({ \
		int64_t wait_deadline_ = rv__monotonic_ms() + (timeout_ms); \
		unsigned wait_turn_ = 0; \
		bool wait_met_; \
		while (!(wait_met_ = (bool)(condition)) && rv__monotonic_ms() < wait_deadline_) \
			wait_pause(wait_turn_++); \
		wait_met_ || (bool)(condition); \
	})

/*
 * Likewise within timeout_ms in which this process ran: what it stood still, with its machine, between two looks counts
 * little. For a time that tells right from wrong.
 */
#define wait_awake(timeout_ms, condition) \
	__extension__({ \
		int64_t wait_last_ = rv__monotonic_ms(), wait_awake_ = 0; \
		unsigned wait_turn_ = 0; \
		bool wait_met_; \
		while (!(wait_met_ = (bool)(condition)) && wait_awake_ < (timeout_ms)) { \
			int64_t wait_now_; \
			wait_pause(wait_turn_++); \
			wait_now_ = rv__monotonic_ms(); \
			wait_awake_ += wait_now_ - wait_last_ < 20 ? wait_now_ - wait_last_ : 20; \
			wait_last_ = wait_now_; \
		} \
		wait_met_; \
	})

#define WAIT_UNTIL(timeout_ms, condition) \
	ck_assert_msg( \
	    wait_until(timeout_ms, condition), "not within %d ms: %s", (int)(timeout_ms), #condition)

#endif
