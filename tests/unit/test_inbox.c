/* SPDX-License-Identifier: Apache-2.0 */
#include "base/inbox.h"

#include "tests/support/unit.h"

#include <semaphore.h>

enum { POSTERS = 4, EACH = 500 };

/* A loop's thread that sleeps on a semaphore. */
struct loop {
	struct rv__inbox inbox;
	pthread_t thread;
	sem_t bell;
	int rings;         /* of a loop without a thread */
	bool ended;        /* the loop's thread */
	int seen[POSTERS]; /* the last number of each poster + 1 */
	bool in_order;
};

struct numbered {
	struct rv__op op;
	struct loop *loop;
	int poster, number;
};

static void ring(void *arg)
{
	struct loop *loop = arg;

	sem_post(&loop->bell);
}

static void count_ring(void *arg)
{
	((struct loop *)arg)->rings++;
}

static void *run_loop(void *arg)
{
	struct loop *loop = arg;

	while (!loop->ended) {
		sem_wait(&loop->bell);
		rv__inbox_run(&loop->inbox);
	}
	return NULL;
}

static void loop_init(struct loop *loop)
{
	*loop = (struct loop){.inbox = {.ring = ring, .loop = loop}, .in_order = true};
	sem_init(&loop->bell, 0, 0);
	ck_assert_int_eq(pthread_create(&loop->thread, NULL, run_loop, loop), 0);
}

struct ending {
	struct rv__call call;
	struct loop *loop;
};

static void run_end(struct rv__op *op)
{
	struct ending *ending = (struct ending *)op;

	ending->loop->ended = true;
	rv__call_done(&ending->call);
}

/* Everything posted before has run when this returns. */
static void loop_finish(struct loop *loop)
{
	struct ending ending = {.loop = loop};

	rv__inbox_call(&loop->inbox, &ending.call, run_end);
	pthread_join(loop->thread, NULL);
	sem_destroy(&loop->bell);
}

static void run_number(struct rv__op *op)
{
	struct numbered *one = (struct numbered *)op;
	struct loop *loop = one->loop;

	if (one->number != loop->seen[one->poster])
		loop->in_order = false;
	loop->seen[one->poster]++;
}

struct poster {
	struct numbered ops[EACH];
	struct loop *loop;
	pthread_t thread;
};

static void *post_all(void *arg)
{
	struct poster *poster = arg;

	for (int i = 0; i < EACH; i++)
		rv__inbox_post(&poster->loop->inbox, &poster->ops[i].op);
	return NULL;
}

START_TEST(operations_of_each_thread_run_once_and_in_their_order)
{
	static struct poster posters[POSTERS];
	struct loop loop;

	loop_init(&loop);
	for (int p = 0; p < POSTERS; p++) {
		posters[p].loop = &loop;
		for (int i = 0; i < EACH; i++)
			posters[p].ops[i] =
			    (struct numbered){.op.run = run_number, .loop = &loop, .poster = p, .number = i};
		ck_assert_int_eq(pthread_create(&posters[p].thread, NULL, post_all, &posters[p]), 0);
	}
	for (int p = 0; p < POSTERS; p++)
		pthread_join(posters[p].thread, NULL);
	loop_finish(&loop);
	ck_assert(loop.in_order);
	for (int p = 0; p < POSTERS; p++)
		ck_assert_int_eq(loop.seen[p], EACH);
}
END_TEST

START_TEST(a_chain_keeps_its_order_between_single_ones_and_the_bell_rings_once)
{
	struct loop loop = {.inbox = {.ring = count_ring, .loop = &loop}, .in_order = true};
	struct numbered ops[6];

	for (int i = 0; i < 6; i++) {
		ops[i] = (struct numbered){.op.run = run_number, .loop = &loop, .number = i};
		ops[i].op.next = i < 5 ? &ops[i + 1].op : NULL;
	}
	rv__inbox_post(&loop.inbox, &ops[0].op);
	rv__inbox_post_chain(&loop.inbox, &ops[1].op, &ops[4].op);
	rv__inbox_post(&loop.inbox, &ops[5].op);
	ck_assert_int_eq(loop.rings, 1);
	rv__inbox_run(&loop.inbox);
	ck_assert_int_eq(loop.seen[0], 6);
	ck_assert(loop.in_order);
	rv__inbox_run(&loop.inbox); /* nothing left */
	ck_assert_int_eq(loop.seen[0], 6);
}
END_TEST

static void run_again(struct rv__op *op)
{
	struct numbered *one = (struct numbered *)op;

	if (++one->loop->seen[0] < 3)
		rv__inbox_post(&one->loop->inbox, op);
}

START_TEST(what_posts_itself_again_waits_for_the_next_turn_and_rings)
{
	struct loop loop = {.inbox = {.ring = count_ring, .loop = &loop}};
	struct numbered op = {.op.run = run_again, .loop = &loop};

	rv__inbox_post(&loop.inbox, &op.op);
	for (int turn = 1; turn <= 3; turn++) {
		ck_assert_int_eq(loop.rings, turn);
		rv__inbox_run(&loop.inbox);
		ck_assert_int_eq(loop.seen[0], turn);
	}
	ck_assert_int_eq(loop.rings, 3);
}
END_TEST

/* What is not first in what it is about is found by its place. */
struct parcel {
	int weight;
	struct rv__op arrive, leave;
};

static void run_leave(struct rv__op *op)
{
	RV__OWNER(op, struct parcel, leave)->weight *= 2;
}

static void run_arrive(struct rv__op *op)
{
	RV__OWNER(op, struct parcel, arrive)->weight += 1;
}

START_TEST(an_operation_finds_what_it_is_embedded_in)
{
	struct loop loop = {.inbox = {.ring = count_ring, .loop = &loop}};
	struct parcel parcel = {.weight = 20, .arrive.run = run_arrive, .leave.run = run_leave};

	rv__inbox_post(&loop.inbox, &parcel.arrive);
	rv__inbox_post(&loop.inbox, &parcel.leave);
	rv__inbox_run(&loop.inbox);
	ck_assert_int_eq(parcel.weight, 42);
}
END_TEST

/* Ends a call from another thread than the loop's, after the loop passed it on. */
struct passed {
	struct rv__call call;
	pthread_t thread;
	int value;
};

static void *answer(void *arg)
{
	struct passed *passed = arg;

	passed->value = 42;
	rv__call_done(&passed->call);
	return NULL;
}

static void run_pass(struct rv__op *op)
{
	struct passed *passed = (struct passed *)op;

	pthread_create(&passed->thread, NULL, answer, passed);
}

START_TEST(a_call_returns_after_it_is_done_wherever_that_happens)
{
	struct passed passed = {.value = 0};
	struct loop loop;

	loop_init(&loop);
	rv__inbox_call(&loop.inbox, &passed.call, run_pass);
	ck_assert_int_eq(passed.value, 42);
	pthread_join(passed.thread, NULL);
	loop_finish(&loop);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {operations_of_each_thread_run_once_and_in_their_order,
	    a_chain_keeps_its_order_between_single_ones_and_the_bell_rings_once,
	    what_posts_itself_again_waits_for_the_next_turn_and_rings,
	    an_operation_finds_what_it_is_embedded_in, a_call_returns_after_it_is_done_wherever_that_happens,
	    NULL};

	return unit_run("inbox", cases, NULL, NULL);
}
