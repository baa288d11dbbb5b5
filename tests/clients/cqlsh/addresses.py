"""Loads examples/addresses as its README says, and reads it back.

Usage: addresses.py ADDRESS PORT. Prints what it checked; the first mismatch ends it with the reason.
"""

import csv
import pathlib
import subprocess
import sys

from cassandra.cluster import Cluster

ADDRESS, PORT = sys.argv[1:3]
CQLSH = [sys.executable, str(pathlib.Path(sys.executable).parent / "cqlsh"), "--request-timeout=60"]
EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "addresses"
COLUMNS = "lon, lat, number, street, unit, city, district, region, postcode, id, hash"


def main():
    cqlsh("-f", "schema.cql")
    load = f"COPY housing.addresses ({COLUMNS}) FROM 'addresses.csv' WITH HEADER = TRUE AND NULL = 'no cell is null'"
    with (EXAMPLE / "addresses.csv").open(newline="") as lines:
        wanted = sorted(tuple(row) for row in list(csv.reader(lines))[1:])
    with Cluster([ADDRESS], port=int(PORT), protocol_version=5) as cluster:
        session = cluster.connect("housing")
        for time in ("first", "second"):
            cqlsh("-e", load)
            rows = session.execute(f"SELECT {COLUMNS} FROM addresses")
            same(f"the rows after the {time} load", sorted(tuple(map(str, row)) for row in rows), wanted)
        print(f"{len(wanted)} rows, all there, and no more of them after a second load")
        flats = session.execute("SELECT unit FROM addresses WHERE postcode = '10000' AND city = 'Musterstadt' AND street = 'Lindenweg' AND number = '1'")
        same("the flats of a house", [row.unit for row in flats], ["", "Flat 1", "Flat 2"])
        towns = session.execute("SELECT city FROM addresses WHERE postcode = ''")
        same("towns without postcodes", sorted(row.city for row in towns), ["Anderstadt", "Drittstadt"])
        same("rows of a city", len(list(session.execute("SELECT id FROM addresses WHERE city = 'Sampleton'"))), 6)
    shorter = {(row[8], row[3], row[2]) for row in wanted}
    same("keys of postcode, street and number, as the README counts them", len(shorter), 31)
    print("by key and by index; the key of postcode, street and number would have lost 3 rows")
    print("all checked")


def cqlsh(*arguments):
    run = subprocess.run([*CQLSH, *arguments, ADDRESS, PORT], cwd=EXAMPLE, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"MISMATCH: cqlsh {arguments} ended with {run.returncode}:\n{run.stdout}{run.stderr}")


def same(what, read, wanted):
    if read != wanted:
        sys.exit(f"MISMATCH: {what}: read {read!r}, wanted {wanted!r}")


if __name__ == "__main__":
    main()
