/* SPDX-License-Identifier: Apache-2.0 */
package peer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/** The official producer: each way of sending, by name. */
final class Producers {
	private final Map<String, DefaultMQProducer> producers = new ConcurrentHashMap<>();

	/** producer.start name= group= [namesrv=, else NAMESRV_ADDR] [vip=true] [timeout=ms] */
	Object start(Command command) throws Exception {
		DefaultMQProducer producer = new DefaultMQProducer(command.need("group"));

		if (command.get("namesrv", null) != null) {
			producer.setNamesrvAddr(command.need("namesrv"));
		}
		producer.setVipChannelEnabled(command.flag("vip"));
		producer.setSendMsgTimeout(command.number("timeout", Consumers.PATIENCE_MS));
		producer.setMqClientApiTimeout(Consumers.PATIENCE_MS);
		/* The first heartbeat, after a second, may find no broker yet; the next one would be half a minute away. */
		producer.setPollNameServerInterval(1000);
		producer.setHeartbeatBrokerInterval(1000);
		producer.setCompressMsgBodyOverHowmuch(command.number("compress-over", 4096));
		producer.start();
		producers.put(command.need("name"), producer);
		return producer.getProducerGroup();
	}

	Object stop(Command command) {
		producers.remove(command.need("name")).shutdown();
		return null;
	}

	/**
	 * producer.send name= topic= body= [mode=sync|async|oneway|batch] [count=n] [first=n] [tag=] [keys=] [delay=level]
	 * [queue=index|each] [prop.x=]; "{i}" in body, keys and properties becomes the number of the message.
	 */
	Object send(Command command) throws Exception {
		DefaultMQProducer producer = producers.get(command.need("name"));
		int first = command.number("first", 0);
		List<Message> messages = new ArrayList<>();

		for (int i = first; i < first + command.number("count", 1); i++) {
			messages.add(build(command, i));
		}
		switch (command.get("mode", "sync")) {
		case "sync":
			return sendSync(producer, messages, command.get("queue", null));
		case "async":
			return sendAsync(producer, messages);
		case "batch":
			return Arrays.asList(describe(producer.send(messages)));
		case "oneway":
			for (Message message : messages) {
				producer.sendOneway(message);
			}
			return null;
		default:
			throw new IllegalArgumentException("unknown mode " + command.get("mode", ""));
		}
	}

	private static Message build(Command command, int i) {
		String number = Integer.toString(i);
		String body = command.need("body").replace("{i}", number);
		byte[] bytes = body.repeat(command.number("repeat", 1)).getBytes(StandardCharsets.UTF_8);
		Message message = new Message(command.need("topic"), command.get("tag", ""), bytes);

		if (command.get("keys", null) != null) {
			message.setKeys(command.need("keys").replace("{i}", number));
		}
		if (command.number("delay", 0) > 0) {
			message.setDelayTimeLevel(command.number("delay", 0));
		}
		command.below("prop.").forEach((name, value) -> message.putUserProperty(name, value.replace("{i}", number)));
		return message;
	}

	private static List<Object> sendSync(DefaultMQProducer producer, List<Message> messages, String queue)
	    throws Exception {
		List<Object> results = new ArrayList<>();
		int number = 0;

		for (Message message : messages) {
			int index = queue == null ? -1 : "each".equals(queue) ? number : Integer.parseInt(queue);
			SendResult result = index < 0 ? producer.send(message)
			                              : producer.send(message, (queues, m, at) -> queues.get((int) at % queues.size()), index);

			results.add(describe(result));
			number++;
		}
		return results;
	}

	private static List<Object> sendAsync(DefaultMQProducer producer, List<Message> messages) throws Exception {
		Map<Integer, Object> results = new ConcurrentHashMap<>();
		CountDownLatch left = new CountDownLatch(messages.size());

		for (int i = 0; i < messages.size(); i++) {
			int at = i;

			producer.send(messages.get(i), new SendCallback() {
				@Override
				public void onSuccess(SendResult result) {
					results.put(at, describe(result));
					left.countDown();
				}

				@Override
				public void onException(Throwable error) {
					results.put(at, "failed: " + error);
					left.countDown();
				}
			});
		}
		if (!left.await(2 * Consumers.PATIENCE_MS, TimeUnit.MILLISECONDS)) {
			throw new IllegalStateException(left.getCount() + " asynchronous sends did not complete");
		}
		return new ArrayList<>(results.values());
	}

	static Map<String, Object> describe(SendResult result) {
		Map<String, Object> map = new LinkedHashMap<>();

		map.put("status", result.getSendStatus().name());
		map.put("msgId", result.getMsgId());
		map.put("offsetMsgId", result.getOffsetMsgId());
		map.put("queueId", result.getMessageQueue().getQueueId());
		map.put("queueOffset", result.getQueueOffset());
		return map;
	}
}
