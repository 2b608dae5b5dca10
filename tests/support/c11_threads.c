/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C11's threads, locks and conditions by those of POSIX, which are the same in glibc. librdkafka uses the former, and
 * ThreadSanitizer follows only the latter: without this file, which only its builds link, it knows nothing of
 * librdkafka's threads and fails in their first allocation.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

struct start {
	thrd_start_t function;
	void *argument;
};

static void *run(void *pointer)
{
	struct start start = *(struct start *)pointer;

	free(pointer);
	return (void *)(intptr_t)start.function(start.argument);
}

static int answer(int code)
{
	return code == 0        ? thrd_success
	    : code == ETIMEDOUT ? thrd_timedout
	    : code == EBUSY     ? thrd_busy
	                        : thrd_error;
}

int thrd_create(thrd_t *ret_thread, thrd_start_t function, void *argument)
{
	struct start *start = malloc(sizeof *start);

	if (!start)
		return thrd_nomem;
	*start = (struct start){function, argument};
	return answer(pthread_create((pthread_t *)ret_thread, NULL, run, start));
}

int thrd_join(thrd_t thread, int *ret_result)
{
	void *result;
	int code = pthread_join((pthread_t)thread, &result);

	if (ret_result)
		*ret_result = (int)(intptr_t)result;
	return answer(code);
}

int thrd_detach(thrd_t thread)
{
	return answer(pthread_detach((pthread_t)thread));
}

int mtx_init(mtx_t *lock, int type)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(
	    &attributes, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
	return answer(pthread_mutex_init((pthread_mutex_t *)lock, &attributes));
}

int mtx_lock(mtx_t *lock)
{
	return answer(pthread_mutex_lock((pthread_mutex_t *)lock));
}

int mtx_trylock(mtx_t *lock)
{
	return answer(pthread_mutex_trylock((pthread_mutex_t *)lock));
}

int mtx_unlock(mtx_t *lock)
{
	return answer(pthread_mutex_unlock((pthread_mutex_t *)lock));
}

void mtx_destroy(mtx_t *lock)
{
	pthread_mutex_destroy((pthread_mutex_t *)lock);
}

int cnd_init(cnd_t *condition)
{
	return answer(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

int cnd_signal(cnd_t *condition)
{
	return answer(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
	return answer(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *lock)
{
	return answer(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)lock));
}

int cnd_timedwait(cnd_t *condition, mtx_t *lock, const struct timespec *until)
{
	return answer(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)lock, until));
}

void cnd_destroy(cnd_t *condition)
{
	pthread_cond_destroy((pthread_cond_t *)condition);
}
