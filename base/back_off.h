/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before the next try of what failed. */
#ifndef BASE_BACK_OFF_H
#define BASE_BACK_OFF_H

#include <stdint.h>

/** After so many failures in a row: first_ms after one (or none), then each time the double, at most most_ms. */
static inline int64_t rv__back_off_ms(int64_t first_ms, int64_t most_ms, unsigned failures)
{
	int64_t wait_ms = first_ms;

	for (unsigned i = 1; i < failures && wait_ms < most_ms; i++)
		wait_ms *= 2;
	return wait_ms < most_ms ? wait_ms : most_ms;
}

/** Half of it to all of it, by 64 random bits: many clients that lost one peer must not return in step. */
static inline int64_t rv__jitter_ms(int64_t wait_ms, uint64_t random)
{
	return wait_ms / 2 + (int64_t)(random % (uint64_t)(wait_ms / 2 + 1));
}

#endif
