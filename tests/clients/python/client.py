"""What an application does with the Python driver, once for each protocol version, on a server that the test started.

Usage: client.py ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
"""

import datetime
import decimal
import ipaddress
import os
import sys
import threading
import uuid

from cassandra import AlreadyExists, ConsistencyLevel, InvalidRequest, ProtocolVersion
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.connection import locally_supported_compressions
from cassandra.policies import ConstantReconnectionPolicy, WhiteListRoundRobinPolicy
from cassandra.protocol import SyntaxException
from cassandra.query import BatchStatement, BatchType, SimpleStatement
from cassandra.util import Date, Duration, OrderedMapSerializedKey, SortedSet, Time, max_uuid_from_time

ADDRESS, PORT = sys.argv[1], int(sys.argv[2])

# column, type, an ordinary value, an extreme one
COLUMNS = [
    ("a_ascii", "ascii", "plain", ""),
    ("a_bigint", "bigint", 42, -(2**63)),
    ("a_blob", "blob", b"\x00\x01\xff", b""),
    ("a_boolean", "boolean", True, False),
    ("a_date", "date", Date("2026-02-28"), Date("1582-10-14")),
    ("a_decimal", "decimal", decimal.Decimal("1.00"), decimal.Decimal("-1e-30")),
    ("a_double", "double", 0.1, float("-inf")),
    ("a_duration", "duration", Duration(14, 3, 4_000_000_005), Duration(-1, -2, -3)),
    ("a_float", "float", 0.5, -0.0),
    ("a_inet", "inet", "192.0.2.1", "2001:db8::1"),
    ("a_int", "int", 7, -(2**31)),
    ("a_smallint", "smallint", 300, -(2**15)),
    ("a_text", "text", "Straße 東京 🌆", ""),
    ("a_time", "time", Time(1), Time(86_399_999_999_999)),
    ("a_timestamp", "timestamp", datetime.datetime(2026, 1, 2, 3, 4, 5, 678000), datetime.datetime(1, 1, 1)),
    ("a_timeuuid", "timeuuid", uuid.UUID("5f4b1c80-1234-11ee-8c90-0242ac120002"), max_uuid_from_time(0)),
    ("a_tinyint", "tinyint", 5, -128),
    ("a_uuid", "uuid", uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), uuid.UUID(int=0)),
    ("a_varchar", "varchar", "text by its other name", "\x00"),
    ("a_varint", "varint", 2**200, -(2**63) - 1),
    ("a_list", "list<int>", [3, 1, 3], [-1]),
    ("a_set", "set<text>", SortedSet(["b", "a"]), SortedSet([""])),
    ("a_map", "map<text, bigint>", {"one": 1, "two": 2}, {"": -1}),
    ("a_frozen", "frozen<list<frozen<set<int>>>>", [SortedSet([2, 1]), SortedSet([])], []),
    ("a_tuple", "frozen<tuple<int, text, boolean>>", (1, "two", None), (None, None, None)),
    ("a_type", "frozen<address>", ("Main Street", [1, 2], {"home": "1"}), (None, None, None)),
    ("an_open_type", "address", ("Side Street", [3], {"work": "2"}), ("only a street", None, None)),
    ("a_vector", "vector<float, 3>", [1.0, -2.5, 0.25], [0.0, 0.0, 0.0]),
]


def main():
    compressions = ["lz4"] if "lz4" in locally_supported_compressions else []
    if not compressions:
        fail("the lz4 package is installed and the driver does not see it")
    for version in (ProtocolVersion.V3, ProtocolVersion.V4, ProtocolVersion.V5):
        for compression in (False, *compressions):
            with connect(version, compression) as cluster:
                print(f"protocol v{version}, compression {compression or 'none'}")
                session = cluster.connect()
                schema(session, cluster)
                every_type(session, version)
                paging(session)
                batches(session)
                transactions(session)
                errors(session)
                schema_events(session, cluster, version)
    with connect(ProtocolVersion.V5, "lz4") as cluster:
        reconnect(cluster)
    print("all checked")


def connect(version, compression):
    profile = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy([ADDRESS]),
        consistency_level=ConsistencyLevel.LOCAL_QUORUM,
        request_timeout=60,
    )
    return Cluster(
        [ADDRESS],
        port=PORT,
        protocol_version=version,
        compression=compression,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(0.1, max_attempts=None),
        schema_event_refresh_window=0,
        connect_timeout=60,
        control_connection_timeout=60,
    )


def schema(session, cluster):
    session.execute("DROP KEYSPACE IF EXISTS app")
    replicas = os.environ.get("REPLICATION_FACTOR", "3")
    session.execute("CREATE KEYSPACE app WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': " + replicas + "}")
    session.set_keyspace("app")
    session.execute("CREATE TYPE address (street text, numbers frozen<list<int>>, labels frozen<map<text, text>>)")
    columns = ", ".join(f"{name} {kind}" for name, kind, _, _ in COLUMNS)
    session.execute(f"CREATE TABLE every_type (id int PRIMARY KEY, {columns})")
    session.execute("CREATE INDEX by_text ON every_type (a_text)")
    table = cluster.metadata.keyspaces["app"].tables["every_type"]
    same("the columns in the driver's metadata", set(table.columns), {"id", *(c[0] for c in COLUMNS)})
    same("the index in the driver's metadata", list(table.indexes), ["by_text"])
    same("the fields of the type", cluster.metadata.keyspaces["app"].user_types["address"].field_names, ["street", "numbers", "labels"])
    kinds = {name: kind for name, kind, _, _ in COLUMNS}
    for name, column in table.columns.items():
        if name in kinds and column.cql_type.replace("varchar", "text") != kinds[name].replace("varchar", "text"):
            fail(f"column {name} is said to be {column.cql_type}, and was made as {kinds[name]}")
    session.execute(f"CREATE TABLE copied {table.as_cql_query().split('every_type', 1)[1]}")
    print("  schema: keyspace, type, table, index; the driver's own CREATE TABLE text runs")


def every_type(session, version):
    names = [name for name, _, _, _ in COLUMNS]
    insert = session.prepare(f"INSERT INTO every_type (id, {', '.join(names)}) VALUES (?{', ?' * len(names)})")
    select = session.prepare(f"SELECT {', '.join(names)} FROM every_type WHERE id = ?")
    for number, which in ((1, 2), (2, 3)):
        values = [column[which] for column in COLUMNS]
        session.execute(insert, [number, *values])
        row = session.execute(select, [number]).one()
        for name, wrote, read in zip(names, values, row):
            same(f"{name} of row {number}", comparable(read), comparable(wrote))
    session.execute(insert, [3, *(None for _ in names)])
    for name, read in zip(names, session.execute(select, [3]).one()):
        same(f"{name} of the row of nulls", read, None)
    if version >= ProtocolVersion.V4:
        partly = session.prepare("INSERT INTO every_type (id, a_int, a_text) VALUES (?, ?, ?)")
        session.execute(partly, {"id": 1, "a_int": 8})  # a_text is unset, which leaves it as it is
        row = session.execute("SELECT a_int, a_text FROM every_type WHERE id = 1").one()
        same("a row written with an unset value", tuple(row), (8, "Straße 東京 🌆"))
    found = session.execute("SELECT id FROM every_type WHERE a_text = %s", ["Straße 東京 🌆"])
    same("rows found by the index", [row.id for row in found], [1])
    print(f"  types: {len(names)} columns written and read prepared, ordinary, extreme and null; found by index")


def paging(session):
    session.execute("CREATE TABLE pages (part int, n int, v text, PRIMARY KEY (part, n))")
    insert = session.prepare("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)")
    futures = [session.execute_async(insert, (n % 4, n, f"value {n}")) for n in range(1000)]
    for future in futures:
        future.result()
    pages = 0
    seen = set()
    result = session.execute(SimpleStatement("SELECT n, v FROM pages", fetch_size=90))
    while True:
        page = result.current_rows
        pages += 1
        if len(page) > 90:
            fail(f"a page of {len(page)} rows where 90 were asked for")
        for row in page:
            same("a value", row.v, f"value {row.n}")
            seen.add(row.n)
        if not result.has_more_pages:
            break
        result.fetch_next_page()
    same("the rows of all pages", seen, set(range(1000)))
    if pages not in (12, 13):
        fail(f"1000 rows came in {pages} pages of 90")
    select = session.prepare("SELECT n FROM pages WHERE part = ? AND n > ?")
    select.fetch_size = 7
    first = session.execute(select, (1, 500))
    state = first.paging_state
    kept = [row.n for row in first.current_rows]
    rest = session.execute(select, (1, 500), paging_state=state)
    same("a query taken up from its paging state", kept + [row.n for row in rest], list(range(501, 1000, 4)))
    print(f"  paging: 1000 rows in {pages} pages, and taken up from a paging state")


def batches(session):
    session.execute("CREATE TABLE counted (id int PRIMARY KEY, c counter)")
    insert = session.prepare("INSERT INTO pages (part, n, v) VALUES (?, ?, ?)")
    batch = BatchStatement(BatchType.LOGGED)
    for part in range(100, 110):
        batch.add(insert, (part, 1, "batched"))
    batch.add(SimpleStatement("INSERT INTO every_type (id, a_text) VALUES (%s, %s)"), (100, "batched"))
    session.execute(batch)
    parts = session.execute("SELECT part FROM pages WHERE part IN (100, 104, 109)")
    same("rows of a logged batch", [row.part for row in parts], [100, 104, 109])
    same("its simple statement", session.execute("SELECT a_text FROM every_type WHERE id = 100").one().a_text, "batched")
    unlogged = BatchStatement(BatchType.UNLOGGED)
    for n in range(50):
        unlogged.add(insert, (200, n, "unlogged"))
    session.execute(unlogged)
    same("rows of an unlogged batch", session.execute("SELECT count(*) FROM pages WHERE part = 200").one()[0], 50)
    add = session.prepare("UPDATE counted SET c = c + ? WHERE id = ?")
    for _ in range(3):
        counters = BatchStatement(BatchType.COUNTER)
        counters.add(add, (5, 1))
        counters.add(add, (-2, 2))
        session.execute(counters)
    rows = {row.id: row.c for row in session.execute("SELECT id, c FROM counted")}
    same("counters after three batches", rows, {1: 15, 2: -6})
    print("  batches: logged over two tables, unlogged, counter")


def transactions(session):
    session.execute("CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance int)")
    insert = session.prepare("INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?) IF NOT EXISTS")
    first = session.execute(insert, (1, "Ada", 10))
    same("the first insert", first.was_applied, True)
    second = session.execute(insert, (1, "Eve", 99))
    same("the second insert", second.was_applied, False)
    same("the row that was there", second.one()._asdict(), {"applied": False, "id": 1, "owner": "Ada", "balance": 10})
    update = session.prepare("UPDATE accounts SET balance = ? WHERE id = ? IF balance = ?")
    update.serial_consistency_level = ConsistencyLevel.LOCAL_SERIAL
    same("an update whose condition holds", session.execute(update, (20, 1, 10)).was_applied, True)
    refused = session.execute(update, (30, 1, 10))
    same("an update whose condition fails", (refused.was_applied, refused.one().balance), (False, 20))
    batch = BatchStatement()
    batch.add(SimpleStatement("UPDATE accounts SET balance = 1 WHERE id = 1 IF balance = 20"))
    batch.add(SimpleStatement("UPDATE accounts SET owner = 'Bob' WHERE id = 1"))
    same("a conditional batch", session.execute(batch).was_applied, True)
    same("the row it left", tuple(session.execute("SELECT owner, balance FROM accounts WHERE id = 1").one()), ("Bob", 1))
    print("  transactions: insert, update and batch, applied and not")


def errors(session):
    refused(session, "SELEC * FROM every_type", SyntaxException, "line 1:0")
    refused(session, "SELECT * FROM nosuch", InvalidRequest, "nosuch")
    refused(session, "SELECT * FROM every_type WHERE a_int = 1", InvalidRequest, "ALLOW FILTERING")
    refused(session, "CREATE TABLE every_type (id int PRIMARY KEY)", AlreadyExists, "every_type")
    refused(session, "CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}", AlreadyExists, "app")
    try:
        session.prepare("SELECT nosuch FROM every_type")
    except InvalidRequest as error:
        holds("the error of a wrong prepare", str(error), "nosuch")
    else:
        fail("a column that is not there was prepared")
    print("  errors: syntax, invalid, already exists, at prepare too")


def refused(session, statement, kind, words):
    try:
        session.execute(statement)
    except kind as error:
        holds(f"the error of {statement!r}", str(error), words)
    else:
        fail(f"{statement!r} was not refused")


def schema_events(session, cluster, version):
    """Another session's table, column and drop come to this one as events; nothing here asks for a refresh."""
    def there():
        return cluster.metadata.keyspaces["app"].tables.get("from_elsewhere")

    with connect(version, False) as other:
        elsewhere = other.connect("app")
        elsewhere.execute("CREATE TABLE from_elsewhere (id int PRIMARY KEY)")
        wait("the event of a new table", lambda: there() is not None)
        elsewhere.execute("ALTER TABLE from_elsewhere ADD added text")
        wait("the event of a new column", lambda: "added" in there().columns)
        elsewhere.execute("CREATE TYPE seen (a int)")
        wait("the event of a new type", lambda: "seen" in cluster.metadata.keyspaces["app"].user_types)
        elsewhere.execute("DROP TABLE from_elsewhere")
        wait("the event of a dropped table", lambda: there() is None)
    print("  schema events: table, column, type and drop by another session")


def reconnect(cluster):
    session = cluster.connect("app")
    insert = session.prepare("INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?)")
    select = session.prepare("SELECT owner FROM accounts WHERE id = ?")
    session.execute(insert, (7, "before", 1))
    print("restart the server", flush=True)
    same("the answer of the test", sys.stdin.readline().strip(), "restarted")

    def answers():
        try:
            return session.execute(select, [7]).one().owner == "before"
        except NoHostAvailable:
            return False  # the driver has not yet reconnected

    wait("the driver to reconnect", answers)
    session.execute(insert, (8, "after", 2))  # the server does not know the statement: the driver prepares again
    same("a row written after the restart", session.execute(select, [8]).one().owner, "after")
    print("reconnect: what was written before the kill is read, prepared statements go on")


def comparable(value):
    """Values as the driver gives them back: types as named tuples, maps as its own ordered maps."""
    if isinstance(value, OrderedMapSerializedKey):
        return dict(value)
    if isinstance(value, str) and ":" in value and value.count(":") > 1:
        return str(ipaddress.ip_address(value))
    if isinstance(value, (tuple, list)):
        return [comparable(part) for part in value]
    if isinstance(value, (set, SortedSet)):
        return sorted(value)
    return repr(value) if isinstance(value, (float, decimal.Decimal)) else value


def wait(what, holds):
    """Waits up to a minute for what comes from another thread."""
    pause = threading.Event()
    for _ in range(1200):
        if holds():
            return
        pause.wait(0.05)
    fail(f"waited a minute for {what}")


def holds(what, text, words):
    if words not in text:
        fail(f"{what} says {text!r}, without {words!r}")


def same(what, read, wanted):
    if read != wanted:
        fail(f"{what}: read {read!r}, wanted {wanted!r}")


def fail(reason):
    sys.exit(f"MISMATCH: {reason}")


if __name__ == "__main__":
    main()
