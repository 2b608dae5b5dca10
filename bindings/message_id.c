/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message ids in the layout of RocketMQ's UNIQ_KEY, so that its tools can read ours: address of
 * this host (4 bytes), process id (2), a number of the generator (4), milliseconds since the start of the
 * month (4), counter (2). Every thread is a generator with a random number of its own; making an id takes no
 * lock and no system call.
 *
 * Layout: apache/rocketmq common/src/main/java/org/apache/rocketmq/common/message/MessageClientIDSetter.java.
 */
#include "bindings/message.h"

#include "base/clock.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PREFIX_DIGITS = 20, TIME_DIGITS = 8, COUNTER_DIGITS = 4 };

static const char digits[] = "0123456789ABCDEF";

static struct {
	pthread_once_t once;
	uint8_t address[4];
	atomic_uint generation; /* moves on in a forked child, which must not repeat its parent */
} host = {.once = PTHREAD_ONCE_INIT, .address = {127, 0, 0, 1}, .generation = 1};

/* One per thread. */
struct generator {
	unsigned generation;
	char prefix[PREFIX_DIGITS + TIME_DIGITS]; /* all but the counter, as of last_ms */
	int64_t month_start_ms;
	int64_t month_end_ms;
	int64_t last_ms;
	uint16_t counter;
	uint16_t first; /* counter at the first id of last_ms */
};

static __thread struct generator generator;

static void put_hex(char *to, uint64_t value, int count)
{
	for (int i = count - 1; i >= 0; i--) {
		to[i] = digits[value & 15];
		value >>= 4;
	}
}

static void new_generation(void)
{
	atomic_fetch_add(&host.generation, 1);
}

static void find_address(void)
{
	struct ifaddrs *list = NULL;

	pthread_atfork(NULL, NULL, new_generation);
	if (getifaddrs(&list) != 0)
		return;
	for (struct ifaddrs *at = list; at; at = at->ifa_next) {
		struct sockaddr_in address;

		if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET || (at->ifa_flags & IFF_LOOPBACK) ||
		    !(at->ifa_flags & IFF_UP))
			continue;
		memcpy(&address, at->ifa_addr, sizeof address);
		memcpy(host.address, &address.sin_addr, sizeof host.address);
		break;
	}
	freeifaddrs(list);
}

static void start_generator(void)
{
	uint64_t number = rv__random();

	pthread_once(&host.once, find_address);
	generator = (struct generator){.generation = atomic_load(&host.generation)};
	for (int i = 0; i < 4; i++)
		put_hex(generator.prefix + 2 * i, host.address[i], 2);
	put_hex(generator.prefix + 8, (uint64_t)getpid() & 0xffff, 4);
	put_hex(generator.prefix + 12, number & 0xffffffff, 8);
	generator.counter = (uint16_t)(number >> 32);
}

static void start_month(int64_t now_ms)
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm month;

	gmtime_r(&seconds, &month);
	month.tm_mday = 1;
	month.tm_hour = month.tm_min = month.tm_sec = 0;
	generator.month_start_ms = (int64_t)timegm(&month) * 1000;
	month.tm_mon++;
	generator.month_end_ms = (int64_t)timegm(&month) * 1000;
}

static int64_t coarse_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Moves on to another millisecond, and to another month with it. */
static void set_time(int64_t now_ms)
{
	generator.last_ms = now_ms;
	if (now_ms >= generator.month_end_ms || now_ms < generator.month_start_ms)
		start_month(now_ms);
	put_hex(generator.prefix + PREFIX_DIGITS, (uint64_t)(now_ms - generator.month_start_ms), TIME_DIGITS);
}

void rv__message_id_next(char id[RV__MESSAGE_ID_SIZE], int64_t *ret_ms)
{
	int64_t now = coarse_wall_ms();

	if (generator.generation != atomic_load_explicit(&host.generation, memory_order_relaxed))
		start_generator();
	if (now > generator.last_ms) {
		set_time(now);
		generator.first = generator.counter;
	} else if (generator.counter == generator.first) {
		/* All 65536 numbers of this millisecond are used (or the clock stands back): borrow the next.
		 */
		set_time(generator.last_ms + 1);
	}
	memcpy(id, generator.prefix, sizeof generator.prefix);
	put_hex(id + sizeof generator.prefix, generator.counter++, COUNTER_DIGITS);
	id[RV__MESSAGE_ID_SIZE - 1] = '\0';
	*ret_ms = now;
}
