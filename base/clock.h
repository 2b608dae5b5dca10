/* SPDX-License-Identifier: Apache-2.0 */
/* Time and randomness. Functions, so that a test binary can link its own clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/** Nanoseconds of a clock that never jumps; for deadlines and durations. */
int64_t rv__monotonic_ns(void);

/** rv__monotonic_ns() in milliseconds. */
int64_t rv__monotonic_ms(void);

/** Milliseconds since 1970; may jump. For timestamps that people and peers read. */
int64_t rv__wall_ms(void);

/** 64 random bits, from a per-thread generator seeded by the kernel. Not for secrets. */
uint64_t rv__random(void);

#endif
