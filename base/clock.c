/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t rv__monotonic_ns(void)
{
	return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t rv__coarse_ns(void)
{
	return read_clock_ns(CLOCK_MONOTONIC_COARSE);
}

int64_t rv__monotonic_ms(void)
{
	return rv__monotonic_ns() / 1000000;
}

int64_t rv__wall_ms(void)
{
	return read_clock_ns(CLOCK_REALTIME) / 1000000;
}

static int64_t process_started_ns;

/* Before main(), and before other constructors of this library. */
__attribute__((constructor(101))) static void note_start(void)
{
	process_started_ns = rv__monotonic_ns() - read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t rv__process_started_ns(void)
{
	return process_started_ns;
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t rv__random(void)
{
	static __thread uint64_t state;
	static __thread pid_t owner; /* a forked child must not repeat its parent */

	if (owner != getpid()) {
		if (getrandom(&state, sizeof state, 0) != sizeof state)
			state = (uint64_t)read_clock_ns(CLOCK_MONOTONIC) ^ ((uint64_t)getpid() << 32);
		owner = getpid();
	}
	state += 0x9e3779b97f4a7c15u;
	return mix(state);
}
