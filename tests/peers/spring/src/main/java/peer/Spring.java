// SPDX-License-Identifier: Apache-2.0
package peer;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.stream.function.StreamBridge;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.messaging.Message;

/**
 * A service that tells all it sees: what `tell-in-0` receives is one JSON line on standard output; each JSON line on
 * standard input is sent through the binding it names and answered with one line. End of input stops it. All the
 * rest is properties on the command line. The other functions show one kind of listener each.
 */
@SpringBootApplication
public class Spring {
	static final ObjectMapper JSON = new ObjectMapper();
	private static final PrintStream OUT = System.out;

	public static void main(String[] args) throws IOException {
		System.setOut(System.err); // standard output belongs to the lines
		try (ConfigurableApplicationContext context = SpringApplication.run(Spring.class, args)) {
			say(Map.of("event", "ready"));
			sendLines(context.getBean(StreamBridge.class));
		}
	}

	/** Takes what comes, as it comes: payloads are bytes, or a tombstone. */
	@Bean
	Consumer<Message<?>> tell() {
		return message -> told("tell", message);
	}

	/** The same twice more, for a group of its own and for another header mode. */
	@Bean
	Consumer<Message<?>> share() {
		return message -> told("share", message);
	}

	@Bean
	Consumer<Message<?>> embedded() {
		return message -> told("embedded", message);
	}

	/** A listener as people write it: the payload is converted by its content type. */
	@Bean
	Consumer<Message<Map<String, Object>>> convert() {
		return message -> told("convert", message);
	}

	@Bean
	Consumer<Message<Map<String, Object>>> quoted() {
		return message -> told("quoted", message);
	}

	@Bean
	Consumer<Message<String>> text() {
		return message -> told("text", message);
	}

	/** Never succeeds; with enable-dlq its messages go to the dead letters. */
	@Bean
	Consumer<Message<?>> fail() {
		return message -> {
			told("fail", message);
			throw new IllegalStateException("no tariff for this plate");
		};
	}

	private static void told(String function, Message<?> message) {
		Map<String, Object> line = new LinkedHashMap<>();
		line.put("event", "message");
		line.put("function", function);
		line.put("payload", Values.describe(message.getPayload()));
		Map<String, Object> headers = new LinkedHashMap<>();
		message.getHeaders().forEach((name, value) -> headers.put(name, Values.describe(value)));
		line.put("headers", headers);
		say(line);
	}

	private static void sendLines(StreamBridge bridge) throws IOException {
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			Map<String, Object> answer = new LinkedHashMap<>();
			answer.put("event", "sent");
			try {
				Map<?, ?> wanted = JSON.readValue(line, Map.class);
				answer.put("ok", bridge.send((String) wanted.get("binding"), Values.message(wanted)));
			} catch (Exception e) {
				answer.put("error", e.toString());
			}
			say(answer);
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
