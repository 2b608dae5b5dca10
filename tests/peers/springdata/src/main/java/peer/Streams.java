// SPDX-License-Identifier: Apache-2.0
package peer;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.beans.factory.support.DefaultListableBeanFactory;
import org.springframework.data.redis.connection.lettuce.LettuceConnectionFactory;
import org.springframework.data.redis.connection.stream.ReadOffset;
import org.springframework.data.redis.connection.stream.StreamOffset;
import org.springframework.data.redis.connection.stream.StreamRecords;
import org.springframework.data.redis.core.StringRedisTemplate;
import org.springframework.data.redis.serializer.RedisSerializer;
import org.springframework.data.redis.stream.StreamMessageListenerContainer;
import org.springframework.data.redis.stream.StreamMessageListenerContainer.StreamMessageListenerContainerOptions;
import org.springframework.integration.channel.DirectChannel;
import org.springframework.integration.redis.inbound.ReactiveRedisStreamMessageProducer;
import org.springframework.integration.redis.outbound.ReactiveRedisStreamMessageHandler;
import org.springframework.messaging.support.MessageBuilder;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;

/**
 * Spring Data Redis and Spring Integration as users of Redis Streams: what their readers get is one JSON line on standard
 * output; each JSON line on standard input goes to `to-c` and is answered with one line. End of input stops it.
 * Argument: the port of Redis on loopback.
 */
public final class Streams {
	private static final ObjectMapper JSON = new ObjectMapper();
	private static final PrintStream OUT = System.out;

	/** What people send as an object: its members become fields. */
	public static final class Notice {
		public String plate;
		public int fee;
		public boolean paid;
	}

	private Streams() {
	}

	public static void main(String[] args) throws IOException {
		System.setOut(System.err); // standard output belongs to the lines
		LettuceConnectionFactory redis = new LettuceConnectionFactory("127.0.0.1", Integer.parseInt(args[0]));
		redis.afterPropertiesSet();
		redis.start();
		StringRedisTemplate template = new StringRedisTemplate(redis);
		ReactiveRedisStreamMessageHandler handler = new ReactiveRedisStreamMessageHandler(redis, "to-c");
		handler.setBeanFactory(new DefaultListableBeanFactory());
		handler.afterPropertiesSet();

		fields(redis);
		objects(redis, "bytes-from-c", byte[].class);
		objects(redis, "text-from-c", String.class);
		objects(redis, "notice-from-c", Notice.class);
		integration(redis);
		say(Map.of("event", "ready"));
		sendLines(template, handler);
		System.exit(0);
	}

	/** As the fields that an entry has, which is how headers are seen. */
	private static void fields(LettuceConnectionFactory redis) {
		var container = StreamMessageListenerContainer.create(redis,
		        StreamMessageListenerContainerOptions.builder().pollTimeout(Duration.ofMillis(100))
		                .keySerializer(RedisSerializer.string()).hashKeySerializer(RedisSerializer.string())
		                .hashValueSerializer(RedisSerializer.byteArray()).build());
		for (String stream : new String[] {"bytes-from-c", "text-from-c", "notice-from-c"}) {
			container.receive(StreamOffset.fromStart(stream), record -> {
				Map<String, Object> line = told("fields", stream);
				Map<String, Object> fields = new LinkedHashMap<>();
				record.getValue().forEach((name, value) -> fields.put(name.toString(), describe(value)));
				line.put("value", fields);
				say(line);
			});
		}
		container.start();
	}

	/** As objects of a type, by the mapper that Spring Data Redis has for them. */
	private static <T> void objects(LettuceConnectionFactory redis, String stream, Class<T> type) {
		var container = StreamMessageListenerContainer.create(redis, StreamMessageListenerContainerOptions.builder()
		        .pollTimeout(Duration.ofMillis(100)).errorHandler(Throwable::printStackTrace).targetType(type).build());
		container.receive(StreamOffset.fromStart(stream), record -> {
			Map<String, Object> line = told("objects", stream);
			line.put("value", describe(record.getValue()));
			say(line);
		});
		container.start();
	}

	/** As payloads of Spring Integration. */
	private static void integration(LettuceConnectionFactory redis) {
		ThreadPoolTaskScheduler scheduler = new ThreadPoolTaskScheduler();
		DefaultListableBeanFactory beans = new DefaultListableBeanFactory();
		DirectChannel channel = new DirectChannel();
		var producer = new ReactiveRedisStreamMessageProducer(redis, "text-from-c");

		scheduler.afterPropertiesSet();
		beans.registerSingleton("taskScheduler", scheduler);
		channel.setBeanFactory(beans);
		channel.afterPropertiesSet();
		channel.subscribe(message -> {
			Map<String, Object> line = told("integration", "text-from-c");
			line.put("value", describe(message.getPayload()));
			say(line);
		});
		producer.setBeanFactory(beans);
		producer.setOutputChannel(channel);
		producer.setReadOffset(ReadOffset.from("0-0"));
		producer.setTargetType(String.class);
		producer.afterPropertiesSet();
		producer.start();
	}

	private static Map<String, Object> told(String reader, String stream) {
		Map<String, Object> line = new LinkedHashMap<>();
		line.put("event", "message");
		line.put("reader", reader);
		line.put("stream", stream);
		return line;
	}

	private static Object describe(Object value) {
		return value instanceof byte[] bytes ? HexFormat.of().formatHex(bytes) : value;
	}

	private static void sendLines(StringRedisTemplate template, ReactiveRedisStreamMessageHandler handler)
	        throws IOException {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			Map<String, Object> answer = new LinkedHashMap<>(Map.of("event", "sent"));
			try {
				Map<?, ?> wanted = JSON.readValue(line, Map.class);
				send((String) wanted.get("as"), wanted.get("value"), template, handler);
			} catch (Exception e) {
				answer.put("error", e.toString());
			}
			say(answer);
		}
	}

	private static void send(
	        String as, Object value, StringRedisTemplate template, ReactiveRedisStreamMessageHandler handler) {
		switch (as) {
			case "text" -> template.opsForStream().add(StreamRecords.newRecord().in("to-c").ofObject((String) value));
			case "bytes" -> template.opsForStream()
			        .add(StreamRecords.newRecord().in("to-c").ofObject(HexFormat.of().parseHex((String) value)));
			case "notice" -> template.opsForStream().add(
			        StreamRecords.newRecord().in("to-c").ofObject(JSON.convertValue(value, Notice.class)));
			case "fields" -> template.opsForStream().add(StreamRecords.newRecord().in("to-c").ofMap((Map<?, ?>) value));
			case "payload" -> handler.handleMessage(MessageBuilder.withPayload(value).build()).block();
			default -> throw new IllegalArgumentException("as " + as);
		}
	}

	private static void say(Object line) {
		try {
			byte[] text = (JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8);
			synchronized (OUT) {
				OUT.write(text, 0, text.length);
				OUT.flush();
			}
		} catch (IOException e) {
			throw new IllegalStateException(e);
		}
	}
}
