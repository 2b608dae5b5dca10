/* SPDX-License-Identifier: Apache-2.0 */
package peer;

import java.util.Map;

/** Writes one JSON line; reading is not needed, since commands come as words. */
final class Json {
	private Json() {
	}

	static String write(Object value) {
		StringBuilder out = new StringBuilder();
		write(out, value);
		return out.toString();
	}

	private static void write(StringBuilder out, Object value) {
		if (value == null || value instanceof Boolean || value instanceof Number) {
			out.append(value);
		} else if (value instanceof Map) {
			writeMap(out, (Map<?, ?>) value);
		} else if (value instanceof Iterable) {
			writeList(out, (Iterable<?>) value);
		} else {
			writeText(out, value.toString());
		}
	}

	private static void writeMap(StringBuilder out, Map<?, ?> map) {
		String separator = "{";

		for (Map.Entry<?, ?> entry : map.entrySet()) {
			out.append(separator);
			writeText(out, String.valueOf(entry.getKey()));
			out.append(':');
			write(out, entry.getValue());
			separator = ",";
		}
		out.append(map.isEmpty() ? "{}" : "}");
	}

	private static void writeList(StringBuilder out, Iterable<?> list) {
		char separator = '[';

		for (Object item : list) {
			out.append(separator);
			write(out, item);
			separator = ',';
		}
		out.append(separator == '[' ? "[]" : "]");
	}

	private static void writeText(StringBuilder out, String text) {
		out.append('"');
		for (int i = 0; i < text.length(); i++) {
			char c = text.charAt(i);

			if (c == '"' || c == '\\') {
				out.append('\\').append(c);
			} else if (c < 0x20 || c > 0x7e) {
				out.append(String.format("\\u%04x", (int) c));
			} else {
				out.append(c);
			}
		}
		out.append('"');
	}
}
