/* SPDX-License-Identifier: Apache-2.0 */
package peer;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The official consumers: push (concurrent, orderly), lite pull and pull. Each message is one event line. */
@SuppressWarnings("deprecation") // the pull consumer is deprecated and still in use
final class Consumers {
	/** What hangs is bounded by the suite; a machine that stands still for some seconds is no failure. */
	static final int PATIENCE_MS = 30000;

	private final Driver driver;
	private final Map<String, DefaultMQPushConsumer> consumers = new ConcurrentHashMap<>();
	private final Map<String, DefaultLitePullConsumer> litePulls = new ConcurrentHashMap<>();

	Consumers(Driver driver) {
		this.driver = driver;
	}

	/**
	 * consumer.start name= group= topic= [tags=*] [namesrv=] [orderly=true] [from=first|last] [threads=n] [poll=ms]
	 * [max-reconsume=n] [delay-level=n] [suspend=ms] [fail=text in the body] [fail-times=n] [broadcast=true]
	 * [instance=] [vip=true]
	 */
	Object start(Command command) throws Exception {
		DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(command.need("group"));

		if (command.get("namesrv", null) != null) {
			consumer.setNamesrvAddr(command.need("namesrv"));
		}
		consumer.setVipChannelEnabled(command.flag("vip"));
		consumer.setPollNameServerInterval(command.number("poll", 1000));
		consumer.setHeartbeatBrokerInterval(command.number("poll", 1000));
		consumer.setConsumeFromWhere("last".equals(command.get("from", "first"))
		        ? ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET
		        : ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
		consumer.setConsumeThreadMin(command.number("threads", 4));
		consumer.setConsumeThreadMax(command.number("threads", 4));
		consumer.setMaxReconsumeTimes(command.number("max-reconsume", -1));
		consumer.setSuspendCurrentQueueTimeMillis(command.number("suspend", 100));
		consumer.setMqClientApiTimeout(PATIENCE_MS);
		/* Without it a stop does not wait for listeners, and the last message, told but not counted, comes again. */
		consumer.setAwaitTerminationMillisWhenShutdown(PATIENCE_MS);
		if (command.get("instance", null) != null) { // two members of one group in one JVM
			consumer.setInstanceName(command.need("instance"));
		}
		if (command.flag("broadcast")) {
			var model = consumer.getMessageModel(); // its package differs between 4.x and 5.x

			consumer.setMessageModel(Enum.valueOf(model.getDeclaringClass(), "BROADCASTING"));
		}
		consumer.subscribe(command.need("topic"), command.get("tags", "*"));
		if (command.flag("orderly")) {
			consumer.registerMessageListener(orderly(command));
		} else {
			consumer.registerMessageListener(concurrent(command));
		}
		consumer.start();
		consumers.put(command.need("name"), consumer);
		return consumer.getConsumerGroup();
	}

	Object stop(Command command) {
		consumers.remove(command.need("name")).shutdown();
		return null;
	}

	private MessageListenerConcurrently concurrent(Command command) {
		return (messages, context) -> {
			context.setDelayLevelWhenNextConsume(command.number("delay-level", 0));
			return handle(command, messages) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS
			                                 : ConsumeConcurrentlyStatus.RECONSUME_LATER;
		};
	}

	private MessageListenerOrderly orderly(Command command) {
		return (messages, context) -> handle(command, messages)
		        ? ConsumeOrderlyStatus.SUCCESS
		        : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
	}

	private boolean handle(Command command, List<MessageExt> messages) {
		boolean accepted = true;

		for (MessageExt message : messages) {
			String failing = command.get("fail", null);
			String body = new String(message.getBody(), StandardCharsets.UTF_8);

			Map<String, Object> description = describe(message);

			description.put("at", System.nanoTime() / 1e9); // before the verdict: what follows from it is later
			driver.event("message", "consumer", command.need("name"), "message", description);
			if (failing != null && body.contains(failing)
			        && message.getReconsumeTimes() < command.number("fail-times", Integer.MAX_VALUE)) {
				accepted = false;
			}
		}
		return accepted;
	}

	/** litepull.start name= group= topic= [tags=*] [namesrv=] */
	Object startLitePull(Command command) throws Exception {
		DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(command.need("group"));

		consumer.setNamesrvAddr(command.need("namesrv"));
		consumer.setVipChannelEnabled(command.flag("vip"));
		consumer.setPollNameServerInterval(command.number("poll", 1000));
		consumer.setHeartbeatBrokerInterval(command.number("poll", 1000));
		consumer.setMqClientApiTimeout(PATIENCE_MS);
		consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
		consumer.subscribe(command.need("topic"), command.get("tags", "*"));
		consumer.start();
		litePulls.put(command.need("name"), consumer);
		return null;
	}

	/** litepull.poll name= [timeout=ms]: one poll; answers the messages and commits them. */
	Object pollLite(Command command) {
		DefaultLitePullConsumer consumer = litePulls.get(command.need("name"));
		List<Object> found = new ArrayList<>();

		for (MessageExt message : consumer.poll(command.number("timeout", 1000))) {
			found.add(describe(message));
		}
		consumer.commitSync();
		return found;
	}

	Object stopLitePull(Command command) {
		litePulls.remove(command.need("name")).shutdown();
		return null;
	}

	/** pull.all topic= group= namesrv=: reads every queue from its minimum to its maximum, with both offsets. */
	Object pullAll(Command command) throws Exception {
		DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(command.need("group"));
		Map<String, Object> answer = new LinkedHashMap<>();
		List<Object> found = new ArrayList<>();
		List<Object> queues = new ArrayList<>();

		consumer.setNamesrvAddr(command.need("namesrv"));
		consumer.setMqClientApiTimeout(PATIENCE_MS);
		consumer.setConsumerPullTimeoutMillis(PATIENCE_MS);
		consumer.start();
		try {
			for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(command.need("topic"))) {
				long minimum = consumer.minOffset(queue);
				long maximum = consumer.maxOffset(queue);

				queues.add(describe(queue, minimum, maximum, consumer.searchOffset(queue, 0)));
				pullQueue(consumer, queue, minimum, maximum, found);
			}
		} finally {
			consumer.shutdown();
		}
		answer.put("queues", queues);
		answer.put("messages", found);
		return answer;
	}

	private static void pullQueue(DefaultMQPullConsumer consumer, MessageQueue queue, long minimum, long maximum,
	    List<Object> found) throws Exception {
		for (long offset = minimum; offset < maximum;) {
			PullResult result = consumer.pull(queue, "*", offset, 32);

			if (result.getMsgFoundList() != null) {
				result.getMsgFoundList().forEach(message -> found.add(describe(message)));
			}
			if (result.getNextBeginOffset() <= offset) {
				throw new IllegalStateException("pull at " + offset + " of " + queue + " does not advance: " + result);
			}
			offset = result.getNextBeginOffset();
		}
	}

	private static Map<String, Object> describe(MessageQueue queue, long minimum, long maximum, long searched) {
		Map<String, Object> map = new LinkedHashMap<>();

		map.put("queueId", queue.getQueueId());
		map.put("min", minimum);
		map.put("max", maximum);
		map.put("searched", searched);
		return map;
	}

	static Map<String, Object> describe(MessageExt message) {
		Map<String, Object> map = new LinkedHashMap<>();

		map.put("topic", message.getTopic());
		map.put("queueId", message.getQueueId());
		map.put("queueOffset", message.getQueueOffset());
		map.put("msgId", message.getMsgId());
		map.put("tags", message.getTags());
		map.put("keys", message.getKeys());
		map.put("reconsumeTimes", message.getReconsumeTimes());
		map.put("bornTimestamp", message.getBornTimestamp());
		map.put("bornHost", String.valueOf(message.getBornHost()));
		map.put("storeTimestamp", message.getStoreTimestamp());
		map.put("properties", message.getProperties());
		map.put("length", message.getBody().length);
		map.put("body", new String(message.getBody(), StandardCharsets.UTF_8));
		return map;
	}
}
