/* SPDX-License-Identifier: Apache-2.0 */
package peer;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The official Java client as a program that obeys standard input: one command a line, one JSON line for each answer
 * and each received message. One JVM serves a whole suite, since starting one costs more than most cases. End of
 * input ends it.
 */
public final class Driver {
	private interface Action {
		Object run(Command command) throws Exception;
	}

	private final PrintStream out;
	private final Map<String, Action> actions = new ConcurrentHashMap<>();
	private final ExecutorService workers = Executors.newCachedThreadPool();

	private Driver(PrintStream out) {
		Producers producers = new Producers();
		Consumers consumers = new Consumers(this);
		Admin admin = new Admin();

		this.out = out;
		actions.put("producer.start", producers::start);
		actions.put("producer.send", producers::send);
		actions.put("producer.stop", producers::stop);
		actions.put("consumer.start", consumers::start);
		actions.put("consumer.stop", consumers::stop);
		actions.put("litepull.start", consumers::startLitePull);
		actions.put("litepull.poll", consumers::pollLite);
		actions.put("litepull.stop", consumers::stopLitePull);
		actions.put("pull.all", consumers::pullAll);
		actions.put("mqadmin", admin::run);
	}

	public static void main(String[] arguments) throws Exception {
		Driver driver = new Driver(System.out);
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

		System.setOut(System.err); // whatever a library prints must not look like an answer
		driver.event("ready");
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			Command command = new Command(line);

			driver.workers.execute(() -> driver.obey(command));
		}
		System.exit(0); // clients that were left running would keep the JVM
	}

	private void obey(Command command) {
		Map<String, Object> answer = new LinkedHashMap<>();

		answer.put("reply", command.id);
		try {
			Action action = actions.get(command.verb);

			if (action == null) {
				throw new IllegalArgumentException("unknown command " + command.verb);
			}
			answer.put("value", action.run(command));
		} catch (Throwable error) {
			answer.put("error", error.toString());
			error.printStackTrace();
		}
		print(answer);
	}

	/** One event line; {@code pairs} are names and values in turn. */
	void event(String name, Object... pairs) {
		Map<String, Object> map = new LinkedHashMap<>();

		map.put("event", name);
		for (int i = 0; i < pairs.length; i += 2) {
			map.put(String.valueOf(pairs[i]), pairs[i + 1]);
		}
		print(map);
	}

	private void print(Map<String, Object> map) {
		String line = Json.write(map);

		synchronized (out) {
			out.println(line);
			out.flush();
		}
	}
}
