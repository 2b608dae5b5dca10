/* SPDX-License-Identifier: Apache-2.0 */
/* Time and randomness. Functions, so that a test binary can link its own clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/** Nanoseconds of a clock that never jumps; for deadlines and durations. */
int64_t rv__monotonic_ns(void);

/** rv__monotonic_ns() as it was at the last tick of the kernel, some milliseconds ago at most; costs next to nothing. */
int64_t rv__coarse_ns(void);

/** rv__monotonic_ns() in milliseconds. */
int64_t rv__monotonic_ms(void);

/** Milliseconds since 1970; may jump. For timestamps that people and peers read. */
int64_t rv__wall_ms(void);

/**
 * When this process began to run its program, on the clock of rv__monotonic_ns(): the load of this library less the
 * processor time that was used until then, since the dynamic linker's work has no other trace. /proc would tell
 * it to 10 ms only.
 */
int64_t rv__process_started_ns(void);

/** 64 random bits, from a per-thread generator seeded by the kernel. Not for secrets. */
uint64_t rv__random(void);

#endif
