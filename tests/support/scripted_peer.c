/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scripted_peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remoting/codes.h"
#include "remoting/heartbeat.h"
#include "remoting/queue.h"
#include "remoting/record.h"

static void write_all(int socket, const struct rv__buffer *out)
{
	size_t at = 0;

	while (at < out->length) {
		ssize_t n = send(socket, out->bytes + at, out->length - at, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

/* -- answers of a well-behaved broker ------------------------------------------------------------ */

static void put_route(struct peer *peer, const struct rv__command *request, struct rv__buffer *out)
{
	struct rv__command_writer writer;
	struct rv__buffer body = RV__BUFFER_INIT(0);

	rv__buffer_printf(&body,
	    "{\"brokerDatas\":[{\"brokerAddrs\":{\"0\":\"127.0.0.1:%d\"},\"brokerName\":\"scripted\","
	    "\"cluster\":\"c\"}],\"filterServerTable\":{},\"queueDatas\":[{\"brokerName\":\"scripted\","
	    "\"perm\":6,"
	    "\"readQueueNums\":1,\"topicSysFlag\":0,\"writeQueueNums\":1}]}",
	    peer->port);
	rv__command_begin_response(&writer, out, request, 0, NULL);
	rv__command_end(&writer, body.length);
	rv__buffer_add(out, body.bytes, body.length);
	rv__buffer_finish(&body);
}

static void put_code(const struct rv__command *request, struct rv__buffer *out, int code)
{
	struct rv__command_writer writer;

	rv__command_begin_response(&writer, out, request, code, NULL);
	rv__command_end(&writer, 0);
}

/* Whether the name server knows no such topic this time. */
static bool is_missing(struct peer *peer, struct rv_span topic)
{
	int left = atomic_load(&peer->missing);

	if (left == 0 || rv__span_is(topic, RV__TOPIC_TEMPLATE))
		return false;
	if (left > 0)
		atomic_store(&peer->missing, left - 1);
	if (rv__span_is(topic, "topic"))
		atomic_fetch_add(&peer->missed, 1);
	return true;
}

static void make_topic(struct peer *peer, const struct rv__command *request, struct rv__buffer *out)
{
	int32_t queues = 0;

	(void)rv__command_i32(request, "writeQueueNums", &queues);
	atomic_store(&peer->made_queues, queues);
	atomic_store(&peer->missing, 0);
	put_code(request, out, RV__RSP_SUCCESS);
}

static void put_config(struct peer *peer, const struct rv__command *request, struct rv__buffer *out)
{
	const char *config = atomic_load(&peer->config);
	struct rv__command_writer writer;

	rv__command_begin_response(&writer, out, request, RV__RSP_SUCCESS, NULL);
	rv__command_end(&writer, config ? strlen(config) : 0);
	rv__buffer_add(out, config, config ? strlen(config) : 0);
}

static void put_fields(const struct rv__command *request, struct rv__buffer *out, const char *const *fields)
{
	struct rv__command_writer writer;

	rv__command_begin_response(&writer, out, request, 0, NULL);
	for (; *fields; fields += 2)
		rv__command_add_text(&writer, fields[0], fields[1]);
	rv__command_end(&writer, 0);
}

static void keep_record(struct peer *peer, const void *body, size_t length, struct rv_span properties)
{
	struct rv__record record = {.queue_offset = (int64_t)peer->record_count,
	    .physical_offset = (int64_t)peer->record_count * 1000,
	    .born_timestamp = 1,
	    .born_host = {{127, 0, 0, 1}, 4, 1},
	    .store_host = {{127, 0, 0, 1}, 4, 2},
	    .topic = "topic",
	    .topic_length = 5,
	    .properties = properties.bytes,
	    .properties_length = properties.length,
	    .body = body,
	    .body_length = length};

	if (peer->record_count < PEER_RECORDS)
		(void)rv__record_encode(&record, &peer->records[peer->record_count++], NULL);
}

static void take_message(struct peer *peer, const struct rv__command *request, struct rv__buffer *out)
{
	struct rv_span topic = rv__command_field(request, "b");
	char offset[24];
	const char *fields[] = {
	    "msgId", "7F00000100002A9F0000000000000000", "queueId", "0", "queueOffset", offset, NULL};

	snprintf(offset, sizeof offset, "%zu", peer->record_count);
	if (topic.length > 7 && memcmp(topic.bytes, RV__TOPIC_RETRY_PREFIX, 7) == 0) {
		pthread_mutex_lock(&peer->lock);
		snprintf(peer->retry_topic, sizeof peer->retry_topic, "%.*s", (int)topic.length, topic.bytes);
		pthread_mutex_unlock(&peer->lock);
	} else if (request->code == RV__REQ_SEND_MESSAGE_V2)
		keep_record(peer, request->body, request->body_length, rv__command_field(request, "i"));
	put_fields(request, out, fields);
}

static void put_pull(
    struct peer *peer, const struct rv__command *request, int64_t offset, struct rv__buffer *out)
{
	struct rv__command_writer writer;
	struct rv__buffer body = RV__BUFFER_INIT(0);

	for (size_t i = (size_t)offset; i < peer->record_count; i++)
		rv__buffer_add(&body, peer->records[i].bytes, peer->records[i].length);
	rv__command_begin_response(&writer, out, request, 0, "FOUND");
	rv__command_add_text(&writer, "suggestWhichBrokerId", "0");
	rv__command_add_i64(&writer, "nextBeginOffset", (int64_t)peer->record_count);
	rv__command_add_text(&writer, "minOffset", "0");
	rv__command_add_i64(&writer, "maxOffset", (int64_t)peer->record_count);
	rv__command_end(&writer, body.length);
	rv__buffer_add(out, body.bytes, body.length);
	rv__buffer_finish(&body);
}

static void take_heartbeat(struct peer *peer, const struct rv__command *request, struct rv__buffer *out)
{
	struct rv__heartbeat heartbeat = {0};
	const char *nothing = NULL;

	if (rv__heartbeat_decode(request->body, request->body_length, &heartbeat, NULL) == RV_OK) {
		snprintf(peer->client_id, sizeof peer->client_id, "%s", heartbeat.client_id);
		if (heartbeat.consumer_count > 0)
			snprintf(peer->group, sizeof peer->group, "%s", heartbeat.consumers[0].group);
		rv__heartbeat_finish(&heartbeat);
	}
	put_fields(request, out, &nothing);
}

static void put_members(struct peer *peer, const struct rv__command *request, struct rv__buffer *out)
{
	struct rv__command_writer writer;
	struct rv__buffer body = RV__BUFFER_INIT(0);
	const char *ids[] = {peer->client_id};

	rv__consumer_list_encode(&body, ids, 1);
	rv__command_begin_response(&writer, out, request, 0, NULL);
	rv__command_end(&writer, body.length);
	rv__buffer_add(out, body.bytes, body.length);
	rv__buffer_finish(&body);
}

static void behave(struct peer *peer, size_t at, const struct rv__command *request, struct rv__buffer *out)
{
	const char *nothing = NULL;
	const char *const zero[] = {"offset", "0", NULL};
	int64_t offset = 0;
	struct rv_span topic = rv__command_field(request, "topic");

	switch (request->code) {
	case RV__REQ_GET_ROUTEINFO_BY_TOPIC:
		if (is_missing(peer, topic))
			put_code(request, out, RV__RSP_TOPIC_NOT_EXIST);
		else
			put_route(peer, request, out);
		break;
	case RV__REQ_GET_BROKER_CONFIG:
		put_config(peer, request, out);
		break;
	case RV__REQ_UPDATE_AND_CREATE_TOPIC:
		make_topic(peer, request, out);
		break;
	case RV__REQ_HEART_BEAT:
		take_heartbeat(peer, request, out);
		break;
	case RV__REQ_SEND_MESSAGE_V2:
	case RV__REQ_SEND_BATCH_MESSAGE:
		take_message(peer, request, out);
		break;
	case RV__REQ_GET_CONSUMER_LIST_BY_GROUP:
		put_members(peer, request, out);
		break;
	case RV__REQ_QUERY_CONSUMER_OFFSET:
	case RV__REQ_GET_MAX_OFFSET:
	case RV__REQ_GET_MIN_OFFSET:
		put_fields(request, out, zero);
		break;
	case RV__REQ_PULL_MESSAGE:
		(void)rv__command_i64(request, "queueOffset", &offset);
		if (topic.length > 0 && topic.bytes[0] != '%' && offset < (int64_t)peer->record_count) {
			put_pull(peer, request, offset, out);
		} else if (topic.length > 0 && topic.bytes[0] != '%') {
			peer->connections[at].held = (struct rv__command){.opaque = request->opaque,
			    .serialize = request->serialize,
			    .code = request->code};
			peer->connections[at].held_offset = offset;
			peer->connections[at].holding = true;
		}
		break;
	default:
		put_fields(request, out, &nothing);
	}
}

/* -- the script --------------------------------------------------------------------------------------- */

static enum peer_act next_act(struct peer *peer, int code, int *ret_argument)
{
	enum peer_act act = PEER_WELL;

	pthread_mutex_lock(&peer->lock);
	if (peer->script[code].times != 0) {
		act = peer->script[code].act;
		*ret_argument = peer->script[code].argument;
		if (peer->script[code].times > 0)
			peer->script[code].times--;
	}
	pthread_mutex_unlock(&peer->lock);
	return act;
}

static void drop(struct peer *peer, size_t at)
{
	close(peer->connections[at].socket);
	rv__frame_decoder_finish(&peer->connections[at].decoder);
	memset(&peer->connections[at].decoder, 0, sizeof peer->connections[at].decoder);
	peer->connections[at].socket = -1;
	peer->connections[at].holding = false;
}

static void drop_all(struct peer *peer)
{
	for (size_t i = 0; i < PEER_CONNECTIONS; i++)
		if (peer->connections[i].socket >= 0)
			drop(peer, i);
}

static void put_nonsense(const struct rv__command *request, struct rv__buffer *out)
{
	struct rv__command_writer writer;

	rv__command_begin_response(&writer, out, request, 0, NULL);
	rv__command_add_text(&writer, "offset", "x");
	rv__command_add_text(&writer, "nextBeginOffset", "-");
	rv__command_end(&writer, 9);
	rv__buffer_add(out, "{\"a\":[[[\xff", 9);
}

/* Either way of telling a position. */
static void note_position(struct peer *peer, const struct rv__command *request)
{
	struct rv_span topic = rv__command_field(request, "topic");
	int64_t flag = RV__PULL_COMMIT, position;

	if (request->code != RV__REQ_UPDATE_CONSUMER_OFFSET && request->code != RV__REQ_PULL_MESSAGE)
		return;
	(void)rv__command_i64(request, "sysFlag", &flag);
	if ((flag & RV__PULL_COMMIT) && topic.length > 0 && topic.bytes[0] != '%' &&
	    rv__command_i64(request, "commitOffset", &position))
		atomic_store(&peer->stored, position);
}

/* Answers one request; false: the connection ended. */
static bool serve(struct peer *peer, size_t at, const struct rv__command *request)
{
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv__command_writer writer;
	int code = request->code >= 0 && request->code < PEER_CODES ? request->code : 0, argument = 0;
	enum peer_act act = next_act(peer, code, &argument);

	note_position(peer, request);
	atomic_fetch_add(&peer->seen[code], 1);
	if (rv__command_is_oneway(request) && act == PEER_WELL)
		act = PEER_SILENT;
	switch (act) {
	case PEER_WELL:
		behave(peer, at, request, &out);
		break;
	case PEER_CODE:
	case PEER_BARE:
		rv__command_begin_response(&writer, &out, request, act == PEER_CODE ? argument : 0,
		    act == PEER_CODE ? "as the script says" : NULL);
		rv__command_end(&writer, 0);
		break;
	case PEER_GARBAGE:
		put_nonsense(request, &out);
		break;
	case PEER_BROKEN:
		rv__buffer_add(&out, "\xff\xff\xff\xff\xff\xff\xff\xffHTTP", 12);
		break;
	case PEER_TRUNCATED:
		behave(peer, at, request, &out);
		out.length /= 2;
		break;
	default:
		break;
	}
	write_all(peer->connections[at].socket, &out);
	rv__buffer_finish(&out);
	if (act != PEER_CLOSE && act != PEER_TRUNCATED)
		return true;
	drop(peer, at);
	return false;
}

static void answer_held(struct peer *peer)
{
	for (size_t i = 0; i < PEER_CONNECTIONS; i++) {
		struct rv__buffer out = RV__BUFFER_INIT(0);

		if (peer->connections[i].socket < 0 || !peer->connections[i].holding ||
		    peer->connections[i].held_offset >= (int64_t)peer->record_count)
			continue;
		peer->connections[i].holding = false;
		put_pull(peer, &peer->connections[i].held, peer->connections[i].held_offset, &out);
		write_all(peer->connections[i].socket, &out);
		rv__buffer_finish(&out);
	}
}

static void receive(struct peer *peer, size_t at)
{
	struct rv__frame_decoder *decoder = &peer->connections[at].decoder;
	static struct rv__command request;
	struct rv__frame frame;
	size_t size;
	uint8_t *room = rv__frame_decoder_room(decoder, 65536, &size);
	ssize_t n = recv(peer->connections[at].socket, room, size, 0);

	if (n <= 0) {
		drop(peer, at);
		return;
	}
	rv__frame_decoder_received(decoder, (size_t)n);
	while (rv__frame_decoder_next(decoder, &frame, NULL) == RV__FRAME_WHOLE) {
		if (rv__command_decode(&frame, &request, NULL) != RV_OK) {
			drop(peer, at);
			return;
		}
		if (!rv__command_is_response(&request) && !serve(peer, at, &request))
			return;
	}
}

static void notify_all(struct peer *peer)
{
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv__command_writer writer;

	rv__command_begin(&writer, &out,
	    &(struct rv__command_head){.code = RV__REQ_NOTIFY_CONSUMER_IDS_CHANGED, .flag = RV__FLAG_ONEWAY});
	rv__command_add_text(&writer, "consumerGroup", peer->group);
	rv__command_end(&writer, 0);
	for (size_t i = 0; i < PEER_CONNECTIONS; i++)
		if (peer->connections[i].socket >= 0)
			write_all(peer->connections[i].socket, &out);
	rv__buffer_finish(&out);
}

static void take_connection(struct peer *peer)
{
	int socket = accept(peer->listener, NULL, NULL);

	for (size_t i = 0; i < PEER_CONNECTIONS; i++)
		if (peer->connections[i].socket < 0) {
			peer->connections[i].socket = socket;
			return;
		}
	close(socket);
}

static void *run(void *arg)
{
	struct peer *peer = arg;

	while (!atomic_load(&peer->ending)) {
		struct pollfd polls[PEER_CONNECTIONS + 1] = {{.fd = peer->listener, .events = POLLIN}};

		for (size_t i = 0; i < PEER_CONNECTIONS; i++)
			polls[i + 1] = (struct pollfd){.fd = peer->connections[i].socket, .events = POLLIN};
		if (poll(polls, PEER_CONNECTIONS + 1, 10) < 0)
			break;
		if (polls[0].revents)
			take_connection(peer);
		for (size_t i = 0; i < PEER_CONNECTIONS; i++)
			if (polls[i + 1].fd >= 0 && polls[i + 1].revents)
				receive(peer, i);
		answer_held(peer);
		if (atomic_exchange(&peer->notify, false))
			notify_all(peer);
		if (atomic_exchange(&peer->hang_up, false))
			drop_all(peer);
	}
	return NULL;
}

void peer_start(struct peer *peer)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;

	memset(peer, 0, sizeof *peer);
	pthread_mutex_init(&peer->lock, NULL);
	for (size_t i = 0; i < PEER_CONNECTIONS; i++)
		peer->connections[i].socket = -1;
	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(peer->listener, (struct sockaddr *)&address, size) != 0 || listen(peer->listener, 16) != 0 ||
	    getsockname(peer->listener, (struct sockaddr *)&address, &size) != 0)
		abort();
	peer->port = ntohs(address.sin_port);
	if (pthread_create(&peer->thread, NULL, run, peer) != 0)
		abort();
}

void peer_stop(struct peer *peer)
{
	atomic_store(&peer->ending, true);
	pthread_join(peer->thread, NULL);
	close(peer->listener);
	for (size_t i = 0; i < PEER_CONNECTIONS; i++)
		if (peer->connections[i].socket >= 0)
			drop(peer, i);
	for (size_t i = 0; i < peer->record_count; i++)
		rv__buffer_finish(&peer->records[i]);
}

bool peer_got_retry(struct peer *peer, const char *topic)
{
	bool got;

	pthread_mutex_lock(&peer->lock);
	got = strcmp(peer->retry_topic, topic) == 0;
	pthread_mutex_unlock(&peer->lock);
	return got;
}

void peer_script(struct peer *peer, int code, enum peer_act act, int argument, int times)
{
	pthread_mutex_lock(&peer->lock);
	peer->script[code].act = act;
	peer->script[code].argument = argument;
	peer->script[code].times = times;
	pthread_mutex_unlock(&peer->lock);
}
