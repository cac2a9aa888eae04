// SPDX-License-Identifier: Apache-2.0
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Protocol;

/**
 * lib/traces.py's work by the JDK's own server, JDBC and Jedis, with connections that all threads
 * share. Arguments: the port, that of Redis, the URL of PostgreSQL, and pool or virtual.
 */
public class Main {
	static final String[] COMMANDS = {
		"GET", "STRLEN", "EXISTS", "TTL", "TYPE", "PTTL", "HLEN", "SCARD"};
	static final String[] STATEMENTS = {
		"SHOW server_version",
		"EXPLAIN SELECT 'S3CRETSQL'",
		"SET application_name = 'S3CRETSET'",
		"DO $$ BEGIN PERFORM 'S3CRETDO'; END $$"};
	static final int POOL = 20;
	static final BlockingQueue<Connection> databases = new ArrayBlockingQueue<>(POOL);
	static final BlockingQueue<Jedis> caches = new ArrayBlockingQueue<>(POOL);

	static void ask(int number) throws Exception {
		Jedis cache = caches.take();
		try {
			for (int i = 0; i < COMMANDS.length; i++)
				if (((number % 255 + 1) >> i & 1) != 0)
					cache.sendCommand(Protocol.Command.valueOf(COMMANDS[i]), "key");
		} finally {
			caches.put(cache);
		}
		Connection database = databases.take();
		try (Statement statement = database.createStatement()) {
			for (int i = 0; i < STATEMENTS.length; i++)
				if (((number / 3 % 15 + 1) >> i & 1) != 0) statement.execute(STATEMENTS[i]);
		} finally {
			databases.put(database);
		}
	}

	static void serve(HttpExchange exchange) throws IOException {
		String path = exchange.getRequestURI().getPath();
		int number = Integer.parseInt(path.substring(path.lastIndexOf('/') + 1));
		byte[] body = ("ZID" + number + "Z").getBytes(StandardCharsets.US_ASCII);
		int status = 200;
		try {
			ask(number);
		} catch (Exception e) {
			e.printStackTrace();
			status = 500;
		}
		exchange.sendResponseHeaders(status, body.length);
		exchange.getResponseBody().write(body);
		exchange.close();
	}

	static ExecutorService threads(String kind) throws Exception {
		if (kind.equals("pool")) return Executors.newFixedThreadPool(64);
		// Not there to compile against before Java 21.
		return (ExecutorService)
			Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null);
	}

	public static void main(String[] args) throws Exception {
		for (int i = 0; i < POOL; i++) {
			databases.put(DriverManager.getConnection(args[2]));
			caches.put(new Jedis("127.0.0.1", Integer.parseInt(args[1])));
			caches.peek().connect();
		}
		HttpServer server =
			HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 128);
		server.createContext("/", Main::serve);
		server.setExecutor(threads(args[3]));
		server.start();
	}
}
