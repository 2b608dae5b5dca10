/* SPDX-License-Identifier: Apache-2.0 */
package peer;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One line of standard input: {@code <id> <verb> name=value …}, values percent-encoded. A word without
 * '=' is a positional argument.
 */
final class Command {
	final String id;
	final String verb;
	final List<String> words = new ArrayList<>();
	private final Map<String, String> options = new LinkedHashMap<>();

	Command(String line) {
		String[] parts = line.trim().split(" ");

		id = parts[0];
		verb = parts[1];
		for (int i = 2; i < parts.length; i++) {
			int equals = parts[i].indexOf('=');

			if (equals < 0) {
				words.add(decode(parts[i]));
			} else {
				options.put(parts[i].substring(0, equals), decode(parts[i].substring(equals + 1)));
			}
		}
	}

	private static String decode(String text) {
		return URLDecoder.decode(text, StandardCharsets.UTF_8);
	}

	/** Value of an option that must be there. */
	String need(String name) {
		String value = options.get(name);

		if (value == null) {
			throw new IllegalArgumentException(verb + " needs " + name + "=");
		}
		return value;
	}

	String get(String name, String otherwise) {
		return options.getOrDefault(name, otherwise);
	}

	int number(String name, int otherwise) {
		return options.containsKey(name) ? Integer.parseInt(options.get(name)) : otherwise;
	}

	boolean flag(String name) {
		return "true".equals(options.get(name));
	}

	/** Options whose name begins with {@code prefix}, without it. */
	Map<String, String> below(String prefix) {
		Map<String, String> found = new LinkedHashMap<>();

		options.forEach((name, value) -> {
			if (name.startsWith(prefix)) {
				found.put(name.substring(prefix.length()), value);
			}
		});
		return found;
	}
}
