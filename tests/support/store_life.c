/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_life.h"

#include "tests/support/wait.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct store_life life;

void store_life_ignore_log(rv_log_level level, const char *topic, const char *line, void *arg)
{
}

void store_life_setup(void)
{
	rv_log_set_sink(store_life_ignore_log, NULL);
}

void store_life_teardown(void)
{
	rv__buffer_finish(&life.kit.out);
}

void store_life_begin(enum rv__store_level level)
{
	rv__buffer_finish(&life.kit.out);
	sim_disk_init(&life.disk);
	store_kit_init_on(&life.kit, &life.disk.io);
	life.kit.options.level = level;
	life.kit.options.segment_bytes = 3000; /* a few writes a file */
	memset(&life.history, 0, sizeof life.history);
	life.history.saved = -1;
}

void store_life_end(void)
{
	rv__store_close(life.kit.store);
	life.kit.store = NULL;
	sim_disk_finish(&life.disk);
}

rv__queue *store_life_queue(int i)
{
	return rv__store_queue(life.kit.store, "T", 1, i, true);
}

void store_life_note(void)
{
	int64_t acknowledged;

	(void)rv__store_poll(life.kit.store, NULL);
	acknowledged = rv__store_acknowledged(life.kit.store);
	for (int n = 0; n < life.history.next; n++)
		if (!life.history.failed[n] && life.history.ends[n] && life.history.ends[n] <= acknowledged)
			life.history.acked[n] = true;
	for (int i = 0; i < STORE_LIFE_QUEUES; i++)
		if (rv__queue_max(store_life_queue(i)) > life.history.served[i])
			life.history.served[i] = rv__queue_max(store_life_queue(i));
}

bool store_life_send(int count)
{
	int first = life.history.next;
	int64_t upto = 0;
	bool good = true;

	for (int i = 0; i < count && life.history.next < STORE_LIFE_NUMBERS; i++) {
		struct rv__store_position position;
		int n = life.history.next;

		if (store_kit_add(&life.kit, "T", n % STORE_LIFE_QUEUES, n, &position, NULL) != RV_OK) {
			good = false;
			break;
		}
		life.history.queue[n] = n % STORE_LIFE_QUEUES;
		life.history.offset[n] = position.queue_offset;
		life.history.next++;
	}
	if (rv__store_write(life.kit.store, &upto, NULL) != RV_OK)
		good = false;
	for (int n = first; n < life.history.next; n++) {
		life.history.failed[n] = !good && upto == 0;
		life.history.ends[n] = upto;
	}
	store_life_note();
	return good;
}

static void note_saved(void *arg, rv_err code, const struct rv_error *err)
{
	int n = (int)(intptr_t)arg;

	if (code == RV_OK && n > life.history.saved)
		life.history.saved = n;
}

static void save(void)
{
	char text[64];
	int n = life.history.saves;

	if (n == STORE_LIFE_NUMBERS)
		return;
	life.history.noted[n] = rv__queue_max(store_life_queue(0));
	snprintf(text, sizeof text, "{\"n\":%d,\"offset\":%lld}", n, (long long)life.history.noted[n]);
	if (rv__state_file_save(life.kit.store, "offsets", text, strlen(text), note_saved,
	        (void *)(intptr_t)n, NULL) == RV_OK)
		life.history.saves++;
}

void store_life_drain(void)
{
	int64_t log_end;
	struct rv__store_stats stats;

	rv__store_stats(life.kit.store, &stats);
	log_end = stats.log_end;
	/* Until everything is acknowledged, or never will be. */
	WAIT_UNTIL(30000,
	    (store_life_note(), rv__store_stats(life.kit.store, &stats),
	        stats.read_only || rv__store_acknowledged(life.kit.store) >= log_end));
}

void store_life_run(unsigned turns, unsigned seed)
{
	for (unsigned turn = 0; turn < turns; turn++) {
		seed = seed * 1103515245 + 12345;
		(void)store_life_send(1 + (int)(seed >> 16) % 4);
		if (seed >> 20 & 1)
			save();
		if ((seed >> 24 & 3) == 0)
			store_life_drain();
		if ((seed >> 26 & 3) == 0)
			rv__store_tick(life.kit.store);
	}
}

/* Numbers of a queue's messages in order, into found[]; count. */
static int read_all(int queue, int *found, int64_t *offsets)
{
	rv__queue *handle = store_life_queue(queue);
	int64_t offset = rv__queue_min(life.kit.store, handle);
	int count = 0;

	while (offset < rv__queue_max(handle)) {
		struct rv__store_read got = store_kit_read(&life.kit, "T", queue, offset, 100);
		size_t at = 0;

		for (uint32_t i = 0; i < got.count; i++) {
			struct rv__record record;

			ck_assert_int_eq(rv__record_decode(life.kit.out.bytes + at, life.kit.out.length - at,
			                     &record, NULL),
			    RV_OK);
			offsets[count] = record.queue_offset;
			found[count++] = store_kit_number(&life.kit, (int)i);
			at += record.size;
		}
		ck_assert_int_gt(got.next_offset, offset);
		offset = got.next_offset;
	}
	return count;
}

void store_life_compare(bool lossy)
{
	bool there[STORE_LIFE_NUMBERS] = {false};
	int found[STORE_LIFE_NUMBERS];
	int64_t offsets[STORE_LIFE_NUMBERS];

	for (int i = 0; i < STORE_LIFE_QUEUES; i++) {
		int count = read_all(i, found, offsets);

		for (int k = 0; k < count; k++) {
			ck_assert(found[k] >= 0 && found[k] < life.history.next);
			ck_assert_msg(!there[found[k]], "%d twice", found[k]);
			there[found[k]] = true;
			ck_assert_msg(
			    !life.history.failed[found[k]], "%d was refused and is there", found[k]);
			ck_assert_int_eq(life.history.queue[found[k]], i);
			ck_assert_int_eq(life.history.offset[found[k]], offsets[k]);
			ck_assert_msg(k == 0 || found[k - 1] < found[k], "order of queue %d", i);
		}
		ck_assert_msg(rv__queue_max(store_life_queue(i)) >= life.history.served[i],
		    "queue %d: %lld was served, next is %lld", i, (long long)life.history.served[i],
		    (long long)rv__queue_max(store_life_queue(i)));
	}
	for (int n = 0; n < life.history.next && !lossy; n++)
		ck_assert_msg(!life.history.acked[n] || there[n], "acknowledged message %d is lost", n);
}

static void compare_document(void)
{
	struct rv__buffer text = {0};
	struct rv_error err = {0};
	rv_err code = rv__state_file_load(life.kit.store, "offsets", &text, &err);
	long long offset;
	int n;

	if (life.history.saved < 0 && code == RV_E_NOTFOUND)
		return;
	ck_assert_msg(code == RV_OK, "%s", err.text);
	ck_assert_int_eq(sscanf(rv__buffer_text(&text), "{\"n\":%d,\"offset\":%lld}", &n, &offset), 2);
	ck_assert_int_ge(n, life.history.saved);
	ck_assert_int_lt(n, life.history.saves);
	ck_assert_int_eq(offset, life.history.noted[n]);
	ck_assert_msg(offset <= rv__queue_max(store_life_queue(0)), "the document leads the log");
	rv__buffer_finish(&text);
}

void store_life_check_again(bool lossy)
{
	/* What was not acknowledged by now never is. */
	for (int n = 0; n < life.history.next; n++)
		if (!life.history.acked[n])
			life.history.ends[n] = 0;
	store_kit_open(&life.kit);
	store_life_compare(lossy);
	compare_document();
	/* And it lives on. */
	ck_assert(store_life_send(3));
	store_life_drain();
	store_life_compare(lossy);
}
