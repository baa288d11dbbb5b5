import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.DriverException;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.connection.ClosedConnectionException;
import com.datastax.oss.driver.api.core.connection.HeartbeatException;
import com.datastax.oss.driver.api.core.cql.PreparedStatement;
import com.datastax.oss.driver.api.core.metadata.Node;
import com.datastax.oss.driver.api.core.metadata.NodeState;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/**
 * An application that goes on while the servers it uses are restarted one after the other.
 *
 * <p>Usage: Rolling.java PORT ADDRESS... Asks for each restart on its output, and is told on its input when it is done.
 * What may be repeated must not fail; what may not be fails only with its connection, and is counted.
 */
public class Rolling {
  private static final int THREADS = 8;

  /** Requests of each kind that must succeed before and after each restart. */
  private static final long ENOUGH = 500;

  private static final AtomicBoolean GO_ON = new AtomicBoolean(true);
  private static final AtomicLong REPEATABLE = new AtomicLong();
  private static final AtomicLong COUNTED = new AtomicLong();
  private static final AtomicLong CUT = new AtomicLong();
  private static final ConcurrentLinkedQueue<String> WRONG = new ConcurrentLinkedQueue<>();

  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[0]);
    List<InetSocketAddress> servers = new ArrayList<>();
    for (int at = 1; at < args.length; at++) {
      servers.add(new InetSocketAddress(args[at], port));
    }
    DriverConfigLoader config =
        DriverConfigLoader.programmaticBuilder()
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofMinutes(1))
            .withDuration(DefaultDriverOption.CONNECTION_CONNECT_TIMEOUT, Duration.ofMinutes(1))
            .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofMinutes(1))
            .withString(DefaultDriverOption.RECONNECTION_POLICY_CLASS, "ConstantReconnectionPolicy")
            .withDuration(DefaultDriverOption.RECONNECTION_BASE_DELAY, Duration.ofMillis(100))
            .build();
    // One contact point: the others must be found in its tables.
    try (CqlSession session =
        CqlSession.builder()
            .addContactPoint(servers.get(0))
            .withLocalDatacenter("datacenter1")
            .withConfigLoader(config)
            .build()) {
      allUp(session, servers.size());
      session.execute("CREATE KEYSPACE rolling WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
      session.execute("CREATE TABLE rolling.rows (k int PRIMARY KEY, v int)");
      session.execute("CREATE TABLE rolling.counted (k int PRIMARY KEY, c counter)");
      List<Thread> threads = new ArrayList<>();
      for (int number = 0; number < THREADS; number++) {
        int seed = number;
        threads.add(new Thread(() -> work(session, seed)));
      }
      threads.forEach(Thread::start);
      BufferedReader told = new BufferedReader(new InputStreamReader(System.in));
      enough();
      for (int server = 0; server < servers.size(); server++) {
        System.out.println("restart " + server);
        String answer = told.readLine();
        if (!"restarted".equals(answer)) {
          fail("told " + answer);
        }
        allUp(session, servers.size());
        enough();
      }
      GO_ON.set(false);
      for (Thread thread : threads) {
        thread.join();
      }
      long counter = session.execute("SELECT sum(c) FROM rolling.counted").one().getLong(0);
      if (counter < COUNTED.get() || counter > COUNTED.get() + CUT.get()) {
        fail("the counters say " + counter + ", " + COUNTED + " were acknowledged and " + CUT + " cut off");
      }
    }
    if (!WRONG.isEmpty()) {
      fail(WRONG.size() + " requests failed that should not: " + WRONG.peek());
    }
    System.out.println(REPEATABLE + " repeatable requests, none failed; " + COUNTED + " others, " + CUT + " cut off");
    System.out.println("all checked");
  }

  private static void work(CqlSession session, int seed) {
    PreparedStatement insert = session.prepare("INSERT INTO rolling.rows (k, v) VALUES (?, ?)");
    PreparedStatement read = session.prepare("SELECT v FROM rolling.rows WHERE k = ?");
    PreparedStatement count = session.prepare("UPDATE rolling.counted SET c = c + 1 WHERE k = ?");
    for (int turn = 0; GO_ON.get(); turn++) {
      int k = seed + THREADS * (turn % 1000);
      try {
        session.execute(insert.bind(k, turn).setIdempotent(true));
        int v = session.execute(read.bind(k).setIdempotent(true)).one().getInt(0);
        if (v != turn) {
          WRONG.add("read " + v + " where " + turn + " was written");
        }
        REPEATABLE.addAndGet(2);
      } catch (DriverException failure) {
        WRONG.add(failure.toString());
      }
      try {
        session.execute(count.bind(k).setIdempotent(false));
        COUNTED.incrementAndGet();
      } catch (ClosedConnectionException | HeartbeatException failure) {
        CUT.incrementAndGet();
      } catch (DriverException failure) {
        WRONG.add(failure.toString());
      }
    }
  }

  private static void enough() throws InterruptedException {
    long repeatable = REPEATABLE.get() + ENOUGH;
    long counted = COUNTED.get() + ENOUGH;
    for (int waited = 0; REPEATABLE.get() < repeatable || COUNTED.get() < counted; waited++) {
      if (waited > 6000 || !WRONG.isEmpty()) {
        fail("no progress: " + REPEATABLE + " and " + COUNTED + ", " + WRONG);
      }
      Thread.sleep(10);
    }
  }

  /** Waits until the driver has connections to all servers. */
  private static void allUp(CqlSession session, int count) throws InterruptedException {
    for (int waited = 0; ; waited++) {
      long up =
          session.getMetadata().getNodes().values().stream()
              .filter(node -> node.getState() == NodeState.UP && node.getOpenConnections() > 0)
              .count();
      if (up == count) {
        return;
      }
      if (waited > 6000) {
        fail(up + " of " + count + " servers are up: " + session.getMetadata().getNodes().values().stream().map(Node::toString).toList());
      }
      Thread.sleep(10);
    }
  }

  private static void fail(String reason) {
    System.err.println(reason);
    System.exit(1);
  }
}
