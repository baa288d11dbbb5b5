import com.datastax.oss.driver.api.core.AllNodesFailedException;
import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.DriverException;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.BatchStatement;
import com.datastax.oss.driver.api.core.cql.BatchStatementBuilder;
import com.datastax.oss.driver.api.core.cql.DefaultBatchType;
import com.datastax.oss.driver.api.core.cql.ResultSet;
import com.datastax.oss.driver.api.core.cql.Row;
import com.datastax.oss.driver.api.core.cql.SimpleStatement;
import com.datastax.oss.driver.api.core.data.CqlDuration;
import com.datastax.oss.driver.api.core.data.CqlVector;
import com.datastax.oss.driver.api.core.metadata.schema.SchemaChangeListenerBase;
import com.datastax.oss.driver.api.core.metadata.schema.TableMetadata;
import com.datastax.oss.driver.api.core.servererrors.AlreadyExistsException;
import com.datastax.oss.driver.api.core.servererrors.InvalidQueryException;
import com.datastax.oss.driver.api.core.servererrors.SyntaxError;
import com.datastax.oss.driver.api.core.type.TupleType;
import com.datastax.oss.driver.api.core.type.UserDefinedType;
import com.datastax.oss.driver.api.core.uuid.Uuids;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * What an application does with the Java driver, once for each protocol version, on a server that the test started.
 *
 * <p>Usage: Client.java ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
 */
public class Client {
  private static InetSocketAddress server;
  private static final BlockingQueue<String> EVENTS = new LinkedBlockingQueue<>();

  public static void main(String[] args) throws Exception {
    server = new InetSocketAddress(args[0], Integer.parseInt(args[1]));
    for (String[] way : new String[][] {{"V3", "none"}, {"V4", "lz4"}, {"V5", "none"}, {"V5", "lz4"}}) {
      System.out.println("protocol " + way[0] + ", compression " + way[1]);
      try (CqlSession session = open(way[0], way[1])) {
        same("the version", session.getContext().getProtocolVersion().name(), way[0]);
        schema(session);
        everyType(session);
        paging(session);
        batches(session);
        transactions(session);
        errors(session);
        schemaEvents(way[0]);
      }
    }
    reconnect();
    System.out.println("all checked");
  }

  private static CqlSession open(String version, String compression) {
    DriverConfigLoader config =
        DriverConfigLoader.programmaticBuilder()
            .withString(DefaultDriverOption.PROTOCOL_VERSION, version)
            .withString(DefaultDriverOption.PROTOCOL_COMPRESSION, compression)
            .withString(DefaultDriverOption.REQUEST_CONSISTENCY, "LOCAL_QUORUM")
            .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofMinutes(1))
            .withDuration(DefaultDriverOption.CONNECTION_CONNECT_TIMEOUT, Duration.ofMinutes(1))
            .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofMinutes(1))
            .withDuration(DefaultDriverOption.CONTROL_CONNECTION_TIMEOUT, Duration.ofMinutes(1))
            .withDuration(DefaultDriverOption.METADATA_SCHEMA_REQUEST_TIMEOUT, Duration.ofMinutes(1))
            .withDuration(DefaultDriverOption.METADATA_SCHEMA_WINDOW, Duration.ofMillis(50))
            .withString(DefaultDriverOption.RECONNECTION_POLICY_CLASS, "ConstantReconnectionPolicy")
            .withDuration(DefaultDriverOption.RECONNECTION_BASE_DELAY, Duration.ofMillis(100))
            .build();
    return CqlSession.builder()
        .addContactPoint(server)
        .withLocalDatacenter("datacenter1")
        .withConfigLoader(config)
        .withSchemaChangeListener(new Listener())
        .build();
  }

  /** Hears of tables that were made, changed and dropped. */
  private static class Listener extends SchemaChangeListenerBase {
    @Override
    public void onTableCreated(TableMetadata table) {
      EVENTS.add("created " + table.getName());
    }

    @Override
    public void onTableUpdated(TableMetadata now, TableMetadata before) {
      EVENTS.add("updated " + now.getName());
    }

    @Override
    public void onTableDropped(TableMetadata table) {
      EVENTS.add("dropped " + table.getName());
    }
  }

  private static void schema(CqlSession session) throws Exception {
    session.execute("DROP KEYSPACE IF EXISTS app");
    String replicas = System.getenv().getOrDefault("REPLICATION_FACTOR", "3");
    session.execute("CREATE KEYSPACE app WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': " + replicas + "}");
    session.execute("USE app");
    session.execute("CREATE TYPE address (street text, numbers frozen<list<int>>, labels frozen<map<text, text>>)");
    StringBuilder definitions = new StringBuilder();
    columns(null, null).forEach((name, column) -> definitions.append(", ").append(name).append(' ').append(column.type));
    session.execute("CREATE TABLE every_type (id int PRIMARY KEY" + definitions + ")");
    session.execute("CREATE INDEX by_text ON every_type (a_text)");
    session.execute("CREATE TABLE pages (part int, n int, v text, PRIMARY KEY (part, n))");
    session.execute("CREATE TABLE counted (id int PRIMARY KEY, c counter)");
    session.execute("CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance int)");
    TableMetadata table = session.getMetadata().getKeyspace("app").get().getTable("every_type").get();
    same("the columns in the metadata", table.getColumns().size(), columns(null, null).size() + 1);
    same("the index in the metadata", table.getIndexes().keySet().toString(), "[by_text]");
    String described = table.describe(true);
    session.execute(described.substring(0, described.indexOf(';')).replace("\"every_type\"", "copied").replace("every_type", "copied"));
    System.out.println("  schema: keyspace, type, tables, index in the metadata; the driver's own CREATE TABLE text runs");
  }

  private record Column(String type, Object ordinary, Object extreme) {}

  private static Map<String, Column> columns(UserDefinedType address, TupleType tuple) throws Exception {
    Map<String, Column> all = new LinkedHashMap<>();
    all.put("a_ascii", new Column("ascii", "plain", ""));
    all.put("a_bigint", new Column("bigint", 42L, Long.MIN_VALUE));
    all.put("a_blob", new Column("blob", ByteBuffer.wrap(new byte[] {0, 1, -1}), ByteBuffer.allocate(0)));
    all.put("a_boolean", new Column("boolean", true, false));
    all.put("a_date", new Column("date", LocalDate.of(2026, 2, 28), LocalDate.of(1582, 10, 14)));
    all.put("a_decimal", new Column("decimal", new BigDecimal("1.00"), new BigDecimal("-1e-30")));
    all.put("a_double", new Column("double", 0.1, Double.NEGATIVE_INFINITY));
    all.put("a_duration", new Column("duration", CqlDuration.newInstance(14, 3, 4_000_000_005L), CqlDuration.newInstance(-1, -2, -3)));
    all.put("a_float", new Column("float", 0.5f, -0.0f));
    all.put("an_inet", new Column("inet", InetAddress.getByName("192.0.2.1"), InetAddress.getByName("2001:db8::1")));
    all.put("an_int", new Column("int", 7, Integer.MIN_VALUE));
    all.put("a_smallint", new Column("smallint", (short) 300, Short.MIN_VALUE));
    all.put("a_text", new Column("text", "Straße 東京 🌆", ""));
    all.put("a_time", new Column("time", LocalTime.ofNanoOfDay(1), LocalTime.MAX));
    all.put("a_timestamp", new Column("timestamp", Instant.parse("2026-01-02T03:04:05.678Z"), Instant.ofEpochMilli(Long.MIN_VALUE)));
    all.put("a_timeuuid", new Column("timeuuid", UUID.fromString("5f4b1c80-1234-11ee-8c90-0242ac120002"), Uuids.startOf(0)));
    all.put("a_tinyint", new Column("tinyint", (byte) 5, Byte.MIN_VALUE));
    all.put("a_uuid", new Column("uuid", UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"), new UUID(0, 0)));
    all.put("a_varchar", new Column("varchar", "text by its other name", "\0"));
    all.put("a_varint", new Column("varint", BigInteger.TWO.pow(200), BigInteger.valueOf(Long.MIN_VALUE).subtract(BigInteger.ONE)));
    all.put("a_list", new Column("list<int>", List.of(3, 1, 3), List.of(-1)));
    all.put("a_set", new Column("set<text>", Set.of("a", "b"), Set.of("")));
    all.put("a_map", new Column("map<text, bigint>", Map.of("one", 1L, "two", 2L), Map.of("", -1L)));
    all.put("a_frozen", new Column("frozen<list<frozen<set<int>>>>", List.of(Set.of(2, 1), Set.of()), List.of()));
    all.put("a_tuple", new Column("tuple<int, text, boolean>", tuple == null ? null : tuple.newValue(1, "two", null), tuple == null ? null : tuple.newValue()));
    all.put("a_type", new Column("frozen<address>", address == null ? null : address.newValue("Main Street", List.of(1, 2), Map.of("home", "1")), address == null ? null : address.newValue()));
    all.put("an_open_type", new Column("address", address == null ? null : address.newValue("Side Street", List.of(3), Map.of("work", "2")), address == null ? null : address.newValue("only a street", null, null)));
    all.put("a_vector", new Column("vector<float, 3>", CqlVector.newInstance(1f, -2.5f, 0.25f), CqlVector.newInstance(0f, 0f, 0f)));
    return all;
  }

  private static void everyType(CqlSession session) throws Exception {
    TableMetadata table = session.getMetadata().getKeyspace("app").get().getTable("every_type").get();
    UserDefinedType address = (UserDefinedType) table.getColumn("an_open_type").get().getType();
    TupleType tuple = (TupleType) table.getColumn("a_tuple").get().getType();
    Map<String, Column> columns = columns(address, tuple);
    if (session.getContext().getProtocolVersion().getCode() < 4) {
      // Protocol v3 has no codes for these: it sends them as custom types, which this driver does not know by name.
      columns.values().removeIf(column -> Set.of("date", "time", "smallint", "tinyint").contains(column.type));
    }
    String names = String.join(", ", columns.keySet());
    var insert = session.prepare("INSERT INTO every_type (id, " + names + ") VALUES (?" + ", ?".repeat(columns.size()) + ")");
    var select = session.prepare("SELECT " + names + " FROM every_type WHERE id = ?");
    for (int id = 1; id <= 3; id++) {
      List<Object> binds = new ArrayList<>();
      binds.add(id);
      for (Column column : columns.values()) {
        binds.add(id == 1 ? column.ordinary : id == 2 ? column.extreme : null);
      }
      session.execute(insert.bind(binds.toArray()));
      Row row = session.execute(select.bind(id)).one();
      int at = 1;
      for (String name : columns.keySet()) {
        Object wanted = binds.get(at++);
        Object read = id == 3 && row.isNull(name) ? null : row.getObject(name);
        if (wanted instanceof com.datastax.oss.driver.api.core.data.GettableByIndex) {
          wanted = formatted(wanted);
          read = formatted(read);
        }
        same(name + " of row " + id, read, wanted);
      }
    }
    if (session.getContext().getProtocolVersion().getCode() >= 4) {
      var partly = session.prepare("INSERT INTO every_type (id, an_int, a_text) VALUES (:id, :n, :t)");
      session.execute(partly.boundStatementBuilder().setInt("id", 1).setInt("n", 8).build());
      same("an unset value", session.execute("SELECT a_text FROM every_type WHERE id = 1").one().getString(0), "Straße 東京 🌆");
    }
    var found = session.prepare("SELECT id FROM every_type WHERE a_text = ?").bind("Straße 東京 🌆");
    same("the row found by the index", session.execute(found).one().getInt(0), 1);
    System.out.println("  types: " + columns.size() + " columns written and read prepared, ordinary, extreme and null; found by index");
  }

  /** Tuples and values of user-defined types are equal only if their types are the same objects. */
  private static String formatted(Object value) {
    if (value instanceof com.datastax.oss.driver.api.core.data.UdtValue udt) return udt.getFormattedContents();
    if (value instanceof com.datastax.oss.driver.api.core.data.TupleValue tuple) return tuple.getFormattedContents();
    return String.valueOf(value);
  }

  private static void paging(CqlSession session) {
    var insert = session.prepare("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)");
    for (int n = 0; n < 1000; n++) {
      session.execute(insert.bind(n % 4, n, "value " + n));
    }
    Set<Integer> seen = new HashSet<>();
    int pages = 0;
    ByteBuffer state = null;
    do {
      ResultSet page = session.execute(SimpleStatement.newInstance("SELECT n, v FROM pages").setPageSize(90).setPagingState(state));
      int rows = page.getAvailableWithoutFetching();
      check(rows <= 90, "a page of " + rows + " rows where 90 were asked for");
      state = page.getExecutionInfo().getPagingState();
      for (; rows > 0; rows--) {
        Row row = page.one();
        same("a value", row.getString("v"), "value " + row.getInt("n"));
        seen.add(row.getInt("n"));
      }
      pages++;
    } while (state != null);
    same("the rows of all pages", seen.size(), 1000);
    check(pages == 12 || pages == 13, "1000 rows came in " + pages + " pages of 90");
    List<Integer> one = new ArrayList<>();
    var select = session.prepare("SELECT n FROM pages WHERE part = ?");
    session.execute(select.bind(1).setPageSize(7)).forEach(row -> one.add(row.getInt(0)));
    same("the rows of the partition", one.size(), 250);
    same("its last row", one.get(249), 997);
    System.out.println("  paging: 1000 rows in " + pages + " pages, and one partition row by row");
  }

  private static void batches(CqlSession session) {
    var insert = session.prepare("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)");
    BatchStatementBuilder logged = BatchStatement.builder(DefaultBatchType.LOGGED);
    for (int part = 100; part < 110; part++) {
      logged.addStatement(insert.bind(part, 1, "batched"));
    }
    logged.addStatement(SimpleStatement.newInstance("INSERT INTO every_type (id, a_text) VALUES (?, ?)", 100, "batched"));
    session.execute(logged.build());
    same("rows of a logged batch", number(session, "SELECT count(*) FROM pages WHERE part IN (100, 104, 109)"), 3L);
    same("its simple statement", number(session, "SELECT count(*) FROM every_type WHERE a_text = 'batched'"), 1L);
    BatchStatementBuilder unlogged = BatchStatement.builder(DefaultBatchType.UNLOGGED);
    for (int n = 0; n < 50; n++) {
      unlogged.addStatement(insert.bind(200, n, "unlogged"));
    }
    session.execute(unlogged.build());
    same("rows of an unlogged batch", number(session, "SELECT count(*) FROM pages WHERE part = 200"), 50L);
    var add = session.prepare("UPDATE counted SET c = c + ? WHERE id = ?");
    for (int i = 0; i < 3; i++) {
      session.execute(BatchStatement.newInstance(DefaultBatchType.COUNTER, add.bind(5L, 1), add.bind(-2L, 2)));
    }
    same("a counter", number(session, "SELECT c FROM counted WHERE id = 1"), 15L);
    same("another", number(session, "SELECT c FROM counted WHERE id = 2"), -6L);
    System.out.println("  batches: logged over two tables, unlogged, counter");
  }

  private static void transactions(CqlSession session) {
    var insert = session.prepare("INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?) IF NOT EXISTS");
    same("a first insert", session.execute(insert.bind(1, "Ada", 10)).wasApplied(), true);
    ResultSet second = session.execute(insert.bind(1, "Eve", 99));
    same("a second", second.wasApplied(), false);
    Row there = second.one();
    same("the row that was there", there.getString("owner") + there.getInt("balance"), "Ada10");
    var update = session.prepare("UPDATE accounts SET balance = ? WHERE id = ? IF balance = ?");
    same("an update whose condition holds", session.execute(update.bind(20, 1, 10)).wasApplied(), true);
    ResultSet refused = session.execute(update.bind(30, 1, 10));
    same("one whose condition fails", refused.wasApplied(), false);
    same("its row", refused.one().getInt("balance"), 20);
    BatchStatement batch = BatchStatement.newInstance(DefaultBatchType.LOGGED, update.bind(1, 1, 20), SimpleStatement.newInstance("UPDATE accounts SET owner = 'Bob' WHERE id = 1"));
    same("a conditional batch", session.execute(batch).wasApplied(), true);
    System.out.println("  transactions: insert, update and batch, applied and not");
  }

  private static void errors(CqlSession session) {
    refused(session, "SELEC * FROM every_type", SyntaxError.class, "line 1:0");
    refused(session, "SELECT * FROM nosuch", InvalidQueryException.class, "nosuch");
    refused(session, "SELECT * FROM every_type WHERE an_int = 1", InvalidQueryException.class, "ALLOW FILTERING");
    refused(session, "CREATE TABLE every_type (id int PRIMARY KEY)", AlreadyExistsException.class, "every_type");
    try {
      session.prepare("SELECT nosuch FROM every_type");
    } catch (InvalidQueryException error) {
      check(error.getMessage().contains("nosuch"), "the error of a wrong prepare says " + error.getMessage());
      System.out.println("  errors: syntax, invalid, already exists, at prepare too");
      return;
    }
    check(false, "a column that is not there was prepared");
  }

  private static void refused(CqlSession session, String statement, Class<? extends DriverException> kind, String words) {
    try {
      session.execute(statement);
    } catch (DriverException error) {
      same("the error of " + statement, error.getClass(), kind);
      check(error.getMessage().contains(words), "the error of " + statement + " says " + error.getMessage());
      return;
    }
    check(false, statement + " was not refused");
  }

  private static void schemaEvents(String version) throws Exception {
    try (CqlSession other = CqlSession.builder().addContactPoint(server).withLocalDatacenter("datacenter1").withKeyspace("app").build()) {
      EVENTS.clear();
      for (String[] step : new String[][] {
        {"CREATE TABLE from_elsewhere (id int PRIMARY KEY)", "created from_elsewhere"},
        {"ALTER TABLE from_elsewhere ADD added text", "updated from_elsewhere"},
        {"DROP TABLE from_elsewhere", "dropped from_elsewhere"}
      }) {
        other.execute(step[0]);
        same("the event of " + step[0], EVENTS.poll(1, TimeUnit.MINUTES), step[1]);
      }
    }
    System.out.println("  schema events: table, column and drop by another session");
  }

  private static void reconnect() throws Exception {
    try (CqlSession session = open("V5", "lz4")) {
      var insert = session.prepare("INSERT INTO app.accounts (id, owner, balance) VALUES (?, ?, ?)");
      var select = session.prepare("SELECT owner FROM app.accounts WHERE id = ?");
      session.execute(insert.bind(7, "before", 1));
      System.out.println("restart the server");
      same("the answer of the test", new BufferedReader(new InputStreamReader(System.in)).readLine(), "restarted");
      until("the driver to reconnect", () -> {
        try {
          return "before".equals(session.execute(select.bind(7)).one().getString(0));
        } catch (AllNodesFailedException | com.datastax.oss.driver.api.core.connection.ClosedConnectionException notYet) {
          return false;
        }
      });
      session.execute(insert.bind(8, "after", 2));
      same("a row written after the restart", session.execute(select.bind(8)).one().getString(0), "after");
    }
    System.out.println("reconnect: what was written before the kill is read, prepared statements go on");
  }

  private static long number(CqlSession session, String query) {
    return session.execute(query).one().getLong(0);
  }

  /** Waits up to a minute for what comes by itself. */
  private static void until(String what, BooleanSupplier holds) throws InterruptedException {
    for (int i = 0; i < 1200; i++) {
      if (holds.getAsBoolean()) return;
      Thread.sleep(50);
    }
    check(false, "waited a minute for " + what);
  }

  private static void same(String what, Object read, Object wanted) {
    check(java.util.Objects.equals(read, wanted), what + ": read " + read + ", wanted " + wanted);
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) throw new AssertionError("MISMATCH: " + otherwise);
  }
}
