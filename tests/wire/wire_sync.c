/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level synced, with a disk whose syncs are held or fail on demand: nothing that lets a client forget something is
 * answered before its sync, nothing is seen before it, and a failed sync is final.
 */
#include "tests/support/unit.h"
#include "tests/support/wait.h"
#include "tests/wire/wire_kit.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { QUIET_MS = 150 };

/* Stands in for the C library's: the store's syncs go through here. */
static _Atomic bool held, failing;
int fdatasync(int fd);
int fdatasync(int fd)
{
	while (held)
		wait_pause(100);
	if (failing) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static struct wire_client client, other;
static int64_t half_offset, half_physical;

static void setup(void)
{
	wire_setup();
	wire_settings.flush = RV__FLUSH_SYNC;
	wire_settings.transaction_check_ms = 100;
	held = failing = false;
	wire_open();
	wire_connect(&client, wire_port());
	wire_connect(&other, wire_port());
	ck_assert_int_eq(wire_send_message(&client, "T", 0, "", "first"), RV__RSP_SUCCESS);
}

static void teardown(void)
{
	held = failing = false;
	wire_disconnect(&client);
	wire_disconnect(&other);
	wire_teardown();
}

/* -- requests, each begun on a client --------------------------------------------------------------------- */

static void begin_send(const char *topic, const char *properties)
{
	wire_begin(&client, RV__REQ_SEND_MESSAGE_V2);
	wire_add_send_fields(&client, topic, 0, properties);
}

static void do_send(void)
{
	begin_send("T", "");
	wire_send(&client, "x", 1);
}

static void do_send_delayed(void)
{
	begin_send("T",
	    "DELAY\001"
	    "1");
	wire_send(&client, "x", 1);
}

static void do_send_to_new_topic(void)
{
	begin_send("New", "");
	wire_send(&client, "x", 1);
}

static void do_send_half(void)
{
	begin_send("T", "TRAN_MSG\001true\002PGROUP\001PG");
	wire_send(&client, "x", 1);
}

static void do_send_batch(void)
{
	static const char entry[] = "\0\0\0\x17\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1b\0\0";

	wire_begin(&client, RV__REQ_SEND_BATCH_MESSAGE);
	wire_add_send_fields(&client, "T", 0, "");
	wire_send(&client, entry, sizeof(entry) - 1);
}

static void send_back(int level)
{
	wire_begin(&client, RV__REQ_CONSUMER_SEND_MSG_BACK);
	rv__command_add_text(&client.writer, "offset", "0");
	rv__command_add_text(&client.writer, "group", "G");
	rv__command_add_i64(&client.writer, "delayLevel", level);
	wire_send(&client, NULL, 0);
}

static void do_send_back(void)
{
	send_back(0);
}

static void do_dead_letter(void)
{
	send_back(-1);
}

static void do_create_topic(void)
{
	wire_begin(&client, RV__REQ_UPDATE_AND_CREATE_TOPIC);
	rv__command_add_text(&client.writer, "topic", "Made");
	rv__command_add_text(&client.writer, "defaultTopic", "TBW102");
	rv__command_add_text(&client.writer, "readQueueNums", "2");
	rv__command_add_text(&client.writer, "writeQueueNums", "2");
	rv__command_add_text(&client.writer, "perm", "6");
	rv__command_add_text(&client.writer, "topicFilterType", "SINGLE_TAG");
	rv__command_add_text(&client.writer, "topicSysFlag", "0");
	rv__command_add_text(&client.writer, "order", "false");
	wire_send(&client, NULL, 0);
}

static void do_delete_topic(void)
{
	wire_begin(&client, RV__REQ_DELETE_TOPIC_IN_BROKER);
	rv__command_add_text(&client.writer, "topic", "T");
	wire_send(&client, NULL, 0);
}

static void do_create_group(void)
{
	static const char body[] = "{\"groupName\":\"Made\",\"retryMaxTimes\":3,\"retryQueueNums\":1}";

	wire_begin(&client, RV__REQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP);
	wire_send(&client, body, sizeof(body) - 1);
}

static void begin_end(struct wire_client *from)
{
	wire_begin(from, RV__REQ_END_TRANSACTION);
	rv__command_add_text(&from->writer, "producerGroup", "PG");
	rv__command_add_i64(&from->writer, "tranStateTableOffset", half_offset);
	rv__command_add_i64(&from->writer, "commitLogOffset", half_physical);
	rv__command_add_i64(&from->writer, "commitOrRollback", RV__TRANSACTION_COMMIT);
}

static const struct {
	const char *what;
	void (*request)(void);
} promises[] = {
    {"a send", do_send},
    {"a delayed send", do_send_delayed},
    {"a send to a new topic", do_send_to_new_topic},
    {"a half message", do_send_half},
    {"a batch", do_send_batch},
    {"a message sent back", do_send_back},
    {"a dead letter", do_dead_letter},
    {"a new topic", do_create_topic},
    {"a new group", do_create_group},
    {"the end of a topic", do_delete_topic},
};

/* Sends a half message and remembers where it is. */
static void note_half(void)
{
	struct rv__address host;
	struct rv_span id = rv__command_field(&client.command, "msgId");

	ck_assert_int_eq(client.command.code, RV__RSP_SUCCESS);
	half_offset = wire_number(&client, "queueOffset");
	ck_assert(rv__offset_id_parse(id.bytes, id.length, &host, &half_physical));
}

/* -- cases ------------------------------------------------------------------------------------------------- */

START_TEST(no_promise_is_made_before_its_sync)
{
	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
		held = true;
		promises[i].request();
		ck_assert_msg(!wire_receive(&client, QUIET_MS), "%s", promises[i].what);
		held = false;
		ck_assert_msg(wire_receive(&client, WIRE_WAIT_MS), "%s", promises[i].what);
		ck_assert_msg(
		    client.command.code == RV__RSP_SUCCESS, "%s: %s", promises[i].what, wire_remark(&client));
	}
}
END_TEST

START_TEST(nothing_is_seen_before_its_sync)
{
	held = true;
	do_send();
	wire_start_pull(&other, "G", "T", 0, 1, 60000, "*");
	ck_assert(!wire_receive(&other, QUIET_MS));
	wire_begin(&other, RV__REQ_GET_MAX_OFFSET);
	rv__command_add_text(&other.writer, "topic", "T");
	rv__command_add_text(&other.writer, "queueId", "0");
	ck_assert_int_eq(wire_call(&other, NULL, 0), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_number(&other, "offset"), 1);
	held = false;
	ck_assert(wire_receive(&other, WIRE_WAIT_MS));
	ck_assert_int_eq(other.command.code, RV__RSP_SUCCESS);
	ck_assert_uint_eq(wire_record_count(&other), 1);
}
END_TEST

START_TEST(a_failed_sync_is_final)
{
	failing = true;
	do_send();
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	ck_assert_int_eq(client.command.code, RV__RSP_SERVICE_NOT_AVAILABLE);
	ck_assert_ptr_nonnull(strstr(wire_remark(&client), "read-only"));
	/* That the disk is well again proves nothing about what it lost. */
	failing = false;
	for (size_t i = 0; i < sizeof(promises) / sizeof(promises[0]); i++) {
		promises[i].request();
		ck_assert_msg(wire_receive(&client, WIRE_WAIT_MS), "%s", promises[i].what);
		ck_assert_msg(client.command.code != RV__RSP_SUCCESS, "%s", promises[i].what);
	}
	/* What was synced can be read, and no more. */
	ck_assert_int_eq(wire_send_message(&other, "T", 0, "", "x"), RV__RSP_SERVICE_NOT_AVAILABLE);
}
END_TEST

START_TEST(a_half_message_on_its_way_is_no_lost_one)
{
	held = true;
	do_send_half();
	/* Meanwhile it is time to look for silent producers, more than once. */
	ck_assert(!wire_receive(&client, 400));
	held = false;
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	note_half();
	begin_end(&client);
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 1, 0, "*"), RV__RSP_SUCCESS);
}
END_TEST

START_TEST(the_end_of_a_transaction_is_told_after_its_sync_however_often_it_is_said)
{
	do_send_half();
	ck_assert(wire_receive(&client, WIRE_WAIT_MS));
	note_half();
	held = true;
	begin_end(&client);
	wire_send(&client, NULL, 0);
	ck_assert(!wire_receive(&client, QUIET_MS));
	begin_end(&other);
	wire_send(&other, NULL, 0);
	ck_assert(!wire_receive(&other, QUIET_MS));
	held = false;
	ck_assert(wire_receive(&client, WIRE_WAIT_MS) && client.command.code == RV__RSP_SUCCESS);
	ck_assert(wire_receive(&other, WIRE_WAIT_MS) && other.command.code == RV__RSP_SUCCESS);
	ck_assert_int_eq(wire_pull(&client, "G", "T", 0, 1, 0, "*"), RV__RSP_SUCCESS);
	ck_assert_uint_eq(wire_record_count(&client), 1);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {no_promise_is_made_before_its_sync, nothing_is_seen_before_its_sync,
	    a_failed_sync_is_final, a_half_message_on_its_way_is_no_lost_one,
	    the_end_of_a_transaction_is_told_after_its_sync_however_often_it_is_said, NULL};

	return unit_run("wire_sync", cases, setup, teardown);
}
