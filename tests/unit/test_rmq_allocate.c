/* SPDX-License-Identifier: Apache-2.0 */
/* Shares of a group's members: complete, without overlap, and exactly Java's. */
#include "binder/rocketmq/allocate.h"

#include "tests/support/unit.h"

START_TEST(shares_are_those_of_java)
{
	/* queues, members, index -> start, count; from AllocateMessageQueueAveragely of 4.9.8. */
	static const size_t rows[][5] = {{4, 1, 0, 0, 4}, {4, 2, 0, 0, 2}, {4, 2, 1, 2, 2}, {4, 3, 0, 0, 2},
	    {4, 3, 1, 2, 1}, {4, 3, 2, 3, 1}, {8, 3, 0, 0, 3}, {8, 3, 1, 3, 3}, {8, 3, 2, 6, 2},
	    {2, 4, 0, 0, 1}, {2, 4, 1, 1, 1}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rv__rmq_share share = rv__rmq_allocate(rows[i][0], rows[i][1], rows[i][2]);

		ck_assert_uint_eq(share.start, rows[i][3]);
		ck_assert_uint_eq(share.count, rows[i][4]);
	}
}
END_TEST

START_TEST(members_beyond_the_queues_get_nothing)
{
	ck_assert_uint_eq(rv__rmq_allocate(2, 4, 2).count, 0);
	ck_assert_uint_eq(rv__rmq_allocate(2, 4, 3).count, 0);
	ck_assert_uint_eq(rv__rmq_allocate(0, 3, 0).count, 0);
	ck_assert_uint_eq(rv__rmq_allocate(4, 2, 2).count, 0);
}
END_TEST

START_TEST(every_queue_has_exactly_one_owner)
{
	for (size_t queues = 0; queues < 40; queues++)
		for (size_t members = 1; members < 40; members++) {
			size_t next = 0;

			for (size_t index = 0; index < members; index++) {
				struct rv__rmq_share share = rv__rmq_allocate(queues, members, index);

				if (share.count == 0)
					continue;
				ck_assert_uint_eq(share.start, next);
				next += share.count;
			}
			ck_assert_uint_eq(next, queues);
		}
}
END_TEST

START_TEST(a_member_finds_its_place_in_an_unsorted_list)
{
	const char *const names[] = {"10.0.0.2@1", "10.0.0.1@9", "10.0.0.1@10"};

	ck_assert_uint_eq(rv__rmq_rank(names, 3, "10.0.0.1@10"), 0);
	ck_assert_uint_eq(rv__rmq_rank(names, 3, "10.0.0.1@9"), 1);
	ck_assert_uint_eq(rv__rmq_rank(names, 3, "10.0.0.2@1"), 2);
	ck_assert_uint_eq(rv__rmq_rank(names, 3, "somebody else"), 3);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {shares_are_those_of_java, members_beyond_the_queues_get_nothing,
	    every_queue_has_exactly_one_owner, a_member_finds_its_place_in_an_unsorted_list, NULL};

	return unit_run("rmq_allocate", cases, NULL, NULL);
}
