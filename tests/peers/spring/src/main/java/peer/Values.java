// SPDX-License-Identifier: Apache-2.0
package peer;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.UUID;
import org.springframework.kafka.support.KafkaNull;
import org.springframework.messaging.Message;
import org.springframework.messaging.support.MessageBuilder;
import org.springframework.util.MimeType;

/** Values with their Java type in JSON, both ways: {"type": "int", "value": 7}. */
final class Values {
	private Values() {
	}

	static Message<?> message(Map<?, ?> wanted) {
		MessageBuilder<?> builder = MessageBuilder.withPayload(parse((Map<?, ?>) wanted.get("payload")));
		((Map<?, ?>) wanted.get("headers"))
		        .forEach((name, value) -> builder.setHeader((String) name, parse((Map<?, ?>) value)));
		return builder.build();
	}

	private static Object parse(Map<?, ?> typed) {
		Object value = typed.get("value");
		return switch ((String) typed.get("type")) {
			case "text" -> (String) value;
			case "boolean" -> (Boolean) value;
			case "int" -> ((Number) value).intValue();
			case "long" -> ((Number) value).longValue();
			case "double" -> ((Number) value).doubleValue();
			case "json" -> value;
			case "bytes" -> HexFormat.of().parseHex((String) value);
			case "uuid" -> UUID.fromString((String) value);
			case "mime" -> MimeType.valueOf((String) value);
			case "null" -> KafkaNull.INSTANCE;
			default -> throw new IllegalArgumentException("type " + typed.get("type"));
		};
	}

	static Map<String, Object> describe(Object value) {
		if (value instanceof byte[] bytes) {
			return Map.of("type", "byte[]", "value", HexFormat.of().formatHex(bytes), "text",
			        new String(bytes, StandardCharsets.UTF_8));
		}
		boolean plain = value instanceof String || value instanceof Number || value instanceof Boolean
		        || value instanceof Map || value instanceof Iterable;
		return Map.of("type", value.getClass().getName(), "value", plain ? value : value.toString());
	}
}
