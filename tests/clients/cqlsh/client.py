"""What a person does with cqlsh, on a server that the test started.

Usage: client.py ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
"""

import csv
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

ADDRESS, PORT = sys.argv[1:3]
CQLSH = [sys.executable, str(pathlib.Path(sys.executable).parent / "cqlsh"), "--no-color", "--connect-timeout=60", "--request-timeout=60"]
# cqlsh 6.2 says so to every server but 5.0.0.
OTHER_VERSION = "WARNING: cqlsh was built against 5.0.0, but this server is 5.0.9.  All features may not work!\n"
SCHEMA = pathlib.Path(__file__).parent / "schema.cql"

# The columns of the table in the order in which cqlsh gives them, and a row as COPY writes it.
ROW = {
    "part": "1",
    "n": "10",
    "for_the_part": "shared",
    "a_ascii": "plain",
    "a_bigint": "-9223372036854775808",
    "a_blob": "0x00ff",
    "a_boolean": "True",
    "a_date": "2026-02-28",
    "a_decimal": "1.00",
    "a_double": "0.1",
    "a_float": "0.5",
    "a_list": "[1, 2, 1]",
    "a_map": "{'one': 1, 'two': 2}",
    "a_set": "{'a', 'b, c'}",
    "a_smallint": "-300",
    "a_text": "Straße 東京, with a comma",
    "a_time": "12:34:56.000000789",
    "a_timestamp": "2026-01-02 03:04:05.678+0000",
    "a_timeuuid": "5f4b1c80-1234-11ee-8c90-0242ac120002",
    "a_tinyint": "5",
    "a_tuple": "(1, 'two')",
    "a_type": "{street: 'Main', numbers: [1, 2]}",
    "a_uuid": "00112233-4455-6677-8899-aabbccddeeff",
    "a_varint": "1606938044258990275541962092341162602522202993782792835301376",
    "a_vector": "[1, -2.5, 0.25]",
    "an_inet": "192.0.2.1",
}
QUOTED = {"a_ascii", "a_date", "a_text", "a_time", "a_timestamp", "an_inet", "for_the_part"}


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.chdir(folder)  # COPY leaves a file of what it could not import
        schema()
        descriptions()
        every_type()
        copy(folder)
        paging()
        batches_and_transactions()
        errors(folder)
        schema_events()
        reconnect()
    print("all checked")


def schema():
    cqlsh("-f", str(SCHEMA))
    version = cqlsh("-e", "SHOW VERSION")
    holds("SHOW VERSION", version, "Cassandra 5.0.", "Native protocol v5")
    older = cqlsh("--protocol-version=4", "-e", "SHOW VERSION; SELECT count(*) FROM app.every_type")
    holds("cqlsh with protocol v4", older, "Native protocol v4", "\n     0\n")
    holds("SHOW HOST", cqlsh("-e", "SHOW HOST"), f"at {ADDRESS}:{PORT}")
    print("schema: a file of statements; protocol v4 and v5")


def descriptions():
    names = cqlsh("-e", "DESCRIBE KEYSPACES").split()
    for name in ("app", "system", "system_schema"):
        if name not in names:
            fail(f"DESCRIBE KEYSPACES gives {names}, without {name}")
    holds("DESCRIBE CLUSTER", cqlsh("-e", "DESCRIBE CLUSTER"), "Partitioner: Murmur3Partitioner")
    tables = cqlsh("-k", "app", "-e", "DESCRIBE TABLES").split()
    same("DESCRIBE TABLES", sorted(tables), sorted(['"QuotedName"', "counted", "durations", "every_type", "numbers"]))
    same("DESCRIBE TYPES", cqlsh("-k", "app", "-e", "DESCRIBE TYPES").split(), ["address", "person"])
    same("DESCRIBE TYPE", cqlsh("-e", "DESCRIBE TYPE app.address").split(), "CREATE TYPE app.address ( street text, numbers frozen<list<int>> );".split())
    same("DESCRIBE INDEX", cqlsh("-e", "DESCRIBE INDEX app.by_date").strip(), "CREATE INDEX by_date ON app.every_type (a_date);")
    table = cqlsh("-e", "DESCRIBE TABLE app.every_type")
    holds("DESCRIBE TABLE", table, "CLUSTERING ORDER BY (n DESC)", "comment = 'one column a type'", "for_the_part text static", "CREATE INDEX by_date")
    quoted = cqlsh("-e", 'DESCRIBE TABLE app."QuotedName"')
    holds("DESCRIBE TABLE of a quoted name", quoted, 'app."QuotedName"', '"Key" text PRIMARY KEY', '"select" int', "gc_grace_seconds = 7")
    holds("DESCRIBE by a bare name", cqlsh("-k", "app", "-e", "DESCRIBE counted"), "c counter")
    for nothing in ("FUNCTIONS", "AGGREGATES"):
        same(f"DESCRIBE {nothing}", cqlsh("-k", "app", "-e", f"DESCRIBE {nothing}").strip().replace("<empty>", ""), "")
    holds("DESCRIBE SCHEMA", cqlsh("-e", "DESCRIBE SCHEMA"), "CREATE KEYSPACE app", "CREATE TYPE app.person", "CREATE TABLE app.counted")
    holds("DESCRIBE FULL SCHEMA", cqlsh("-e", "DESCRIBE FULL SCHEMA"), "CREATE KEYSPACE app", "CREATE KEYSPACE system_schema")
    keyspace = cqlsh("-e", "DESCRIBE KEYSPACE app")
    cqlsh("-e", "DROP KEYSPACE app")
    cqlsh(stdin=keyspace)
    same("a keyspace made from its own description", cqlsh("-e", "DESCRIBE KEYSPACE app"), keyspace)
    print("descriptions: cluster, keyspaces, tables, types, index, schema; a keyspace made again from its own")


def every_type():
    literals = {name: f"'{value}'" if name in QUOTED else value for name, value in ROW.items()}
    cqlsh("-e", f"INSERT INTO app.every_type ({', '.join(literals)}) VALUES ({', '.join(literals.values())})")
    cqlsh("-e", "INSERT INTO app.every_type (part, n) VALUES (2, 20)")
    cqlsh("-e", "INSERT INTO app.durations (id, d) VALUES (1, 1y2mo3d4h5m6s7ms8us9ns)")
    cqlsh("-e", "UPDATE app.counted SET c = c + 5 WHERE id = 1")
    cqlsh("-e", "UPDATE app.counted SET c = c - 7 WHERE id = 1")
    rows = table(cqlsh("-e", "SELECT * FROM app.every_type WHERE part = 1"))
    same("the columns", list(rows[0]), list(ROW))
    shown = dict(ROW, a_timestamp="2026-01-02 03:04:05.678000+0000")
    same("the row as it is shown", rows, [shown])
    nulls = table(cqlsh("-e", "SELECT * FROM app.every_type WHERE part = 2"))[0]
    same("a row of nulls", {v for k, v in nulls.items() if k not in ("part", "n")}, {"null"})
    same("a duration", table(cqlsh("-e", "SELECT * FROM app.durations")), [{"id": "1", "d": "1y2mo3d4h5m6s7ms8us9ns"}])
    same("a counter", table(cqlsh("-e", "SELECT * FROM app.counted")), [{"id": "1", "c": "-2"}])
    same("a row by its index", table(cqlsh("-e", "SELECT n FROM app.every_type WHERE a_date = '2026-02-28'")), [{"n": "10"}])
    holds("EXPAND", cqlsh("-e", "EXPAND ON; SELECT part, a_text FROM app.every_type WHERE part = 1"), "@ Row 1", " a_text | Straße 東京, with a comma")
    holds("SELECT JSON", cqlsh("-e", "SELECT JSON a_map, a_type FROM app.every_type WHERE part = 1"), '{"a_map": {"one": 1, "two": 2}, "a_type": {"street": "Main", "numbers": [1, 2]}}')
    print(f"types: {len(ROW)} columns shown as they were written; a duration, a counter, nulls; by index")


def copy(folder):
    file = folder / "every_type.csv"
    out = cqlsh("-e", f"COPY app.every_type TO '{file}' WITH HEADER = TRUE AND NULL = '<null>'")
    holds("COPY TO", out, "2 rows exported to 1 files")
    with file.open(newline="") as lines:
        read = {row["part"]: row for row in csv.DictReader(lines)}
    same("the row in the file", read["1"], ROW)
    same("the nulls in the file", {v for k, v in read["2"].items() if k not in ("part", "n")}, {"<null>"})
    before = table(cqlsh("-e", "SELECT * FROM app.every_type"))
    cqlsh("-e", "TRUNCATE app.every_type")
    same("the table after TRUNCATE", table(cqlsh("-e", "SELECT count(*) FROM app.every_type")), [{"count": "0"}])
    holds("COPY FROM", cqlsh("-e", f"COPY app.every_type FROM '{file}' WITH HEADER = TRUE AND NULL = '<null>'"), "2 rows imported from 1 files")
    same("the table after COPY FROM", table(cqlsh("-e", "SELECT * FROM app.every_type")), before)

    file, again = folder / "numbers.csv", folder / "again.csv"
    rows = [[str(n % 7), str(n), f'word "{n}", quoted', f"2026-01-01 00:{n // 60 % 60:02}:{n % 60:02}.000+0000"] for n in range(5000)]
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    holds("COPY FROM", cqlsh("-e", f"COPY app.numbers (part, n, word, at) FROM '{file}' WITH ESCAPE = '\"'"), "5000 rows imported from 1 files", "(0 skipped)")
    same("rows imported", table(cqlsh("-e", "SELECT count(*) FROM app.numbers")), [{"count": "5000"}])
    holds("COPY TO", cqlsh("-e", f"COPY app.numbers (part, n, word, at) TO '{again}' WITH PAGESIZE = 100 AND ESCAPE = '\"'"), "5000 rows exported")
    with again.open(newline="") as lines:
        same("rows of the file that came back", sorted(csv.reader(lines)), sorted(rows))
    bad = folder / "bad.csv"
    bad.write_text("1,not a number,word,\n2,2,word,\n")
    out = cqlsh("-e", f"COPY app.numbers (part, n, word, at) FROM '{bad}' WITH ERRFILE = '{folder / 'errors.csv'}'", code=None)
    holds("COPY FROM of a wrong row", out, "Failed to import 1 rows")
    print("copy: to and from a file, every type but duration; 5000 rows there and back")


def paging():
    rows = table(cqlsh("-e", "PAGING 100; SELECT n FROM app.numbers WHERE part = 3"))
    same("rows of all pages", [int(row["n"]) for row in rows], [n for n in range(5000) if n % 7 == 3])
    unpaged = table(cqlsh("-e", "PAGING OFF; SELECT n FROM app.numbers"))
    same("rows without paging", len(unpaged), 5000)
    print("paging: 714 rows in pages of 100, 5000 unpaged")


def batches_and_transactions():
    cqlsh("-e", """CONSISTENCY LOCAL_QUORUM; BEGIN BATCH
        INSERT INTO app."QuotedName" ("Key", "select") VALUES ('a', 1);
        INSERT INTO app."QuotedName" ("Key", "select") VALUES ('b', 2);
        APPLY BATCH""")
    same("rows of a batch", sorted(row["Key"] for row in table(cqlsh("-e", 'SELECT * FROM app."QuotedName"'))), ["a", "b"])
    insert = """SERIAL CONSISTENCY LOCAL_SERIAL; INSERT INTO app."QuotedName" ("Key", "select") VALUES ('c', 3) IF NOT EXISTS"""
    same("a first insert", table(cqlsh("-e", insert)), [{"[applied]": "True"}])
    same("a second", table(cqlsh("-e", insert)), [{"[applied]": "False", "Key": "c", "select": "3"}])
    print("batches and transactions")


def errors(folder):
    for statement, words in [
        ("SELEC * FROM app.numbers", "SyntaxException"),
        ("SELECT * FROM app.nosuch", "InvalidRequest"),
        ("CREATE TABLE app.numbers (id int PRIMARY KEY)", "already exists"),
        ("SELECT * FROM app.numbers WHERE word = 'x'", "ALLOW FILTERING"),
        ("DESCRIBE TABLE app.nosuch", "not found"),
    ]:
        holds(f"{statement!r}", cqlsh("-e", statement, code=2), words)
    file = folder / "wrong.cql"
    file.write_text("SELECT count(*) FROM app.numbers;\nSELECT * FROM app.nosuch;\n")
    holds("a file with an error", cqlsh("-f", str(file), code=2), "5000", f"{file}:", ":InvalidRequest")
    print("errors: named, with exit code 2, in files with their place")


def schema_events():
    with Session() as session:
        session.say("USE app;")
        session.until("SELECT count(*) FROM app.durations;", "(1 rows)")
        cqlsh("-e", "CREATE TABLE app.from_elsewhere (id int PRIMARY KEY)")
        # COPY looks the table up in the driver's metadata, which only events keep fresh.
        session.until("COPY from_elsewhere TO 'elsewhere.csv';", "0 rows exported")
    print("schema events: a table made by another session is there for COPY")


def reconnect():
    with Session() as session:
        session.until("SELECT c FROM app.counted;", "-2")
        print("restart the server", flush=True)
        same("the answer of the test", sys.stdin.readline().strip(), "restarted")
        session.until("SELECT d FROM app.durations;", "1y2mo3d4h5m6s7ms8us9ns")
    print("reconnect: the same session goes on after the server was killed")


class Session:
    """One cqlsh that is kept open and fed by its input."""

    def __enter__(self):
        unbuffered = dict(os.environ, PYTHONUNBUFFERED="1")
        self.process = subprocess.Popen([*CQLSH, ADDRESS, PORT], env=unbuffered, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.output = ""
        self.news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def _listen(self):
        for line in self.process.stdout:
            with self.news:
                self.output += line
                self.news.notify()

    def say(self, statement):
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()

    def until(self, statement, words):
        """Says the statement, again once a second (events and reconnections take a moment), until the words come."""
        with self.news:
            begin = len(self.output)
        for _ in range(60):
            self.say(statement)
            with self.news:
                if self.news.wait_for(lambda: words in self.output[begin:], timeout=1):
                    return
        fail(f"{statement!r} gave {self.output[begin:]!r}, without {words!r}")

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            fail("cqlsh did not end at the end of its input")


def cqlsh(*arguments, stdin=None, code=0):
    """Runs cqlsh to its end and gives what it printed, errors too."""
    run = subprocess.run([*CQLSH, *arguments, ADDRESS, PORT], input=stdin, capture_output=True, text=True)
    said = (run.stdout + run.stderr).replace(OTHER_VERSION, "")
    if code is not None and run.returncode != code:
        fail(f"cqlsh {arguments} ended with {run.returncode}, wanted {code}:\n{said}")
    return said


def table(output):
    """The rows of the last table that cqlsh printed."""
    lines = output.splitlines()
    rules = [at for at, line in enumerate(lines) if line and set(line) <= {"-", "+"}]
    if not rules:
        fail(f"no table in {output!r}")
    rule = rules[-1]
    cells = lambda line: [cell.strip() for cell in line.split(" | ")]
    rows = []
    for line in lines[rule + 1 :]:
        if not line.strip():
            break
        rows.append(dict(zip(cells(lines[rule - 1]), cells(line))))
    return rows


def holds(what, text, *words):
    for part in words:
        if part not in text:
            fail(f"{what} gives {text!r}, without {part!r}")


def same(what, read, wanted):
    if read != wanted:
        fail(f"{what}: read {read!r}, wanted {wanted!r}")


def fail(reason):
    sys.exit(f"MISMATCH: {reason}")


if __name__ == "__main__":
    main()
