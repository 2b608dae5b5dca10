/* SPDX-License-Identifier: Apache-2.0 */
package peer;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * mqadmin inside this JVM, since a JVM a command costs seconds. By reflection: the class path of the 5.x client
 * has no tools.
 */
final class Admin {
	/** mqadmin word… : answers what the command printed. One at a time, since it prints to the JVM's own streams. */
	synchronized Object run(Command command) throws Exception {
		Class<?> startup = Class.forName("org.apache.rocketmq.tools.command.MQAdminStartup");
		Method main = startup.getMethod("main0", String[].class, Class.forName("org.apache.rocketmq.remoting.RPCHook"));
		ByteArrayOutputStream printed = new ByteArrayOutputStream();
		ByteArrayOutputStream complained = new ByteArrayOutputStream();
		PrintStream out = System.out;
		PrintStream err = System.err;
		Map<String, Object> answer = new LinkedHashMap<>();

		System.setOut(new PrintStream(printed, true, "UTF-8"));
		System.setErr(new PrintStream(complained, true, "UTF-8"));
		try {
			main.invoke(null, command.words.toArray(new String[0]), null);
		} catch (InvocationTargetException e) {
			e.getCause().printStackTrace();
		} finally {
			System.setOut(out);
			System.setErr(err);
		}
		answer.put("out", printed.toString(StandardCharsets.UTF_8));
		answer.put("err", complained.toString(StandardCharsets.UTF_8));
		return answer;
	}
}
